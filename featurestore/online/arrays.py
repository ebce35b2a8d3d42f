"""One column between Arrow and bytes: fixed-width values as NumPy arrays, all others as one cell of bytes a value.

    cell := String, Bytes   the bytes
          | List(T)         count uint32 | flag uint8 | if the flag is 1: count null bytes (1 is null) | elements
    elements := T of fixed width   count values, little endian
              | otherwise          count uint32 lengths, then the elements' cells

A null value, of any type, is zeros or no bytes: whether it is null is told elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import ContractError, RequestError
from featurestore.model.types import FeatureType

__all__ = [
    "Bits",
    "Numbers",
    "array_from_cells",
    "array_from_fixed",
    "buffer",
    "cells",
    "fixed_values",
    "storage_dtype",
]

Numbers = np.ndarray[Any, np.dtype[Any]]
Bits = np.ndarray[Any, np.dtype[np.bool_]]

_STORAGE: dict[str, tuple[str, pa.DataType]] = {
    "Int32": ("<i4", pa.int32()),
    "Int64": ("<i8", pa.int64()),
    "Float32": ("<f4", pa.float32()),
    "Float64": ("<f8", pa.float64()),
    "Bool": ("u1", pa.bool_()),
    "Date": ("<i4", pa.date32()),
    "Timestamp": ("<i8", pa.timestamp("us", tz="UTC")),
}
_LIST_HEAD = struct.Struct("<IB")
_MAX_OFFSET = 2**31 - 1


def storage_dtype(type_: FeatureType) -> np.dtype[Any] | None:
    """Return the dtype of a fixed-width type (a subarray for an embedding); None for the others."""
    if type_.kind == "Decimal":
        return np.dtype("V16")
    if type_.kind == "Embedding":
        return np.dtype(("<f4", (type_.parameters[0],)))
    return np.dtype(_STORAGE[type_.kind][0]) if type_.kind in _STORAGE else None


# ------------------------------------------------------------------------------------------------ Arrow to bytes


def fixed_values(array: pa.Array[Any], type_: FeatureType) -> Numbers:
    """Return the values of a fixed-width type, shape `(n,)`, `(n, length)` for an embedding; zeros where null.

    Raises
    ------
    ContractError
        If the array is of another type, or an embedding has another length or a null element.
    """
    if type_.kind == "Embedding":
        return _embedding_values(array, type_)
    stored = pa.decimal128(*type_.parameters) if type_.kind == "Decimal" else _STORAGE[type_.kind][1]
    array = _cast(array, stored, type_)
    if type_.kind == "Bool":
        array = array.cast(pa.uint8())
    data: Any = array.buffers()[1]
    dtype: Any = storage_dtype(type_)
    if data is None or not len(array):
        return np.zeros(len(array), dtype)
    values: Numbers = np.frombuffer(data, dtype, count=len(array) + array.offset)[array.offset :]
    if array.null_count:
        values = values.copy()
        values[_nulls(array)] = np.zeros(1, values.dtype)[0]
    return values


def cells(array: pa.Array[Any], type_: FeatureType) -> list[bytes]:
    """Return one cell for each value of a String, Bytes or List type; no bytes where null.

    Raises
    ------
    ContractError
        If the array is of another type.
    """
    if type_.item is not None:
        return _list_cells(array, type_.item)
    values: list[Any] = _cast(array, pa.large_binary(), type_).to_pylist()
    return [value or b"" for value in values] if array.null_count else values


def _list_cells(array: Any, item: FeatureType) -> list[bytes]:  # noqa: ANN401 - the stubs lose an array's class in a cast
    if not isinstance(array, (pa.ListArray, pa.LargeListArray)):
        element = getattr(array.type, "value_type", pa.null())
        array = _cast(array, pa.large_list(element), FeatureType("List", (), item))
    bounds = array.offsets.to_numpy()
    first, last = (int(bounds[0]), int(bounds[-1])) if len(array) else (0, 0)
    elements = array.values.slice(first, last - first)
    ends = (bounds - first).tolist()
    null_bytes = _nulls(elements).tobytes() if elements.null_count else b""
    body = _element_bodies(elements, item)
    result: list[bytes] = []
    for row, is_null in enumerate(_nulls(array).tolist()):
        start, end = ends[row], ends[row + 1]
        mask = null_bytes[start:end]
        if is_null:
            result.append(b"")
        elif b"\x01" in mask:
            result.append(_LIST_HEAD.pack(end - start, 1) + mask + body(start, end))
        else:
            result.append(_LIST_HEAD.pack(end - start, 0) + body(start, end))
    return result


def _element_bodies(elements: pa.Array[Any], item: FeatureType) -> Any:  # noqa: ANN401 - a function (start, end) -> bytes
    """Return the function that gives the bytes of the elements `[start, end)`."""
    dtype = storage_dtype(item)
    if dtype is not None:
        data, width = fixed_values(elements, item).tobytes(), dtype.itemsize
        return lambda start, end: data[start * width : end * width]
    inner = cells(elements, item)
    lengths = np.fromiter(map(len, inner), "<u4", len(inner)).tobytes()
    return lambda start, end: lengths[start * 4 : end * 4] + b"".join(inner[start:end])


def _embedding_values(array: pa.Array[Any], type_: FeatureType) -> Numbers:
    (length,) = type_.parameters
    values = np.zeros((len(array), length), "<f4")
    present: Any = array.drop_null()
    if not len(present):
        return values
    if not isinstance(present, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)):
        present = _cast(present, pa.list_(pa.float32()), type_)
    flat = _cast(present.flatten(), pa.float32(), type_)
    uneven = (pc.list_value_length(present).to_numpy() != length).any()
    if uneven or flat.null_count:
        message = f"a value is not an {type_}: each holds exactly {length} elements, none of them null."
        raise ContractError(message)
    values[~_nulls(array)] = flat.to_numpy().reshape(-1, length)
    return values


def _cast(array: pa.Array[Any], stored: pa.DataType, type_: FeatureType) -> pa.Array[Any]:
    if array.type == stored:
        return array
    try:
        return array.cast(stored)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"a column of Arrow type {array.type} does not hold {type_}: {error}"
        raise ContractError(message) from error


def _nulls(array: pa.Array[Any]) -> Bits:
    return array.is_null().to_numpy(zero_copy_only=False)


# ------------------------------------------------------------------------------------------------ bytes to Arrow


def buffer(values: Any) -> pa.Buffer:  # noqa: ANN401 - the stubs do not know that an array is a buffer
    """Return a contiguous NumPy array as an Arrow buffer, without a copy."""
    return pa.py_buffer(values)


def _validity(valid: Bits) -> tuple[pa.Buffer | None, int]:
    """Return Arrow's validity bitmap (None where all are valid) and the number of nulls."""
    nulls = len(valid) - int(np.count_nonzero(valid))
    return (buffer(np.packbits(valid, bitorder="little")), nulls) if nulls else (None, 0)


def array_from_fixed(
    data: pa.Buffer, length: int, valid: Bits, *, type_: FeatureType, arrow_type: pa.DataType
) -> pa.Array[Any]:
    """Return the array of `length` fixed-width values in `data`, of exactly `arrow_type`."""
    bitmap, nulls = _validity(valid)
    if type_.kind == "Embedding":
        (size,) = type_.parameters
        flat = pa.Array.from_buffers(pa.float32(), length * size, [None, data])
        vectors = pa.Array.from_buffers(pa.list_(pa.float32(), size), length, [bitmap], nulls, children=[flat])
        return vectors if vectors.type == arrow_type else vectors.cast(arrow_type)
    if type_.kind == "Bool":
        flags: Numbers = np.frombuffer(memoryview(data), "u1", length)
        data = buffer(np.packbits(flags, bitorder="little"))
    return pa.Array.from_buffers(arrow_type, length, [bitmap, data], nulls)


def array_from_cells(
    values: Sequence[bytes], valid: Bits, *, type_: FeatureType, arrow_type: pa.DataType
) -> pa.Array[Any]:
    """Return the array of String, Bytes or List values in `values`, of exactly `arrow_type`.

    Raises
    ------
    RequestError
        If the column is too large for 32-bit offsets and `arrow_type` has no others.
    """
    if type_.item is not None:
        return _list_array(values, valid, item=type_.item, arrow_type=arrow_type)
    large = pa.types.is_large_string(arrow_type) or pa.types.is_large_binary(arrow_type)
    offsets = _offsets(np.fromiter(map(len, values), np.int64, len(values)), large=large)
    bitmap, nulls = _validity(valid)
    buffers = [bitmap, buffer(offsets), pa.py_buffer(b"".join(values))]
    if large or pa.types.is_string(arrow_type) or pa.types.is_binary(arrow_type):
        return pa.Array.from_buffers(arrow_type, len(values), buffers, nulls)
    plain = pa.string() if type_.kind == "String" else pa.binary()
    return pa.Array.from_buffers(plain, len(values), buffers, nulls).cast(arrow_type)


def _list_array(values: Sequence[bytes], valid: Bits, *, item: FeatureType, arrow_type: Any) -> pa.Array[Any]:  # noqa: ANN401 - pa.ListType and its kin
    dtype = storage_dtype(item)
    counts = np.zeros(len(values), np.int64)
    masks: list[bytes] = []
    bodies: list[bytes] = []
    for row, cell in enumerate(values):
        if not cell:
            continue
        count, flag = _LIST_HEAD.unpack_from(cell)
        counts[row] = count
        start = _LIST_HEAD.size + count * flag
        masks.append(cell[_LIST_HEAD.size : start] if flag else bytes(count))
        if dtype is not None:
            bodies.append(cell[start:])
            continue
        position = start + 4 * count
        for length in np.frombuffer(cell, "<u4", count, start).tolist():
            bodies.append(cell[position : position + length])
            position += length
    present = np.frombuffer(b"".join(masks), "u1") == 0
    if dtype is None:
        elements = array_from_cells(bodies, present, type_=item, arrow_type=arrow_type.value_type)
    else:
        data = pa.py_buffer(b"".join(bodies))
        elements = array_from_fixed(data, len(present), present, type_=item, arrow_type=arrow_type.value_type)
    large = pa.types.is_large_list(arrow_type)
    offsets = buffer(_offsets(counts, large=large))
    bitmap, nulls = _validity(valid)
    return pa.Array.from_buffers(arrow_type, len(values), [bitmap, offsets], nulls, children=[elements])


def _offsets(lengths: Numbers, *, large: bool) -> Numbers:
    ends = np.cumsum(lengths, dtype=np.int64)
    if not large and len(ends) and ends[-1] > _MAX_OFFSET:
        message = "one column of the answer would exceed 2 GiB: ask for fewer rows at a time."
        raise RequestError(message)
    offsets = np.zeros(len(lengths) + 1, np.int64 if large else np.int32)
    offsets[1:] = ends
    return offsets
