"""Iceberg tables as sources: pyiceberg plans, DuckDB reads the planned Parquet files by field id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import SourceError
from featurestore.offline.connection import identifier, literal, literals

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

__all__ = ["IcebergScan", "iceberg_query", "plan_iceberg"]

_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class IcebergScan:
    """A planned read: the snapshot, its schema in Arrow (with field ids), its local files."""

    snapshot_id: int | None
    schema: pa.Schema
    files: tuple[str, ...]


def _load(catalog: str | Mapping[str, str]) -> Catalog:
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - half a second, only for who reads Iceberg

    if isinstance(catalog, str):
        return load_catalog(catalog)
    properties = dict(catalog)
    return load_catalog(properties.pop("name", "default"), **properties)


@contextmanager
def _table(name: str, location: Mapping[str, Any]) -> Iterator[Table]:
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError  # noqa: PLC0415 - as above

    try:
        catalog = _load(location["catalog"])
    except Exception as error:
        message = f"source {name!r}: the Iceberg catalog cannot be opened: {error}"
        raise SourceError(message) from error
    with catalog:
        try:
            table = catalog.load_table(location["table"])
        except (NoSuchTableError, NoSuchNamespaceError) as error:
            message = (
                f"source {name!r}: the catalog holds no Iceberg table {location['table']!r}. Correct table=, or give "
                "'name' in catalog=: an SQL catalog keeps the tables of several names apart."
            )
            raise SourceError(message) from error
        except Exception as error:
            message = f"source {name!r}: Iceberg table {location['table']!r} cannot be loaded: {error}"
            raise SourceError(message) from error
        yield table


def plan_iceberg(name: str, location: Mapping[str, Any], *, files: bool = True) -> IcebergScan:
    """Plan a read of the stated snapshot, or of the newest; without `files` only schema and snapshot are looked up.

    Raises
    ------
    SourceError
        If the table or snapshot is unknown, has delete files, or holds files that are not local Parquet.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow  # noqa: PLC0415 - as above

    with _table(name, location) as table:
        wanted = location.get("snapshot_id")
        snapshot = table.current_snapshot() if wanted is None else table.snapshot_by_id(wanted)
        if wanted is not None and snapshot is None:
            message = f"source {name!r}: Iceberg table {location['table']!r} has no snapshot {wanted} (any more)."
            raise SourceError(message)
        if snapshot is None:
            return IcebergScan(None, schema_to_pyarrow(table.schema()), ())
        scan = table.scan(snapshot_id=snapshot.snapshot_id)
        paths = []
        for task in scan.plan_files() if files else ():
            if task.delete_files:
                message = (
                    f"source {name!r}: Iceberg table {location['table']!r} has delete files (merge-on-read), which are "
                    "not applied here. Rewrite its data files (compact it), or set write.delete.mode=copy-on-write."
                )
                raise SourceError(message)
            paths.append(_local(name, task.file.file_path))
        return IcebergScan(snapshot.snapshot_id, schema_to_pyarrow(scan.projection()), tuple(sorted(paths)))


def _local(name: str, path: str) -> str:
    parsed = urlparse(path)
    if parsed.scheme not in {"", "file"} or not path.endswith(".parquet"):
        message = f"source {name!r}: its file {path} is not a local Parquet file, which is all that can be read yet."
        raise SourceError(message)
    return parsed.path


def iceberg_query(scan: IcebergScan, types: Mapping[str, str], columns: Sequence[str]) -> str:
    """Return a query of `columns`, renamed, added and promoted columns as the table's schema says."""
    if not scan.files:
        empty = ", ".join(f"CAST(NULL AS {types[column]}) AS {identifier(column)}" for column in columns)
        return f"SELECT {empty} WHERE false"
    groups: dict[frozenset[str] | None, list[str]] = {}
    for path in scan.files:
        groups.setdefault(_names_without_ids(path), []).append(path)
    return " UNION ALL ".join(_part(scan, types, columns, names, files) for names, files in groups.items())


def _names_without_ids(path: str) -> frozenset[str] | None:
    """Return None for a file with field ids, else its column names (a file that `add_files` took in)."""
    schema = pq.read_schema(path)
    if all(_FIELD_ID in (field.metadata or {}) for field in schema):
        return None
    return frozenset(schema.names)


def _part(
    scan: IcebergScan,
    types: Mapping[str, str],
    columns: Sequence[str],
    names: frozenset[str] | None,
    files: Sequence[str],
) -> str:
    if names is not None:
        selected = ", ".join(
            f"CAST({identifier(column) if column in names else 'NULL'} AS {types[column]}) AS {identifier(column)}"
            for column in columns
        )
        return f"SELECT {selected} FROM read_parquet({literals(files)})"
    selected = ", ".join(f"CAST({identifier(column)} AS {types[column]}) AS {identifier(column)}" for column in columns)
    fields = ", ".join(
        f"{int((scan.schema.field(column).metadata or {})[_FIELD_ID])}: "
        f"{{name: {literal(column)}, type: {literal(types[column])}, default_value: NULL}}"
        for column in columns
    )
    return f"SELECT {selected} FROM read_parquet({literals(files)}, schema = MAP {{{fields}}})"
