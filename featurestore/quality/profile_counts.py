"""Sketches as they are built, batch by batch, in NumPy; what each means is told in `model/sketches.py`."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from featurestore.model.shapes import MOST, WIDTHS, Volume
from featurestore.model.sketches import BINS, DISTINCT_HASHES, TOP_VALUES, Distinct, Histogram, Moments, Top
from featurestore.quality.profile_hashes import KEPT_BITS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from featurestore.model.sketches import Scalar
    from featurestore.quality.profile_hashes import Hashes

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

__all__ = [
    "DistinctCounter",
    "HistogramCounter",
    "TopCounter",
    "VolumeCounter",
    "counted",
    "moments_of",
    "sorted_counts",
    "windows_of",
]

_SEEN = 16_384
_DENSE = 4
_DENSE_SLACK = 65_536


def counted(numbers: Ints, least: int, greatest: int) -> tuple[Ints, Ints]:
    """Return the distinct among integers in `[least, greatest]`, ascending, and how often each is there."""
    span = greatest - least + 1
    if span > _DENSE * len(numbers) + _DENSE_SLACK:
        return sorted_counts(np.sort(numbers))
    counts = np.bincount(numbers - least, minlength=span)
    used = np.flatnonzero(counts)
    return used + least, counts[used]


def sorted_counts(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the distinct among ascending integers, and how often each is there."""
    first = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    return numbers[first], np.diff(first, append=len(numbers))


def windows_of(times: Ints, width: int, least: int, greatest: int) -> Ints:
    """Return `times // width`, of times between `least` and `greatest`.

    Doubles are divided several times as fast. Below 2^52 a quotient that is no whole number is never rounded to one.
    """
    if max(greatest, -least) >= 2**52:
        return times // width
    return np.floor(times / width).astype(np.int64)


def moments_of(values: Floats, counts: Ints | None = None) -> Moments:
    """Return the moments of finite numbers, each there as often as `counts` says, or once.

    Powers beyond the greatest double are infinite, and what is made of them is not a number.
    """
    if not len(values):
        return Moments()
    with np.errstate(over="ignore", invalid="ignore"):
        return _moments(values, counts)


def _moments(values: Floats, counts: Ints | None) -> Moments:
    if counts is None:
        total = len(values)
        mean = float(values.sum()) / total
        off = values - mean
        square = off * off
        return Moments(
            total,
            mean,
            float(square.sum()),
            float(np.einsum("i,i->", square, off)),  # not BLAS, whose threads would fight with the engine's
            float(np.einsum("i,i->", square, square)),
        )
    weights = counts.astype(np.float64)
    total = int(counts.sum())
    mean = float((values * weights).sum()) / total
    off = values - mean
    powers = [float((weights * off**power).sum()) for power in (2, 3, 4)]
    return Moments(total, mean, powers[0], powers[1], powers[2])


class HistogramCounter:
    """Counts numbers in the finest bins of which at most `BINS` are in use."""

    def __init__(self) -> None:
        self._shift = 0
        self._bins: Ints = np.empty(0, np.int64)
        self._counts: Ints = np.empty(0, np.int64)

    @property
    def exact(self) -> bool:
        """Whether each bin is one number so far."""
        return self._shift == 0

    def add(self, places: Ints, least: int, greatest: int) -> tuple[Ints, Ints] | None:
        """Count finite numbers, given by their places (see `ordered`) and the least and greatest of those.

        Returns the distinct places and how often each is there, where they had to be found.
        """
        shift = self._shift
        found, counts = counted(places >> shift if shift else places, least >> shift, greatest >> shift)
        self._merge(found, counts)
        return None if shift else (found, counts)

    def add_counted(self, places: Ints, counts: Ints) -> None:
        """Count numbers that are given once, with how often each is there."""
        self._merge(places >> self._shift, counts)

    def _merge(self, bins: Ints, counts: Ints) -> None:
        if len(self._bins) or self._shift:
            bins, counts = np.concatenate([self._bins, bins]), np.concatenate([self._counts, counts])
            order = np.argsort(bins, kind="stable")
            bins, counts = bins[order], counts[order]
        if len(bins) > BINS:
            # neighbours are told apart by as many bits as their difference (xor) has: leave the greatest 255 of those
            apart = (bins[1:] ^ bins[:-1]).view(np.uint64)
            bits = int(np.partition(apart, len(apart) - BINS)[len(apart) - BINS]).bit_length()
            self._shift += bits
            bins = bins >> bits
        self._bins, self._counts = _joined(bins, counts)

    def result(self) -> Histogram:
        """Return the histogram."""
        return Histogram(52 - self._shift, tuple(self._bins.tolist()), tuple(self._counts.tolist()))


def _joined(bins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return ascending bins with their counts, equal ones joined."""
    if not len(bins):
        return bins, counts
    first = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    return bins[first], np.add.reduceat(counts, first)


class DistinctCounter:
    """Keeps the least hashes.

    Those that were seen lately are told by a table, since a column of few values would bring them with every row.
    """

    def __init__(self, most: int = DISTINCT_HASHES) -> None:
        self.least: Hashes = np.empty(0, np.uint64)
        self._seen: Hashes | None = None
        self._most = most
        self._below: np.uint64 | None = None

    def add(self, hashes: Hashes) -> bool:
        """Take hashes of 64 bits, however often each; returns whether any was kept."""
        near = hashes if self._below is None else hashes[hashes < self._below]
        if len(near) > self._most:
            near = self._unseen(near)
        if not len(near):
            return False
        near = near >> np.uint64(64 - KEPT_BITS)
        least = np.sort(np.concatenate([self.least, near]))
        least = least[np.concatenate([[True], least[1:] != least[:-1]])][: self._most]
        if len(least) == len(self.least) and (least == self.least).all():
            return False
        self.least = least
        if len(least) == self._most:
            self._below = least[-1] << np.uint64(64 - KEPT_BITS)
        return True

    def _unseen(self, hashes: Hashes) -> Hashes:
        if self._seen is None:
            self._seen = np.zeros(_SEEN, np.uint64)
            return hashes
        places = (hashes & np.uint64(_SEEN - 1)).astype(np.intp)
        new = self._seen[places] != hashes
        hashes = hashes[new]
        self._seen[places[new]] = hashes
        return hashes

    def result(self) -> Distinct:
        """Return the sketch."""
        return Distinct(tuple(self.least.tolist()))


class TopCounter:
    """Counts the most frequent values."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._total = 0
        self._looked = 0
        self._error = 0

    def add(self, values: Callable[[Ints], Any], counts: Ints, *, total: int, looked: int) -> None:
        """Take how often each of some distinct values is there among `looked` of `total` rows.

        Parameters
        ----------
        values
            Called with the places of those that are worth keeping; returns them, in a list or an array.
        """
        self._total += total
        self._looked += looked
        scale = total / looked if looked else 1.0
        kept = np.arange(len(counts))
        if len(counts) > TOP_VALUES:
            cut = int(np.partition(counts, len(counts) - 1 - TOP_VALUES)[len(counts) - 1 - TOP_VALUES])
            kept = np.flatnonzero(counts > cut)
            counts = counts[kept] - cut
            self._error += math.ceil(cut * scale)
        found = self._counts
        for value, count in zip(_listed(values(kept)), counts.tolist(), strict=True):
            found[value] += round(count * scale)
        if len(found) > TOP_VALUES:
            self._cut()

    def _cut(self) -> None:
        ordered_counts = sorted(self._counts.values(), reverse=True)
        cut = ordered_counts[TOP_VALUES]
        self._counts = Counter({value: count - cut for value, count in self._counts.items() if count > cut})
        self._error += cut

    def result(self, told: Callable[[Any], Scalar]) -> Top:
        """Return the most frequent values, each as a profile tells it."""
        counts: Counter[Scalar] = Counter()
        for value, count in self._counts.items():
            counts[told(value)] += count
        return Top.of(counts, total=self._total, looked=self._looked, error=self._error)


def _listed(values: Any) -> list[Any]:  # noqa: ANN401 - a list or an array
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else values
    return found


class VolumeCounter:
    """Counts rows per window of time, in the least width of which at most `MOST` windows are in use."""

    def __init__(self) -> None:
        self._step = 0
        self._windows: Ints = np.empty(0, np.int64)
        self._counts: Ints = np.empty(0, np.int64)

    def add(self, times: Ints, least: int, greatest: int) -> None:
        """Take times, microseconds, given the least and the greatest."""
        width = WIDTHS[self._step]
        windows, counts = counted(windows_of(times, width, least, greatest), least // width, greatest // width)
        windows, counts = np.concatenate([self._windows, windows]), np.concatenate([self._counts, counts])
        order = np.argsort(windows, kind="stable")
        windows, counts = _joined(windows[order], counts[order])
        while len(windows) > MOST and self._step < len(WIDTHS) - 1:
            ratio = WIDTHS[self._step + 1] // WIDTHS[self._step]
            self._step += 1
            windows, counts = _joined(windows // ratio, counts)
        self._windows, self._counts = windows, counts

    def result(self) -> Volume | None:
        """Return the volume; None without rows."""
        if not len(self._windows):
            return None
        width = WIDTHS[self._step]
        return Volume(width, tuple(zip((self._windows * width).tolist(), self._counts.tolist(), strict=True)))
