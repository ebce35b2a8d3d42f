"""What is measured: faults found, shifts found, alarms in clean windows, and snapshots until a fault is seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from benchmarks.quality.faults import FAULTS, Fault, injected
from benchmarks.quality.tables import TABLES, profile
from benchmarks.quality.windows import BACK, FIRST, WEEK, Window, growth, season, splits, window_frame, window_profile
from featurestore.model.finding import NOTICE
from featurestore.model.profile import Profile
from featurestore.quality.detect import TRAINING, compare, compare_season

__all__ = ["Measured", "Tried", "bars", "clean", "delays", "faults", "shifts"]

STRENGTHS = (0.01, 0.05, 0.2, 1.0)
FAULT_ROWS = 100_000
SHIFT_ROWS = 10_000
SHIFTED = (("flights", "arr_delay"), ("flights", "air_time"), ("flights", "distance"), ("weather", "temp"),
           ("weather", "humid"), ("weather", "dewp"), ("weather", "wind_speed"))  # fmt: skip
DAY = timedelta(days=1)
DAYS = 3
"""Snapshots within which a fault that begins in one day is waited for."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One fault in one column at one strength: what was told of it.

    Attributes
    ----------
    fault, table, column, share
        Which, and the share of rows that it reached.
    expected
        The kinds that name its cause.
    told
        `(kind, column)` of every finding.
    named
        Whether the cause was among them, in the right column.
    demanded
        Whether a bar demands it.
    """

    fault: str
    table: str
    column: str
    share: float
    expected: tuple[str, ...]
    told: tuple[tuple[str, str], ...]
    named: bool
    demanded: bool


@dataclass(frozen=True, slots=True)
class Delay:
    """After how many snapshots a fault that begins in one day's window was named; None: not within `DAYS`."""

    fault: str
    column: str
    snapshots: int | None


@cache
def _whole(table: str) -> Profile:
    return profile(TABLES[table], _frame(table))


def _frame(table: str) -> pl.DataFrame:
    """Return the first rows of a table, as many as suffice."""
    return TABLES[table].load().head(FAULT_ROWS)


def faults(*, quick: bool, tables: Collection[str] = tuple(TABLES)) -> Iterator[Tried]:
    """Inject every fault into a whole table, as a re-delivery of it would hold it."""
    for number, fault in enumerate(FAULTS):
        if fault.table not in tables:
            continue
        frame = _frame(fault.table)
        for column in fault.columns[: 1 if quick else None]:
            for share in (1.0,) if fault.whole else STRENGTHS[2 if quick else 0 :][: 1 if quick else None]:
                changed, reached = injected(fault, frame, column, share, number)
                yield _tried(fault, column, reached, _whole(fault.table), profile(TABLES[fault.table], changed))


def _tried(fault: Fault, column: str, share: float, before: Profile, after: Profile) -> Tried:
    told = tuple((item.kind, item.subject.partition(":")[2]) for item in compare(before, after))
    named = any(kind in fault.expected and where in {"", column} for kind, where in told)
    demanded = fault.from_share is not None and share >= 0.95 * fault.from_share
    return Tried(fault.name, fault.table, column, share, fault.expected, told, named, demanded)


def shifts(*, quick: bool) -> Iterator[bool]:
    """Move a column of a random sample by 0.2 standard deviations, and compare it with another sample."""
    for table, column in SHIFTED:
        frame = TABLES[table].load()
        for seed in range(1 if quick else 20):
            order = np.random.default_rng([seed, 9]).permutation(frame.height)
            one, other = (frame[part] for part in (order[:SHIFT_ROWS], order[SHIFT_ROWS : 2 * SHIFT_ROWS]))
            step = 0.2 * float(frame[column].std())  # type: ignore[arg-type]  # a number's deviation
            moved = profile(TABLES[table], other.with_columns(pl.col(column) + step * (-1) ** seed))
            found = compare(profile(TABLES[table], one), moved, relation=TRAINING)
            yield any(item.subject.endswith(f":{column}") for item in found)


def clean(*, quick: bool) -> Iterator[Window]:
    """Look at clean windows: random splits, weeks and days against their season, and tables as they grow."""
    weeks = [FIRST + week * WEEK for week in range(BACK, 52)]
    days = [FIRST + BACK * WEEK + day * DAY for day in range(0, 322, 5)]
    every = (
        splits("flights", 40),
        splits("weather", 40),
        splits("planes", 40),
        season("flights", WEEK, weeks),
        season("weather", WEEK, weeks),
        season("flights", DAY, days),
        growth("flights", weeks[::8], WEEK),
        growth("weather", weeks[::4], WEEK),
    )
    for part in every:
        yield from islice(part, 1 if quick else None)


def delays(*, quick: bool) -> Iterator[Delay]:
    """Let a fault begin in one day's window of flights, and wait until the window is told apart from its season."""
    start = datetime(2013, 9, 11)  # noqa: DTZ001 - the frames hold naive UTC times
    own = [fault for fault in FAULTS if fault.table == "flights" and fault.from_share is not None and not fault.whole]
    for number, fault in enumerate(own[:2] if quick else own):
        column = fault.columns[0]
        yield Delay(fault.name, column, next(_seen(fault, column, start, number), None))


def _seen(fault: Fault, column: str, start: datetime, seed: int) -> Iterator[int]:
    for day in range(DAYS):
        now = start + day * DAY
        back = [window_profile("flights", now - week * WEEK, DAY) for week in range(BACK, 0, -1)]
        changed, _ = injected(fault, window_frame("flights", now, DAY), column, max(0.2, fault.from_share or 0), seed)
        told = compare_season(back, profile(TABLES["flights"], changed, at=now + DAY))
        if any(item.kind in fault.expected for item in told):
            yield day + 1


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured."""

    faults: tuple[Tried, ...]
    shifts: tuple[bool, ...]
    windows: tuple[Window, ...]
    delays: tuple[Delay, ...]

    def by_fault(self) -> Iterator[tuple[str, ...]]:
        """Give a line for each kind of fault."""
        seen = {item.fault: item.snapshots for item in self.delays}
        for fault in FAULTS:
            own = [item for item in self.faults if item.fault == fault.name]
            above, below = ([item for item in own if item.demanded is part] for part in (True, False))
            waited = seen.get(fault.name, "-")
            yield (
                fault.name, ", ".join(fault.expected), "-" if fault.from_share is None else f"{fault.from_share:.0%}",
                _of(above), _of(below), f"not in {DAYS}" if waited is None else str(waited),
            )  # fmt: skip

    def by_finding(self) -> Iterator[tuple[str, ...]]:
        """Give a line for each kind of finding: one is true if it names the cause, or what that entails elsewhere."""
        told: Counter[str] = Counter()
        true: Counter[str] = Counter()
        for item in self.faults:
            for kind, where in item.told:
                told[kind] += 1
                true[kind] += kind in item.expected or where == item.column or kind in _ENTAILED
        for window in self.windows:
            told.update(finding.kind for finding in window.found)
        for kind in sorted(told):
            yield kind, str(told[kind]), str(true[kind]), f"{true[kind] / told[kind]:.0%}"

    def by_window(self) -> Iterator[tuple[str, ...]]:
        """Give a line for each sort of clean window."""
        groups: dict[tuple[str, str], list[Window]] = defaultdict(list)
        for window in self.windows:
            length = f", {window.name.partition(' + ')[2]}" if window.how == "season" else ""
            groups[window.how + length, window.table].append(window)
        for (how, table), windows in groups.items():
            yield how, table, str(len(windows)), str(sum(_alarmed(window) for window in windows))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        windows = [
            {"how": item.how, "table": item.table, "name": item.name, "found": [str(finding) for finding in item.found]}
            for item in self.windows
        ]
        faults = [asdict(item) for item in self.faults]
        return {
            "faults": faults, "shifts_found": sum(self.shifts), "shifts": len(self.shifts), "windows": windows,
            "delays": [asdict(item) for item in self.delays],
        }  # fmt: skip


_ENTAILED = frozenset({"volume_dropped", "duplicates", "swapped", "zone_shifted", "category_vanished", "gap", "late"})
"""Kinds that a fault of other columns or of rows entails by itself."""


def _of(items: list[Tried]) -> str:
    return f"{sum(item.named for item in items)} of {len(items)}" if items else "-"


def _alarmed(window: Window) -> bool:
    return any(finding.severity != NOTICE for finding in window.found)


def bars(found: Measured) -> dict[str, tuple[str, bool]]:
    """Return each bar with what was measured, and whether it is held."""
    held: dict[str, tuple[str, bool]] = {}
    from_share = {fault.name: fault.from_share for fault in FAULTS}
    for share in (0.01, 0.2):
        own = [item for item in found.faults if item.demanded and from_share[item.fault] == share]
        own = [item for item in own if not _is_shift(item)]
        named = sum(item.named for item in own)
        name = f"faults of {share:.0%} of rows or more, found and the cause named"
        held[name] = f"{named} of {len(own)}", named == len(own)
    seen, count = sum(found.shifts), len(found.shifts)
    held["shifts of 0.2 deviations in 10,000 rows, found"] = f"{seen} of {count}", seen >= 0.95 * count
    alarms = sum(_alarmed(window) for window in found.windows)
    share = alarms / len(found.windows)
    held["clean windows with an alarm"] = f"{alarms} of {len(found.windows)}, {share:.1%}", share < 0.02
    return held


def _is_shift(item: Tried) -> bool:
    return "shifted" in item.expected and len(item.expected) == 1
