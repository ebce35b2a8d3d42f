"""Lineage: everything upstream or downstream of a node, breadth first, over both planes of the graph.

Going up, a feature leads to its source columns, and nothing leads from a feature to its version: what a feature is
made of is told by columns, what rows are made of by snapshots. A view or version that is asked about leads to its
features first. Where an endpoint's pointer was moved, an edge `pointer` leads from the feature it reads now.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from featurestore.catalog import changes, graph, models
from featurestore.errors import RequestError
from featurestore.lineage import drawing
from featurestore.lineage.endings import Ending, endings
from featurestore.lineage.nodes import parse_node
from featurestore.lineage.reads import Reading, live_reads, pointed_endpoints
from featurestore.lineage.text import moment, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.catalog.graph import Asset, Making
    from featurestore.model.history import Change, Deployment

_PARTS = frozenset({"has version", "has feature"})

__all__ = ["Edge", "Lineage", "Node", "lineage"]


@dataclass(frozen=True, slots=True)
class Node:
    """A node, and how many steps from the root it was reached first.

    Attributes
    ----------
    at, actor, commit
        When it became known, who made it, from which git commit; None where that is not known.
    ended
        How it ended; None while it lasts.
    """

    kind: str
    key: str
    depth: int
    at: datetime | None = None
    actor: str | None = None
    commit: str | None = None
    ended: Ending | None = None

    @property
    def id(self) -> str:
        """The prefixed form, `kind/key`, by which edges name it."""
        return f"{self.kind}/{self.key}"

    @property
    def made(self) -> str:
        """When it was made, by whom, and from which commit, as far as that is known."""
        when = "" if self.at is None else moment(self.at)
        who = f" by {self.actor}" if self.actor else ""
        return f"{when}{who}" + (f" from {short(self.commit)}" if self.commit else "")


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency: `downstream` was made from, is part of, or reads `upstream`; both as `kind/key`.

    Attributes
    ----------
    since, ended
        Of a deployment: when it began last, and how it ended; None while the model is live.
    """

    upstream: str
    downstream: str
    kind: str
    since: datetime | None = field(default=None, compare=False)
    ended: Ending | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is upstream or downstream of a node.

    Attributes
    ----------
    root
        The node asked about, `kind/key`.
    direction
        `"up"` or `"down"`.
    nodes
        The root first, then by distance.
    edges
        In the order in which they were followed.
    """

    root: str
    direction: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __str__(self) -> str:
        return self.to_tree()

    def to_tree(self, *, who: bool = False) -> str:
        """Return a tree of text; with `who`, each node tells who made it, when, and from which commit."""
        marks = self._marks()
        if who:
            made = {node.id: node.made for node in self.nodes if node.made}
            marks = {name: "; ".join(filter(None, (made.get(name), marks.get(name)))) for name in {**made, **marks}}
        return drawing.tree(self.root, self.steps(), marks)

    def steps(self) -> dict[str, list[tuple[str, str]]]:
        """Return, for each node, `(kind of edge, next node)` in the direction asked about; with its end, if any."""
        depth = {node.id: node.depth for node in self.nodes}
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for edge in self.edges:
            part = edge.kind in _PARTS and depth[edge.upstream] < depth[edge.downstream]
            until = "" if edge.ended is None else f" until {moment(edge.ended.at)}"
            if self.direction == "down" or part:
                found[edge.upstream].append((edge.kind + until, edge.downstream))
            else:
                found[edge.downstream].append((edge.kind + until, edge.upstream))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "root": self.root,
            "direction": self.direction,
            "nodes": [
                {
                    "id": node.id,
                    "kind": node.kind,
                    "key": node.key,
                    "depth": node.depth,
                    "at": _text(node.at),
                    "actor": node.actor,
                    "commit": node.commit,
                    "ended": _ended(node.ended),
                }
                for node in self.nodes
            ],
            "edges": [
                {
                    "upstream": edge.upstream,
                    "downstream": edge.downstream,
                    "kind": edge.kind,
                    **({} if edge.since is None else {"since": _text(edge.since), "ended": _ended(edge.ended)}),
                }
                for edge in self.edges
            ],
        }

    def to_mermaid(self) -> str:
        """Return a Mermaid flow chart, upstream to the left."""
        return drawing.mermaid([node.id for node in self.nodes], self._links(), self._marks())

    def to_dot(self) -> str:
        """Return a Graphviz digraph, upstream to the left."""
        return drawing.dot([node.id for node in self.nodes], self._links(), self._marks())

    def _links(self) -> list[tuple[str, str, str]]:
        return [(edge.upstream, edge.downstream, edge.kind) for edge in self.edges]

    def _marks(self) -> dict[str, str]:
        return {node.id: str(node.ended) for node in self.nodes if node.ended is not None}


def _text(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _ended(ending: Ending | None) -> dict[str, Any] | None:
    if ending is None:
        return None
    said = {"what": ending.what, "at": _text(ending.at), "actor": ending.actor, "reason": ending.reason}
    return {**said, "instead": ending.instead}


def lineage(connection: Connection, node: object, direction: str = "up", depth: int | None = None) -> Lineage:
    """Return everything upstream or downstream of a node.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    node
        As `lineage.nodes.parse_node` reads it.
    direction
        `"up"` to what it is made from, `"down"` to what is made from it.
    depth
        Steps at most; None follows all.

    Raises
    ------
    NotFoundError, DefinitionError
        As `parse_node`.
    RequestError
        If the direction or the depth is neither.
    """
    if direction not in {"up", "down"}:
        raise RequestError(f"{direction!r} is no direction: write 'up' or 'down'.")
    if depth is not None and depth < 0:
        raise RequestError(f"a depth of {depth} means nothing: give 0 or more, or None for all.")
    root = parse_node(connection, node)
    walk = _Walk(connection, direction, root)
    walk.run(depth)
    return Lineage(f"{root.kind}/{root.key}", direction, walk.told_nodes(), walk.told_edges())


def _told(node: Node, made: Making | None, ended: Ending | None) -> Node:
    if made is None:
        return node if ended is None else replace(node, ended=ended)
    return replace(node, at=made.at, actor=made.actor, commit=made.code.commit, ended=ended)


def _deployment(
    edge: Edge, deployments: Mapping[tuple[str, str], Deployment], why: Mapping[tuple[str, datetime], Change]
) -> Edge:
    """Return an edge; of a deployment with its time, and told as ended where it has."""
    deployment = deployments.get((edge.upstream, edge.downstream)) if edge.kind == "deployed on" else None
    if deployment is None:
        return edge
    if deployment.until is None:
        return replace(edge, since=deployment.at)
    end = why.get((edge.upstream, deployment.until))
    actor, reason = ("", "") if end is None else (end.actor, end.reason)
    ending = Ending("undeployed", deployment.until, actor, reason)
    return replace(edge, kind="was deployed on", since=deployment.at, ended=ending)


class _Walk:
    """One walk: nodes and edges as they are found."""

    def __init__(self, connection: Connection, direction: str, root: Asset) -> None:
        self.connection = connection
        self.direction = direction
        self.nodes: dict[str, Node] = {}
        self.edges: dict[Edge, None] = {}
        self._rows: dict[str, int] = {}
        self._frontier: list[tuple[int, Asset]] = []
        rows = graph.find(connection, root.key, root.kind)
        self._reach(rows[0][0] if rows else -1, root, 0)

    def run(self, depth: int | None) -> None:
        """Follow the edges, one step of all nodes after the other."""
        step = 0
        while self._frontier and (depth is None or step < depth):
            step += 1
            frontier, self._frontier = self._frontier, []
            known = {row: f"{asset.kind}/{asset.key}" for row, asset in frontier}
            for near, far, kind, asset in self._links(frontier, step):
                self._follow(known[near], far, kind, asset, step)
            for reading in self._moved(frontier):
                feature = graph.Asset("feature", reading.reference)
                endpoint = graph.Asset("endpoint", reading.deployment.endpoint)
                reached = feature if self.direction == "up" else endpoint
                rows = graph.find(self.connection, reached.key, reached.kind)
                if rows:
                    near_asset = endpoint if self.direction == "up" else feature
                    self._follow(f"{near_asset.kind}/{near_asset.key}", rows[0][0], "pointer", rows[0][1], step)

    def _links(self, frontier: Sequence[tuple[int, Asset]], step: int) -> Iterable[tuple[int, int, str, Asset]]:
        rows = [row for row, _ in frontier]
        links = graph.links(self.connection, rows, self.direction)
        if self.direction == "down":
            return links
        found = [link for link in links if link[2] != "has feature"]
        parts = {"view": "has version", "version": "has feature"}
        opened = {row: parts[asset.kind] for row, asset in frontier if asset.kind in parts and self._opens(asset, step)}
        down = graph.links(self.connection, opened, "down", columns=False)
        return found + [link for link in down if opened[link[0]] == link[2]]

    def _opens(self, asset: Asset, step: int) -> bool:
        """Tell whether a view or version leads to its parts: it was asked about, or belongs to the view that was."""
        root = next(iter(self.nodes.values()))
        return step == 1 or (root.kind == "view" and asset.kind == "version")

    def _follow(self, near: str, row: int, kind: str, asset: Asset, step: int) -> None:
        far = f"{asset.kind}/{asset.key}"
        part = kind in _PARTS and asset.kind != "view"
        upstream, downstream = (near, far) if self.direction == "down" or part else (far, near)
        self.edges[Edge(upstream, downstream, kind)] = None
        self._reach(row, asset, step)

    def _reach(self, row: int, asset: Asset, step: int) -> None:
        node = Node(asset.kind, asset.key, step)
        if node.id not in self.nodes:
            self.nodes[node.id] = node
            self._rows[node.id] = row
            self._frontier.append((row, asset))

    def told_nodes(self) -> tuple[Node, ...]:
        """Return the nodes with who made them, and how those ended that have."""
        made = graph.makings(self.connection, self._rows.values())
        ended = endings(self.connection, [graph.Asset(node.kind, node.key) for node in self.nodes.values()])
        return tuple(
            _told(node, made.get(self._rows[node.id]), ended.get(graph.Asset(node.kind, node.key)))
            for node in self.nodes.values()
        )

    def told_edges(self) -> tuple[Edge, ...]:
        """Return the edges, those of deployments with when they began and ended."""
        if all(edge.kind != "deployed on" for edge in self.edges):
            return tuple(self.edges)
        models_ = {edge.upstream.partition("/")[2] for edge in self.edges if edge.kind == "deployed on"}
        deployments = {
            (f"model/{item.reference}", f"endpoint/{item.endpoint}"): item
            for item in models.deployments(self.connection, models=models_, live=False)
        }
        undeployed = changes.between(self.connection, subjects={"model": models_}, kinds=("undeployed",))
        why = {(change.subject, change.at): change for change in undeployed}
        return tuple(_deployment(edge, deployments, why) for edge in self.edges)

    def _moved(self, frontier: Iterable[tuple[int, Asset]]) -> list[Reading]:
        """Return what endpoints read through moved pointers, of the frontier's features or by its endpoints."""
        kind = "endpoint" if self.direction == "up" else "feature"
        keys = {asset.key for _, asset in frontier if asset.kind == kind}
        if not keys:
            return []
        if kind == "endpoint":
            readings = live_reads(self.connection, endpoints=keys)
            return [reading for reading in readings if reading.version != reading.locked]
        views = {key.partition("@")[0] for key in keys}
        endpoints = pointed_endpoints(self.connection, views)
        readings = live_reads(self.connection, endpoints=endpoints, views=views) if endpoints else []
        return [reading for reading in readings if reading.version != reading.locked and reading.reference in keys]
