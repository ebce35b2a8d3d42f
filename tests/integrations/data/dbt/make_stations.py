import duckdb

with duckdb.connect("shop.duckdb") as c:
    c.sql(
        "create or replace table stations as select * from (values ('JFK', 4.0), ('LGA', 6.4)) as t(origin, height_m)"
    )
