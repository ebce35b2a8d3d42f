"""What a comparison of online answers with the offline join found: per column, per verdict, with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from featurestore.lineage.text import count, outline, short, table
from featurestore.model.status import Status

__all__ = ["Cell", "ColumnComparison", "Example", "OnlineComparison", "Verdict", "judge"]

_EXAMPLES = 3


class Verdict(StrEnum):
    """How one cell compares.

    EQUAL: value, state and the row's event time are the same. DIFFERING: the state is, the value or the row is not.
    STATE_DIFFERS: a row on both sides, of another state. MISSING_ONLINE, EXTRA_ONLINE: a row on one side alone.
    NEWER_OFFLINE: the join sees a row from after the time for which the version was published, so it waits for the
    next publish. NEWER_ONLINE: a row was pushed since, so it waits for the next materialization. Both are lag, not
    differences.
    """

    EQUAL = "equal"
    DIFFERING = "differing"
    STATE_DIFFERS = "state differs"
    MISSING_ONLINE = "missing online"
    EXTRA_ONLINE = "extra online"
    NEWER_OFFLINE = "newer offline"
    NEWER_ONLINE = "newer online"


_HARMLESS = {Verdict.EQUAL, Verdict.NEWER_OFFLINE, Verdict.NEWER_ONLINE}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one side says: the value, its state, and the event time of the row behind it (None: no row, or no time)."""

    value: Any
    status: Status
    event_time: datetime | None

    def __str__(self) -> str:
        at = "" if self.event_time is None else f" of {self.event_time.isoformat()}"
        return f"{self.value!r} {self.status}{at}"


def judge(offline: Cell, online: Cell, as_of: datetime | None, *, pushed: bool = False) -> Verdict:
    """Return the verdict of one cell.

    Floats are the same bit for bit, except that every NaN is equal to every other.

    Parameters
    ----------
    as_of
        The time for which the rows online were published; None for a dimension.
    pushed
        Whether rows may have been pushed since.
    """
    if repr(offline) == repr(online):  # `==` would take 0.0 for -0.0 and tell NaN from NaN
        return Verdict.EQUAL
    lag = _lag(offline.event_time, online.event_time, as_of, pushed=pushed)
    if lag is not None:
        return lag
    if offline.status == online.status:
        return Verdict.DIFFERING
    if online.status is Status.NOT_FOUND:
        return Verdict.MISSING_ONLINE
    if offline.status is Status.NOT_FOUND:
        return Verdict.EXTRA_ONLINE
    return Verdict.STATE_DIFFERS


def _lag(offline: datetime | None, online: datetime | None, as_of: datetime | None, *, pushed: bool) -> Verdict | None:
    """Return which side's row the other has not yet, by their event times; None if neither's."""
    if as_of is not None and offline is not None and offline > as_of:
        return Verdict.NEWER_OFFLINE
    if pushed and online is not None and (offline is None or offline < online):
        return Verdict.NEWER_ONLINE
    return None


@dataclass(frozen=True, slots=True)
class Example:
    """One cell that is not equal: the request's columns of its row, and both sides."""

    verdict: Verdict
    entity: Mapping[str, Any]
    offline: Cell
    online: Cell

    def __str__(self) -> str:
        keys = ", ".join(f"{name}={value!r}" for name, value in self.entity.items())
        return f"{self.verdict} at {keys}: offline {self.offline}, online {self.online}"


@dataclass(frozen=True, slots=True)
class ColumnComparison:
    """One column compared.

    Attributes
    ----------
    name
        Of the answer's column.
    sources
        `(view@vN:feature, snapshot)` that answered: one, unless a pointer moved or rows were published meanwhile.
    offline_type, online_type
        Arrow types of the values.
    counts
        Cells by verdict.
    statuses
        Cells by their state offline: what a comparison shows, it shows of the states that were there.
    examples
        The first few of each verdict but EQUAL.
    """

    name: str
    sources: tuple[tuple[str, str], ...]
    offline_type: str
    online_type: str
    counts: Mapping[Verdict, int]
    statuses: Mapping[Status, int]
    examples: tuple[Example, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether types are the same and no cell differs; a row that waits for the next publish is no difference."""
        differing = sum(number for verdict, number in self.counts.items() if verdict not in _HARMLESS)
        return self.offline_type == self.online_type and differing == 0

    def __add__(self, other: ColumnComparison) -> ColumnComparison:
        """Return the comparison of both blocks of rows of one column."""
        return replace(
            self,
            sources=tuple(dict.fromkeys([*self.sources, *other.sources])),
            counts={verdict: self.counts[verdict] + other.counts[verdict] for verdict in Verdict},
            statuses={status: self.statuses[status] + other.statuses[status] for status in Status},
            examples=_first([*self.examples, *other.examples]),
        )

    @classmethod
    def of(cls, cells: Iterable[Example], **fields: Any) -> ColumnComparison:  # noqa: ANN401 - the fields above
        """Return the comparison of a block of rows from all of its cells, equal ones among them."""
        compared = list(cells)
        verdicts, statuses = (
            Counter(cell.verdict for cell in compared),
            Counter(cell.offline.status for cell in compared),
        )
        return cls(
            counts={verdict: verdicts[verdict] for verdict in Verdict},
            statuses={status: statuses[status] for status in Status},
            examples=_first(cell for cell in compared if cell.verdict is not Verdict.EQUAL),
            **fields,
        )


def _first(examples: Iterable[Example]) -> tuple[Example, ...]:
    """Return the first few of each verdict."""
    seen: Counter[Verdict] = Counter()
    kept = []
    for example in examples:
        seen[example.verdict] += 1
        if seen[example.verdict] <= _EXAMPLES:
            kept.append(example)
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class OnlineComparison:
    """Online answers compared with the offline join of the same rows; its text is a table and the first examples.

    Attributes
    ----------
    rows
        Rows asked for.
    at
        The time of the question: the `at` of the read, and the event timestamp of every row of the join.
    columns
        In the order of the answer.
    """

    rows: int
    at: datetime
    columns: tuple[ColumnComparison, ...]

    @property
    def equal(self) -> bool:
        """Whether every column is."""
        return all(column.equal for column in self.columns)

    def __str__(self) -> str:
        cells = self.rows * len(self.columns)
        found = "the same online and offline" if self.equal else "NOT the same online and offline"
        title = f"{count(self.rows, 'row')} x {count(len(self.columns), 'column')} at {self.at.isoformat()}: {found}"
        shown = [one for one in Verdict if one is Verdict.EQUAL or any(column.counts[one] for column in self.columns)]
        body = [
            (
                column.name,
                ", ".join(f"{reference} {short(snapshot)}" for reference, snapshot in column.sources),
                *(f"{column.counts[verdict]:,}" for verdict in shown),
                *(f"{column.statuses[status]:,}" for status in Status),
            )
            for column in self.columns
        ]
        types = [
            f"  {column.name}: offline {column.offline_type}, online {column.online_type}"
            for column in self.columns
            if column.offline_type != column.online_type
        ]
        examples = [f"  {column.name}: {example}" for column in self.columns for example in column.examples]
        return outline(
            title if cells else f"{title} (nothing was compared)",
            table(("column", "from", *shown, *Status), body),
            ["types:", *types] if types else [],
            ["examples:", *examples] if examples else [],
        )
