"""What lies upstream of a node, as the history of changes names it, and whether a change touches it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import frames, graph, models, schema, versions
from featurestore.catalog.graph import Asset
from featurestore.lineage import foreign
from featurestore.lineage.reads import batches, lock_columns, moves
from featurestore.model.foreign import FOREIGN, field_key
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.model.history import Change, Deployment
    from featurestore.model.version import FeatureVersion

__all__ = ["Upstream", "upstream"]


@dataclass(frozen=True, slots=True)
class _Scope:
    """An endpoint's pointers, while a model was live there: `features` are its `(view, feature)`."""

    deployment: Deployment
    features: frozenset[tuple[str, str]]

    def holds(self, change: Change) -> bool:
        """Tell whether a move of a pointer was one of these."""
        deployment, detail = self.deployment, change.detail
        if fold(detail.get("endpoint") or "") != fold(deployment.endpoint):
            return False
        if change.at < deployment.at or (deployment.until is not None and change.at > deployment.until):
            return False
        return reaches(str(detail.get("pointer", "")), self.features)


def reaches(pointer: str, features: Iterable[tuple[str, str]]) -> bool:
    """Tell whether moving `pointer` (`view` or `view:feature`) moves any of the `(view, feature)`."""
    view, colon, name = pointer.partition(":")
    return any(fold(own) == fold(view) and (not colon or feature == name) for own, feature in features)


@dataclass(slots=True)
class Upstream:
    """What a node reads.

    Attributes
    ----------
    versions
        By view: numbers of the versions read, and when the first of them was applied.
    columns
        By source: the columns read; None is all of them, unknown ones included.
    snapshots, frames, spines, models
        Ids, digests and references.
    views
        Views of which every pointer counts.
    scopes
        Endpoints' pointers that count.
    endpoints
        Endpoints whose deployments count, whatever the model.
    foreign
        Jobs, runs and tables of other systems above all these, by kind.
    fields
        Fields of foreign tables that the columns read are made of.
    """

    versions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    first: dict[str, datetime] = field(default_factory=dict)
    columns: dict[str, set[str] | None] = field(default_factory=dict)
    snapshots: set[str] = field(default_factory=set)
    frames: set[str] = field(default_factory=set)
    spines: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    scopes: list[_Scope] = field(default_factory=list)
    endpoints: set[str] = field(default_factory=set)
    foreign: dict[str, set[str]] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)

    def reads(self, change: Change) -> bool | None:
        """Return whether the node reads what changed; False: a relative of what it reads; None: neither."""
        kind, _, key = change.subject.partition("/")
        if kind == "version":
            return self._reads_version(change, key)
        if kind == "view":
            return self._reads_view(change, key)
        if kind in {"source", "column", "data"}:
            return self._reads_source(change, kind, key)
        if kind in {"model", "endpoint"}:
            return self._reads_deployment(change, kind, key)
        if kind in FOREIGN:
            return self._reads_foreign(change, kind, key)
        held = {"snapshot": self.snapshots, "frame": self.frames, "spine": self.spines, "feature": self.features}
        known = held.get(kind, set())
        return True if key in known else None

    def _reads_version(self, change: Change, reference: str) -> bool | None:
        view, _, number = reference.partition("@v")
        read = self.versions.get(view)
        if read is None:
            return None
        if number.isdigit() and int(number) in read:
            return True
        newer = change.kind == "applied" and change.at > self.first[view]
        return False if newer else None

    def _reads_view(self, change: Change, view: str) -> bool | None:
        if change.kind in {"activated", "rolled back"}:
            counts = view in self.views or any(scope.holds(change) for scope in self.scopes)
            return True if counts else None
        return True if view in self.versions else None

    def _reads_source(self, change: Change, kind: str, key: str) -> bool | None:
        source = key.partition("@")[0] if kind == "data" else key.partition(".")[0]
        if source not in self.columns:
            return None
        columns = self.columns[source]
        if change.kind != "schema changed" or columns is None:
            return True
        touched = {
            *change.detail.get("removed", ()),
            *change.detail.get("retyped", {}),
            *change.detail.get("added", ()),
        }
        return bool(touched & columns)

    def _reads_deployment(self, change: Change, kind: str, key: str) -> bool | None:
        if kind == "endpoint":
            return True if key in self.endpoints else None
        if change.kind not in {"deployed", "undeployed"} or key not in self.models:
            elsewhere = change.kind in {"deployed", "undeployed"} and change.detail.get("endpoint") in self.endpoints
            return True if key in self.models or elsewhere else None
        return True if not self.endpoints or change.detail.get("endpoint") in self.endpoints else None

    def _reads_foreign(self, change: Change, kind: str, key: str) -> bool | None:
        if key in self.foreign.get(kind, ()) and change.kind == "schema changed":
            detail = change.detail
            columns = {*detail.get("removed", ()), *detail.get("retyped", {}), *detail.get("added", ())}
            told = any(name.startswith(field_key(key, "")) for name in self.fields)
            return not told or bool({field_key(key, column) for column in columns} & self.fields)
        return True if key in self.foreign.get(kind, ()) or key in self.fields else None

    def subjects(self, connection: Connection) -> dict[str, set[str] | None]:
        """Return what changes may be about, by kind, so that the rest of the history is never read.

        Changes of single columns and data versions are few, their subjects are many: all of them are looked at.
        """
        numbers = versions.numbers(connection, self.versions)
        found: dict[str, set[str] | None] = {
            "view": {*self.versions, *self.views},
            "source": set(self.columns),
            "snapshot": set(self.snapshots),
            "frame": set(self.frames),
            "spine": set(self.spines),
            "model": {*self.models, *self._live_there(connection)},
            "endpoint": set(self.endpoints),
            "version": {f"{view}@v{number}" for view, known in numbers.items() for number in known},
            "data": None,
            "column": None,
            **self.foreign,
            "field": set(self.fields),
            "feature": set(self.features),
        }
        return {kind: names for kind, names in found.items() if names is None or names}

    def _live_there(self, connection: Connection) -> Iterable[str]:
        for name in self.endpoints:
            for deployment in models.deployments(connection, endpoint=name, live=False):
                yield deployment.reference


def upstream(connection: Connection, asset: Asset, since: datetime | None = None) -> Upstream:
    """Return what a node reads; an endpoint, what the models read that were live there since then."""
    above = Upstream()
    if asset.kind == "model":
        _add_model(connection, above, asset.key, models.deployments(connection, model=asset.key, live=False))
    elif asset.kind == "endpoint":
        _add_endpoint(connection, above, asset.key, since)
    elif asset.kind == "frame":
        _add_frame(connection, above, asset.key)
    elif asset.kind in {"source", "column", "data"}:
        _add_source(above, asset)
    elif asset.kind == "spine":
        above.spines.add(asset.key)
    elif asset.kind in {"set", "contract"}:
        _add_subjects(connection, above, asset)
    else:
        _add_versions(connection, above, asset)
    _add_foreign(connection, above, asset)
    return above


def _add_foreign(connection: Connection, above: Upstream, asset: Asset) -> None:
    """Add the nodes of other systems above what is read: of columns, those that the columns are made of."""
    if not foreign.known(connection):
        return
    columns: list[Asset] = []
    for source, read in above.columns.items():
        if read is None:
            rows = [row for row, _ in graph.find(connection, source, "source")]
            links = graph.links(connection, rows, "down", columns=False)
            columns += [node for _, _, kind, node in links if kind == "has column"]
        else:
            columns += [Asset("column", f"{source}.{name}") for name in read]
    starts = [Asset(kind, key) for kind, keys in (
        ("source", above.columns), ("view", above.versions), ("snapshot", above.snapshots), ("frame", above.frames),
        ("model", above.models), ("endpoint", above.endpoints),
    ) for key in keys]  # fmt: skip
    above.foreign = foreign.above(connection, [*starts, *columns, asset])
    above.fields = foreign.fields_above(connection, [*columns, asset])


def _add_endpoint(connection: Connection, above: Upstream, endpoint: str, since: datetime | None) -> None:
    above.endpoints.add(endpoint)
    live: dict[str, list[Deployment]] = defaultdict(list)
    for deployment in models.deployments(connection, endpoint=endpoint, live=False):
        if since is None or deployment.until is None or deployment.until >= since:
            live[deployment.reference].append(deployment)
    for model, found in live.items():
        _add_model(connection, above, model, found)


def _add_subjects(connection: Connection, above: Upstream, asset: Asset) -> None:
    """Add what a feature set names, or what a contract is about."""
    rows = [row for row, _ in graph.find(connection, asset.key, asset.kind)]
    for _, _, _, named in graph.links(connection, rows, "up", columns=False):
        if named.kind == "source":
            _add_source(above, named)
        else:
            _add_versions(connection, above, named)


def _add_model(connection: Connection, above: Upstream, reference: str, deployments: list[Deployment]) -> None:
    model = models.find(connection, reference)
    above.models.add(model.reference)
    above.frames.add(model.frame)
    frame = [row for row, _ in graph.find(connection, model.frame, "frame")]
    links = graph.links(connection, frame, "up", columns=False)
    above.spines |= {node.key for _, _, kind, node in links if kind == "spine of"}
    wanted: dict[tuple[str, int], set[str] | None] = defaultdict(set)
    pairs = set()
    for _, item in lock_columns(model.lock.to_json()):
        _want(wanted, item.view, item.version or 0, item.feature or "")
        pairs.add((item.view, item.feature or ""))
    for deployment in deployments:
        scope = _Scope(deployment, frozenset(pairs))
        above.scopes.append(scope)
        for newest_live, move in moves(connection, [deployment.endpoint], deployment.until):
            if newest_live < deployment.id:
                continue
            for view, feature in pairs:
                if fold(view) == fold(move.view) and move.feature in {None, feature}:
                    _want(wanted, view, move.version, feature)
    above.snapshots |= {pin.snapshot for pin in model.lock.pins if pin.snapshot is not None}
    _add_features(connection, above, wanted)


def _want(wanted: dict[tuple[str, int], set[str] | None], view: str, number: int, feature: str) -> None:
    features = wanted[view, number]
    if features is not None:
        features.add(feature)


def _add_frame(connection: Connection, above: Upstream, frame: str) -> None:
    record = frames.find(connection, frame)
    above.frames.add(record.id)
    if record.pins.spine is not None:
        above.spines.add(record.pins.spine.digest)
    above.snapshots |= {pin.snapshot for pin in record.pins.pins if pin.snapshot is not None}
    wanted: dict[tuple[str, int], set[str] | None] = defaultdict(set)
    for _, item in record.pins.columns:
        _want(wanted, item.view, item.version or 0, item.feature or "")
    _add_features(connection, above, wanted)


def _add_source(above: Upstream, asset: Asset) -> None:
    if asset.kind == "column":
        source, _, column = asset.key.partition(".")
        above.columns[source] = {column}
    else:
        above.columns[asset.key.partition("@")[0]] = None


def _add_versions(connection: Connection, above: Upstream, asset: Asset) -> None:
    """Add what a view (all its versions), a version, a feature or a snapshot reads."""
    key = asset.key
    if asset.kind in FOREIGN:
        return
    if asset.kind == "snapshot":
        node = [row for row, _ in graph.find(connection, key, "snapshot")]
        links = graph.links(connection, node, "up", columns=False)
        key = next(found.key for _, _, kind, found in links if kind == "materialized as")
        above.snapshots.add(asset.key)
    if asset.kind == "view":
        above.views.add(key)
        numbers = versions.numbers(connection, [key])
        wanted = {(view, number): None for view, known in numbers.items() for number in known}
    else:
        reference, _, feature = key.partition(":")
        view, _, number = reference.partition("@v")
        wanted = {(view, int(number)): {feature} if feature else None}  # type: ignore[dict-item]  # both are values
    _add_features(connection, above, wanted, snapshots=asset.kind != "snapshot")


def _add_features(
    connection: Connection,
    above: Upstream,
    wanted: Mapping[tuple[str, int], set[str] | None],
    *,
    snapshots: bool = True,
) -> None:
    """Add feature versions (of each the named features, or None for all), their rows and their sources."""
    named = {(fold(view), number): (view, features) for (view, number), features in wanted.items()}
    for version in versions.some(connection, wanted):
        view, features = named[fold(version.view), version.number]
        above.versions[view].add(version.number)
        above.first[view] = min(above.first.get(view, version.created_at), version.created_at)
        names = {item.name for item in version.definition.features} if features is None else features
        above.features |= {f"{version.reference}:{name}" for name in names}
        _add_columns(above, version, features)
    if snapshots:
        above.snapshots |= _snapshots(connection, wanted)


def _add_columns(above: Upstream, version: FeatureVersion, features: set[str] | None) -> None:
    definition = version.definition
    read = [item for item in definition.features if features is None or item.name in features]
    for source in definition.sources:
        known = above.columns.setdefault(source.name, set())
        if known is None or not all(item.exact for item in read):
            above.columns[source.name] = None
        else:
            known |= {column for item in read for name, column, _ in item.reads if name == source.name}


def _snapshots(connection: Connection, wanted: Iterable[tuple[str, int]]) -> set[str]:
    """Return the ids of all snapshots of the versions."""
    nodes = graph.rows_of(connection, [Asset("version", f"{view}@v{number}") for view, number in wanted])
    found = set()
    for part in batches(nodes):
        table = schema.edges
        statement = (
            select(schema.assets.c.key)
            .join(table, table.c.downstream == schema.assets.c.id)
            .where(table.c.upstream.in_(part), table.c.kind == "materialized as")
        )
        found |= set(connection.execute(statement).scalars())
    return found
