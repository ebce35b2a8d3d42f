"""What a join says about its result: how many rows matched, and what deserves a second look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["FrameReport", "ReadReport"]


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What became of the spine's rows in one read.

    Attributes
    ----------
    label
        The feature version read, `airport_weather@v1`.
    rows, matched, not_found, expired
        Spine rows; those that got a row, found none, found one older than the TTL. The last three add up to the first.
    look_ahead
        Matched rows that became known after their spine row's time; None if the view has no created time, the spine
        no time, or `as_of` was given.
    """

    label: str
    rows: int
    matched: int
    not_found: int
    expired: int
    look_ahead: int | None

    def __add__(self, other: ReadReport) -> ReadReport:
        """Return the report of both blocks of one read."""
        look_ahead = None if self.look_ahead is None or other.look_ahead is None else self.look_ahead + other.look_ahead
        return ReadReport(
            self.label,
            self.rows + other.rows,
            self.matched + other.matched,
            self.not_found + other.not_found,
            self.expired + other.expired,
            look_ahead,
        )


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What a training frame's join says about it; its text is a table and the warnings.

    The reports of the blocks of one frame add up to the report of the whole.

    Attributes
    ----------
    rows
        Rows of the frame.
    reads
        One for each feature version and set of columns joined on.
    nulls
        `(column, nulls in it)` of every feature column, in order.
    no_key
        `(spine column, nulls in it)` of every column joined on.
    no_time
        Rows of the spine whose time is null.
    at
        The moment that stands for the time of every row, where the spine has no time column.
    """

    rows: int
    reads: tuple[ReadReport, ...]
    nulls: tuple[tuple[str, int], ...]
    no_key: tuple[tuple[str, int], ...] = ()
    no_time: int = 0
    at: datetime | None = None

    def __add__(self, other: FrameReport) -> FrameReport:
        """Return the report of both blocks of one frame."""
        return FrameReport(
            self.rows + other.rows,
            tuple(one + more for one, more in zip(self.reads, other.reads, strict=True)),
            _sums(self.nulls, other.nulls),
            _sums(self.no_key, other.no_key),
            self.no_time + other.no_time,
            self.at,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What deserves a second look, one sentence each."""
        found = self._of_the_spine()
        for read in self.reads:
            if read.look_ahead:
                found.append(
                    f"{read.label}: {read.look_ahead:,} of {read.matched:,} matched rows were created after the time "
                    'of their spine row, so a model would see the future: pass as_of="spine" to leave them out.'
                )
            if self.rows and not read.matched:
                found.append(f"{read.label}: no row matched; compare the keys and times of the spine with the view's.")
        columns = [column for column, count in self.nulls if self.rows and count == self.rows]
        if columns:
            found.append(f"nothing but nulls in {', '.join(columns)}.")
        return tuple(found)

    def _of_the_spine(self) -> list[str]:
        found = []
        if not self.rows:
            found.append("no rows: the spine has none, or the view has none between start and end.")
        if self.at is not None:
            found.append(f"no time column: every row got the newest values at {self.at.isoformat()}.")
        if self.no_time:
            found.append(f"{_rows(self.no_time)} no time and {_match(self.no_time)} nothing.")
        found += [
            f"{_rows(count)} no {column!r} and {_match(count)} nothing that is joined on it."
            for column, count in self.no_key
            if count
        ]
        return found

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows, {len(self.nulls)} feature columns"]
        lines += _table(
            ("view", "matched", "not found", "expired", "look-ahead"),
            [
                (
                    read.label,
                    _count(read.matched, read.rows),
                    _count(read.not_found, read.rows),
                    _count(read.expired, read.rows),
                    "-" if read.look_ahead is None else f"{read.look_ahead:,}",
                )
                for read in self.reads
            ],
        )
        with_nulls: list[tuple[str, ...]] = [
            (column, _count(count, self.rows)) for column, count in self.nulls if count
        ]
        if with_nulls:
            lines += _table(("column", "nulls"), with_nulls)
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def _sums(one: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    return tuple((column, count + more) for (column, count), (_, more) in zip(one, other, strict=True))


def _rows(count: int) -> str:
    return "1 row of the spine has" if count == 1 else f"{count:,} rows of the spine have"


def _match(count: int) -> str:
    return "matches" if count == 1 else "match"


def _count(count: int, rows: int) -> str:
    return f"{count:,} ({count / rows:.1%})" if count and rows else f"{count:,}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table: the first column to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in [head, *rows]
    ]
