"""The history of changes, read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from featurestore.catalog import schema
from featurestore.model.history import Change

__all__ = ["between"]


def between(connection: Connection, since: datetime | None = None, until: datetime | None = None) -> list[Change]:
    """Return the changes committed in `[since, until]`, in order of commit."""
    table = schema.changes
    statement = select(table).order_by(table.c.id)
    if since is not None:
        statement = statement.where(table.c.at >= since)
    if until is not None:
        statement = statement.where(table.c.at <= until)
    return [
        Change(row.id, row.at, row.kind, f"{row.asset_kind}/{row.subject}", row.actor, row.reason, row.detail)
        for row in connection.execute(statement)
    ]
