"""The join against DuckDB's and Polars' own as-of joins, where their semantics agree: no ties, no nulls in the keys.

Thousands of rows that cross row groups, files and runs, which the oracle is too slow for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.model import types as fs
from featurestore.model.definition import Definition
from featurestore.offline import run_writer
from featurestore.offline.join import ViewRead
from featurestore.offline.output import output_schema
from featurestore.offline.runs import write_run
from tests.offline.join_support import at, define, foreign, join_all

ROWS, SPINE = 6_000, 2_000
KEYS = {"origin": fs.String, "plane": fs.Int64}
FEATURES = {"temp": fs.Float64, "count": fs.Int64, "sky": fs.String, "vector": fs.Embedding(3)}


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(run_writer, "_FILE_ROWS", 1_500)


@dataclass(frozen=True)
class Shape:
    """How a view's rows are made and written."""

    seed: int
    skew: bool = False
    windows: int = 1
    group: int = 400
    compression: str = "none"


def moments(minutes: np.ndarray[Any, np.dtype[Any]]) -> pa.Array[Any]:
    micros = int(at(0).timestamp()) * 1_000_000 + minutes.astype(np.int64) * 60_000_000
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def make(shape: Shape, keys: Sequence[str]) -> tuple[Definition, pa.Table, pa.Table]:
    """A view's rows, no two of one key and time, sorted; and a spine. Some keys have far more rows than others."""
    random = np.random.default_rng(shape.seed)
    ids = random.zipf(1.5, ROWS) % 97 if shape.skew else random.integers(0, 97, ROWS)
    rows = pl.DataFrame({"id": ids, "minute": random.integers(0, 5_000, ROWS)}).unique().sort("id", "minute")
    number = rows["id"].to_numpy()
    count = len(rows)
    definition = define(keys={key: KEYS[key] for key in keys}, features=FEATURES)
    columns = {
        "origin": pa.array([f"port-{value:03}" for value in number % 97]),
        "plane": pa.array(number % 97 - 40),
        "time": moments(rows["minute"].to_numpy()),
        "temp": pa.array(random.normal(size=count), mask=random.random(count) < 0.2),
        "count": pa.array(random.integers(-(2**62), 2**62, count), mask=random.random(count) < 0.01),
        "sky": pa.array(random.choice(["clear", "", "rain"], count), mask=random.random(count) < 0.1),
        "vector": pa.array(
            [None if value % 5 == 0 else [value, value / 3, -1.0] for value in range(count)], pa.list_(pa.float32(), 3)
        ),
    }
    table = pa.table([columns[field.name] for field in output_schema(definition)], schema=output_schema(definition))
    asked = random.integers(0, 110, SPINE)
    spine: dict[str, pa.Array[Any]] = {
        "origin": pa.array([f"port-{value:03}" for value in asked]),
        "plane": pa.array(asked - 40),
    }
    given = pa.table({**{key: spine[key] for key in keys}, "t": moments(random.integers(-50, 5_100, SPINE))})
    return definition, table.sort_by([*((key, "ascending") for key in keys), ("time", "ascending")]), given


def write(folder: Path, definition: Definition, table: pa.Table, shape: Shape) -> ViewRead:
    """Write the rows as so many runs, each a window of event time."""
    micros: Any = table.column("time").cast(pa.int64()).to_numpy()
    edges = np.quantile(micros, np.linspace(0, 1, shape.windows + 1))
    files: list[Path] = []
    for low, high in pairwise(edges):
        inside = (micros >= low) & ((micros < high) | (high == edges[-1]))
        part = table.filter(pa.array(inside)).combine_chunks().to_batches()
        written = write_run(
            folder, definition, 1, part, row_group_rows=shape.group, compression=shape.compression
        )  # fmt: skip
        files += [folder / file.path for file in written]
    pairs = tuple((key, key) for key, _ in definition.keys)
    return ViewRead(definition, tuple(files), pairs, tuple((name, name) for name in FEATURES), "weather@v1")


def by_duckdb(read: ViewRead, spine: pa.Table) -> pa.Table:
    keys = [key for key, _ in read.on]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("spine", spine.append_column("place", pa.array(np.arange(spine.num_rows))))
        on = " AND ".join(f"spine.{key} = seen.{key}" for key in keys)
        found: pa.Table = connection.sql(
            f"SELECT spine.* EXCLUDE place, {', '.join(f'seen.{name}' for name in FEATURES)} FROM spine ASOF LEFT JOIN "
            f"read_parquet({[str(file) for file in read.files]}) AS seen ON {on} AND spine.t >= seen.time "
            "ORDER BY place"
        ).to_arrow_table()
        return found


def by_polars(read: ViewRead, spine: pa.Table) -> pa.Table:
    keys = [key for key, _ in read.on]
    stored = pl.from_arrow(pa.concat_tables([pq.ParquetFile(file).read() for file in read.files]))
    left = pl.from_arrow(spine)
    assert isinstance(stored, pl.DataFrame)
    assert isinstance(left, pl.DataFrame)
    joined = left.with_row_index("place").sort("t").join_asof(
        stored.sort("time"), left_on="t", right_on="time", by=keys, check_sortedness=False
    )  # fmt: skip
    return joined.sort("place").select([*spine.column_names, *FEATURES]).to_arrow()


@pytest.mark.parametrize("keys", [("origin",), ("plane",), ("origin", "plane"), ("plane", "origin")], ids="-".join)
@pytest.mark.parametrize(
    "shape",
    [
        Shape(1, group=100_000),
        Shape(2, skew=True, group=64),
        Shape(3, skew=True, windows=5, group=333),
        Shape(4, windows=16, group=1_000),
        Shape(5, skew=True, windows=3, group=500, compression="lz4"),
        Shape(6, windows=2, group=64, compression="zstd"),
    ],
    ids=lambda shape: str(shape.seed),
)
def test_all_engines_give_one_table(tmp_path: Path, keys: tuple[str, ...], shape: Shape) -> None:
    definition, table, spine = make(shape, keys)
    read = write(tmp_path, definition, table, shape)
    result = join_all(spine, read).table
    assert 0 < result.column("temp").null_count < SPINE
    for other in (by_duckdb(read, spine), by_polars(read, spine)):
        assert other.cast(result.schema).equals(result)
    assert join_all(spine, read, strategy="duckdb").table.equals(result)
    assert join_all(spine, foreign(read, tmp_path / "foreign")).table.equals(result)
    one_by_one = [join_all(spine.slice(start, 501), read).table for start in range(0, SPINE, 501)]
    assert pa.concat_tables(one_by_one).combine_chunks().equals(result.combine_chunks())


def test_several_versions_and_columns_in_one_join(tmp_path: Path) -> None:
    first, table, spine = make(Shape(7), ("origin",))
    second, other, _ = make(Shape(8, skew=True), ("origin",))
    spine = spine.append_column("dest", pa.array(spine.column("origin").to_pylist()[::-1]))
    one = write(tmp_path / "one", first, table, Shape(7, windows=2))
    two = replace(write(tmp_path / "two", second, other, Shape(8)), columns=(("temp", "temp2"),))
    dest = replace(one, on=(("origin", "dest"),), columns=(("temp", "dest_temp"), ("sky", "dest_sky")))
    result = join_all(spine, one, two, dest).table
    for read, columns in ((one, list(FEATURES)), (two, ["temp2"]), (dest, ["dest_temp", "dest_sky"])):
        assert join_all(spine, read).table.select(columns).equals(result.select(columns))
