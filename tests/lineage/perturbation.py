"""See which outputs of a query really move when one source column is changed: the check nobody can write to please it.

A query runs in DuckDB over small generated tables; then one column of one table is changed in some of its rows, and
the query runs again. An output has moved if the multiset of its values is another one, or if it stands beside other
values of an output that lineage says the changed column has nothing to do with.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tests.lineage import suite
from tests.lineage.golden import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import duckdb

    from tests.lineage.golden import Column

__all__ = ["Movement", "Rows", "Tables", "arrow_table", "generate", "movements", "query"]

Rows = list[tuple[Any, ...]]
Tables = dict[str, Rows]
Movement = tuple[str, str, str]
"""An output, and the `source`, `column` that moved it."""

_SHARES = (1.0, 0.4)
_ARROW = {
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us"),
    "INTEGER[]": pa.list_(pa.int32()),
    SCHEMAS["orders"]["lines"]: pa.list_(
        pa.struct([("sku", pa.string()), ("qty", pa.int32()), ("price", pa.float64())])
    ),
    SCHEMAS["planes"]["info"]: pa.struct([("seats", pa.int32()), ("maker", pa.string())]),
}


def generate(generator: random.Random) -> Tables:
    """Return rows for every source: few values in each column, so that joins match and groups hold several rows."""
    start = suite.START
    tables = {table: suite.rows_of(table, generator) for table in suite.SCHEMAS}
    tables["weather"] = [_without(row, 2, generator) for row in tables["weather"]]
    tables["flights"] = [_without(row, 3, generator) for row in tables["flights"]]
    tables["customers"] = [
        (number, generator.choice(["DE", "FR", "US"]), start - timedelta(days=generator.randint(1, 400)),
         generator.choice([None, *range(1, number)]) if number > 1 else None)
        for number in range(1, 8)
    ]  # fmt: skip
    tables["orders"] = [
        (number, generator.randint(1, 8), start + timedelta(minutes=generator.randint(0, 600)),
         generator.randint(5, 90), generator.choice(["paid", "paid", "open", "refunded"]), _lines(generator))
        for number in range(14)
    ]  # fmt: skip
    tables["clicks"] = [
        (generator.randint(1, 7), start + timedelta(minutes=generator.randint(0, 600)),
         generator.choice(["home", "item", "buy"]), generator.choice(["web", "app"]))
        for _ in range(20)
    ]  # fmt: skip
    return tables


def _without(row: tuple[Any, ...], at: int, generator: random.Random) -> tuple[Any, ...]:
    """Return a row that sometimes lacks a measurement."""
    return row if generator.random() < 0.9 else (*row[:at], None, *row[at + 1 :])


def _lines(generator: random.Random) -> list[dict[str, Any]]:
    return [
        {"sku": generator.choice("ABC"), "qty": generator.randint(1, 4), "price": float(generator.randint(2, 60))}
        for _ in range(generator.randint(0, 3))
    ]


def _changed(column: Column, value: object, generator: random.Random, pool: list[object]) -> object:  # noqa: PLR0911 - one per type
    """Return another value for a column: null, one that occurs in it, or a new one."""
    chance, kind = generator.random(), SCHEMAS[column[0]][column[1]]
    if chance < 0.15:
        return None
    if chance < 0.55:
        return generator.choice(pool)
    match kind:
        case "VARCHAR":
            return generator.choice([*(text for text in pool if text is not None), "XXX"])
        case "TIMESTAMP":
            base = value if isinstance(value, datetime) else suite.START
            return base + timedelta(minutes=generator.randint(-300, 300))
        case "INTEGER[]":
            return [generator.randint(0, 9) for _ in range(generator.randint(0, 3))]
        case "INTEGER":
            return generator.choice([generator.randint(-5, 30), generator.randint(1990, 2020)])
        case "DOUBLE":
            return generator.randint(-5, 60)
        case _ if column == ("orders", "lines"):
            return _lines(generator)
    return {"seats": generator.randint(1, 400), "maker": generator.choice(["A", "B", "JFK", "LGA"])}


def _perturbed(rows: Rows, column: Column, generator: random.Random, share: float) -> Rows:
    at = list(SCHEMAS[column[0]]).index(column[1])
    pool = [row[at] for row in rows]
    return [
        (*row[:at], _changed(column, row[at], generator, pool), *row[at + 1 :]) if generator.random() < share else row
        for row in rows
    ]


def arrow_table(table: str, rows: Rows) -> pa.Table:
    """Return rows as an Arrow table of the source's types."""
    names = SCHEMAS[table].items()
    return pa.table({name: pa.array([row[at] for row in rows], _ARROW[kind]) for at, (name, kind) in enumerate(names)})


def query(database: duckdb.DuckDBPyConnection, sql: str) -> Callable[[Mapping[str, pa.Table]], Rows]:
    """Return what runs a query over tables."""

    known: dict[str, pa.Table] = {}

    def computed(tables: Mapping[str, pa.Table]) -> Rows:
        for name, table in tables.items():
            if known.get(name) is not table:
                database.register(name, table)
                known[name] = table
        return suite.result(database, sql)[1]

    return computed


def movements(
    compute: Callable[[Mapping[str, pa.Table]], Rows],
    named: Mapping[str, Mapping[Column, str]],
    generator: random.Random,
    *,
    sources: Iterable[str],
    rounds: tuple[int, int],
    only_unnamed: bool = False,
) -> set[Movement]:
    """Return which column of `sources` moved which output.

    Parameters
    ----------
    compute
        Gives the output's rows for given tables, each value as its text.
    named
        For each output in order, the columns that lineage names, with their kind.
    rounds
        How many generated data sets are tried at least, and at most while a column named DIRECT has moved nothing.
    only_unnamed
        Change only columns that some output does not name, once each: what is missing shows, what is too much does not.
    """
    outputs, wanted = list(named), list(sources)
    direct = {(output, *column) for output, uses in named.items() for column, kind in uses.items() if kind == "DIRECT"}
    seen: set[Movement] = set()
    for attempt in range(rounds[1]):
        if attempt >= rounds[0] and direct <= seen:
            break
        rows = {source: generate(generator)[source] for source in wanted}
        tables = {source: arrow_table(source, rows[source]) for source in wanted}
        before = compute(tables)
        for source in wanted:
            for column in SCHEMAS[source]:
                anchors = {at for at, output in enumerate(outputs) if (source, column) not in named[output]}
                if only_unnamed and not anchors:
                    continue
                for share in _SHARES[-1:] if only_unnamed else _SHARES:
                    altered = _perturbed(rows[source], (source, column), generator, share)
                    after = compute({**tables, source: arrow_table(source, altered)})
                    seen |= {(outputs[at], source, column) for at in _moved(before, after, len(outputs), anchors)}
    return seen


def _moved(before: Rows, after: Rows, width: int, anchors: set[int]) -> set[int]:
    def pairs(rows: Rows, anchor: int, at: int) -> list[tuple[str, str]]:
        return sorted((row[anchor], row[at]) for row in rows)

    return {
        at
        for at in range(width)
        if any(pairs(before, anchor, at) != pairs(after, anchor, at) for anchor in (at, *anchors))
    }
