"""Times and durations: everything becomes UTC, nothing loses precision in silence."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import RequestError
from featurestore.model.times import EPOCH, from_micros, parse_duration, parse_time, to_micros

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("6h", timedelta(hours=6)),
        ("14d", timedelta(days=14)),
        (" 2 w ", timedelta(weeks=2)),
        ("0s", timedelta(0)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@given(st.timedeltas())
def test_a_timedelta_is_a_duration_as_it_is(duration: timedelta) -> None:
    assert parse_duration(duration) is duration


@pytest.mark.parametrize("value", ["", "d", "14", "14 days", "-1d", "1.5h", "1h30m", "6H", "1y", 6, 1.5, None])
def test_what_is_no_duration_says_what_is(value: str) -> None:
    with pytest.raises(RequestError, match=r"is not a duration: write a number and a unit \(s, m, h, d, w\)"):
        parse_duration(value)


@pytest.mark.parametrize("text", ["99999999999d", "9" * 400 + "s"])
def test_a_duration_beyond_the_calendar_is_an_error(text: str) -> None:
    with pytest.raises(RequestError, match="longer than"):
        parse_duration(text)
    with pytest.raises(RequestError, match="longer than"):
        parse_time(text)


def test_a_duration_is_that_long_back_from_now() -> None:
    assert parse_time("14d", now=NOON) == NOON - timedelta(days=14)
    before = datetime.now(UTC)
    assert before - timedelta(hours=1) <= parse_time("1h") <= datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    "value",
    [
        "2013-07-01T12:00",
        "2013-07-01 12:00:00",
        " 2013-07-01T12:00:00.000000 ",
        "2013-07-01T12:00:00Z",
        "2013-07-01T12:00:00+00:00",
        "2013-07-01T08:00:00-04:00",
        "2013-07-01T17:45:00.000000000+05:45",
        "20130701T120000Z",
        datetime(2013, 7, 1, 12),  # noqa: DTZ001 - naive on purpose
        datetime(2013, 7, 1, 8, tzinfo=NEW_YORK),
        datetime(2013, 7, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        pd.Timestamp("2013-07-01T12:00"),
        pd.Timestamp("2013-07-01T08:00", tz="America/New_York"),
    ],
)
def test_one_moment_in_many_forms(value: datetime | str) -> None:
    moment = parse_time(value)
    assert moment == NOON
    assert moment.tzinfo is UTC
    assert type(moment) is datetime


def test_a_date_is_its_midnight_in_utc() -> None:
    midnight = datetime(2013, 7, 1, tzinfo=UTC)
    assert parse_time(date(2013, 7, 1)) == parse_time("2013-07-01") == midnight


def test_both_readings_of_a_repeated_hour() -> None:
    first = datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK)
    assert parse_time(first) == datetime(2013, 11, 3, 5, 30, tzinfo=UTC)
    assert parse_time(first.replace(fold=1)) == datetime(2013, 11, 3, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_the_zone_of_the_process_never_matters(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert parse_time("2013-07-01T12:00") == NOON
        assert parse_time(datetime(2013, 7, 1, 12)) == NOON  # noqa: DTZ001 - naive on purpose
        assert to_micros(NOON) == 1_372_680_000_000_000
    finally:
        monkeypatch.undo()
        assert os.environ.get("TZ") == before
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        "2013-07-01T12:00:00.0000001",
        "2013-07-01T12:00:00,0000001",
        "2013-07-01T12:00:00.123456789",
        "2013-07-01T12:00:00.123456700+02:00",
        pd.Timestamp("2013-07-01T12:00:00.123456789"),
        pd.Timestamp("2013-07-01T12:00:00.000000001", tz="UTC"),
    ],
)
def test_finer_than_a_microsecond_is_refused(value: datetime | str) -> None:
    with pytest.raises(RequestError, match="finer than a microsecond, which would be lost: round it first"):
        parse_time(value)


def test_digits_that_lose_nothing_are_accepted() -> None:
    expected = NOON + timedelta(microseconds=123_450)
    assert parse_time("2013-07-01T12:00:00.123450000") == expected
    assert parse_time("2013-07-01T12:00:00,12345") == expected
    assert parse_time(pd.Timestamp("2013-07-01T12:00:00.123450000")) == expected


@pytest.mark.parametrize("value", ["", "yesterday", "2013-13-01", "12:00", "2013-07-01T25:00", 5, 1.5, None, pd.NaT])
def test_what_is_no_time_says_what_is(value: str) -> None:
    with pytest.raises(RequestError, match=r"is not a start: give a datetime, ISO text.* '14d'"):
        parse_time(value, what="start")


@pytest.mark.parametrize("value", ["0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "999999d"])
def test_a_moment_that_utc_cannot_tell_is_an_error(value: str) -> None:
    with pytest.raises(RequestError, match="outside the years 1 to 9999"):
        parse_time(value)


@given(st.datetimes())
def test_micros_lose_nothing(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert from_micros(to_micros(moment)) == moment
    assert parse_time(moment.isoformat()) == moment
    assert parse_time(naive) == moment


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - bounds are naive
def test_aware_times_are_converted(moment: datetime) -> None:
    assert parse_time(moment) == moment.astimezone(UTC)
    assert from_micros(to_micros(moment.astimezone(UTC))) == moment.astimezone(UTC)


def test_the_epoch_is_zero() -> None:
    assert to_micros(EPOCH) == 0
    assert to_micros(EPOCH - timedelta(microseconds=1)) == -1
    assert from_micros(-1) == EPOCH - timedelta(microseconds=1)
