"""The log of a push source: small batches in a journal that is durable at once, folded into Parquet for readers.

    sources/<name>/journal.db                       SQLite: batches not folded yet, which files count, ids of pushes
                   <place of first row>-<chain>.parquet   folded rows

Readers see what is folded, so pushes go on while a computation reads. Each row has its place in the log, a number that
is never given twice. The chain, a digest over all batches up to a place, names the rows before it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import ConfigError, ConflictError, RequestError

__all__ = ["Appended", "PushLog"]

_TABLES = (
    "CREATE TABLE IF NOT EXISTS batches (first INTEGER PRIMARY KEY, rows INTEGER, chain BLOB, data BLOB)",
    "CREATE TABLE IF NOT EXISTS segments (first INTEGER PRIMARY KEY, rows INTEGER, chain BLOB, file TEXT)",
    "CREATE TABLE IF NOT EXISTS pushes (id BLOB PRIMARY KEY, first INTEGER, digest BLOB, at INTEGER) WITHOUT ROWID",
)
_BUSY_SECONDS = 30
_ID_SECONDS = 30 * 86_400
_READING_SECONDS = 3_600  # a file that no longer counts is left to computations that may still read it
_BATCH_ROWS = 65_536
_SEGMENT_ROWS = 1_000_000
_NO_CHAIN = bytes(16)


@dataclass(frozen=True, slots=True)
class Appended:
    """Where pushed rows are in the log.

    Attributes
    ----------
    first
        Place of the first row; the others follow.
    repeated
        An earlier push of the same id put them there.
    """

    first: int
    repeated: bool


class _Segment(NamedTuple):
    """A file of the log; `chain` is that at its end."""

    first: int
    rows: int
    chain: bytes
    file: str


class _Piece(NamedTuple):
    """Rows on their way into a segment; `chain` is that after them."""

    first: int
    chain: bytes
    batch: pa.RecordBatch


class PushLog:
    """The log of one push source.

    Parameters
    ----------
    root
        The store's folder.
    name
        The source's name.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / "sources" / name
        self._name = name
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None

    def append(self, rows: pa.Table, push_id: str | None = None) -> Appended:
        """Add rows at the end, durably and whole.

        Parameters
        ----------
        push_id
            Names the push: if one of that id is in the log, nothing is added. Ids are remembered for 30 days at least.

        Raises
        ------
        RequestError
            If the id was given to a push of other rows.
        ConflictError
            If other processes kept the log locked for 30 seconds.
        """
        batches = [
            (len(batch), _serialized(batch)) for batch in rows.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS)
        ]
        digest = _digest(data for _, data in batches)
        name = _digest([(push_id or uuid4().hex).encode()])
        with self._write() as journal:
            known = journal.execute("SELECT first, digest FROM pushes WHERE id = ?", [name]).fetchone()
            if known is not None:
                if known[1] != digest:
                    message = (
                        f"the id {push_id!r} was given to a push of other rows to source {self._name!r}: an id names "
                        "one push, and comes again only with the same rows."
                    )
                    raise RequestError(message)
                return Appended(known[0], repeated=True)
            first, chain = _end(journal)
            if push_id is not None:
                journal.execute("INSERT INTO pushes VALUES (?, ?, ?, ?)", [name, first, digest, int(time.time())])
            place = first
            for count, data in batches:
                chain = _digest([chain, data])
                journal.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", [place, count, chain, data])
                place += count
        return Appended(first, repeated=False)

    def fold(self) -> int:
        """Show readers all rows that were pushed so far, and return how many are new to them."""
        if not self._journal.exists():
            return 0
        with self._read() as journal:
            (count, last) = journal.execute("SELECT coalesce(sum(rows), 0), max(first) FROM batches").fetchone()
            if not count:
                return 0
            segments = _segments(journal)
            merged = self._to_merge(segments, count)
            runs = groupby(self._pieces(journal, merged), key=lambda piece: piece.batch.schema)
            fresh = [self._written(schema, run) for schema, run in runs]
        with self._write() as journal:
            if _segments(journal) != segments:
                return 0  # another process folded meanwhile
            journal.executemany("DELETE FROM segments WHERE first = ?", [[old.first] for old in merged])
            journal.executemany("INSERT INTO segments VALUES (?, ?, ?, ?)", fresh)
            journal.execute("DELETE FROM batches WHERE first <= ?", [last])
            journal.execute("DELETE FROM pushes WHERE at < ?", [int(time.time()) - _ID_SECONDS])
        self._sweep(merged)
        return int(count)

    def files(self) -> list[Path]:
        """Return the files of the folded rows, in the order of the log."""
        with self._read() as journal:
            return [self._folder / segment.file for segment in _segments(journal)]

    def data_version(self) -> str:
        """Return what names the folded rows: `rows:<32 hex>`."""
        with self._read() as journal:
            segments = _segments(journal)
        return f"rows:{(segments[-1].chain if segments else _NO_CHAIN).hex()}"

    def close(self) -> None:
        """Close the journal; it may be closed twice, and opens again when it must."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
            self._writer = None

    # ------------------------------------------------------------------------------------------------ journal

    @property
    def _journal(self) -> Path:
        return self._folder / "journal.db"

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Give the one write transaction there is now; its connection stays open, since to close one costs five."""
        with self._lock:
            try:
                if self._writer is None:
                    self._writer = self._opened()
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                if "locked" in str(error):
                    message = (
                        f"the log of source {self._name!r} stayed locked by another process for {_BUSY_SECONDS} "
                        "seconds: try again."
                    )
                    raise ConflictError(message) from error
                message = f"cannot write the log of source {self._name!r} in {self._folder}: {error}."
                raise ConfigError(message) from error

    def _opened(self) -> sqlite3.Connection:
        self._folder.mkdir(parents=True, exist_ok=True)
        journal = sqlite3.connect(self._journal, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        journal.execute("PRAGMA journal_mode = wal")
        journal.execute("PRAGMA synchronous = full")
        journal.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            journal.execute(statement)
        journal.execute("COMMIT")
        return journal

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state; of an empty log if there is none."""
        with closing(self._readable()) as journal:
            journal.execute("BEGIN")
            yield journal

    def _readable(self) -> sqlite3.Connection:
        if self._journal.exists():
            place = f"{self._journal.absolute().as_uri()}?mode=ro"
            journal = sqlite3.connect(place, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            if journal.execute("SELECT 1 FROM sqlite_master WHERE name = 'pushes'").fetchone():
                return journal
            journal.close()  # the first push is making it
        empty = sqlite3.connect(":memory:", isolation_level=None)
        for statement in _TABLES:
            empty.execute(statement)
        return empty

    # ------------------------------------------------------------------------------------------------ folding

    def _to_merge(self, segments: list[_Segment], rows: int) -> list[_Segment]:
        """Return the small last segments, which are written again with `rows` new ones: a few times each, in all."""
        merged: list[_Segment] = []
        for segment in reversed(segments):
            if segment.rows > 2 * rows or rows + segment.rows > _SEGMENT_ROWS:
                break
            merged.insert(0, segment)
            rows += segment.rows
        return merged

    def _pieces(self, journal: sqlite3.Connection, merged: list[_Segment]) -> Iterator[_Piece]:
        """Give the rows of segments, then those of the journal, in order."""
        for segment in merged:
            place = segment.first
            with pq.ParquetFile(self._folder / segment.file) as file:
                for batch in file.iter_batches(_BATCH_ROWS):
                    yield _Piece(place, segment.chain, batch)
                    place += batch.num_rows
        for first, chain, data in journal.execute("SELECT first, chain, data FROM batches ORDER BY first"):
            with pa.ipc.open_stream(data) as stream:
                yield _Piece(first, chain, stream.read_next_batch())

    def _written(self, schema: pa.Schema, pieces: Iterable[_Piece]) -> _Segment:
        """Write rows of one schema into a file, durably; it counts when the journal names it."""
        first, rows, chain = None, 0, _NO_CHAIN
        waiting: list[pa.RecordBatch] = []
        temporary = self._folder / f".{uuid4().hex}.tmp"
        try:
            with temporary.open("wb") as file:
                with pq.ParquetWriter(file, schema, compression="lz4", use_dictionary=False) as writer:
                    for piece in pieces:
                        first = piece.first if first is None else first
                        rows, chain = rows + len(piece.batch), piece.chain
                        waiting.append(piece.batch)
                        if sum(map(len, waiting)) >= _BATCH_ROWS:
                            writer.write_table(pa.Table.from_batches(waiting))
                            waiting = []
                    writer.write_table(pa.Table.from_batches(waiting, schema))
                file.flush()
                os.fsync(file.fileno())
            segment = _Segment(first or 0, rows, chain, f"{first:012d}-{chain.hex()[:16]}.parquet")
            temporary.rename(self._folder / segment.file)
        finally:
            temporary.unlink(missing_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return segment

    def _sweep(self, merged: list[_Segment]) -> None:
        """Remove files that count no more and that nobody can still be reading."""
        for segment in merged:
            os.utime(self._folder / segment.file)
        kept = {path.name for path in self.files()}
        for path in self._folder.glob("*.parquet"):
            if path.name not in kept and path.stat().st_mtime < time.time() - _READING_SECONDS:
                path.unlink(missing_ok=True)


def _serialized(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _segments(journal: sqlite3.Connection) -> list[_Segment]:
    return [_Segment(*row) for row in journal.execute("SELECT * FROM segments ORDER BY first")]


def _end(journal: sqlite3.Connection) -> tuple[int, bytes]:
    """Return the place after the last row, and the chain there."""
    for table in ("batches", "segments"):
        found = journal.execute(f"SELECT first + rows, chain FROM {table} ORDER BY first DESC LIMIT 1").fetchone()
        if found is not None:
            return found[0], found[1]
    return 0, _NO_CHAIN
