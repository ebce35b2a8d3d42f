"""Model versions, endpoints, and which model is live where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from featurestore.catalog import graph, schema
from featurestore.errors import ConflictError, NotFoundError, nearest
from featurestore.model.history import Deployment
from featurestore.model.names import fold
from featurestore.model.pins import PinSet
from featurestore.model.reference import ModelReference, parse_model_reference
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from featurestore.catalog.database import Transaction

__all__ = [
    "ModelVersion",
    "deploy",
    "deployments",
    "end_deployment",
    "endpoint_id",
    "endpoint_names",
    "everything",
    "find",
    "insert",
]

_MODELS, _ENDPOINTS, _DEPLOYMENTS = schema.model_versions, schema.endpoints, schema.deployments


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model version.

    Attributes
    ----------
    model, version
        `delay`, `1`.
    frame
        Id of the training frame.
    lock
        The feature versions and rows that the model consumed, only the columns that it reads.
    owner, uri, metrics, actor, code, created_at
        As given to `register_model`.
    """

    model: str
    version: str
    frame: str
    lock: PinSet
    owner: str
    uri: str | None
    metrics: Mapping[str, Any]
    actor: str
    code: CodeState
    created_at: datetime

    @property
    def reference(self) -> str:
        """`model@version`."""
        return f"{self.model}@{self.version}"

    def __str__(self) -> str:
        return self.reference


def _value(row: Row[Any]) -> ModelVersion:
    return ModelVersion(
        row.model,
        row.version,
        row.frame_id,
        PinSet.from_json(row.lock),
        row.owner,
        row.uri,
        row.metrics,
        row.actor,
        CodeState(row.git_commit, row.git_dirty),
        row.created_at,
    )


def everything(connection: Connection) -> list[ModelVersion]:
    """Return every model version, in order of registration."""
    return [_value(row) for row in connection.execute(select(_MODELS).order_by(_MODELS.c.id))]


def _row(connection: Connection, reference: ModelReference) -> Row[Any]:
    statement = select(_MODELS).where(_MODELS.c.folded == fold(str(reference)))
    row = connection.execute(statement).one_or_none()
    if row is None:
        known = [model.reference for model in everything(connection)]
        raise NotFoundError(f"there is no model version {str(reference)!r}.{nearest(str(reference), known)}")
    return row


def find(connection: Connection, reference: str | ModelReference) -> ModelVersion:
    """Return one model version.

    Raises
    ------
    NotFoundError
        If it is not registered; the message names the nearest one.
    """
    parsed = parse_model_reference(reference) if isinstance(reference, str) else reference
    return _value(_row(connection, parsed))


def insert(tx: Transaction, model: ModelVersion) -> ModelVersion:
    """Register a model version.

    Raises
    ------
    ConflictError
        If that version is registered already.
    """
    taken = select(_MODELS.c.id).where(_MODELS.c.folded == fold(model.reference))
    if tx.connection.execute(taken).scalar() is not None:
        raise ConflictError(
            f"{model.reference} is registered already, and a model version never changes: use a new version."
        )
    tx.insert(
        _MODELS,
        model=model.model,
        folded=fold(model.reference),
        version=model.version,
        frame_id=model.frame,
        lock=model.lock.to_json(),
        owner=model.owner,
        uri=model.uri,
        metrics=dict(model.metrics),
        actor=tx.actor,
        git_commit=model.code.commit,
        git_dirty=model.code.dirty,
        created_at=tx.now,
    )
    graph.add_model(tx, model.reference, model.frame, model.lock, model.code)
    tx.record("registered", "model", model.reference, frame=model.frame, lock=model.lock.digest)
    return find(tx.connection, model.reference)


def endpoint_names(connection: Connection) -> list[str]:
    """Return the names of all endpoints, sorted."""
    return list(connection.execute(select(_ENDPOINTS.c.name).order_by(_ENDPOINTS.c.folded)).scalars())


def endpoint_id(connection: Connection, name: str) -> int:
    """Return an endpoint's row.

    Raises
    ------
    NotFoundError
        If no endpoint has that name; the message names the nearest one.
    """
    row = connection.execute(select(_ENDPOINTS.c.id).where(_ENDPOINTS.c.folded == fold(str(name)))).scalar()
    if row is None:
        raise NotFoundError(f"there is no endpoint {name!r}.{nearest(str(name), endpoint_names(connection))}")
    return int(row)


def deployments(
    connection: Connection,
    *,
    endpoint: str | None = None,
    model: str | None = None,
    models: Collection[str] | None = None,
    live: bool = True,
) -> list[Deployment]:
    """Return deployments in order: of one endpoint or all, of one model version, some, or all, live or ended too."""
    if models is not None:
        wanted = [deployments(connection, endpoint=endpoint, model=name, live=live) for name in models]
        return sorted((item for each in wanted for item in each), key=lambda item: item.id)
    statement = (
        select(_DEPLOYMENTS, _ENDPOINTS.c.name, _MODELS.c.model, _MODELS.c.version)
        .join(_ENDPOINTS, _ENDPOINTS.c.id == _DEPLOYMENTS.c.endpoint_id)
        .join(_MODELS, _MODELS.c.id == _DEPLOYMENTS.c.model_version_id)
        .order_by(_DEPLOYMENTS.c.id)
    )
    if endpoint is not None:
        statement = statement.where(_ENDPOINTS.c.id == endpoint_id(connection, endpoint))
    if model is not None:
        statement = statement.where(_MODELS.c.folded == fold(model))
    if live:
        statement = statement.where(_DEPLOYMENTS.c.until.is_(None))
    return [
        Deployment(row.id, row.name, row.model, row.version, row.share, row.actor, row.at, row.until)
        for row in connection.execute(statement)
    ]


def deploy(tx: Transaction, model: ModelVersion, endpoint: str, share: float | None) -> Deployment:
    """Make a model version live on an endpoint (which is made if new)."""
    table = _ENDPOINTS
    row = tx.connection.execute(select(table.c.id).where(table.c.folded == fold(endpoint))).scalar()
    if row is None:
        row = tx.insert(table, name=endpoint, folded=fold(endpoint))
    model_row = _row(tx.connection, ModelReference(model.model, model.version)).id
    deployment = tx.insert(
        _DEPLOYMENTS, endpoint_id=row, model_version_id=model_row, share=share, actor=tx.actor, at=tx.now
    )
    graph.add_deployment(tx, model.reference, endpoint)
    tx.record("deployed", "model", model.reference, endpoint=endpoint, share=share)
    return next(item for item in deployments(tx.connection, endpoint=endpoint) if item.id == deployment)


def end_deployment(tx: Transaction, deployment: Deployment, reason: str) -> None:
    """End a deployment; its history stays."""
    tx.connection.execute(update(_DEPLOYMENTS).where(_DEPLOYMENTS.c.id == deployment.id).values(until=tx.now))
    tx.record("undeployed", "model", deployment.reference, reason, endpoint=deployment.endpoint)
