"""Times and durations at the boundary: text, numbers and zones in, UTC-aware datetimes out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from featurestore.errors import RequestError

__all__ = ["EPOCH", "Time", "from_micros", "parse_duration", "parse_time", "to_micros"]

Time = datetime | date | str
"""A datetime, ISO 8601 text, or a duration back from now such as `"14d"`."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d+)\s*([smhdw])")
_SUBMICROSECOND = re.compile(r"[.,]\d{6}\d*[1-9]")


def parse_duration(value: timedelta | str) -> timedelta:
    """Return a duration from a timedelta or text such as `"30m"`, `"6h"`, `"14d"`, `"2w"`.

    Raises
    ------
    RequestError
        If the text is not a number and one of the units s, m, h, d, w, or beyond what a timedelta holds.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        message = f"{value!r} is not a duration: write a number and a unit (s, m, h, d, w), for example '6h'."
        raise RequestError(message)
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        message = f"{value!r} is longer than a duration can be: write a smaller number."
        raise RequestError(message) from None


def parse_time(value: datetime | date | str, *, now: datetime | None = None, what: str = "time") -> datetime:
    """Return a UTC-aware datetime from a datetime, a date, ISO 8601 text, or a duration back from `now`.

    Naive times are taken as UTC, aware ones are converted.

    Raises
    ------
    RequestError
        If the value is no time, is finer than a microsecond, or is outside the years 1 to 9999 in UTC.
    """
    try:
        if isinstance(value, str):
            text = value.strip()
            if _DURATION.fullmatch(text):
                return (now or datetime.now(UTC)) - parse_duration(text)
            return _to_utc(_parse_iso(text, what), what)
        if isinstance(value, date) and value == value:  # noqa: PLR0124 - pandas.NaT is a datetime unequal to itself
            return _to_utc(value, what)
    except OverflowError:
        message = f"{what} {value!r} is outside the years 1 to 9999 in UTC: give one inside them."
        raise RequestError(message) from None
    message = f"{value!r} is not a {what}: give a datetime, ISO text or a duration back from now such as '14d'."
    raise RequestError(message)


def _parse_iso(text: str, what: str) -> datetime:
    if _SUBMICROSECOND.search(text):
        message = f"{what} {text!r} is finer than a microsecond, which would be lost: round it first."
        raise RequestError(message)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = (
            f"{text!r} is not a {what}: give a datetime, ISO text such as '2013-07-01T06:00', "
            "or a duration back from now such as '14d'."
        )
        raise RequestError(message) from None


def _to_utc(value: date, what: str) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if getattr(value, "nanosecond", 0):  # pandas.Timestamp is a datetime with nanoseconds
        message = f"{what} {value!r} is finer than a microsecond, which would be lost: round it first."
        raise RequestError(message)
    moment = datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_micros(moment: datetime) -> int:
    """Return the microseconds since 1970-01-01 UTC of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the UTC-aware datetime of microseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros)
