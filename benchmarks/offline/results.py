"""What was measured, and what follows from it: medians, ratios, and which bars are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.offline.case import Case
from benchmarks.offline.measure import Run
from benchmarks.offline.workloads import Bar, Workload

__all__ = ["Measured", "Result", "Verdict", "verdicts"]


@dataclass(slots=True)
class Measured:
    """One peer's runs of one workload.

    Attributes
    ----------
    check
        The run whose answer was checked.
    warm
        Libraries loaded, files in the page cache.
    first
        With the imports, in a fresh process.
    cold
        Libraries loaded, files on disk only.
    failed
        Why there is nothing.
    """

    check: Run | None = None
    warm: list[Run] = field(default_factory=list)
    first: Run | None = None
    cold: Run | None = None
    failed: str | None = None

    @property
    def seconds(self) -> float:
        """The median of the warm runs."""
        return median(run.seconds for run in self.warm)

    @property
    def peak(self) -> float:
        """The median of the warm runs, bytes."""
        return median(run.peak for run in self.warm)

    def to_json(self) -> dict[str, Any]:
        """Return everything measured, with the medians."""
        return {**({"seconds": self.seconds, "peak": self.peak} if self.warm else {}), **asdict(self)}


@dataclass(slots=True)
class Result:
    """One workload: its case and who was measured, or why it could not be made."""

    workload: Workload
    case: Case | None = None
    measured: dict[str, Measured] = field(default_factory=dict)
    sample: int = 0
    unavailable: str | None = None

    def ratio(self, peer: str, what: str) -> float | None:
        """Return a peer's `seconds` or `peak` divided by ours; None where one of them has none."""
        return _ratio(self.measured.get(peer), self.measured.get(self.workload.ours), what)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "workload": self.workload.name,
            "unavailable": self.unavailable,
            "spine_rows": self.case and self.case.spine_rows,
            "views": self.case
            and [
                {"name": view.name, "rows": view.rows, "bytes": view.bytes, "runs": view.runs, "built": view.built}
                for view in self.case.views
            ],
            "cap": self.case and self.case.cap,
            "rows_held_against_the_oracle": self.sample,
            "measured": {peer: measured.to_json() for peer, measured in self.measured.items()},
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bar: the ratio it asks for, and the one that was measured; None where it was not."""

    workload: str
    bar: Bar
    what: str
    least: float
    ratio: float | None

    def __str__(self) -> str:
        whose = self.bar.peer if self.bar.workload is None else self.bar.workload
        found = "not measured" if self.ratio is None else f"{self.ratio:.2f}x, {'met' if self.met else 'NOT MET'}"
        return f"{self.workload}: {self.what} of {whose} / ours at least {self.least:.2f}x: {found}"

    @property
    def met(self) -> bool:
        """Whether the bar is cleared."""
        return self.ratio is not None and self.ratio >= self.least


def verdicts(result: Result, results: Mapping[str, Result]) -> Iterator[Verdict]:
    """Yield the bars of a workload, held against what was measured of it and of others."""
    workload = result.workload
    mine = result.measured.get(workload.ours)
    for bar in workload.bars:
        other = results.get(bar.workload or workload.name)
        theirs = None if other is None else other.measured.get(bar.peer)
        for what, attribute, least in (("seconds", "seconds", bar.seconds), ("peak memory", "peak", bar.memory)):
            if least is not None:
                yield Verdict(workload.name, bar, what, least, _ratio(theirs, mine, attribute))


def _ratio(theirs: Measured | None, mine: Measured | None, attribute: str) -> float | None:
    if theirs is None or mine is None or not theirs.warm or not mine.warm:
        return None
    return float(getattr(theirs, attribute) / getattr(mine, attribute))
