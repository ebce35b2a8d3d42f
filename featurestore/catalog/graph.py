"""The graph's nodes and edges, as rows: what exists and what depends on what, on both planes.

The instance plane (`edges`): source data -> snapshot -> frame -> model -> endpoint, version -> snapshot,
spine -> frame.
The definition plane (`column_edges`): source column -> feature -> model.
A feature set hangs below what its references name, on the instance plane: nothing is computed or read by it.
Foreign nodes (`catalog/foreign.py`) lie on both: jobs, runs and tables on the one, fields of tables on the other.

Nodes and edges are only added: what ends (see `lineage.endings`) keeps its node and its edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select

from featurestore.catalog import schema
from featurestore.model.foreign import FOREIGN
from featurestore.model.names import fold
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from featurestore.catalog.database import Transaction
    from featurestore.model.pins import PinSet
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.version import FeatureVersion

__all__ = [
    "KINDS",
    "OWN",
    "Asset",
    "Making",
    "add_contract",
    "add_deployment",
    "add_feature_set",
    "add_frame",
    "add_model",
    "add_snapshot",
    "add_version",
    "find",
    "link",
    "links",
    "makings",
    "node",
]

OWN = (
    "source",
    "contract",
    "column",
    "data",
    "view",
    "version",
    "feature",
    "set",
    "snapshot",
    "spine",
    "frame",
    "model",
    "endpoint",
)
"""Kinds of what the store itself holds, from upstream to downstream."""

KINDS = (*FOREIGN, *OWN)
"""Kinds of nodes."""

_NOWHERE = CodeState()


@dataclass(frozen=True, slots=True)
class Asset:
    """A node of the graph: its kind and its text form, e.g. `feature` `airport_weather@v1:temp`."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Making:
    """When a node became known, who made it, and from which commit of the code; None where that is not known."""

    at: datetime
    actor: str | None
    code: CodeState


def node(tx: Transaction, kind: str, key: str, code: CodeState = _NOWHERE) -> int:
    """Return a node's row, which is made, from `code`, if it is new."""
    table = schema.assets
    found = select(table.c.id).where(table.c.kind == kind, table.c.folded == fold(key))
    row = tx.connection.execute(found).scalar()
    if row is not None:
        return int(row)
    made = {"created_at": tx.now, "actor": tx.actor, "git_commit": code.commit, "git_dirty": code.dirty}
    return tx.insert(table, kind=kind, key=key, folded=fold(key), **made)


def link(
    tx: Transaction,
    upstream: tuple[str, str],
    downstream: tuple[str, str],
    kind: str,
    code: CodeState = _NOWHERE,
) -> bool:
    """Add an edge between two nodes, `(kind, key)`, which are made, from `code`, if they are new.

    Returns
    -------
    bool
        Whether the edge was new.
    """
    table = schema.column_edges if kind in {"DIRECT", "INDIRECT"} else schema.edges
    edge = {"upstream": node(tx, *upstream, code), "downstream": node(tx, *downstream, code), "kind": kind}
    known = select(table.c.at).where(*(table.c[name] == value for name, value in edge.items()))
    if tx.connection.execute(known).first() is not None:
        return False
    tx.connection.execute(insert(table).values(at=tx.now, **edge))
    return True


def add_version(tx: Transaction, version: FeatureVersion) -> None:
    """Add a feature version: its sources, their columns, and its features."""
    own, code = ("version", version.reference), version.code
    link(tx, ("view", version.view), own, "has version", code)
    for source in version.definition.sources:
        link(tx, ("source", source.name), own, "read by", code)
        for column, _ in source.columns:
            link(tx, ("source", source.name), ("column", f"{source.name}.{column}"), "has column", code)
    for feature in version.definition.features:
        name = ("feature", f"{version.reference}:{feature.name}")
        link(tx, own, name, "has feature", code)
        for source_name, column, kind in feature.reads:
            link(tx, ("column", f"{source_name}.{column}"), name, kind, code)


def add_contract(tx: Transaction, subject: tuple[str, str], contract: str, code: CodeState) -> None:
    """Add a contract's version, below the source or view whose rows it is about."""
    link(tx, subject, ("contract", contract), "under contract", code)


def add_feature_set(tx: Transaction, feature_set: str, named: Iterable[tuple[str, str]], code: CodeState) -> None:
    """Add a feature set's version, below the features, versions and views that it names."""
    for each in named:
        link(tx, each, ("set", feature_set), "named by", code)


def add_snapshot(tx: Transaction, snapshot: Snapshot, code: CodeState) -> None:
    """Add a snapshot, computed by a version of `code`, and the source data that its runs read."""
    own = ("snapshot", snapshot.id)
    for read in snapshot.sources:  # first, so that the data's node does not claim the computation's commit
        link(tx, ("source", read.source), ("data", f"{read.source}@{read.data_version}"), "was")
    link(tx, ("version", snapshot.reference), own, "materialized as", code)
    for read in snapshot.sources:
        link(tx, ("data", f"{read.source}@{read.data_version}"), own, "read by")


def add_frame(tx: Transaction, frame: str, pins: PinSet, code: CodeState) -> None:
    """Add a training frame, the snapshots that it is joined from, and the spine that they are joined to."""
    for pin in pins.pins:
        link(tx, ("snapshot", str(pin.snapshot)), ("frame", frame), "joined into", code)
    if pins.spine is not None:
        link(tx, ("spine", pins.spine.digest), ("frame", frame), "spine of", code)


def add_model(tx: Transaction, model: str, frame: str, lock: PinSet, code: CodeState) -> None:
    """Add a model version, the frame it was trained on, and the features that it reads."""
    link(tx, ("frame", frame), ("model", model), "trained", code)
    for _, reference in lock.columns:
        feature = ("feature", f"{reference.view}@v{reference.version}:{reference.feature}")
        link(tx, feature, ("model", model), "DIRECT", code)


def add_deployment(tx: Transaction, model: str, endpoint: str) -> None:
    """Add that a model version is, or was once, live on an endpoint."""
    link(tx, ("model", model), ("endpoint", endpoint), "deployed on")


def makings(connection: Connection, nodes: Iterable[int]) -> dict[int, Making]:
    """Return how nodes came to be, by their row."""
    table = schema.assets
    found: dict[int, Making] = {}
    batch = list(nodes)
    for start in range(0, len(batch), 500):
        columns = (table.c.id, table.c.created_at, table.c.actor, table.c.git_commit, table.c.git_dirty)
        for row in connection.execute(select(*columns).where(table.c.id.in_(batch[start : start + 500]))):
            found[row.id] = Making(row.created_at, row.actor, CodeState(row.git_commit, row.git_dirty))
    return found


def find(connection: Connection, key: str, kind: str | None = None) -> list[tuple[int, Asset]]:
    """Return the nodes of that text form, of one kind or of any."""
    table = schema.assets
    statement = select(table.c.id, table.c.kind, table.c.key).where(table.c.folded == fold(key))
    if kind is not None:
        statement = statement.where(table.c.kind == kind)
    return [(row.id, Asset(row.kind, row.key)) for row in connection.execute(statement)]


def links(
    connection: Connection, nodes: Iterable[int], direction: str, *, columns: bool | None = None
) -> list[tuple[int, int, str, Asset]]:
    """Return the edges that leave `nodes`, one step `"up"` or `"down"`.

    Parameters
    ----------
    columns
        True: the definition plane only; False: the instance plane only; None: both.

    Returns
    -------
    list
        `(node it left, node it reached, kind of edge, what it reached)`.
    """
    tables = [
        table
        for table, wanted in ((schema.edges, columns is not True), (schema.column_edges, columns is not False))
        if wanted
    ]
    found: list[tuple[int, int, str, Asset]] = []
    batch = list(nodes)
    for start in range(0, len(batch), 500):
        part = batch[start : start + 500]
        for table in tables:
            near, far = (
                (table.c.downstream, table.c.upstream) if direction == "up" else (table.c.upstream, table.c.downstream)
            )
            assets = schema.assets
            statement = (
                select(near, far, table.c.kind, assets.c.kind.label("asset"), assets.c.key)
                .join(assets, assets.c.id == far)
                .where(near.in_(part))
                .order_by(assets.c.id)
            )
            found += [(row[0], row[1], row[2], Asset(row[3], row[4])) for row in connection.execute(statement)]
    return found
