"""How one feature's values differ between two snapshots, by their profiles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from featurestore.model.pins import Pin
    from featurestore.model.profile import ColumnProfile, Profile

__all__ = ["Measure", "measures", "profile_of"]

Measure = tuple[str, str, str]
"""What was measured, and its text before and after."""

_SHARES = ("nulls", "empties", "blanks", "nans", "infinities", "zeros", "negatives", "defaults")


def profile_of(connection: Connection, pin: Pin | None) -> Profile | None:
    """Return the profile of the rows that a pin holds, if one was taken."""
    if pin is None or pin.snapshot is None:
        return None
    return profiles.find(connection, "snapshot", pin.reference, pin.snapshot)


def measures(before: Profile | None, after: Profile | None, old: str, new: str) -> tuple[Measure, ...]:
    """Return what differs between column `old` of one profile and `new` of another, to four digits.

    Nothing where either was not taken.
    """
    left = None if before is None else before.column(old)
    right = None if after is None else after.column(new)
    if left is None or right is None:
        return ()
    known = dict(_measured(right))
    pairs = [(name, text, known.get(name, "-")) for name, text in _measured(left)]
    pairs += [(name, "-", text) for name, text in known.items() if name not in dict(_measured(left))]
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _measured(column: ColumnProfile) -> Iterator[tuple[str, str]]:
    for count in _SHARES:
        if getattr(column, count) is not None:
            yield count, f"{column.share(count):.2%}"
    if column.moments is not None and column.values:
        yield "mean", _told(column, column.moments.mean)
        if column.type not in {"Date", "Timestamp", "Bool"}:
            yield "deviation", f"{column.moments.deviation:.4g}"
    for end in ("least", "greatest"):
        value = getattr(column, end)
        if value is not None:
            yield end, _told(column, value)
    if column.distinct is not None:
        yield "distinct", f"{column.distinct.count:,}"


def _told(column: ColumnProfile, value: object) -> str:
    """Return a value as its column's type shows it."""
    if isinstance(value, (int, float)) and column.type in {"Date", "Timestamp"}:
        seconds = value * 86_400 if column.type == "Date" else value / 1_000_000
        when = datetime.fromtimestamp(seconds, UTC)
        return f"{when:%Y-%m-%d}" if column.type == "Date" else f"{when:%Y-%m-%d %H:%M:%SZ}"
    return f"{value:.4g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
