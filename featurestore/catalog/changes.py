"""The history of changes, read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from heapq import merge

from sqlalchemy import Connection, select

from featurestore.catalog import schema
from featurestore.model.history import Change

__all__ = ["between", "newest"]

_IMPORTED = "imported_at"
"""In the detail of what happened elsewhere: when it was told here."""


def between(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    subjects: Mapping[str, Collection[str] | None] | None = None,
    kinds: Collection[str] | None = None,
) -> list[Change]:
    """Return the changes committed in `[since, until]`, in order of commit.

    What happened in other systems stands where it happened, not where it was imported.

    Parameters
    ----------
    subjects
        Only changes of these, by their kind (None: of all of that kind); None: of everything.
    kinds
        Only changes of these kinds; None: of all.
    """
    table = schema.changes
    statement = select(table)
    if kinds is not None:
        statement = statement.where(table.c.kind.in_(kinds))
    if since is not None:
        statement = statement.where(table.c.at >= since)
    if until is not None:
        statement = statement.where(table.c.at <= until)
    statements = [statement]
    if subjects is not None:
        statements = [
            statement.where(table.c.asset_kind == kind, *named)
            for kind, names in subjects.items()
            for named in ([()] if names is None else ((table.c.subject.in_(part),) for part in _batches(names)))
        ]
    rows = [row for each in statements for row in connection.execute(each)]
    found = [
        Change(row.id, row.at, row.kind, f"{row.asset_kind}/{row.subject}", row.actor, row.reason, row.detail)
        for row in sorted(rows, key=lambda row: row.id)
    ]
    elsewhere = [change for change in found if _IMPORTED in change.detail]
    if not elsewhere:
        return found
    own = [change for change in found if _IMPORTED not in change.detail]
    return list(merge(own, sorted(elsewhere, key=lambda change: change.at), key=lambda change: change.at))


def newest(connection: Connection, kind: str, asset_kind: str, subject: str) -> Change | None:
    """Return the last change of one kind to one subject, or None."""
    table = schema.changes
    wanted = (table.c.asset_kind == asset_kind, table.c.subject == subject, table.c.kind == kind)
    row = connection.execute(select(table).where(*wanted).order_by(table.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Change(row.id, row.at, row.kind, f"{row.asset_kind}/{row.subject}", row.actor, row.reason, row.detail)


def _batches(names: Collection[str]) -> list[list[str]]:
    """Return the names in lists short enough for one statement."""
    ordered = sorted(names)
    return [ordered[start : start + 500] for start in range(0, len(ordered), 500)]
