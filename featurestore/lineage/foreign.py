"""Through foreign nodes: what of this store lies below one, and which of them lie above what is read here.

A field is followed by columns. Where nobody said which columns a table is made of, it counts as made of every column
of what it is made from, and the answer says that it is not exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import graph, schema
from featurestore.catalog.graph import Asset
from featurestore.lineage.reads import batches
from featurestore.model.foreign import FOREIGN
from featurestore.model.names import fold

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["above", "fields_above", "known", "reached"]

_PARTS = {"table": "has field", "source": "has column"}


def reached(connection: Connection, asset: Asset) -> dict[Asset, bool]:
    """Return the store's own nodes that a foreign node leads to first, each with whether that is exact."""
    found: dict[Asset, bool] = {}
    frontier = {row: (node, True) for row, node in graph.find(connection, asset.key, asset.kind)}
    seen = set(frontier)
    while frontier:
        steps: list[tuple[int, Asset, bool]] = []
        fields = [row for row, (node, _) in frontier.items() if node.kind == "field"]
        others = [row for row, (node, _) in frontier.items() if node.kind != "field"]
        for near, far, _, node in [
            *graph.links(connection, others, "down"),
            *graph.links(connection, fields, "down", columns=True),
        ]:
            steps.append((far, node, frontier[near][1]))
        steps += [(row, node, False) for row, node in _unexplained(connection, fields)]
        frontier = {}
        for row, node, exact in steps:
            if node.kind not in FOREIGN:
                found[node] = found.get(node, False) or exact
            elif row not in seen:
                frontier[row] = (node, exact or (row in frontier and frontier[row][1]))
        seen |= frontier.keys()
    return found


def known(connection: Connection) -> bool:
    """Tell whether there is any foreign node."""
    table = schema.assets
    return connection.execute(select(table.c.id).where(table.c.kind.in_(FOREIGN)).limit(1)).first() is not None


def _unexplained(connection: Connection, fields: Iterable[int]) -> list[tuple[int, Asset]]:
    """Return what is made from the fields' tables without its columns being told: it may read the fields."""
    tables = {far for _, far, kind, _ in graph.links(connection, fields, "up", columns=False) if kind == "has field"}
    waiting, seen = set(tables), set(tables)
    found: dict[int, Asset] = {}
    while waiting:
        links = graph.links(connection, waiting, "down", columns=False)
        waiting = set()
        for _, far, kind, node in links:
            if kind in _PARTS.values() or kind == "ran as" or far in seen:
                continue
            seen.add(far)
            if node.kind == "job":
                waiting.add(far)
            elif node.kind not in _PARTS or not _explained(connection, far, node.kind):
                found[far] = node
    return list(found.items())


def _explained(connection: Connection, row: int, kind: str) -> bool:
    """Tell whether it was said which columns the columns of a table or source come from."""
    links = graph.links(connection, [row], "down", columns=False)
    parts = [far for _, far, edge, _ in links if edge == _PARTS[kind]]
    return bool(parts) and bool(graph.links(connection, parts, "up", columns=True))


def above(connection: Connection, starts: Iterable[Asset]) -> dict[str, set[str]]:
    """Return the jobs, runs and tables above nodes, by kind; a foreign start is among them."""
    return _foreign_above(connection, starts, columns=None, kinds={"job", "run", "table"})


def fields_above(connection: Connection, starts: Iterable[Asset]) -> set[str]:
    """Return the fields that source columns (or fields) are made of."""
    return _foreign_above(connection, starts, columns=True, kinds={"field"}).get("field", set())


def _foreign_above(
    connection: Connection, starts: Iterable[Asset], *, columns: bool | None, kinds: set[str]
) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    frontier = _rows(connection, starts)
    seen = set(frontier)
    while frontier:
        for node in frontier.values():
            if node.kind in kinds:
                found.setdefault(node.kind, set()).add(node.key)
        links = graph.links(connection, frontier, "up", columns=columns)
        frontier = {far: node for _, far, _, node in links if node.kind in FOREIGN and far not in seen}
        seen |= frontier.keys()
    return found


def _rows(connection: Connection, assets: Iterable[Asset]) -> dict[int, Asset]:
    named: dict[str, dict[str, Asset]] = {}
    for asset in assets:
        named.setdefault(asset.kind, {})[fold(asset.key)] = asset
    table = schema.assets
    return {
        row.id: assets_of_kind[row.folded]
        for kind, assets_of_kind in named.items()
        for part in batches(assets_of_kind)
        for row in connection.execute(
            select(table.c.id, table.c.folded).where(table.c.kind == kind, table.c.folded.in_(part))
        )
    }
