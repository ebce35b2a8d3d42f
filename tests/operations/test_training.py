"""Training frames: pinned, recorded, and had again bit for bit."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from tests.operations.conftest import AIRPORT, ViewMaker, hour, weather


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view()])
    store.materialize("airport_weather")
    return store


def test_a_frame_keeps_the_spine_and_adds_columns(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], spine)
    table = frame.to_polars()
    assert table.columns == [*spine.columns, "airport_weather__temp", "airport_weather__wind"]
    assert table.select(spine.columns).equals(spine)
    assert table["airport_weather__temp"].to_list() == [21.25, 31.75, 21.75, None, None]
    assert frame.feature_columns == ("airport_weather__temp", "airport_weather__wind")


def test_pins_give_the_same_rows_again(
    ready: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame, folder: Path
) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], spine)
    frame.pins.save(folder / "delay.lock")
    changed = weather().with_columns(pl.col("temp") + 1)
    changed.write_parquet(folder / "weather" / "0.parquet")
    ready.apply([view("wind * 2")])
    ready.materialize("airport_weather@v1")
    ready.materialize("airport_weather@v2")
    ready.register_model("delay", version="1", frame=frame)
    for pins in (frame.pins, fs.PinSet.load(folder / "delay.lock"), str(folder / "delay.lock"), "delay@1", frame):
        again = ready.get_training_frame(pins)
        assert again.to_arrow().equals(frame.to_arrow())
        assert again.id == frame.id
    assert ready.frame(frame.id).to_arrow().equals(frame.to_arrow())
    newer = ready.get_training_frame(frame.pins.versions, spine)
    assert newer.to_polars()["airport_weather__temp"].to_list() == [22.25, 32.75, 22.75, None, None]


def test_the_lock_file_round_trips_and_reads_well(ready: fs.FeatureStore, spine: pl.DataFrame, folder: Path) -> None:
    pins = ready.get_training_frame(["airport_weather@v1:temp on origin=origin as heat"], spine).pins
    text = pins.save(folder / "a.lock").read_text()
    assert fs.PinSet.load(folder / "a.lock") == pins
    assert 'heat = "airport_weather@v1:temp on origin=origin"' in text.splitlines()
    assert "[versions]" in text


def test_missing_pinned_rows_are_an_error(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], spine)
    for file in ready.snapshots("airport_weather")[0].files:
        (ready.root / file.path).unlink()
    with pytest.raises(fs.CorruptError, match="missing"):
        ready.get_training_frame(frame.pins)


def test_several_versions_of_one_feature_at_once(ready: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> None:
    ready.apply([view("wind * 2")])
    ready.materialize("airport_weather@v2")
    ready.activate("airport_weather@v1", reason="first")
    names = ["airport_weather@v1:wind", "airport_weather@v2:wind", "airport_weather:wind"]
    frame = ready.get_training_frame(names, spine).to_polars()
    assert frame.columns[3:] == ["airport_weather__wind__v1", "airport_weather__wind__v2", "airport_weather__wind"]
    one, two, three = (frame[name].to_list() for name in frame.columns[3:])
    assert two == [None if value is None else 2 * value for value in one]
    assert three == one


def test_a_version_by_its_fingerprint(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    fingerprint = ready.version("airport_weather").fingerprint[:8]
    frame = ready.get_training_frame([f"airport_weather@{fingerprint}:temp"], spine)
    assert frame.pins.columns[0][1] == ready.get_training_frame(["airport_weather@v1:temp"], spine).pins.columns[0][1]


def test_one_view_joined_twice_on_different_columns(store: fs.FeatureStore, folder: Path) -> None:
    pl.DataFrame({"faa": ["JFK", "LAX"], "lat": [40.6, 33.9]}).write_parquet(folder / "airports.parquet")
    airports = fs.FeatureView(
        "airport",
        entity=fs.Entity("airport", keys={"faa": fs.String}),
        source=fs.ParquetSource("airports", path="airports.parquet"),
    )
    store.apply([airports])
    store.materialize("airport")
    trips = pl.DataFrame({"origin": ["JFK"], "dest": ["LAX"]})
    references = ["airport@v1:lat on faa=origin as origin_lat", "airport@v1 on faa=dest as dest"]
    frame = store.get_training_frame(references, trips)
    assert frame.to_polars().select("origin_lat", "dest__lat").rows() == [(40.6, 33.9)]
    store.publish("airport@v1")
    answer = store.get_online_features(references, entities={"origin": ["JFK"], "dest": ["LAX"]})
    assert answer.to_dict() == {"origin_lat": [40.6], "dest__lat": [33.9]}
    with pytest.raises(fs.CollisionError, match="as name"):
        store.get_training_frame(["airport@v1 on faa=origin", "airport@v1 on faa=dest"], trips)


def test_collisions_are_errors_before_work_starts(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    taken = spine.with_columns(airport_weather__temp=1)
    with pytest.raises(fs.CollisionError, match="as name"):
        ready.get_training_frame(["airport_weather@v1:temp"], taken)
    with pytest.raises(fs.CollisionError):
        ready.get_training_frame(["airport_weather@v1:temp", "airport_weather@v1:temp"], spine)


@pytest.mark.parametrize(
    ("reference", "error", "says"),
    [
        ("airport_wether@v1:temp", fs.NotFoundError, "Did you mean 'airport_weather'"),
        ("airport_weather@v7:temp", fs.NotFoundError, "no version v7"),
        ("airport_weather@v1:tmp", fs.NotFoundError, "Did you mean 'temp'"),
        ("airport_weather@v1:temp on orgin=x", fs.NotFoundError, "Did you mean 'origin'"),
        ("airport_weather:temp", fs.NotActiveError, "airport_weather@v1:temp.*activate"),
        ("airport weather", fs.DefinitionError, "is not a reference"),
    ],
)
def test_unknown_names_teach(
    ready: fs.FeatureStore, spine: pl.DataFrame, reference: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ready.get_training_frame([reference], spine)


def test_pins_may_be_required(folder: Path, view: ViewMaker, spine: pl.DataFrame) -> None:
    (folder / "weather").mkdir()
    weather().write_parquet(folder / "weather" / "0.parquet")
    (folder / "featurestore.toml").write_text('store = "s"\nrequire_pins = true\n')
    with fs.open_store() as store:
        store.apply([view()])
        store.materialize("airport_weather")
        store.activate("airport_weather@v1")
        with pytest.raises(fs.RequestError, match="requires pins"):
            store.get_training_frame(["airport_weather:temp"], spine)


def test_a_models_lock_keeps_only_what_it_reads(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], spine)
    inputs = ["airport_weather__wind", "delay"]
    model = ready.register_model("delay", version="1", frame=frame, inputs=inputs)
    assert [name for name, _ in model.lock.columns] == ["airport_weather__wind"]
    assert model.lock.inputs == tuple(inputs)
    assert model.lock.request == (("delay", "double"),)
    with pytest.raises(fs.ConflictError, match="never changes"):
        ready.register_model("delay", version="1", frame=frame)
    with pytest.raises(fs.RequestError, match="Did you mean 'airport_weather__wind'"):
        ready.register_model("delay", version="2", frame=frame, inputs=["airport_weather__wnd"])


def test_defaults_fill_not_found_and_expired_offline_and_online(store: fs.FeatureStore, view: ViewMaker) -> None:
    features = [fs.Feature("temp", default=-1.0), fs.Feature("wind", default=-1.0)]
    store.apply([view(features=features, ttl=timedelta(hours=1))])
    store.materialize("airport_weather")
    late = pl.DataFrame({"origin": ["JFK", "EWR", "JFK"], "event_timestamp": [hour(60), hour(5), hour(5)]})
    frame = store.get_training_frame(["airport_weather@v1"], late).to_polars()
    assert frame["airport_weather__temp"].to_list() == [-1.0, -1.0, 21.25]
    assert frame["airport_weather__wind"].to_list() == [-1.0, -1.0, None]
    store.publish("airport_weather@v1", at=hour(5))
    answer = store.get_online_features(
        ["airport_weather@v1:wind"], entities={"origin": ["JFK", "EWR", None]}, at=hour(5)
    )
    assert answer.to_dict() == {"airport_weather__wind": [None, -1.0, -1.0]}
    assert answer.statuses["airport_weather__wind"] == ["NULL", "NOT_FOUND", "NOT_FOUND"]
    expired = store.get_online_features(["airport_weather@v1:wind"], entities={"origin": ["JFK"]}, at=hour(7))
    assert expired.statuses == {"airport_weather__wind": [fs.Status.EXPIRED]}
    assert expired.to_dict() == {"airport_weather__wind": [-1.0]}


def test_online_equals_offline_at_the_same_time(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    for at in (hour(0), hour(20) + timedelta(minutes=5), hour(53), hour(54)):
        store.publish("airport_weather@v1", at=at)
        spine = pl.DataFrame({"origin": ["LGA", "JFK", "EWR"], "event_timestamp": [at] * 3})
        offline = store.get_training_frame(["airport_weather@v1"], spine).to_polars().drop(spine.columns)
        online = store.get_online_features(
            ["airport_weather@v1"], entities={"origin": ["LGA", "JFK", "EWR"]}, at=at
        ).to_polars()
        assert online.equals(offline)


def test_two_entities_and_keys_in_one_frame(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    route = fs.Entity("route", keys={"origin": fs.String, "carrier": fs.String})
    rows = pl.DataFrame({"origin": ["JFK"] * 2, "carrier": ["AA", "B6"], "at": [hour(1)] * 2, "late": [0.5, 0.25]})
    rows.write_parquet(folder / "routes.parquet")
    routes = fs.FeatureView(
        "routes", entity=route, source=fs.ParquetSource("routes", path="routes.parquet"), event_time="at"
    )
    store.apply([view(), routes])
    store.materialize("airport_weather")
    store.materialize("routes")
    spine = pl.DataFrame({"origin": ["JFK", "JFK"], "carrier": ["B6", None], "event_timestamp": [hour(3)] * 2})
    frame = store.get_training_frame({"airport_weather": "v1", "routes": 1}, spine).to_polars()
    assert frame["routes__late"].to_list() == [0.25, None]
    assert frame["airport_weather__temp"].to_list() == [20.75, 20.75]
    assert AIRPORT.keys


def test_the_order_of_columns_is_part_of_a_frame(ready: fs.FeatureStore, spine: pl.DataFrame) -> None:
    first = ready.get_training_frame(["airport_weather@v1:temp", "airport_weather@v1:wind"], spine)
    second = ready.get_training_frame(["airport_weather@v1:wind", "airport_weather@v1:temp"], spine)
    assert first.id != second.id
    assert ready.frame(second.id).feature_columns == second.feature_columns
    assert ready.register_model("delay", version="1", frame=second).lock.inputs == second.feature_columns


def test_two_views_of_one_computation_keep_rows_of_their_own(store: fs.FeatureStore, folder: Path) -> None:
    pl.DataFrame({"origin": ["JFK"], "at": [hour(1)], "x": [1.0]}).write_parquet(folder / "x.parquet")
    source = fs.ParquetSource("xs", path="x.parquet")
    twins = [fs.FeatureView(name, entity=AIRPORT, source=source, event_time="at") for name in ("v", "w")]
    store.apply(twins)
    first = store.materialize("v")
    pl.DataFrame({"origin": ["JFK"], "at": [hour(1)], "x": [2.0]}).write_parquet(folder / "x.parquet")
    second = store.materialize("w")
    assert [item.id for item in store.snapshots("w")] == [second.id]
    assert first.id != second.id
    frame = store.get_training_frame(["v@v1", "w@v1"], {"origin": ["JFK"], "event_timestamp": [hour(2)]})
    assert frame.to_polars().select("v__x", "w__x").rows() == [(1.0, 2.0)]
    assert store.get_training_frame(frame.pins).to_arrow().equals(frame.to_arrow())
