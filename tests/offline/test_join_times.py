"""Times through the join: UTC whatever the form, the zone or the process."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from tests.offline.join_support import at, define, join_all, read_of, rows, temps

NEW_YORK = ZoneInfo("America/New_York")
KEYS = ("JFK", None)


def test_naive_is_utc(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(), rows((1, 1.0), (6, 6.0)))
    naive = [datetime(2013, 7, 1, 5, 59), datetime(2013, 7, 1, 6)]  # noqa: DTZ001 - that is the rule
    assert temps(join_all({"origin": ["JFK"] * 2, "t": naive}, read)) == [1.0, 6.0]


_UNDER_ANY_ZONE = """
import sys
from pathlib import Path
from datetime import datetime
import duckdb, pandas as pd, polars as pl
from tests.offline.join_support import at, define, join_all, read_of, rows, spine, temps
stored = [{"origin": "JFK", "time": at(hour), "temp": float(hour)} for hour in range(24)]
read = read_of(Path(sys.argv[1]), define(), stored)
naive = [datetime(2013, 7, 1, 5, 30), datetime(2013, 7, 1, 23, 59)]
text = ["2013-07-01T05:30", "2013-07-01 23:59:00"]
aware = ["2013-07-01T05:30Z", "2013-07-01T19:59-04:00"]
for times in (naive, text, aware, ["2013-07-01T05:30", "2013-07-01T19:59-04:00"]):
    frame = {"origin": ["JFK", "JFK"], "t": times}
    for given in (frame, pl.DataFrame(frame), pd.DataFrame(frame)):
        result = join_all(given, read)
        assert result.table["weather__temp"].to_pylist() == [5.0, 23.0], (times, type(given))
sql = "select 'JFK' origin, unnest([timestamp '2013-07-01 05:30', timestamp '2013-07-01 23:59']) t"
zoned = sql.replace("timestamp '2013", "timestamptz '2013").replace(":30'", ":30Z'").replace(":59'", ":59Z'")
for query in (sql, zoned):
    result = join_all(duckdb.sql(query), read)
    assert result.table["weather__temp"].to_pylist() == [5.0, 23.0], query
print(result.table.schema.field("t").type)
"""


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
def test_naive_is_utc_under_any_process_zone(tmp_path: Path, zone: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _UNDER_ANY_ZONE, str(tmp_path)],
        env={**os.environ, "TZ": zone, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "timestamp[us, tz=UTC]"


def test_mixed_time_zones(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(), rows((5, 5.0), (6, 6.0)))
    india = timezone(timedelta(hours=5, minutes=30))
    moments = [
        datetime(2013, 7, 1, 2, tzinfo=NEW_YORK),
        datetime(2013, 7, 1, 11, 29, tzinfo=india),
        at(6),
        "2013-07-01T06:00",
    ]
    kinds: list[list[Any]] = [moments, [str(moment) for moment in moments]]
    for times in kinds:
        result = join_all({"origin": ["JFK"] * 4, "t": times}, read)
        assert temps(result) == [6.0, 5.0, 6.0, 6.0]


def test_the_hour_that_a_zone_has_twice(tmp_path: Path) -> None:
    definition = define()
    stored = [
        {"origin": "JFK", "time": datetime(2013, 11, 3, hour, tzinfo=UTC), "temp": float(hour)} for hour in range(4, 9)
    ]
    read = read_of(tmp_path, definition, stored)
    first = datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK)
    for times in ([first, first.replace(fold=1)], [first, first.replace(fold=1), at(0)][:2]):
        assert temps(join_all({"origin": ["JFK"] * 2, "t": times}, read)) == [5.0, 6.0]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_times_of_every_unit(tmp_path: Path, unit: str, zone: str | None) -> None:
    read = read_of(tmp_path, define(), rows((1, 1.0), (2, 2.0)))
    times = pa.array([at(1), at(2), None], pa.timestamp("us", tz="UTC")).cast(pa.timestamp(unit, tz=zone))
    given = pa.table({"origin": ["JFK"] * 3, "t": times})
    assert temps(join_all(given, read)) == [1.0, 2.0, None]


def test_dates_are_midnight_utc(tmp_path: Path) -> None:
    stored = [{"origin": "JFK", "time": at(0, micros=micros), "temp": float(micros)} for micros in (-1, 0, 1)]
    read = read_of(tmp_path, define(), stored)
    for times in ([date(2013, 7, 1)], pa.array([date(2013, 7, 1)], pa.date64()), ["2013-07-01"]):
        assert temps(join_all({"origin": ["JFK"], "t": times}, read)) == [0.0]
