"""Rows as bytes: one row of the online store holds all features of one key.

    row  := head | variable part
    head := event time int64 (microseconds since 1970 UTC; 0 for a dimension)
          | null bits, one a feature in the order of the columns, 1 is null, least significant bit first
          | fixed-width values, features of one dtype side by side, packed little endian
          | for each String, Bytes or List feature uint32: where its cell ends in the variable part

All heads of one codec have one size, so the heads of many rows, joined, are one structured NumPy array, and features
of one dtype leave it in one copy. Cells are told in `arrays.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from featurestore.errors import ContractError, CorruptError, nearest
from featurestore.model.types import FeatureType, parse_type
from featurestore.online.arrays import (
    Bits,
    Numbers,
    array_from_cells,
    array_from_fixed,
    cells,
    fixed_values,
    storage_dtype,
)
from featurestore.online.keys import encode_keys

__all__ = ["FORMAT", "RowBlock", "RowCodec", "Selection", "encode_rows"]

_EVENT_TIME = slice(0, 8)

FORMAT = 1
"""Version of the layout above, recorded with each generation."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a feature lives: its bit, the field of the head, the place in that field's subarray."""

    bit: int
    type_: FeatureType
    field: str
    index: int


class RowCodec:
    """Encodes and decodes the rows of one generation.

    Parameters
    ----------
    columns
        `(feature, type)` in order.
    """

    def __init__(self, columns: Sequence[tuple[str, FeatureType]]) -> None:
        self.columns = tuple(columns)
        self._places: dict[str, _Place] = {}
        groups: dict[str, list[str]] = {}
        for bit, (name, type_) in enumerate(self.columns):
            dtype = storage_dtype(type_)
            field = "ends" if dtype is None else f"{name} vector" if dtype.shape else dtype.str
            members = groups.setdefault(field, [])
            self._places[name] = _Place(bit, type_, field, len(members))
            members.append(name)
        self._variable = groups.pop("ends", [])
        self._groups = {field: members for field, members in groups.items() if not field.endswith(" vector")}
        self._vectors = [members[0] for field, members in groups.items() if field.endswith(" vector")]
        self.head = np.dtype(
            [
                ("event time", "<i8"),
                ("nulls", "u1", ((len(self.columns) + 7) // 8,)),
                *((field, field, (len(members),)) for field, members in self._groups.items()),
                *((f"{name} vector", "<f4", self._places[name].type_.parameters) for name in self._vectors),
                *([("ends", "<u4", (len(self._variable),))] if self._variable else []),
            ]
        )
        missing = np.zeros(1, self.head)
        missing["nulls"] = 0xFF
        self._missing = missing.tobytes()
        (self.null_bits,) = self.slices("nulls")

    def schema(self) -> dict[str, Any]:
        """Return the JSON form, recorded with a generation; `from_schema` reads it."""
        return {"format": FORMAT, "columns": [[name, str(type_)] for name, type_ in self.columns]}

    @classmethod
    def from_schema(cls, schema: Mapping[str, Any]) -> RowCodec:
        """Return the codec of a generation.

        Raises
        ------
        CorruptError
            If the generation was written in a layout that this release does not read.
        """
        if schema.get("format") != FORMAT:
            message = (
                f"the generation's rows have format {schema.get('format')!r}, this release reads {FORMAT}: "
                "publish the version again."
            )
            raise CorruptError(message)
        return cls([(name, parse_type(type_)) for name, type_ in schema["columns"]])

    # ------------------------------------------------------------------------------------------------ encode

    def encode_batch(self, batch: pa.RecordBatch, event_time: str | None) -> Iterator[bytes]:
        """Return the rows of a batch as bytes, in order.

        Parameters
        ----------
        batch
            Holds a column for each feature, under its name.
        event_time
            Name of the event time column; None for a dimension.

        Raises
        ------
        ContractError
            If a column has another type, or an event time is null.
        """
        heads = np.zeros(batch.num_rows, self.head)
        if event_time is not None:
            times = batch.column(event_time)
            if times.null_count:
                message = (
                    f"the event time {event_time!r} of {times.null_count} rows is null: drop them before publishing."
                )
                raise ContractError(message)
            heads["event time"] = fixed_values(times, FeatureType("Timestamp"))
        nulls = np.zeros((batch.num_rows, len(self.columns)), np.bool_)
        for name, place in self._places.items():
            column = batch.column(name)
            if column.null_count:
                nulls[:, place.bit] = column.is_null().to_numpy(zero_copy_only=False)
            if place.field == f"{name} vector":
                heads[place.field] = fixed_values(column, place.type_)
            elif place.field != "ends":
                heads[place.field][:, place.index] = fixed_values(column, place.type_)
        heads["nulls"] = np.packbits(nulls, axis=1, bitorder="little")
        if not self._variable:
            return iter(_pieces(heads))
        parts = [cells(batch.column(name), self._places[name].type_) for name in self._variable]
        for position, part in enumerate(parts):
            heads["ends"][:, position] = np.fromiter(map(len, part), np.uint32, len(part))
        heads["ends"] = np.cumsum(heads["ends"], axis=1)
        return map(b"".join, zip(_pieces(heads), *parts, strict=True))

    # ------------------------------------------------------------------------------------------------ decode

    def open(self, rows: Sequence[bytes | None], fill: bytes | None = None) -> RowBlock:
        """Return the decoded heads of rows.

        Parameters
        ----------
        rows
            None for a key that was not found.
        fill
            The row that stands where there is none, from `row`; all null by default.

        Raises
        ------
        CorruptError
            If a row does not have this codec's size.
        """
        found = None
        filled: Sequence[bytes]
        if None in rows:
            found = np.fromiter((row is not None for row in rows), np.bool_, len(rows))
            instead = self._missing if fill is None else fill
            filled = [instead if row is None else row for row in rows]
        else:
            filled = rows  # type: ignore[assignment]  # none is None
        return RowBlock(self, self.heads(filled), filled, found)

    def heads(self, rows: Sequence[bytes]) -> bytes:
        """Return the heads of rows, one after the other.

        Raises
        ------
        CorruptError
            If a row does not have this codec's size.
        """
        size = self.head.itemsize
        if not self._variable:
            if set(map(len, rows)) <= {size}:
                return rows[0] if len(rows) == 1 else b"".join(rows)
        else:
            joined = b"".join([row[:size] for row in rows])
            if len(joined) == size * len(rows):
                expected = np.frombuffer(joined, self.head)["ends"][:, -1].astype(np.int64) + size
                if (np.fromiter(map(len, rows), np.int64, len(rows)) == expected).all():
                    return joined
        message = (
            f"a row of the online store has not the size of its columns ({size} bytes and its variable part): "
            "publish the version again."
        )
        raise CorruptError(message)

    def row(self, values: Mapping[str, pa.Array[Any]]) -> bytes:
        """Return one row without an event time, of arrays of one value; a feature that is not named is null."""
        arrays = [values.get(name, pa.nulls(1)) for name, _ in self.columns]
        (row,) = self.encode_batch(pa.record_batch(arrays, names=[name for name, _ in self.columns]), None)
        return row

    def select(self, wanted: Sequence[str]) -> Selection:
        """Return how features leave the rows; see `Selection`."""
        return Selection(self, wanted)

    def decode(
        self, rows: Sequence[bytes | None], wanted: Sequence[str], arrow_types: Sequence[pa.DataType]
    ) -> list[pa.Array[Any]]:
        """Return one array for each wanted feature; null where the row or its value is."""
        return self.select(wanted).arrays(self.open(rows), arrow_types)

    def place(self, name: str) -> _Place:
        """Return where a feature lives.

        Raises
        ------
        CorruptError
            If the generation does not hold it.
        """
        place = self._places.get(name)
        if place is None:
            message = (
                f"the online rows hold no feature {name!r}.{nearest(name, self._places)} Publish the version again."
            )
            raise CorruptError(message)
        return place

    def width(self, field: str) -> int:
        """Return how many features one field of the head holds; a vector is one."""
        return len(self._groups[field]) if field in self._groups else 1

    def slices(self, field: str, indices: Sequence[int] | None = None) -> list[slice]:
        """Return where a field of the head lies in a row, or some of its features, in that order."""
        fields: Mapping[str, Any] = self.head.fields or {}
        dtype, start = fields[field][:2]
        if indices is None:
            return [slice(start, start + dtype.itemsize)]
        size = dtype.itemsize // self.width(field)
        return [slice(start + size * index, start + size * (index + 1)) for index in indices]

    @property
    def head_size(self) -> int:
        """Bytes of a row without its variable part."""
        return self.head.itemsize


class RowBlock:
    """Rows of one read: made by `RowCodec.open`, read through a `Selection`.

    Many rows are read as one array. One row, what most requests ask for, is read as the bytes it is: to a process that
    answers one small call after another, each library it enters is a cold one.

    Attributes
    ----------
    data
        The heads, one after the other.
    rows
        The rows' bytes; where a key was not found, those of the row that stands there.
    found
        Whether there was a row, shape `(n,)`; None if there always was.
    """

    __slots__ = ("codec", "data", "found", "rows")

    def __init__(self, codec: RowCodec, data: bytes, rows: Sequence[bytes], found: Bits | None) -> None:
        self.codec = codec
        self.data = data
        self.rows = rows
        self.found = found

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def heads(self) -> Numbers:
        """The heads, shape `(n,)`, structured as the codec's."""
        return np.frombuffer(self.data, self.codec.head)

    def before(self, moment: int) -> Bits | None:
        """Return which rows have an event time before this one, shape `(n,)`; None if none has."""
        if len(self.rows) == 1 and int.from_bytes(self.data[_EVENT_TIME], "little", signed=True) >= moment:
            return None
        late: Bits = self.event_times < moment
        return late if np.count_nonzero(late) else None

    @property
    def event_times(self) -> Numbers:
        """Microseconds since 1970 UTC, shape `(n,)`; 0 where there was no row, and for a dimension."""
        times: Numbers = self.heads["event time"]
        return times

    def replaced(self, where: Bits, row: bytes) -> RowBlock:
        """Return a block with another row at some places, shape `(n,)`; `found` stays."""
        rows = [row if away else kept for kept, away in zip(self.rows, where.tolist(), strict=True)]
        return RowBlock(self.codec, self.codec.heads(rows), rows, self.found)

    def cells(self, place: _Place) -> list[bytes]:
        """Return the bytes of a String, Bytes or List feature in each row."""
        size = self.codec.head_size
        ends = self.heads["ends"]
        starts = (ends[:, place.index - 1].astype(np.int64) + size).tolist() if place.index else [size] * len(self)
        stops = (ends[:, place.index].astype(np.int64) + size).tolist()
        return [row[start:stop] for row, start, stop in zip(self.rows, starts, stops, strict=True)]


class Selection:
    """Some features of a generation, in an order: worked out once, and used for every read of them.

    Attributes
    ----------
    places
        Where each feature lives.
    offsets
        Bytes of one row's fixed-width values before those of each such feature in `fixed`; None for one of variable
        width.
    widths
        Bytes of one value; 0 for variable width.
    """

    __slots__ = ("_bits", "_fields", "_slices", "offsets", "places", "widths")

    def __init__(self, codec: RowCodec, wanted: Sequence[str]) -> None:
        self.places = tuple(codec.place(name) for name in wanted)
        self._bits = [place.bit for place in self.places]
        fields: dict[str, list[int]] = {}
        offsets: list[int | None] = []
        widths: list[int] = []
        sizes: dict[str, int] = {}
        for place in self.places:
            dtype = storage_dtype(place.type_)
            widths.append(0 if dtype is None else dtype.itemsize)
            if dtype is not None:
                fields.setdefault(place.field, []).append(place.index)
                sizes[place.field] = sizes.get(place.field, 0) + dtype.itemsize
        starts = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
        for place, width in zip(self.places, widths, strict=True):
            offsets.append(starts[place.field] if width else None)
            if width:
                starts[place.field] += width
        self.offsets = tuple(offsets)
        self.widths = tuple(widths)
        self._fields = [
            (field, None if indices == list(range(codec.width(field))) else indices)
            for field, indices in fields.items()
        ]
        self._slices = tuple(part for field, indices in self._fields for part in codec.slices(field, indices))

    def fixed(self, block: RowBlock) -> bytes:
        """Return the values of the features of fixed width, little endian, feature after feature: a copy for a dtype.

        Those of a feature begin at `offset * n` and take `width * n` bytes, for the n rows of the block.
        """
        if len(block) == 1:  # as they lie
            data = block.data
            return b"".join([data[part] for part in self._slices])
        parts = []
        heads = block.heads
        for field, indices in self._fields:
            values = heads[field]  # shape (n, features of the field), or (n, length) of a vector
            if field.endswith(" vector"):
                parts.append(values.tobytes() * len(indices or [0]))  # as often as one request names it
            else:
                parts.append((values.T if indices is None else values.T[indices]).tobytes())
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def nulls(self, block: RowBlock) -> Bits | None:
        """Return whether values are null, shape `(features, n)`; None if none of the rows' is."""
        if len(block) == 1 and not any(block.data[block.codec.null_bits]):
            return None
        bits: Numbers = block.heads["nulls"]
        if not np.count_nonzero(bits):
            return None
        apart = np.unpackbits(bits, axis=1, bitorder="little").view(np.bool_)
        return np.ascontiguousarray(apart.T[self._bits])

    def arrays(self, block: RowBlock, arrow_types: Sequence[pa.DataType]) -> list[pa.Array[Any]]:
        """Return one array for each feature, of exactly the Arrow type asked for."""
        count = len(block)
        nulls = self.nulls(block)
        valid = np.ones((len(self.places), count), np.bool_) if nulls is None else ~nulls
        values = pa.py_buffer(self.fixed(block))
        result: list[pa.Array[Any]] = []
        for place, offset, width, arrow_type, bits in zip(
            self.places, self.offsets, self.widths, arrow_types, valid, strict=True
        ):
            if offset is None:
                cells_ = block.cells(place)
                result.append(array_from_cells(cells_, bits, type_=place.type_, arrow_type=arrow_type))
            else:
                data = values.slice(offset * count, width * count)
                result.append(array_from_fixed(data, count, bits, type_=place.type_, arrow_type=arrow_type))
        return result


def encode_rows(
    batches: Iterable[pa.RecordBatch],
    codec: RowCodec,
    *,
    keys: Sequence[tuple[str, FeatureType]],
    event_time: str | None,
) -> Iterator[tuple[bytes, bytes]]:
    """Return `(key, row)` pairs, what `OnlineStore.write` takes, of batches that hold keys, event time and features.

    Rows with a null key are left away: no request can reach them.
    """
    types = [type_ for _, type_ in keys]
    for batch in batches:
        encoded = encode_keys([batch.column(name) for name, _ in keys], types)
        rows = zip(encoded, codec.encode_batch(batch, event_time), strict=True)
        if None in encoded:
            yield from ((key, row) for key, row in rows if key is not None)
        else:
            yield from rows


def _pieces(heads: Numbers) -> list[bytes]:
    return heads.view(f"V{heads.dtype.itemsize}").tolist()  # type: ignore[no-any-return]  # bytes, by dtype V
