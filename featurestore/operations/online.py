"""Online reads: a lock, an endpoint's pointers, a feature set or references become columns of rows ready to serve.

A request is resolved against one state of the catalog and answered from it whole: no answer mixes two activations.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import generations, models, versions
from featurestore.errors import CorruptError, FeatureStoreError, LockMismatchError, NotPublishedError, RequestError
from featurestore.model.description import Description
from featurestore.model.feature_set import FeatureSetVersion
from featurestore.model.pins import PinSet
from featurestore.model.times import parse_time, to_micros
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.values import default_from_json
from featurestore.online.entities import read_entities
from featurestore.online.lookup import Asked, ColumnPlan, ReadPlan, lookup
from featurestore.operations.feature_sets import one_set
from featurestore.operations.register import as_model
from featurestore.operations.resolve import (
    Column,
    as_reference,
    by_version,
    deployed,
    endpoint_columns,
    lock_columns,
    reference_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.model.history import Generation
    from featurestore.model.types import FeatureType
    from featurestore.model.version import FeatureVersion
    from featurestore.online.lookup import RowAnswer
    from featurestore.operations.context import Context

__all__ = ["OnlineReader"]

_MOST_PLANS = 1024
_RESOLVING_SECONDS = 0.5  # for which requests are resolved aside; the rest are when they are asked again

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """Requests as one state of the catalog resolves them; more are added as they are asked."""

    sequence: int
    plans: dict[Asked, ReadPlan]


class OnlineReader:
    """Answers online reads of one store; resolved requests are kept for as long as the catalog does not change.

    Whether it has changed is asked at every read, or, within `following`, at intervals by a thread that resolves anew
    what is being asked for: a read then neither waits for the catalog nor for the resolving.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known = _Known(-1, {})
        self._followed = False

    def asked(
        self,
        features: object = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        feature_set: object = None,
        lock: object = None,
    ) -> Asked:
        """Return what a request names, of what callers name it with; see `FeatureStore.get_online_features`."""
        return Asked(
            None if features is None else _listed(features),
            None if model is None else str(as_model(model)),
            None if endpoint is None else str(endpoint),
            None if feature_set is None else str(getattr(feature_set, "reference", feature_set)),
            None if lock is None else _digest(lock),
        )

    def read(self, asked: Asked, entities: object, at: datetime | date | str | None = None) -> RowAnswer:
        """Return the features of entities; see `FeatureStore.get_online_features`."""
        moment = time.time_ns() // 1000 if at is None else to_micros(parse_time(at, what="at"))
        known = self._known if self._followed else self._current()
        plan = known.plans.get(asked) or self._resolved(asked, known)
        while True:
            try:
                return lookup(self._context.online, plan, read_entities(entities, plan.keys, plan.known), moment)
            except (NotPublishedError, CorruptError):
                fresh = self._resolved(asked, known)
                if fresh.generations == plan.generations:
                    raise
                plan = fresh  # publishes have overtaken this request

    @contextmanager
    def following(self, every: float) -> Iterator[None]:
        """Answer within the block from what a thread has last seen of the catalog, which it looks at anew and anew.

        Parameters
        ----------
        every
            Seconds between two looks.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._follow, args=(every, stop), name="follow catalog", daemon=True)
        self._current()
        self._followed = True
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._followed = False

    def _follow(self, every: float, stop: threading.Event) -> None:
        failing = False
        while not stop.wait(every):
            try:
                self._current()
                failing = False
            except Exception:  # noqa: BLE001 - a thread that ended would leave the server in the past for good
                if not failing:
                    _log.exception("the catalog cannot be read: answering from what was last seen of it")
                failing = True

    def _current(self) -> _Known:
        """Return what is known of the catalog as it is now; what was asked before is resolved, the newest first."""
        sequence = self._context.catalog.sequence()
        known = self._known
        if sequence == known.sequence:
            return known
        fresh = _Known(sequence, {})
        until = time.monotonic() + _RESOLVING_SECONDS
        for asked in reversed([*known.plans]) if self._followed else ():
            if time.monotonic() > until:
                break
            with suppress(FeatureStoreError):  # whoever asks is told why
                self._resolved(asked, fresh)
        self._known = _Known(sequence, dict(reversed(fresh.plans.items())))
        return self._known

    def _resolved(self, asked: Asked, known: _Known) -> ReadPlan:
        if len(known.plans) >= _MOST_PLANS:
            known.plans.clear()
        while True:
            sequence = self._context.catalog.sequence()
            with self._context.catalog.read() as connection:
                columns, found = self._columns(connection, asked)
                _check_lock(found, asked.lock)
                current = {name: _published(connection, version) for name, version in by_version(columns).items()}
                keys = _every_key(connection)
            plans = [_column_plan(column, current) for column in columns]
            try:
                model = found.reference if isinstance(found, models.ModelVersion) else None
                plan = ReadPlan(self._context.online, plans, _keys(columns), keys, model=model)
            except NotPublishedError as error:  # publishes have overtaken it, and it is resolved again
                if sequence == self._context.catalog.sequence():
                    raise CorruptError(f"the catalog names rows that are not there: {error}") from error
            else:
                known.plans[asked] = plan  # of this state, even if another thread has seen a newer one meanwhile
                return plan

    def describe(self, asked: Asked) -> Description:
        """Return what such a request takes and gives; see `FeatureStore.describe`."""
        with self._context.catalog.read() as connection:
            columns, found = self._columns(connection, asked)
        pins = found.lock if isinstance(found, models.ModelVersion) else None
        return Description(
            keys=tuple((name, str(type_)) for name, type_ in _keys(columns).items()),
            request=() if pins is None else pins.request,
            inputs=() if pins is None else pins.inputs,
            columns=tuple((column.name, str(column.reference), str(column.feature.type)) for column in columns),
            lock_digest=None if pins is None else pins.digest,
            model=found.reference if isinstance(found, models.ModelVersion) else None,
            endpoint=asked.endpoint,
            feature_set=found.reference if isinstance(found, FeatureSetVersion) else None,
        )

    def _columns(
        self, connection: Connection, asked: Asked
    ) -> tuple[list[Column], models.ModelVersion | FeatureSetVersion | None]:
        """Return the columns asked for, and the model or feature set that named them."""
        by_model = asked.model is not None or asked.endpoint is not None
        ways = (asked.features is not None, by_model, asked.feature_set is not None)
        if sum(ways) != 1:
            what = "say what to read" if not any(ways) else "say in one way what to read"
            raise RequestError(
                f"{what}: features=[...], feature_set='fraud@v1', model='delay@1' or endpoint='eta-prod' "
                "(these two also together)."
            )
        pins = self._context.settings.require_pins
        if asked.features is not None:
            return reference_columns(connection, asked.features, require_pins=pins), None
        if asked.feature_set is not None:
            named = one_set(connection, asked.feature_set, require_pins=pins)
            return reference_columns(connection, named.features, require_pins=pins), named
        if asked.endpoint is not None:
            deployment, found = deployed(connection, asked.endpoint, asked.model)
            return endpoint_columns(connection, deployment, found.lock), found
        found = models.find(connection, str(asked.model))
        return lock_columns(connection, found.lock), found


def _listed(features: object) -> tuple[str, ...]:
    listed = features if isinstance(features, Iterable) and not isinstance(features, str) else [features]
    return tuple(item if type(item) is str else str(as_reference(item)) for item in listed)


def _digest(lock: object) -> str:
    """Return the digest of a lock: of a `PinSet`, of the file at a path that ends in `.lock`, or as given."""
    if isinstance(lock, (str, os.PathLike)) and os.fspath(lock).endswith(".lock"):
        lock = PinSet.load(os.fspath(lock))
    given = lock.digest if isinstance(lock, PinSet) else lock
    if not isinstance(given, str):
        raise RequestError(f"{given!r} is no lock: give a PinSet, its digest, or the path of a lock file.")
    return given


def _check_lock(model: models.ModelVersion | FeatureSetVersion | None, given: str | None) -> None:
    if given is None:
        return
    if not isinstance(model, models.ModelVersion):
        raise RequestError("lock= goes with model= or endpoint=: references and feature sets have no lock.")
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


def _every_key(connection: Connection) -> set[str]:
    """Return the join keys of all views: what `entities` may hold though nothing needs it."""
    return {
        key for view in versions.view_names(connection) for key, _ in versions.current(connection, view).definition.keys
    }


def _published(connection: Connection, version: FeatureVersion) -> Generation:
    generation = generations.current(connection, version.view, version.number)
    if generation is None:
        raise NotPublishedError(
            f"{version.reference} has no rows online: run `featurestore publish {version.reference}` first."
        )
    return generation


def _column_plan(column: Column, current: Mapping[str, Generation]) -> ColumnPlan:
    version, feature = column.version, column.feature
    return ColumnPlan(
        name=column.name,
        view=version.view,
        version=version.number,
        feature=feature.name,
        definition=version.definition,
        default=None if feature.default is None else default_from_json(feature.type, feature.default),
        arrow_type=to_arrow(feature.type),
        generation=current[version.reference],
        activation=column.activation,
        on=column.on,
    )
