"""The graph's nodes and edges, as rows: what exists and what depends on what, on both planes.

The instance plane (`edges`): source data -> snapshot -> frame -> model -> endpoint, version -> snapshot.
The definition plane (`column_edges`): source column -> feature -> model.
A feature set hangs below what its references name, on the instance plane: nothing is computed or read by it.
Foreign nodes (`catalog/foreign.py`) lie on both: jobs, runs and tables on the one, fields of tables on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select

from featurestore.catalog import schema
from featurestore.model.foreign import FOREIGN
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.catalog.database import Transaction
    from featurestore.model.pins import PinSet
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.version import FeatureVersion

__all__ = [
    "KINDS",
    "OWN",
    "Asset",
    "add_deployment",
    "add_feature_set",
    "add_frame",
    "add_model",
    "add_snapshot",
    "add_version",
    "find",
    "link",
    "links",
    "node",
]

OWN = ("source", "column", "data", "view", "version", "feature", "set", "snapshot", "frame", "model", "endpoint")
"""Kinds of what the store itself holds, from upstream to downstream."""

KINDS = (*FOREIGN, *OWN)
"""Kinds of nodes."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A node of the graph: its kind and its text form, e.g. `feature` `airport_weather@v1:temp`."""

    kind: str
    key: str


def node(tx: Transaction, kind: str, key: str) -> int:
    """Return a node's row, which is made if it is new."""
    table = schema.assets
    found = select(table.c.id).where(table.c.kind == kind, table.c.folded == fold(key))
    row = tx.connection.execute(found).scalar()
    return int(row) if row is not None else tx.insert(table, kind=kind, key=key, folded=fold(key), created_at=tx.now)


def link(tx: Transaction, upstream: tuple[str, str], downstream: tuple[str, str], kind: str) -> bool:
    """Add an edge between two nodes, `(kind, key)`, which are made if they are new; return whether it was new."""
    table = schema.column_edges if kind in {"DIRECT", "INDIRECT"} else schema.edges
    edge = {"upstream": node(tx, *upstream), "downstream": node(tx, *downstream), "kind": kind}
    known = select(table.c.at).where(*(table.c[name] == value for name, value in edge.items()))
    if tx.connection.execute(known).first() is not None:
        return False
    tx.connection.execute(insert(table).values(at=tx.now, **edge))
    return True


def add_version(tx: Transaction, version: FeatureVersion) -> None:
    """Add a feature version: its sources, their columns, and its features."""
    own = ("version", version.reference)
    link(tx, ("view", version.view), own, "has version")
    for source in version.definition.sources:
        link(tx, ("source", source.name), own, "read by")
        for column, _ in source.columns:
            link(tx, ("source", source.name), ("column", f"{source.name}.{column}"), "has column")
    for feature in version.definition.features:
        name = ("feature", f"{version.reference}:{feature.name}")
        link(tx, own, name, "has feature")
        for source_name, column, kind in feature.reads:
            link(tx, ("column", f"{source_name}.{column}"), name, kind)


def add_feature_set(tx: Transaction, feature_set: str, named: Iterable[tuple[str, str]]) -> None:
    """Add a feature set's version, below the features, versions and views that it names."""
    for each in named:
        link(tx, each, ("set", feature_set), "named by")


def add_snapshot(tx: Transaction, snapshot: Snapshot) -> None:
    """Add a snapshot and the source data that its runs read."""
    own = ("snapshot", snapshot.id)
    link(tx, ("version", snapshot.reference), own, "materialized as")
    for read in snapshot.sources:
        data = ("data", f"{read.source}@{read.data_version}")
        link(tx, ("source", read.source), data, "was")
        link(tx, data, own, "read by")


def add_frame(tx: Transaction, frame: str, pins: PinSet) -> None:
    """Add a training frame and the snapshots that it is joined from."""
    for pin in pins.pins:
        link(tx, ("snapshot", str(pin.snapshot)), ("frame", frame), "joined into")


def add_model(tx: Transaction, model: str, frame: str, lock: PinSet) -> None:
    """Add a model version, the frame it was trained on, and the features that it reads."""
    link(tx, ("frame", frame), ("model", model), "trained")
    for _, reference in lock.columns:
        feature = ("feature", f"{reference.view}@v{reference.version}:{reference.feature}")
        link(tx, feature, ("model", model), "DIRECT")


def add_deployment(tx: Transaction, model: str, endpoint: str) -> None:
    """Add that a model version is, or was once, live on an endpoint."""
    link(tx, ("model", model), ("endpoint", endpoint), "deployed on")


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
