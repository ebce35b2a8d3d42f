"""A profile as text for people: what most asks are about, a line a column. The whole is in its JSON form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from featurestore.lineage.text import count, moment, outline, short, table
from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from featurestore.model.profile import ColumnProfile, Profile
    from featurestore.model.sketches import Scalar

__all__ = ["profile_text"]

_SHOWN = 24
_LEAST = 0.1
"""Percent below which a share is told as less."""

_TITLES = (
    "column",
    "type",
    "null",
    "empty",
    "zero",
    "distinct",
    "least",
    "median",
    "greatest",
    "mean",
    "most frequent",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def profile_text(profile: Profile) -> str:
    """Return the text form of a profile."""
    return outline(
        f"{profile.kind} {profile.name} {short(profile.id)}: {count(profile.rows, 'row')}",
        _rows(profile),
        table(_TITLES, [_line(column, column.rows) for column in profile.columns]),
        [line for column in profile.columns for line in _notes(column)],
        [f"  inexact: {reason}" for reason in profile.inexact],
    )


def _rows(profile: Profile) -> list[str]:
    lines = []
    if profile.first is not None and profile.last is not None:
        lines.append(
            f"  {profile.event_time}: {moment(from_micros(profile.first))} to {moment(from_micros(profile.last))}"
        )
    if profile.volume is not None and len(profile.volume.windows) > 1:
        rows = sorted(rows for _, rows in profile.volume.windows)
        lines.append(
            f"  rows per {timedelta(microseconds=profile.volume.width)}: {rows[0]:,} to {rows[-1]:,}, "
            f"median {rows[len(rows) // 2]:,}, in {len(rows):,} windows"
        )
    if profile.entities is not None:
        about = "" if profile.entities.exact else "about "
        lines.append(f"  keys: {about}{profile.entities.count:,} distinct")
    if profile.repeated:
        lines.append(f"  {count(profile.repeated, 'row')} with the key and time of another")
    if profile.looked is not None:
        lines.append(f"  columns are told of an even sample of {count(profile.looked, 'row')}")
    lines += [f"  {count(rows, 'row')} left out: {reason}" for reason, rows in profile.dropped]
    return lines


def _line(column: ColumnProfile, rows: int) -> tuple[str, ...]:
    moments, histogram = column.moments, column.histogram
    numbers = moments is not None and histogram is not None and moments.count > 0
    least = _value(column, column.least)
    distinct = "-" if column.distinct is None else ("" if column.distinct.exact else "~") + f"{column.distinct.count:,}"
    top = column.top.values[0] if column.top is not None and column.top.values else None
    frequent = "-" if top is None else f"{_value(column, top[0])} ({_share(top[1], rows)})"
    return (
        column.name,
        column.type,
        _share(column.nulls, rows),
        "-" if column.empties is None else _share(column.empties, rows),
        "-" if column.zeros is None else _share(column.zeros, rows),
        distinct,
        least,
        _value(column, histogram.quantile(0.5)) if numbers and histogram is not None else "-",
        _value(column, column.greatest),
        _value(column, moments.mean) if numbers and moments is not None else "-",
        frequent,
    )


def _notes(column: ColumnProfile) -> list[str]:
    """Return what is unusual enough to be told, where there is any of it."""
    counts = {"blank": column.blanks, "NaN": column.nans, "infinite": column.infinities, "default": column.defaults}
    if column.text is not None:
        counts |= {
            "with white space around": column.text.padded,
            "beyond ASCII": column.text.non_ascii,
            "with U+FFFD": column.text.replacement,
            "read in a wrong encoding": column.text.mojibake,
        }
    told = [f"{rows:,} {what}" for what, rows in counts.items() if rows]
    return [f"  {column.name}: {', '.join(told)}"] if told else []


def _share(rows: int, total: int) -> str:
    if not rows or not total:
        return "0"
    share = 100 * rows / total
    return f"{share:.1f}%" if rows == total or _LEAST <= share <= 100 - _LEAST else "<0.1%" if share < 1 else ">99.9%"


def _value(column: ColumnProfile, value: Scalar | None) -> str:
    if value is None:
        return "-"
    if column.type in {"Timestamp", "Date"} and isinstance(value, (int, float)):
        step = timedelta(microseconds=1) if column.type == "Timestamp" else timedelta(days=1)
        try:
            return (_EPOCH + value * step).strftime("%Y-%m-%d %H:%M:%S" if column.type == "Timestamp" else "%Y-%m-%d")
        except OverflowError:
            return str(value)
    if isinstance(value, str):
        return repr(value[:_SHOWN])[1:-1] or "''"
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else f"{value:,}"
    )
