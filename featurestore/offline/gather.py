"""Values of the rows that were found, as columns in the spine's order: copied where they lie, or decoded.

Either way bits are moved and never converted, so every type survives exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.model.definition import FeatureDefinition
from featurestore.offline.arrays import from_words, take, whole
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.layout import width_of
from featurestore.offline.run_file import RunFile
from featurestore.offline.values import default_from_json

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Column, Flags, Ints, Words
    from featurestore.offline.kernel import Match, Needles

__all__ = ["Gather", "make_gather"]

_BATCH_BYTES = 64 << 20
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

    def is_addressed(self, feature: FeatureDefinition) -> bool:
        """Tell whether a feature's values are copied where they lie, in all files."""
        fixed = width_of(to_arrow(feature.type)) is not None
        return fixed and all(part.file.is_addressed(feature.name) for part in self.parts)

    def copy(self, feature: FeatureDefinition) -> Column:
        """Return a feature's column, copied where its values lie."""
        type_ = to_arrow(feature.type)
        default = pa.array([default_from_json(feature.type, feature.default)], type_)
        values = np.empty(self.rows, dtype=f"V{width_of(type_)}")
        there = np.ones(self.rows, dtype=np.bool_)
        values[self.missing] = _raw(default)
        there[self.missing] = default.null_count == 0
        for part in self.parts:
            found, known = part.file.addressed(part.group, feature.name).take(part.rows)
            values[part.targets] = found
            if known is not None:
                there[part.targets] = known
            part.file.release(part.group, feature.name)
        return pa.chunked_array([from_words(type_, values, there)])

    def decode(self, features: Sequence[FeatureDefinition]) -> list[Column]:
        """Return the columns of features that must be decoded: row groups at a time, of which no whole is kept."""
        names = [feature.name for feature in features]
        pieces: list[list[Array]] = [[] for _ in features]
        places = np.empty(self.rows, dtype=np.int64)
        taken = 0
        for batch in self._batches(names):
            table = batch[0].file.decode([part.group for part in batch], names)
            start = 0
            for part in batch:
                stored, shares = np.unique(part.rows, return_inverse=True)  # each stored row once
                places[part.targets] = taken + shares
                for feature, found, column in zip(features, pieces, table.columns, strict=True):
                    value = take(whole(column), stored + start)
                    found.append(value.cast(to_arrow(feature.type)))
                taken += len(stored)
                start += int(part.file.starts[part.group + 1] - part.file.starts[part.group])
        places[self.missing] = taken  # where the default stands
        columns = []
        for feature, found in zip(features, pieces, strict=True):
            default = pa.array([default_from_json(feature.type, feature.default)], to_arrow(feature.type))
            columns.append(_place(pa.chunked_array([*found, default]), places))
        return columns

    def _batches(self, names: Sequence[str]) -> Iterator[list[_Part]]:
        """Group parts of one file so that what is decoded at once stays small; a single large one is read alone."""
        batch: list[_Part] = []
        size = 0
        for part in self.parts:
            more = part.file.size(names, part.group)
            if batch and (batch[0].file is not part.file or size + more > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(part)
            size += more
        if batch:
            yield batch


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


def _raw(array: Any) -> Words:  # noqa: ANN401 - an Arrow array, which has `values` if it is of lists
    """Return the bytes of the one value of an array; zeros for null."""
    width = width_of(array.type) or 0
    if array.null_count:
        return np.zeros(1, dtype=f"V{width}")
    data = array.values if pa.types.is_fixed_size_list(array.type) else array
    return np.frombuffer(data.buffers()[1], dtype=f"V{width}", count=1)


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
