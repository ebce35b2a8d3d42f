"""Sorted runs at rest: Parquet files named by their content, written whole or not at all.

How rows lie in them is `layout.py`'s. The same rows give the same bytes: row groups are cut by count, however rows
arrive.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import CorruptError
from featurestore.model.definition import Definition
from featurestore.model.snapshot import DataFile, Run
from featurestore.model.times import from_micros
from featurestore.offline.compute import output_schema
from featurestore.offline.layout import (
    INDEX,
    LAYOUT,
    SAMPLE_ROWS,
    IndexBuilder,
    Layout,
    group_rows,
    parquet_options,
)
from featurestore.offline.run_file import check_places

__all__ = ["GROUP_ROWS", "cut_run", "version_folder", "write_run"]

_FILE_ROWS = 8_388_608
_BATCH_ROWS = 65_536
GROUP_ROWS = 1_048_576


def version_folder(view: str, number: int) -> str:
    """Return the folder of a version's rows, relative to the store's root."""
    return f"offline/{view}/v{number}"


@dataclass(slots=True)
class _Open:
    """A file that is being written."""

    temporary: Path
    sink: pa.OSFile
    writer: pq.ParquetWriter
    index: IndexBuilder
    rows: int = 0
    first: int | None = None
    last: int | None = None


class _Writer:
    """Writes sorted batches into files of a folder; nothing has its final name before it is complete and durable."""

    def __init__(self, root: Path, folder: str, schema: pa.Schema, layout: Layout, row_group_rows: int) -> None:
        self._root = root
        self._folder = folder
        self._schema = schema.with_metadata({LAYOUT: layout.to_bytes()})
        self._layout = layout
        self._most = row_group_rows
        self._group: int | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._open: _Open | None = None
        self.files: list[DataFile] = []

    def add(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= (SAMPLE_ROWS if self._group is None else self._group):
            self._write_groups(whole=True)

    def finish(self) -> tuple[DataFile, ...]:
        if self._waiting_rows:
            self._write_groups(whole=False)
        self._finish_file()
        return tuple(self.files)

    def abandon(self) -> None:
        if self._open is not None:
            self._open.writer.close()
            self._open.sink.close()
            self._open.temporary.unlink(missing_ok=True)
        # Files that are complete stay: they are named by content, and perhaps another run's too. `gc` removes them.

    def _write_groups(self, *, whole: bool) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        if self._group is None:
            self._group = group_rows(table, self._most)
        start = 0
        while table.num_rows - start >= (self._group if whole else 1):
            self._write_group(table.slice(start, self._group).combine_chunks(), self._group)
            start += self._group
        rest = table.slice(start)
        self._waiting = rest.to_batches()
        self._waiting_rows = rest.num_rows

    def _write_group(self, table: pa.Table, most: int) -> None:
        if self._open is None:
            self._open = self._begin(most)
        file = self._open
        file.index.add(table)
        file.writer.write_table(table, row_group_size=table.num_rows)
        file.rows += table.num_rows
        if self._layout.event_time is not None:
            times: Any = pc.min_max(table.column(self._layout.event_time).cast(pa.int64()))
            first, last = times["min"].as_py(), times["max"].as_py()
            file.first = first if file.first is None else min(file.first, first)
            file.last = last if file.last is None else max(file.last, last)
        if file.rows >= _FILE_ROWS:
            self._finish_file()

    def _begin(self, most: int) -> _Open:
        folder = self._root / self._folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{uuid4().hex}.tmp"
        sink = pa.OSFile(str(temporary), "wb")
        writer = pq.ParquetWriter(sink, self._schema, **parquet_options(self._schema, self._layout, most))
        return _Open(temporary, sink, writer, IndexBuilder(self._schema, self._layout))

    def _finish_file(self) -> None:
        if self._open is None:
            return
        done = self._open
        index = done.index.finish()
        place = done.sink.tell()
        done.sink.write(index)
        done.writer.add_key_value_metadata({INDEX.decode(): json.dumps([place, len(index)])})
        done.writer.close()
        done.sink.close()
        check_places(done.temporary, done.index.firsts)
        with done.temporary.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        path = f"{self._folder}/data/{digest[:32]}.parquet"
        size = done.temporary.stat().st_size
        done.temporary.replace(self._root / path)
        self._open = None
        _sync_folder((self._root / path).parent)
        self.files.append(DataFile(path, digest, size, done.rows, done.first, done.last))


@contextmanager
def _writing(writer: _Writer) -> Iterator[_Writer]:
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_run(
    root: Path,
    definition: Definition,
    number: int,
    rows: Iterable[pa.RecordBatch],
    *,
    row_group_rows: int = GROUP_ROWS,
    compression: str = "none",
    progress: Callable[[int], object] | None = None,
) -> tuple[DataFile, ...]:
    """Write one sorted run of a version and return its files: none for no rows, one up to 8 million rows.

    Parameters
    ----------
    number
        The version's number.
    rows
        Batches in the version's columns and order, as `Engine.rows` gives them.
    row_group_rows
        Rows of a row group; fewer where rows are wide.
    compression
        Of columns whose values have one width: `"none"`, `"lz4"` or `"zstd"`.
    progress
        Called with the rows so far.

    Raises
    ------
    CorruptError
        If the rows do not come sorted.
    """
    keys = tuple(key for key, _ in definition.keys)
    layout = Layout(keys, definition.event_time, definition.created_time, compression)
    folder = version_folder(definition.view, number)
    writer = _Writer(Path(root), folder, output_schema(definition), layout, row_group_rows)
    done = 0
    with _writing(writer):
        for batch in rows:
            writer.add(batch)
            done += batch.num_rows
            if progress is not None:
                progress(done)
        return writer.finish()


def cut_run(root: Path, run: Run, start: int | None, end: int | None, *, row_group_rows: int) -> tuple[Run, ...]:
    """Return what is left of a run without the event times in `[start, end)`: no, one or two runs.

    Files wholly outside stay as they are, files wholly inside are left out, others are rewritten as new files.

    Parameters
    ----------
    start, end
        Microseconds since 1970 UTC; None is open.

    Raises
    ------
    CorruptError
        If a file that must be rewritten is missing or cannot be read.
    """
    root = Path(root)
    if (start is not None and run.end is not None and run.end <= start) or (
        end is not None and run.start is not None and run.start >= end
    ):
        return (run,)
    left: list[Run] = []
    if start is not None and (run.start is None or run.start < start):
        left.append(replace(run, end=start, files=_part(root, run.files, None, start, row_group_rows)))
    if end is not None and (run.end is None or run.end > end):
        left.append(replace(run, start=end, files=_part(root, run.files, end, None, row_group_rows)))
    return (left[0], *(replace(item, dropped=()) for item in left[1:])) if left else ()


def _part(
    root: Path, files: Iterable[DataFile], start: int | None, end: int | None, row_group_rows: int
) -> tuple[DataFile, ...]:
    """Return the files of the rows with event times in `[start, end)`."""
    kept: list[DataFile] = []
    for file in files:
        if file.first is None or file.last is None:
            continue
        if (start is None or file.first >= start) and (end is None or file.last < end):
            kept.append(file)
        elif (start is None or file.last >= start) and (end is None or file.first < end):
            kept.extend(_rewrite(root, file, start, end, row_group_rows))
    return tuple(kept)


def _rewrite(
    root: Path, file: DataFile, start: int | None, end: int | None, row_group_rows: int
) -> tuple[DataFile, ...]:
    try:
        parquet = pq.ParquetFile(root / file.path)
    except (OSError, pa.ArrowException) as error:
        message = f"{root / file.path} is missing or no Parquet file: restore it from a backup. {error}"
        raise CorruptError(message) from error
    with parquet:
        kept = (parquet.schema_arrow.metadata or {}).get(LAYOUT)
        if kept is None:
            message = (
                f"{root / file.path} was written by another program, so a window cannot be cut out of it: materialize "
                "the whole, without start and end."
            )
            raise CorruptError(message)
        layout = Layout.from_bytes(kept)
        folder = file.path.rpartition("/data/")[0]
        writer = _Writer(root, folder, parquet.schema_arrow, layout, row_group_rows)
        with _writing(writer):
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                times: Any = batch.column(str(layout.event_time))
                bounds = [
                    compare(times, pa.scalar(from_micros(bound), times.type))
                    for compare, bound in ((pc.greater_equal, start), (pc.less, end))
                    if bound is not None
                ]
                inside = bounds[0] if len(bounds) == 1 else pc.and_(*bounds)
                writer.add(batch.filter(inside))
            return writer.finish()
