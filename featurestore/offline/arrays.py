"""Arrow arrays as NumPy sees them, and the few steps that the join takes with both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = pa.Array[Any]
    Column: TypeAlias = pa.ChunkedArray[Any]
    Ints: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]
    Words: TypeAlias = NDArray[Any]

__all__ = [
    "NO_TIME",
    "bare",
    "empty",
    "from_integers",
    "from_words",
    "integers",
    "is_text",
    "nulls",
    "plain",
    "take",
    "to_words",
    "valid",
    "whole",
]

NO_TIME = int(np.iinfo(np.int64).min)
"""Before every real time: a null created time, which loses every tie, and the event time of a dimension."""


def bare(schema: pa.Schema) -> pa.Schema:
    """Return a schema without metadata; the items of lists, which libraries call differently, are called `item`."""
    return pa.schema([field.with_type(_bare(field.type)).remove_metadata() for field in schema])


def _bare(type_: Any) -> Any:  # noqa: ANN401 - the stubs tell types of lists apart
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_bare(field.type)).remove_metadata() for field in type_])
    if not (pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)):
        return type_
    item = pa.field("item", _bare(type_.value_type), nullable=type_.value_field.nullable)
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(item, type_.list_size)
    return pa.large_list(item) if pa.types.is_large_list(type_) else pa.list_(item)


def empty(schema: pa.Schema) -> pa.Table:
    """Return a table without rows; `schema.empty_table()` would import pandas."""
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


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
    return array.take(from_integers(places))


def from_integers(values: Ints) -> Any:  # noqa: ANN401 - an int64 array
    """Return integers as an Arrow array, not copied; `pa.array` of a NumPy array would import pandas."""
    data: Any = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(data)])


def integers(array: Array, *, null: int) -> Ints:
    """Return integers, or times in their unit, as int64 with `null` for nulls."""
    values: Ints = _fixed(array.cast(pa.int64()), np.int64)
    return np.where(valid(array), values, null) if array.null_count else values


def valid(array: Array) -> Flags:
    """Return which values are not null."""
    return np.asarray(_fixed(array.is_valid().cast(pa.uint8()), np.bool_))


def _fixed(array: Array, dtype: Any) -> NDArray[Any]:  # noqa: ANN401 - what NumPy takes for a type
    """Return values of fixed width without nulls, not copied; `to_numpy` would import pandas."""
    if not len(array):
        return np.empty(0, dtype=dtype)
    data: Any = array.buffers()[1]
    values: NDArray[Any] = np.frombuffer(data, dtype=dtype)[array.offset : array.offset + len(array)]
    return values


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


def to_words(array: Any, width: int) -> Words:  # noqa: ANN401 - an Arrow array, which has `values` if it is of lists
    """Return the bytes of the one value of an array of values of one width; zeros for null."""
    if array.null_count:
        return np.zeros(1, dtype=f"V{width}")
    data = array.values if pa.types.is_fixed_size_list(array.type) else array
    return np.frombuffer(data.buffers()[1], dtype=f"V{width}", count=1)
