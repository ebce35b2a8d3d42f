"""Profiles in a store: one for each snapshot, merged from its runs, and computed later where there was none."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from featurestore.catalog import profiles
from featurestore.model.profile import ColumnProfile, Profile
from featurestore.operations import source_profiles
from tests.operations.conftest import ViewMaker, hour, weather

SAME = ("rows", "nulls", "zeros", "negatives", "least", "greatest", "histogram", "distinct", "sample")


def column(profile: Profile, name: str) -> ColumnProfile:
    found = profile.column(name)
    assert found is not None
    return found


def kept(store: fs.FeatureStore, kind: str, name: str = "airport_weather@v1") -> list[str]:
    with store._context.catalog.read() as connection:
        return profiles.history(connection, kind, name)


def same(ours: Profile, theirs: Profile) -> None:
    for name in ("rows", "keys", "event_time", "first", "last", "volume", "entities", "repeated", "sample"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for mine, other in zip(ours.columns, theirs.columns, strict=True):
        for name in SAME:
            assert getattr(mine, name) == getattr(other, name), (mine.name, name)
        if mine.moments is not None and other.moments is not None:
            assert math.isclose(mine.moments.mean, other.moments.mean)
            assert math.isclose(mine.moments.m2, other.moments.m2, rel_tol=1e-9, abs_tol=1e-6)


def test_a_snapshot_is_profiled_as_it_is_materialized(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    snapshot = store.materialize("airport_weather")
    assert kept(store, "snapshot") == [snapshot.id]
    found = store.profile(snapshot)
    assert (found.kind, found.name, found.id, found.rows) == ("snapshot", "airport_weather@v1", snapshot.id, 96)
    assert [item.name for item in found.columns] == ["origin", "time_hour", "temp", "wind"]
    assert column(found, "wind").nulls == weather()["wind"].null_count()
    assert column(found, "temp").greatest == weather()["temp"].max()
    assert found.entities is not None
    assert found.entities.count == 2
    assert found.first == int(hour(0).timestamp() * 1e6)
    assert store.profile("airport_weather") == store.profile("airport_weather@v1") == found
    assert [item.name for item in store.profile("airport_weather@v1:temp").columns] == ["temp"]


def test_windows_merged_are_the_whole(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    whole = store.profile(store.materialize("airport_weather"))
    store.apply([view(ttl=None)])
    for start in range(0, 48, 12):
        store.materialize("airport_weather", start=hour(start), end=hour(start + 12))
    snapshot = store.snapshots("airport_weather")[-1]
    assert len(snapshot.runs) == 4
    merged = store.profile(snapshot)
    assert merged.parts == 4
    same(merged, whole)
    assert len(kept(store, "run", "airport_weather@v2")) == 3  # that of the first run is its snapshot's
    compacted = store.compact("airport_weather")
    assert kept(store, "run", "airport_weather@v2") == []
    same(store.profile(compacted), whole)


def test_a_replaced_window_is_taken_out(folder: Path, store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    changed = weather().with_columns(
        temp=pl.when(pl.col("time_hour").is_between(hour(10), hour(19))).then(99.0).otherwise("temp")
    )
    changed.write_parquet(folder / "weather" / "0.parquet")
    replaced = store.profile(store.materialize("airport_weather", start=hour(10), end=hour(20)))
    assert replaced.inexact == ()
    assert dict(column(replaced, "temp").top.values)[99.0] == 20  # type: ignore[union-attr]  # a number has one
    store.apply([view(ttl=None)])
    same(replaced, store.profile(store.materialize("airport_weather")))


def test_small_runs_are_merged_with_their_profiles(
    store: fs.FeatureStore, view: ViewMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURESTORE_MAX_RUNS", "2")
    store.apply([view()])
    whole = store.profile(store.materialize("airport_weather"))
    with fs.open_store(store.root) as few:
        few.apply([view(ttl=None)])
        for start in range(0, 48, 8):
            few.materialize("airport_weather", start=hour(start), end=hour(start + 8))
        snapshot = few.snapshots("airport_weather")[-1]
        assert len(snapshot.runs) < 6
        same(few.profile(snapshot), whole)


def test_a_snapshot_without_a_profile_gets_it_when_asked(
    store: fs.FeatureStore, view: ViewMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURESTORE_PROFILES", "false")
    with fs.open_store(store.root) as silent:
        silent.apply([view()])
        snapshot = silent.materialize("airport_weather")
        assert kept(silent, "snapshot") == []
    with fs.open_store(store.root, read_only=True) as reader:
        assert reader.profile(snapshot).rows == 96
        assert kept(reader, "snapshot") == []
    assert store.profile(snapshot).rows == 96
    assert kept(store, "snapshot") == [snapshot.id]
    store.apply([view(ttl=None)])
    same(store.profile(store.materialize("airport_weather")), store.profile(snapshot))


def test_the_source_columns_read_are_profiled_at_their_data_version(
    folder: Path, store: fs.FeatureStore, view: ViewMaker
) -> None:
    rows = weather()
    pl.concat([rows, rows.head(3)]).with_columns(humid=pl.lit(1)).write_parquet(folder / "weather" / "0.parquet")
    store.apply([view(sql="select distinct origin, time_hour, temp from weather")])
    first = store.materialize("airport_weather")
    found = store.profile("weather")
    assert (found.kind, found.name, found.id) == ("source", "weather", first.runs[0].sources[0].data_version)
    assert (found.rows, found.repeated, first.rows) == (99, 3, 96)
    assert found.distinct_rows is not None
    assert found.distinct_rows.count == 96
    assert {item.name: item.engine for item in found.columns} == {
        "origin": "VARCHAR",
        "temp": "DOUBLE",
        "time_hour": "TIMESTAMP WITH TIME ZONE",
    }
    assert [item.name for item in store.profile("weather.temp").columns] == ["temp"]
    assert store.profile(f"weather@{found.id}") == found
    with pytest.raises(fs.NotFoundError, match="does not tell of 'humid': no feature reads that column"):
        store.profile("weather.humid")
    store.apply([view(sql="select distinct origin, time_hour, humid from weather")])
    store.materialize("airport_weather")
    assert {item.name for item in store.profile("weather").columns} == {"humid", "origin", "temp", "time_hour"}
    rows.write_parquet(folder / "weather" / "0.parquet")
    store.materialize("airport_weather@v1")
    assert store.profile("weather").rows == 96
    assert store.profile(f"weather@{found.id}").rows == 99


def test_a_view_of_columns_as_they_are_profiles_its_source_on_the_way(
    store: fs.FeatureStore, view: ViewMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(source_profiles, "scan_source")
    store.apply([view(sql=None)])
    store.materialize("airport_weather")
    assert column(store.profile("weather"), "wind").nulls == weather()["wind"].null_count()


def test_of_a_long_source_a_sample_is_told(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_profiles, "_MOST", 20_000)
    weather(range(100_000)).write_parquet(folder / "weather" / "0.parquet")
    store.apply([view()])
    store.materialize("airport_weather")
    found = store.profile("weather")
    assert (found.rows, found.repeated) == (200_000, None)
    assert found.looked is not None
    assert 8_000 < found.looked < 40_000
    assert column(found, "wind").share("nulls") == pytest.approx(0.2, abs=0.01)


def test_where_a_part_of_a_source_is_read_the_profile_says_so(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view(lookback=timedelta(hours=2))])
    store.materialize("airport_weather", start=hour(10))
    found = store.profile("weather")
    assert found.inexact == ("only rows with time_hour from 2013-07-01 08:00:00Z on were read",)
    assert found.rows == 80
    store.materialize("airport_weather")
    assert (store.profile("weather").rows, store.profile("weather").inexact) == (96, ())


def test_a_source_that_nothing_read_has_no_profile(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    with pytest.raises(fs.NotFoundError, match="'weather' has no profile: it is taken when"):
        store.profile("weather")


def test_a_model_is_told_by_the_frame_it_was_trained_on(
    store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame
) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    frame = store.get_training_frame(["airport_weather@v1"], spine)
    store.register_model("delay", version="1", frame=frame)
    found = store.profile("delay@1")
    assert (found.kind, found.id, found.rows) == ("frame", frame.id, 5)
    assert [item.name for item in found.columns] == list(frame.feature_columns)
    nulls = frame.to_arrow().column("airport_weather__temp").null_count
    assert column(found, "airport_weather__temp").nulls == nulls == 2
    assert store.profile(frame) == found
    assert kept(store, "frame", frame.id) == [frame.id]


def test_a_node_without_rows_is_refused(store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> None:
    store.apply([view()])
    with pytest.raises(fs.NotMaterializedError):
        store.profile("airport_weather@v1")
    store.materialize("airport_weather")
    frame = store.get_training_frame(["airport_weather@v1"], spine)
    store.register_model("delay", version="1", frame=frame)
    store.deploy("delay@1", endpoint="eta-prod")
    with pytest.raises(fs.RequestError, match="'eta-prod' has no rows of its own: name a snapshot"):
        store.profile("eta-prod")
