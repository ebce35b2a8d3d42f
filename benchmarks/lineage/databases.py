"""Where the catalog lies: a SQLite file, or a PostgreSQL server of our own; both are filled, then indexed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lineage.rows import Rows
from benchmarks.lineage.world import Shape, tell
from featurestore.catalog import schema
from featurestore.catalog.database import Catalog
from featurestore.catalog.place import CATALOG_FILE
from featurestore.model.definition import Definition

__all__ = ["build_postgres", "build_sqlite", "server"]

Definitions = Mapping[tuple[int, int], Definition]


def _names(table: str) -> str:
    return ", ".join(f'"{column.name}"' for column in schema.metadata.tables[table].columns)


def build_sqlite(folder: Path, shape: Shape, definitions: Definitions) -> dict[str, int]:
    """Fill `catalog.db` in a folder; return how many rows of what."""
    path = folder / CATALOG_FILE
    Catalog(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        indexes = connection.execute(
            "select name, sql from sqlite_schema where type = 'index' and sql is not null and name not like 'uq_%'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'drop index "{name}"')
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -400000", "foreign_keys = off"):
            connection.execute(f"pragma {pragma}")
        connection.execute("begin")

        def sink(table: str, rows: list[tuple[Any, ...]]) -> None:
            places = ", ".join("?" * len(rows[0]))
            connection.executemany(f"insert into {table} ({_names(table)}) values ({places})", rows)

        counts = _fill(sink, shape, definitions)
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("commit")
        connection.execute("pragma journal_mode = wal")
    return counts


def build_postgres(url: str, shape: Shape, definitions: Definitions) -> dict[str, int]:
    """Fill an empty database; return how many rows of what."""
    import psycopg

    Catalog(url).close()
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")  # the rows are right: no reference is looked up
        found = connection.execute(
            "select indexname, indexdef from pg_indexes where schemaname = current_schema() and indexname like 'ix_%'"
        ).fetchall()
        for name, _ in found:
            connection.execute(f'drop index "{name}"')

        def sink(table: str, rows: list[tuple[Any, ...]]) -> None:
            with connection.cursor().copy(f"copy {table} ({_names(table)}) from stdin") as copy:
                for row in rows:
                    copy.write_row(row)

        counts = _fill(sink, shape, definitions)
        for _, sql in found:
            connection.execute(sql)
        for table in schema.metadata.sorted_tables:
            if "id" in table.columns and table.columns["id"].autoincrement is True:
                numbers = f"pg_get_serial_sequence('{table.name}', 'id')"
                connection.execute(f"select setval({numbers}, coalesce(max(id), 1)) from {table.name}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return counts


def _fill(sink: Callable[[str, list[tuple[Any, ...]]], None], shape: Shape, definitions: Definitions) -> dict[str, int]:
    rows = Rows(sink)
    tell(shape, definitions, rows)
    rows.finish()
    nodes = rows.counts["assets"]
    return {
        "nodes": nodes,
        "edges": rows.counts["edges"] + rows.counts["column_edges"],
        "changes": rows.counts["changes"],
    }


@contextmanager
def server() -> Iterator[Callable[[], str]]:
    """Start a PostgreSQL server; what it yields makes an empty database and gives its URL."""
    from tests.postgres_servers import postgres_process

    with postgres_process("shared_buffers=512MB", "work_mem=32MB", "max_wal_size=8GB") as process:
        yield process.database
