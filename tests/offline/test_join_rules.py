"""The rules of the point-in-time join, one test each. DESIGN.md is the text, these are its examples."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import RequestError
from featurestore.model import types as fs
from featurestore.offline import join as join_module
from tests.offline.join_support import at, define, join_all, read_of, rows, spine, temps

KEYS = ("JFK", None)


# ------------------------------------------------------------------------------------------------ one row per row


def test_rows_keep_the_spines_order_and_duplicates(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(), [*rows((1, 1.0), (2, 2.0)), *rows((1, 10.0), key="EWR")])
    given = {
        "origin": ["JFK", "EWR", "JFK", "XXX", "JFK"],
        "t": [at(3), at(2), at(1), at(2), at(3)],
        "label": [5, 4, 3, 2, 1],
    }
    result = join_all(given, read)
    assert result.table.column("label").to_pylist() == [5, 4, 3, 2, 1]
    assert temps(result) == [2.0, 10.0, 1.0, None, 2.0]


def test_spine_columns_come_back_untouched(tmp_path: Path) -> None:
    given = pa.table(
        {
            "origin": pa.array(["JFK"]).dictionary_encode(),
            "t": pa.array([at(2)], pa.timestamp("ms", tz="America/New_York")),
            "label": pa.array([2**53 + 1], pa.uint64()),
        },
        metadata={"made by": "somebody"},
    )
    result = join_all(given, read_of(tmp_path, define(), rows((1, 1.0))))
    assert result.table.schema.names == ["origin", "t", "label", "weather__temp"]
    assert result.table.select(["origin", "t", "label"]).equals(given)
    assert temps(result) == [1.0]


def test_empty_spine(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(created_time="made"), rows((1, 1.0), made=at(1)))
    result = join_all({"origin": [], "t": []}, read)
    assert result.table.num_rows == 0
    assert result.table.schema.field("weather__temp").type == pa.float64()
    assert result.reports[0].rows == result.reports[0].look_ahead == 0
    nothing: list[object] = [[], {}]
    for empty in nothing:
        assert join_all(empty, read, as_of="spine").table.schema.types == [
            pa.string(),
            pa.timestamp("us", tz="UTC"),
            pa.float64(),
        ]


@pytest.mark.parametrize("runs", [0, 1, 3])
def test_empty_view(tmp_path: Path, runs: int) -> None:
    read = read_of(tmp_path, define(features={"temp": fs.Float64, "tags": fs.List(fs.String)}), *([[]] * runs))
    result = join_all(spine(1, 2), read)
    assert temps(result) == [None, None]
    assert result.table.schema.field("weather__tags").type == pa.list_(pa.string())
    assert result.reports[0].not_found == 2


# --------------------------------------------------------------------------------------------------- which row wins


def test_the_newest_row_not_after_the_time_wins(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(), rows((1, 1.0), (2, 2.0), (3, 3.0)))
    given = {"origin": ["JFK"] * 4, "t": [at(1, micros=-1), at(1), at(3, micros=-1), at(9)]}
    assert temps(join_all(given, read)) == [None, 1.0, 2.0, 3.0]


def test_the_row_wins_even_if_its_value_is_null(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(defaults={"temp": 7.0}), rows((1, 1.0), (2, None)))
    result = join_all(spine(3), read)
    assert temps(result) == [None]
    assert result.reports[0].matched == 1


def test_other_keys_never_match(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(), rows((1, 1.0), key="jfk"), rows((1, 2.0), key="JFKX"), rows((1, 3.0), key=""))
    assert temps(join_all(spine(3), read)) == [None]
    assert temps(join_all(spine(3, key=""), read)) == [3.0]


def test_ties_go_to_the_latest_created(tmp_path: Path) -> None:
    definition = define(created_time="made")
    early, late = rows((1, 1.0), made=at(2)), rows((1, 2.0), made=at(3))
    for name, runs in {"one": [late + early], "a": [early, late], "b": [late, early]}.items():
        assert temps(join_all(spine(9), read_of(tmp_path / name, definition, *runs))) == [2.0]


def test_a_null_created_time_loses(tmp_path: Path) -> None:
    definition = define(created_time="made")
    undated, dated = rows((1, 1.0), made=None), rows((1, 2.0), made=datetime(1900, 1, 1, tzinfo=UTC))
    for name, runs in {"one": [dated + undated], "a": [undated, dated], "b": [dated, undated]}.items():
        assert temps(join_all(spine(9), read_of(tmp_path / name, definition, *runs))) == [2.0]


@pytest.mark.parametrize("made", [None, at(2)])
def test_then_the_row_materialized_last(tmp_path: Path, made: datetime | None) -> None:
    definition = define(created_time="made")
    first, second = rows((1, 1.0), made=made), rows((1, 2.0), made=made)
    assert temps(join_all(spine(9), read_of(tmp_path / "one", definition, first + second))) == [2.0]
    assert temps(join_all(spine(9), read_of(tmp_path / "two", definition, first, second))) == [2.0]
    assert temps(join_all(spine(9), read_of(tmp_path / "back", definition, second, first))) == [1.0]
    plain = define()
    assert temps(join_all(spine(9), read_of(tmp_path / "plain", plain, rows((1, 1.0), (1, 2.0))))) == [2.0]


def test_an_older_row_of_a_later_run_does_not_win(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(created_time="made"), rows((2, 2.0), made=at(2)), rows((1, 1.0), made=at(8)))
    assert temps(join_all(spine(9), read)) == [2.0]


def test_a_null_key_matches_nothing(tmp_path: Path) -> None:
    definition = define(keys={"origin": fs.String, "plane": fs.Int64})
    path = tmp_path / "run.parquet"
    stored = pa.table(
        {
            "origin": pa.array([None, "JFK", "JFK"]),
            "plane": pa.array([1, None, 1]),
            "time": pa.array([at(1)] * 3, pa.timestamp("us", tz="UTC")),
            "temp": [1.0, 2.0, 3.0],
        }
    )
    pq.write_table(stored, path)
    read = join_module.ViewRead(
        definition, (path,), (("origin", "origin"), ("plane", "plane")), (("temp", "weather__temp"),), "weather@v1"
    )
    given = {"origin": [None, "JFK", None, "JFK"], "plane": [1, None, None, 1], "t": [at(2)] * 4}
    result = join_all(given, read)
    assert temps(result) == [None, None, None, 3.0]
    assert result.reports[0].not_found == 3


def test_a_null_event_time_matches_nothing(tmp_path: Path) -> None:
    feature = define()
    dimension = define("plane", event_time=None)
    path = tmp_path / "run.parquet"
    times = pa.array([None, at(1)], pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"origin": ["JFK", "JFK"], "time": times, "temp": [1.0, 2.0]}), path)
    stored = join_module.ViewRead(feature, (path,), (("origin", "origin"),), (("temp", "weather__temp"),), "weather@v1")
    other = read_of(tmp_path, dimension, [{"origin": "JFK", "temp": 9.0}])
    result = join_all({"origin": ["JFK", "JFK"], "t": [None, at(2)]}, stored, other)
    assert temps(result) == [None, 2.0]
    assert temps(result, "plane__temp") == [None, 9.0]


# --------------------------------------------------------------------------------------------------------------- ttl


def test_a_ttl_longer_than_all_time_expires_nothing(tmp_path: Path) -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    stored = [{"origin": "JFK", "time": first, "temp": 1.0}]
    for days in (106_100_000, timedelta.max.days):
        read = read_of(tmp_path / str(days), define(ttl=timedelta(days=days)), stored)
        last = datetime(9999, 12, 31, tzinfo=UTC)
        assert temps(join_all({"origin": ["JFK"] * 2, "t": [first, last]}, read)) == [1.0, 1.0]


def test_ttl_is_inclusive(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(ttl=timedelta(hours=2)), rows((1, 1.0)))
    given = {"origin": ["JFK"] * 3, "t": [at(3), at(3, micros=1), at(3, micros=-1)]}
    result = join_all(given, read)
    assert temps(result) == [1.0, None, 1.0]
    assert (result.reports[0].matched, result.reports[0].expired, result.reports[0].not_found) == (2, 1, 0)


def test_a_ttl_of_zero_matches_the_same_moment(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(ttl=timedelta(0)), rows((1, 1.0)))
    assert temps(join_all({"origin": ["JFK"] * 2, "t": [at(1), at(1, micros=1)]}, read)) == [1.0, None]


def test_an_expired_match_is_null_and_never_an_older_row(tmp_path: Path) -> None:
    definition = define(ttl=timedelta(hours=1), created_time="made")
    read = read_of(tmp_path, definition, rows((1, 1.0), made=at(6)), rows((2, 2.0), made=at(1)))
    result = join_all(spine(5), read)
    assert temps(result) == [None]
    assert result.reports[0].expired == 1


def test_defaults_fill_not_found_and_expired_never_null(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(ttl=timedelta(hours=1), defaults={"temp": -1.0}), rows((1, 1.0), (2, None)))
    result = join_all({"origin": ["JFK"] * 4, "t": [at(0), at(1), at(2), at(9)]}, read)
    assert temps(result) == [-1.0, 1.0, None, -1.0]


# ------------------------------------------------------------------------------------------------------------- as of


def test_as_of_time(tmp_path: Path) -> None:
    definition = define(created_time="made")
    read = read_of(tmp_path, definition, rows((1, 1.0), made=at(2)), rows((1, 2.0), made=at(5)))
    assert temps(join_all(spine(9), read, as_of=at(5))) == [2.0]
    assert temps(join_all(spine(9), read, as_of=at(5, micros=-1))) == [1.0]
    assert temps(join_all(spine(9), read, as_of="2013-07-01T00:00")) == [None]
    assert temps(join_all(spine(9), read, as_of=datetime(2013, 7, 1, 5))) == [2.0]  # noqa: DTZ001 - naive is UTC


def test_as_of_spine(tmp_path: Path) -> None:
    definition = define(created_time="made")
    read = read_of(tmp_path, definition, rows((1, 1.0), made=at(2)) + rows((1, 2.0), made=at(5)))
    given = {"origin": ["JFK"] * 4, "t": [at(1), at(2), at(5, micros=-1), at(5)]}
    assert temps(join_all(given, read, as_of="spine")) == [None, 1.0, 1.0, 2.0]


def test_as_of_spine_a_late_old_row_does_not_hide_a_newer_one(tmp_path: Path) -> None:
    definition = define(created_time="made")
    late = rows((1, 1.0), made=at(5)) + rows((3, 3.0), made=at(3)) + rows((4, 4.0), made=at(8))
    read = read_of(tmp_path, definition, late + rows((1, 10.0), made=at(6), key="EWR"))
    assert temps(join_all(spine(2, 4, 6, 8), read, as_of="spine")) == [None, 3.0, 3.0, 4.0]
    assert temps(join_all(spine(5, 6, key="EWR"), read, as_of="spine")) == [None, 10.0]


@pytest.mark.parametrize("as_of", [at(9), "spine"])
def test_as_of_does_not_see_a_null_created_time(tmp_path: Path, as_of: datetime | str) -> None:
    read = read_of(tmp_path, define(created_time="made"), rows((1, 1.0), made=None))
    assert temps(join_all(spine(9), read, as_of=as_of)) == [None]
    assert temps(join_all(spine(9), read)) == [1.0]


@pytest.mark.parametrize("event_time", ["time", None])
def test_as_of_needs_a_created_time(tmp_path: Path, event_time: str | None) -> None:
    bare = read_of(tmp_path, define(event_time=event_time), [])
    dated = read_of(tmp_path, define("dated", created_time="made"), [])
    with pytest.raises(RequestError, match=r"weather@v1 has no created_time.*without as_of"):
        join_all(spine(9), dated, bare, as_of=at(9))


def test_look_ahead_is_counted(tmp_path: Path) -> None:
    definition = define(created_time="made", ttl=timedelta(hours=4))
    read = read_of(tmp_path, definition, rows((1, 1.0), made=at(3)) + rows((2, 2.0), made=None))
    given = {"origin": ["JFK"] * 5, "t": [at(1), at(1.5), at(2), at(9), None]}
    result = join_all(given, read)
    assert temps(result) == [1.0, 1.0, 2.0, None, None]
    assert result.reports[0].look_ahead == 2
    assert "weather@v1: 2 of 3 matched rows were created after" in str(result.report)
    assert join_all(given, read, as_of=at(9)).reports[0].look_ahead is None
    assert join_all(given, read, as_of="spine").reports[0].look_ahead is None
    assert join_all(given, read_of(tmp_path, define("bare"), rows((1, 1.0)))).reports[0].look_ahead is None


# -------------------------------------------------------------------------------------------------------- dimensions


def test_a_dimension_is_valid_always(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(event_time=None), [{"origin": "JFK", "temp": 1.0}, {"origin": "EWR", "temp": 2.0}])
    given = {"origin": ["EWR", "JFK", "XXX"], "t": [date(1, 1, 1), date(1900, 1, 1), date(2013, 1, 1)]}
    assert temps(join_all(given, read)) == [2.0, 1.0, None]


def test_a_dimension_needs_no_time_in_the_spine(tmp_path: Path) -> None:
    definition = define(event_time=None, created_time="made")
    stored = [{"origin": "JFK", "made": at(hour), "temp": hour} for hour in (1.0, 2.0)]
    read = read_of(tmp_path, definition, stored)
    assert temps(join_all({"origin": ["JFK", None]}, read)) == [2.0, None]
    assert temps(join_all({"origin": ["JFK"]}, read, as_of=at(1))) == [1.0]
    assert join_all({"origin": ["JFK"]}, read).reports[0].look_ahead is None
    with pytest.raises(RequestError, match="no time column 't'"):
        join_all({"origin": ["JFK"]}, read, as_of="spine")
    with pytest.raises(RequestError, match="no time column 't'"):
        join_all({"origin": ["JFK"]}, read, read_of(tmp_path, define("other"), []))


def test_a_dimensions_newest_row_wins(tmp_path: Path) -> None:
    dated = define(event_time=None, created_time="made")
    stored = [{"origin": "JFK", "made": made, "temp": temp} for made, temp in ((at(2), 2.0), (None, 9.0), (at(1), 1.0))]
    read = read_of(tmp_path, dated, stored)
    result = join_all(spine(1.5, 3), read)
    assert temps(result) == [2.0, 2.0]
    assert result.reports[0].look_ahead == 1
    assert temps(join_all(spine(0, 1.5, 3), read, as_of="spine")) == [None, 1.0, 2.0]
    before_1970 = {"origin": ["JFK"], "t": [datetime(1960, 1, 1, tzinfo=UTC)]}
    old = read_of(tmp_path / "old", dated, [{"origin": "JFK", "made": datetime(1950, 1, 1, tzinfo=UTC), "temp": 5.0}])
    assert temps(join_all(before_1970, old, as_of="spine")) == [5.0]
    plain = read_of(tmp_path, define("plain", event_time=None), [{"origin": "JFK", "temp": t} for t in (1.0, 2.0)])
    assert temps(join_all(spine(1), plain), "plain__temp") == [2.0]


# ---------------------------------------------------------------------------------------------------- several of them


def test_composite_keys(tmp_path: Path) -> None:
    definition = define(keys={"origin": fs.String, "day": fs.Date, "gate": fs.Int32}, features={"x": fs.Int64})
    days = [date(2013, 7, 1), date(2013, 7, 2)]
    stored = [
        {"origin": origin, "day": day, "gate": gate, "time": at(1), "x": 100 * place + 10 * n + gate}
        for place, origin in enumerate(("EWR", "JFK"))
        for n, day in enumerate(days)
        for gate in (1, 2)
        if (origin, gate) != ("EWR", 2)
    ]
    read = read_of(tmp_path, definition, stored)
    given = {
        "gate": pa.array([2, 1, 2, None, 3], pa.int8()),
        "day": [days[1], days[0], days[0], days[0], days[0]],
        "origin": ["JFK", "JFK", "EWR", "JFK", "JFK"],
        "t": [at(2)] * 5,
    }
    assert join_all(given, read).table.column("weather__x").to_pylist() == [112, 101, None, None, None]


def test_several_views_and_versions_at_once(tmp_path: Path) -> None:
    one = read_of(tmp_path, define(), rows((1, 1.0)), prefix="v1")
    two = read_of(tmp_path, define(ttl=timedelta(hours=1)), rows((1, 10.0), (2, 20.0)), prefix="v2")
    plane = define("plane", keys={"tail": fs.Int64}, features={"year": fs.Int32}, event_time=None)
    three = read_of(tmp_path, plane, [{"tail": 7, "year": 1999}])
    given = {"tail": [7, 8], "origin": ["JFK", "JFK"], "t": [at(2), at(4)]}
    result = join_all(given, one, three, two)
    assert result.table.column_names == ["tail", "origin", "t", "v1__temp", "plane__year", "v2__temp"]
    assert result.table.drop_columns(["tail", "origin", "t"]).to_pylist() == [
        {"v1__temp": 1.0, "plane__year": 1999, "v2__temp": 20.0},
        {"v1__temp": 1.0, "plane__year": None, "v2__temp": None},
    ]
    assert [(report.matched, report.expired) for report in result.reports] == [(2, 0), (1, 0), (1, 1)]


def test_one_view_joined_twice(tmp_path: Path) -> None:
    stored = rows((1, 1.0)) + rows((1, 2.0), key="LAX")
    origin = read_of(tmp_path, define(), stored, prefix="origin")
    dest = read_of(tmp_path, define(), stored, prefix="dest", on={"origin": "to"})
    given = {"origin": ["JFK", "LAX", "JFK"], "to": ["LAX", "JFK", None], "t": [at(2)] * 3}
    result = join_all(given, origin, dest)
    assert temps(result, "origin__temp") == [1.0, 2.0, 1.0]
    assert temps(result, "dest__temp") == [2.0, 1.0, None]


def test_one_feature_under_two_names_and_in_the_order_asked_for(tmp_path: Path) -> None:
    read = read_of(
        tmp_path, define(features={"a": fs.Int64, "b": fs.Int64}), [{"origin": "JFK", "time": at(1), "a": 1, "b": 2}]
    )
    read = join_module.ViewRead(read.definition, read.files, read.on, (("b", "x"), ("a", "y"), ("b", "z")), read.label)
    table = (
        join_module.Join([read], timestamp="t", as_of=None, order=["z", "y", "x"]).run(join_all(spine(2)).table).table
    )
    assert table.drop_columns(["origin", "t"]).to_pylist() == [{"z": 2, "y": 1, "x": 2}]


def test_feature_names_ending_in_y(tmp_path: Path) -> None:
    definition = define(features={"temp_y": fs.Float64, "temp_x": fs.Float64, "temp": fs.Float64})
    stored = [{"origin": "JFK", "time": at(1), "temp_y": 1.0, "temp_x": 2.0, "temp": 3.0}]
    given = {**spine(2), "temp": [8.0], "temp_y": [9.0]}
    result = join_all(given, read_of(tmp_path, definition, stored))
    assert result.table.drop_columns(["origin", "t"]).to_pylist() == [
        {"temp": 8.0, "temp_y": 9.0, "weather__temp_y": 1.0, "weather__temp_x": 2.0, "weather__temp": 3.0}
    ]
