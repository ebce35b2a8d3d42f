"""MLflow: what a run was trained on, model versions from runs, and aliases that move endpoints.

Needs `pip install featurestore[mlflow]` (`mlflow-skinny`), or MLflow itself. `log_frame` says inside a run which rows
it reads, `register_model` makes a model version of a run, `sync_aliases` deploys what MLflow's aliases point to; MLflow
keeps no history of aliases, this store does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.catalog import foreign, graph
from featurestore.catalog.graph import Asset
from featurestore.errors import ConfigError, NotFoundError, RequestError, nearest

if TYPE_CHECKING:
    from types import ModuleType

    from featurestore.catalog.models import ModelVersion
    from featurestore.offline.frame import TrainingFrame
    from featurestore.store import FeatureStore

__all__ = ["AliasMove", "log_frame", "register_model", "run_node", "sync_aliases"]

SOURCE_TYPE = "featurestore"
"""Of the datasets that `log_frame` logs."""

FRAME_TAG, LOCK_TAG = "featurestore.frame", "featurestore.lock"
_LONGEST_TAG = 500
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True)
class AliasMove:
    """What an alias has moved.

    Attributes
    ----------
    alias
        `model@alias`, as MLflow names it.
    endpoint
        Whose models it decides.
    before, after
        Model versions of this store; None where nothing was, or is, live there.
    """

    alias: str
    endpoint: str
    before: str | None
    after: str | None


def log_frame(
    frame: TrainingFrame, *, name: str = "training_frame", context: str = "training", run_id: str | None = None,
    client: Any = None,  # noqa: ANN401 - an MlflowClient
) -> str:  # fmt: skip
    """Log a training frame as a dataset of a run, and its lock as an artifact.

    The dataset's digest is the frame's id, which covers every snapshot; the same rows again have the same digest, other
    rows another.

    Parameters
    ----------
    frame
        What the model is trained on.
    name
        Of the dataset; several frames of one run need several.
    context
        What MLflow shows beside it: `training`, `validation`.
    run_id
        Another run than the active one.
    client
        An `MlflowClient`; None takes one of the current tracking URI.

    Returns
    -------
    str
        The path of the lock among the run's artifacts: `featurestore/training_frame.lock`.

    Raises
    ------
    RequestError
        If no run is active and none is named, or the name is not usable.
    ConfigError
        If MLflow is not installed.
    """
    mlflow = _mlflow()
    run = run_id or (mlflow.active_run().info.run_id if mlflow.active_run() else None)
    if run is None:
        raise RequestError(
            "no run of MLflow is active: log the frame inside `with mlflow.start_run():`, or give run_id=."
        )
    if not name or len(name) > _LONGEST_NAME or not name.replace("-", "_").replace(".", "_").isidentifier():
        raise RequestError(f"name={name!r} does not name a dataset and a file: use letters, digits, '_', '-' and '.'.")
    client = client or mlflow.MlflowClient()
    path = f"featurestore/{name}.lock"
    client.log_text(run, frame.pins.dumps(), path)
    entities = mlflow.entities
    tags = {
        "mlflow.data.context": context,
        FRAME_TAG: frame.id,
        LOCK_TAG: path,
        "featurestore.versions": _some([pin.reference for pin in frame.pins.pins]),
    }
    columns = [{"name": field.name, "type": str(field.type)} for field in frame.schema]
    dataset = entities.Dataset(
        name=name,
        digest=frame.id,
        source_type=SOURCE_TYPE,
        source=json.dumps({"frame": frame.id, "snapshots": {pin.reference: pin.snapshot for pin in frame.pins.pins}}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({} if frame.pins.spine is None else {"num_rows": frame.pins.spine.rows}),
    )
    logged = [entities.InputTag(key, value) for key, value in tags.items()]
    client.log_inputs(run, [entities.DatasetInput(dataset, logged)])
    client.set_tag(run, FRAME_TAG, frame.id)
    return path


def _mlflow() -> ModuleType:
    try:
        import mlflow
        import mlflow.entities
    except ImportError as error:
        raise ConfigError(f"MLflow is not installed ({error}): `pip install featurestore[mlflow]`.") from error
    return mlflow


def _some(names: Sequence[str]) -> str:
    """Return as many names as a tag takes, and how many more there are."""
    for count in range(len(names), 0, -1):
        rest = len(names) - count
        text = ", ".join(names[:count]) + (f" and {rest} more" if rest else "")
        if len(text) <= _LONGEST_TAG:
            return text
    return f"{len(names)} versions"


# --- registration


def run_node(run_id: str) -> str:
    """Return the name of a run in the graph."""
    return f"run/mlflow/{run_id}"


def register_model(
    store: FeatureStore,
    name: str,
    *,
    run_id: str,
    version: str | int | None = None,
    dataset: str | None = None,
    inputs: Sequence[str] | None = None,
    owner: str | None = None,
    client: Any = None,  # noqa: ANN401 - an MlflowClient
) -> ModelVersion:
    """Register a model version from a run of MLflow: its frame, metrics, parameters, commit and place are read there.

    Parameters
    ----------
    name
        The model's name here.
    run_id
        The run; a frame was logged in it with `log_frame`.
    version
        None takes the number of the version that MLflow's registry has of the run.
    dataset
        Which of several frames of the run, by its name.
    inputs
        As `FeatureStore.register_model`.
    owner
        None is the run's user.
    client
        As `log_frame`.

    Returns
    -------
    ModelVersion
        Its `metrics` are the run's, with its parameters as `params.NAME`. In the graph the run lies between the frame
        and the model.

    Raises
    ------
    NotFoundError
        If there is no such run, no frame was logged in it, or this store does not hold the frame.
    RequestError
        If the run has several frames, or several registered versions, and none is chosen.
    """
    mlflow = _mlflow()
    client = client or mlflow.MlflowClient()
    run = _run(mlflow, client, run_id)
    frame = _logged_frame(run, dataset)
    registered = store.register_model(
        name,
        version=_registered_version(client, run_id) if version is None else version,
        frame=frame,
        inputs=inputs,
        owner=owner or run.data.tags.get("mlflow.user"),
        uri=f"runs:/{run_id}",
        git_sha=run.data.tags.get("mlflow.source.git.commit"),
        metrics={**run.data.metrics, **{f"params.{key}": value for key, value in run.data.params.items()}},
    )
    node = Asset("run", f"mlflow/{run_id}")
    with store.context.catalog.write() as tx:
        foreign.say(
            tx, node, name=run.info.run_name, experiment=run.info.experiment_id, user=run.data.tags.get("mlflow.user")
        )
        graph.link(tx, ("frame", registered.frame), (node.kind, node.key), "read by")
        if graph.link(tx, (node.kind, node.key), ("model", registered.reference), "made"):
            tx.record("linked", "model", registered.reference, upstream=run_node(run_id), how="made")
    return registered


def _run(mlflow: Any, client: Any, run_id: str) -> Any:  # noqa: ANN401
    try:
        return client.get_run(run_id)
    except mlflow.exceptions.MlflowException as error:
        raise NotFoundError(f"MLflow has no run {run_id!r} ({error}): look at the tracking URI.") from error


def _logged_frame(run: Any, dataset: str | None) -> str:  # noqa: ANN401
    found = {
        item.dataset.name: item.dataset.digest
        for item in run.inputs.dataset_inputs
        if item.dataset.source_type == SOURCE_TYPE and dataset in {None, item.dataset.name}
    }
    if not found:
        which = "no frame" if dataset is None else f"no frame {dataset!r}"
        raise NotFoundError(f"{which} was logged in run {run.info.run_id}: call log_frame(frame) inside the run.")
    if len(set(found.values())) > 1:
        raise RequestError(
            f"run {run.info.run_id} has the frames {', '.join(sorted(found))}: say which one the model was trained on, "
            "dataset=."
        )
    return str(next(iter(found.values())))


def _registered_version(client: Any, run_id: str) -> str:  # noqa: ANN401
    found = sorted({str(item.version) for item in client.search_model_versions(f"run_id = '{run_id}'")})
    if len(found) != 1:
        what = "several versions" if found else "no version"
        raise RequestError(f"MLflow's registry has {what} of run {run_id}: say which one it is here, version=.")
    return found[0]


# --- aliases


def sync_aliases(
    store: FeatureStore,
    client: Any = None,  # noqa: ANN401 - an MlflowClient
    *,
    mapping: Mapping[str, str],
) -> list[AliasMove]:
    """Deploy what MLflow's aliases point to, and end what they no longer point to.

    Parameters
    ----------
    client
        As `log_frame`.
    mapping
        Alias to endpoint: `{"champion": "eta-prod"}`, or of one model `{"delay@champion": "eta-prod"}`. An alias alone
        decides what is live on its endpoint.

    Returns
    -------
    list
        What has moved; nothing where all was as MLflow says. The history is that of the deployments.

    Raises
    ------
    RequestError
        If several models carry an alias that is mapped without its model.
    NotFoundError
        If the version that an alias points to is not registered here; nothing is moved then.
    """
    mlflow = _mlflow()
    client = client or mlflow.MlflowClient()
    models = {model.name: model.aliases for model in client.search_registered_models()}
    wanted = {key: _pointed_at(store, client, models, key) for key in mapping}
    moves = []
    for key, endpoint in mapping.items():
        model, alias, reference = wanted[key]
        live = [item.reference for item in store.endpoints().get(endpoint, [])]
        if live == ([] if reference is None else [reference]):
            continue
        if reference is not None:
            store.deploy(reference, endpoint=endpoint, replace=True)
        else:
            for each in live:
                store.undeploy(each, endpoint=endpoint)
        moves.append(AliasMove(f"{model}@{alias}", endpoint, ", ".join(live) or None, reference))
    return moves


def _pointed_at(
    store: FeatureStore,
    client: Any,  # noqa: ANN401
    models: Mapping[str, Mapping[str, Any]],
    key: str,
) -> tuple[str, str, str | None]:
    """Return the model, the alias, and the model version of this store that it points to; None if to nothing."""
    name, at, alias = key.rpartition("@")
    if at and name not in models:
        raise NotFoundError(f"MLflow's registry has no model {name!r}.{nearest(name, models)}")
    holders = [model for model, aliases in models.items() if alias in aliases and (not at or model == name)]
    if len(holders) > 1:
        raise RequestError(
            f"the models {', '.join(sorted(holders))} all have the alias {alias!r}: map it with its model, "
            f"'{holders[0]}@{alias}'."
        )
    if not holders:
        return name or "*", alias, None
    version = client.get_model_version_by_alias(holders[0], alias)
    return holders[0], alias, _registered(store, holders[0], str(version.version), str(version.run_id or ""))


def _registered(store: FeatureStore, model: str, version: str, run_id: str) -> str:
    """Return the model version of this store that was made of a run, else the one of the same name and number."""
    with store.context.catalog.read() as connection:
        rows = [row for row, _ in graph.find(connection, f"mlflow/{run_id}", "run")]
        made = [node.key for _, _, _, node in graph.links(connection, rows, "down") if node.kind == "model"]
    known = [item.reference for item in store.models()]
    same = [reference for reference in known if reference.casefold() == f"{model}@{version}".casefold()]
    found = [reference for reference in made if reference in same] or made or same
    if len(found) != 1:
        raise NotFoundError(
            f"MLflow's {model} version {version} is not registered here: "
            f"register_model(store, {model!r}, run_id={run_id!r}) first.{nearest(f'{model}@{version}', known)}"
        )
    return found[0]
