"""Lineage names everything: an output that moves when a source column is perturbed, names that column.

Every query runs in DuckDB over small random tables. One source column at a time is changed, and the rows (sorted,
kept with their keys) are compared with those before.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import duckdb
import pytest

from featurestore.lineage.sql import ColumnUse, analyse
from tests.lineage.suite import QUERIES, SCHEMAS, changed, load, result, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        yield connection


def moved(before: list[tuple[str, ...]], after: list[tuple[str, ...]], anchors: set[int]) -> set[int]:
    """Return the outputs whose values are not what they were: as multisets, alone and beside each anchor.

    An anchor is an output that does not depend on the perturbed column. A value that changed its row moved, too.
    """
    width = len((before or after or [()])[0])

    def pairs(rows: list[tuple[str, ...]], anchor: int, i: int) -> list[tuple[str, str]]:
        return sorted((row[anchor], row[i]) for row in rows)

    return {
        i for i in range(width) if any(pairs(before, anchor, i) != pairs(after, anchor, i) for anchor in (i, *anchors))
    }


@pytest.mark.parametrize("name", QUERIES)
def test_an_output_that_moves_names_the_column_that_moved_it(name: str, database: duckdb.DuckDBPyConnection) -> None:
    sql = QUERIES[name]
    analysis = analyse(sql, SCHEMAS)
    generator = random.Random(name)
    seen: set[tuple[str, str, str]] = set()
    for _ in range(2):
        tables = {table: rows_of(table, generator) for table in SCHEMAS}
        for table, rows in tables.items():
            load(database, table, rows)
        names, before = result(database, sql)
        assert tuple(names) == analysis.outputs
        for table, rows in tables.items():
            for position, column in enumerate(SCHEMAS[table]):
                pool = [row[position] for row in rows]
                anchors = {
                    i
                    for i, name in enumerate(names)
                    if (table, column) not in {(use.source, use.column) for use in analysis.uses[name]}
                }
                for share in (1.0, 0.2):
                    altered = [
                        (*row[:position], changed(row[position], generator, pool), *row[position + 1 :])
                        if generator.random() < share else row
                        for row in rows
                    ]  # fmt: skip
                    load(database, table, altered)
                    _, after = result(database, sql)
                    seen |= {(names[i], table, column) for i in moved(before, after, anchors)}
                load(database, table, rows)
    for output, table, column in seen:
        named = {(use.source, use.column) for use in analysis.uses[output]}
        assert (table, column) in named, f"{output} moved with {table}.{column}, which lineage does not name"
        assert column in analysis.reads[table]
        assert column in analysis.reads_of[output][table]
    assert seen or name == "constant", "the data moves nothing: the query tests nothing"


def kinds(sql: str, output: str) -> dict[str, str]:
    return {f"{use.source}.{use.column}": use.kind for use in analyse(sql, SCHEMAS).uses[output]}


@pytest.mark.parametrize(
    ("name", "output", "expected"),
    [
        ("filter", "origin", {"weather.origin": "DIRECT", "weather.temp": "INDIRECT", "weather.tags": "INDIRECT"}),
        ("rolling", "temp", {"weather.temp": "DIRECT"}),
        ("rolling", "wind_6h", {"weather.wind": "DIRECT", "weather.origin": "INDIRECT", "weather.ts": "INDIRECT"}),
        ("named_window", "s", {"weather.temp": "DIRECT", "weather.origin": "INDIRECT", "weather.ts": "INDIRECT"}),
        ("group", "n", {"weather.origin": "INDIRECT", "weather.ts": "INDIRECT"}),
        ("cte_chain", "low", {"weather.temp": "DIRECT", "weather.wind": "DIRECT", "weather.origin": "INDIRECT"}),
        ("union_all", "v", {"weather.temp": "DIRECT", "flights.delay": "DIRECT", "weather.wind": "INDIRECT"}),
        ("exists", "id", {"flights.id": "DIRECT", "flights.origin": "INDIRECT", "weather.origin": "INDIRECT",
                          "weather.wind": "INDIRECT"}),
        ("case", "c", {"flights.delay": "DIRECT", "flights.origin": "DIRECT", "flights.tail": "DIRECT"}),
        ("lambda_shadow", "l", {"weather.tags": "DIRECT"}),
        ("constant", "one", {"weather.wind": "INDIRECT"}),
    ],
)  # fmt: skip
def test_kinds(name: str, output: str, expected: dict[str, str]) -> None:
    assert kinds(QUERIES[name], output) == expected


def test_a_column_that_flows_and_acts_is_listed_once_as_direct() -> None:
    uses = analyse("select temp from weather where temp > 0", SCHEMAS).uses["temp"]
    assert uses == (ColumnUse("weather", "temp", "DIRECT"),)
