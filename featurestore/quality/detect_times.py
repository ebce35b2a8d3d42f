"""Times that moved by whole hours: another time zone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from featurestore.quality.detect_pair import HISTORY, SEASON
from featurestore.quality.words import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.model.finding import Finding
    from featurestore.quality.detect_pair import Column

__all__ = ["zone"]

_QUARTER = 900_000_000
_HOUR = 3_600_000_000
_WIDEST = 14 * _HOUR
_FEW = 5
_AGREE = 0.9
_RESIDUAL = 0.2
_HOURS = 24


def zone(column: Column) -> Iterator[Finding]:
    """Find times in another zone, in all rows or some, and say by how many hours.

    Three kinds of evidence. The same rows: those that changed moved by one multiple of a quarter hour, up to fourteen
    hours. The hours of the day: `h1 = (1 - w) h0 + w (h0 turned by k hours)`, where `w` is fitted by least squares
    for each `k`, and the best `k` leaves little unexplained. The whole history: as many rows, and its first one moved
    by whole hours.
    """
    if column.after.hours is None or column.before.hours is None:
        return
    found = _by_rows(column) or _by_hours(column) or _by_start(column)
    if found is not None and found[1] >= column.checks["zone_shifted"].at:
        hours, share, how = found
        text = f"{percent(share)} of times moved by {hours:+g} hours"
        yield column.finding("zone_shifted", share, text, hours=hours, by=how)


def _by_rows(column: Column) -> tuple[float, float, str] | None:
    pairs = [(int(a), int(b)) for a, b in column.pairs if isinstance(a, int | float) and isinstance(b, int | float)]
    moved = [after - before for before, after in pairs if after != before]
    if len(moved) < _FEW:
        return None
    ((step, rows),) = Counter(moved).most_common(1)
    if rows < _AGREE * len(moved) or step % _QUARTER or abs(step) > _WIDEST:
        return None
    return step / _HOUR, len(moved) / len(pairs), "rows"


def _by_hours(column: Column) -> tuple[float, float, str] | None:
    counts = [np.array(side.hours, dtype=np.float64) for side in (column.before, column.after)]
    totals = [float(part.sum()) for part in counts]
    if min(totals) <= 0:
        return None
    before, after = (part / total for part, total in zip(counts, totals, strict=True))
    middle = (counts[0] + counts[1]) / sum(totals)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = 2 * sum(
            float(np.nansum(part * np.log(part / total / middle))) for part, total in zip(counts, totals, strict=True)
        )
    freedom = _HOURS - 1
    if (g * column.sides.scale - freedom) / (2 * freedom) ** 0.5 <= column.sides.critical * 1.5:
        return None
    moved = after - before
    best: tuple[float, int, float] | None = None
    for hours in range(-12, 13):
        step = np.roll(before, hours) - before
        size = float(step @ step)
        if not hours or size <= 0 or (abs(hours) == 1 and column.sides.relation == SEASON):
            continue  # of other weeks, one hour is what daylight saving does twice a year
        share = min(1.0, float(moved @ step) / size)
        rest = moved - share * step
        residual = float(rest @ rest) / float(moved @ moved)
        if share > column.sides.fresh and residual < _RESIDUAL and (best is None or residual < best[0]):
            best = residual, hours, share
    return None if best is None else (float(best[1]), best[2], "hours of the day")


def _by_start(column: Column) -> tuple[float, float, str] | None:
    sides = column.sides
    before, after = sides.before, sides.after
    if sides.relation != HISTORY or column.name != after.event_time or before.first is None or after.first is None:
        return None
    step = after.first - before.first
    if not step or step % _HOUR or abs(step) > _WIDEST or sides.shared > 0.01 or after.rows < before.rows:  # noqa: PLR2004 - no row in a hundred
        return None
    return step / _HOUR, 1.0, "the first row"
