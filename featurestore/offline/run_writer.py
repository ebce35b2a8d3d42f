"""Writing the files of a sorted run: three things go on at once, and no more than two row groups are held.

The caller's thread gathers rows into row groups, a second encodes one and writes it, a third makes a file that is
complete durable and names it by its digest. Encoding, hashing and the disk's work all leave Python's lock alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.model.snapshot import DataFile
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

__all__ = ["RunWriter"]

_FILE_ROWS = 8_388_608


class RunWriter:
    """Writes sorted batches into files of a folder; nothing has its final name before it is complete and durable.

    To be used as a context: left by an error, it leaves nothing but files that are complete. They are named by content,
    and perhaps another run's too; `gc` removes them.

    Parameters
    ----------
    root, folder
        The store's folder, and the version's relative to it.
    schema, layout
        Of the rows, and how they lie.
    row_group_rows
        Rows of a row group; fewer where rows are wide.
    """

    def __init__(self, root: Path, folder: str, schema: pa.Schema, layout: Layout, row_group_rows: int) -> None:
        self._root = root
        self._folder = folder
        self._schema = schema.with_metadata({LAYOUT: layout.to_bytes()})
        self._layout = layout
        self._most = row_group_rows
        self._group: int | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._file: _File | None = None
        self._unnamed: set[Path] = set()
        self._encoding = _Lane()
        self._finishing = _Lane()
        self._done: list[DataFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._encoding.close()
        self._finishing.close()
        if self._file is not None:
            with suppress(OSError):  # thrown away, it need not be complete: a full disk is told by who met it
                self._file.close()
        for path in self._unnamed:
            path.unlink(missing_ok=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows.

        Raises
        ------
        CorruptError
            If rows before these did not come sorted.
        """
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= (SAMPLE_ROWS if self._group is None else self._group):
            self._write_groups(whole=True)

    def finish(self) -> tuple[DataFile, ...]:
        """Write what is left and return all files, complete and durable.

        Raises
        ------
        CorruptError
            If rows did not come sorted.
        """
        if self._waiting_rows:
            self._write_groups(whole=False)
        self._encoding.begin(self._end_file)
        self._encoding.wait()
        self._finishing.wait()
        return tuple(self._done)

    def _write_groups(self, *, whole: bool) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        if self._group is None:
            self._group = group_rows(table, self._most)
        start = 0
        while table.num_rows - start >= (self._group if whole else 1):
            self._encoding.begin(self._write_group, table.slice(start, self._group), self._group)
            start += self._group
        rest = table.slice(start)
        self._waiting = rest.to_batches()
        self._waiting_rows = rest.num_rows

    def _write_group(self, table: pa.Table, most: int) -> None:
        if self._file is None:
            path = self._root / self._folder / "data" / f".{uuid4().hex}.tmp"
            self._unnamed.add(path)
            self._file = _File(path, self._schema, self._layout, most)
        self._file.add(table)
        if self._file.rows >= _FILE_ROWS:
            self._end_file()

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.complete()
            self._finishing.begin(self._name, file)

    def _name(self, file: _File) -> None:
        digest = file.settle()
        path = f"{self._folder}/data/{digest[:32]}.parquet"
        size = file.path.stat().st_size
        file.path.replace(self._root / path)
        self._unnamed.discard(file.path)
        _sync_folder(file.path.parent)
        self._done.append(DataFile(path, digest, size, file.rows, file.first, file.last))


class _Lane:
    """A thread that does one piece of work at a time, beside the caller's.

    Whoever begins the next piece waits for the one before, so that no more than one is ever held.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._work: Future[Any] | None = None

    def begin(self, work: Callable[..., object], *arguments: object) -> None:
        """Begin when the work before is done; what that raised is raised here."""
        self.wait()
        self._work = self._thread.submit(work, *arguments)

    def wait(self) -> None:
        """Wait for the work; what it raised is raised here."""
        work, self._work = self._work, None
        if work is not None:
            work.result()

    def close(self) -> None:
        """Wait for the work, whatever comes of it, and end the thread."""
        self._thread.shutdown()


@dataclass(slots=True, init=False)
class _File:
    """A file that is being written, under a name that nobody reads.

    Attributes
    ----------
    first, last
        Least and greatest event time, microseconds since 1970 UTC; None without one.
    """

    path: Path
    rows: int
    first: int | None
    last: int | None
    _sink: pa.OSFile
    _writer: pq.ParquetWriter
    _index: IndexBuilder
    _layout: Layout
    _joined: list[str]

    def __init__(self, path: Path, schema: pa.Schema, layout: Layout, most: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.rows, self.first, self.last = path, 0, None, None
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(self._sink, schema, **parquet_options(schema, layout, most))
        self._index = IndexBuilder(schema, layout)
        self._layout = layout
        addressed = layout.addressed_columns(schema)
        self._joined = [name for name in schema.names if name not in addressed]

    def add(self, table: pa.Table) -> None:
        """Write a row group.

        Where values are encoded by what came before, a column is one array, or its bytes would tell how rows arrived.
        """
        for name in self._joined:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(place), table.column(place).combine_chunks())
        self._index.add(table)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows
        if self._layout.event_time is not None:
            times: Any = pc.min_max(table.column(self._layout.event_time).cast(pa.int64()))
            first, last = times["min"].as_py(), times["max"].as_py()
            self.first = first if self.first is None else min(self.first, first)
            self.last = last if self.last is None else max(self.last, last)

    def complete(self) -> None:
        """Write the index and the footer."""
        index = self._index.finish()
        place = self._sink.tell()
        self._sink.write(index)
        self._writer.add_key_value_metadata({INDEX.decode(): json.dumps([place, len(index)])})
        self.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._writer.close()
        self._sink.close()

    def settle(self) -> str:
        """Hold that the complete file lies as readers take it to, make it durable, and return its digest in hex."""
        check_places(self.path, self._index.firsts)
        with self.path.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        return digest


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
