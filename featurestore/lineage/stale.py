"""Stale models: what has changed, for each live model, since it was trained."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from featurestore.catalog import changes as recorded
from featurestore.catalog import graph, schema
from featurestore.lineage.reads import Reading, batches, definitions, is_model, live_reads
from featurestore.lineage.text import count, moment, outline, short, some
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.model.definition import Definition
    from featurestore.model.history import Change

__all__ = ["StaleModel", "StaleReason", "stale_models"]


@dataclass(frozen=True, slots=True)
class StaleReason:
    """One thing that has changed.

    Attributes
    ----------
    kind
        `"code"`: the view's version applied last computes features that the model reads otherwise, or no longer.
        `"data"`: the version has newer snapshots than the one the model was trained on, other than of the same rows
        compacted. `"schema"`: columns that it reads were removed or have another type. `"activation"`: the endpoint's
        pointer leads to another version than the model's lock.
    subject
        What changed: `view@vN` applied last, the newest snapshot, the source, the version read now.
    text
        What happened, for people.
    at, actor, reason
        When, who, why; actor and reason where they are known.
    sources, features
        `source` names and `view@vN:feature` of the lock that it reaches the model through.
    path
        From source to endpoint, each step as text, for people; several sources or features are one step.
    """

    kind: str
    subject: str
    text: str
    at: datetime
    actor: str
    reason: str
    sources: tuple[str, ...]
    features: tuple[str, ...]
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} ({' -> '.join(self.path)})"


@dataclass(frozen=True, slots=True)
class StaleModel:
    """A model version, live on an endpoint, and what has changed since it was trained.

    Attributes
    ----------
    model, owner, endpoint
        Which model, who answers for it, and where it is live.
    trained_at
        When its training frame was joined.
    reasons
        What has changed: code, data, schema, activation; empty where nothing has.
    """

    model: str
    owner: str
    endpoint: str
    trained_at: datetime
    reasons: tuple[StaleReason, ...]

    def __str__(self) -> str:
        title = f"{self.model} on {self.endpoint} ({self.owner or 'no owner'}), trained {moment(self.trained_at)}"
        return outline(title, [f"  {reason}" for reason in self.reasons] or ["  nothing has changed"])


def stale_models(connection: Connection, *, fresh: bool = False) -> list[StaleModel]:
    """Return each live model and endpoint for which something has changed since the model was trained.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    fresh
        Return those for which nothing has changed too.
    """
    readings = live_reads(connection)
    facts = _Facts(connection, readings)
    found = []
    for _, group in groupby(readings, key=lambda reading: reading.deployment.id):
        live = list(group)
        deployment = live[0].deployment
        trained = facts.trained[deployment.reference]
        reasons = (*facts.code(live), *facts.data(live), *facts.schema(live), *facts.activation(live))
        if reasons or fresh:
            found.append(StaleModel(deployment.reference, live[0].owner, deployment.endpoint, trained["at"], reasons))
    return found


class _Facts:
    """All that the live models' reasons are made from, read with one statement for each kind of fact."""

    def __init__(self, connection: Connection, readings: Sequence[Reading]) -> None:
        wanted = {(reading.view, reading.locked) for reading in readings}
        self.current = _current(connection, {view for view, _ in wanted})
        self.sources = _sources(connection, wanted)
        self.trained = _trained(connection, {reading.deployment.reference for reading in readings})
        compacted = _compacted(connection, wanted)
        self.heads = {key: _Heads(found, compacted) for key, found in _heads(connection, wanted).items()}
        self.snapshots = _snapshots(connection, {heads.all[-1] for heads in self.heads.values()})
        self.changes = _schema_changes(connection, {source for found in self.sources.values() for source in found})
        self.last_change = max((change.id for found in self.changes.values() for change in found), default=0)
        self.connection = connection
        self.definitions = self._definitions(readings, wanted)

    def _definitions(
        self, readings: Sequence[Reading], wanted: set[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Definition]:
        """Return the definitions that are compared: most models read what was applied last, and no schema moved."""
        moved = {key for key in wanted if self.current[key[0]]["number"] != key[1]}
        moved |= {(view, self.current[view]["number"]) for view, _ in moved}
        for reading in readings:
            if self.trained[reading.deployment.reference]["sequence"] < self.last_change:
                moved.add((reading.view, reading.locked))
        return definitions(self.connection, moved)

    def code(self, live: Sequence[Reading]) -> Iterable[StaleReason]:
        for (view, locked), group in _by_version(live).items():
            current = self.current[view]
            if current["number"] == locked:
                continue
            old, new = self.definitions[view, locked], self.definitions[view, current["number"]]
            moved = [reading for reading in group if _differs(old, new, reading.feature)]
            if not moved:
                continue
            gone = sorted({reading.feature for reading in moved if new.feature(reading.feature) is None})
            changed = sorted({reading.feature for reading in moved} - set(gone))
            text = " and ".join(
                part
                for part in (
                    f"computes {some(changed)} otherwise" if changed else "",
                    f"no longer has {some(gone)}" if gone else "",
                )
                if part
            )
            subject = f"{view}@v{current['number']}"
            since = " (retired since)" if current["retired"] else ""
            said = f"{subject}{since} {text}"
            yield self._reason("code", subject, said, current["at"], moved, actor=current["author"])

    def data(self, live: Sequence[Reading]) -> Iterable[StaleReason]:
        pins = self.trained[live[0].deployment.reference]["pins"]
        for (view, locked), group in _by_version(live).items():
            heads = self.heads.get((fold(view), locked))
            number, newest = (0, "") if heads is None else heads.since(pins.get(f"{view}@v{locked}"))
            if not number:
                continue
            snapshot = self._snapshot(newest)
            text = f"{view}@v{locked} has {count(number, 'newer snapshot')}, the last from {snapshot['data']}"
            yield self._reason("data", f"snapshot/{newest}", text, snapshot["at"], group, actor=snapshot["actor"])

    def schema(self, live: Sequence[Reading]) -> Iterable[StaleReason]:
        since = self.trained[live[0].deployment.reference]["sequence"]
        if since >= self.last_change:
            return
        reads = self._reads(live)
        for source, features in reads.items():
            for change in self.changes.get(source, ()):
                columns = _changed_columns(change, added=any(read is None for _, read in features))
                touched = [reading for reading, read in features if read is None or read & columns.keys()]
                if change.id <= since or not touched:
                    continue
                what = some([f"{column} {columns[column]}" for column in sorted(columns)])
                text = f"the schema of {source} changed: {what}"
                yield self._reason(
                    "schema", source, text, change.at, touched, actor=change.actor, reason=change.reason, only=source
                )

    def activation(self, live: Sequence[Reading]) -> Iterable[StaleReason]:
        moved: dict[tuple[int, int, str], list[Reading]] = defaultdict(list)
        for reading in live:
            if reading.activation is not None and reading.version != reading.locked:
                moved[reading.activation.id, reading.locked, reading.view].append(reading)
        for group in moved.values():
            first = group[0]
            move = first.activation
            if move is None:
                continue
            names = some(sorted({reading.feature for reading in group}))
            text = f"{names} of {first.view} is read from v{first.version}, not v{first.locked} (activation {move.id})"
            text += f": {move.reason}" if move.reason else ""
            subject = first.version_reference
            yield self._reason("activation", subject, text, move.at, group, actor=move.actor, reason=move.reason)

    def _reason(
        self,
        kind: str,
        subject: str,
        text: str,
        at: datetime,
        readings: Sequence[Reading],
        *,
        actor: str = "",
        reason: str = "",
        only: str | None = None,
    ) -> StaleReason:
        first = readings[0]
        versions = {(reading.view, reading.locked) for reading in readings}
        names = {source for version in versions for source in self.sources[version]}
        sources = tuple(sorted(names)) if only is None else (only,)
        features = tuple(sorted({reading.locked_reference for reading in readings}))
        path = (some(sources), some(features, 2), first.deployment.reference, first.deployment.endpoint)
        return StaleReason(kind, subject, text, at, actor, reason, sources, features, path)

    def _reads(self, live: Sequence[Reading]) -> dict[str, list[tuple[Reading, set[str] | None]]]:
        """Return, by source, the readings with the columns that each reads of it (None: cannot be told)."""
        found: dict[str, list[tuple[Reading, set[str] | None]]] = defaultdict(list)
        for reading in live:
            definition = self.definitions[reading.view, reading.locked]
            feature = definition.feature(reading.feature)
            for source in definition.sources:
                read = {column for name, column, _ in feature.reads if name == source.name} if feature else set()
                found[source.name].append((reading, read if feature is not None and feature.exact else None))
        return found

    def _snapshot(self, snapshot: str) -> Mapping[str, Any]:
        if snapshot not in self.snapshots:
            self.snapshots |= _snapshots(self.connection, [snapshot])
        return self.snapshots[snapshot]


class _Heads:
    """The snapshots that were a version's head, oldest first, and which of them hold the rows of the one before."""

    def __init__(self, heads: list[str], compacted: set[str]) -> None:
        self.all = heads
        self._compacted = compacted
        self._places = {head: place for place, head in enumerate(heads)}
        self._plain = len(self._places) == len(heads) and compacted.isdisjoint(heads)

    def since(self, pinned: str | None) -> tuple[int, str]:
        """Return how many newer snapshots of other rows there are than a pinned one, and the newest of them."""
        last = self._places.get(pinned or "", -1)
        if self._plain:
            return len(self.all) - last - 1, self.all[-1]
        newer = [head for head in dict.fromkeys(self.all[last + 1 :]) if head not in self._compacted]
        return len(newer), newer[-1] if newer else ""


def _by_version(live: Sequence[Reading]) -> dict[tuple[str, int], list[Reading]]:
    found: dict[tuple[str, int], list[Reading]] = defaultdict(list)
    for reading in live:
        found[reading.view, reading.locked].append(reading)
    return found


def _differs(old: Definition, new: Definition, name: str) -> bool:
    before, after = old.feature(name), new.feature(name)
    if before is None or after is None:
        return True
    return old.feature_fingerprint(before) != new.feature_fingerprint(after)


def _changed_columns(change: Change, *, added: bool) -> dict[str, str]:
    """Return what happened to columns; a new one counts only where it cannot be told which columns are read."""
    new = dict.fromkeys(change.detail.get("added", ()), "is new") if added else {}
    removed = dict.fromkeys(change.detail.get("removed", ()), "was removed")
    retyped = {
        column: f"is {types[1]}, was {types[0]}" for column, types in dict(change.detail.get("retyped", {})).items()
    }
    return removed | retyped | new


def _current(connection: Connection, views: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return each view's version applied last: its number, author and time, and whether it was retired."""
    views_, versions = schema.views, schema.feature_versions
    names = {fold(view): view for view in views}
    found = {}
    for part in batches(names):
        statement = (
            select(views_.c.folded, versions.c.number, versions.c.author, versions.c.created_at, versions.c.retired)
            .join(versions, versions.c.view_id == views_.c.id)
            .where(views_.c.folded.in_(part), versions.c.number == views_.c.current_version)
        )
        for row in connection.execute(statement):
            known = {"number": row.number, "author": row.author, "at": row.created_at}
            found[names[row.folded]] = {**known, "retired": row.retired is not None}
    return found


def _trained(connection: Connection, models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return, for each model version, when its frame was joined, its place in the history, and its pinned snapshots."""
    table, frames, changes = schema.model_versions, schema.frames, schema.changes
    reference = (table.c.model + "@" + table.c.version).label("reference")
    sequence = (
        select(func.min(changes.c.id))
        .where(changes.c.asset_kind == "frame", changes.c.subject == frames.c.id, changes.c.kind == "trained")
        .scalar_subquery()
    )
    found = {}
    for part in batches(models):
        statement = (
            select(reference, frames.c.created_at, table.c.lock, sequence.label("sequence"))
            .join(frames, frames.c.id == table.c.frame_id)
            .where(is_model(part))
        )
        for row in connection.execute(statement):
            pins = {version: pin.get("snapshot") for version, pin in row.lock["versions"].items()}
            found[row.reference] = {"at": row.created_at, "sequence": row.sequence or 0, "pins": pins}
    return found


def _heads(connection: Connection, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
    """Return the snapshots that were heads, oldest first, by `(folded view, number)`."""
    heads, versions, views = schema.heads, schema.feature_versions, schema.views
    named = {(fold(view), number) for view, number in wanted}
    rows = {
        row.id: (row.folded, row.number)
        for part in batches({view for view, _ in named})
        for row in connection.execute(
            select(versions.c.id, views.c.folded, versions.c.number)
            .join(views, views.c.id == versions.c.view_id)
            .where(views.c.folded.in_(part))
        ).all()
        if (row.folded, row.number) in named
    }
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for part in batches(rows):
        statement = select(heads.c.version_id, heads.c.snapshot_id).where(heads.c.version_id.in_(part))
        for version, snapshot in connection.execute(statement.order_by(heads.c.id)).all():
            found[rows[version]].append(snapshot)
    return found


def _sources(connection: Connection, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
    """Return the names of the sources that versions read, by `(view, number)`."""
    nodes = {graph.Asset("version", f"{view}@v{number}"): (view, number) for view, number in wanted}
    rows = graph.rows_of(connection, nodes)
    found: dict[tuple[str, int], list[str]] = {key: [] for key in nodes.values()}
    for near, _, _, source in graph.links(connection, rows, "up", columns=False, kinds=("read by",)):
        found[nodes[rows[near]]].append(source.key)
    return found


def _snapshots(connection: Connection, snapshots: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return when snapshots were made, by whom, and what the last run of each read, for people."""
    table, nodes = schema.snapshots, schema.assets
    found = {}
    for part in batches(snapshots):
        statement = (
            select(table.c.id, table.c.created_at, table.c.runs, nodes.c.actor)
            .outerjoin(nodes, and_(nodes.c.kind == "snapshot", nodes.c.folded == table.c.id))
            .where(table.c.id.in_(part))
        )
        for row in connection.execute(statement).all():
            read = row.runs[-1]["sources"] if row.runs else []
            data = ", ".join(f"{item['source']} {short(item['data_version'])}" for item in read)
            found[row.id] = {"at": row.created_at, "data": data, "actor": row.actor or ""}
    return found


def _compacted(connection: Connection, wanted: Iterable[tuple[str, int]]) -> set[str]:
    """Return the snapshots that hold the rows of the head before them."""
    versions = {f"{view}@v{number}" for view, number in wanted}
    found = recorded.between(connection, subjects={"version": versions}, kinds=("compacted",))
    return {str(change.detail["snapshot"]) for change in found}


def _schema_changes(connection: Connection, sources: Iterable[str]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = defaultdict(list)
    for change in recorded.between(connection, subjects={"source": set(sources)}):
        if change.kind == "schema changed":
            found[change.subject.partition("/")[2]].append(change)
    return found
