"""Clean windows of real data: what must raise no alarm.

`split`: two disjoint random samples of one table. `season`: a window against the same hours and weekdays of earlier
weeks. `growth`: a table against itself, some days later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from benchmarks.quality.tables import TABLES, profile
from featurestore.model.finding import Finding
from featurestore.model.profile import Profile
from featurestore.quality.detect import TRAINING, compare, compare_season

__all__ = ["BACK", "Window", "growth", "season", "splits", "window_frame", "window_profile"]

BACK = 6
"""Weeks of a seasonal baseline."""

FIRST = datetime(2013, 1, 1)  # noqa: DTZ001 - the frames hold naive UTC times
WEEK = timedelta(days=7)
_SPLIT_ROWS = {"flights": 20_000, "weather": 10_000, "planes": 1_661}


@dataclass(frozen=True, slots=True)
class Window:
    """One clean window: how it was compared, which it is, and what was found in it."""

    how: str
    table: str
    name: str
    found: tuple[Finding, ...]


def splits(table: str, count: int) -> Iterator[Window]:
    """Compare `count` pairs of disjoint random samples."""
    frame, rows = TABLES[table].load(), _SPLIT_ROWS[table]
    for seed in range(count):
        order = np.random.default_rng([seed, rows]).permutation(frame.height)
        one, other = (profile(TABLES[table], frame[np.sort(part)]) for part in (order[:rows], order[rows : 2 * rows]))
        yield Window("split", table, f"seed {seed}", compare(one, other, relation=TRAINING))


def window_frame(table: str, start: datetime, length: timedelta) -> pl.DataFrame:
    """Return the rows of one window of event time."""
    time = pl.col(TABLES[table].event_time or "")
    return TABLES[table].load().filter((time >= start) & (time < start + length))


@cache
def window_profile(table: str, start: datetime, length: timedelta) -> Profile:
    """Return the profile of one window, read when it ended."""
    return profile(TABLES[table], window_frame(table, start, length), at=start + length)


def season(table: str, length: timedelta, starts: list[datetime]) -> Iterator[Window]:
    """Compare windows with those of the same hours and weekdays, one to `BACK` weeks earlier."""
    for start in starts:
        back = [window_profile(table, start - week * WEEK, length) for week in range(BACK, 0, -1)]
        found = compare_season(back, window_profile(table, start, length))
        yield Window("season", table, f"{start:%Y-%m-%d} + {length.days} d", found)


def growth(table: str, starts: list[datetime], step: timedelta) -> Iterator[Window]:
    """Compare a table with itself as it is a step later."""
    frame, time = TABLES[table].load(), pl.col(TABLES[table].event_time or "")
    for start in starts:
        before, after = (profile(TABLES[table], frame.filter(time < end), at=end) for end in (start, start + step))
        yield Window("growth", table, f"to {start:%Y-%m-%d}", compare(before, after))
