"""Names of datasets: OpenLineage's two parts, namespace and name, and what our own things are called in them.

source        a Parquet or CSV file   file, /data/weather; s3://bucket, weather  (up to the first wildcard)
              an Iceberg table        the catalog's URI, or iceberg://NAME; namespace.table
              a DuckDB query          duckdb://PATH, database.schema.table, if it is `select * from` one table
              any other               as ours, source/NAME
ours          our namespace           airport_weather@v1, online/airport_weather@v1, training/..., model/delay,
                                      endpoint/eta-prod

A source that `[openlineage.datasets]` names is called what that says. As one text a dataset is NAMESPACE/NAME.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from featurestore.model.definition import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlglot import exp

    from featurestore.model.definition import SourceDefinition

__all__ = ["DatasetName", "base_path", "dataset_of", "plain_table", "split", "tables_read", "training"]

_WILD = re.compile(r"[*?\[]")
_LONG = 200


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        """One text: `postgres://db:5432/shop.public.orders`."""
        if self.namespace == "file":
            return f"file://{self.name}"
        return f"{self.namespace.rstrip('/')}/{self.name.lstrip('/')}"


def split(key: str) -> DatasetName:
    """Return the parts of one text: the namespace ends with the host (or bucket), or at the first slash."""
    if key.startswith("file://"):
        return DatasetName("file", key.removeprefix("file://"))
    scheme, found, rest = key.partition("://")
    if not found:
        namespace, _, name = key.partition("/")
        return DatasetName(namespace, name or namespace)
    if scheme == "duckdb":  # its namespace is a path: the name has no slash
        namespace, _, name = key.rpartition("/")
        return DatasetName(namespace, name)
    host, _, name = rest.partition("/")
    return DatasetName(f"{scheme}://{host}", name)


def training(versions: Iterable[str], namespace: str) -> DatasetName:
    """Return the dataset of the training frames that are joined from these versions."""
    text = "+".join(sorted(versions))
    return DatasetName(namespace, f"training/{text if len(text) <= _LONG else digest(text)[:32]}")


def dataset_of(source: SourceDefinition, namespace: str, datasets: Mapping[str, str]) -> DatasetName:
    """Return what a source is called."""
    location = source.location
    if source.name in datasets:
        return split(datasets[source.name])
    if source.kind in {"parquet", "csv"}:
        return base_path(str(location["path"]))
    if source.kind == "iceberg":
        return DatasetName(_catalog(location["catalog"]), str(location["table"]))
    if source.kind == "duckdb":
        table = plain_table(str(location["sql"]))
        if table is not None:
            return _duckdb(str(location["database"]), table)
    return DatasetName(namespace, f"source/{source.name}")


def tables_read(source: SourceDefinition) -> list[DatasetName]:
    """Return the tables that a DuckDB source's query reads."""
    if source.kind != "duckdb":
        return []
    from sqlglot import exp

    tree = _parsed(str(source.location["sql"]))
    if tree is None:
        return []
    named = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    found = [
        _duckdb(str(source.location["database"]), table)
        for table in tree.find_all(exp.Table)
        if table.name and (table.db or table.name.casefold() not in named)
    ]
    return list(dict.fromkeys(found))


def plain_table(sql: str) -> exp.Table | None:
    """Return the table of `select * from table`; None of any other query."""
    from sqlglot import exp

    tree = _parsed(sql)
    table = None if tree is None else tree.find(exp.Table)
    return table if table is not None and table.name and exp.select("*").from_(table.copy()) == tree else None


def _parsed(sql: str) -> exp.Expr | None:
    from sqlglot import parse_one  # only for sources that are queries
    from sqlglot.errors import SqlglotError

    try:
        return parse_one(sql, read="duckdb")
    except SqlglotError:
        return None


def _duckdb(database: str, table: exp.Table) -> DatasetName:
    path = Path(database)
    name = ".".join((table.catalog or path.stem, table.db or "main", table.name))
    return DatasetName(f"duckdb://{path.absolute()}", name)


def base_path(path: str) -> DatasetName:
    """Return the dataset of files: their folder or file, up to the first part with a wildcard."""
    parts = urlsplit(path)
    where = parts.path if parts.scheme and parts.scheme != "file" else parts.path or path
    kept = []
    for part in PurePosixPath(where).parts:
        if _WILD.search(part):
            break
        kept.append(part)
    name = str(PurePosixPath(*kept)) if kept else "."
    if parts.scheme and parts.scheme != "file":
        return DatasetName(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", name.lstrip("/"))
    return DatasetName("file", str(Path(name).absolute()))


def _catalog(catalog: str | Mapping[str, str]) -> str:
    """Return an Iceberg catalog's namespace, without its password."""
    if isinstance(catalog, str):
        return f"iceberg://{catalog}"
    uri = catalog.get("uri")
    if not uri:
        return f"iceberg://{catalog.get('name', 'default')}"
    parts = urlsplit(str(uri))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
