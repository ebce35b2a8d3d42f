"""Distances between two distributions, each from summaries that merge: histograms, or counts of categories.

Every function takes what was before and what is after, and says where its formula comes from. None tells whether a
distance is chance: that needs the number of rows; see `critical_distance`.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from numpy.typing import NDArray

    from featurestore.model.sketches import Histogram

__all__ = [
    "critical_distance",
    "cumulative",
    "groups",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "population_stability",
    "quantiles",
    "shares",
    "support",
    "wasserstein",
]

GROUPS = 20
"""Groups of equal size, in what was before, by which numbers are told as categories."""


def cumulative(histogram: Histogram, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of values below or at each point, evenly spread inside a bin: as `Histogram.rank`, for many."""
    if not histogram.counts:
        return np.zeros(len(points))
    lower, upper, below = _arrays(histogram)
    if histogram.exact:
        return below[np.searchsorted(lower, points, side="right")]
    place = np.searchsorted(lower, points, side="right") - 1
    inside = np.clip(place, 0, len(lower) - 1)
    # Clipped first: a point far away over a narrow bin would overflow.
    part = (np.clip(points, lower[inside], upper[inside]) - lower[inside]) / (upper[inside] - lower[inside])
    reached = below[inside] + part * (below[inside + 1] - below[inside])
    return np.where(place < 0, 0.0, reached)


def support(*histograms: Histogram) -> NDArray[np.float64]:
    """Return the edges of all bins, ascending, once each: where the distributions can differ most."""
    return np.unique(np.concatenate([part for histogram in histograms for part in _arrays(histogram)[:2]]))


def quantiles(histogram: Histogram, ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers below or at which shares of the values lie: as `Histogram.quantile`, for many."""
    lower, upper, below = _arrays(histogram)
    place = np.clip(np.searchsorted(below, ranks, side="left") - 1, 0, len(lower) - 1)
    part = (ranks - below[place]) / (below[place + 1] - below[place])
    return lower[place] + (upper[place] - lower[place]) * np.clip(part, 0.0, 1.0)


@lru_cache(maxsize=1024)
def _arrays(histogram: Histogram) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the bins' lower and upper edges, and the share of values below each bin, and 1."""
    edges = np.array([(lower, upper) for lower, upper, _ in histogram.intervals()], dtype=np.float64).reshape(-1, 2)
    below = np.concatenate(([0.0], np.cumsum(histogram.counts) / max(histogram.total, 1)))
    return edges[:, 0], edges[:, 1], below


def kolmogorov_smirnov(before: Histogram, after: Histogram) -> float:
    """Return the greatest difference of the two cumulative shares, 0 to 1.

    `D = sup |F0(x) - F1(x)|`: N. Smirnov, "Table for estimating the goodness of fit of empirical distributions", 1948.
    Exact at the edges of the bins that both have in common, and so never too great.
    """
    before, after = _alike(before, after)
    points = support(before, after)
    return float(np.abs(cumulative(before, points) - cumulative(after, points)).max(initial=0.0))


def critical_distance(n0: float, n1: float, alpha: float, *, scale: float = 1.0) -> float:
    """Return the Kolmogorov-Smirnov distance that chance exceeds with probability `alpha`.

    `sqrt(-ln(alpha / 2) / 2) sqrt((n0 + n1) / (n0 n1))`, the asymptotic two-sample value, which is on the safe side for
    values that repeat: N. Smirnov, 1948; D. E. Knuth, The Art of Computer Programming 2, 3.3.1. `scale` as
    `Sides.scale`.
    """
    if n0 <= 0 or n1 <= 0:
        return 1.0
    return sqrt(-log(alpha / 2) / 2 * (n0 + n1) / (n0 * n1) / scale)


def wasserstein(before: Histogram, after: Histogram) -> float:
    """Return the earth mover's distance of first order, in the column's unit.

    `W1 = integral |F0(x) - F1(x)| dx`: by how much a value moved, on average. L. N. Vaserstein, 1969; for one
    dimension, S. S. Vallender, 1974.
    """
    before, after = _alike(before, after)
    points = support(before, after)
    if len(points) < 2:  # noqa: PLR2004 - one value, no distance
        return 0.0
    steps = np.abs(cumulative(before, points) - cumulative(after, points))
    if before.exact:
        return float((steps[:-1] * np.diff(points)).sum())
    return float(((steps[:-1] + steps[1:]) / 2 * np.diff(points)).sum())


def jensen_shannon(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the Jensen-Shannon distance of two lists of shares, 0 (equal) to 1 (nothing in common).

    `sqrt(H((p + q) / 2) - (H(p) + H(q)) / 2)` in bits. J. Lin, "Divergence measures based on the Shannon entropy",
    1991; that the root is a metric: D. M. Endres, J. E. Schindelin, 2003.
    """
    middle = (before + after) / 2

    def divergence(part: NDArray[np.float64]) -> float:
        held = part > 0
        return float((part[held] * np.log2(part[held] / middle[held])).sum())

    return sqrt(max(0.0, (divergence(before) + divergence(after)) / 2))


def population_stability(before: NDArray[np.float64], after: NDArray[np.float64], *, rows: float) -> float:
    """Return the population stability index of two lists of shares.

    `sum (q - p) ln(q / p)`; customary readings: below 0.1 stable, above 0.25 changed. E. M. Lewis, An Introduction to
    Credit Scoring, 1994. A share of 0 counts as half a row of `rows`, since the index has no value for it.
    """
    least = 0.5 / max(rows, 1.0)
    p, q = np.maximum(before, least), np.maximum(after, least)
    return float(((q - p) * np.log(q / p)).sum())


def shares(
    before: Mapping[Hashable, float], after: Mapping[Hashable, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of each category of either, in one order."""
    names = list(dict.fromkeys((*before, *after)))
    p = np.array([before.get(name, 0.0) for name in names], dtype=np.float64)
    q = np.array([after.get(name, 0.0) for name in names], dtype=np.float64)
    return p / max(p.sum(), 1e-300), q / max(q.sum(), 1e-300)


def groups(before: Histogram, after: Histogram) -> tuple[dict[Hashable, float], dict[Hashable, float]]:
    """Return the rows of both in `GROUPS` groups, of about equal size in `before`: numbers as categories."""
    points = np.unique(quantiles(before, np.arange(1, GROUPS) / GROUPS))
    found: list[dict[Hashable, float]] = []
    for histogram in (before, after):
        reached = np.concatenate(([0.0], cumulative(histogram, points), [1.0]))
        found.append({place: float(part) * histogram.total for place, part in enumerate(np.diff(reached))})
    return found[0], found[1]


@lru_cache(maxsize=1024)
def _alike(before: Histogram, after: Histogram) -> tuple[Histogram, Histogram]:
    bits = min(before.bits, after.bits)
    return before.coarser(bits), after.coarser(bits)
