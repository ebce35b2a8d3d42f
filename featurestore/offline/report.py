"""What a join says about its result: how many rows matched, and what deserves a second look."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What a training frame's join says about it; its text is a table and the warnings.

    Attributes
    ----------
    rows
        Rows of the frame.
    reads
        One for each feature version and set of columns joined on.
    nulls
        `(column, nulls in it)` of every feature column, in order.
    """

    rows: int
    reads: tuple[ReadReport, ...]
    nulls: tuple[tuple[str, int], ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What deserves a second look, one sentence each."""
        found = []
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
