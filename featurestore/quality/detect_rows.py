"""Rows as such: missing, repeated, late, or not there for a stretch of time."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from featurestore.model.finding import Finding
from featurestore.model.times import from_micros
from featurestore.quality.detect_pair import HISTORY, likelihood_root
from featurestore.quality.words import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from featurestore.model.finding import Check
    from featurestore.model.shapes import Volume
    from featurestore.quality.detect_pair import Sides

__all__ = ["arrivals", "duplicates", "gaps", "late", "stale", "volume"]

_DAY = 86_400_000_000
_WEEK = 7 * _DAY
_WEEKS = 8
_FEW_WEEKS = 3
_HALF = 0.5
_LATE = 0.999


def _finding(
    kind: str, checks: Mapping[str, Check], amount: float, text: str, since: int | None = None, **evidence: object
) -> Finding:
    when = None if since is None else from_micros(since)
    return Finding(kind, "", text, float(amount), checks[kind].severity, evidence, since=when)


def duplicates(sides: Sides, checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Find rows whose key and event time another row has too: a load that ran twice, a join that multiplied."""
    before, after = sides.before.repeated, sides.after.repeated
    if before is None or after is None or not sides.before.rows or not sides.after.rows:
        return
    share = after / sides.after.rows
    rise = share - before / sides.before.rows
    if rise >= checks["duplicates"].at and sides.z(before, after) > sides.critical:
        text = f"{percent(share)} of rows repeat the key and time of another, {percent(before / sides.before.rows)} did"
        yield _finding("duplicates", checks, rise, text, repeated_before=before, repeated_after=after)


def volume(sides: Sides, checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Find rows of the past that are gone.

    Windows of event time that both profiles hold are compared one by one, but for the last one before, which may have
    been incomplete. A table without event time is compared whole.
    """
    if sides.relation != HISTORY or not sides.before.rows:
        return
    if sides.before.volume is None or sides.after.volume is None:
        lost = sides.before.rows - sides.after.rows
        if lost >= max(checks["volume_dropped"].at * sides.before.rows, 1):
            text = f"{lost:,} of {sides.before.rows:,} rows are gone"
            yield _finding("volume_dropped", checks, lost / sides.before.rows, text, rows_lost=lost)
        return
    before, after = _alike(sides.before.volume, sides.after.volume)
    closed = dict(before.windows[:-1])
    held = dict(after.windows)
    losses = {start: rows - held.get(start, 0) for start, rows in closed.items()}
    lost, total = sum(losses.values()), sum(closed.values())
    if total and lost >= max(checks["volume_dropped"].at * total, 1):
        since = next(start for start, rows in losses.items() if rows > 0)
        text = f"{lost:,} of {total:,} rows of the past are gone, {percent(lost / total)}"
        yield _finding("volume_dropped", checks, lost / total, text, since, rows_lost=lost, windows=len(losses))
    gained = -lost / total if total else 0.0
    if gained >= checks["volume_rose"].at:
        yield _finding("volume_rose", checks, gained, f"the past holds {percent(gained)} more rows", rows_gained=-lost)


def arrivals(sides: Sides, checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Find new windows with far fewer or more rows than the same windows of earlier weeks.

    What is expected of a window is the median of those at the same time of the week, up to eight weeks back, three at
    least; new windows are summed, and the last one, which may be incomplete, is left out.
    """
    before, after = sides.before.volume, sides.after.volume
    if sides.relation != HISTORY or before is None or after is None:
        return
    before, after = _alike(before, after)
    if before.width > _WEEK or not before.windows:
        return
    known = dict(before.windows)
    last = before.windows[-1][0]
    first = before.windows[0][0]
    held = {start: rows for start, rows in after.windows[:-1] if start > last}
    end = max(held, default=last)
    expected = actual = 0.0
    for start in range(last + before.width, end + 1, before.width):
        weeks = [
            known.get(start - week * _WEEK, 0) for week in range(1, _WEEKS + 1) if first <= start - week * _WEEK <= last
        ]
        if len(weeks) >= _FEW_WEEKS:
            expected += median(weeks)
            actual += held.get(start, 0)
    if not expected or abs(likelihood_root(expected, 2 * expected, actual, 2 * expected)) <= sides.critical:
        return
    evidence = {"rows": actual, "rows_expected": expected}
    since = last + before.width
    if actual < _HALF * expected and 1 - actual / expected >= checks["volume_dropped"].at:
        text = f"{actual:,.0f} new rows, where {expected:,.0f} were to be expected of these hours of the week"
        yield _finding("volume_dropped", checks, 1 - actual / expected, text, since, **evidence)
    elif actual / expected - 1 >= max(checks["volume_rose"].at, _HALF):
        text = f"{actual:,.0f} new rows, where {expected:,.0f} were to be expected of these hours of the week"
        yield _finding("volume_rose", checks, actual / expected - 1, text, since, **evidence)


def gaps(sides: Sides, checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Find stretches of time without rows: longer than any before, or where there were rows."""
    before, after = sides.before.volume, sides.after.volume
    if before is None or after is None or len(after.windows) < 2:  # noqa: PLR2004 - a gap lies between two
        return
    before, after = _alike(before, after)
    longest = max((length for _, length in _missing(before)), default=0)
    known = {start for start, _ in before.windows[:-1]} if sides.relation == HISTORY else set()
    worst: tuple[int, int, bool] | None = None
    for start, length in _missing(after):
        emptied = any(start + step * after.width in known for step in range(length))
        if (emptied or length > max(1, checks["gap"].at * longest)) and (worst is None or length > worst[1]):
            worst = start, length, emptied
    if worst is not None:
        start, length, emptied = worst
        span = timedelta(microseconds=length * after.width)
        text = f"no rows for {span} from {from_micros(start):%Y-%m-%d %H:%M} on"
        text += (
            ", where there were rows before"
            if emptied
            else f"; the longest gap was {longest * after.width / 3.6e9:g} h"
        )
        amount = length / max(longest, 1)
        yield _finding("gap", checks, amount, text, start, windows=length, longest_before=longest, emptied=emptied)


def stale(sides: Sides, checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Find a table whose newest row went back in time, or is much older, when it was read, than it used to be."""
    before, after = sides.before, sides.after
    if before.last is None or after.last is None or sides.relation != HISTORY:
        return
    if after.last < before.last:
        back = timedelta(microseconds=before.last - after.last)
        text = f"the newest row is of {from_micros(after.last):%Y-%m-%d %H:%M}, {back} before the newest there was"
        yield _finding(
            "stale", checks, back.total_seconds() / 86_400, text, after.last, back_seconds=back.total_seconds()
        )
        return
    width = after.volume.width if after.volume is not None else 0
    usual, now = before.at - before.last, after.at - after.last
    if now > checks["stale"].at * max(usual, _DAY, 2 * width):
        waits = [timedelta(microseconds=wait // 1_000_000 * 1_000_000) for wait in (usual, now)]
        text = f"the newest row was {waits[1]} old when it was read, and {waits[0]} before"
        yield _finding("stale", checks, now / max(usual, _DAY), text, after.last, waited=waits[1].total_seconds())


def late(sides: Sides, checks: Mapping[str, Check]) -> Iterator[Finding]:
    """Find rows that became known later after their event than 99.9% of rows did before."""
    before, after = sides.before.lateness, sides.after.lateness
    if before is None or after is None or not before.total or not after.total:
        return
    limit = before.quantile(_LATE)
    beyond = [round(part.total * (1 - part.rank(limit))) for part in (before, after)]
    share = beyond[1] / after.total
    if share - beyond[0] / before.total >= checks["late"].at and sides.z(*beyond) > sides.critical:
        text = f"{percent(share)} of rows became known more than {timedelta(seconds=round(limit))} after their event"
        median_after = after.quantile(0.5)
        yield _finding("late", checks, share, text, limit_seconds=limit, median_seconds=median_after)


def _missing(volume: Volume) -> Sequence[tuple[int, int]]:
    """Return stretches without rows between the first and the last window: start, and how many windows."""
    starts = [start for start, _ in volume.windows]
    return [
        (here + volume.width, (there - here) // volume.width - 1)
        for here, there in pairwise(starts)
        if there - here > volume.width
    ]


def _alike(before: Volume, after: Volume) -> tuple[Volume, Volume]:
    width = max(before.width, after.width)
    return before.coarser(width), after.coarser(width)
