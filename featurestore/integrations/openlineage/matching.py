"""Matching: which foreign tables are what a source of ours reads, by location, by name, or because somebody said so.

A source reads a table if the table's name is the source's own (`names.py`), if its files lie in the
source's folder, if the source is a DuckDB query that names the table, or if it was mapped. Columns of one name are then
one, but for a query, whose SQL tells which columns it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import foreign, graph, schema, sources
from featurestore.catalog.graph import Asset
from featurestore.errors import NotFoundError, nearest
from featurestore.integrations.columns import Table, column_uses
from featurestore.integrations.openlineage.names import dataset_of, plain_table, split, tables_read
from featurestore.model.definition import SourceDefinition
from featurestore.model.names import fold

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction

__all__ = ["check_datasets", "known_sources", "known_table", "link_source", "match_sources"]

_OURS = ""


def check_datasets(connection: Connection, datasets: Mapping[str, str]) -> None:
    """Hold that every source that is mapped is known.

    Raises
    ------
    NotFoundError
        If one is not; the message names the nearest.
    """
    for name in datasets:
        if sources.find(connection, name) is None:
            known = nearest(name, sources.names(connection))
            raise NotFoundError(f"there is no source {name!r} to map.{known} Apply the view that reads it first.")


def known_sources(connection: Connection) -> list[SourceDefinition]:
    """Return every source as it is now."""
    rows = [sources.find(connection, name) for name in sources.names(connection)]
    return [
        SourceDefinition(row["name"], row["kind"], row["location"], tuple(sorted(row["columns"].items())))
        for row in rows
        if row is not None
    ]


def match_sources(tx: Transaction, datasets: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Link every source with the known tables that it reads; return those, by source."""
    found = {}
    for source in known_sources(tx.connection):
        keys = _tables(tx.connection, source, datasets)
        if keys:
            link_source(tx, source, [known_table(tx.connection, key) for key in keys])
            found[source.name] = tuple(keys)
    return found


def _tables(connection: Connection, source: SourceDefinition, datasets: Mapping[str, str]) -> list[str]:
    if source.name in datasets:
        return _known(connection, [split(datasets[source.name]).key, datasets[source.name]])
    name = dataset_of(source, _OURS, {})
    if name.namespace == _OURS:
        return _known(connection, [table.key for table in tables_read(source)])
    found = _known(connection, [name.key])
    if source.kind in {"parquet", "csv"}:
        found += _inside(connection, name.key, str(source.location["path"]))
    return found


def _known(connection: Connection, keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(asset.key for key in keys for _, asset in graph.find(connection, key, "table")))


def _inside(connection: Connection, folder: str, path: str) -> list[str]:
    """Return the tables that are files of a source's folder, or fit its wildcards."""
    assets = schema.assets
    start = fold(folder) + "/"
    rows = connection.execute(
        select(assets.c.key).where(
            assets.c.kind == "table", assets.c.folded >= start, assets.c.folded < start + "\U0010ffff"
        )
    ).scalars()
    whole = path if "://" in path else f"file://{Path(path).absolute()}"
    wild = any(sign in path for sign in "*?[")
    return [key for key in rows if not wild or fnmatchcase(key, whole)]


def known_table(connection: Connection, key: str) -> Table:
    """Return a foreign table with the columns that were told, with their types, and those that were only named."""
    rows = [row for row, _ in graph.find(connection, key, "table")]
    fields = [
        node.key[len(key) + 1 :]
        for _, _, kind, node in graph.links(connection, rows, "down", columns=False)
        if kind == "has field"
    ]
    said = foreign.facts(connection, Asset("table", key))
    relation = said.get("relation") or split(key).name.split(".")
    return Table(key, tuple(reversed(relation)), {**dict.fromkeys(fields, ""), **said.get("columns", {})})


def link_source(tx: Transaction, source: SourceDefinition, tables: Sequence[Table]) -> None:
    """Link the tables with the source that reads them, column by column where that can be told."""
    own = {fold(column): column for column, _ in source.columns}
    for column in own.values():
        graph.link(tx, ("source", source.name), ("column", f"{source.name}.{column}"), "has column")
    for table in tables:
        graph.link(tx, ("table", table.key), ("source", source.name), "is read as")
    for output, uses in _column_uses(source, tables).items():
        for key, column, how in uses if fold(output) in own else ():
            below = ("column", f"{source.name}.{own[fold(output)]}")
            graph.link(tx, foreign.add_field(tx, key, column), below, how)


def _column_uses(source: SourceDefinition, tables: Sequence[Table]) -> dict[str, list[tuple[str, str, str]]]:
    """Return what each column of a source is made of, where that can be told."""
    if source.kind == "duckdb" and plain_table(str(source.location["sql"])) is None:
        return column_uses(str(source.location["sql"]), tables) or {}
    uses: dict[str, list[tuple[str, str, str]]] = {}
    for table in tables:
        for column in table.columns:
            uses.setdefault(column, []).append((table.key, column, "DIRECT"))
    return uses
