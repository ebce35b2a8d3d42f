"""MLflow, a real one on SQLite: frames in runs, models from runs, endpoints that follow aliases."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pytest

import featurestore as fs
from featurestore.errors import NotFoundError, RequestError
from featurestore.integrations.mlflow import AliasMove, log_frame, register_model, sync_aliases
from tests.lineage.small import START, build

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
mlflow: Any = importlib.import_module("mlflow")  # of the development environment: nothing is skipped

Client: TypeAlias = Any
"""An `MlflowClient`, which has no types."""

SPINE = pl.DataFrame(
    {"origin": ["JFK", "JFK"], "event_timestamp": [START + timedelta(hours=h) for h in (1, 2)], "delay": [1.0, 2.0]}
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with an MLflow of its own, and a store to copy."""
    folder = tmp_path_factory.mktemp("mlflow")
    build(folder)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("eta", f"file://{folder / 'artifacts'}"))
    yield folder
    mlflow.set_tracking_uri(before)


@pytest.fixture
def store(place: Path, tmp_path: Path) -> Iterator[fs.FeatureStore]:
    shutil.copytree(place / "store", tmp_path / "store")
    with fs.open_store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def client(place: Path) -> Client:
    assert place.is_dir()
    return mlflow.MlflowClient()


def trained(store: fs.FeatureStore, *features: str, **metrics: float) -> str:
    """Train in a run: log its frame, parameters and metrics. Return the run's id."""
    with mlflow.start_run() as run:
        frame = store.get_training_frame([f"airport_weather@v1:{name}" for name in features], spine=SPINE)
        log_frame(frame)
        mlflow.log_params({"depth": 6, "features": len(features)})
        mlflow.log_metrics(metrics)
    return str(run.info.run_id)


def test_a_frame_is_a_dataset_of_its_run_and_its_lock_an_artifact(
    store: fs.FeatureStore, client: Client, tmp_path: Path
) -> None:
    run = trained(store, "temp", "wind")
    (item,) = client.get_run(run).inputs.dataset_inputs
    tags = {tag.key: tag.value for tag in item.tags}
    frame = store.frame(item.dataset.digest)
    (snapshot,) = store.snapshots("airport_weather@v1")
    assert len(item.dataset.digest) <= 36
    assert snapshot.id in item.dataset.source
    assert tags["featurestore.frame"] == frame.id
    assert tags["mlflow.data.context"] == "training"
    assert tags["featurestore.versions"] == "airport_weather@v1"
    lock = client.download_artifacts(run, tags["featurestore.lock"], str(tmp_path))
    assert store.get_training_frame(fs.PinSet.load(lock)).to_arrow().equals(frame.to_arrow())


def test_the_digest_follows_the_rows(store: fs.FeatureStore, client: Client, place: Path) -> None:
    first, again = trained(store, "temp"), trained(store, "temp")
    weather = pl.read_parquet(place / "weather.parquet")
    try:
        weather.with_columns(temp=pl.col("temp") + 1).write_parquet(place / "weather.parquet")
        store.materialize("airport_weather@v1")
    finally:
        weather.write_parquet(place / "weather.parquet")
    digests = [
        client.get_run(run).inputs.dataset_inputs[0].dataset.digest for run in (first, again, trained(store, "temp"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_tag_names_as_many_versions_as_it_takes() -> None:
    from featurestore.integrations.mlflow import _some

    text = _some([f"some_view_with_a_long_name_{number}@v1" for number in range(40)])
    assert len(text) <= 500
    assert text.endswith("more")
    assert _some(["a@v1"]) == "a@v1"
    assert _some(["x" * 501]) == "1 versions"


def test_a_model_is_registered_from_its_run(store: fs.FeatureStore, client: Client) -> None:
    run = trained(store, "temp", "wind", rmse=2.5)
    client.set_tag(run, "mlflow.source.git.commit", "c0ffee")
    model = register_model(store, "eta", version="7", run_id=run, inputs=["airport_weather__wind"])
    assert (model.reference, model.uri, model.code.commit) == ("eta@7", f"runs:/{run}", "c0ffee")
    assert model.frame == client.get_run(run).inputs.dataset_inputs[0].dataset.digest
    assert model.metrics == {"rmse": 2.5, "params.depth": "6", "params.features": "2"}
    assert model.lock.inputs == ("airport_weather__wind",)
    up = {(edge.upstream, edge.downstream) for edge in store.lineage("eta@7", "up").edges}
    assert {(f"run/mlflow/{run}", "model/eta@7"), (f"frame/{model.frame}", f"run/mlflow/{run}")} <= up
    assert [use.model for use in store.consumers(f"run/mlflow/{run}").models] == ["eta@7"]


def test_several_frames_of_a_run_are_told_apart(store: fs.FeatureStore) -> None:
    with mlflow.start_run() as run:
        one = store.get_training_frame(["airport_weather@v1:temp"], spine=SPINE)
        two = store.get_training_frame(["airport_weather@v1:wind"], spine=SPINE)
        log_frame(one)
        log_frame(two, name="validation", context="validation")
    with pytest.raises(RequestError, match="training_frame, validation"):
        register_model(store, "many", version="1", run_id=run.info.run_id)
    assert register_model(store, "many", version="1", run_id=run.info.run_id, dataset="training_frame").frame == one.id


def test_what_a_run_must_have(store: fs.FeatureStore) -> None:
    frame = store.get_training_frame(["airport_weather@v1:temp"], spine=SPINE)
    with pytest.raises(RequestError, match="no run of MLflow is active"):
        log_frame(frame)
    with mlflow.start_run() as run, pytest.raises(RequestError, match="name="):
        log_frame(frame, name="a/b")
    with pytest.raises(NotFoundError, match="log_frame"):
        register_model(store, "eta", version="1", run_id=run.info.run_id)
    with pytest.raises(NotFoundError, match="no run"):
        register_model(store, "eta", version="1", run_id="0" * 32)
    with pytest.raises(RequestError, match="no version"):
        register_model(store, "eta", run_id=trained(store, "temp"))


def test_endpoints_follow_aliases_and_the_history_is_kept(store: fs.FeatureStore, client: Client) -> None:
    runs = [trained(store, "temp"), trained(store, "wind")]
    client.create_registered_model("eta")
    for run in runs:
        client.create_model_version("eta", f"runs:/{run}/model", run)
    client.set_registered_model_alias("eta", "champion", "1")
    mapping = {"champion": "eta-live", "eta@next": "eta-next"}
    with pytest.raises(NotFoundError, match="register_model"):
        sync_aliases(store, client, mapping=mapping)
    assert "eta-live" not in store.endpoints()
    for run in runs:
        register_model(store, "eta", run_id=run)
    assert sync_aliases(store, client, mapping=mapping) == [AliasMove("eta@champion", "eta-live", None, "eta@1")]
    assert sync_aliases(store, client, mapping=mapping) == []
    client.set_registered_model_alias("eta", "champion", "2")
    client.set_registered_model_alias("eta", "next", "1")
    assert sync_aliases(store, client, mapping=mapping) == [
        AliasMove("eta@champion", "eta-live", "eta@1", "eta@2"),
        AliasMove("eta@next", "eta-next", None, "eta@1"),
    ]
    client.delete_registered_model_alias("eta", "champion")
    moved = sync_aliases(store, client, mapping=mapping)
    assert [(move.endpoint, move.before, move.after) for move in moved] == [("eta-live", "eta@2", None)]
    told = [(change.kind, change.subject) for change in store.changes() if change.detail.get("endpoint") == "eta-live"]
    assert told == [
        ("deployed", "model/eta@1"),
        ("undeployed", "model/eta@1"),
        ("deployed", "model/eta@2"),
        ("undeployed", "model/eta@2"),
    ]


def test_an_alias_of_several_models_names_its_model(store: fs.FeatureStore, client: Client) -> None:
    for name in ("one", "two"):
        run = trained(store, "temp")
        client.create_registered_model(name)
        client.create_model_version(name, f"runs:/{run}/model", run)
        client.set_registered_model_alias(name, "shared", "1")
        register_model(store, name, run_id=run)
    with pytest.raises(RequestError, match="'one@shared'"):
        sync_aliases(store, client, mapping={"shared": "somewhere"})
    (move,) = sync_aliases(store, client, mapping={"two@shared": "somewhere"})
    assert move.after == "two@1"
    with pytest.raises(NotFoundError, match="no model 'tow'"):
        sync_aliases(store, client, mapping={"tow@shared": "somewhere"})
