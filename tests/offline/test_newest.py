"""The newest row per key, against a row-by-row oracle."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurestore.errors import CorruptError
from featurestore.model.definition import Computation, Definition, FeatureDefinition
from featurestore.model.snapshot import DataFile
from featurestore.model.times import from_micros
from featurestore.model.types import Bytes, Date, Decimal, Embedding, FeatureType, Int64, List, String
from featurestore.offline import run_writer
from featurestore.offline.newest import newest_rows
from featurestore.offline.output import output_schema
from featurestore.offline.runs import write_run

Row = tuple[str, int, int | None, int]
"""Key, event time, created time, value."""


def define(event_time: str | None = "t", created_time: str | None = "c", **features: FeatureType) -> Definition:
    return Definition(
        view="v",
        entity="e",
        keys=(("k", String),),
        sources=(),
        computation=Computation("columns", "", ""),
        event_time=event_time,
        created_time=created_time,
        ttl=None,
        lookback=None,
        features=tuple(FeatureDefinition(name, type_) for name, type_ in (features or {"x": Int64}).items()),
    )


def write(root: Path, definition: Definition, rows: list[tuple[Any, ...]]) -> tuple[DataFile, ...]:
    schema = output_schema(definition)
    columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return write_run(root, definition, 1, [pa.record_batch(columns, schema=schema)], row_group_rows=7)


def order(row: Row) -> tuple[str, int, bool, int]:
    return row[0], row[1], row[2] is not None, row[2] or 0


def oracle(rows: list[Row], at: int | None) -> list[tuple[str, int, int]]:
    best: dict[str, Row] = {}
    for row in rows:
        if at is not None and row[1] > at:
            continue
        now = best.get(row[0])
        if now is None or order(row) >= order(now):  # of equal ones the last stored
            best[row[0]] = row
    return [(key, best[key][1], best[key][3]) for key in sorted(best)]


@pytest.mark.parametrize("seed", range(6))
def test_the_rule_holds_over_several_runs_and_files(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_writer, "_FILE_ROWS", 14)
    chance = random.Random(seed)
    definition = define()
    everything: list[Row] = []
    files: list[DataFile] = []
    windows = [(-20, -10), (-10, 0), (0, 5), (5, 30)]
    chance.shuffle(windows)
    for start, end in windows:
        rows = [
            (chance.choice("abcdé"), chance.randrange(start, end), chance.choice([None, 1, 2]), chance.randrange(10**6))
            for _ in range(chance.choice([0, 30]))
        ]
        rows.sort(key=order)
        everything += rows
        if rows:
            files += write(tmp_path, definition, list(rows))
    for at in (None, -30, -11, 0, 4, 29):
        batches = list(newest_rows(tmp_path, definition, files, at=at, batch_rows=2))
        found = [row for batch in batches for row in batch.to_pylist()]
        expected = oracle(everything, at)
        assert [(row["k"], row["t"], row["x"]) for row in found] == [(k, from_micros(t), x) for k, t, x in expected]
        assert all(list(row) == ["k", "t", "x"] for row in found)


def test_types_are_exact(tmp_path: Path) -> None:
    definition = define(i=Int64, money=Decimal(20, 2), items=List(Int64), vector=Embedding(2), raw=Bytes, day=Date)
    rows: list[tuple[Any, ...]] = [
        ("a", 1, None, 2**53 + 1, None, [2**53 + 1, None], [1.0, 2.0], b"\xff", 5),
        ("b", 1, None, None, None, None, None, None, None),
    ]
    files = write(tmp_path, definition, rows)
    (batch,) = newest_rows(tmp_path, definition, files)
    assert batch.schema.names == ["k", "t", "i", "money", "items", "vector", "raw", "day"]
    for field in output_schema(definition):
        if field.name != "c":
            assert batch.schema.field(field.name).type == field.type
    assert batch.column("i").to_pylist() == [2**53 + 1, None]
    assert batch.column("items").to_pylist() == [[2**53 + 1, None], None]
    assert batch.column("vector").to_pylist() == [[1.0, 2.0], None]


def test_of_a_dimension_the_row_stored_last_counts(tmp_path: Path) -> None:
    definition = define(None, None)
    files = write(tmp_path, definition, [("a", 1), ("a", 2), ("b", 3)])
    (batch,) = newest_rows(tmp_path, definition, files, at=0)
    assert batch.to_pylist() == [{"k": "a", "x": 2}, {"k": "b", "x": 3}]


def test_no_rows_give_no_batches_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    definition = define()
    assert list(newest_rows(tmp_path, definition, [])) == []
    files = write(tmp_path, definition, [("a", 5, None, 1)])
    assert list(newest_rows(tmp_path, definition, files, at=4)) == []
    (tmp_path / files[0].path).write_bytes(b"no")
    with pytest.raises(CorruptError, match="feature view 'v'"):
        list(newest_rows(tmp_path, definition, files))
    (tmp_path / files[0].path).unlink()
    with pytest.raises(CorruptError, match="is missing"):
        list(newest_rows(tmp_path, definition, files))
