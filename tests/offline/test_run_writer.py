"""Writing a run in several threads: little is held, an error is the caller's, and nothing half-written stays."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import CorruptError
from featurestore.offline import run_writer
from featurestore.offline.layout import Layout
from featurestore.offline.run_writer import RunWriter

FIELDS: list[tuple[str, pa.DataType]] = [("k", pa.int64()), ("t", pa.timestamp("us", tz="UTC")), ("x", pa.float64())]
SCHEMA = pa.schema(FIELDS)
LAYOUT = Layout(("k",), "t", None)
GROUP = 10


def batches(groups: int, *, wrong: int | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of a row group each, sorted but for the one at `wrong`."""
    for number in range(groups):
        keys = [number * GROUP + row for row in range(GROUP)]
        if number == wrong:
            keys.reverse()
        columns: list[Any] = [keys, keys, [float(key) for key in keys]]
        yield pa.record_batch(
            [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
        )


def write(root: Path, rows: Iterator[pa.RecordBatch]) -> list[int]:
    """Write a run and return the rows of its files."""
    with RunWriter(root, "v", SCHEMA, LAYOUT, GROUP) as writer:
        for batch in rows:
            writer.add(batch)
        return [file.rows for file in writer.finish()]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of two row groups, whose size is known from the first row on."""
    monkeypatch.setattr(run_writer, "_FILE_ROWS", 2 * GROUP)
    monkeypatch.setattr(run_writer, "SAMPLE_ROWS", 1)


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("wrong", [0, 3, 6])
def test_rows_out_of_order_end_it_whichever_group_they_are_in(tmp_path: Path, wrong: int) -> None:
    with pytest.raises(CorruptError, match="do not come sorted by k, t"):
        write(tmp_path, batches(7, wrong=wrong))
    assert not [name for name in left(tmp_path) if name.endswith(".tmp")]
    assert len(left(tmp_path)) == wrong // 2, "files that were complete before stay"


class FullError(Exception):
    """What a thread meets."""


@pytest.mark.parametrize("where", ["write_table", "check_places", "fsync", "rename"])
@pytest.mark.parametrize("groups", [1, 2, 5, 9])
def test_an_error_in_a_thread_surfaces_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, groups: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FullError(where)

    target: dict[str, tuple[object, str]] = {
        "write_table": (pq.ParquetWriter, "write_table"),
        "check_places": (run_writer, "check_places"),
        "fsync": (os, "fsync"),
        "rename": (Path, "replace"),
    }
    monkeypatch.setattr(*target[where], fail)
    before = set(threading.enumerate())
    with pytest.raises(FullError, match=where):
        write(tmp_path, batches(groups))
    assert left(tmp_path) == []
    assert set(threading.enumerate()) == before


def test_no_more_than_two_row_groups_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    third = threading.Event()
    encode = run_writer._File.add

    def slow(file: run_writer._File, table: pa.Table) -> None:
        if table.column("k")[0].as_py() == 0:
            assert not third.wait(0.3), "while the first is encoded, rows of a third are asked for"
        encode(file, table)

    def noted() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(6)):
            if number == 2:
                third.set()
            yield batch

    monkeypatch.setattr(run_writer._File, "add", slow)
    assert write(tmp_path, noted()) == [2 * GROUP] * 3


def test_an_interrupted_caller_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[pa.RecordBatch]:
        yield from batches(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, interrupted())
    assert left(tmp_path) == []
