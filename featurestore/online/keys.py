"""Keys as bytes: one byte form for each value, so that equal keys, and only those, meet in the online store.

    key       := 0x00 plain                   plain: up to 480 bytes
               | 0x01 blake2b-256(plain)      anything longer (LMDB's keys end at 511 bytes)
    plain     := the components in key order, joined
    component := Int32, Int64   8 bytes, big endian, sign bit flipped
               | Date           4 bytes, days since 1970, likewise
               | Bool           1 byte
               | String, Bytes  the bytes (text as UTF-8); if another component follows, 0x00 becomes 0x00 0x01 and
                                0x00 0x00 ends it

A store holds keys of one entity, so types need no tag. The framing of text is the one that keeps the order of the
values (length prefixes do not): rows sorted by key stay sorted as bytes, and LMDB appends them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from featurestore.errors import RequestError
from featurestore.model.types import FeatureType
from featurestore.online.arrays import Numbers

__all__ = ["LONGEST_PLAIN_KEY", "KeyValues", "encode_key", "encode_keys"]

LONGEST_PLAIN_KEY = 480
"""Bytes of the longest key that is kept as it is; a longer one is hashed."""

KeyValues: TypeAlias = "pa.Array[Any] | Numbers | list[str]"
"""A request column: an array; where nothing is null int64 numbers, shape `(n,)`, or texts."""

_FEW = 16  # below, a loop costs less than the vectorised form
_PLAIN_INTEGER = np.dtype([("mark", "u1"), ("value", ">u8")])
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_INT_BITS = {"Int32": 32, "Int64": 64}


def encode_key(values: Sequence[object], types: Sequence[FeatureType]) -> bytes:
    """Return the byte form of one key.

    Parameters
    ----------
    values
        One Python value for each join key, in key order; none of them None.
    types
        The join keys' types.

    Raises
    ------
    RequestError
        If a value is null or has another type.
    """
    last = len(types) - 1
    return _seal(
        b"".join(
            _component(value, type_, last=position == last)
            for position, (value, type_) in enumerate(zip(values, types, strict=True))
        )
    )


def encode_keys(columns: Sequence[KeyValues], types: Sequence[FeatureType]) -> list[bytes | None]:
    """Return the byte forms of many keys; None where any of a key's values is null.

    Parameters
    ----------
    columns
        One for each join key, in key order, all of one length. Integers may be of either width.
    types
        The join keys' types.
    """
    if len(types) == 1:
        (column,), (type_,) = columns, types
        if isinstance(column, np.ndarray):  # what most requests ask by: eight bytes behind the mark of a plain key
            return _plain_integers(column)
        return [None if part is None else _seal(part) for part in _components(column, type_, last=True)]
    last = len(types) - 1
    parts = [
        _components(column, type_, last=position == last)
        for position, (column, type_) in enumerate(zip(columns, types, strict=True))
    ]
    return [None if None in row else _seal(b"".join(row)) for row in zip(*parts, strict=True)]


def _seal(plain: bytes) -> bytes:
    if len(plain) <= LONGEST_PLAIN_KEY:
        return b"\x00" + plain
    return b"\x01" + blake2b(plain, digest_size=32).digest()


def _framed(value: bytes, *, last: bool) -> bytes:
    return value if last else value.replace(b"\x00", b"\x00\x01") + b"\x00\x00"


def _plain_integers(column: Numbers) -> list[bytes | None]:
    if len(column) < _FEW:
        return [b"\x00" + (value + (1 << 63)).to_bytes(8, "big") for value in column.tolist()]
    keys = np.zeros(len(column), _PLAIN_INTEGER)
    keys["value"] = column.view(np.uint64) ^ np.uint64(1 << 63)
    return keys.view(f"V{_PLAIN_INTEGER.itemsize}").tolist()


def _components(column: KeyValues, type_: FeatureType, *, last: bool) -> list[bytes | None]:
    """Return one component of every key."""
    if isinstance(column, list):
        return [_framed(text.encode(), last=last) for text in column]
    if isinstance(column, np.ndarray):
        column = pa.array(column)
    if type_.kind in {"String", "Bytes"}:
        values: list[bytes | None] = column.cast(pa.large_binary()).to_pylist()
        if last:
            return values
        return [None if value is None else _framed(value, last=False) for value in values]
    if type_.kind in _INT_BITS:
        numbers = _without_nulls(column.cast(pa.int64()))
        encoded = (numbers.view(np.uint64) ^ np.uint64(1 << 63)).astype(">u8")
    elif type_.kind == "Date":
        days = _without_nulls(column.cast(pa.date32()).view(pa.int32()))
        encoded = (days.view(np.uint32) ^ np.uint32(1 << 31)).astype(">u4")
    else:
        encoded = _without_nulls(column.cast(pa.uint8()))
    items: list[bytes | None] = encoded.view(f"V{encoded.itemsize}").tolist()
    if column.null_count:
        for position in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)):
            items[position] = None
    return items


def _without_nulls(column: pa.Array[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    filled = column.fill_null(0) if column.null_count else column
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False))


def _component(value: object, type_: FeatureType, *, last: bool) -> bytes:
    """Return one component of one key."""
    match type_.kind:
        case "Int32" | "Int64" if isinstance(value, int) and not isinstance(value, bool):
            bound = 1 << (_INT_BITS[type_.kind] - 1)
            if -bound <= value < bound:
                return (value + (1 << 63)).to_bytes(8, "big")
        case "Date" if isinstance(value, date) and not isinstance(value, datetime):
            return (value.toordinal() - _EPOCH_DAY + (1 << 31)).to_bytes(4, "big")
        case "Bool" if isinstance(value, bool):
            return b"\x01" if value else b"\x00"
        case "String" if isinstance(value, str):
            return _framed(value.encode(), last=last)
        case "Bytes" if isinstance(value, bytes):
            return _framed(value, last=last)
    message = f"{value!r} is not a key of type {type_}: give a value of that type; a null key has no row."
    raise RequestError(message)
