"""How each kind of source is read: its columns, its own data version, and a relation of its rows in DuckDB.

A source is given by name, kind and location, as a stored version holds them; the user's object is not needed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import ContractError, DefinitionError, SourceError
from featurestore.model.column_types import widens
from featurestore.model.definition import SourceDefinition
from featurestore.model.settings import Settings
from featurestore.model.source import ArrowSource, Source
from featurestore.model.types import parse_type
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.connection import (
    compare_time,
    connect,
    describe,
    fails,
    identifier,
    is_query,
    literal,
    literals,
    translated,
)
from featurestore.offline.file_digests import FileDigests
from featurestore.offline.push_log import PushLog
from featurestore.offline.source_csv import csv_columns, csv_query
from featurestore.offline.source_files import find_files
from featurestore.offline.source_iceberg import iceberg_query, plan_iceberg
from featurestore.offline.source_rows import RowLog, read_table

__all__ = ["SourceReader"]

Location = Mapping[str, Any]
Place = tuple[str, str, Location]
Columns = Sequence[tuple[str, str]]

_PLACE = "CAST(file_index AS BIGINT) * 1099511627776 + file_row_number"
"""Where a row of Parquet files is, as one number: a file of 2^40 rows is beyond what there is."""


class SourceReader:
    """Reads sources.

    Parameters
    ----------
    root
        The store's folder: rows of arrow and push sources are kept in `sources/<name>` below it, and what files of
        other sources held when they were last read in `digests.json`.
    settings
        Limits for reads of its own.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root = Path(root)
        self._settings = settings
        self._digests = FileDigests(self._root / "digests.json")
        self._logs: dict[str, PushLog] = {}
        self._lock = threading.Lock()

    def schema(self, source: Source | SourceDefinition) -> dict[str, str]:
        """Return the columns as they are now: column -> DuckDB type. An arrow source tells those of its own table.

        Raises
        ------
        SourceError
            If the source cannot be read.
        DefinitionError
            If its location does not fit its kind.
        """
        place = _place(source)
        with connect(self._root, self._settings) as connection, _translated(place):
            if isinstance(source, ArrowSource):
                return _arrow_columns(connection, read_table(source.name, source.table).schema)
            return self._columns(connection, place)

    def data_version(self, source: Source | SourceDefinition) -> str:
        """Return what names the present rows: `files:<32 hex>`, `rows:<32 hex>` or `iceberg:<snapshot id>`.

        Of a push source those are the rows that its log has folded; see `PushLog.fold`.

        Raises
        ------
        SourceError
            If the source cannot be read.
        """
        name, kind, location = place = _place(source)
        if kind == "iceberg":
            return f"iceberg:{plan_iceberg(name, location, files=False).snapshot_id or 'empty'}"
        if kind == "push":
            return self.log(name).data_version()
        if kind == "arrow":
            return f"rows:{_names_digest(self._kept(place))}"
        if kind == "duckdb":
            database = _database(name, location)
            wal = database.with_name(database.name + ".wal")
            parts = [("database", database)] + ([("wal", wal)] if wal.exists() else [])
            return f"files:{self._digests.of_all(parts)}"
        return f"files:{self._digests.of_all(find_files(name, location['path'], kind))}"

    def register(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: SourceDefinition,
        *,
        where: tuple[str, datetime] | None = None,
        place: str | None = None,
    ) -> None:
        """Make a source readable by its name on a connection from `connect`, with exactly the declared columns.

        Parameters
        ----------
        where
            `(column, lower bound)`: leave out rows before it, and rows that have no such time.
        place
            Name of one column more, where rows have a place of their own (those of Parquet files do): a number that
            grows in their order, which each thread reads for itself, while counting rows takes them one after another.

        Raises
        ------
        ContractError
            If a declared column is gone or has a type now that does not hold all values of the declared one. Of a wider
            type the values are read as declared, and one that does not fit is a ContractError when it is read.
        SourceError
            If the source cannot be read.
        """
        name, kind, location = described = _place(source)
        with _translated(described):
            found = self._columns(connection, described)
            _check_columns(name, source.columns, found, typed=kind != "csv")  # a CSV is read with the declared types
            read = [(column, type_ if kind == "csv" else found[column]) for column, type_ in source.columns]
            query = self._query(described, read, "" if place is None else f", {_PLACE} AS {identifier(place)}")
            if read != list(source.columns):
                query = _narrowed(name, source.columns, dict(read), query, place)
            if where is not None:
                condition = compare_time(where[0], dict(source.columns)[where[0]], ">=", where[1])
                query = f"SELECT * FROM ({query}) WHERE {condition}"
            if kind == "duckdb":
                with _attached(connection, name, location):
                    connection.execute(f"CREATE TEMP TABLE temp.main.{identifier(name)} AS {query}")
            else:
                connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS {query}")

    @staticmethod
    def register_rows(connection: duckdb.DuckDBPyConnection, source: SourceDefinition, rows: pa.Table) -> None:
        """Make rows readable in place of a source's own, with exactly the declared columns.

        Raises
        ------
        ContractError
            If a declared column is not among them, or has another type.
        """
        alias = f"rows_{uuid4().hex}"
        connection.register(alias, rows)
        _check_columns(
            source.name, source.columns, dict(describe(connection, f"SELECT * FROM {identifier(alias)}")), typed=True
        )
        query = f"SELECT {_selected(source.columns)} FROM {identifier(alias)}"
        connection.execute(f"CREATE TEMP VIEW {identifier(source.name)} AS {query}")

    def keep(self, source: Source) -> None:
        """Keep an arrow source's table in the store, where it replaces what was kept before; else do nothing.

        Raises
        ------
        ContractError
            If a column's type cannot be kept.
        """
        if isinstance(source, ArrowSource):
            RowLog(self._root, source.name).keep(read_table(source.name, source.table))

    def log(self, name: str) -> PushLog:
        """Return the log of a push source."""
        with self._lock:
            return self._logs.setdefault(name, PushLog(self._root, name))

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs.values():
            log.close()

    def _kept(self, place: Place) -> list[Path]:
        name, kind, _ = place
        return self.log(name).files() if kind == "push" else [RowLog(self._root, name).newest()]

    def _columns(self, connection: duckdb.DuckDBPyConnection, place: Place) -> dict[str, str]:
        name, kind, location = place
        if kind == "push":
            return {column: to_duckdb(parse_type(type_)) for column, type_ in location["schema"].items()}
        if kind == "iceberg":
            return _arrow_columns(connection, plan_iceberg(name, location, files=False).schema)
        if kind == "arrow":
            return _arrow_columns(connection, pq.read_schema(self._kept(place)[0]))
        if kind == "duckdb":
            with _attached(connection, name, location) as query:
                return dict(describe(connection, query))
        if kind not in {"parquet", "csv"}:
            message = f"source {name!r} has the kind {kind!r}, which this release does not read: upgrade featurestore."
            raise DefinitionError(message)
        files = [path for _, path in find_files(name, location["path"], kind)]
        if kind == "csv":
            return csv_columns(connection, name, files, location)
        return dict(describe(connection, f"SELECT * FROM {_parquet(files)}"))

    def _query(self, place: Place, columns: Columns, more: str) -> str:
        """Return the query of a source; `more` is selected too, where it comes from Parquet files by path."""
        name, kind, location = place
        if kind == "iceberg":
            return iceberg_query(plan_iceberg(name, location), dict(columns), [column for column, _ in columns])
        if kind == "duckdb":
            return f"SELECT {_selected(columns)} FROM ({_query_text(name, location)})"
        if kind in {"arrow", "push"}:
            kept = self._kept(place)
            if not kept:
                empty = ", ".join(f"CAST(NULL AS {type_}) AS {identifier(column)}" for column, type_ in columns)
                return f"SELECT {empty} WHERE false"
            return f"SELECT {_selected(columns)}{more} FROM {_parquet(kept)}"
        files = [path for _, path in find_files(name, location["path"], kind)]
        if kind == "csv":
            return csv_query(name, files, location, columns)
        return f"SELECT {_selected(columns)}{more} FROM {_parquet(files)}"


def _translated(place: Place) -> AbstractContextManager[None]:
    """Return `translated` for a source: only of a query can it be said that what does not bind is the definition."""
    binding = DefinitionError if place[1] == "duckdb" else SourceError
    return translated(f"source {place[0]!r}", binding=binding)


def _place(source: Source | SourceDefinition) -> Place:
    location = source.location() if isinstance(source, Source) else source.location
    return source.name, source.kind, location


class _attached:  # noqa: N801 - used as a function
    """The connection inside a database file, opened read-only; gives the source's query."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, location: Location) -> None:
        self._connection = connection
        self._database = _database(name, location)
        self._text = _query_text(name, location)
        self._alias = identifier(f"source_{uuid4().hex}")

    def __enter__(self) -> str:
        self._connection.execute(f"ATTACH {literal(str(self._database))} AS {self._alias} (READ_ONLY)")
        self._connection.execute(f"USE {self._alias}")
        return self._text

    def __exit__(self, *_: object) -> None:
        self._connection.execute("USE memory")
        self._connection.execute(f"DETACH {self._alias}")


def _database(name: str, location: Location) -> Path:
    database = Path(location["database"])
    if not database.is_file():
        message = (
            f"source {name!r}: there is no DuckDB database {location['database']!r} (looked from the working folder "
            f"{Path.cwd()}). Correct database=, or run where the path starts."
        )
        raise SourceError(message)
    return database.resolve()


def _query_text(name: str, location: Location) -> str:
    text = str(location["sql"]).strip().rstrip(";")
    if not is_query(text):
        message = f"source {name!r}: sql= is not one query: write a single SELECT."
        raise DefinitionError(message)
    return text


def _parquet(files: Sequence[Path]) -> str:
    return f"read_parquet({literals(str(file) for file in files)}, union_by_name = true)"


def _selected(columns: Columns) -> str:
    """Return the columns with their declared types: a fixed-size list comes out of Parquet as a list."""
    casts = (
        f"CAST({identifier(column)} AS {type_}) AS {identifier(column)}" if "[" in type_ else identifier(column)
        for column, type_ in columns
    )
    return ", ".join(casts) or "1 AS nothing"


def _arrow_columns(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> dict[str, str]:
    connection.register("arrow_schema", schema.remove_metadata().empty_table())
    try:
        return dict(describe(connection, "SELECT * FROM arrow_schema"))
    finally:
        connection.unregister("arrow_schema")


def _narrowed(name: str, declared: Columns, found: Mapping[str, str], query: str, place: str | None) -> str:
    """Return a query that gives wider columns as declared, and ends at a value that does not survive the way back."""
    parts = [] if place is None else [identifier(place)]
    for column, type_ in declared:
        value, wide = identifier(column), found[column]
        if wide == type_:
            parts.append(value)
            continue
        told = f"column {column!r} of source {name!r} is declared {type_} and now is {wide}, and "
        cure = f" is no {type_}. Restore it upstream, or apply the view again: that makes a version which reads {wide}."
        refused = fails(f"{literal(told)} || left(CAST({value} AS VARCHAR), 100) || {literal(cure)}")
        narrow = f"TRY_CAST({value} AS {type_})"
        parts.append(
            f"CASE WHEN {value} IS NULL THEN NULL WHEN TRY_CAST({narrow} AS {wide}) IS NOT DISTINCT FROM {value} "
            f"THEN {narrow} ELSE {refused} END AS {value}"
        )
    return f"SELECT {', '.join(parts)} FROM ({query})"


def _check_columns(name: str, declared: Columns, found: Mapping[str, str], *, typed: bool) -> None:
    missing = [column for column, _ in declared if column not in found]
    if missing:
        raise _gone(name, missing, found)
    for column, type_ in declared:
        if typed and not widens(type_, found[column]):
            message = (
                f"column {column!r} of source {name!r} is declared {type_} and now is {found[column]}. "
                "Restore it upstream, or apply the view again: that makes a new version which reads the new type."
            )
            raise ContractError(message)


def _gone(name: str, missing: Sequence[str], found: Mapping[str, str]) -> ContractError:
    there = f" There is: {', '.join(found)}." if found else ""
    return ContractError(
        f"source {name!r} no longer has the declared column{'s' if len(missing) > 1 else ''} {', '.join(missing)}."
        f"{there} Restore it upstream, or apply a view that does without it."
    )


def _names_digest(files: Sequence[Path]) -> str:
    """Return a digest of kept files: each is named by its content."""
    return hashlib.sha256("\n".join(file.stem.partition("-")[2] for file in files).encode()).hexdigest()[:32]
