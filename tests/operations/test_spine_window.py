"""A date range instead of a spine: the view's own rows in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from featurestore.offline import blocks
from tests.operations.conftest import AIRPORT, ViewMaker, hour, weather


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view()])
    store.materialize("airport_weather", end=hour(20))
    store.materialize("airport_weather", start=hour(20))
    return store


def test_the_rows_of_the_view_in_range(ready: fs.FeatureStore) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], start=hour(19), end=hour(22))
    expected = (
        weather(range(19, 22))
        .sort("time_hour", "origin")
        .select(
            "origin",
            event_timestamp="time_hour",
            airport_weather__temp="temp",
            airport_weather__wind="wind",
        )
    )
    assert frame.to_polars().equals(expected)
    assert frame.schema.field("event_timestamp").type == pa.timestamp("us", tz="UTC")
    assert frame.report.reads[0].matched == 6
    assert frame.report.warnings == ()
    again = ready.get_training_frame(frame.pins)
    assert (again.id, again.to_arrow()) == (frame.id, frame.to_arrow())
    given = ready.get_training_frame(["airport_weather@v1"], frame.to_arrow().select(["origin", "event_timestamp"]))
    assert given.id == frame.id


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        (None, hour(3), 6),
        (hour(45), None, 6),
        ("2013-07-01", "2013-07-02", 48),
        ("2013-07-01T01:00+01:00", "2013-07-01T01:00", 2),
        (hour(1) + timedelta(microseconds=1), hour(2), 0),
        (hour(100), None, 0),
        (None, hour(-5), 0),
    ],
)
def test_the_window_is_half_open_and_either_end_may_be(
    ready: fs.FeatureStore,
    start: datetime | str | None,
    end: datetime | str | None,
    rows: int,
) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], start=start, end=end)
    assert len(frame) == frame.to_arrow().num_rows == rows
    assert frame.columns[:2] == ("origin", "event_timestamp")
    assert any("the view has none between start and end" in text for text in frame.report.warnings) == (rows == 0)


def test_names_are_those_of_the_request(ready: fs.FeatureStore) -> None:
    frame = ready.get_training_frame(
        ["airport_weather@v1:temp on origin=from as temp"], timestamp="when", start=hour(0), end=hour(1)
    )
    assert frame.columns == ("from", "when", "temp")
    assert frame.to_arrow().column("temp").to_pylist() == [20.0, 30.0]
    with pytest.raises(fs.CollisionError, match="'when', as a join key is"):
        ready.get_training_frame(["airport_weather@v1:temp on origin=when"], timestamp="when", start=hour(0))
    with pytest.raises(fs.CollisionError, match="'event_timestamp', which the spine already has"):
        ready.get_training_frame(["airport_weather@v1:temp as event_timestamp"], start=hour(0))


def test_rows_that_differ_in_created_time_only_are_one(store: fs.FeatureStore, folder: Path) -> None:
    rows = [
        {"carrier": "B6", "origin": "JFK", "at": hour(1), "made": hour(2), "x": 1},
        {"carrier": "B6", "origin": "JFK", "at": hour(1), "made": hour(4), "x": 2},
        {"carrier": "AA", "origin": "JFK", "at": hour(1), "made": hour(2), "x": 3},
        {"carrier": "AA", "origin": "JFK", "at": hour(0), "made": hour(2), "x": 4},
    ]
    pl.DataFrame(rows).write_parquet(folder / "routes.parquet")
    route = fs.Entity("route", keys={"origin": fs.String, "carrier": fs.String})
    source = fs.ParquetSource("routes", path="routes.parquet")
    store.apply([fs.FeatureView("routes", entity=route, source=source, event_time="at", created_time="made")])
    store.materialize("routes")
    frame = store.get_training_frame(["routes@v1"], start=hour(0))
    assert frame.to_polars().rows() == [
        ("JFK", "AA", hour(0), 4),
        ("JFK", "AA", hour(1), 3),
        ("JFK", "B6", hour(1), 2),
    ]


def test_other_views_are_joined_to_them(ready: fs.FeatureStore, folder: Path) -> None:
    pl.DataFrame({"origin": ["JFK"], "lat": [40.6]}).write_parquet(folder / "airports.parquet")
    pl.DataFrame({"tail": ["N1"], "at": [hour(0)], "seats": [9]}).write_parquet(folder / "planes.parquet")
    dimension = fs.FeatureView("airport", entity=AIRPORT, source=fs.ParquetSource("airports", path="airports.parquet"))
    planes = fs.FeatureView(
        "planes",
        entity=fs.Entity("plane", keys={"tail": fs.String}),
        source=fs.ParquetSource("planes", path="planes.parquet"),
        event_time="at",
    )
    ready.apply([dimension, planes])
    ready.materialize("airport")
    ready.materialize("planes")
    frame = ready.get_training_frame(["airport_weather@v1:temp", "airport@v1"], start=hour(0), end=hour(1))
    assert frame.to_polars().select("airport_weather__temp", "airport__lat").rows() == [(20.0, 40.6), (30.0, None)]
    with pytest.raises(fs.RequestError, match="'airport' is a dimension, so it has no rows between start and end"):
        ready.get_training_frame(["airport@v1", "airport_weather@v1:temp"], start=hour(0))
    with pytest.raises(fs.RequestError, match=r"planes@v1 is joined on 'tail', .* airport_weather@v1, named first"):
        ready.get_training_frame(["airport_weather@v1", "planes@v1"], start=hour(0))


def test_what_is_no_window(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    for start, end in ((hour(2), hour(2)), (hour(3), hour(2))):
        with pytest.raises(fs.RequestError, match="is not before end"):
            ready.get_training_frame(["airport_weather@v1"], start=start, end=end)
    with pytest.raises(fs.RequestError, match="'soon' is not a start"):
        ready.get_training_frame(["airport_weather@v1"], start="soon")
    with pytest.raises(fs.RequestError, match="start and end stand for a spine"):
        ready.get_training_frame(["airport_weather@v1"], spine, end=hour(2))
    with pytest.raises(fs.RequestError, match=r"give spine=, .* or start= and end="):
        ready.get_training_frame(["airport_weather@v1"])


def test_pins_give_new_rows_by_a_window(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    pins = ready.get_training_frame(["airport_weather@v1"], spine).pins
    frame = ready.get_training_frame(pins, start=hour(0), end=hour(1))
    assert len(frame) == 2
    assert frame.pins.pins == pins.pins


def test_a_view_without_rows_has_none_in_any_window(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    store.materialize("airport_weather", start=datetime(1999, 1, 1), end=datetime(1999, 1, 2))  # noqa: DTZ001 - naive times are UTC
    frame = store.get_training_frame(["airport_weather@v1"], start=hour(0))
    assert (len(frame), frame.to_arrow().num_rows) == (0, 0)


def test_a_long_window_streams_and_a_store_may_be_only_read(
    ready: fs.FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    expected = ready.get_training_frame(["airport_weather@v1"], start=hour(3), end=hour(9))
    told: list[tuple[str, int, int | None]] = []
    with fs.open_store(ready.root, read_only=True) as store:
        store.report_progress(lambda what, done, total: told.append((what, done, total)))
        frame = store.get_training_frame(["airport_weather@v1"], start=hour(3), end=hour(9))
        assert frame.id == expected.id
        assert told == [("read the spine", done, None) for done in (5, 10, 12)]
        path = frame.write_parquet(folder / "frame.parquet")
    assert pq.read_table(path) == expected.to_arrow()
