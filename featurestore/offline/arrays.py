"""Arrow arrays as NumPy sees them, and the few steps that the join takes with both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = pa.Array[Any]
    Column: TypeAlias = pa.ChunkedArray[Any]
    Ints: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]
    Words: TypeAlias = NDArray[Any]

__all__ = ["NO_TIME", "from_words", "integers", "is_text", "nulls", "plain", "take", "valid", "whole"]

NO_TIME = int(np.iinfo(np.int64).min)
"""Before every real time: a null created time, which loses every tie, and the event time of a dimension."""


def whole(column: Column) -> Array:
    """Return a column as one array."""
    array: Array | Column = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def plain(column: Column) -> Array:
    """Return a column as one array, dictionaries decoded."""
    return whole(column.cast(column.type.value_type) if isinstance(column.type, pa.DictionaryType) else column)


def nulls(rows: int, type_: pa.DataType) -> Array:
    """Return an array that holds only nulls."""
    return take(pa.array([None], type_), np.zeros(rows, dtype=np.int64))


def take(array: Array, places: Ints) -> Array:
    """Return the values at `places`, exactly as they are."""
    indices: pa.Int64Array = pa.array(places, pa.int64())
    return array.take(indices)


def integers(array: Array, *, null: int) -> Ints:
    """Return integers, or times in their unit, as int64 with `null` for nulls."""
    filled: Array = pc.fill_null(array.cast(pa.int64()), null)  # type: ignore[arg-type] # the stubs know only arrays
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)


def valid(array: Array) -> Flags:
    """Return which values are not null."""
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def is_text(type_: pa.DataType) -> bool:
    """Tell whether a type is text, in any of Arrow's layouts."""
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def from_words(type_: pa.DataType, values: Words, there: Flags) -> Array:
    """Return values of one width, given as their bytes, as an Arrow array without a copy; null where not `there`."""
    bits = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little").data)
    data = pa.py_buffer(values.data.cast("B") if values.nbytes else b"")
    if pa.types.is_fixed_size_list(type_):
        items: Array = pa.Array.from_buffers(type_.value_type, len(values) * type_.list_size, [None, data])
        return pa.Array.from_buffers(type_, len(values), [bits], children=[items])
    return pa.Array.from_buffers(type_, len(values), [bits, data])
