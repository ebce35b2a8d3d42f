"""Profiles of lists and embeddings, as batches pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from featurestore.model.profile import ColumnProfile
from featurestore.model.shapes import EmbeddingShape
from featurestore.model.sketches import Moments
from featurestore.quality.profile_counts import HistogramCounter, moments_of
from featurestore.quality.profile_hashes import KEPT_BITS, ordered
from featurestore.quality.profile_texts import add_lengths

if TYPE_CHECKING:
    from featurestore.model.sketches import Scalar
    from featurestore.model.types import FeatureType
    from featurestore.quality.profile_hashes import Column, Hashes

__all__ = ["EmbeddingColumn", "ListColumn"]


class ListColumn:
    """Profiles a column of lists."""

    def __init__(self, name: str, type_: FeatureType) -> None:
        self._name, self._type = name, type_
        self._rows = self._nulls = self._empties = 0
        self._lengths = HistogramCounter()

    def add(self, array: Column) -> None:
        """Take the next rows."""
        self._rows += len(array)
        self._nulls += array.null_count
        self._empties += add_lengths(self._lengths, pc.list_value_length(array.drop_null()), None)

    def told(self, array: Column) -> list[Scalar | None]:  # noqa: ARG002 - as the other columns'
        """Return nothing: a profile tells no list."""
        return []

    def result(self, sample: tuple[Scalar | None, ...]) -> ColumnProfile:  # noqa: ARG002 - as the other columns'
        """Return the profile."""
        return ColumnProfile(
            self._name,
            str(self._type),
            self._rows,
            self._nulls,
            empties=self._empties,
            lengths=self._lengths.result(),
        )


class EmbeddingColumn:
    """Profiles a column of vectors."""

    def __init__(self, name: str, type_: FeatureType) -> None:
        self._name, self._type = name, type_
        (self._dimension,) = type_.parameters
        self._rows = self._nulls = self._nans = self._infinities = self._zeros = self._count = 0
        self._norm = Moments()
        self._norms = HistogramCounter()
        self._sum = np.zeros(self._dimension)
        self._vectors: dict[int, Any] = {}

    def add(self, array: Column, rows: Hashes | None) -> None:
        """Take the next rows, given their hashes."""
        self._rows += len(array)
        self._nulls += array.null_count
        if array.null_count:
            rows = None if rows is None else rows[array.is_valid().to_numpy(zero_copy_only=False)]
            array = array.drop_null()
        if not len(array):
            return
        matrix = array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), self._dimension)
        squares = np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64)
        finite = np.isfinite(squares)
        if not finite.all():
            nans = np.isnan(matrix[~finite]).any(axis=1)
            self._nans += int(nans.sum())
            self._infinities += int((~nans).sum())
            matrix, squares = matrix[finite], squares[finite]
            rows = None if rows is None else rows[finite]
            if not len(matrix):
                return
        norms = np.sqrt(squares)
        self._count += len(norms)
        self._zeros += int(np.count_nonzero(norms == 0))
        self._norm = self._norm.merged(moments_of(norms))
        self._norms.add(ordered(norms), *ordered(np.array([norms.min(), norms.max()])).tolist())
        self._sum += matrix.sum(axis=0, dtype=np.float64)
        if rows is not None:
            self._keep(matrix, rows)

    def _keep(self, matrix: Any, rows: Hashes) -> None:  # noqa: ANN401 - a float32 matrix
        size = EmbeddingShape.sample_size(self._dimension)
        below = max(self._vectors) if len(self._vectors) == size else 1 << KEPT_BITS
        kept = rows >> np.uint64(64 - KEPT_BITS)
        near = np.flatnonzero(kept < np.uint64(below))
        near = near[np.argsort(kept[near], kind="stable")][:size]
        for place in near.tolist():
            self._vectors.setdefault(int(kept[place]), matrix[place].copy())
        self._vectors = dict(sorted(self._vectors.items())[:size])

    def told(self, array: Column) -> list[Scalar | None]:  # noqa: ARG002 - as the other columns'
        """Return nothing: a profile tells vectors apart."""
        return []

    def result(self, sample: tuple[Scalar | None, ...]) -> ColumnProfile:  # noqa: ARG002 - as the other columns'
        """Return the profile."""
        centroid = tuple((self._sum / self._count).tolist()) if self._count else ()
        shape = EmbeddingShape(
            self._dimension,
            self._count,
            self._norms.result(),
            self._norm,
            centroid,
            tuple((row, tuple(float(f"{x:.4g}") for x in vector)) for row, vector in self._vectors.items()),
        )
        return ColumnProfile(
            self._name,
            str(self._type),
            self._rows,
            self._nulls,
            nans=self._nans,
            infinities=self._infinities,
            zeros=self._zeros,
            embedding=shape,
        )
