"""Blocks: the pieces in which rows that need not fit into memory are read, kept, joined and written.

How many rows a block has follows from the rows alone, never from how they came: the same rows in one table, in small
batches or in several files are cut at the same places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.offline.arrays import empty, is_text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from featurestore.offline.arrays import Array

__all__ = ["BLOCK_ROWS", "cut", "fitting_rows", "measure", "row_width"]

BLOCK_ROWS = 1 << 20
"""The most rows of a block."""

_BLOCK_BYTES = 1 << 28
_LEAST = 1 << 12
_SAMPLE = 1 << 14
_UNKNOWN = 64


def cut(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut rows that come in pieces of any length into blocks of one length; the last may be shorter.

    The width of the first rows decides how many fit into a block.

    Yields
    ------
    pyarrow.Table
        At least one, which has no rows if there are none; the columns are one chunk each where a chunk can hold them.
    """
    held = empty(schema)
    size = 0
    for table in tables:
        held = pa.concat_tables([held, table]) if held.num_rows else table
        if size or held.num_rows >= _SAMPLE:
            size = size or _size(held)
            while held.num_rows > size:
                yield held.slice(0, size).combine_chunks()
                held = held.slice(size)
    size = size or _size(held)
    while held.num_rows > size:
        yield held.slice(0, size).combine_chunks()
        held = held.slice(size)
    yield held.combine_chunks()


def fitting_rows(width: float) -> int:
    """Return how many rows of `width` bytes make a block."""
    return min(BLOCK_ROWS, max(_LEAST, int(_BLOCK_BYTES // max(width, 1))))


def row_width(type_: pa.DataType) -> float:
    """Return the bytes of a value as its type tells them; a guess for text and lists."""
    if pa.types.is_fixed_size_list(type_):
        return float(type_.list_size * row_width(type_.value_type))
    try:
        return float(type_.bit_width / 8)
    except ValueError:
        return _UNKNOWN


def _size(table: pa.Table) -> int:
    sample = table.slice(0, _SAMPLE)
    total = sum(measure(whole(column)) for column in sample.columns)
    return fitting_rows(total / max(sample.num_rows, 1))


def measure(array: Array) -> float:
    """Return the bytes of values, by the values alone: how buffers lie in memory differs with where they come from."""
    type_ = array.type
    if pa.types.is_string_view(type_) or pa.types.is_binary_view(type_):
        return measure(array.cast(pa.large_string() if pa.types.is_string_view(type_) else pa.large_binary()))
    if is_text(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        lengths: Any = pc.binary_length(array)  # type: ignore[call-overload] # any layout of text or bytes
        return float(pc.sum(lengths).as_py() or 0)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return measure(pc.list_flatten(array))
    return len(array) * row_width(type_)
