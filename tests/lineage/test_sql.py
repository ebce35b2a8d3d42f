"""`analyse`: outputs, origins, reads, and errors that teach."""

from __future__ import annotations

import pytest

from featurestore.errors import DefinitionError
from featurestore.lineage.sql import analyse

SCHEMAS = {
    "weather": {"origin": "VARCHAR", "Time_Hour": "TIMESTAMP", "temp": "DOUBLE", "l": "INT[]", "s": "STRUCT(a INT)"},
    "flights": {"id": "INT", "origin": "VARCHAR", "dep": "TIMESTAMP"},
}


def test_outputs_are_spelt_as_the_source_or_the_alias_spells_them() -> None:
    analysis = analyse('select ORIGIN, time_hour, temp as Temp_C, s.A, "TEMP" from WEATHER', SCHEMAS)
    assert analysis.outputs == ("origin", "Time_Hour", "Temp_C", "A", "temp")
    assert list(analysis.reads) == ["weather"]


def test_always_columns_are_kept_in_every_pruned_query() -> None:
    analysis = analyse("select origin, time_hour, temp, l from weather", SCHEMAS, always=["ORIGIN", "Time_Hour"])
    assert analysis.reads_of["temp"] == {"weather": ("Time_Hour", "origin", "temp")}
    assert analysis.reads == {"weather": ("Time_Hour", "l", "origin", "temp")}


def test_a_source_of_which_only_the_rows_count_is_read_without_columns() -> None:
    assert analyse("select count(*) as n from weather", SCHEMAS).reads == {"weather": ()}


@pytest.mark.parametrize(
    ("sql", "origin"),
    [
        ("select temp as x from weather", ("weather", "temp")),
        ("select (temp) as x from weather where temp > 0 order by 1 limit 3", ("weather", "temp")),
        ("with a as (select temp as t from weather), b as (select * from a) select t as x from b", ("weather", "temp")),
        ("select origin as x, max(temp) as m from weather group by 1", ("weather", "origin")),
        ("select origin as x from weather join flights using (origin)", ("weather", "origin")),
        ("select f.dep as x from weather w left join flights f using (origin)", None),
        ("select w.temp as x from weather w left join flights f using (origin)", ("weather", "temp")),
        ("select w.temp as x from weather w right join flights f using (origin)", None),
        ("select origin as x from weather w full join flights f using (origin)", None),
        ("select temp + 0 as x from weather", None),
        ("select temp::double as x from weather", None),
        ("select max(temp) as x from weather", None),
        ("select temp as x from weather union all select temp from weather", None),
        ("select s.a as x from weather", None),
        ("select origin as x, count(*) as n from weather group by rollup (origin)", None),
        ("select (select max(temp) from weather) as x from flights", None),
    ],
)
def test_origin(sql: str, origin: tuple[str, str] | None) -> None:
    assert analyse(sql, SCHEMAS).origin.get("x") == origin


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select temp\nfrom wether", r"'wether' \(line 2, column 6\).*Did you mean 'weather'"),
        ("select tmp from weather", r"'tmp' here \(line 1, column 8\)\. Did you mean 'temp'"),
        ("select w.tmp from weather w", r"'w' has no column 'tmp'.*Did you mean 'temp'"),
        ("select x.temp from weather w", r"called 'x'"),
        ("select origin from weather, flights", r"ambiguous: write weather.origin or flights.origin"),
        ("select 1 as a; select 2 as a", r"2 statements"),
        ("create table x as select 1 as a", r"must be a SELECT, not CREATE"),
        ("values (1)", r"must be a SELECT"),
        ("", r"is empty"),
        ("select a, from", r"does not parse at line 1"),
        ("select 'abc", r"does not parse"),
        ("select count(*) from weather", r"Output 1 .*add `as name`"),
        ("select temp, Temp from weather", r"2 outputs are called 'temp'"),
        ("select * from read_parquet('x')", r"read_parquet.*only its declared sources"),
        ("select * from 'x.parquet'", r"reads no files"),
        ("select * from db.weather", r"'db.weather'.*schema or a database"),
        ("select random() as r", r"random\(\) \(line 1, column 8\).*same rows again"),
        ('select "RANDOM"() as r', r"same rows again"),
        ("select temp from weather where time_hour < current_timestamp", r"current_timestamp.*column 44.*same rows"),
        ("select current_date as d", r"current_date \(line 1, column 8\)"),
        ("select age(time_hour) as a from weather", r"age\(\)"),
        ("select temp from weather using sample 10%", r"sample.*hash"),
        ("select * from weather pivot (sum(temp) for origin in ('a'))", r"PIVOT"),
        ("pivot weather on origin using sum(temp)", r"PIVOT"),
        ("select columns('t.*') from weather", r"write the columns out"),
        ("select * like 't%' from weather", r"write the columns out"),
        ("select $1 as x", r"no parameters"),
        ("select #1 as x from weather", r"Name the column"),
        ("select list_transform(l, x -> x + 1) as y from weather", r"lambda x: "),
        ("select sum(temp) over w as x from weather", r"No window is called 'w'"),
        ("select temp from weather order by 3", r"Position 3"),
        ("select temp from weather union select 1, 2", r"joins 1 columns with 2"),
        ("select temp from weather union select 1 order by tmp", r"Did you mean 'temp'"),
        ("select unnest({'a': 1}) as x", r"read its fields by name"),
        ("select unnest(l, recursive := true) as x from weather", r"with options"),
        ("select s.* from weather", r"fields of a struct"),
        ("select *", r"needs a FROM"),
        ("select * exclude (tmp) from weather", r"no column 'tmp'"),
        ("select t.id from flights t join weather t on true", r"Two tables are called 't'"),
        ("select temp from weather join flights using (orgin)", r"USING \(orgin\).*Did you mean 'origin'"),
        ("select temp from weather at (version => 3)", r"not supported in a view"),
        ("select struct_pack(= := 1) as x", r"does not parse"),
    ],
)
def test_errors_say_what_where_and_what_next(sql: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=f"(?s){message}"):
        analyse(sql, SCHEMAS)


def test_an_unknown_always_column_names_the_nearest_output() -> None:
    with pytest.raises(DefinitionError, match=r"no output 'orign'.*Did you mean 'origin'"):
        analyse("select origin from weather", SCHEMAS, always=["orign"])


def test_sources_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(DefinitionError, match="names differ in more than case"):
        analyse("select 1 as x", {"a": {}, "A": {}})
