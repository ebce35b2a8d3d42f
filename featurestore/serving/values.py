"""An Arrow array on the wire, and back: one packed field of the array's own type.

The way out writes bytes: a packed field of fixed-width numbers is its tag, its length and a little-endian array, so an
array is copied, and no object is made of a number. The way back reads the generated classes, which give arrays.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import to_arrow
from featurestore.online.arrays import array_from_fixed, fixed_values
from featurestore.serving.v1 import serving_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "MalformedError",
    "decode_values",
    "encode_cells",
    "encode_values",
    "field",
    "head",
    "null_bytes",
    "packed_field",
]

if sys.byteorder != "little":  # pragma: no cover - the wire is little-endian, and arrays are copied onto it
    message = "featurestore serves on little-endian machines only."
    raise ImportError(message)

_LENGTH_DELIMITED = 2
_MORE = 0x80
"""The bit of a varint's byte which says that another follows."""

_STRINGS = pb.Values.STRINGS_FIELD_NUMBER
_BINARIES = pb.Values.BINARIES_FIELD_NUMBER
_OFFSETS = pb.Values.OFFSETS_FIELD_NUMBER
_ITEMS = pb.Values.ITEMS_FIELD_NUMBER
_NULLS = pb.Values.NULLS_FIELD_NUMBER

_FIXED: dict[str, tuple[int, str, np.dtype[Any]]] = {
    "Float64": (pb.Values.FLOAT64S_FIELD_NUMBER, "float64s", np.dtype("<f8")),
    "Float32": (pb.Values.FLOAT32S_FIELD_NUMBER, "float32s", np.dtype("<f4")),
    "Embedding": (pb.Values.FLOAT32S_FIELD_NUMBER, "float32s", np.dtype("<f4")),
    "Int64": (pb.Values.INT64S_FIELD_NUMBER, "int64s", np.dtype("<i8")),
    "Timestamp": (pb.Values.INT64S_FIELD_NUMBER, "int64s", np.dtype("<i8")),
    "Int32": (pb.Values.INT32S_FIELD_NUMBER, "int32s", np.dtype("<i4")),
    "Date": (pb.Values.INT32S_FIELD_NUMBER, "int32s", np.dtype("<i4")),
    "Bool": (pb.Values.BOOLS_FIELD_NUMBER, "bools", np.dtype("?")),
    "Decimal": (pb.Values.DECIMALS_FIELD_NUMBER, "decimals", np.dtype("V16")),
}
"""Types of one width: the field's number, its name in the generated class, and what one element of it is."""


class MalformedError(ValueError):
    """A message does not follow its own rules: lengths disagree, or a field is missing."""


def field(number: int, payload: bytes) -> bytes:
    """Return a length-delimited field: tag, length, bytes."""
    return head(number, len(payload)) + payload


@lru_cache(maxsize=16384)
def head(number: int, length: int) -> bytes:
    """Return what stands before a length-delimited field's bytes: tag and length."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    if value < _MORE:
        return bytes((value,))
    out = bytearray()
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


# ------------------------------------------------------------------------------------------------------------- out


def encode_values(array: pa.Array[Any], type_: FeatureType, *, nulls: bool = False) -> bytes:
    """Return the serialized `Values` of an array; nulls become zeros.

    Parameters
    ----------
    array
        Values, of the Arrow type of `type_`.
    type_
        Their feature type.
    nulls
        Whether to mark nulls in `Values.nulls`: for keys and elements of lists, which have no statuses.
    """
    marks = field(_NULLS, null_bytes(array)) if nulls and array.null_count else b""
    if type_.kind in _FIXED:
        return field(_FIXED[type_.kind][0], fixed_values(array, type_).tobytes()) + marks
    if type_.kind == "String":
        return encode_cells([(text or "").encode() for text in array.to_pylist()], type_) + marks
    if type_.kind == "Bytes":
        return encode_cells([value or b"" for value in array.to_pylist()], type_) + marks
    return _encode_lists(array, type_) + marks


def null_bytes(array: pa.Array[Any]) -> bytes:
    """Return one byte for each value, 1 where it is null."""
    return array.is_null().to_numpy(zero_copy_only=False).tobytes()


def encode_cells(cells: Sequence[bytes], type_: FeatureType) -> bytes:
    """Return the serialized `Values` of a String or Bytes column, of the bytes of each value."""
    number = _STRINGS if type_.kind == "String" else _BINARIES
    return b"".join([part for cell in cells for part in (head(number, len(cell)), cell)])


def packed_field(type_: FeatureType) -> int:
    """Return the number of the field that holds values of a type of fixed width."""
    return _FIXED[type_.kind][0]


def _encode_lists(array: pa.Array[Any], type_: FeatureType) -> bytes:
    if type_.item is None:  # pragma: no cover - parse_type makes no such type
        text = f"{type_} has no form on the wire."
        raise MalformedError(text)
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, "<u4")
    np.cumsum(lengths, out=offsets[1:])
    items = array.flatten()  # type: ignore[attr-defined]  # a list array; null lists are left out
    return field(_OFFSETS, offsets.tobytes()) + field(_ITEMS, encode_values(items, type_.item, nulls=True))


# ------------------------------------------------------------------------------------------------------------ back


def decode_values(
    values: pb.Values, type_: FeatureType, rows: int, *, null: NDArray[np.bool_] | None = None
) -> pa.Array[Any]:
    """Return the array that a `Values` message holds.

    Parameters
    ----------
    values
        The message.
    type_
        The type that its one field must have.
    rows
        Values there must be.
    null
        Which of them are null; None reads `values.nulls`.

    Raises
    ------
    MalformedError
        If there are more or fewer values, or they are not of the type.
    """
    if null is None:
        null = _nulls(values, rows)
    arrow_type = to_arrow(type_)
    if type_.kind in _FIXED:
        numbers = _fixed(values, type_, rows)
        return array_from_fixed(pa.py_buffer(numbers), rows, ~null, type_=type_, arrow_type=arrow_type)
    if type_.item is not None:
        return _decode_lists(values, type_.item, rows, null)
    texts = list(values.strings if type_.kind == "String" else values.binaries)
    _check(len(texts), rows, type_)
    return pa.array(texts, arrow_type, mask=null)


def _nulls(values: pb.Values, rows: int) -> NDArray[np.bool_]:
    if not values.nulls:
        return np.zeros(rows, np.bool_)
    marks = np.frombuffer(values.nulls, np.uint8)
    if len(marks) != rows:
        text = f"`nulls` marks {len(marks)} values of {rows}: send one byte for each, or none."
        raise MalformedError(text)
    return np.not_equal(marks, 0)


def _check(found: int, wanted: int, type_: FeatureType) -> None:
    if found != wanted:
        text = f"a {type_} column holds {found} values where {wanted} belong."
        raise MalformedError(text)


def _fixed(values: pb.Values, type_: FeatureType, rows: int) -> bytes:
    """Return the little-endian bytes of a fixed-width column."""
    _, name, element = _FIXED[type_.kind]
    width = type_.parameters[0] if type_.kind == "Embedding" else 1
    if type_.kind == "Decimal":
        if len(values.decimals) % element.itemsize:
            text = f"a {type_} column does not hold {element.itemsize} bytes a value."
            raise MalformedError(text)
        data = values.decimals
    else:
        data = np.asarray(getattr(values, name), element).tobytes()
    _check(len(data) // element.itemsize, rows * width, type_)
    return data


def _decode_lists(values: pb.Values, item: FeatureType, rows: int, null: NDArray[np.bool_]) -> pa.Array[Any]:
    offsets = np.asarray(values.offsets, "<u4")
    ascend = len(offsets) == rows + 1 and offsets[0] == 0 and not (offsets[1:] < offsets[:-1]).any()
    if not ascend or offsets[-1] > np.iinfo(np.int32).max:
        text = f"the offsets of a List({item}) column do not ascend from 0, one more than its {rows} rows."
        raise MalformedError(text)
    items = decode_values(values.items, item, int(offsets[-1]))
    validity = pa.py_buffer(np.packbits(~null, bitorder="little").tobytes()) if null.any() else None
    starts = pa.py_buffer(offsets.astype("<i4").tobytes())
    return pa.Array.from_buffers(pa.list_(to_arrow(item)), rows, [validity, starts], children=[items])
