"""Vectors: another model made them, or they moved; lists and vectors of another length."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from featurestore.quality.words import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from featurestore.model.finding import Finding
    from featurestore.model.shapes import EmbeddingShape
    from featurestore.quality.detect_pair import Column

__all__ = ["embedding", "lengths"]

NEIGHBOURS = 5
"""Nearest neighbours of each vector that are compared."""

_FEW = 16
_ALIKE = 0.98
"""Cosine above which a vector counts as the same."""


def lengths(column: Column) -> Iterator[Finding]:
    """Find vectors of another dimension, and lists of lengths that there were none of."""
    before, after = column.before.embedding, column.after.embedding
    if (
        before is not None
        and after is not None
        and before.count
        and after.count
        and before.dimension != after.dimension
    ):
        text = f"vectors have {after.dimension} numbers, and had {before.dimension}"
        yield column.finding("dimension_changed", 1.0, text, before=before.dimension, after=after.dimension)
        return
    old, new = column.before.lengths, column.after.lengths
    if column.is_text or old is None or new is None or not old.exact or len(old.bins) != 1:
        return
    other = new.total - sum(count for lower, _, count in new.intervals() if lower == old.edge(old.bins[0]))
    if column.rose("dimension_changed", 0, other):
        share = other / max(column.after.rows, 1)
        text = f"{percent(share)} of lists have another length than {old.edge(old.bins[0]):.0f}, which all had"
        yield column.finding("dimension_changed", share, text, length_before=old.edge(old.bins[0]))


def embedding(column: Column) -> Iterator[Finding]:
    """Find vectors of another model, and vectors that moved.

    The same rows are compared where both samples hold them: which of the five nearest neighbours (by cosine, among the
    sampled vectors) each one kept. Vectors that turned together keep their neighbours; those of another model do not.
    Otherwise the centroids: `|c1 - c0|` in units of the mean norm, against its standard error
    `sqrt(v0 / n0 + v1 / n1)`, where `v = E|x|^2 - |c|^2` is the trace of the covariance.
    """
    before, after = column.before.embedding, column.after.embedding
    if before is None or after is None or before.dimension != after.dimension or not before.count or not after.count:
        return
    same = _same_rows(before, after)
    if same is not None:
        lost, changed, longer = same
        if lost * changed > 0 and changed >= column.checks["embedding_model"].at and lost >= _noticeable(changed):
            text = f"{percent(changed)} of vectors changed, and {percent(lost)} of their nearest neighbours are others"
            yield column.finding("embedding_model", changed, text, neighbours_lost=lost, changed=changed, by="rows")
            return
        if changed < column.checks["embedding_model"].at and abs(longer) < column.checks["embedding_shifted"].at:
            return
    distance, error = _centroids(before, after)
    norm0, norm1 = before.norm.mean, after.norm.mean
    stretched = abs(norm1 - norm0) / norm0 if norm0 else 0.0
    spread = sqrt(before.norm.variance / before.count + after.norm.variance / after.count)
    longer = abs(norm1 - norm0) > column.sides.critical * max(spread, 1e-3 * norm0)
    beyond = longer or distance > column.sides.critical * error
    amount = max(distance / norm0 if norm0 else 0.0, stretched)
    if beyond and amount >= column.checks["embedding_shifted"].at:
        unit = max(norm0, 1e-12)
        text = f"they moved: the centroid by {distance / unit:.2f} of their length, which is x{norm1 / unit:.3g}"
        yield column.finding("embedding_shifted", amount, text, centroid=distance, norm_before=norm0, norm_after=norm1)


def _noticeable(changed: float) -> float:
    """Return the least share of neighbours lost that tells another model from a common turn of all vectors."""
    return 0.25 * changed


def _same_rows(before: EmbeddingShape, after: EmbeddingShape) -> tuple[float, float, float] | None:
    """Return the neighbours lost by rows that changed, the share of those, and the greatest change of length."""
    held = dict(after.vectors)
    rows = [row for row, _ in before.vectors if row in held]
    if len(rows) < _FEW:
        return None
    known = dict(before.vectors)
    old, new = (np.array([side[row] for row in rows], dtype=np.float64) for side in (known, held))
    sizes = [np.linalg.norm(part, axis=1) for part in (old, new)]
    unit = [part / np.maximum(size, 1e-12)[:, None] for part, size in zip((old, new), sizes, strict=True)]
    changed = (unit[0] * unit[1]).sum(axis=1) < _ALIKE
    longer = float(np.max(np.abs(sizes[1] / np.maximum(sizes[0], 1e-12) - 1.0)))
    if not changed.any():
        return 0.0, 0.0, longer
    kept = _neighbours(unit[0])[changed], _neighbours(unit[1])[changed]
    overlap = [len(set(a.tolist()) & set(b.tolist())) / NEIGHBOURS for a, b in zip(*kept, strict=True)]
    return 1.0 - sum(overlap) / len(overlap), float(changed.mean()), longer


def _neighbours(unit: NDArray[np.float64]) -> NDArray[np.int64]:
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    return np.argsort(-near, axis=1)[:, :NEIGHBOURS]


def _centroids(before: EmbeddingShape, after: EmbeddingShape) -> tuple[float, float]:
    """Return the distance of the centroids and its standard error."""
    c0, c1 = np.array(before.centroid), np.array(after.centroid)
    traces = [
        max(0.0, shape.norm.variance + shape.norm.mean**2 - float(centre @ centre))
        for shape, centre in ((before, c0), (after, c1))
    ]
    return float(np.linalg.norm(c1 - c0)), sqrt(traces[0] / before.count + traces[1] / after.count)
