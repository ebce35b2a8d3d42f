"""Endings: what is told of things that are no more, in every answer that names them.

Nothing is taken out of the graph. A version is retired, a column vanishes from its source, a source is read by no
current definition, the last model leaves an endpoint, rows are erased: the node stays, and is marked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import changes as recorded
from featurestore.catalog import graph, schema
from featurestore.lineage.reads import batches
from featurestore.lineage.text import moment
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.catalog.graph import Asset
    from featurestore.model.history import Change

__all__ = ["Ending", "endings"]

_ENDED = {"erased": "erased", "collected": "collected as garbage", "removed": "removed"}
"""Kind of change by which its subject ends, to the word for it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How something ended.

    Attributes
    ----------
    what
        `"retired"`; `"removed"`: a column, from its source; `"not read by any version applied last"`: a source;
        `"no model is live: MODEL undeployed"`: an endpoint; `"erased"`, `"collected as garbage"`: rows.
    at, actor, reason
        When, who, why, as far as that was recorded.
    instead
        What to use instead; None if that was not said.
    """

    what: str
    at: datetime | None = None
    actor: str = ""
    reason: str = ""
    instead: str | None = None

    def __str__(self) -> str:
        when = "" if self.at is None else f" {moment(self.at)}"
        who = f" by {self.actor}" if self.actor else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.what}{when}{who}{why}" + (f"; use {self.instead}" if self.instead else "")


def endings(connection: Connection, assets: Iterable[Asset]) -> dict[Asset, Ending]:
    """Return how those of the nodes ended that have.

    A feature ends with its version. A model version never ends: where it was live is told by its endpoints.
    """
    wanted = list(dict.fromkeys(assets))
    by_kind: dict[str, list[Asset]] = defaultdict(list)
    for asset in wanted:
        by_kind[asset.kind].append(asset)
    found = _recorded(connection, wanted)
    found |= _retired(connection, [*by_kind["version"], *by_kind["feature"]])
    found |= _vanished(connection, by_kind["column"])
    found |= _unread(connection, by_kind["source"], [*by_kind["version"], *by_kind["feature"]])
    found |= _empty(connection, by_kind["endpoint"])
    return found


def _of(change: Change, what: str, instead: str | None = None) -> Ending:
    return Ending(what, change.at, change.actor, change.reason, instead)


def _recorded(connection: Connection, assets: Iterable[Asset]) -> dict[Asset, Ending]:
    """Return the endings that the history names outright."""
    subjects: dict[str, set[str]] = defaultdict(set)
    for asset in assets:
        if asset.kind in {"data", "snapshot", "spine", "frame", "model", "contract"}:
            subjects[asset.kind].add(asset.key)
    found = recorded.between(connection, subjects=subjects, kinds=_ENDED) if subjects else []
    return {graph.Asset(*change.subject.split("/", 1)): _of(change, _ENDED[change.kind]) for change in found}


def _retired(connection: Connection, assets: Iterable[Asset]) -> dict[Asset, Ending]:
    """Return the endings of retired versions, and of their features."""
    of_version: dict[str, list[Asset]] = defaultdict(list)
    for asset in assets:
        of_version[asset.key.partition(":")[0]].append(asset)
    versions, views = schema.feature_versions, schema.views
    retired: dict[str, str | None] = {}
    for part in batches({fold(version.partition("@")[0]) for version in of_version}):
        statement = (
            select(views.c.name, versions.c.number, versions.c.replacement)
            .join(views, views.c.id == versions.c.view_id)
            .where(views.c.folded.in_(part), versions.c.retired.is_not(None))
        )
        retired |= {f"{row.name}@v{row.number}": row.replacement for row in connection.execute(statement)}
    told = {version: retired[version] for version in of_version if version in retired}
    if not told:
        return {}
    changes = recorded.between(connection, subjects={"version": set(told)}, kinds=("retired",))
    last = {change.subject.partition("/")[2]: change for change in changes}
    return {
        asset: _of(last[version], "retired", instead) if version in last else Ending("retired", instead=instead)
        for version, instead in told.items()
        for asset in of_version[version]
    }


def _vanished(connection: Connection, columns: Iterable[Asset]) -> dict[Asset, Ending]:
    """Return the endings of columns that their sources had and have no more."""
    of_source: dict[str, list[Asset]] = defaultdict(list)
    for asset in columns:
        of_source[fold(asset.key.partition(".")[0])].append(asset)
    table = schema.sources
    gone: dict[str, list[Asset]] = {}
    for part in batches(of_source):
        statement = select(table.c.name, table.c.folded, table.c.columns).where(table.c.folded.in_(part))
        for row in connection.execute(statement):
            known = {fold(name) for name in row.columns}
            missing = [asset for asset in of_source[row.folded] if fold(asset.key.partition(".")[2]) not in known]
            if missing:
                gone[row.name] = missing
    if not gone:
        return {}
    changes = recorded.between(connection, subjects={"source": set(gone)}, kinds=("schema changed",))
    last = {
        (change.subject.partition("/")[2], column): change
        for change in changes
        for column in change.detail.get("removed", ())
    }
    found = {}
    for source, assets in gone.items():
        for asset in assets:
            change = last.get((source, asset.key.partition(".")[2]))
            found[asset] = Ending("removed") if change is None else _of(change, "removed")
    return found


def _unread(connection: Connection, sources: Iterable[Asset], beside: Iterable[Asset]) -> dict[Asset, Ending]:
    """Return the endings of sources that were read once, and that no version applied last reads.

    Most are read by a version that stands `beside` them in the same answer; only the others are searched for readers.
    """
    rows = graph.rows_of(connection, sources)
    if not rows:
        return {}
    versions = {asset.key.partition(":")[0] for asset in beside}
    near = [graph.Asset("version", version) for version in _applied_last(connection, versions)]
    read = {far for _, far, _, _ in graph.links(connection, graph.rows_of(connection, near), "up", kinds=("read by",))}
    readers: dict[int, set[str]] = defaultdict(set)
    for row, _, _, asset in graph.links(connection, rows.keys() - read, "down", columns=False, kinds=("read by",)):
        if asset.kind == "version":
            readers[row].add(asset.key)
    current = _applied_last(connection, {version for found in readers.values() for version in found})
    return {
        asset: Ending("not read by any version applied last")
        for row, asset in rows.items()
        if readers[row] and not readers[row] & current
    }


def _applied_last(connection: Connection, versions: Iterable[str]) -> set[str]:
    """Return those of `view@vN` that are the version of their view applied last."""
    wanted = set(versions)
    table = schema.views
    return {
        f"{row.name}@v{row.current_version}"
        for part in batches({fold(version.partition("@")[0]) for version in wanted})
        for row in connection.execute(select(table.c.name, table.c.current_version).where(table.c.folded.in_(part)))
    } & wanted


def _empty(connection: Connection, assets: Iterable[Asset]) -> dict[Asset, Ending]:
    """Return the endings of endpoints on which a model was live and none is: how the last one left."""
    names = {fold(asset.key): asset for asset in assets}
    endpoints, deployments, models = schema.endpoints, schema.deployments, schema.model_versions
    last: dict[str, tuple[str, datetime] | None] = {}
    for part in batches(names):
        statement = (
            select(endpoints.c.folded, models.c.model, models.c.version, deployments.c.until)
            .join(deployments, deployments.c.endpoint_id == endpoints.c.id)
            .join(models, models.c.id == deployments.c.model_version_id)
            .where(endpoints.c.folded.in_(part))
            .order_by(deployments.c.id)
        )
        for row in connection.execute(statement):
            before = last.get(row.folded)
            if row.until is None or (row.folded in last and before is None):
                last[row.folded] = None
            elif before is None or row.until >= before[1]:
                last[row.folded] = (f"{row.model}@{row.version}", row.until)
    ended = {folded: end for folded, end in last.items() if end is not None}
    subjects = {"model": {model for model, _ in ended.values()}}
    changes = recorded.between(connection, subjects=subjects, kinds=("undeployed",)) if ended else []
    who = {(change.subject.partition("/")[2], change.at): change for change in changes}
    return {
        names[folded]: _of(who[end], f"no model is live: {end[0]} undeployed")
        if end in who
        else Ending(f"no model is live: {end[0]} undeployed", end[1])
        for folded, end in ended.items()
    }
