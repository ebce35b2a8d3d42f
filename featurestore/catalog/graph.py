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
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from featurestore.catalog import schema
from featurestore.model.foreign import FOREIGN
from featurestore.model.names import fold
from featurestore.model.times import from_micros
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
    "rows_of",
    "spelt",
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
_MANY = 5000
"""Row numbers in one statement."""


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
    named = (kind, fold(key))
    if named not in tx.known:
        table = schema.assets
        found = select(table.c.id).where(table.c.kind == kind, table.c.folded == named[1])
        row = tx.connection.execute(found).scalar()
        made = {"created_at": tx.now, "actor": tx.actor, "git_commit": code.commit, "git_dirty": code.dirty}
        tx.known[named] = int(row) if row is not None else tx.insert(table, kind=kind, key=key, folded=named[1], **made)
    return tx.known[named]


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
    edge: dict[str, str | int] = {
        "upstream": node(tx, *upstream, code),
        "downstream": node(tx, *downstream, code),
        "kind": kind,
    }
    if tuple(edge.values()) in tx.known:
        return False
    tx.known[tuple(edge.values())] = 1
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
    columns = "id, created_at, actor, git_commit, git_dirty"
    return {
        row: Making(from_micros(at), actor, CodeState(commit, None if dirty is None else bool(dirty)))
        for part in _parts(nodes)
        for row, at, actor, commit, dirty in connection.exec_driver_sql(
            f"select {columns} from assets where id in ({part})"
        ).all()
    }


def find(connection: Connection, key: str, kind: str | None = None) -> list[tuple[int, Asset]]:
    """Return the nodes of that text form, of one kind or of any."""
    table = schema.assets
    statement = select(table.c.id, table.c.kind, table.c.key).where(table.c.folded == fold(key))
    if kind is not None:
        statement = statement.where(table.c.kind == kind)
    return [(row.id, Asset(row.kind, row.key)) for row in connection.execute(statement)]


def rows_of(connection: Connection, assets: Iterable[Asset]) -> dict[int, Asset]:
    """Return the rows of nodes, with the nodes; what there is not is left away."""
    named: dict[str, dict[str, Asset]] = {}
    for asset in assets:
        named.setdefault(asset.kind, {})[fold(asset.key)] = asset
    table = schema.assets
    found: dict[int, Asset] = {}
    for kind, of_kind in named.items():
        keys = list(of_kind)
        for start in range(0, len(keys), 500):
            part = table.c.folded.in_(keys[start : start + 500])
            rows = connection.execute(select(table.c.id, table.c.folded).where(table.c.kind == kind, part))
            found |= {row.id: of_kind[row.folded] for row in rows}
    return found


def spelt(connection: Connection, row: int) -> str:
    """Return a node's text form as it was written when the node was made; it must exist."""
    return str(connection.execute(select(schema.assets.c.key).where(schema.assets.c.id == row)).scalar_one())


def links(
    connection: Connection,
    nodes: Iterable[int],
    direction: str,
    *,
    columns: bool | None = None,
    kinds: Iterable[str] | None = None,
) -> list[tuple[int, int, str, Asset]]:
    """Return the edges that leave `nodes`, one step `"up"` or `"down"`.

    Parameters
    ----------
    columns
        True: the definition plane only; False: the instance plane only; None: both.
    kinds
        Edges of these kinds only.

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
    near, far = ("downstream", "upstream") if direction == "up" else ("upstream", "downstream")
    only = "" if kinds is None else f" and kind in ({', '.join(map(_quoted, kinds))})"
    found: list[Any] = []
    for part in _parts(nodes):
        for table in tables:
            statement = f"select {near}, {far}, kind from {table.name} where {near} in ({part}){only}"
            found += sorted(connection.exec_driver_sql(statement).all(), key=_reached)
    assets = _assets(connection, {row[1] for row in found})
    return [(row[0], row[1], row[2], assets[row[1]]) for row in found]


_reached = itemgetter(1)


def _assets(connection: Connection, rows: Iterable[int]) -> dict[int, Asset]:
    """Return nodes by their row: fetched once each, however many edges reach them."""
    return {
        row[0]: Asset(row[1], row[2])
        for part in _parts(rows)
        for row in connection.exec_driver_sql(f"select id, kind, key from assets where id in ({part})").all()
    }


def _parts(rows: Iterable[int]) -> Iterable[str]:
    """Yield row numbers as lists in SQL: statements that are text already cost a fraction of composed ones."""
    ordered = sorted(rows)
    for start in range(0, len(ordered), _MANY):
        yield ", ".join(map(str, ordered[start : start + _MANY]))


def _quoted(kind: str) -> str:
    return f"'{kind}'"
