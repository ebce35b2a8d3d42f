"""Times and durations at the boundary: text, numbers and zones in, UTC-aware datetimes out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from featurestore.errors import RequestError

__all__ = ["EPOCH", "from_micros", "parse_duration", "parse_time", "to_micros"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d+)\s*([smhdw])")
_SUBMICROSECOND = re.compile(r"\.\d{6}\d*[1-9]")


def parse_duration(value: timedelta | str) -> timedelta:
    """Return a duration from a timedelta or text such as `"30m"`, `"6h"`, `"14d"`, `"2w"`.

    Raises
    ------
    RequestError
        If the text is not a number and one of the units s, m, h, d, w.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        message = f"{value!r} is not a duration: write a number and a unit (s, m, h, d, w), for example '6h'."
        raise RequestError(message)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_time(value: datetime | date | str, *, now: datetime | None = None, what: str = "time") -> datetime:
    """Return a UTC-aware datetime from a datetime, a date, ISO 8601 text, or a duration back from `now`.

    Naive times are taken as UTC, aware ones are converted.

    Raises
    ------
    RequestError
        If the value is no time, or is finer than a microsecond.
    """
    if isinstance(value, str):
        text = value.strip()
        if _DURATION.fullmatch(text):
            return (now or datetime.now(UTC)) - parse_duration(text)
        if _SUBMICROSECOND.search(text):
            message = f"{what} {value!r} is finer than a microsecond, which would be lost: round it first."
            raise RequestError(message)
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            message = (
                f"{value!r} is not a {what}: give a datetime, ISO text such as '2013-07-01T06:00', "
                "or a duration back from now such as '14d'."
            )
            raise RequestError(message) from None
    if isinstance(value, datetime):
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
        ).replace(fold=value.fold)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    message = f"{value!r} is not a {what}: give a datetime, ISO text or a duration back from now such as '14d'."
    raise RequestError(message)


def to_micros(moment: datetime) -> int:
    """Return the microseconds since 1970-01-01 UTC of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the UTC-aware datetime of microseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros)
