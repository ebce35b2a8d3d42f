"""Which rows of a version were online, and when: generations, those that have been dropped since included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from featurestore.catalog import schema, versions
from featurestore.lineage.text import moment, short
from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection, Row

__all__ = ["OnlineRows", "online_at", "online_spans"]

_GENERATIONS = schema.generations


@dataclass(frozen=True, slots=True)
class OnlineRows:
    """Rows of a version that its readers saw from `since` until `until`.

    Attributes
    ----------
    version, snapshot
        `view@vN`, and the snapshot whose newest rows they are.
    since, until
        From one publish to the next; `until` is None while they are what is read.
    as_of
        Rows up to this event time; None for a dimension.
    held
        Published from a named snapshot, so that `refresh` left it.
    dropped_at
        When they left the online store; None while they are kept there.
    """

    version: str
    snapshot: str
    since: datetime
    until: datetime | None
    as_of: datetime | None
    held: bool
    dropped_at: datetime | None

    def __str__(self) -> str:
        end = "" if self.until is None else f" until {moment(self.until)}"
        marks = ", held" if self.held else ""
        gone = "" if self.dropped_at is None else f", dropped {moment(self.dropped_at)}"
        return f"{short(self.snapshot)} since {moment(self.since)}{end}{marks}{gone}"


def online_at(connection: Connection, view: str, number: int, at: datetime) -> OnlineRows | None:
    """Return the rows of a version that were online at a wall clock time; None before its first publish."""
    version = versions.row_id(connection, view, number)
    statement = (
        select(_GENERATIONS)
        .where(_GENERATIONS.c.version_id == version, _GENERATIONS.c.at <= at)
        .order_by(_GENERATIONS.c.id.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _rows(connection, f"{view}@v{number}", row)


def online_spans(connection: Connection, view: str, number: int, snapshots: Collection[str]) -> list[OnlineRows]:
    """Return when rows of one of these snapshots of a version were online, oldest first."""
    version = versions.row_id(connection, view, number)
    statement = (
        select(_GENERATIONS)
        .where(_GENERATIONS.c.version_id == version, _GENERATIONS.c.snapshot_id.in_(snapshots))
        .order_by(_GENERATIONS.c.id)
    )
    return [_rows(connection, f"{view}@v{number}", row) for row in connection.execute(statement).all()]


def _rows(connection: Connection, version: str, row: Row[Any]) -> OnlineRows:
    following = (
        select(_GENERATIONS.c.at)
        .where(_GENERATIONS.c.version_id == row.version_id, _GENERATIONS.c.id > row.id)
        .order_by(_GENERATIONS.c.id)
        .limit(1)
    )
    as_of = None if row.as_of is None else from_micros(row.as_of)
    until = connection.execute(following).scalar()
    return OnlineRows(version, row.snapshot_id, row.at, until, as_of, row.held, row.dropped_at)
