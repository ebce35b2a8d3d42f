"""What live endpoints read: each column of each model live there, and the version that answers it.

An endpoint starts from its model's lock; a pointer moved for the endpoint alone counts for the deployments that were
live when it was moved. The rule is `catalog.activations.pointer`'s, applied to many columns with a few statements.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, or_, select

from featurestore.catalog import schema, versions
from featurestore.model.definition import Definition
from featurestore.model.history import Activation, Deployment
from featurestore.model.names import fold
from featurestore.model.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Select

__all__ = ["Reading", "batches", "definitions", "is_model", "live_reads", "lock_columns", "moves", "pointed_endpoints"]

_BATCH = 500

_PARSE = lru_cache(maxsize=65_536)(parse_reference)


@dataclass(frozen=True, slots=True)
class Reading:
    """One column of a model that is live on an endpoint.

    Attributes
    ----------
    deployment, owner
        Which model on which endpoint, and the model's owner.
    column
        Name of the column in the model's lock.
    view, feature, locked
        What the lock names.
    version
        Number of the version that answers.
    activation
        The move of the endpoint's pointer that decides; None where the lock does.
    """

    deployment: Deployment
    owner: str
    column: str
    view: str
    feature: str
    locked: int
    version: int
    activation: Activation | None

    @property
    def version_reference(self) -> str:
        """`view@vN`, as it answers."""
        return f"{self.view}@v{self.version}"

    @property
    def reference(self) -> str:
        """`view@vN:feature`, as it answers."""
        return f"{self.view}@v{self.version}:{self.feature}"

    @property
    def locked_reference(self) -> str:
        """`view@vN:feature`, as the lock says."""
        return f"{self.view}@v{self.locked}:{self.feature}"


def batches(values: Iterable[Any]) -> Iterable[list[Any]]:
    """Yield lists short enough for one statement."""
    everything = list(values)
    for start in range(0, len(everything), _BATCH):
        yield everything[start : start + _BATCH]


def lock_columns(lock: Mapping[str, Any]) -> list[tuple[str, Reference]]:
    """Return `(column, reference)` of a lock's JSON form, in order."""
    return [(name, _PARSE(text)) for name, text in lock["columns"].items()]


def definitions(connection: Connection, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], Definition]:
    """Return the definitions of `(view, number)`; unknown ones are left away."""
    named = {(fold(view), number): (view, number) for view, number in wanted}
    found = versions.some(connection, named)
    return {named[fold(version.view), version.number]: version.definition for version in found}


def _deployed(at: datetime | None) -> Select[Any]:
    table, models, endpoints = schema.deployments, schema.model_versions, schema.endpoints
    statement = (
        select(
            table.c.id,
            endpoints.c.name,
            models.c.model,
            models.c.version,
            table.c.share,
            table.c.actor,
            table.c.at,
            table.c.until,
            models.c.owner,
            models.c.lock,
        )
        .join(endpoints, endpoints.c.id == table.c.endpoint_id)
        .join(models, models.c.id == table.c.model_version_id)
        .order_by(table.c.id)
    )
    if at is None:
        return statement.where(table.c.until.is_(None))
    return statement.where(table.c.at <= at, or_(table.c.until.is_(None), table.c.until > at))


def moves(connection: Connection, endpoints: Iterable[str], at: datetime | None = None) -> list[tuple[int, Activation]]:
    """Return the moves of endpoints' pointers, oldest first, each with the newest deployment live when it was made."""
    table, names = schema.activations, schema.endpoints
    found = []
    for part in batches({fold(name) for name in endpoints}):
        statement = (
            select(table, schema.views.c.name, schema.feature_versions.c.number, names.c.name.label("endpoint"))
            .join(names, names.c.id == table.c.endpoint_id)
            .join(schema.feature_versions, schema.feature_versions.c.id == table.c.version_id)
            .join(schema.views, schema.views.c.id == table.c.view_id)
            .where(names.c.folded.in_(part), table.c.deployment_id.is_not(None))
        )
        if at is not None:
            statement = statement.where(table.c.at <= at)
        for row in connection.execute(statement):
            move = Activation(
                row.id, row.name, row.feature, row.endpoint, row.number, row.action, row.below, row.reason, row.actor,
                row.at,
            )  # fmt: skip
            found.append((int(row.deployment_id), move))
    return sorted(found, key=lambda item: item[1].id)


def pointed_endpoints(connection: Connection, views: Iterable[str]) -> list[str]:
    """Return the endpoints for which a pointer of one of the views was ever moved."""
    table = schema.activations
    found: dict[str, None] = {}
    for part in batches({fold(view) for view in views}):
        statement = (
            select(schema.endpoints.c.name)
            .distinct()
            .join(table, table.c.endpoint_id == schema.endpoints.c.id)
            .join(schema.views, schema.views.c.id == table.c.view_id)
            .where(schema.views.c.folded.in_(part))
        )
        found |= dict.fromkeys(connection.execute(statement).scalars())
    return list(found)


def live_reads(
    connection: Connection,
    *,
    endpoints: Iterable[str] | None = None,
    models: Iterable[str] | None = None,
    views: Iterable[str] | None = None,
    at: datetime | None = None,
) -> list[Reading]:
    """Return what is read, column by column, in order of deployment.

    Parameters
    ----------
    endpoints, models
        Deployments on one of these endpoints, or of one of these model versions; all if neither is given.
    views
        Only what is read of these views; None is everything.
    at
        As it was at that wall clock time; None is now.
    """
    only = None if views is None else {fold(view) for view in views}
    statement = _deployed(at)
    parts = [statement]
    if endpoints is not None or models is not None:
        names = {fold(name) for name in endpoints or ()}
        parts = [statement.where(schema.endpoints.c.folded.in_(part)) for part in batches(names)]
        parts += [statement.where(is_model(part)) for part in batches(dict.fromkeys(models or ()))]
    rows = {row.id: row for part in parts for row in connection.execute(part)}
    moved: dict[str, list[tuple[int, Activation]]] = defaultdict(list)
    for deployment, move in moves(connection, {row.name for row in rows.values()}, at):
        moved[str(move.endpoint)].append((deployment, move))
    return [reading for _, row in sorted(rows.items()) for reading in _readings(row, moved[row.name], only)]


def is_model(references: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a row of `model_versions` is one of `model@version`, by the index on its name."""
    return schema.model_versions.c.folded.in_({fold(reference) for reference in references})


def _readings(
    row: Any,  # noqa: ANN401 - a database row
    moved: list[tuple[int, Activation]],
    views: set[str] | None,
) -> list[Reading]:
    deployment = Deployment(row.id, row.name, row.model, row.version, row.share, row.actor, row.at, row.until)
    pointers: dict[tuple[str, str | None], Activation] = {}
    for newest_live, move in moved:
        if newest_live >= row.id:
            pointers[fold(move.view), move.feature] = move
    found = []
    columns = row.lock["columns"].items()
    if views is not None:
        columns = [item for item in columns if fold(item[1].partition("@")[0]) in views]
    for column, text in columns:
        reference = _PARSE(text)
        view, feature, locked = reference.view, reference.feature or "", reference.version or 0
        decides = _pointer(pointers, view, feature) if pointers else None
        version = locked if decides is None else decides.version
        found.append(Reading(deployment, row.owner, column, view, feature, locked, version, decides))
    return found


def _pointer(pointers: Mapping[tuple[str, str | None], Activation], view: str, feature: str) -> Activation | None:
    """Return a feature's own move if it is newer than its view's, else its view's."""
    whole = pointers.get((fold(view), None))
    own = pointers.get((fold(view), feature))
    return own if own is not None and (whole is None or own.id > whole.id) else whole
