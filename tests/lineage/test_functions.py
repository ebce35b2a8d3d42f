"""Lineage of Polars functions: as their docstrings say, as the data moves, and never a guess."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from polars import col

from featurestore.lineage.polars_plan import UnreadablePlanError, function_uses
from tests.lineage.golden import SCHEMAS, expectation
from tests.lineage.golden_functions import FUNCTIONS
from tests.lineage.perturbation import arrow_table, movements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TYPES = {table: pl.DataFrame(arrow_table(table, [])).schema for table in SCHEMAS}


def named(function: Callable[..., Any]) -> dict[str, dict[tuple[str, str], str]]:
    return {
        output: {(source, column): kind for source, column, kind in uses}
        for output, uses in function_uses(function, TYPES).items()
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_lazy_plan_tells_every_edge(name: str) -> None:
    lines = [line.strip() for line in (FUNCTIONS[name].__doc__ or "").strip().splitlines()]
    assert named(FUNCTIONS[name]) == expectation(lines)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_moves_is_named_and_what_flows_moves(name: str) -> None:
    function, uses = FUNCTIONS[name], named(FUNCTIONS[name])

    def compute(tables: Mapping[str, pa.Table]) -> list[tuple[str, ...]]:
        frames = {table: pl.DataFrame(arrow).lazy() for table, arrow in tables.items()}
        rows = function(frames).collect(engine="in-memory").rows()
        return [tuple(repr(value) for value in row) for row in rows]

    sources = sorted({source for columns in uses.values() for source, _ in columns})
    seen = movements(compute, uses, random.Random(name), sources=sources, rounds=(1, 12))
    direct = {(output, *pair) for output, columns in uses.items() for pair, kind in columns.items() if kind == "DIRECT"}
    assert not seen - {(output, *pair) for output, columns in uses.items() for pair in columns}
    assert not direct - seen


def collects(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    mean = relations["flights"].select(col("delay").mean()).collect().item()
    return relations["flights"].select("id", relative=col("delay") - mean)


def collects_in_secret(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    try:
        rows = relations["planes"].collect().height
    except Exception:  # noqa: BLE001 - what a user may write
        rows = 0
    return relations["flights"].select("id", n=pl.lit(rows))


def eager(relations: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    return relations["flights"].collect()


def by_element(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    return relations["flights"].select("id", d=col("delay").map_elements(lambda value: value, return_dtype=pl.Float64))


def by_frame(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    return relations["flights"].map_batches(lambda frame: frame)


def by_window(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    return relations["flights"].select("id", d=col("delay").rolling_map(lambda values: values.max(), 3))


def by_fold(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    return relations["flights"].select(d=pl.fold(0, lambda left, right: left + right, [col("delay"), col("id")]))


def other_files(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    return relations["flights"].join(pl.scan_csv(b"tail,year\nT1,1999\n"), on="tail").select("id", "year")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (collects, "collects 'flights' itself"),
        (collects_in_secret, "collects 'planes' itself"),
        (eager, "collects 'flights' itself"),
        (by_element, "calls Python code for its values"),
        (by_frame, "calls Python code for a frame"),
        (by_window, "calls Python code for its values"),
        (by_fold, "calls Python code for its values"),
        (other_files, "its plan holds 'Scan'"),
    ],
)
def test_what_cannot_be_read_says_why(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(UnreadablePlanError, match=re.escape(reason)):
        function_uses(function, TYPES)
