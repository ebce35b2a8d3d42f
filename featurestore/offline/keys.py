"""Join keys as dense ids: the distinct keys of a spine, in order, and the place of a stored key among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.offline.arrays import from_integers, integers

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Ints

__all__ = ["KeyIndex", "index_keys"]

_CLOSE = 8
"""Integers whose range is below so many times their number are told apart by marking, not by hashing."""


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """The distinct keys of a spine's columns.

    Attributes
    ----------
    values
        For each key column its distinct values, sorted.
    pairs
        For each key column but the first: the distinct combinations of the ids so far with the column's, sorted, each
        as one integer `id * len(values) + id of the column's value`. Its place is the id of the combination.
    ids
        Of each spine row, in the order of the keys; -1 where one of the key's parts is null.
    """

    values: tuple[Array, ...]
    pairs: tuple[Ints, ...]
    ids: Ints

    def find(self, columns: Sequence[Array]) -> Ints:
        """Return the ids of stored keys, given as one array per key column: -1 where the spine does not hold them."""
        ids = _place(columns[0], self.values[0])
        for column, values, pairs in zip(columns[1:], self.values[1:], self.pairs, strict=True):
            wanted = _pair(ids, _place(column, values), len(values))
            places = np.searchsorted(pairs, wanted)
            places[places == len(pairs)] = 0
            found = (wanted >= 0) & (pairs[places] == wanted) if len(pairs) else np.zeros(len(wanted), dtype=np.bool_)
            ids = np.where(found, places, -1)
        return ids

    @property
    def count(self) -> int:
        """Number of distinct keys without a null part: their ids are below it."""
        return len(self.pairs[-1]) if self.pairs else len(self.values[0])


def index_keys(columns: Sequence[Array]) -> KeyIndex:
    """Return the index of a spine's keys, given as one array per key column, in the order of the entity's keys."""
    ids, first = _distinct(columns[0])
    values, all_pairs = [first], []
    for column in columns[1:]:
        others, distinct = _distinct(column)
        combined = _pair(ids, others, len(distinct))
        pairs, places = np.unique(combined[combined >= 0], return_inverse=True)
        ids = np.full(len(combined), -1, dtype=np.int64)
        ids[combined >= 0] = places
        values.append(distinct)
        all_pairs.append(pairs)
    return KeyIndex(tuple(values), tuple(all_pairs), ids)


def _distinct(column: Array) -> tuple[Ints, Array]:
    """Return each row's id (-1 for null) and the distinct values, sorted as the stored files are."""
    if pa.types.is_integer(column.type) and column.null_count == 0 and len(column):
        counted = _counted(integers(column, null=0))
        if counted is not None:
            return counted[0], from_integers(counted[1]).cast(column.type)
    encoded = column.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[integers(order.cast(pa.int64()), null=-1)] = np.arange(len(order))
    rank[-1] = -1
    return rank[integers(encoded.indices, null=-1)], encoded.dictionary.take(order)


def _counted(values: Ints) -> tuple[Ints, Ints] | None:
    """Return ids and distinct values of integers that lie close together, by marking them; None if they do not."""
    least, greatest = int(values.min()), int(values.max())
    if greatest - least >= _CLOSE * len(values):
        return None
    held = np.zeros(greatest - least + 1, dtype=np.bool_)
    held[values - least] = True
    ranks = np.cumsum(held) - 1
    return ranks[values - least], np.flatnonzero(held) + least


def _place(column: Array, values: Array) -> Ints:
    """Return the place of each value of `column` among `values`, -1 where it is null or not one of them."""
    return integers(pc.index_in(column, value_set=values, skip_nulls=True), null=-1)


def _pair(ids: Ints, others: Ints, count: int) -> Ints:
    """Return two ids as one integer, -1 where either is; below 2^62, as neither reaches the number of rows, 2^31."""
    return np.where((ids >= 0) & (others >= 0), ids * count + others, -1)
