"""Distributions that moved, where no cause was named; and two columns that exchanged theirs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from featurestore.model.finding import KINDS
from featurestore.quality.detect_pair import ALPHA, SEASON, Column
from featurestore.quality.drift import (
    critical_distance,
    cumulative,
    groups,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    quantiles,
    shares,
    wasserstein,
)
from featurestore.quality.words import percent

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from featurestore.model.finding import Finding

__all__ = ["distance", "shifted", "swapped"]

_NULL, _REST = "null", "all others"
_FEW_ROWS = 5
"""Rows that must show an exchange when the same rows are compared."""

_AGREE = 0.9
_RESIDUAL = 0.15
_RATIO = 2.0
_GRID = 64


@dataclass(frozen=True, slots=True)
class _Shift:
    """One column's distances.

    Attributes
    ----------
    effect
        The greater of the Jensen-Shannon distance and the earth mover's distance in standard deviations.
    beyond
        Whether it is no chance.
    """

    effect: float
    beyond: bool
    jensen_shannon: float
    stability: float
    smirnov: float | None = None
    wasserstein: float | None = None


def shifted(column: Column) -> Iterator[Finding]:
    """Find a distribution that moved.

    Nulls count as a category, as do NaN and the empty text; numbers are told in twenty groups of equal size before.
    What counts is the greater of the Jensen-Shannon distance of these shares and, for numbers, the earth mover's
    distance in standard deviations. It is no chance if the Kolmogorov-Smirnov distance exceeds its critical value
    (numbers), or the statistic G of the shares exceeds its expectation by far (categories); see `drift.py` for the
    formulas.
    """
    if column.is_key or column.is_time:
        return
    shift = _of_numbers(column) if column.is_number else _of_categories(column)
    if shift is None or not shift.beyond or shift.effect < column.checks["shifted"].at:
        return
    before, after = column.before.moments, column.after.moments
    text = f"the distribution moved (Jensen-Shannon {shift.jensen_shannon:.2f}"
    evidence = {"jensen_shannon": shift.jensen_shannon, "population_stability": shift.stability}
    if shift.smirnov is not None and shift.wasserstein is not None and before is not None and after is not None:
        text += f", mean {before.mean:.4g} -> {after.mean:.4g}"
        evidence |= {
            "kolmogorov_smirnov": shift.smirnov, "wasserstein": shift.wasserstein, "mean_before": before.mean,
            "mean_after": after.mean, "deviation_before": before.deviation, "deviation_after": after.deviation,
        }  # fmt: skip
    yield column.finding("shifted", shift.effect, f"{text})", **evidence)


def distance(column: Column) -> float:
    """Return how far a column's distributions lie apart, by chance or not: the amount that `shifted` would tell."""
    shift = None if column.is_time else _of_numbers(column) if column.is_number else _of_categories(column)
    return 0.0 if shift is None else shift.effect


def _of_numbers(column: Column) -> _Shift | None:
    before, after = column.before.histogram, column.after.histogram
    moments = column.before.moments
    if before is None or after is None or moments is None or not before.total or not after.total:
        return None
    tests = max(1, len(column.sides.after.columns)) * len(KINDS)
    smirnov = kolmogorov_smirnov(before, after)
    noise = critical_distance(before.total, after.total, ALPHA / tests, scale=column.sides.scale)
    grouped = groups(before, after)
    for part, profile in zip(grouped, (column.before, column.after), strict=True):
        part[_NULL] = profile.nulls + (profile.nans or 0)
    p, q = shares(*grouped)
    moved = wasserstein(before, after)
    spread = moments.deviation or after_spread(column)
    divergence = jensen_shannon(p, q)
    # A season has quiet stretches, of which every other one is many standard deviations away.
    by_spread = min(moved / spread, 9.99) if spread and column.sides.relation != SEASON else 0.0
    return _Shift(
        max(divergence, by_spread), smirnov > noise + column.sides.fresh, divergence,
        population_stability(p, q, rows=column.after.rows), smirnov, moved,
    )  # fmt: skip


def after_spread(column: Column) -> float:
    """Return the standard deviation of what is after; 0 where there is none."""
    return column.after.moments.deviation if column.after.moments is not None else 0.0


def _of_categories(column: Column) -> _Shift | None:
    if column.before.top is None or column.after.top is None or not column.before.rows or not column.after.rows:
        return None
    counted = _counted(column, "before"), _counted(column, "after")
    p, q = shares(*counted)
    middle = (p * column.before.rows + q * column.after.rows) / (column.before.rows + column.after.rows)
    held = middle > 0
    g = 2 * sum(
        rows * float((part[use] * np.log(part[use] / middle[use])).sum())
        for part, rows in ((p, column.before.rows), (q, column.after.rows))
        for use in [held & (part > 0)]
    )
    freedom = max(1, int(held.sum()) - 1)
    beyond = (g * column.sides.scale - freedom) / (2 * freedom) ** 0.5 > column.sides.critical * 1.5
    beyond = beyond and float(np.abs(p - q).sum()) / 2 > column.sides.fresh
    return _Shift(
        jensen_shannon(p, q), beyond, jensen_shannon(p, q), population_stability(p, q, rows=column.after.rows)
    )


def _counted(column: Column, side: str) -> dict[Hashable, float]:
    """Return rows by category: the values frequent on either side, null, and all others."""
    profile = getattr(column, side)
    counts = column.counts(side)
    names = [value for value in {**column.counts("before"), **column.counts("after")} if _frequent(column, value)]
    found: dict[Hashable, float] = {("value", value): float(counts.get(value, 0)) for value in names}
    found[_NULL] = float(profile.nulls)
    found[_REST] = max(0.0, float(profile.values) - sum(counts.get(value, 0) for value in names))
    return found


def _frequent(column: Column, value: object) -> bool:
    listed = [
        (column.counts(side).get(value, 0), getattr(column, side).rows)  # type: ignore[call-overload]  # any hashable
        for side in ("before", "after")
    ]
    return any(count >= 0.005 * rows for count, rows in listed)


# --- columns that exchanged their values


def swapped(columns: Sequence[Column]) -> Iterator[Finding]:
    """Find two columns that exchanged their values, in all rows or some.

    The same rows, where they are in both samples: those that changed hold each other's value. Else the distributions:
    `A1 = (1 - w) A0 + w B0` and `B1 = (1 - w) B0 + w A0` must hold with about one share `w`, fitted by least squares.
    """
    for one, other in combinations(columns, 2):
        if _comparable(one, other):
            found = _by_rows(one, other) or _by_mixture(one, other)
            if found is not None and found[0] >= min(one.checks["swapped"].at, other.checks["swapped"].at):
                share, how = found
                for column, partner in ((one, other), (other, one)):
                    text = f"{percent(share)} of rows hold the values of {partner.name}, and the reverse"
                    yield column.finding("swapped", share, text, partner=partner.name, by=how)


def _comparable(one: Column, other: Column) -> bool:
    if one.before.type != one.after.type or other.before.type != other.after.type:
        return False
    if one.is_number and other.is_number:
        return True
    return one.before.type == other.before.type and one.is_text and other.is_text


def _by_rows(one: Column, other: Column) -> tuple[float, str] | None:
    if not one.pairs or not other.pairs:
        return None
    both = [(*a, *b) for a, b in zip(one.pairs, other.pairs, strict=True)]
    changed = [row for row in both if row[0] != row[1] or row[2] != row[3]]
    hits = [row for row in changed if row[0] == row[3] and row[2] == row[1] and row[0] != row[2]]
    if len(hits) < _FEW_ROWS or len(hits) < _AGREE * len(changed):
        return None
    return len(hits) / len(both), "rows"


def _by_mixture(one: Column, other: Column) -> tuple[float, str] | None:
    fitted = []
    for column, partner in ((one, other), (other, one)):
        curves = _curves(column, partner)
        if curves is None:
            return None
        before, after, theirs = curves
        moved, step = after - before, theirs - before
        size = float(step @ step)
        if size <= 0:
            return None
        share = float(moved @ step) / size
        rest = moved - share * step
        if share <= 0 or float(rest @ rest) > _RESIDUAL * float(moved @ moved):
            return None
        fitted.append(min(share, 1.0))
    if max(fitted) > _RATIO * min(fitted) or not (_moved(one) and _moved(other)):
        return None
    return sum(fitted) / 2, "distribution"


def _moved(column: Column) -> bool:
    shift = _of_numbers(column) if column.is_number else _of_categories(column)
    return shift is not None and shift.beyond


def _curves(
    column: Column, partner: Column
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Return before, after and the partner's before, on one grid: cumulative shares of numbers, shares of texts."""
    if not column.is_number:
        sides = [_texts(column, "before"), _texts(column, "after"), _texts(partner, "before")]
        names = list(dict.fromkeys(name for side in sides for name in side))
        return tuple(np.array([side.get(name, 0.0) for name in names]) for side in sides)  # type: ignore[return-value]  # three
    before, after, theirs = column.before.histogram, column.after.histogram, partner.before.histogram
    if before is None or after is None or theirs is None or not (before.total and after.total and theirs.total):
        return None
    ranks = np.linspace(0.005, 0.995, _GRID)
    points = np.unique(np.concatenate([quantiles(side, ranks) for side in (before, after, theirs)]))
    curves = [cumulative(side, points) for side in (before, after, theirs)]
    nulls = [profile.share("nulls") for profile in (column.before, column.after, partner.before)]
    parts = [np.append(curve * (1 - null), null) for curve, null in zip(curves, nulls, strict=True)]
    return parts[0], parts[1], parts[2]


def _texts(column: Column, side: str) -> dict[object, float]:
    rows = max(getattr(column, side).rows, 1)
    return {value: count / rows for value, count in column.counts(side).items()}
