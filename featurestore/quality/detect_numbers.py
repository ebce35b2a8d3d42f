"""Numbers: another unit, sign or precision, found as what it is; and columns that exchanged their values."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose, isfinite, log
from typing import TYPE_CHECKING

import numpy as np

from featurestore.quality.detect_pair import SEASON
from featurestore.quality.drift import critical_distance, cumulative, kolmogorov_smirnov, quantiles
from featurestore.quality.words import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from featurestore.model.finding import Finding
    from featurestore.model.sketches import Histogram
    from featurestore.quality.detect_pair import Column

__all__ = ["CONVERSIONS", "Conversion", "precision", "unit"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """`after = scale * before + offset`, and what it is called."""

    name: str
    scale: float
    offset: float = 0.0

    def forth(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values converted."""
        return values * self.scale + self.offset

    def back(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values that were converted to these."""
        return (values - self.offset) / self.scale


_SCALES: tuple[tuple[float, str, str], ...] = (
    (1000.0, "x1000 (kilo)", "/1000 (kilo)"),
    (1e6, "x1000000", "/1000000"),
    (100.0, "x100 (percent, cents)", "/100 (percent, cents)"),
    (10.0, "x10", "/10"),
    (1024.0, "x1024", "/1024"),
    (60.0, "x60 (minutes to seconds)", "/60 (seconds to minutes)"),
    (3600.0, "x3600 (hours to seconds)", "/3600 (seconds to hours)"),
    (24.0, "x24 (days to hours)", "/24 (hours to days)"),
    (0.3048, "x0.3048 (feet to metres)", "x3.28084 (metres to feet)"),
    (2.54, "x2.54 (inches to centimetres)", "/2.54 (centimetres to inches)"),
    (25.4, "x25.4 (inches to millimetres)", "/25.4 (millimetres to inches)"),
    (1.609344, "x1.609344 (miles to kilometres)", "x0.621371 (kilometres to miles)"),
    (1.852, "x1.852 (nautical miles to kilometres)", "/1.852 (kilometres to nautical miles)"),
    (0.868976, "x0.868976 (miles an hour to knots)", "x1.150779 (knots to miles an hour)"),
    (1.943844, "x1.943844 (m/s to knots)", "x0.514444 (knots to m/s)"),
    (0.44704, "x0.44704 (miles an hour to m/s)", "x2.236936 (m/s to miles an hour)"),
    (3.6, "x3.6 (m/s to km/h)", "/3.6 (km/h to m/s)"),
    (0.45359237, "x0.453592 (pounds to kilograms)", "x2.204623 (kilograms to pounds)"),
    (28.349523, "x28.3495 (ounces to grams)", "/28.3495 (grams to ounces)"),
    (3.785412, "x3.785412 (gallons to litres)", "x0.264172 (litres to gallons)"),
    (33.863886, "x33.8639 (inches of mercury to hectopascal)", "x0.02953 (hectopascal to inches of mercury)"),
    (4.184, "x4.184 (calories to joules)", "/4.184 (joules to calories)"),
)

CONVERSIONS: tuple[Conversion, ...] = (
    *(Conversion(there, scale) for scale, there, _ in _SCALES),
    *(Conversion(back, 1 / scale) for scale, _, back in _SCALES),
    Conversion("Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    Conversion("Celsius to Fahrenheit", 1.8, 32.0),
    Conversion("Celsius to Kelvin", 1.0, 273.15),
    Conversion("Kelvin to Celsius", 1.0, -273.15),
    Conversion("Fahrenheit to Kelvin", 1 / 1.8, 273.15 - 32 / 1.8),
    Conversion("sign flipped", -1.0),
)
"""What is tried, by name: units that data in the field is exchanged in."""

_FEW = 5
"""Rows that must show a conversion when the same rows are compared."""

_AGREE = 0.9
"""Share of changed rows, or of unknown values, that one conversion must explain."""

_RESIDUAL = 0.08
"""Share of the squared difference of two distributions that a mixture may leave unexplained."""

_SAME = 0.5
_EXPECTED = 5
"""Rows of a value that must be expected for its absence to tell something."""

_WHOLE = 0.5
_POINTS = 64
_AFFINE = log(1.2)
_CLOSE = 2e-4


def unit(column: Column) -> Iterator[Finding]:
    """Find numbers in another unit, in all rows or some, and say which.

    Three kinds of evidence, the surest first. The same rows: those whose value changed all obey one `a x + b`. Values
    that repeat: those never seen before are known ones, converted. The distribution: `F1 = (1 - w) F0 + w F0(T^-1)`,
    where the share `w` is fitted by least squares for each known conversion `T`, and taken where the rest is no more
    than chance.
    """
    if not column.is_number or column.before.histogram is None or column.after.histogram is None:
        return
    found = _by_rows(column) or _by_values(column) or _by_mixture(column) or _by_quantiles(column)
    if found is None:
        return
    conversion, share, how = found
    old, _, compared = _changed(column)
    if column.sides.shared > _SAME and how != "rows" and len(old) < share / 2 * compared:
        return  # the rows that are the same have kept their values: new rows made the difference
    kind = "sign_flipped" if conversion.scale == -1.0 and not conversion.offset else "unit_changed"
    if share < column.checks[kind].at:
        return
    said = "changed their sign" if kind == "sign_flipped" else f"are in another unit: {conversion.name}"
    yield column.finding(
        kind, share, f"{percent(share)} of values {said}", conversion=conversion.name, scale=conversion.scale,
        offset=conversion.offset, by=how,
    )  # fmt: skip


def _changed(column: Column) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the values before and after of the same rows, where they changed, and how many rows were compared."""
    pairs = [
        (float(old), float(new))
        for old, new in column.pairs
        if isinstance(old, int | float) and isinstance(new, int | float) and isfinite(old) and isfinite(new)
    ]
    moved = np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.float64).reshape(-1, 2)
    return moved[:, 0], moved[:, 1], len(pairs)


def _by_rows(column: Column) -> tuple[Conversion, float, str] | None:
    old, new, compared = _changed(column)
    if len(old) < _FEW or len(old) < column.checks["unit_changed"].at * compared:
        return None
    share = len(old) / compared
    size = np.maximum(np.abs(new), 1e-9)
    for conversion in CONVERSIONS:
        if (np.abs(conversion.forth(old) - new) <= _CLOSE * size).mean() >= _AGREE:
            return conversion, share, "rows"
    if np.ptp(old) <= 0:
        return None
    scale, offset = np.polyfit(old, new, 1)
    fits = np.abs(scale * old + offset - new) <= _CLOSE * np.maximum(np.abs(new), np.ptp(new))
    if fits.mean() < 1.0 or isclose(scale, 1.0, rel_tol=1e-3) or abs(scale) < 1e-9:  # noqa: PLR2004 - no slope
        return None
    return Conversion(_named(float(scale), float(offset)), float(scale), float(offset)), share, "rows"


def _named(scale: float, offset: float) -> str:
    return f"x{scale:.6g}" + (f" {offset:+.6g}" if abs(offset) > _CLOSE else "")


def _by_values(column: Column) -> tuple[Conversion, float, str] | None:
    """Explain values that were never seen as known ones, converted; where values repeat and all are known."""
    before, after = column.before.histogram, column.after.histogram
    if before is None or after is None or not before.exact or len(before.bins) < _FEW:
        return None
    known = np.array([before.edge(number) for number in before.bins])
    if after.exact:
        held = np.array([after.edge(number) for number in after.bins])
        counts = np.array(after.counts, dtype=np.float64)
    else:
        listed = [
            (float(value), count) for value, count in column.counts("after").items() if isinstance(value, int | float)
        ]
        held, counts = (
            (np.array(part, dtype=np.float64) for part in zip(*listed, strict=True)) if listed else (known[:0],) * 2
        )
    fresh = ~np.isin(held, known)
    unknown = counts[fresh].sum()
    if fresh.sum() < _FEW or not column.rose("unit_changed", 0, unknown):
        return None
    best = max(CONVERSIONS, key=lambda conversion: _explained(conversion, held[fresh], counts[fresh], known))
    if _explained(best, held[fresh], counts[fresh], known) < _AGREE * unknown:
        return None
    share = float(unknown / counts.sum())
    return (best, share, "values") if _complete(best, before, share * after.total, held) else None


def _complete(conversion: Conversion, before: Histogram, rows: float, held: NDArray[np.float64]) -> bool:
    """Tell whether known values that are frequent are there, converted: new values that happen to fit are but some.

    `rows` were converted at least, so a value of share `p` is to be expected `p rows` times.
    """
    values = [
        (lower, count) for lower, _, count in before.intervals() if lower and count * rows >= _EXPECTED * before.total
    ]
    there = conversion.forth(np.array([lower for lower, _ in values], dtype=np.float64))
    near = np.abs(there[:, None] - held[None, :]).min(axis=1, initial=np.inf)
    return len(values) >= _FEW and (near <= 1e-6 * np.maximum(np.abs(there), 1.0)).mean() >= _AGREE


def _explained(
    conversion: Conversion, held: NDArray[np.float64], counts: NDArray[np.float64], known: NDArray[np.float64]
) -> float:
    """Return the rows whose value is a known one, converted."""
    origin = conversion.back(held)
    place = np.clip(np.searchsorted(known, origin), 1, len(known) - 1)
    distance = np.minimum(np.abs(known[place] - origin), np.abs(known[place - 1] - origin))
    return float(counts[distance <= 1e-6 * np.maximum(np.abs(origin), 1.0)].sum())


def _by_mixture(column: Column) -> tuple[Conversion, float, str] | None:
    before, after = column.before.histogram, column.after.histogram
    if before is None or after is None or not before.total or not after.total:
        return None
    alpha = 1 / (1 + 10 ** (column.sides.critical**2 / 4.6))
    noise = critical_distance(before.total, after.total, alpha, scale=column.sides.scale)
    if kolmogorov_smirnov(before, after) <= noise:
        return None
    ranks = np.linspace(0.005, 0.995, _POINTS)
    own = np.array([quantiles(side, ranks) for side in (before, after)])
    best: tuple[float, Conversion, float] | None = None
    for conversion in CONVERSIONS:
        points = np.unique(np.concatenate((own.ravel(), conversion.forth(own[0]))))
        f0, f1 = cumulative(before, points), cumulative(after, points)
        converted = cumulative(before, conversion.back(points))
        moved, step = f1 - f0, (converted if conversion.scale > 0 else 1.0 - converted) - f0
        size = float(step @ step)
        if size <= 0:
            continue
        share = min(1.0, float(moved @ step) / size)
        rest = moved - share * step
        residual = float(rest @ rest) / max(float(moved @ moved), 1e-300)
        allowed = _RESIDUAL / 2 if column.sides.relation == SEASON else _RESIDUAL
        if (
            share <= column.sides.fresh
            or residual > allowed
            or np.abs(rest).max() > max(1.5 * noise, 0.15 * np.abs(moved).max())
        ):
            continue
        if best is None or residual < best[0]:
            best = residual, conversion, share
    return None if best is None else (best[1], best[2], "distribution")


def _by_quantiles(column: Column) -> tuple[Conversion, float, str] | None:
    """Find one scale and offset for the whole column, of no known unit: all quantiles lie on a line."""
    before, after = column.before.histogram, column.after.histogram
    if before is None or after is None or not before.total or not after.total or before.exact != after.exact:
        return None
    ranks = np.linspace(0.02, 0.98, 49)
    old, new = (quantiles(side, ranks) for side in (before, after))
    if len(np.unique(old)) < _POINTS // 4 or np.ptp(new) <= 0:
        return None
    scale, offset = np.polyfit(old, new, 1)
    apart = np.abs(scale * old + offset - new).max() / np.ptp(new)
    if column.sides.fresh >= 0.5 or scale <= 0 or abs(log(scale)) < _AFFINE or apart > 0.01:  # noqa: PLR2004 - a hundredth of the range
        return None
    return Conversion(_named(float(scale), float(offset)), float(scale), float(offset)), 1.0, "distribution"


def precision(column: Column) -> Iterator[Finding]:
    """Find numbers that lost their decimals: the same rows, rounded; or whole numbers where decimals were."""
    if not column.is_number or not column.before.type.startswith(("Float", "Decimal", "DOUBLE", "FLOAT", "DECIMAL")):
        return
    old, new, compared = _changed(column)
    for digits in range(4):
        if (
            len(old) >= _FEW
            and (np.abs(np.round(old, digits) - new) <= 1e-9 * np.maximum(np.abs(new), 1)).mean() >= _AGREE
        ):
            share = len(old) / compared
            if share >= column.checks["precision_lost"].at:
                text = f"{percent(share)} of values are rounded to {digits} decimals"
                yield column.finding("precision_lost", share, text, decimals=digits, by="rows")
            return
    before, after = column.before.histogram, column.after.histogram
    if before is None or after is None or not (before.exact and after.exact):
        return
    # Zero is left out: it is whole in any precision.
    parts = [[(lower, count) for lower, _, count in side.intervals() if lower] for side in (before, after)]
    whole = [sum(count for lower, count in part if float(lower).is_integer()) for part in parts]
    totals = [max(1, sum(count for _, count in part)) for part in parts]
    beyond = column.beyond_new_rows(column.rise(whole[0], whole[1]))
    if beyond and column.rose("precision_lost", whole[0], whole[1]) and whole[0] < _WHOLE * totals[0]:
        share = column.rise(whole[0], whole[1])
        text = f"whole numbers went from {percent(whole[0] / totals[0])} to {percent(whole[1] / totals[1])} of values"
        yield column.finding("precision_lost", share, text, by="values")
