"""Profiles of texts and bytes, as batches pass.

The distinct texts of a batch are found first, and everything is computed from them. Where most are different, that
would cost too much: lengths, bounds and distinct are then still counted for every row, and how texts are written, and
which are the most frequent, is told of an even sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.model.profile import TEXT, TEXTS, ColumnProfile
from featurestore.model.shapes import TextShape
from featurestore.quality.profile_counts import DistinctCounter, HistogramCounter, TopCounter, counted
from featurestore.quality.profile_hashes import KEPT_BITS, hash_texts, ordered

if TYPE_CHECKING:
    import numpy.typing as npt

    from featurestore.model.sketches import Scalar
    from featurestore.model.types import FeatureType
    from featurestore.quality.profile_hashes import Column

    Ints = npt.NDArray[np.int64]

__all__ = ["TextColumn", "add_lengths"]

_LOOKED = 4096
_TOLD_BYTES = 32
_MOJIBAKE = "[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\u00e2\u0080"
_NUMERIC = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_SHAPES = ("blank", "lower", "upper", "mixed", "leading", "trailing", "padded", "non_ascii", "replacement", "mojibake")


class TextColumn:
    """Profiles a column of String or Bytes.

    Parameters
    ----------
    default
        The declared default, or None.
    """

    def __init__(self, name: str, type_: FeatureType, default: str | bytes | None) -> None:
        self._name, self._type, self._default = name, type_, default
        self._text = type_.kind == "String"
        self._rows = self._nulls = self._empties = self._defaults = self._looked = 0
        self._shapes = dict.fromkeys((*_SHAPES, "numeric"), 0.0)
        self._least: Any = None
        self._greatest: Any = None
        self._distinct, self._top, self._lengths = DistinctCounter(), TopCounter(), HistogramCounter()
        self._least_hashes = DistinctCounter(TEXTS)
        self._texts: dict[int, str] = {}
        self._few = False
        self._random = np.random.default_rng(7)

    def add(self, array: Column) -> None:
        """Take the next rows."""
        self._rows += len(array)
        self._nulls += array.null_count
        if array.null_count:
            array = array.drop_null()
        total = len(array)
        if not total:
            return
        sample = array if self._few or total <= 2 * _LOOKED else array.take(self._even(total))
        values, counts = _distinct_of(sample)
        self._few = len(values) <= len(sample) // 2
        if self._few and sample is not array:
            sample = array
            values, counts = _distinct_of(array)
        whole = sample is array
        self._look(values, counts, total, len(sample))
        bounded, bounded_counts = (values, counts) if whole else (array, None)
        self._keep(bounded)
        lengths = pc.utf8_length(bounded) if self._text else pc.binary_length(bounded)
        self._empties += add_lengths(self._lengths, lengths, bounded_counts)
        bounds: Any = pc.min_max(bounded)
        least, greatest = bounds["min"].as_py(), bounds["max"].as_py()
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)
        if self._default is not None:
            same = pc.equal(bounded, pa.scalar(self._default, bounded.type)).to_numpy(zero_copy_only=False)
            self._defaults += int(same.sum() if bounded_counts is None else bounded_counts[same].sum())

    def _even(self, total: int) -> npt.NDArray[np.int64]:
        step = total // _LOOKED
        starts = np.arange(0, total - step + 1, step)
        return starts + self._random.integers(0, step, len(starts))

    def _keep(self, values: Column) -> None:
        """Take hashes, and keep the texts of the least."""
        hashes = hash_texts(values)
        self._distinct.add(hashes)
        if not self._text or not self._least_hashes.add(hashes):
            return
        least = self._least_hashes.least
        kept = hashes >> np.uint64(64 - KEPT_BITS)
        places = np.flatnonzero(kept <= least[-1])
        for place in places[np.unique(kept[places], return_index=True)[1]].tolist():
            self._texts.setdefault(int(kept[place]), values[place].as_py()[:TEXT])
        self._texts = {found: self._texts[found] for found in least.tolist()}

    def _look(self, values: Column, counts: Ints, total: int, looked: int) -> None:
        """Count how texts are written, and which are the most frequent."""
        self._top.add(lambda kept: self.told(values.take(kept)), counts, total=total, looked=looked)
        self._looked += looked
        if self._text:
            scale = total / looked
            for shape, which in _shapes(values):
                self._shapes[shape] += scale * float(counts[which].sum())

    def told(self, array: Column) -> list[Any]:
        """Return values as a profile tells them."""
        values = array.to_pylist()
        if self._text:
            return [value if value is None else value[:TEXT] for value in values]
        return [value if value is None else value[:_TOLD_BYTES].hex() for value in values]

    def result(self, sample: tuple[Scalar | None, ...]) -> ColumnProfile:
        """Return the profile."""
        shapes = {shape: round(count) for shape, count in self._shapes.items()}
        blanks = shapes.pop("blank")
        bounds = pa.array([self._least, self._greatest], pa.string() if self._text else pa.binary())
        least, greatest = self.told(bounds)
        return ColumnProfile(
            self._name,
            str(self._type),
            self._rows,
            self._nulls,
            empties=self._empties,
            blanks=blanks if self._text else None,
            defaults=None if self._default is None else self._defaults,
            least=least,
            greatest=greatest,
            distinct=self._distinct.result(),
            top=self._top.result(lambda value: value),
            lengths=self._lengths.result(),
            text=TextShape(self._looked, **shapes) if self._text else None,
            texts=tuple(sorted(self._texts.items())) if self._text else None,
            sample=sample,
        )


def _distinct_of(array: Column) -> tuple[Column, Ints]:
    found: Any = array.value_counts()
    return found.field("values"), found.field("counts").to_numpy()


def _shapes(values: Column) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Return which of some texts are written how."""
    stripped_left, stripped_right = pc.utf8_ltrim_whitespace(values), pc.utf8_rtrim_whitespace(values)
    there = pc.not_equal(values, pa.scalar("", values.type))
    leading, trailing = pc.not_equal(stripped_left, values), pc.not_equal(stripped_right, values)
    upper, lower = pc.equal(pc.utf8_upper(values), values), pc.equal(pc.utf8_lower(values), values)
    cased = pc.invert(pc.and_(upper, lower))
    ascii_only = pc.string_is_ascii(values)
    found: list[tuple[str, Any]] = [
        ("blank", pc.and_(there, pc.equal(stripped_left, pa.scalar("", values.type)))),
        ("lower", pc.and_(cased, lower)),
        ("upper", pc.and_(cased, upper)),
        ("mixed", pc.and_(cased, pc.invert(pc.or_(lower, upper)))),
        ("leading", leading),
        ("trailing", trailing),
        ("padded", pc.or_(leading, trailing)),
        ("non_ascii", pc.invert(ascii_only)),
        ("numeric", pc.match_substring_regex(values, _NUMERIC)),
    ]
    if not pc.all(ascii_only).as_py():
        found.append(("replacement", pc.match_substring(values, "\ufffd")))
        found.append(("mojibake", pc.match_substring_regex(values, _MOJIBAKE)))
    return [(shape, which.to_numpy(zero_copy_only=False)) for shape, which in found]


def add_lengths(counter: HistogramCounter, lengths: Any, counts: Ints | None) -> int:  # noqa: ANN401 - an integer array
    """Count lengths, each there as often as `counts` says, or once; returns how many are 0."""
    numbers: Ints = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    if not len(numbers):
        return 0
    if counts is None:
        found, times = counted(numbers, int(numbers.min()), int(numbers.max()))
    else:
        found, inverse = np.unique(numbers, return_inverse=True)
        times = np.bincount(inverse, weights=counts).astype(np.int64)
    counter.add_counted(ordered(found.astype(np.float64)), times)
    return int(times[found == 0].sum())
