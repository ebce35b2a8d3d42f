"""The layout of a run's files: values lie where the reader looks for them, and every other engine reads the same."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.errors import CorruptError
from featurestore.model import types as fs
from featurestore.model.definition import Definition
from featurestore.model.types import FeatureType
from featurestore.offline import layout, run_writer
from featurestore.offline.arrays import from_words, take, whole
from featurestore.offline.layout import group_rows
from featurestore.offline.output import output_schema
from featurestore.offline.run_file import RunFile
from featurestore.offline.runs import write_run
from tests.offline.join_support import at, define

VALUES: dict[FeatureType, tuple[Any, Any]] = {
    fs.Int32: (-(2**31), 7),
    fs.Int64: (2**53 + 1, -1),
    fs.Float32: (0.1, float("inf")),
    fs.Float64: (0.1, -0.0),
    fs.Date: (date(1, 1, 1), date(9999, 12, 31)),
    fs.Timestamp: (at(0), at(1, micros=1)),
    fs.Embedding(3): ([0.5, 1.5, -1.0], [0.0, 0.0, 2.5]),
    fs.Bool: (True, False),
    fs.String: ("", "Zürich"),
    fs.Bytes: (b"\x00", b""),
    fs.Decimal(10, 2): (Number("1.25"), Number("-3.00")),
    fs.List(fs.Int64): ([1, None], []),
}
FIXED = {"Int32", "Int64", "Float32", "Float64", "Date", "Timestamp", "Embedding"}


def write(
    folder: Path, definition: Definition, table: pa.Table, *, row_group_rows: int = 100, compression: str = "none"
) -> Path:
    rows = table.to_batches()
    (file,) = write_run(folder, definition, 1, rows, row_group_rows=row_group_rows, compression=compression)
    return folder / file.path


def rows_of(type_: FeatureType, present: list[bool | None]) -> tuple[Definition, pa.Table]:
    """A key, a time, and a feature whose values are one of two, or null."""
    definition = define(features={"x": type_})
    schema = output_schema(definition)
    values = [None if which is None else VALUES[type_][int(which)] for which in present]
    keys: list[Any] = [f"k{place:03}" for place in range(len(present))]
    times: list[Any] = [at(0)] * len(present)
    columns = [pa.array(column, field.type) for column, field in zip([keys, times, values], schema, strict=True)]
    return definition, pa.table(columns, schema=schema)


@settings(max_examples=60, deadline=None)
@given(
    present=st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=300),
    type_=st.sampled_from(list(VALUES)),
    group=st.sampled_from([1, 7, 64, 100, 1_000]),
    compression=st.sampled_from(["none", "none", "lz4", "zstd"]),
)
def test_values_are_where_they_are_taken_from(
    tmp_path_factory: pytest.TempPathFactory,
    present: list[bool | None],
    type_: FeatureType,
    group: int,
    compression: str,
) -> None:
    definition, table = rows_of(type_, present)
    file = RunFile(
        write(tmp_path_factory.mktemp("run"), definition, table, row_group_rows=group, compression=compression), "v@v1"
    )
    assert file.is_addressed("x") == (type_.kind in FIXED and compression == "none")
    decoded = [file.decode(number, ["x"]).column("x").to_pylist() for number in range(file.groups)]
    assert [value for part in decoded for value in part] == table.column("x").to_pylist()
    if not file.is_addressed("x"):
        return
    for number in range(file.groups):
        start, end = file.starts[number], file.starts[number + 1]
        part = whole(table.column("x").slice(start, end - start))
        backwards = np.arange(end - start)[::-1]
        found, there = file.values(number, "x").take(backwards)
        there = np.ones(len(found), dtype=np.bool_) if there is None else there
        assert from_words(part.type, found, there).equals(take(part, backwards))
        file.release(number, "x")


def test_every_engine_reads_the_same_rows(tmp_path: Path) -> None:
    features = {f"f{place}": type_ for place, type_ in enumerate(VALUES)}
    definition = define(features=features)
    schema = output_schema(definition)
    count = 500
    keys, times = [f"k{n // 3:03}" for n in range(count)], [at(n) for n in range(count)]
    stored: dict[str, list[Any]] = {"origin": keys, "time": times}
    stored |= {
        name: [None if n % 5 == place % 5 else VALUES[type_][n % 2] for n in range(count)]
        for place, (name, type_) in enumerate(features.items())
    }
    table = pa.table([pa.array(stored[field.name], field.type) for field in schema], schema=schema)
    path = write(tmp_path, definition, table, row_group_rows=64)
    assert pq.ParquetFile(path).read().cast(schema).equals(table)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert connection.sql(f"FROM read_parquet('{path}')").to_arrow_table().cast(schema).equals(table)
    assert pl.read_parquet(path).to_arrow().cast(schema).equals(table)


def test_the_index_holds_every_key_and_where_its_rows_start(tmp_path: Path) -> None:
    definition = define(keys={"origin": fs.String, "plane": fs.Int64})
    schema = output_schema(definition)
    keys = [("a", 1), ("a", 1), ("a", 2), ("b", 1), ("b", 1), ("b", 1), ("b", 1)]
    table = pa.table(
        [
            pa.array([key for key, _ in keys]),
            pa.array([plane for _, plane in keys]),
            pa.array([at(n) for n in range(7)], schema.field("time").type),
            pa.array([1.0] * 7),
        ],
        schema=schema,
    )
    file = RunFile(write(tmp_path, definition, table, row_group_rows=2), "v@v1")
    assert file.starts.tolist() == [0, 2, 4, 6, 7]
    assert [column.to_pylist() for column in file.keys] == [["a", "a", "b"], [1, 2, 1]]
    assert file.stretches.tolist() == [0, 2, 3, 7]
    assert (file.first, file.last) == (
        int(at(0).timestamp()) * 1_000_000,
        int(at(6).timestamp()) * 1_000_000,
    )


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize(
    ("keys", "hours", "created"),
    [
        (["b", "a"], [1, 2], [1, 2]),
        (["a", "b", "a"], [1, 1, 2], [1, 1, 1]),
        (["a", "a"], [2, 1], [1, 1]),
        (["a", "a"], [1, 1], [2, 1]),
        (["a", "a"], [1, 1], [2, None]),
    ],
)
def test_rows_that_do_not_come_sorted_are_refused(
    tmp_path: Path, keys: list[str], hours: list[int], created: list[int | None], batches: int
) -> None:
    definition = define(created_time="made")
    schema = output_schema(definition)
    made = [None if hour is None else at(hour) for hour in created]
    columns: list[list[Any]] = [list(keys), [at(hour) for hour in hours], made, [1.0] * len(keys)]
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
    with pytest.raises(CorruptError, match="do not come sorted by origin, time, made"):
        write_run(tmp_path, definition, 1, table.to_batches(), row_group_rows=100 if batches == 1 else 1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_wide_rows_make_smaller_row_groups(tmp_path: Path) -> None:
    def rows(count: int, **features: list[Any]) -> pa.Table:
        return pa.table({"origin": pa.array(["k"] * count), **{name: pa.array(v) for name, v in features.items()}})

    assert group_rows(rows(10, x=[1.0] * 10), 1_048_576) == 1_048_576
    assert group_rows(rows(10, x=[1.0] * 10), 5) == 5
    assert group_rows(rows(2, x=["y" * 1_000_000] * 2), 1_048_576) == (128 << 20) // 1_000_001
    assert group_rows(rows(1, x=["y" * (1 << 28)]), 1_048_576) == 1
    definition = define(features={"x": fs.Bytes})
    schema = output_schema(definition)
    stored: list[list[Any]] = [[f"k{n:03}" for n in range(40)], [at(0)] * 40, [bytes(8 << 20)] * 40]
    table = pa.table([pa.array(c, f.type) for c, f in zip(stored, schema, strict=True)], schema=schema)
    file = RunFile(write(tmp_path, definition, table, row_group_rows=1_048_576), "v@v1")
    assert np.diff(file.starts).tolist() == [15, 15, 10]


def test_a_writer_that_lays_values_out_otherwise_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition, table = rows_of(fs.Int64, [True, False] * 50)
    asked = layout.parquet_options

    def split(schema: pa.Schema, lies: layout.Layout, rows: int) -> dict[str, Any]:
        return {**asked(schema, lies, rows), "max_rows_per_page": 10, "write_batch_size": 10}

    monkeypatch.setattr(run_writer, "parquet_options", split)
    with pytest.raises(CorruptError, match="left column 'time' in another layout"):
        write(tmp_path, definition, table)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_dimension_has_no_bounds(tmp_path: Path) -> None:
    definition = define(event_time=None, ttl=None)
    table = pa.table([pa.array(["a", "b"]), pa.array([1.0, 2.0])], schema=output_schema(definition))
    file = RunFile(write(tmp_path, definition, table), "v@v1")
    assert (file.first, file.last) == (None, None)
