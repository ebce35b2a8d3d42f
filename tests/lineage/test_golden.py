"""Column lineage against the golden suite: as written by hand, and as the data moves."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import duckdb
import pytest

from featurestore.lineage.sql import ColumnUse, analyse
from tests.lineage.golden import CASES, SCHEMAS, Case
from tests.lineage.perturbation import Movement, movements, query

if TYPE_CHECKING:
    from collections.abc import Iterator

# Named DIRECT, and no change of data can show it: why.
STILL: dict[tuple[str, str, str], str] = {}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        yield connection


def named(sql: str) -> dict[str, dict[tuple[str, str], str]]:
    analysis = analyse(sql, SCHEMAS)
    return {
        output: {(use.source, use.column): use.kind for use in analysis.uses[output]} for output in analysis.outputs
    }


def test_the_suite_is_large() -> None:
    assert len(CASES) > 140


@pytest.mark.parametrize("name", CASES)
def test_every_edge_is_right_none_is_missing_none_invented(name: str) -> None:
    assert named(CASES[name].sql) == CASES[name].expected


@pytest.mark.parametrize("name", CASES)
def test_what_moves_is_named_and_what_flows_moves(name: str, database: duckdb.DuckDBPyConnection) -> None:
    case = CASES[name]
    unnamed, still = moves(case, database)
    assert not unnamed, "moved, and lineage does not name it"
    assert still == {edge for edge in STILL if edge[0] == name}, "named DIRECT, and moved nothing"


def moves(case: Case, database: duckdb.DuckDBPyConnection) -> tuple[set[Movement], set[Movement]]:
    """Return what moved unnamed, and what is named DIRECT and moved nothing."""
    uses = named(case.sql)
    compute = query(database, case.sql)
    seen = movements(compute, uses, random.Random(case.name), sources=case.sources, rounds=(1, 12))
    direct = {
        (output, *column) for output, columns in uses.items() for column, kind in columns.items() if kind == "DIRECT"
    }
    edges = {(output, *column) for output, columns in uses.items() for column in columns}
    return seen - edges, direct - seen


def test_a_column_that_flows_and_acts_is_listed_once_as_direct() -> None:
    uses = analyse("select temp from weather where temp > 0", SCHEMAS).uses["temp"]
    assert uses == (ColumnUse("weather", "temp", "DIRECT"),)
