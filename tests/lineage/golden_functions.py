"""The golden suite of functions: what a Polars function's docstring says of its outputs, as in `golden/*.sql`."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import polars.selectors as cs
from polars import col

Relations = dict[str, pl.LazyFrame]


def as_it_is(relations: Relations) -> pl.LazyFrame:
    """tail: planes.tail
    year: planes.year
    info: planes.info
    """
    return relations["planes"]


def filtered(relations: Relations) -> pl.LazyFrame:
    """rows: weather.temp
    origin: weather.origin
    chill: weather.temp, weather.wind
    """
    return relations["weather"].filter(col("temp") > 2).select("origin", chill=col("temp") - col("wind") * 2)


def rolling(relations: Relations) -> pl.LazyFrame:
    """rows: weather.ts
    origin: weather.origin
    ts: weather.ts
    wind_2h: weather.wind, weather.ts; by weather.origin
    rank: weather.temp; by weather.origin
    """
    return relations["weather"].sort("ts").select(
        "origin", "ts",
        wind_2h=col("wind").rolling_mean_by("ts", "2h").over("origin"),
        rank=col("temp").rank().over("origin"),
    )  # fmt: skip


def running(relations: Relations) -> pl.LazyFrame:
    """origin: weather.origin
    before: weather.wind; by weather.origin, weather.ts
    total: weather.temp; by weather.origin, weather.ts
    """
    return relations["weather"].select(
        "origin",
        before=col("wind").shift(1).over("origin", order_by="ts"),
        total=col("temp").cum_sum().over("origin", order_by="ts"),
    )


def grouped(relations: Relations) -> pl.LazyFrame:
    """rows: orders.customer
    customer: orders.customer
    orders:
    spent: orders.total, orders.status
    last: orders.total; by orders.placed
    """
    return relations["orders"].group_by("customer").agg(
        pl.len().alias("orders"),
        col("total").filter(col("status") == "paid").sum().alias("spent"),
        col("total").sort_by("placed").last().alias("last"),
    )  # fmt: skip


def having(relations: Relations) -> pl.LazyFrame:
    """rows: flights.tail, flights.delay
    tail: flights.tail
    first: flights.dep
    """
    return relations["flights"].group_by("tail").having(col("delay").max() > 8).agg(col("dep").min().alias("first"))


def hourly(relations: Relations) -> pl.LazyFrame:
    """rows: weather.origin, weather.ts
    origin: weather.origin
    ts: weather.ts
    hottest: weather.temp
    """
    by_hour = relations["weather"].drop_nulls("ts").sort("ts").group_by_dynamic("ts", every="2h", group_by="origin")
    return by_hour.agg(col("temp").max().alias("hottest"))


def last_six_hours(relations: Relations) -> pl.LazyFrame:
    """rows: weather.origin, weather.ts
    origin: weather.origin
    ts: weather.ts
    wind: weather.wind
    """
    by_window = relations["weather"].drop_nulls("ts").sort("ts").rolling("ts", period="2h", group_by="origin")
    return by_window.agg(col("wind").sum())


def left_join(relations: Relations) -> pl.LazyFrame:
    """rows: flights.tail, planes.tail
    id: flights.id
    tail: flights.tail
    year: planes.year
    seats: planes.info
    """
    joined = relations["flights"].join(relations["planes"], on="tail", how="left")
    return joined.select("id", "tail", "year", seats=col("info").struct.field("seats"))


def right_join(relations: Relations) -> pl.LazyFrame:
    """rows: flights.tail, planes.tail
    id: flights.id
    tail: planes.tail
    """
    return relations["flights"].join(relations["planes"], on="tail", how="right").select("id", "tail")


def full_join(relations: Relations) -> pl.LazyFrame:
    """rows: flights.tail, planes.tail
    id: flights.id
    tail: flights.tail, planes.tail
    """
    joined = relations["flights"].join(relations["planes"], on="tail", how="full", coalesce=True)
    return joined.select("id", "tail")


def full_join_apart(relations: Relations) -> pl.LazyFrame:
    """rows: flights.tail, planes.tail
    tail: flights.tail
    tail_right: planes.tail
    """
    return relations["flights"].join(relations["planes"], on="tail", how="full").select("tail", "tail_right")


def semi_join(relations: Relations) -> pl.LazyFrame:
    """rows: flights.tail, planes.tail, planes.year
    id: flights.id
    """
    modern = relations["planes"].filter(col("year") > 2000)
    return relations["flights"].join(modern, on="tail", how="semi").select("id")


def suffixed(relations: Relations) -> pl.LazyFrame:
    """rows: flights.origin, weather.origin, flights.dep, weather.ts
    id: flights.id
    ts: weather.ts
    temp: weather.temp
    """
    return relations["flights"].join(
        relations["weather"], left_on=["origin", col("dep").dt.truncate("1h")], right_on=["origin", "ts"]
    ).select("id", "ts", "temp")  # fmt: skip


def asof(relations: Relations) -> pl.LazyFrame:
    """rows: flights.origin, weather.origin, flights.dep, weather.ts
    id: flights.id
    temp: weather.temp
    """
    flights, weather = (
        frame.drop_nulls(time).sort(time)
        for frame, time in ((relations["flights"], "dep"), (relations["weather"], "ts"))
    )
    return flights.join_asof(weather, left_on="dep", right_on="ts", by="origin").select("id", "temp")


def cross_join(relations: Relations) -> pl.LazyFrame:
    """id: flights.id
    tail_right: planes.tail
    """
    return relations["flights"].join(relations["planes"], how="cross").select("id", "tail_right")


def join_where(relations: Relations) -> pl.LazyFrame:
    """rows: flights.delay, weather.wind
    id: flights.id
    temp: weather.temp
    """
    return relations["flights"].join_where(relations["weather"], col("delay") > col("wind")).select("id", "temp")


def with_a_table(relations: Relations) -> pl.LazyFrame:
    """rows: flights.origin
    id: flights.id
    weighted: flights.delay
    """
    weights = pl.LazyFrame({"origin": ["JFK", "LGA"], "weight": [2, 3]})
    joined = relations["flights"].join(weights, on="origin")
    return joined.select("id", weighted=col("delay") * col("weight"))


def selectors(relations: Relations) -> pl.LazyFrame:
    """temp_x: weather.temp
    wind_x: weather.wind
    both: weather.temp, weather.wind
    """
    weather = relations["weather"]
    return weather.select(cs.float().name.suffix("_x"), both=pl.sum_horizontal(cs.float()))


def all_but(relations: Relations) -> pl.LazyFrame:
    """customer: clicks.customer
    at: clicks.seen
    page: clicks.page
    """
    return relations["clicks"].select(pl.all().exclude("device")).rename({"seen": "at"})


def cases(relations: Relations) -> pl.LazyFrame:
    """id: flights.id
    class: flights.delay, flights.origin
    known: flights.tail
    hour: flights.dep
    """
    late = pl.when(col("delay") > 5).then(pl.lit("late")).otherwise(col("origin"))
    return relations["flights"].select(
        "id", known=col("tail").is_not_null(), hour=col("dep").dt.hour(), **{"class": late}
    )


def lists(relations: Relations) -> pl.LazyFrame:
    """origin: weather.origin
    twice: weather.tags
    longest: weather.tags
    """
    tags = col("tags")
    return relations["weather"].select("origin", twice=tags.list.eval(pl.element() * 2), longest=tags.list.len())


def exploded(relations: Relations) -> pl.LazyFrame:
    """rows: weather.tags
    origin: weather.origin
    tags: weather.tags
    """
    return relations["weather"].select("origin", "tags").explode("tags")


def lines(relations: Relations) -> pl.LazyFrame:
    """rows: orders.lines, orders.id
    id: orders.id
    value: orders.lines
    """
    opened = relations["orders"].select("id", "lines").explode("lines").unnest("lines")
    return opened.group_by("id").agg((col("qty") * col("price")).sum().alias("value"))


def unpivoted(relations: Relations) -> pl.LazyFrame:
    """origin: weather.origin
    what:
    value: weather.temp, weather.wind
    """
    return relations["weather"].unpivot(["temp", "wind"], index="origin", variable_name="what")


def timeline(relations: Relations) -> pl.LazyFrame:
    """customer: orders.customer, clicks.customer
    at: orders.placed, clicks.seen
    total: orders.total
    """
    orders = relations["orders"].select("customer", "total", at="placed")
    return pl.concat([orders, relations["clicks"].select("customer", at="seen")], how="diagonal")


def newest(relations: Relations) -> pl.LazyFrame:
    """rows: flights.dep, flights.id, flights.tail
    id: flights.id
    delay: flights.delay
    """
    ordered = relations["flights"].sort("dep", "id")
    return ordered.unique("tail", keep="last", maintain_order=True).select("id", "delay")


def top(relations: Relations) -> pl.LazyFrame:
    """rows: flights.delay, flights.id
    id: flights.id
    origin: flights.origin
    """
    return relations["flights"].sort("delay", "id", descending=True).head(3).select("id", "origin")


def numbered(relations: Relations) -> pl.LazyFrame:
    """rows: flights.delay
    number:
    id: flights.id
    """
    return relations["flights"].filter(col("delay") > 0).select("id").with_row_index("number")


def filled(relations: Relations) -> pl.LazyFrame:
    """origin: weather.origin
    temp: weather.temp, weather.wind
    """
    return relations["weather"].select("origin", temp=col("temp").fill_null(col("wind")))


def totals(relations: Relations) -> pl.LazyFrame:
    """id: flights.id
    relative: flights.delay
    spread: flights.delay
    """
    delay = col("delay")
    return relations["flights"].select("id", relative=delay - delay.mean(), spread=delay.std() + delay.quantile(0.3))


FUNCTIONS: dict[str, Callable[[Relations], pl.LazyFrame]] = {
    function.__name__: function
    for function in (
        as_it_is, filtered, rolling, running, grouped, having, hourly, last_six_hours, left_join, right_join, full_join,
        full_join_apart, semi_join, suffixed, asof, cross_join, join_where, with_a_table, selectors, all_but, cases,
        lists, exploded, lines, unpivoted, timeline, newest, top, numbered, filled, totals,
    )
}  # fmt: skip
