"""Generations: which snapshot's newest rows are in the online store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from featurestore.catalog import schema, versions
from featurestore.model.history import Generation

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction

__all__ = ["add", "current", "everything", "mark_dropped"]

_GENERATIONS = schema.generations
_JOINED = (
    select(_GENERATIONS, schema.views.c.name.label("view"), schema.feature_versions.c.number)
    .join(schema.feature_versions, schema.feature_versions.c.id == _GENERATIONS.c.version_id)
    .join(schema.views, schema.views.c.id == schema.feature_versions.c.view_id)
)


def _value(row: Row[Any]) -> Generation:
    return Generation(row.name, row.view, row.number, row.snapshot_id, row.as_of, row.rows, row.held, row.at)


def current(connection: Connection, view: str, number: int) -> Generation | None:
    """Return what readers of a version see, or None before its first publish."""
    row = versions.row_id(connection, view, number)
    statement = _JOINED.where(_GENERATIONS.c.version_id == row).order_by(_GENERATIONS.c.id.desc()).limit(1)
    found = connection.execute(statement).one_or_none()
    return None if found is None or found.dropped_at is not None else _value(found)


def everything(connection: Connection, view: str, number: int) -> list[Generation]:
    """Return a version's generations that are still in the online store, newest first."""
    row = versions.row_id(connection, view, number)
    statement = _JOINED.where(_GENERATIONS.c.version_id == row, _GENERATIONS.c.dropped_at.is_(None))
    return [_value(found) for found in connection.execute(statement.order_by(_GENERATIONS.c.id.desc()))]


def published(connection: Connection, view: str, number: int) -> dict[str, int | None]:
    """Return the time for which each of a version's snapshots was published last, dropped generations included.

    The times are as in `Generation.as_of`.
    """
    row = versions.row_id(connection, view, number)
    statement = select(_GENERATIONS.c.snapshot_id, _GENERATIONS.c.as_of).where(_GENERATIONS.c.version_id == row)
    return {found.snapshot_id: found.as_of for found in connection.execute(statement.order_by(_GENERATIONS.c.id))}


def add(tx: Transaction, generation: Generation) -> None:
    """Make a generation the one that readers of its version see."""
    tx.insert(
        _GENERATIONS,
        name=generation.id,
        version_id=versions.row_id(tx.connection, generation.view, generation.version),
        snapshot_id=generation.snapshot,
        as_of=generation.as_of,
        rows=generation.rows,
        held=generation.held,
        at=tx.now,
    )
    tx.record(
        "published",
        "version",
        f"{generation.view}@v{generation.version}",
        snapshot=generation.snapshot,
        rows=generation.rows,
        as_of=generation.as_of,
        held=generation.held,
    )


def mark_dropped(tx: Transaction, generation: Generation) -> None:
    """Note that a generation has left the online store."""
    tx.connection.execute(update(_GENERATIONS).where(_GENERATIONS.c.name == generation.id).values(dropped_at=tx.now))
