"""Profiles of numbers, truth values, dates and times, as batches pass.

A batch of few distinct values is counted first, and everything else is computed from the counts. Otherwise each
number is looked at about a dozen times, in pieces that stay in the processor's cache; only the most frequent values
of a column with many are taken from an even sample.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.model.profile import ColumnProfile
from featurestore.model.sketches import Moments
from featurestore.quality.profile_counts import (
    DistinctCounter,
    HistogramCounter,
    TopCounter,
    counted,
    moments_of,
    sorted_counts,
    windows_of,
)
from featurestore.quality.profile_hashes import as_micros, as_numbers, hash_numbers, hash_words, ordered

if TYPE_CHECKING:
    import numpy.typing as npt

    from featurestore.model.sketches import Scalar
    from featurestore.model.types import FeatureType
    from featurestore.quality.profile_hashes import Column

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

__all__ = ["NumberColumn"]

_LOOKED = 4096
_SMALL_SPAN = 65_536
_EXACT = 2**53
_HOUR = 3_600_000_000
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_FLOATS = ("Float32", "Float64")
_NAN = hash_words(np.array([0x7FF8000000000000], np.int64))


class NumberColumn:
    """Profiles a column of numbers.

    Parameters
    ----------
    default
        The declared default as a number, or None.
    """

    def __init__(self, name: str, type_: FeatureType, default: float | None) -> None:
        self._name, self._type, self._default = name, type_, default
        self._floats = type_.kind in _FLOATS
        self._whole = type_.kind in {"Int32", "Int64", "Date", "Timestamp"}
        self._rows = self._nulls = self._nans = self._zeros = self._negatives = self._defaults = 0
        self._infinite: dict[float, int] = {}
        self._least: Any = None
        self._greatest: Any = None
        self._moments = Moments()
        self._histogram, self._distinct, self._top = HistogramCounter(), DistinctCounter(), TopCounter()
        self._hours = np.zeros(24 * 7, np.int64)
        self._midnights = 0
        self._random = np.random.default_rng(7)

    def add(self, array: Column) -> None:
        """Take the next rows."""
        self._rows += len(array)
        self._nulls += array.null_count
        if array.null_count:
            array = array.drop_null()
        if not len(array):
            return
        numbers = as_numbers(array)
        if self._floats:
            array, numbers = self._finite(array, numbers)
        if len(numbers):
            self._add_finite(array, numbers)

    def _add_finite(self, array: Column, numbers: Floats) -> None:
        least, greatest = float(numbers.min()), float(numbers.max())
        self._bounds(array, least, greatest)
        if self._type.kind == "Timestamp":
            self._clock(array)
        if self._small(least, greatest):
            values, counts = counted(numbers.astype(np.int64), int(least), int(greatest))
            found = values.astype(np.float64)
            self._histogram.add_counted(ordered(found), counts)
            self._add_counted(found, counts, hash_words(ordered(found)))
            return
        places = ordered(numbers)
        distinct = self._histogram.add(places, *ordered(np.array([least, greatest])).tolist())
        exact_words = self._type.kind in {"Int64", "Decimal", "Timestamp"}
        if distinct is not None and not exact_words:
            self._add_counted(_numbers_at(distinct[0]), distinct[1], hash_words(distinct[0]))
            return
        self._distinct.add(hash_numbers(array, numbers) if exact_words else hash_words(places))
        self._add_each(numbers, least, greatest)
        self._look(places)

    def _add_each(self, numbers: Floats, least: float, greatest: float) -> None:
        self._moments = self._moments.merged(moments_of(numbers))
        if least < 0:
            self._negatives += len(numbers) if greatest < 0 else int(np.count_nonzero(numbers < 0))
        if least <= 0 <= greatest:
            self._zeros += int(np.count_nonzero(numbers == 0))
        if self._default is not None and least <= self._default <= greatest:
            self._defaults += int(np.count_nonzero(numbers == self._default))

    def _small(self, least: float, greatest: float) -> bool:
        """Return whether numbers are whole, told apart by doubles, and so close that each can be counted."""
        whole = self._whole or self._type.kind == "Bool"
        return whole and greatest - least < _SMALL_SPAN and max(greatest, -least) < _EXACT

    def _add_counted(self, values: Floats, counts: Ints, hashes: npt.NDArray[np.uint64]) -> None:
        self._distinct.add(hashes)
        self._moments = self._moments.merged(moments_of(values, counts))
        self._negatives += int(counts[values < 0].sum())
        self._zeros += int(counts[values == 0].sum())
        if self._default is not None:
            self._defaults += int(counts[values == self._default].sum())
        total = int(counts.sum())
        self._top.add(values.__getitem__, counts, total=total, looked=total)

    def _look(self, places: Ints) -> None:
        """Count the most frequent values among an even sample."""
        total = len(places)
        if total > 2 * _LOOKED:
            step = total // _LOOKED
            starts = np.arange(0, total - step + 1, step)
            places = places[starts + self._random.integers(0, step, len(starts))]
        found, counts = sorted_counts(np.sort(places))
        self._top.add(_numbers_at(found).__getitem__, counts, total=total, looked=len(places))

    def _finite(self, array: Column, numbers: Floats) -> tuple[Column, Floats]:
        """Count what is not finite and return the rest."""
        if np.isfinite(numbers.min()) and np.isfinite(numbers.max()):  # NaN is the least and the greatest of all
            return array, numbers
        finite = np.isfinite(numbers)
        nans = int(np.count_nonzero(np.isnan(numbers)))
        if nans:
            self._nans += nans
            self._distinct.add(_NAN)
        for value in (np.inf, -np.inf):
            count = int(np.count_nonzero(numbers == value))
            if count:
                self._infinite[value] = self._infinite.get(value, 0) + count
                self._negatives += count if value < 0 else 0
                self._distinct.add(hash_words(ordered(np.array([value]))))
                self._top.add(np.array([value]).__getitem__, np.array([count]), total=count, looked=count)
                self._widen(value, value)
                self._defaults += count if self._default == value else 0
        return array.filter(pa.array(finite)), numbers[finite]

    def _bounds(self, array: Column, least: float, greatest: float) -> None:
        if self._type.kind == "Int64" and max(abs(least), abs(greatest)) >= _EXACT:
            exact: Any = array.to_numpy(zero_copy_only=False)
            self._widen(int(exact.min()), int(exact.max()))
        else:
            self._widen(least, greatest)

    def _widen(self, least: float, greatest: float) -> None:
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)

    def _clock(self, array: Column) -> None:
        times: Ints = as_micros(array).to_numpy(zero_copy_only=False)
        least, greatest = int(times.min()), int(times.max())
        hours = windows_of(times, _HOUR, least, greatest)
        found, counts = counted(hours, least // _HOUR, greatest // _HOUR)
        self._hours += np.bincount((found + 24 * _EPOCH_WEEKDAY) % (24 * 7), weights=counts, minlength=24 * 7).astype(
            np.int64
        )
        if (found % 24 == 0).any():
            self._midnights += int(
                np.count_nonzero(windows_of(times, 24 * _HOUR, least, greatest) * (24 * _HOUR) == times)
            )

    def _told(self, value: float) -> Scalar:
        if self._type.kind == "Bool":
            return bool(value)
        return int(value) if self._whole else float(value)

    def told(self, array: Column) -> list[Scalar | None]:
        """Return values as a profile tells them."""
        if self._type.kind == "Int64":
            exact: list[Scalar | None] = array.to_pylist()
            return exact
        found = iter(as_numbers(array.drop_null()).tolist())
        return [self._told(next(found)) if there else None for there in array.is_valid().to_pylist()]

    def result(self, sample: tuple[Scalar | None, ...]) -> ColumnProfile:
        """Return the profile."""
        timed = self._type.kind == "Timestamp"
        clock = self._hours.reshape(7, 24)
        return ColumnProfile(
            self._name,
            str(self._type),
            self._rows,
            self._nulls,
            nans=self._nans if self._floats else None,
            infinities=sum(self._infinite.values()) if self._floats else None,
            zeros=self._zeros,
            negatives=self._negatives,
            defaults=(self._nans if isnan(self._default) else self._defaults) if self._default is not None else None,
            least=None if self._least is None else self._told(self._least),
            greatest=None if self._greatest is None else self._told(self._greatest),
            moments=self._moments,
            histogram=self._histogram.result(),
            distinct=self._distinct.result(),
            top=self._top.result(self._told),
            hours=tuple(clock.sum(axis=0).tolist()) if timed else None,
            weekdays=tuple(clock.sum(axis=1).tolist()) if timed else None,
            midnights=self._midnights if timed else None,
            sample=sample,
        )


def _numbers_at(places: Ints) -> Floats:
    """Return the doubles at places among all doubles: what `ordered` is the way back of."""
    bits = np.abs(places)
    numbers: Floats = bits.view(np.float64)
    return np.where(places < 0, -numbers, numbers)
