"""Spines without times: the newest values at one moment, which is pinned."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from featurestore.offline import blocks
from tests.operations.conftest import AIRPORT, ViewMaker, hour, weather

SPINE: dict[str, list[Any]] = {"origin": ["JFK", "LGA", None, "EWR"], "label": [1, 2, 3, 4]}
NEWEST = [20.0 + 47 / 4, 30.0 + 47 / 4, None, None]


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view(ttl=None)])
    store.materialize("airport_weather")
    return store


def test_without_times_every_row_gets_the_newest_values(ready: fs.FeatureStore) -> None:
    before = datetime.now(UTC)
    frame = ready.get_training_frame(["airport_weather@v1:temp"], SPINE)
    assert frame.pins.at is not None
    assert before <= frame.pins.at <= datetime.now(UTC)
    assert frame.columns == ("origin", "label", "airport_weather__temp")
    assert frame.to_arrow().column("airport_weather__temp").to_pylist() == NEWEST
    assert frame.report.at == frame.pins.at
    assert frame.report.warnings == (
        f"no time column: every row got the newest values at {frame.pins.at.isoformat()}.",
        "1 row of the spine has no 'origin' and matches nothing that is joined on it.",
    )
    assert "warning: no time column" in str(frame.report)


def test_the_moment_is_pinned(ready: fs.FeatureStore, folder: Path) -> None:
    frame = ready.get_training_frame(["airport_weather@v1:temp"], SPINE)
    text = frame.pins.save(folder / "delay.lock").read_text()
    assert frame.pins.at is not None
    assert f'at = "{frame.pins.at.isoformat()}"' in text.splitlines()
    ready.register_model("delay", version="1", frame=frame)
    later = weather(range(48, 60)).with_columns(pl.col("temp") + 100)
    later.write_parquet(folder / "weather" / "1.parquet")
    ready.materialize("airport_weather@v1")
    for pins in (frame.pins, str(folder / "delay.lock"), "delay@1", frame):
        again = ready.get_training_frame(pins)
        assert (again.id, again.to_arrow()) == (frame.id, frame.to_arrow())
    assert ready.frame(frame.id).report == frame.report
    newer = ready.get_training_frame(frame.pins.versions, SPINE)
    assert newer.pins.at != frame.pins.at
    assert newer.to_arrow().column("airport_weather__temp").to_pylist()[0] == 20.0 + 59 / 4 + 100
    other = ready.get_training_frame(frame.pins, {"origin": ["LGA"]})
    assert (other.pins.at, other.to_arrow().column(1).to_pylist()) == (frame.pins.at, NEWEST[1:2])
    assert str(ready.trained_on("delay@1")).count(f"no times: the newest values at {frame.pins.at.isoformat()}") == 1


def test_as_of_is_the_moment(ready: fs.FeatureStore) -> None:
    frame = ready.get_training_frame(["airport_weather@v1:temp"], SPINE, as_of=hour(5) + timedelta(minutes=30))
    assert frame.pins.at == frame.pins.as_of == hour(5) + timedelta(minutes=30)
    assert frame.to_arrow().column("airport_weather__temp").to_pylist() == [21.25, 31.25, None, None]
    assert ready.get_training_frame(frame.pins).to_arrow() == frame.to_arrow()
    moved = ready.get_training_frame(frame.pins, as_of=hour(6))
    assert moved.pins.at == hour(6)
    assert moved.to_arrow().column("airport_weather__temp").to_pylist()[0] == 21.5
    spine = {**SPINE, "event_timestamp": [hour(5) + timedelta(minutes=30)] * 4}
    timed = ready.get_training_frame(["airport_weather@v1:temp"], spine)
    assert timed.to_arrow().column("airport_weather__temp") == frame.to_arrow().column("airport_weather__temp")
    assert timed.pins.at is None


def test_as_of_hides_rows_that_were_not_known(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    rows = [
        {"origin": "JFK", "at": hour(1), "made": hour(2), "x": 1},
        {"origin": "JFK", "at": hour(3), "made": hour(9), "x": 2},
    ]
    pl.DataFrame(rows).write_parquet(folder / "late.parquet")
    late = fs.FeatureView(
        "late",
        entity=AIRPORT,
        source=fs.ParquetSource("late", path="late.parquet"),
        event_time="at",
        created_time="made",
    )
    store.apply([view(ttl=None), late])
    store.materialize("late")
    store.materialize("airport_weather")
    for moment, expected in ((hour(4), 1), (hour(9), 2), (hour(1), None)):
        frame = store.get_training_frame(["late@v1", "airport_weather@v1:temp"], {"origin": ["JFK"]}, as_of=moment)
        assert frame.to_arrow().column("late__x").to_pylist() == [expected]
        assert frame.to_arrow().column("airport_weather__temp").null_count == 0
    assert store.get_training_frame(["late@v1"], {"origin": ["JFK"]}).report.reads[0].look_ahead == 0
    with pytest.raises(fs.RequestError, match="no time column 'event_timestamp'"):
        store.get_training_frame(["late@v1"], {"origin": ["JFK"]}, as_of="spine")


@pytest.mark.parametrize(
    ("times", "named"),
    [
        ({"time_hour": [hour(1)]}, 'timestamp="time_hour"'),
        ({"day": [date(2013, 7, 1)]}, 'timestamp="day"'),
        ({"a": [hour(1)], "b": [None], "c": [hour(2)]}, 'timestamp="a" or timestamp="c"'),
        ({"kept": pa.array([hour(1)]).dictionary_encode()}, 'timestamp="kept"'),
    ],
)
def test_times_under_another_name_are_never_passed_over(
    ready: fs.FeatureStore, times: dict[str, list[object]], named: str
) -> None:
    with pytest.raises(fs.RequestError, match=f"no time column 'event_timestamp'.* holds the time: {named}"):
        ready.get_training_frame(["airport_weather@v1:temp"], {"origin": ["JFK"], **times})


@pytest.mark.parametrize("timestamp", ["when", "event_timestamp"])
def test_a_time_column_that_was_named_must_be_there(ready: fs.FeatureStore, timestamp: str) -> None:
    with pytest.raises(fs.RequestError, match=f"no time column '{timestamp}'"):
        ready.get_training_frame(["airport_weather@v1:temp"], SPINE, timestamp=timestamp)
    pins = ready.get_training_frame(
        ["airport_weather@v1:temp"], {"origin": ["JFK"], "when": [hour(1)]}, timestamp="when"
    ).pins
    with pytest.raises(fs.RequestError, match="no time column 'when'"):
        ready.get_training_frame(pins.versions, SPINE)


def test_dimensions_need_no_moment(store: fs.FeatureStore, folder: Path) -> None:
    pl.DataFrame({"origin": ["JFK"], "lat": [40.6]}).write_parquet(folder / "airports.parquet")
    source = fs.ParquetSource("airports", path="airports.parquet")
    store.apply([fs.FeatureView("airport", entity=AIRPORT, source=source)])
    store.materialize("airport")
    frame = store.get_training_frame(["airport@v1"], SPINE)
    assert frame.pins.at is None
    assert frame.to_arrow().column("airport__lat").to_pylist() == [40.6, None, None, None]
    assert not any("newest" in warning for warning in frame.report.warnings)
    asked = store.get_training_frame(["airport@v1"], SPINE, as_of=hour(1))
    assert asked.pins.at == hour(1)
    assert asked.to_arrow() == frame.to_arrow()
    with pytest.raises(fs.RequestError):
        store.get_training_frame(["airport@v1"], SPINE, as_of="spine")


def test_a_long_spine_without_times_streams(
    ready: fs.FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 3)
    pq.write_table(pa.table(SPINE), folder / "spine.parquet")
    frame = ready.get_training_frame(["airport_weather@v1:temp"], folder / "spine.parquet", as_of=hour(80))
    memory = ready.get_training_frame(["airport_weather@v1:temp"], SPINE, as_of=hour(80))
    assert (frame.id, frame.report) == (memory.id, memory.report)
    assert pq.read_table(frame.write_parquet(folder / "frame.parquet")) == memory.to_arrow()
    assert memory.to_arrow().column("airport_weather__temp").to_pylist() == NEWEST
