"""Status: the state of every view, model, endpoint and feature set, on one screen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import activations, feature_sets, generations, models, quarantine, schema, snapshots, versions
from featurestore.lineage.reads import Reading, live_reads
from featurestore.lineage.text import count, moment, outline, short, some, table
from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.model.history import Activation
    from featurestore.model.version import FeatureVersion

__all__ = [
    "EndpointStatus",
    "MovedPointer",
    "Published",
    "SetStatus",
    "Status",
    "VersionStatus",
    "ViewStatus",
    "status",
]


@dataclass(frozen=True, slots=True)
class Published:
    """What readers of a version are served: the snapshot, rows up to which event time, how many keys, and since when.

    `held`: published from a named snapshot, so that `refresh` leaves it.
    """

    snapshot: str
    as_of: datetime | None
    rows: int
    held: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A feature version and its rows.

    Attributes
    ----------
    version, retired
        `view@vN`, and why it must not be used any more.
    snapshot, rows, last, materialized_at
        The newest state of its table: id, rows, greatest event time, when it was made; None before the first.
    published
        What is online; None if nothing is.
    behind
        Whether newer rows are at rest than online.
    endpoints
        Endpoints that read it now.
    quarantined
        The snapshots that wait in quarantine, oldest first.
    """

    version: str
    retired: str | None
    snapshot: str | None
    rows: int | None
    last: datetime | None
    materialized_at: datetime | None
    published: Published | None
    behind: bool
    endpoints: tuple[str, ...]
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MovedPointer:
    """A pointer that leads elsewhere than its view's (in the default scope) or than the lock (on an endpoint)."""

    pointer: str
    version: str
    instead_of: str
    activation: int
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ViewStatus:
    """A view: the version applied last, the one active in the default scope (None: none), and all versions."""

    view: str
    owner: str
    current: str
    active: str | None
    moved: tuple[MovedPointer, ...]
    versions: tuple[VersionStatus, ...]


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """An endpoint: `(model, share)` live on it, and what it reads otherwise than their locks say."""

    endpoint: str
    models: tuple[tuple[str, float | None], ...]
    moved: tuple[MovedPointer, ...]


@dataclass(frozen=True, slots=True)
class SetStatus:
    """A feature set in the version applied last, and the references that it names."""

    feature_set: str
    owner: str
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The store's state.

    Attributes
    ----------
    views, endpoints, sets
        Each of them.
    models
        `(model version, owner, endpoints it is live on)`.
    """

    views: tuple[ViewStatus, ...]
    models: tuple[tuple[str, str, tuple[str, ...]], ...]
    endpoints: tuple[EndpointStatus, ...]
    sets: tuple[SetStatus, ...] = ()

    def __str__(self) -> str:
        if not self.views:
            return "the store is empty: apply a feature view first"
        moved = [
            (f"! {endpoint.endpoint}", move.pointer, f"{move.version}, not {move.instead_of}", moment(move.at),
             move.actor, move.reason or "-")
            for endpoint in self.endpoints
            for move in endpoint.moved
        ]  # fmt: skip
        moved += [
            ("! default", move.pointer, f"{move.version}, not {move.instead_of}", moment(move.at), move.actor,
             move.reason or "-")
            for view in self.views
            for move in view.moved
        ]  # fmt: skip
        live = [
            (item.endpoint, ", ".join(_shared(*model) for model in item.models) or "nothing is live")
            for item in self.endpoints
        ]
        idle = [model for model, _, endpoints in self.models if not endpoints]
        titles = ("version", "", "rows", "newest row", "online", "keys", "rows up to", "", "read by")
        return outline(
            ", ".join(
                count(len(things), noun)
                for things, noun in ((self.views, "view"), (self.models, "model version"), (self.endpoints, "endpoint"))
            ),
            table(titles, [_line(view, item) for view in self.views for item in view.versions]),
            table(("endpoint", "live"), live),
            table(("feature set", "features"), [(item.feature_set, some(item.features, 4)) for item in self.sets]),
            table(
                ("in quarantine", "snapshot"),
                [
                    (item.version, short(waiting))
                    for view in self.views
                    for item in view.versions
                    for waiting in item.quarantined
                ],
            ),
            table(("moved for", "pointer", "reads", "since", "who", "why"), moved),
            [f"  not live: {some(idle, 8)}"] if idle else [],
        )


def _shared(model: str, share: float | None) -> str:
    return model if share is None else f"{model} ({share:.0%})"


def _line(view: ViewStatus, item: VersionStatus) -> tuple[str, ...]:
    marks = [
        word
        for word, holds in (
            ("current", item.version == view.current),
            ("active", item.version == view.active),
            ("retired", item.retired is not None),
            ("quarantine", bool(item.quarantined)),
        )
        if holds
    ]
    online = item.published
    return (
        item.version,
        ", ".join(marks),
        "-" if item.rows is None else f"{item.rows:,}",
        moment(item.last),
        "-" if online is None else short(online.snapshot),
        "-" if online is None else f"{online.rows:,}",
        "-" if online is None else moment(online.as_of),
        "held" if online is not None and online.held else "behind" if item.behind else "",
        some(item.endpoints) or "-",
    )


def status(connection: Connection) -> Status:
    """Return the state of every view, model, endpoint and feature set."""
    readings = live_reads(connection)
    readers: dict[str, dict[str, None]] = defaultdict(dict)
    moved: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        readers[reading.version_reference][reading.deployment.endpoint] = None
        if reading.version != reading.locked:
            moved[reading.deployment.endpoint].append(reading)
    waiting = quarantine.all_waiting(connection)
    views = tuple(_view(connection, name, readers, waiting) for name in versions.view_names(connection))
    live: dict[str, dict[str, None]] = defaultdict(dict)
    on: dict[str, list[tuple[str, float | None]]] = defaultdict(list)
    for deployment in models.deployments(connection):
        live[deployment.reference][deployment.endpoint] = None
        on[deployment.endpoint].append((deployment.reference, deployment.share))
    table_ = schema.model_versions
    owners = connection.execute(select(table_.c.model, table_.c.version, table_.c.owner).order_by(table_.c.id)).all()
    known = tuple(
        (f"{row.model}@{row.version}", row.owner, tuple(live[f"{row.model}@{row.version}"])) for row in owners
    )
    endpoints = tuple(
        EndpointStatus(name, tuple(on[name]), tuple(_moved_reads(moved[name])))
        for name in models.endpoint_names(connection)
    )
    sets = tuple(
        SetStatus(
            item.reference,
            feature_sets.metadata(connection, item.name).owner,
            tuple(str(reference) for reference in item.features),
        )
        for item in feature_sets.everything(connection)
    )
    return Status(views, known, endpoints, sets)


def _view(
    connection: Connection, name: str, readers: dict[str, dict[str, None]], waiting: Mapping[str, tuple[str, ...]]
) -> ViewStatus:
    active = activations.pointer(connection, name, None)
    return ViewStatus(
        name,
        versions.metadata(connection, name).owner,
        versions.current(connection, name).reference,
        None if active is None else f"{name}@v{active.version}",
        tuple(_overrides(activations.history(connection, name), active)),
        tuple(
            _version(connection, version, tuple(readers[version.reference]), waiting)
            for version in versions.of_view(connection, name)
        ),
    )


def _overrides(history: Iterable[Activation], active: Activation | None) -> Iterable[MovedPointer]:
    """Return the features that the default scope reads apart from their view."""
    newest = {move.feature: move for move in history if move.endpoint is None and move.feature is not None}
    for _, move in sorted(newest.items()):
        if (active is None or move.id > active.id) and move.version != (active and active.version):
            before = "none" if active is None else f"v{active.version}"
            yield _pointer(move, f"{move.view}:{move.feature}", before)


def _moved_reads(readings: Iterable[Reading]) -> Iterable[MovedPointer]:
    found: dict[tuple[int, int], MovedPointer] = {}
    for reading in readings:
        move = reading.activation
        if move is not None:
            name = reading.view if move.feature is None else f"{reading.view}:{move.feature}"
            found.setdefault((move.id, reading.locked), _pointer(move, name, f"v{reading.locked}"))
    return found.values()


def _pointer(move: Activation, name: str, instead_of: str) -> MovedPointer:
    return MovedPointer(name, f"v{move.version}", instead_of, move.id, move.at, move.actor, move.reason)


def _version(
    connection: Connection,
    version: FeatureVersion,
    endpoints: tuple[str, ...],
    waiting: Mapping[str, tuple[str, ...]],
) -> VersionStatus:
    head = snapshots.head(connection, version)
    generation = generations.current(connection, version.view, version.number)
    published = None
    if generation is not None:
        as_of = None if generation.as_of is None else from_micros(generation.as_of)
        published = Published(generation.snapshot, as_of, generation.rows, generation.held, generation.at)
    return VersionStatus(
        version.reference,
        version.retired,
        None if head is None else head.id,
        None if head is None else head.rows,
        None if head is None or head.last is None else from_micros(head.last),
        None if head is None else head.created_at,
        published,
        head is not None and published is not None and published.snapshot != head.id,
        endpoints,
        waiting.get(version.reference, ()),
    )
