"""Activations: the pointers from views (and single features) to feature versions, by scope, with all their history.

A pointer is the newest row of its view, feature and scope; `below` links the rows into a stack, which `rollback` pops.
A feature's pointer counts while it is newer than its view's. An endpoint's pointer counts for the deployments that
were live when it was moved; for later ones the endpoint starts from their model's lock again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from featurestore.catalog import models, schema, versions
from featurestore.model.history import Activation, Deployment

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction

__all__ = ["Pointers", "by_id", "history", "move", "pointer", "pointers"]

_ACTIVATIONS = schema.activations
_JOINED = (
    select(
        _ACTIVATIONS, schema.views.c.name, schema.feature_versions.c.number, schema.endpoints.c.name.label("endpoint")
    )
    .join(schema.feature_versions, schema.feature_versions.c.id == _ACTIVATIONS.c.version_id)
    .join(schema.views, schema.views.c.id == _ACTIVATIONS.c.view_id)
    .outerjoin(schema.endpoints, schema.endpoints.c.id == _ACTIVATIONS.c.endpoint_id)
)


def _value(row: Row[Any]) -> Activation:
    return Activation(
        row.id, row.name, row.feature, row.endpoint, row.number, row.action, row.below, row.reason, row.actor, row.at
    )


def by_id(connection: Connection, activation: int) -> Activation:
    """Return one row of the history; it must exist."""
    return _value(connection.execute(_JOINED.where(_ACTIVATIONS.c.id == activation)).one())


@dataclass(frozen=True, slots=True)
class Pointers:
    """A view's pointers in one scope: the newest move of the whole view, and of each feature that has its own."""

    whole: Activation | None
    own: Mapping[str, Activation]

    def read(self, feature: str | None) -> Activation | None:
        """Return the move by which a feature is read: its own if newer than its view's, else the view's."""
        own = None if feature is None else self.own.get(feature)
        return own if own is not None and (self.whole is None or own.id > self.whole.id) else self.whole


def pointers(
    connection: Connection,
    view: str,
    *,
    endpoint: str | None = None,
    deployment: Deployment | None = None,
    at: datetime | None = None,
) -> Pointers:
    """Return all pointers of a view in this scope.

    Parameters
    ----------
    deployment
        In an endpoint's scope: count only moves made while this deployment was live.
    at
        Count only moves up to this wall clock time.
    """
    newest = select(func.max(_ACTIVATIONS.c.id)).where(
        _ACTIVATIONS.c.view_id == versions.view_id(connection, view),
        _ACTIVATIONS.c.endpoint_id.is_(None)
        if endpoint is None
        else _ACTIVATIONS.c.endpoint_id == models.endpoint_id(connection, endpoint),
    )
    if deployment is not None:
        newest = newest.where(_ACTIVATIONS.c.deployment_id >= deployment.id)
        if deployment.until is not None:
            newest = newest.where(_ACTIVATIONS.c.at <= deployment.until)
    if at is not None:
        newest = newest.where(_ACTIVATIONS.c.at <= at)
    rows = connection.execute(_JOINED.where(_ACTIVATIONS.c.id.in_(newest.group_by(_ACTIVATIONS.c.feature))))
    moves = {move.feature: move for move in map(_value, rows)}
    return Pointers(moves.pop(None, None), {name: move for name, move in moves.items() if name is not None})


def pointer(
    connection: Connection,
    view: str,
    feature: str | None,
    *,
    endpoint: str | None = None,
    deployment: Deployment | None = None,
    at: datetime | None = None,
) -> Activation | None:
    """Return the move by which a feature is read in this scope: its own if newer than its view's, else the view's."""
    return pointers(connection, view, endpoint=endpoint, deployment=deployment, at=at).read(feature)


def history(connection: Connection, view: str) -> list[Activation]:
    """Return every move of a view's pointers, oldest first."""
    statement = _JOINED.where(_ACTIVATIONS.c.view_id == versions.view_id(connection, view))
    return [_value(row) for row in connection.execute(statement.order_by(_ACTIVATIONS.c.id))]


def move(
    tx: Transaction,
    *,
    view: str,
    feature: str | None,
    endpoint: str | None,
    version: int,
    action: str,
    below: int | None,
    reason: str,
) -> Activation:
    """Move one pointer; a row is added."""
    connection = tx.connection
    live = [] if endpoint is None else models.deployments(connection, endpoint=endpoint)
    row = tx.insert(
        _ACTIVATIONS,
        view_id=versions.view_id(connection, view),
        feature=feature,
        endpoint_id=None if endpoint is None else models.endpoint_id(connection, endpoint),
        deployment_id=max((item.id for item in live), default=None),
        version_id=versions.row_id(connection, view, version),
        action=action,
        below=below,
        reason=reason,
        actor=tx.actor,
        at=tx.now,
    )
    moved = by_id(connection, row)
    name = view if feature is None else f"{view}:{feature}"
    kind = "activated" if action == "activate" else "rolled back"
    tx.record(kind, "view", view, reason, pointer=name, version=version, endpoint=endpoint, activation=row)
    return moved
