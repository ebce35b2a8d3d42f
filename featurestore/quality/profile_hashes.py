"""Hashes of values, the same in every process and release: profiles that were written years apart still merge.

Sixty-four bits by two rounds of multiply and xor-shift, as in MurmurHash3's finalizer, over words of 64 bits. A profile
keeps the upper 48, which JSON holds exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "KEPT_BITS",
    "Column",
    "Hashes",
    "as_micros",
    "as_numbers",
    "combined",
    "hash_column",
    "hash_numbers",
    "hash_texts",
    "hash_words",
    "ordered",
]

Column = Any
"""An Arrow array of any type: the stubs refuse much that Arrow takes."""

Hashes = npt.NDArray[np.uint64]

KEPT_BITS = 48

_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = np.uint64(32)
_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)
_NULL = np.uint64(0x5851F42D4C957F2D)
_WHOLE = 2**53
_WORD = 8


def hash_words(words: npt.NDArray[Any]) -> Hashes:
    """Return the hashes of words of 64 bits; different words never share one."""
    hashes: Hashes = words.view(np.uint64) ^ _NULL
    hashes *= _FIRST
    hashes ^= hashes >> _HALF
    hashes *= _SECOND
    hashes ^= hashes >> _HALF
    return hashes


def combined(hashes: list[Hashes]) -> Hashes:
    """Return one hash for each row of several columns."""
    found = hashes[0]
    for more in hashes[1:]:
        found = hash_words(found * _FIRST + more)
    return found


def ordered(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return each double's place among all doubles: its bits if positive, less those of its magnitude if negative."""
    bits = numbers.view(np.int64)
    sign = bits >> 63
    places: npt.NDArray[np.int64] = (bits & _MAGNITUDE) ^ sign
    places -= sign
    return places


def hash_numbers(array: Column, numbers: npt.NDArray[np.float64]) -> Hashes:
    """Return the hashes of numbers: equal ones share one whatever their type; integers beyond 2^53 by all bits."""
    words = ordered(numbers)
    if pa.types.is_decimal(array.type):
        exact = array.cast(pa.decimal128(38, array.type.scale)) if array.type.precision < _DIGITS else array
        halves = np.frombuffer(exact.buffers()[1], np.uint64)[2 * exact.offset : 2 * (exact.offset + len(exact))]
        low, high = halves[::2], halves[1::2]
        return np.where(np.abs(numbers) < _WHOLE, hash_words(words), combined([hash_words(low.copy()), high.copy()]))
    if pa.types.is_int64(array.type) and len(numbers) and max(numbers.max(), -numbers.min()) >= _WHOLE:
        words = np.where(np.abs(numbers) < _WHOLE, words, array.to_numpy(zero_copy_only=False))
    return hash_words(words)


_DIGITS = 38


def hash_texts(array: Column) -> Hashes:
    """Return the hashes of texts or bytes; no nulls."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    starts = ends[:-1].astype(np.int64)
    lengths = np.diff(ends).astype(np.int64)
    hashes = hash_words(lengths)
    if data is None or not len(lengths) or not lengths.max():
        return hashes
    # words are read at any byte: those of the last texts may reach beyond the bytes there are
    last = int(ends[-1])
    padded = np.zeros(last + _WORD, np.uint8)
    padded[:last] = np.frombuffer(data, np.uint8, last)
    words = np.lib.stride_tricks.as_strided(padded[:_WORD].view(np.uint64), (last + 1,), (1,))
    rows: Any = np.flatnonzero(lengths > 0)
    done = 0
    while len(rows):
        whole = len(rows) == len(hashes)
        begin, left = (starts, lengths) if whole else (starts[rows], lengths[rows])
        word = words[begin + done]
        short = np.maximum(_WORD - (left - done), 0).astype(np.uint64) * np.uint64(8)
        word = (word << short) >> short
        if whole:
            hashes = hash_words(hashes * _FIRST + word)
        else:
            hashes[rows] = hash_words(hashes[rows] * _FIRST + word)
        done += _WORD
        rows = rows[left > done]
    return hashes


def hash_column(array: Column) -> Hashes:
    """Return the hashes of a column that may be part of a key, or of a row; nulls have one of their own."""
    kind = array.type
    present = array.drop_null() if array.null_count else array
    if pa.types.is_nested(kind):
        hashes = hash_texts(pc.cast(_as_text(present), pa.string()))
    elif pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        hashes = hash_texts(present)
    else:
        hashes = hash_numbers(present, as_numbers(present))
    if not array.null_count:
        return hashes
    found = np.full(len(array), _NULL)
    found[array.is_valid().to_numpy(zero_copy_only=False)] = hashes
    return found


def _as_text(array: Column) -> Column:
    return pa.array([repr(value) for value in array.to_pylist()], pa.string())


def as_micros(array: Column) -> Column:
    """Return times as microseconds since 1970 in Int64, where they lie if that is how they are stored."""
    return array.view(pa.int64()) if array.type.unit == "us" else array.cast(pa.timestamp("us")).cast(pa.int64())


def as_numbers(array: Column) -> npt.NDArray[np.float64]:
    """Return an array without nulls as doubles: dates as days, times as microseconds since 1970, Bool as 0 and 1."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_date32(kind):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        array = as_micros(array)
    elif pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    values: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values.astype(np.float64, copy=False)
