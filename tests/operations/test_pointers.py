"""Publish, activate, roll back: who reads which version, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import featurestore as fs
from tests.operations.conftest import ViewMaker, hour, weather
from tests.redis_servers import RedisProcess

AT = hour(47)
JFK = {"origin": ["JFK"]}


@pytest.fixture(params=["lmdb", "redis"])
def online(request: pytest.FixtureRequest) -> str:
    if request.param == "lmdb":
        return "lmdb"
    server: RedisProcess = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def live(store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> fs.FeatureStore:
    """Three versions (wind x1, x10, x100), a model on each of the first two, both deployed."""
    for number, wind in enumerate(("wind", "wind * 10", "wind * 100"), start=1):
        store.apply([view(wind)])
        store.materialize("airport_weather")
        store.publish(f"airport_weather@v{number}", at=AT)
        if number < 3:
            frame = store.get_training_frame([f"airport_weather@v{number}"], spine)
            store.register_model("delay", version=str(number), frame=frame)
            store.deploy(f"delay@{number}", endpoint=f"eta-{number}")
    return store


def winds(store: fs.FeatureStore, at: datetime = AT, **selector: Any) -> list[float]:  # noqa: ANN401 - any selector
    answer = store.get_online_features(entities=JFK, at=at, **selector)
    return next(values for name, values in answer.to_dict().items() if "wind" in name)


WIND = 47 % 7  # of the last hour


def test_versions_are_served_side_by_side(live: fs.FeatureStore) -> None:
    answer = live.get_online_features(
        ["airport_weather@v1:wind", "airport_weather@v2:wind", "airport_weather@v3:wind"], entities=JFK, at=AT
    )
    assert list(answer.to_dict().values()) == [[WIND], [WIND * 10], [WIND * 100]]
    assert [column.version for column in answer.columns] == [1, 2, 3]
    assert winds(live, model="delay@1") == [WIND]
    assert winds(live, endpoint="eta-2") == [WIND * 10]


def test_the_default_pointer_moves_and_pops(live: fs.FeatureStore) -> None:
    with pytest.raises(fs.NotActiveError):
        winds(live, features=["airport_weather:wind"])
    for number, expected in ((1, 1), (2, 10), (3, 100)):
        live.activate(f"airport_weather@v{number}", reason=f"to {number}")
        assert winds(live, features=["airport_weather:wind"]) == [WIND * expected]
    assert live.rollback("airport_weather", reason="bad").after == "airport_weather@v2"
    assert winds(live, features=["airport_weather:wind"]) == [WIND * 10]
    assert live.rollback("airport_weather", reason="worse").after == "airport_weather@v1"
    with pytest.raises(fs.RequestError, match="nothing lies below"):
        live.rollback("airport_weather")
    assert winds(live, endpoint="eta-2") == [WIND * 10]
    history = [(move.version, move.action) for move in live.activations("airport_weather")]
    assert history == [(1, "activate"), (2, "activate"), (3, "activate"), (2, "rollback"), (1, "rollback")]


def test_activating_what_is_active_changes_nothing(live: fs.FeatureStore) -> None:
    (first,) = live.activate("airport_weather@v2")
    assert live.activate("airport_weather@v2") == [first]


def test_one_feature_of_the_default_scope(live: fs.FeatureStore) -> None:
    live.activate("airport_weather@v1")
    live.activate("airport_weather@v3")
    live.rollback("airport_weather:wind", reason="spikes")
    answer = live.get_online_features(["airport_weather"], entities=JFK, at=AT)
    assert {column.name: column.version for column in answer.columns} == {
        "airport_weather__temp": 3,
        "airport_weather__wind": 1,
    }
    assert answer.to_dict()["airport_weather__wind"] == [WIND]
    live.activate("airport_weather@v3", reason="clears the feature's own pointer")
    assert winds(live, features=["airport_weather:wind"]) == [WIND * 100]


def test_one_feature_for_one_endpoint(live: fs.FeatureStore) -> None:
    dry = live.rollback("airport_weather:wind", to="v1", endpoint="eta-2", reason="spikes", dry_run=True)
    assert (dry.before, dry.after) == ("airport_weather@v2", "airport_weather@v1")
    assert dry.moved == (("eta-2", "delay@2"),)
    assert dry.untouched == (("eta-1", "delay@1"),)
    assert dry.activation is None
    assert winds(live, endpoint="eta-2") == [WIND * 10]

    done = live.rollback("airport_weather:wind", to="v1", endpoint="eta-2", reason="spikes")
    assert done.activation is not None
    answer = live.get_online_features(endpoint="eta-2", entities=JFK, at=AT)
    assert [(column.name, column.version) for column in answer.columns] == [
        ("airport_weather__temp", 2),
        ("airport_weather__wind", 1),
    ]
    assert answer.columns[1].activation == done.activation.id
    assert winds(live, endpoint="eta-2") == [WIND]
    assert winds(live, model="delay@2") == [WIND * 10], "the lock is pinned"
    assert winds(live, endpoint="eta-1") == [WIND]
    with pytest.raises(fs.RequestError, match="already"):
        live.rollback("airport_weather:wind", to="v1", endpoint="eta-2")


def test_a_rollback_may_say_what_it_expects(live: fs.FeatureStore) -> None:
    live.activate("airport_weather@v1")
    live.activate("airport_weather@v3")
    for expect in ("v2", 2, "airport_weather@v2"):
        with pytest.raises(
            fs.ConflictError, match=r"'airport_weather' reads airport_weather@v3 by now, and v2 was exp"
        ):
            live.rollback("airport_weather", expect=expect)
    with pytest.raises(fs.ConflictError):
        live.rollback("airport_weather:wind", expect="v1", dry_run=True)
    with pytest.raises(fs.NotFoundError, match="has no version v9"):
        live.rollback("airport_weather", expect="v9")
    assert live.rollback("airport_weather", expect=3).after == "airport_weather@v1"
    with pytest.raises(fs.ConflictError, match="reads airport_weather@v2 by now"):
        live.rollback("airport_weather", to="v1", endpoint="eta-2", expect="v3")
    assert live.rollback("airport_weather", to="v1", endpoint="eta-2", expect="v2").before == "airport_weather@v2"


def test_a_new_deployment_starts_from_its_own_lock(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    live.rollback("airport_weather:wind", to="v1", endpoint="eta-2", reason="spikes")
    frame = live.get_training_frame(["airport_weather@v3"], spine)
    live.register_model("delay", version="3", frame=frame)
    with pytest.raises(fs.ConflictError, match="replace=True"):
        live.deploy("delay@3", endpoint="eta-2")
    live.deploy("delay@3", endpoint="eta-2", replace=True)
    assert winds(live, endpoint="eta-2") == [WIND * 100]
    live.undeploy("delay@3", endpoint="eta-2")
    with pytest.raises(fs.NotFoundError, match="no model is live"):
        winds(live, endpoint="eta-2")


def test_two_models_share_an_endpoint(live: fs.FeatureStore) -> None:
    live.deploy("delay@1", endpoint="eta-2", share=0.1)
    with pytest.raises(fs.RequestError, match="name one"):
        winds(live, endpoint="eta-2")
    assert winds(live, endpoint="eta-2", model="delay@1") == [WIND]
    assert winds(live, endpoint="eta-2", model="delay@2") == [WIND * 10]


def test_targets_that_cannot_be_read_are_refused(live: fs.FeatureStore, view: ViewMaker) -> None:
    live.apply([view("wind * 1000")])
    with pytest.raises(fs.NotPublishedError, match="publish"):
        live.rollback("airport_weather:wind", to="v4", endpoint="eta-2")
    retyped = [view("wind::int")]
    live.acknowledge(live.check(retyped), reason="to be refused later", until="30d")
    live.apply(retyped)
    live.materialize("airport_weather@v5")
    live.publish("airport_weather@v5", at=AT)
    with pytest.raises(fs.RequestError, match="type Int32"):
        live.rollback("airport_weather:wind", to="v5", endpoint="eta-2")
    with pytest.raises(fs.NotFoundError, match="no version v9"):
        live.rollback("airport_weather:wind", to="v9", endpoint="eta-2")
    with pytest.raises(fs.NotFoundError, match="Did you mean 'eta-2'"):
        live.rollback("airport_weather:wind", to="v1", endpoint="eta-22")
    live.activate("airport_weather@v3")
    with pytest.raises(fs.NotPublishedError):
        live.activate("airport_weather@v4")


def test_several_views_move_in_one_change_or_not_at_all(live: fs.FeatureStore) -> None:
    live.activate("airport_weather@v1")
    before = len(live.changes())
    with pytest.raises(fs.NotFoundError):
        live.activate("airport_weather@v2", "nothing@v1")
    assert len(live.changes()) == before
    assert winds(live, features=["airport_weather:wind"]) == [WIND]


def test_earlier_rows_are_served_again_and_held(live: fs.FeatureStore, folder: Path) -> None:
    first = live.snapshots("airport_weather@v1")[0]
    weather().with_columns(pl.col("wind") + 1000).write_parquet(folder / "weather" / "0.parquet")
    live.refresh(until=hour(48))
    assert winds(live, hour(48), model="delay@1") == [1000 + WIND]
    held = live.publish("airport_weather@v1", snapshot=first, at=AT)
    assert held.held
    assert winds(live, model="delay@1") == [WIND]
    weather().with_columns(pl.col("wind") + 2000).write_parquet(folder / "weather" / "0.parquet")
    results = {result.reference: result for result in live.refresh(until=hour(48))}
    assert "held" in results["airport_weather@v1"].skipped
    assert winds(live, model="delay@1") == [WIND]
    live.publish("airport_weather@v1", at=AT)
    assert winds(live, model="delay@1") == [2000 + WIND]


def test_an_at_before_the_generation_is_an_error(live: fs.FeatureStore) -> None:
    with pytest.raises(fs.RequestError, match="airport_weather"):
        live.get_online_features(model="delay@1", entities=JFK, at=hour(40))


def test_a_caller_with_another_lock_is_refused(live: fs.FeatureStore) -> None:
    lock = live.lock("delay@1")
    assert live.get_online_features(model="delay@1", entities=JFK, at=AT, lock=lock)
    with pytest.raises(fs.LockMismatchError, match="delay@2"):
        live.get_online_features(model="delay@2", entities=JFK, at=AT, lock=lock)


def test_old_generations_leave_the_online_store(live: fs.FeatureStore) -> None:
    for _ in range(4):
        live.publish("airport_weather@v1", at=AT)
    held = live._context.online.generations()
    assert len([generation for generation in held if generation.startswith("airport_weather/v1/")]) == 2
    assert winds(live, model="delay@1") == [WIND]


def test_retired_versions_are_for_what_is_pinned_only(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    with pytest.raises(fs.ConflictError, match="delay@2"):
        live.retire("airport_weather@v2", reason="wrong unit")
    live.undeploy("delay@2", endpoint="eta-2")
    live.retire("airport_weather@v2", reason="wrong unit", replacement="airport_weather@v1")
    with pytest.raises(fs.RequestError, match="use airport_weather@v1"):
        live.get_training_frame(["airport_weather@v2"], spine)
    assert len(live.get_training_frame("delay@2")) == spine.height


def test_describe_says_what_a_caller_must_bring(live: fs.FeatureStore) -> None:
    description = live.describe(model="delay@1")
    assert description.keys == (("origin", "String"),)
    assert description.inputs == ("airport_weather__temp", "airport_weather__wind")
    assert description.lock_digest == live.lock("delay@1").digest


@pytest.mark.parametrize(
    ("selector", "error", "says"),
    [
        ({"model": "dely@1"}, fs.NotFoundError, "Did you mean 'delay@1'"),
        ({"endpoint": "eta-11"}, fs.NotFoundError, "Did you mean 'eta-1'"),
        ({}, fs.RequestError, "say what to read"),
        ({"features": ["airport_weather@v1:temp"], "model": "delay@1"}, fs.RequestError, "in one way"),
    ],
)
def test_selectors_that_do_not_fit(
    live: fs.FeatureStore, selector: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        winds(live, **selector)


def test_a_read_only_store_refuses_to_change(live: fs.FeatureStore, view: ViewMaker) -> None:
    with fs.open_store(live.root, read_only=True) as reader:
        assert winds(reader, model="delay@1") == [WIND]
        with pytest.raises(fs.ReadOnlyError):
            reader.apply([view("wind + 5")])
        with pytest.raises(fs.ReadOnlyError):
            reader.activate("airport_weather@v1")


_PUBLISH = """
import sys, time
import featurestore as fs
def report(what, done, total):
    if done:
        print(what, done, total, flush=True)
        time.sleep(60)
with fs.open_store(sys.argv[1]) as store:
    store.report_progress(report)
    store.publish("airport_weather@v1", at=sys.argv[2])
"""


def test_a_publish_that_was_killed_changes_nothing_and_is_done_again(live: fs.FeatureStore) -> None:
    before, served = live._context.online.generations(), winds(live, features=["airport_weather@v1:wind"])
    command = [sys.executable, "-c", _PUBLISH, str(live.root), AT.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "publish airport_weather@v1 2 2\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert live._context.online.generations() == before
    assert winds(live, features=["airport_weather@v1:wind"]) == served
    generation = live.publish("airport_weather@v1", at=AT)
    assert live._context.online.generations() == sorted([*before, generation.id])
    assert winds(live, features=["airport_weather@v1:wind"]) == served


def test_a_publish_tells_how_far_it_is(live: fs.FeatureStore) -> None:
    told: list[tuple[str, int, int | None]] = []
    live.report_progress(lambda *report: told.append(report))
    live.publish("airport_weather@v1", at=AT)
    assert told == [("publish airport_weather@v1", 0, 2), ("publish airport_weather@v1", 2, 2)]
