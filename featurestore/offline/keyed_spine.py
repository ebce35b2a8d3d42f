"""A spine as all reads of a join see it: its keys indexed and sorted once, however many views are joined on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from featurestore.model.types import FeatureType
from featurestore.offline.kernel import Needles, make_needles
from featurestore.offline.keys import KeyIndex, index_keys
from featurestore.offline.spine import SpineTimes, spine_key

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array

__all__ = ["KeyedSpine"]

On: TypeAlias = Sequence[tuple[str, str]]
"""`(entity key, spine column)` for all keys of an entity, in their order."""


class KeyedSpine:
    """A spine as all reads see it; its keys are indexed once, and sorted once, for each set of columns joined on."""

    def __init__(self, spine: pa.Table, times: SpineTimes | None) -> None:
        self.spine = spine
        self.times = times
        self.needles: dict[tuple[int, bool], Needles] = {}
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

    def sorted_needles(self, index: KeyIndex, *, timed: bool) -> Needles:
        """Return the spine rows that can match; without `timed` every one of them sees rows of all times."""
        place = (id(index), timed)
        if place not in self.needles:
            rows = self.spine.num_rows
            valid = np.ones(rows, dtype=np.bool_) if self.times is None else self.times.valid
            times = self.times.micros if timed and self.times is not None else np.zeros(rows, dtype=np.int64)
            self.needles[place] = make_needles(index.ids, times, valid)
        return self.needles[place]
