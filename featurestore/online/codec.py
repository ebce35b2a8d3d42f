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
    buffer,
    cells,
    fixed_values,
    storage_dtype,
)
from featurestore.online.keys import encode_keys

__all__ = ["FORMAT", "RowBlock", "RowCodec", "encode_rows"]

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
        self._head = np.dtype(
            [
                ("event time", "<i8"),
                ("nulls", "u1", ((len(self.columns) + 7) // 8,)),
                *((field, field, (len(members),)) for field, members in self._groups.items()),
                *((f"{name} vector", "<f4", self._places[name].type_.parameters) for name in self._vectors),
                *([("ends", "<u4", (len(self._variable),))] if self._variable else []),
            ]
        )
        missing = np.zeros(1, self._head)
        missing["nulls"] = 0xFF
        self._missing = missing.tobytes()

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
        heads = np.zeros(batch.num_rows, self._head)
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

    def open(self, rows: Sequence[bytes | None]) -> RowBlock:
        """Return the decoded heads of rows, None for a key that was not found.

        Raises
        ------
        CorruptError
            If a row does not have this codec's size.
        """
        size = self._head.itemsize
        found = np.fromiter((row is not None for row in rows), np.bool_, len(rows))
        filled = [self._missing if row is None else row for row in rows]
        joined = b"".join([row[:size] for row in filled] if self._variable else filled)
        lengths = np.fromiter(map(len, filled), np.int64, len(filled))
        if len(joined) == size * len(rows):
            heads = np.frombuffer(joined, self._head)
            expected = heads["ends"][:, -1].astype(np.int64) + size if self._variable else size
            if (lengths == expected).all():
                return RowBlock(self, heads, filled, found)
        message = (
            f"a row of the online store has not the size of its columns ({size} bytes and its variable part): "
            "publish the version again."
        )
        raise CorruptError(message)

    def decode(
        self, rows: Sequence[bytes | None], wanted: Sequence[str], arrow_types: Sequence[pa.DataType]
    ) -> list[pa.Array[Any]]:
        """Return one array for each wanted feature; null where the row or its value is."""
        return self.open(rows).arrays(wanted, arrow_types)

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

    @property
    def head_size(self) -> int:
        """Bytes of a row without its variable part."""
        return self._head.itemsize


class RowBlock:
    """Rows of one read, decoded: made by `RowCodec.open`.

    Attributes
    ----------
    found
        Whether there was a row, shape `(n,)`.
    event_times
        Microseconds since 1970 UTC, shape `(n,)`; 0 where there was none.
    """

    def __init__(self, codec: RowCodec, heads: Numbers, rows: Sequence[bytes], found: Bits) -> None:
        self._codec = codec
        self._heads = heads
        self._rows = rows
        self.found = found
        self.event_times: Numbers = np.ascontiguousarray(heads["event time"])

    def __len__(self) -> int:
        return len(self._rows)

    def nulls(self, wanted: Sequence[str]) -> Bits:
        """Return whether values are null, shape `(len(wanted), n)`; true where there was no row."""
        bits = np.unpackbits(self._heads["nulls"], axis=1, bitorder="little").view(np.bool_)
        return np.ascontiguousarray(bits.T[[self._codec.place(name).bit for name in wanted]])

    def arrays(
        self, wanted: Sequence[str], arrow_types: Sequence[pa.DataType], *, keep: Bits | None = None
    ) -> list[pa.Array[Any]]:
        """Return one array for each wanted feature, of exactly the Arrow type asked for.

        Parameters
        ----------
        wanted, arrow_types
            Names and types, of one length.
        keep
            Rows whose values are shown, shape `(n,)`; the others are null and their bytes blank. All by default.
        """
        valid = ~self.nulls(wanted)
        if keep is not None:
            valid &= keep
        hidden = None if keep is None or keep.all() else ~keep
        places = [self._codec.place(name) for name in wanted]
        buffers = self._fixed_buffers(places, hidden)
        result = []
        for place, arrow_type, bits in zip(places, arrow_types, valid, strict=True):
            if place.field == "ends":
                values = self._cells(place.index, bits)
                result.append(array_from_cells(values, bits, type_=place.type_, arrow_type=arrow_type))
            else:
                data = buffers[place.field, place.index]
                result.append(array_from_fixed(data, len(self), bits, type_=place.type_, arrow_type=arrow_type))
        return result

    def _fixed_buffers(self, places: Iterable[_Place], hidden: Bits | None) -> dict[tuple[str, int], pa.Buffer]:
        """Return the values of fixed-width features: one copy for all features of one dtype."""
        fields: dict[str, list[int]] = {}
        for place in places:
            if place.field != "ends":
                fields.setdefault(place.field, []).append(place.index)
        buffers: dict[tuple[str, int], pa.Buffer] = {}
        for field, indices in fields.items():
            values = self._heads[field]
            if field.endswith(" vector"):
                copied, indices = values.copy()[None], [0]  # noqa: PLW2901 - a vector is a field of its own
            else:
                copied = np.ascontiguousarray(values.T[indices])
            if hidden is not None:
                copied[:, hidden] = np.zeros(1, copied.dtype)[0]
            whole = buffer(copied)
            width = copied[0].nbytes
            for position, index in enumerate(indices):
                buffers[field, index] = whole.slice(position * width, width)
        return buffers

    def _cells(self, index: int, valid: Bits) -> list[bytes]:
        size = self._codec.head_size
        bounds = np.zeros((2, len(self)), np.int64)
        bounds[0] = self._heads["ends"][:, index - 1] if index else 0
        bounds[1] = self._heads["ends"][:, index]
        starts, ends = (bounds + size).tolist()
        spans = zip(self._rows, starts, ends, valid.tolist(), strict=True)
        return [row[start:end] if shown else b"" for row, start, end, shown in spans]


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
        for key, row in zip(encoded, codec.encode_batch(batch, event_time), strict=True):
            if key is not None:
                yield key, row


def _pieces(heads: Numbers) -> list[bytes]:
    return heads.view(f"V{heads.dtype.itemsize}").tolist()  # type: ignore[no-any-return]  # bytes, by dtype V
