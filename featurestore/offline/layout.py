"""How rows lie in a run's Parquet files, so that the join can read one value where it lies, and decode nothing else.

Any engine reads these files. Four things are particular about them (ADR 8):

- rows are sorted by keys, event time, created time with nulls first, and the computation's own order;
- columns whose values have one width, but for keys, are plain and uncompressed, a row group's in one page. So a value's
  place in the file follows from its row: the values are the last `count * width` bytes of their column chunk;
- of such a column the rows that are null are kept once more, as bits, since Parquet's own levels must be decoded from
  the start;
- behind the last row group stands an index, to which the footer's metadata points: every distinct key in order, the row
  at which its *stretch* of rows starts, and the bits.

Keys and other columns (text, bytes, booleans, decimals, lists) are compressed, and but for booleans dictionary-encoded
where that pays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import CorruptError
from featurestore.offline.arrays import NO_TIME, from_integers, integers, take, valid, whole
from featurestore.offline.blocks import measure

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Column, Flags, Ints

__all__ = [
    "INDEX",
    "LAYOUT",
    "SAMPLE_ROWS",
    "IndexBuilder",
    "Layout",
    "group_rows",
    "parquet_options",
    "read_index",
    "width_of",
]

INDEX = b"featurestore.index"
"""The key of the footer's metadata that says where the index is."""

LAYOUT = b"featurestore.layout"
"""The key of the footer's metadata that says which columns are keys and times."""

_GROUP_BYTES = 128 << 20
SAMPLE_ROWS = 16_384
"""The first rows, by which the width of all is judged."""

_PAGE_BYTES = 1 << 30
_STARTS = "__start"
_NULLS: Any = {"group": pa.int32(), "column": pa.string(), "bits": pa.large_binary()}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are keys and times, and how values are compressed; kept in each file, to read and cut it by itself.

    Attributes
    ----------
    compression
        `"none"` leaves columns of one width as they are; `"lz4"` and `"zstd"` trade that for fewer bytes.
    """

    keys: tuple[str, ...]
    event_time: str | None
    created_time: str | None
    compression: str = "none"

    @property
    def times(self) -> tuple[str, ...]:
        """The time columns there are."""
        return tuple(name for name in (self.event_time, self.created_time) if name is not None)

    def to_bytes(self) -> bytes:
        """Return the form in which a file keeps it."""
        return json.dumps([self.keys, self.event_time, self.created_time, self.compression]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Layout:
        """Read that form."""
        keys, event_time, created_time, compression = json.loads(data)
        return cls(tuple(keys), event_time, created_time, compression)

    def addressed_columns(self, schema: pa.Schema) -> list[str]:
        """Return the columns of one width that are neither keys nor compressed: those whose values have a place."""
        if self.compression != "none":
            return []
        return [field.name for field in schema if width_of(field.type) is not None and field.name not in self.keys]


def width_of(type_: pa.DataType) -> int | None:
    """Return how many bytes each value of a type takes in a plain page; None where that depends on the value."""
    if pa.types.is_fixed_size_list(type_):
        return type_.list_size * 4 if type_.value_type == pa.float32() else None
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_timestamp(type_):
        return type_.bit_width // 8
    return 4 if pa.types.is_date32(type_) else None


def group_rows(table: pa.Table, most: int) -> int:
    """Return the rows of one row group: `most`, or fewer where rows are so wide that it would exceed 128 MiB.

    Parameters
    ----------
    table
        The first rows: the width of text and other values without a fixed one is taken from the first `SAMPLE_ROWS`.
    """
    sample = table.slice(0, SAMPLE_ROWS)
    width = sum(measure(whole(column)) for column in sample.columns) / max(1, sample.num_rows)
    return max(1, min(most, int(_GROUP_BYTES / max(1, width))))


def parquet_options(schema: pa.Schema, layout: Layout, rows: int) -> dict[str, Any]:
    """Return the options of Parquet's writer for row groups of `rows` rows."""
    plain = [field for field in schema if width_of(field.type) is not None and field.name not in layout.keys]
    others = [field for field in schema if field not in plain]
    codec = "lz4" if layout.compression == "none" else layout.compression
    delta = {} if layout.compression == "none" else dict.fromkeys(layout.times, "DELTA_BINARY_PACKED")
    return {
        "compression": {_leaf(field): codec for field in others}
        | {_leaf(field): layout.compression for field in plain},
        "use_dictionary": [_leaf(field) for field in others if not pa.types.is_boolean(field.type)],
        "column_encoding": delta or None,
        "data_page_size": _PAGE_BYTES,
        "max_rows_per_page": rows,
        "write_batch_size": rows,
    }


def _leaf(field: pa.Field[Any]) -> str:
    """Return the path of a column in a Parquet file."""
    path, type_ = field.name, field.type
    while pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_):
        path, type_ = f"{path}.list.element", type_.value_type
    return path


class IndexBuilder:
    """Makes a file's index while its row groups are written.

    Attributes
    ----------
    firsts
        By row group and column, the first value that is taken from where it lies: an array of one.
    """

    def __init__(self, schema: pa.Schema, layout: Layout) -> None:
        self._layout = layout
        self._addressed = layout.addressed_columns(schema)
        self.firsts: dict[tuple[int, str], Array] = {}
        self._heads: list[pa.Table] = []
        self._starts: list[Ints] = []
        self._nulls: list[dict[str, Any]] = []
        self._last: list[pa.Table] = []
        self._rows = 0
        self._groups = 0

    def add(self, table: pa.Table) -> None:
        """Take note of one row group.

        Raises
        ------
        CorruptError
            If rows do not come sorted: a frame joined with them would be wrong.
        """
        keys = list(self._layout.keys)
        rows = table.select([*keys, *self._layout.times])
        joined = pa.concat_tables([*self._last, rows]).combine_chunks()
        changes = _changes(joined.select(keys))
        self._check_order(joined, changes)
        first = np.flatnonzero(changes[len(self._last) :])
        self._heads.append(rows.select(keys).take(from_integers(first)))
        self._starts.append(first + self._rows)
        for name in self._addressed:
            self._note_values(name, table.column(name))
        self._last = [rows.slice(rows.num_rows - 1)]
        self._rows += table.num_rows
        self._groups += 1

    def _note_values(self, name: str, column: Column) -> None:
        first = 0
        if column.null_count:
            there = valid(whole(column))
            bits = np.packbits(there, bitorder="little")
            padded = np.pad(bits, (0, -len(bits) % 8))
            self._nulls.append({"group": self._groups, "column": name, "bits": padded.tobytes()})
            first = int(there.argmax())
        if column.null_count < len(column):
            self.firsts[self._groups, name] = take(whole(column.slice(first, 1)), np.zeros(1, dtype=np.int64))

    def finish(self) -> bytes:
        """Return the index, as it stands in the file."""
        heads = pa.concat_tables(self._heads).combine_chunks()
        heads = heads.append_column(_STARTS, from_integers(np.concatenate(self._starts)))
        sink = pa.BufferOutputStream()
        for table in (heads, pa.Table.from_pylist(self._nulls, schema=pa.schema(_NULLS))):
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        return sink.getvalue().to_pybytes()

    def _check_order(self, rows: pa.Table, changes: Flags) -> None:
        ordered = _ascending(rows.select(list(self._layout.keys)).take(from_integers(np.flatnonzero(changes))))
        later = changes[1:].copy()
        for name in self._layout.times:
            times = integers(whole(rows.column(name)), null=NO_TIME)
            if np.any(~later & (times[1:] < times[:-1])):
                ordered = False
            later |= times[1:] > times[:-1]
        if not ordered:
            names = ", ".join([*self._layout.keys, *self._layout.times])
            message = f"rows to be written do not come sorted by {names}."
            raise CorruptError(message)


def _changes(keys: pa.Table) -> Flags:
    """Tell which rows' keys differ from those of the row before; the first row's do."""
    found = np.zeros(keys.num_rows, dtype=np.bool_)
    found[:1] = True
    for column in keys.columns:
        array: Any = whole(column)
        found[1:] |= _flags(pc.not_equal(array.slice(1), array.slice(0, max(0, len(array) - 1))))
    return found


def _ascending(keys: pa.Table) -> bool:
    """Tell whether each row's keys come after those of the row before."""
    less = np.zeros(max(0, keys.num_rows - 1), dtype=np.bool_)
    same = ~less
    for column in keys.columns:
        array: Any = whole(column)
        before, after = array.slice(0, max(0, len(array) - 1)), array.slice(1)
        less |= same & _flags(pc.less(before, after))
        same &= _flags(pc.equal(before, after))
    return bool(less.all())


def _flags(array: Any) -> Flags:  # noqa: ANN401 - a boolean array
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def read_index(buffer: pa.Buffer, keys: Sequence[str]) -> tuple[list[Array], Ints, dict[tuple[int, str], Ints]]:
    """Return what an index holds: the distinct keys by column, the rows at which they start, and the bits.

    Returns
    -------
    The bits are 64-bit words by row group and column, the first row in the least bit; set where the value is there.
    """
    reader = pa.BufferReader(buffer)
    heads = pa.ipc.open_stream(reader).read_all()
    nulls = pa.ipc.open_stream(reader).read_all()
    bits: dict[tuple[Any, Any], Any] = {
        (group, column): np.frombuffer(words.as_buffer(), dtype="<u8")
        for group, column, words in zip(
            nulls.column("group").to_pylist(), nulls.column("column").to_pylist(), nulls.column("bits"), strict=True
        )
    }
    return [whole(heads.column(name)) for name in keys], integers(whole(heads.column(_STARTS)), null=-1), bits
