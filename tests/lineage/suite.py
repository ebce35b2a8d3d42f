# ruff: noqa: E501 - queries read best in one piece
"""Real-looking queries over three small sources, and random rows for them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

SCHEMAS = {
    "weather": {"origin": "VARCHAR", "ts": "TIMESTAMP", "temp": "DOUBLE", "wind": "DOUBLE", "tags": "INTEGER[]"},
    "flights": {"id": "INTEGER", "origin": "VARCHAR", "dep": "TIMESTAMP", "delay": "DOUBLE", "tail": "VARCHAR"},
    "planes": {"tail": "VARCHAR", "year": "INTEGER", "info": "STRUCT(seats INTEGER, maker VARCHAR)"},
}
START = datetime(2024, 1, 1)  # noqa: DTZ001 - DuckDB's TIMESTAMP has no zone

QUERIES = {
    "as_is": "select * from weather",
    "filter": "select origin, ts, temp * 2 + wind as x from weather where temp > 0 and tags is not null",
    "rolling": """select origin, ts, avg(wind) over (partition by origin order by ts
        range between interval 6 hours preceding and current row) as wind_6h, temp from weather""",
    "named_window": """select origin, ts, sum(temp) over w as s, lag(wind) over w as l,
        first_value(wind) over (w rows between 1 preceding and current row) as f
        from weather window w as (partition by origin order by ts)""",
    "group": "select origin, date_trunc('hour', ts) as h, max(temp) as hi, count(*) as n from weather group by 1, 2",
    "group_all": "select origin, sum(wind) as total, max(temp) filter (where wind > 3) as m from weather group by all",
    "having": "select origin, avg(temp) as temp from weather group by origin having max(wind) > 5 and temp > 1",
    "dedupe": """select origin, ts, temp from weather
        qualify row_number() over (partition by origin order by ts desc, wind) = 1""",
    "qualify_alias": """select id, origin, rank() over (partition by origin order by delay) as r, tail
        from flights qualify r <= 3""",
    "cte_chain": """with a as (select *, temp - wind as chill from weather where wind > 2),
        b as (select origin, ts, chill, chill * 2 as twice from a),
        c as (select origin, max(twice) as peak, min(chill) as low from b group by origin)
        select origin, peak, low from c""",
    "self_join": """select a.origin, a.ts, a.temp - b.temp as step, b.wind as before from weather a
        join weather b on a.origin = b.origin and b.ts = a.ts - interval 1 hour""",
    "left_join": """select f.id, f.delay, p.year, coalesce(p.info.seats, 0) as seats from flights f
        left join planes p on f.tail = p.tail""",
    "using": "select id, tail, year, info.maker as maker from flights join planes using (tail)",
    "full_using": "select tail, max(id) as id, max(year) as y from flights full join planes using (tail) group by tail",
    "right_using": "select tail, id, year from flights right join planes using (tail)",
    "natural": "select id, tail, year from flights natural join planes",
    "semi": "select id, delay from flights semi join planes using (tail)",
    "anti": "select id, delay from flights anti join planes on flights.tail = planes.tail and planes.year > 2000",
    "asof": """select f.id, w.temp, w.wind * f.delay as x from flights f
        asof join weather w on f.origin = w.origin and f.dep >= w.ts""",
    "asof_left": """select f.id, w.temp from flights f asof left join weather w using (origin)
        """.replace("using (origin)", "on f.origin = w.origin and f.dep >= w.ts"),
    "union_all": """select origin, ts, temp as v from weather where wind > 3
        union all select origin, dep, delay from flights""",
    "union": "select origin, temp as v from weather union select origin, delay from flights order by v limit 12",
    "by_name": "select origin, temp as v from weather union all by name select delay as d, origin from flights",
    "except": "select origin, tail from flights except select origin, 'T1' from weather where temp > 5",
    "intersect": "select origin from flights where delay > 0 intersect select origin from weather",
    "scalar": "select id, delay - (select avg(delay) from flights where tail is not null) as rel from flights",
    "correlated": """select f.id, (select max(w.temp) from weather w where w.origin = f.origin and w.ts <= f.dep) as t
        from flights f""",
    "exists": """select id, delay from flights f
        where exists (select 1 from weather w where w.origin = f.origin and w.wind > 8)""",
    "in": "select id, origin from flights where tail in (select tail from planes where year > 2005)",
    "not_in_item": "select id, tail in (select tail from planes where year > 2005) as modern from flights",
    "lateral": """select f.id, x.hot, x.n from flights f, lateral (
        select max(temp) as hot, count(*) as n from weather w where w.origin = f.origin) x""",
    "implicit_lateral": "select origin, ts, y from weather, (select temp + wind as y)",
    "unnest_from": "select origin, ts, tag from weather, unnest(tags) as u(tag)",
    "unnest_item": "select origin, ts, unnest(tags) as tag, temp from weather",
    "list_agg": "select origin, list(temp order by ts desc) as temps, string_agg(wind, ',' order by temp) as s "
    "from weather group by origin",
    "ordered_subquery": "select origin, list(temp) as temps from (select * from weather order by wind, ts) group by all",
    "case": "select id, case when delay > 10 then 'late' when origin = 'JFK' then tail else 'ok' end as c from flights",
    "lambda": "select origin, ts, list_transform(tags, lambda x: x + temp) as l, [t * 2 for t in tags if t > wind] as c "
    "from weather",
    "lambda_shadow": "select origin, ts, list_filter(tags, lambda temp: temp > 2) as l from weather",
    "method": "select id, tail.lower().concat(origin) as m, flights.tail.upper() as u from flights",
    "struct": "select tail, {'s': info.seats, 'y': year} as st, planes.info.maker as k from planes",
    "row": "select tail, struct_extract(planes, 'year') as y from planes",
    "row_subquery": "select x as s from (select tail, year from planes) x",
    "limit": "select id, delay from flights order by dep desc, id limit 5",
    "distinct": "select distinct origin, tail from flights",
    "distinct_on": "select distinct on (origin) origin, id, delay from flights order by origin, dep, id",
    "rollup": "select origin, tail, sum(delay) as s from flights group by rollup (origin, tail)",
    "percentile": "select origin, quantile_cont(temp, 0.5) as q, percentile_cont(0.9) within group (order by wind) as p "
    "from weather group by origin",
    "arg_max": "select origin, arg_max(temp, ts) as last, max_by(wind, temp) as at_peak from weather group by origin",
    "alias_chain": "select id, delay as d, d * 2 as e, e + d as f from flights where e > 3",
    "shadow": "select id, -delay as delay, delay * 2 as twice from flights where delay > 3 order by delay limit 4",
    "nested_alias": "select id as k, (select count(*) from planes where year > k) as n, 99 as year from flights",
    "recursive": """with recursive r(n, v) as (select 1, max(year) from planes
        union all select n + 1, v + 1 from r where n < 4) select n, v from r""",
    "range_join": """with hours as (select i from range(3) t(i))
        select w.origin, w.ts, i, w.temp * i as x from weather w cross join hours""",
    "values": "select id, w.weight * delay as x from flights join (values ('JFK', 2), ('LGA', 3)) w(o, weight) on o = origin",
    "constant": "select 'all' as k, count(*) as n, 1 as one from weather where wind > 4",
    "nested_join": "select f.id, w.temp, p.year from flights f left join (planes p join weather w on p.year > w.temp) "
    "on p.tail = f.tail and w.origin = f.origin",
    "exclude": "select * exclude (tags, wind) replace (temp + wind as temp) rename (ts as at_time) from weather",
    "positional": "select 1 as one, a.id, b.year from flights a positional join planes b",
    "values_of_cte_twice": "with w as (select origin, avg(temp) as t, max(wind) as m from weather group by 1) "
    "select a.origin, a.t - b.t as d from w a, w b where a.origin < b.origin",
    "grouping_by_alias": "select date_trunc('day', dep) as day, count(distinct tail) as n from flights group by day",
    "group_by_shadowed": "select upper(origin) as origin, max(delay) as m from flights group by flights.origin",
    "window_group": "select origin, sum(temp) as s, rank() over (order by max(wind)) as r from weather group by origin",
    "latest": """select * from (select *, row_number() over (partition by tail order by dep desc, id) as rn from flights)
        where rn = 1""",
    "gaps": """select origin, ts, ts - lag(ts) over (partition by origin order by ts) as gap,
        sum(case when temp > 5 then 1 else 0 end) over (partition by origin order by ts) as run from weather""",
    "parens_limit": "select id, delay from (select id, delay, dep from flights order by dep, id limit 4)",
    "any_all": "select id, delay > all (select temp from weather where wind > 8) as hot, "
    "tail = any (select tail from planes) as known from flights",
    "array_query": "select id, array(select temp from weather w where w.origin = f.origin order by wind, ts) as a "
    "from flights f",
    "json": "select tail, ('{\"a\": ' || year || '}')::json ->> 'a' as j from planes",
}  # fmt: skip


def rows_of(table: str, generator: random.Random) -> list[tuple[Any, ...]]:
    origins, tails = ["JFK", "LGA", "EWR"], ["T1", "T2", "T3", "T4"]
    if table == "weather":
        return [
            (origin, START + timedelta(hours=hour), generator.randint(-3, 12), generator.randint(0, 10),
             [generator.randint(0, 6) for _ in range(generator.randint(0, 3))])
            for origin in origins for hour in range(5)
        ]  # fmt: skip
    if table == "flights":
        return [
            (number, generator.choice(origins), START + timedelta(minutes=generator.randint(0, 300)),
             generator.randint(-5, 30), generator.choice([*tails, None]))
            for number in range(12)
        ]  # fmt: skip
    return [(tail, generator.randint(1995, 2015), {"seats": generator.randint(50, 300), "maker": generator.choice("AB")})
            for tail in tails[:3]]  # fmt: skip


def changed(value: object, generator: random.Random, pool: list[object]) -> object:  # noqa: PLR0911 - one per type
    """Return another value of the same type, sometimes null, sometimes one that occurs in the column."""
    chance = generator.random()
    if chance < 0.15:
        return None
    if chance < 0.6:
        return generator.choice(pool)
    match value:
        case str():
            return generator.choice(["JFK", "LGA", "EWR", "T1", "T2", "T3", "XXX"])
        case datetime():
            return value + timedelta(minutes=generator.randint(-180, 180))
        case list():
            return [generator.randint(0, 9) for _ in range(generator.randint(0, 3))]
        case dict():
            return {"seats": generator.randint(1, 400), "maker": generator.choice("ABC")}
        case _:
            return generator.randint(-5, 30)


def load(database: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in SCHEMAS[table].items())
    database.execute(f"create or replace table {table} ({columns})")
    marks = ", ".join(["(" + ", ".join("?" * len(SCHEMAS[table])) + ")"] * len(rows))
    database.execute(f"insert into {table} values {marks}", [value for row in rows for value in row])


def result(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[str, ...]]]:
    cursor = database.execute(sql)
    names = [column[0] for column in cursor.description or []]
    return names, [tuple(repr(value) for value in row) for row in cursor.fetchall()]
