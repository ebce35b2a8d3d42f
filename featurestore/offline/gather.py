"""Values of the rows that were found, as columns in the spine's order: copied where they lie, or decoded.

Either way bits are moved and never converted, so every type survives exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.model.definition import FeatureDefinition
from featurestore.offline.arrays import from_words, take, to_words
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.layout import width_of
from featurestore.offline.run_file import RunFile
from featurestore.offline.values import default_from_json

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Column, Flags, Ints
    from featurestore.offline.kernel import Match, Needles

__all__ = ["Gather", "is_copied", "make_gather"]

_TEXT_BYTES = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of one row group, and the spine rows that see them."""

    file: RunFile
    group: int
    rows: Ints
    targets: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Where the rows of one read lie.

    Attributes
    ----------
    rows
        Rows of the spine.
    parts
        By row group.
    missing
        The spine rows that see no row and get a feature's default.
    """

    rows: int
    parts: Sequence[_Part]
    missing: Ints

    def copies(self, feature: FeatureDefinition) -> bool:
        """Tell whether `copy` gives a feature's column; else `decode` does."""
        return is_copied(feature, (part.file for part in self.parts))

    def copy(self, feature: FeatureDefinition) -> Column:
        """Return a feature's column, copied where its values lie."""
        type_ = to_arrow(feature.type)
        default = _default(feature)
        values = np.empty(self.rows, dtype=f"V{width_of(type_)}")
        there = np.ones(self.rows, dtype=np.bool_)
        values[self.missing] = to_words(default, width_of(type_) or 0)
        there[self.missing] = default.null_count == 0
        for part in self.parts:
            found, known = part.file.values(part.group, feature.name).take(part.rows)
            values[part.targets] = found
            if known is not None:
                there[part.targets] = known
            part.file.release(part.group, feature.name)
        return pa.chunked_array([from_words(type_, values, there)])

    def decode(self, features: Sequence[FeatureDefinition]) -> list[Column]:
        """Return the columns of features that must be decoded: one row group at a time, of which no more is kept."""
        pieces: list[list[Array]] = [[] for _ in features]
        places = np.empty(self.rows, dtype=np.int64)
        taken = 0
        for part in self.parts:
            stored, shares = np.unique(part.rows, return_inverse=True)  # each stored row once
            places[part.targets] = taken + shares
            taken += len(stored)
            done = 0
            for batch in part.file.decode(part.group, [feature.name for feature in features]).to_batches():
                first, last = np.searchsorted(stored, [done, done + batch.num_rows])
                for feature, found, column in zip(features, pieces, batch.columns, strict=True):
                    found.append(take(column, stored[first:last] - done).cast(to_arrow(feature.type)))
                done += batch.num_rows
        places[self.missing] = taken  # where the default stands
        columns = []
        for feature, found in zip(features, pieces, strict=True):
            columns.append(_place(pa.chunked_array([*found, _default(feature)]), places))
        return columns


def is_copied(feature: FeatureDefinition, files: Iterable[RunFile]) -> bool:
    """Tell whether a feature's values are copied where they lie, in all of some files; else they are decoded."""
    fixed = width_of(to_arrow(feature.type)) is not None
    return fixed and all(file.is_addressed(feature.name) for file in files)


def make_gather(rows: int, files: Sequence[RunFile], needles: Needles, match: Match, matched: Flags) -> Gather:
    """Sort what was found by where it lies.

    Parameters
    ----------
    rows
        Of the spine.
    matched
        Which needles get the row that they found.
    """
    parts: list[_Part] = []
    for number, file in enumerate(files):
        chosen = np.flatnonzero(matched & (match.file == number))
        found = match.row[chosen]
        groups = np.searchsorted(file.starts, found, side="right") - 1
        if np.any(groups[1:] < groups[:-1]):  # a stretch that ends in the next row group; a file in no order
            order = np.argsort(groups, kind="stable")
            chosen, found, groups = chosen[order], found[order], groups[order]
        targets = needles.order[chosen]
        bounds = np.searchsorted(groups, np.arange(file.groups + 1))
        for group in np.flatnonzero(np.diff(bounds)).tolist():
            part = slice(int(bounds[group]), int(bounds[group + 1]))
            parts.append(_Part(file, group, found[part] - file.starts[group], targets[part]))
    seen = np.zeros(rows, dtype=np.bool_)
    seen[needles.order[matched]] = True
    return Gather(rows, tuple(parts), np.flatnonzero(~seen))


def _default(feature: FeatureDefinition) -> Array:
    """Return what stands where no row is seen, as an array of one; for null `pa.array` would import pandas."""
    type_: Any = to_arrow(feature.type)
    value = default_from_json(feature.type, feature.default)
    default: Array = pa.nulls(1, type_) if value is None else pa.array([value], type_)
    return default


def _place(values: Column, places: Ints) -> Column:
    """Return `values` at `places`, as few arrays as can hold them: one of text or bytes ends at 2 GiB."""
    type_ = values.type
    if not (pa.types.is_string(type_) or pa.types.is_binary(type_)):
        return pa.chunked_array([take(pa.concat_arrays(values.chunks), places)])
    wide = values.cast(pa.large_string() if pa.types.is_string(type_) else pa.large_binary())
    joined = pa.concat_arrays(wide.chunks)

    def pieces(part: Ints) -> list[Array]:
        found = take(joined, part)
        if found.nbytes < _TEXT_BYTES or len(part) == 1:
            return [found.cast(type_)]
        half = len(part) // 2
        return [*pieces(part[:half]), *pieces(part[half:])]

    return pa.chunked_array(pieces(places), type_)
