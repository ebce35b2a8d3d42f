"""A spine as all reads of a join see it: its keys indexed and sorted once, however many views are joined on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from featurestore.model.types import FeatureType
from featurestore.offline.kernel import Needles, sort_rows
from featurestore.offline.keys import KeyIndex, index_keys
from featurestore.offline.spine import SpineTimes, spine_key

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Ints

__all__ = ["KeyedSpine"]

On: TypeAlias = Sequence[tuple[str, str]]
"""`(entity key, spine column)` for all keys of an entity, in their order."""


class KeyedSpine:
    """A spine as all reads see it; its keys are indexed once, and sorted once, for each set of columns joined on."""

    def __init__(self, spine: pa.Table, times: SpineTimes | None) -> None:
        self.spine = spine
        self.times = times
        self._orders: dict[int, Ints] = {}
        self._indexes: dict[tuple[tuple[str, str], ...], KeyIndex] = {}

    def columns(self, on: On, types: Mapping[str, FeatureType]) -> list[Array]:
        """Return the spine's columns joined on, cast to the types of the entity's keys."""
        return [spine_key(self.spine, column, types[key]) for key, column in on]

    def index(self, on: On, types: Mapping[str, FeatureType]) -> KeyIndex:
        """Return the index of those columns."""
        place = tuple((column, str(types[key])) for key, column in on)
        if place not in self._indexes:
            self._indexes[place] = index_keys(self.columns(on, types))
        return self._indexes[place]

    def needles(self, index: KeyIndex, *, timed: bool) -> Needles:
        """Return the spine rows that can match; without `timed` every one of them sees rows of all times."""
        if id(index) not in self._orders:
            valid = np.ones(self.spine.num_rows, dtype=np.bool_) if self.times is None else self.times.valid
            self._orders[id(index)] = sort_rows(index.ids, valid)
        order = self._orders[id(index)]
        times = self.times.micros[order] if timed and self.times is not None else np.zeros(len(order), dtype=np.int64)
        return Needles(order, index.ids[order], times)

    @property
    def sorts(self) -> int:
        """How often the spine was sorted."""
        return len(self._orders)
