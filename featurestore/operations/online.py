"""Online reads: a model's lock, an endpoint's pointers or references become columns of rows that are ready to serve.

A request is resolved against one state of the catalog and answered from it whole: no answer mixes two activations.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from featurestore.catalog import generations, models, versions
from featurestore.errors import CorruptError, LockMismatchError, NotPublishedError, RequestError
from featurestore.model.description import Description
from featurestore.model.pins import PinSet
from featurestore.model.times import parse_time, to_micros
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.values import default_from_json
from featurestore.online.entities import read_entities
from featurestore.online.lookup import ColumnPlan, lookup
from featurestore.operations.register import as_model
from featurestore.operations.resolve import (
    Column,
    deployed,
    endpoint_columns,
    lock_columns,
    reference_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.model.types import FeatureType
    from featurestore.online.result import OnlineFeatures
    from featurestore.operations.context import Context

__all__ = ["OnlineReader"]

_MOST_PLANS = 1024


@dataclass(frozen=True, slots=True)
class _Request:
    """A request resolved at one change of the catalog: what `entities` must hold, and where each column comes from."""

    sequence: int
    plans: tuple[ColumnPlan, ...]
    keys: dict[str, FeatureType]
    known: frozenset[str]


class OnlineReader:
    """Answers online reads of one store; resolved requests are kept for as long as the catalog does not change."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: tuple[int, dict[object, _Request]] = (-1, {})

    def get(
        self,
        features: Sequence[object] | None = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        entities: Any,  # noqa: ANN401 - columns of any library
        at: datetime | date | str | None = None,
        lock: PinSet | os.PathLike[str] | str | None = None,
    ) -> OnlineFeatures:
        """Return the features of entities; see `FeatureStore.get_online_features`."""
        now = datetime.now(UTC)
        moment = now if at is None else parse_time(at, now=now, what="at")
        while True:
            request = self._resolve(features, model, endpoint, lock)
            table = read_entities(entities, request.keys, request.known)
            try:
                return lookup(self._context.online, request.plans, table, to_micros(moment))
            except NotPublishedError as error:  # publishes have overtaken this request: it is resolved again
                if request.sequence == self._context.catalog.sequence():
                    raise CorruptError(f"the catalog names rows that are not there: {error}") from error

    def describe(
        self, features: Sequence[object] | None = None, *, model: object = None, endpoint: str | None = None
    ) -> Description:
        """Return what such a request takes and gives; see `FeatureStore.describe`."""
        with self._context.catalog.read() as connection:
            columns, found = self._columns(connection, features, model, endpoint)
        pins = None if found is None else found.lock
        return Description(
            keys=tuple((name, str(type_)) for name, type_ in _keys(columns).items()),
            request=() if pins is None else pins.request,
            inputs=() if pins is None else pins.inputs,
            columns=tuple((column.name, str(column.reference), str(column.feature.type)) for column in columns),
            lock_digest=None if pins is None else pins.digest,
            model=None if found is None else found.reference,
            endpoint=endpoint,
        )

    def _resolve(
        self, features: Sequence[object] | None, model: object, endpoint: str | None, lock: object
    ) -> _Request:
        listed = None if features is None else _listed(features)
        digest = None if lock is None else _digest(lock)
        key = (
            None if listed is None else tuple(map(str, listed)),
            None if model is None else str(model),
            None if endpoint is None else str(endpoint),
            digest,
        )
        sequence = self._context.catalog.sequence()
        known, requests = self._known
        if sequence != known or len(requests) > _MOST_PLANS:
            requests = {}
            self._known = (sequence, requests)
        request = requests.get(key)
        if request is None:
            with self._context.catalog.read() as connection:
                columns, found = self._columns(connection, listed, model, endpoint)
                _check_lock(found, digest)
                request = _plan(connection, columns, sequence)
            requests[key] = request  # of this state, even if another thread has seen a newer one meanwhile
        return request

    def _columns(
        self, connection: Connection, features: Sequence[object] | None, model: object, endpoint: str | None
    ) -> tuple[list[Column], models.ModelVersion | None]:
        if features is not None and (model is not None or endpoint is not None):
            raise RequestError("give features=, or model= and endpoint=, not both: a model names its features itself.")
        if features is not None:
            pins = self._context.settings.require_pins
            return reference_columns(connection, _listed(features), require_pins=pins), None
        name = None if model is None else str(as_model(model))
        if endpoint is not None:
            deployment, found = deployed(connection, endpoint, name)
            return endpoint_columns(connection, deployment, found.lock), found
        if name is None:
            raise RequestError("say what to read: features=[...], model='delay@1' or endpoint='eta-prod'.")
        found = models.find(connection, name)
        return lock_columns(connection, found.lock), found


def _listed(features: object) -> list[object]:
    if isinstance(features, Iterable) and not isinstance(features, str):
        return list(features)
    return [features]


def _digest(lock: object) -> str:
    """Return the digest of a lock: of a `PinSet`, of the file at a path that ends in `.lock`, or as given."""
    if isinstance(lock, (str, os.PathLike)) and os.fspath(lock).endswith(".lock"):
        lock = PinSet.load(os.fspath(lock))
    given = lock.digest if isinstance(lock, PinSet) else lock
    if not isinstance(given, str):
        raise RequestError(f"{given!r} is no lock: give a PinSet, its digest, or the path of a lock file.")
    return given


def _check_lock(model: models.ModelVersion | None, given: str | None) -> None:
    if given is None:
        return
    if model is None:
        raise RequestError("lock= goes with model= or endpoint=: references have no lock.")
    if given != model.lock.digest:
        raise LockMismatchError(
            f"the caller holds the lock {given[:8]}, {model.reference} was registered with {model.lock.digest[:8]}: "
            "the caller was built for another version of the model; deploy it with this model's lock."
        )


def _keys(columns: Sequence[Column]) -> dict[str, FeatureType]:
    """Return the columns that `entities` must hold, with their types, in order of first use."""
    keys: dict[str, FeatureType] = {}
    for column in columns:
        types = dict(column.version.definition.keys)
        for key, name in column.on:
            if keys.setdefault(name, types[key]) != types[key]:
                raise RequestError(
                    f"the entity column {name!r} is {keys[name]} for one view and {types[key]} for "
                    f"{column.version.view!r}: join one of them on another column, ' on {key}=...'."
                )
    return keys


def _plan(connection: Connection, columns: Sequence[Column], sequence: int) -> _Request:
    known = {
        key for view in versions.view_names(connection) for key, _ in versions.current(connection, view).definition.keys
    }
    plans = tuple(_column_plan(connection, column) for column in columns)
    return _Request(sequence, plans, _keys(columns), frozenset(known))


def _column_plan(connection: Connection, column: Column) -> ColumnPlan:
    version, feature = column.version, column.feature
    generation = generations.current(connection, version.view, version.number)
    if generation is None:
        raise NotPublishedError(
            f"{version.reference} has no rows online: run `featurestore publish {version.reference}` first."
        )
    return ColumnPlan(
        name=column.name,
        view=version.view,
        version=version.number,
        feature=feature.name,
        definition=version.definition,
        default=None if feature.default is None else default_from_json(feature.type, feature.default),
        arrow_type=to_arrow(feature.type),
        generation=generation,
        activation=column.activation,
        on=column.on,
    )
