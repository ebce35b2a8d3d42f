"""One stored file, open for reading: mapped, its footer read, values taken where they lie or decoded by row group."""

from __future__ import annotations

import errno
import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import ConfigError, CorruptError
from featurestore.offline.arrays import NO_TIME, integers, is_text, to_words, whole
from featurestore.offline.layout import INDEX, LAYOUT, Layout, read_index, width_of

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Flags, Ints, Words

__all__ = ["Addressed", "RunFile", "check_places"]

_MOMENT = pa.timestamp("us", tz="UTC")
_WORD = 64
_KEPT_TIMES = 4
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True, eq=False)
class Addressed:
    """The values of one column in one row group, where they lie in the file.

    Attributes
    ----------
    values
        Those that are not null, of `width` bytes each: shape (count,), a NumPy void type, wherever in memory.
    bits, before
        Where some are null: 64-bit words that tell which are there, and how many are before each word.
    """

    values: Words
    bits: Ints | None = None
    before: Ints | None = None

    def take(self, rows: Ints) -> tuple[Words, Flags | None]:
        """Return the values of rows of the row group, and which are there; None is all."""
        if self.bits is None or self.before is None:
            return np.take(self.values, rows, mode="clip"), None
        word, bit = rows >> 6, (rows & (_WORD - 1)).astype(np.uint64)
        bits = self.bits[word]
        there = (bits >> bit) & np.uint64(1) == 1
        if len(self.values) == 0:
            return np.zeros(len(rows), dtype=self.values.dtype), there
        places = self.before[word] + np.bitwise_count(bits & ((np.uint64(1) << bit) - np.uint64(1)))
        return np.take(self.values, places, mode="clip"), there


class RunFile:
    """A Parquet file of a run.

    Parameters
    ----------
    path
        Of the file.
    label
        `"airport_weather@v1"`, for errors.

    Attributes
    ----------
    starts
        The position of each row group's first row, and the number of rows at the end.
    layout
        How the file lies; None for one that another engine wrote.
    keys, stretches
        Of a file of our layout: its distinct keys in order, an array per key column, and the row at which each one's
        stretch of rows starts, with the number of rows at the end.

    Raises
    ------
    CorruptError
        If it is missing or no Parquet file.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self.label = label
        with self._reading():
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._buffer = pa.py_buffer(self._map)
            self._metadata = pq.read_metadata(pa.BufferReader(self._buffer))
        groups = range(self._metadata.num_row_groups)
        sizes = [self._metadata.row_group(group).num_rows for group in groups]
        self.starts: Ints = np.cumsum([0, *sizes], dtype=np.int64)
        self._schema = self._metadata.schema.to_arrow_schema()
        self._places = {} if not sizes else _places(self._metadata)
        footer = self._metadata.metadata or {}
        self.layout = Layout.from_bytes(footer[LAYOUT]) if LAYOUT in footer and INDEX in footer else None
        self.keys: list[Array] = []
        self.stretches: Ints = self.starts[-1:]
        self._bits: dict[tuple[int, str], Ints] = {}
        if self.layout is not None:
            with self._reading():
                place, size = json.loads(footer[INDEX])
                self.keys, heads, self._bits = read_index(self._buffer.slice(place, size), self.layout.keys)
                self.stretches = np.append(heads, self.starts[-1])
        self._decoded_times = lru_cache(_KEPT_TIMES)(self._decode_times)
        self._addressed = frozenset(() if self.layout is None else self.layout.addressed_columns(self._schema))

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return int(self.starts[-1])

    @property
    def groups(self) -> int:
        """Row groups of the file."""
        return len(self.starts) - 1

    @cached_property
    def first(self) -> int | None:
        """Least event time in a file of our layout, microseconds; None where there is none."""
        return min((int(statistics.min_raw) for statistics in self._event_times()), default=None)

    @cached_property
    def last(self) -> int | None:
        """Greatest event time in a file of our layout, microseconds; None where there is none."""
        return max((int(statistics.max_raw) for statistics in self._event_times()), default=None)

    def is_addressed(self, column: str) -> bool:
        """Tell whether a column's values are taken where they lie."""
        return column in self._addressed

    def values(self, group: int, column: str) -> Addressed:
        """Return such a column's values in one row group."""
        width = width_of(self._schema.field(column).type)
        chunk = self._chunk(group, column)
        bits = self._bits.get((group, column))
        if width is None or chunk.compression != "UNCOMPRESSED":
            raise self._corrupt(f"column {column!r} does not lie as the file says")
        rows = int(self.starts[group + 1] - self.starts[group])
        ones = None if bits is None else np.bitwise_count(bits)
        count = rows if ones is None else int(ones.sum())
        end = chunk.data_page_offset + chunk.total_compressed_size
        values = np.frombuffer(self._map, dtype=f"V{width}", count=count, offset=end - count * width) if count else None
        if values is None:
            values = np.empty(0, dtype=f"V{width}")
        if bits is None or ones is None:
            return Addressed(values)
        return Addressed(values, bits, np.cumsum(ones, dtype=np.int64) - ones)

    def release(self, group: int, column: str) -> None:
        """Give the memory that a column's pages take back to the system, which may keep them in its cache."""
        chunk = self._chunk(group, column)
        start = chunk.data_page_offset // mmap.PAGESIZE * mmap.PAGESIZE
        end = min(chunk.data_page_offset + chunk.total_compressed_size, len(self._map))
        self._map.madvise(mmap.MADV_DONTNEED, start, end - start)

    def micros(self, group: int, column: str, rows: Ints) -> Ints:
        """Return a time column of rows of one row group: microseconds since 1970 UTC, `NO_TIME` where null."""
        if not self.is_addressed(column):
            return self._decoded_times(group, column)[rows]
        values, there = self.values(group, column).take(rows)
        times = values.view(np.int64)
        return times if there is None else np.where(there, times, NO_TIME)

    def times(self, group: int, column: str) -> Words:
        """Return a time column without nulls of a whole row group, as 8-byte words of microseconds."""
        if self.is_addressed(column):
            return self.values(group, column).values
        return self._decoded_times(group, column).view("V8")

    def _decode_times(self, group: int, column: str) -> Ints:
        array = whole(self.decode(group, [column]).column(column))
        return integers(array if array.type == _MOMENT else array.cast(_MOMENT), null=NO_TIME)

    def decode(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Return columns of a row group, decoded; text and bytes as dictionaries, each value once.

        Raises
        ------
        CorruptError
            If they cannot be.
        """
        lacking = [name for name in columns if name not in self._places]
        if lacking:
            raise self._corrupt(f"it has no column {lacking[0]!r}")
        texts = [name for name in columns if _is_text(self._schema.field(name).type)]
        with (
            self._reading(),
            pq.ParquetFile(pa.BufferReader(self._buffer), metadata=self._metadata, read_dictionary=texts) as file,
        ):
            return file.read_row_group(group, columns=list(columns), use_threads=False)

    def _chunk(self, group: int, column: str) -> pq.ColumnChunkMetaData:
        (place,) = self._places[column]
        return self._metadata.row_group(group).column(place)

    def _event_times(self) -> Iterator[Any]:
        if self.layout is not None and self.layout.event_time is not None:
            for group in range(self.groups):
                statistics = self._chunk(group, self.layout.event_time).statistics
                if statistics is not None:
                    yield statistics

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            message = (
                f"the file {self.path} of {self.label} is missing: restore it from a backup, or materialize again."
            )
            raise CorruptError(message) from None
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _EXHAUSTED:
                message = (
                    f"the file {self.path} of {self.label} cannot be opened: {error.strerror}. Allow more (ulimit -n), "
                    f"or make the view's files fewer: featurestore compact {self.label}"
                )
                raise ConfigError(message) from error
            raise self._corrupt(str(error)) from error

    def _corrupt(self, why: str) -> CorruptError:
        return CorruptError(f"the file {self.path} of {self.label} cannot be read ({why}): restore it from a backup.")


def check_places(path: Path, firsts: Mapping[tuple[int, str], Array]) -> None:
    """Hold that a file just written lies as the reader takes it to: that the first value of each chunk is found.

    Where a chunk had a second page, everything before it would be read from beside its place.

    Raises
    ------
    CorruptError
        If it does not.
    """
    file = RunFile(path, "a run")
    for (group, column), first in firsts.items():
        lying = file.values(group, column).values[:1]
        if lying.tobytes() != to_words(first, lying.itemsize).tobytes():
            message = (
                f"Parquet's writer left column {column!r} in another layout than it was asked for, and nothing was "
                "kept: use the version of pyarrow that this release was tested with."
            )
            raise CorruptError(message)


def _is_text(type_: pa.DataType) -> bool:
    return is_text(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_)


def _places(metadata: pq.FileMetaData) -> dict[str, list[int]]:
    """Return at which places a row group holds each column; a nested one has several."""
    places: dict[str, list[int]] = {}
    first = metadata.row_group(0)
    for place in range(first.num_columns):
        places.setdefault(first.column(place).path_in_schema.split(".")[0], []).append(place)
    return places
