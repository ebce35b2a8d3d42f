"""What is known of sources now: where they are and the columns they had when last looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from featurestore.catalog import schema
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.catalog.database import Transaction
    from featurestore.model.source import Source

__all__ = ["find", "names", "save"]

_SOURCES = schema.sources


def find(connection: Connection, name: str) -> dict[str, Any] | None:
    """Return a source's row as a mapping, or None."""
    row = connection.execute(select(_SOURCES).where(_SOURCES.c.folded == fold(name))).mappings().one_or_none()
    return None if row is None else dict(row)


def names(connection: Connection) -> list[str]:
    """Return the names of all sources, sorted."""
    return list(connection.execute(select(_SOURCES.c.name).order_by(_SOURCES.c.folded)).scalars())


def save(tx: Transaction, source: Source, columns: Mapping[str, str]) -> None:
    """Keep a source as it is now; a change of its columns becomes part of the history."""
    values = {
        "name": source.name,
        "kind": source.kind,
        "location": source.location(),
        "owner": source.owner,
        "description": source.description,
        "columns": dict(columns),
    }
    before = find(tx.connection, source.name)
    if before is None:
        tx.connection.execute(insert(_SOURCES).values(folded=fold(source.name), **values))
        return
    tx.connection.execute(update(_SOURCES).where(_SOURCES.c.id == before["id"]).values(**values))
    old = before["columns"]
    if old != values["columns"]:
        tx.record(
            "schema changed",
            "source",
            source.name,
            added=sorted(columns.keys() - old.keys()),
            removed=sorted(old.keys() - columns.keys()),
            retyped={
                name: [old[name], columns[name]]
                for name in sorted(old.keys() & columns.keys())
                if old[name] != columns[name]
            },
        )
