"""Odd, late and repeated calls: other spellings, objects for names, redeployments, stores that are only read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import featurestore as fs
from tests.operations.conftest import AIRPORT, ViewMaker, hour, weather

AT = hour(47)
JFK = {"origin": ["JFK"]}
Call = Callable[[Any], object]


@pytest.fixture
def live(store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> fs.FeatureStore:
    """Three published versions (wind x1, x10, x100), and a model on the second, deployed."""
    for number, wind in enumerate(("wind", "wind * 10", "wind * 100"), start=1):
        store.apply([view(wind)])
        store.materialize("airport_weather")
        store.publish(f"airport_weather@v{number}", at=AT)
    store.register_model("delay", version=2, frame=store.get_training_frame(["airport_weather@v2"], spine))
    store.deploy("delay@2", endpoint="eta")
    return store


def read(store: fs.FeatureStore, **selector: Any) -> dict[str, int]:  # noqa: ANN401 - any selector
    """Return feature -> version that is read."""
    answer = store.get_online_features(entities=JFK, at=AT, **selector)
    return {column.feature: column.version for column in answer.columns}


# --- names and objects


def test_case_does_not_tell_views_apart(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = live.get_training_frame(["Airport_Weather@v1"], spine)
    assert frame.feature_columns == ("airport_weather__temp", "airport_weather__wind")
    assert live.get_training_frame(frame.pins).id == frame.id
    live.register_model("cased", version=1, frame=frame)
    live.deploy("cased@1", endpoint="cased")
    assert live.rollback("AIRPORT_weather:wind", to="v3", endpoint="cased").moved == (("cased", "cased@1"),)
    assert read(live, endpoint="cased") == {"temp": 1, "wind": 3}
    assert len(live.refresh(["Airport_weather"], publish=False)) == 3
    live.activate("AIRPORT_WEATHER@v1")
    assert read(live, features=["Airport_Weather"]) == {"temp": 1, "wind": 1}
    names = live.get_training_frame(["Airport_Weather@v1:temp", "airport_weather@v2:temp"], spine).feature_columns
    assert names == ("airport_weather__temp__v1", "airport_weather__temp__v2")


def test_verbs_take_what_other_verbs_return(live: fs.FeatureStore, spine: pl.DataFrame, folder: Path) -> None:
    version = live.versions("airport_weather")[0]
    assert live.versions(version) == live.versions("airport_weather")
    assert live.activations(version) == []
    frame = live.get_training_frame({"airport_weather": version}, spine)
    for same in (version, {"airport_weather": "@v1"}, (version for _ in range(1)), live.snapshots(version)[0]):
        assert live.get_training_frame(same, spine).id == frame.id
    record = next(item for item in live.frames() if item.id == frame.id)
    assert live.frame(record).id == frame.id
    lock = frame.pins.save(folder / "a.lock")
    for number, given in enumerate((record, lock, str(lock))):
        model = live.register_model("m", version=number, frame=given, inputs="airport_weather__temp", uri=lock)  # type: ignore[arg-type]  # one name, a path
        assert (model.frame, model.lock.inputs, model.uri) == (frame.id, ("airport_weather__temp",), str(lock))
    assert [item.reference for item in live.refresh(version)] == ["airport_weather@v2", "airport_weather@v3"]
    snapshot = live.snapshots(version)[0]
    assert live.snapshot(snapshot) == snapshot
    with pytest.raises(fs.RequestError, match="no version of 'other'"):
        live.get_training_frame({"other": version}, spine)


def test_a_single_view_is_planned_and_applied(store: fs.FeatureStore, view: ViewMaker) -> None:
    assert store.plan(view()).changes[0].action == "new"
    assert [item.reference for item in store.apply(item for item in [view()])] == ["airport_weather@v1"]
    assert store.apply(view())[0].number == 1


def test_metrics_of_numpy_are_kept_as_numbers(live: fs.FeatureStore) -> None:
    metrics = {"mae": np.float32(1.5), "rows": np.int64(3), "by": [1, 2]}
    assert live.register_model("m", version=1, frame=live.frames()[0].id, metrics=metrics).metrics == {
        "mae": 1.5,
        "rows": 3,
        "by": [1, 2],
    }


def test_a_lock_may_be_its_file(live: fs.FeatureStore, folder: Path) -> None:
    path = live.lock("delay@2").save(folder / "delay.lock")
    assert read(live, model="delay@2", lock=path) == read(live, endpoint="eta", lock=str(path))
    other = live.get_training_frame("delay@2").pins.save(folder / "frame.lock")
    with pytest.raises(fs.LockMismatchError):
        read(live, model="delay@2", lock=other)


ODD: list[tuple[Call, type[Exception], str]] = [
    (lambda s: s.plan("weather"), fs.DefinitionError, "no feature view"),
    (lambda s: s.versions(None), fs.RequestError, "not a reference"),
    (lambda s: s.refresh([None]), fs.RequestError, "not a reference"),
    (lambda s: s.refresh("airport_wether"), fs.NotFoundError, "Did you mean 'airport_weather'"),
    (lambda s: s.snapshot(3), fs.NotFoundError, "eight digits"),
    (lambda s: s.publish("airport_weather@v1", snapshot=3), fs.NotFoundError, "eight digits"),
    (lambda s: s.frame(None), fs.NotFoundError, "eight digits"),
    (lambda s: s.register_model("m", version=1, frame=None), fs.NotFoundError, "eight digits"),
    (lambda s: s.get_training_frame("delay@2", timestamp=3), fs.RequestError, "timestamp=3"),
    (lambda s: s.register_model("m", version=1, frame=s.frames()[0], inputs=[1]), fs.RequestError, "no column 1"),
    (
        lambda s: s.register_model("m", version=1, frame=s.frames()[0], metrics={"at": AT}),
        fs.RequestError,
        "metrics",
    ),
    (lambda s: s.register_model("m", version=1, frame=s.frames()[0], metrics=[1]), fs.RequestError, "metrics"),
    (lambda s: s.deploy("delay@2", endpoint="x", share="0.5"), fs.RequestError, "fraction"),
    (lambda s: s.undeploy("delay@2", endpoint=None), fs.DefinitionError, "endpoint"),
    (lambda s: s.rollback("airport_weather", to="v1", endpoint=3), fs.NotFoundError, "no endpoint 3"),
    (lambda s: s.rollback("airport_weather", to=1.5, endpoint="eta"), fs.RequestError, "1.5 is not a reference"),
    (lambda s: s.rollback("airport_weather", to="v1", endpoint="eta", reason=3), fs.RequestError, "reason=3"),
    (lambda s: s.activate("airport_weather@v1 on origin=x"), fs.RequestError, "more than a version"),
    (lambda s: s.activate("airport_weather@v1 as x"), fs.RequestError, "more than a version"),
    (lambda s: read(s, features=3), fs.RequestError, "not a reference"),
    (lambda s: read(s, endpoint=["eta"]), fs.NotFoundError, "no endpoint"),
    (lambda s: read(s, model="delay@2", lock=3), fs.RequestError, "no lock"),
    (lambda s: s.retire("airport_weather@v1", reason=None), fs.RequestError, "reason="),
    (
        lambda s: s.retire("airport_weather@v1", reason="old", replacement="airport_weather@v1"),
        fs.RequestError,
        "replace itself",
    ),
]


def test_odd_arguments_teach(live: fs.FeatureStore) -> None:
    before = len(live.changes())
    for call, error, says in ODD:
        with pytest.raises(error, match=says):
            call(live)
    assert len(live.changes()) == before


def test_what_cannot_be_defined_names_view_and_feature(store: fs.FeatureStore, view: ViewMaker) -> None:
    with pytest.raises(fs.DefinitionError, match=r"'airport_weather'.*Binder Error"):
        store.plan([view("wind + '2013-07-01'::date")])
    with pytest.raises(fs.DefinitionError, match="default of airport_weather:wind is 'calm'"):
        store.plan([view(features=[fs.Feature("wind", default="calm")])])


def test_pins_that_mix_up_the_rows_of_versions_are_refused(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    text = live.get_training_frame(["airport_weather@v1:wind"], spine).pins.dumps()
    one, two = (live.snapshots(f"airport_weather@v{number}")[0].id for number in (1, 2))
    with pytest.raises(fs.CorruptError, match="one of airport_weather@v2"):
        live.get_training_frame(fs.PinSet.loads(text.replace(one, two)))


# --- pointers


def test_an_override_is_popped_to_what_was_read_before(live: fs.FeatureStore) -> None:
    for pointer in ("airport_weather@v1", "airport_weather@v2", "airport_weather@v3:wind"):
        live.activate(pointer)
    for version in (2, 1):
        assert live.rollback("airport_weather:wind").after == f"airport_weather@v{version}"
        assert read(live, features=["airport_weather"]) == {"temp": 2, "wind": version}
    with pytest.raises(fs.RequestError, match="nothing lies below"):
        live.rollback("airport_weather:wind")


def test_an_override_that_an_activation_cleared_is_not_popped_to(live: fs.FeatureStore) -> None:
    for pointer in ("airport_weather@v1", "airport_weather@v3:wind", "airport_weather@v2", "airport_weather@v1:wind"):
        live.activate(pointer)
    assert live.rollback("airport_weather:wind").after == "airport_weather@v2"


def test_a_feature_beside_its_view_keeps_its_own_version(live: fs.FeatureStore) -> None:
    moves = live.activate("airport_weather@v3:wind", "airport_weather@v2")
    assert [(move.feature, move.version) for move in moves] == [("wind", 3), (None, 2)]
    assert read(live, features=["airport_weather"]) == {"temp": 2, "wind": 3}


def test_pointers_of_an_earlier_deployment_are_neither_kept_nor_popped(live: fs.FeatureStore) -> None:
    live.activate("airport_weather@v1", endpoint="eta")
    live.undeploy("delay@2", endpoint="eta")
    live.deploy("delay@2", endpoint="eta")
    assert read(live, endpoint="eta") == {"temp": 2, "wind": 2}
    live.activate("airport_weather@v1", endpoint="eta")
    assert read(live, endpoint="eta") == {"temp": 1, "wind": 1}
    live.undeploy("delay@2", endpoint="eta")
    live.deploy("delay@2", endpoint="eta")
    live.activate("airport_weather@v3", endpoint="eta")
    with pytest.raises(fs.RequestError, match="nothing lies below"):
        live.rollback("airport_weather", endpoint="eta")


def test_a_model_beside_it_that_reads_other_views_is_no_hindrance(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    other = fs.FeatureView(
        "other", entity=AIRPORT, source=fs.ParquetSource("weather", path="weather/*.parquet"), event_time="time_hour"
    )
    live.apply([other])
    live.materialize("other")
    live.register_model("other", version=1, frame=live.get_training_frame(["other@v1"], spine))
    live.deploy("other@1", endpoint="eta", share=0.5)
    live.rollback("airport_weather:wind", to="v1", endpoint="eta")
    assert read(live, endpoint="eta", model="delay@2") == {"temp": 2, "wind": 1}


def test_a_lock_of_several_versions_moves_to_one(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = live.get_training_frame(["airport_weather@v1:temp", "airport_weather@v2:wind"], spine)
    live.register_model("mixed", version=1, frame=frame)
    live.deploy("mixed@1", endpoint="mixed")
    done = live.rollback("airport_weather", to="v1", endpoint="mixed")
    assert (done.before, done.after) == ("airport_weather@v2", "airport_weather@v1")
    assert read(live, endpoint="mixed") == {"temp": 1, "wind": 1}


def test_replace_ends_what_is_live_beside_the_same_model(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    live.register_model("delay", version=1, frame=live.get_training_frame(["airport_weather@v1"], spine))
    live.deploy("delay@1", endpoint="eta", share=0.1)
    kept = live.endpoints()["eta"][0]
    assert live.deploy("delay@2", endpoint="eta", replace=True) == kept
    assert live.endpoints()["eta"] == [kept]


# --- stores


def test_a_store_that_is_only_read_is_left_as_it_is(live: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    weather(range(50)).write_parquet(folder / "weather" / "0.parquet")
    rows = weather().to_arrow()
    with fs.open_store(live.root, read_only=True) as reader:
        before = sorted(live.root.rglob("*"))
        calls: list[Call] = [
            lambda s: s.materialize("airport_weather"),
            lambda s: s.publish("airport_weather@v1"),
            lambda s: s.refresh(),
            lambda s: s.push("weather", []),
            lambda s: s.apply([view(source=fs.ArrowSource("weather", table=rows))]),
        ]
        for call in calls:
            with pytest.raises(fs.ReadOnlyError):
                call(reader)
        spine = pl.DataFrame({"origin": ["JFK"], "event_timestamp": [hour(9)]})
        frame = reader.get_training_frame(["airport_weather@v1"], spine)
        assert sorted(live.root.rglob("*")) == before
    assert live.get_training_frame(["airport_weather@v1"], spine).id == frame.id


def test_a_lock_is_read_by_fingerprint_where_versions_are_numbered_otherwise(
    live: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame, folder: Path
) -> None:
    frame = live.get_training_frame(["airport_weather@v1", "airport_weather@v2:wind as tenfold"], spine)
    lock = frame.pins.save(folder / "a.lock")
    with fs.open_store(folder / "second") as second:
        for wind in ("wind * 10", "wind"):
            second.apply([view(wind)])
            second.materialize("airport_weather")
        again = second.get_training_frame(fs.PinSet.load(lock).versions, spine)
        assert again.to_arrow().equals(frame.to_arrow())
        assert [pin.version for pin in again.pins.pins] == [2, 1]
