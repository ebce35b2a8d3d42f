"""dbt: the models, seeds, snapshots and sources of a `manifest.json` join the graph, down to their columns.

A node becomes `table/dbt/UNIQUE_ID` (`table/dbt/model.shop.orders`); with a namespace, as dbt's OpenLineage integration
names it, `table/NAMESPACE/DATABASE.SCHEMA.NAME`, so that both speak of one table. Columns and their types come from
`catalog.json`, where there is one beside the manifest, else from what is documented; what a column is made of is read
from the compiled SQL. A source of ours reads a dbt table if it names its relation, or its file, or was mapped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.catalog import foreign, graph
from featurestore.catalog.graph import Asset
from featurestore.errors import NotFoundError, RequestError, nearest
from featurestore.integrations.columns import Table, column_uses
from featurestore.integrations.openlineage.matching import check_datasets, known_sources, link_source
from featurestore.integrations.openlineage.names import DatasetName, base_path, dataset_of, tables_read
from featurestore.model.definition import digest
from featurestore.model.names import fold

if TYPE_CHECKING:
    import os

    from featurestore.catalog.database import Transaction
    from featurestore.model.definition import SourceDefinition
    from featurestore.store import FeatureStore

__all__ = ["ImportedProject", "load"]

JSON = dict[str, Any]

_KINDS = frozenset({"model", "seed", "snapshot", "source"})
_DIALECTS = {"sqlserver": "tsql", "synapse": "tsql", "fabric": "fabric", "athena": "athena", "glue": "spark"}
"""Adapters that sqlglot knows by another name."""


@dataclass(frozen=True, slots=True)
class ImportedProject:
    """What was found in a project.

    Attributes
    ----------
    project, generated_at
        Its name, and when the manifest was made.
    tables, columns
        How many.
    unread
        Models whose columns could not be told from their SQL: each counts as made of every column of what it reads.
    sources
        Source of ours to the dbt tables that it was found to read.
    new
        False if the same manifest was imported before.
    """

    project: str
    generated_at: datetime
    tables: int
    columns: int
    unread: tuple[str, ...]
    sources: Mapping[str, tuple[str, ...]]
    new: bool


@dataclass(frozen=True, slots=True)
class _Node:
    """One dbt node that holds rows."""

    id: str
    key: str
    relation: tuple[str, ...]
    location: str
    columns: dict[str, str]
    complete: bool
    descriptions: dict[str, str]
    description: str
    owner: str
    code: str
    sql: str
    reads: tuple[str, ...]


def load(
    store: FeatureStore,
    manifest: str | os.PathLike[str],
    *,
    catalog: str | os.PathLike[str] | None = None,
    namespace: str | None = None,
    datasets: Mapping[str, str] | None = None,
) -> ImportedProject:
    """Import a dbt project.

    Parameters
    ----------
    manifest
        `target/manifest.json`, of `dbt compile`, `run`, `build` or `docs generate`.
    catalog
        `catalog.json` of `dbt docs generate`; None takes the one beside the manifest, if there is one.
    namespace
        Name tables as OpenLineage does, below this: `postgres://host:5432`.
    datasets
        Source of ours to the dbt node that it reads: its unique id, or its table's key.

    Returns
    -------
    ImportedProject
        The same files again change nothing.

    Raises
    ------
    NotFoundError
        If there is no such file, or `datasets` names a source or a node that is not there.
    RequestError
        If the file is no manifest of dbt 1.0 or newer.
    """
    content = _read(manifest, "manifest")
    beside = Path(manifest).parent / "catalog.json"
    listed = _read(catalog or beside, "catalog") if catalog is not None or beside.is_file() else {}
    nodes = {node.id: node for node in _nodes(content, listed, namespace)}
    with store.context.catalog.read() as connection:
        check_datasets(connection, datasets or {})
    metadata = content["metadata"]
    at = datetime.fromisoformat(str(metadata["generated_at"]))
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    project = str(metadata.get("project_name") or "dbt")
    with store.context.catalog.write() as tx:
        new = foreign.mark_imported(tx, digest([content["metadata"], sorted(nodes), namespace, digest(listed)]))
        dialect = str(metadata.get("adapter_type") or "duckdb")
        unread = _add(tx, project, nodes, at, _DIALECTS.get(dialect, dialect))
        matched = _match(tx, nodes, datasets or {})
        if new:
            detail = {
                "tables": len(nodes),
                "invocation": metadata.get("invocation_id"),
                "dbt": metadata.get("dbt_version"),
            }
            foreign.record(tx, "imported", Asset("job", f"dbt/{project}"), at, **detail)
    count = sum(len(node.columns) for node in nodes.values())
    return ImportedProject(project, at, len(nodes), count, tuple(unread), matched, new)


def _read(path: str | os.PathLike[str], what: str) -> JSON:
    try:
        value = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        made = "dbt compile" if what == "manifest" else "dbt docs generate"
        raise NotFoundError(f"there is no file {str(path)!r}: `{made}` writes it, into target/.") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{str(path)!r} cannot be read as a dbt {what}: {error}.") from error
    wanted = "nodes" if what == "catalog" else "child_map"
    if not isinstance(value, dict) or "metadata" not in value or wanted not in value or "nodes" not in value:
        raise RequestError(f"{str(path)!r} is no dbt {what}: it has no 'metadata', 'nodes' and {wanted!r}.")
    return value


# --- what the files say


def _nodes(manifest: JSON, catalog: JSON, namespace: str | None) -> Iterator[_Node]:
    listed = {**catalog.get("nodes", {}), **catalog.get("sources", {})}
    try:
        for unique_id, node in {**manifest["nodes"], **manifest.get("sources", {})}.items():
            if node["resource_type"] in _KINDS:
                yield _node(unique_id, node, listed.get(unique_id), namespace)
    except (KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            f"the manifest is not as dbt writes it ({type(error).__name__}: {error}): compile the project again."
        ) from error


def _node(unique_id: str, node: JSON, listed: JSON | None, namespace: str | None) -> _Node:
    documented = node.get("columns") or {}
    columns = {str(name): str(column.get("data_type") or "") for name, column in documented.items()}
    if listed is not None:
        ordered = sorted(listed["columns"].values(), key=lambda column: column["index"])
        columns = {str(column["name"]): str(column["type"]) for column in ordered}
    name = node.get("identifier") or node.get("alias") or node["name"]
    relation = tuple(str(part) for part in (node.get("database"), node.get("schema"), name) if part)
    config, meta = (
        node.get("config") or {},
        {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})},
    )
    external = node.get("external") or {}
    location = external.get("location") or meta.get("external_location") or config.get("location") or ""
    spelt = {fold(column): column for column in columns}
    return _Node(
        unique_id,
        f"dbt/{unique_id}" if namespace is None else DatasetName(namespace, ".".join(relation)).key,
        relation,
        str(location),
        columns,
        listed is not None,
        {
            spelt[fold(column)]: str(said["description"])
            for column, said in documented.items()
            if said.get("description") and fold(column) in spelt
        },
        str(node.get("description") or ""),
        str(meta.get("owner") or node.get("group") or ""),
        str((node.get("checksum") or {}).get("checksum") or ""),
        str(node.get("compiled_code") or node.get("compiled_sql") or ""),
        tuple((node.get("depends_on") or {}).get("nodes") or ()),
    )


# --- into the graph


def _add(tx: Transaction, project: str, nodes: Mapping[str, _Node], at: datetime, dialect: str) -> list[str]:
    """Add nodes and edges; return the models whose columns cannot be told."""
    job = ("job", f"dbt/{project}")
    unread = []
    tables: dict[str, Table] = {}
    for node in _in_order(nodes):
        above = [nodes[each] for each in node.reads if each in nodes]
        uses = column_uses(node.sql, [tables[each.id] for each in above], dialect) if node.sql and above else None
        columns = node.columns if node.complete or uses is None else {**dict.fromkeys(uses, ""), **node.columns}
        known = columns if node.complete or uses is not None or not node.sql else {}
        tables[node.id] = Table(node.key, tuple(reversed(node.relation)), known)
        _say(tx, node, columns, at)
        if node.sql or node.code:
            graph.link(tx, job, ("table", node.key), "writes")
        for each in above:
            graph.link(tx, ("table", each.key), ("table", node.key), "feeds")
        if uses is None and node.sql and above:
            unread.append(node.id)
        for output, inputs in (uses or {}).items():
            for key, column, how in inputs:
                graph.link(tx, foreign.add_field(tx, key, column), foreign.add_field(tx, node.key, output), how)
    return unread


def _say(tx: Transaction, node: _Node, columns: Mapping[str, str], at: datetime) -> None:
    asset = Asset("table", node.key)
    before = foreign.facts(tx.connection, asset)
    graph.node(tx, asset.kind, asset.key)
    foreign.save_table(
        tx, node.key, columns, at,
        description=node.description, owner=node.owner, descriptions=node.descriptions, relation=list(node.relation),
        location=node.location, dbt=node.id, code=node.code,
    )  # fmt: skip
    old = str(before.get("code", ""))
    if old and node.code and old != node.code and foreign.is_news(before, at):
        foreign.record(tx, "definition changed", asset, at, code=node.code, code_before=old)


def _in_order(nodes: Mapping[str, _Node]) -> Iterator[_Node]:
    """Yield every node after those that it reads."""
    reads = {node.id: [each for each in node.reads if each in nodes] for node in nodes.values()}
    try:
        order = list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        raise RequestError(f"the manifest has a circle, {error.args[1]}: compile the project again.") from error
    return (nodes[unique_id] for unique_id in order)


# --- to our sources


def _match(tx: Transaction, nodes: Mapping[str, _Node], datasets: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Link our sources with the tables that they read; return those, by source."""
    found = {}
    for source in known_sources(tx.connection):
        wanted = _mapped(nodes, datasets[source.name]) if source.name in datasets else _read_by(source, nodes)
        if wanted:
            tables = [Table(node.key, tuple(reversed(node.relation)), node.columns) for node in wanted]
            link_source(tx, source, tables)
            found[source.name] = tuple(node.key for node in wanted)
    return found


def _mapped(nodes: Mapping[str, _Node], name: str) -> list[_Node]:
    found = [node for node in nodes.values() if name in {node.id, node.key, f"table/{node.key}"}]
    if not found:
        raise NotFoundError(f"the manifest has no node {name!r} to map.{nearest(name, nodes)}")
    return found


def _read_by(source: SourceDefinition, nodes: Mapping[str, _Node]) -> list[_Node]:
    """Return the nodes whose relation, or whose file, a source names."""
    if source.kind in {"parquet", "csv"}:
        place = dataset_of(source, "", {})
        return [node for node in nodes.values() if node.location and base_path(node.location) == place]
    names = [table.name for table in tables_read(source)]
    if source.kind == "iceberg":
        names = [str(source.location["table"])]
    wanted = [tuple(fold(name).split(".")) for name in names]
    return [
        node
        for node in nodes.values()
        if any(tuple(map(fold, node.relation))[-len(parts) :] == parts for parts in wanted)
    ]
