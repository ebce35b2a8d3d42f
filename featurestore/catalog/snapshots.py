"""Snapshots, and which of them is the head of a feature version's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, insert, select, update

from featurestore.catalog import graph, quarantine, schema, versions
from featurestore.catalog.schema import begins
from featurestore.errors import ConflictError, NotFoundError
from featurestore.model.snapshot import Run, Snapshot

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction
    from featurestore.model.version import FeatureVersion

__all__ = ["existing", "find", "head", "history", "keep", "move_head", "require_head"]

_SNAPSHOTS, _HEADS = schema.snapshots, schema.heads


def _value(row: Row[Any]) -> Snapshot:
    runs = tuple(Run.from_json(run) for run in row.runs)
    held = quarantine.read(row)
    return Snapshot(row.id, row.name, row.number, runs, row.created_at, row.iceberg_snapshot_id, held)


_JOINED = quarantine.with_stays(
    select(_SNAPSHOTS, schema.views.c.name, schema.feature_versions.c.number, *quarantine.COLUMNS)
    .select_from(_SNAPSHOTS)
    .join(schema.feature_versions, schema.feature_versions.c.id == _SNAPSHOTS.c.version_id)
    .join(schema.views, schema.views.c.id == schema.feature_versions.c.view_id)
)


def find(connection: Connection, snapshot: object) -> Snapshot:
    """Return a snapshot by its id or the first eight or more digits of it, or by what holds its id.

    Raises
    ------
    NotFoundError
        If none or several fit.
    """
    text = snapshot if isinstance(snapshot, str) else getattr(snapshot, "id", None)
    short = not isinstance(text, str) or len(text) < 8  # noqa: PLR2004 - as in references
    rows = [] if short else connection.execute(_JOINED.where(begins(_SNAPSHOTS.c.id, str(text)))).all()
    if len(rows) != 1:
        what = "several snapshots fit" if rows else "there is no snapshot"
        raise NotFoundError(
            f"{what} {snapshot!r}: give its id, at least eight digits of it; `featurestore show` lists them."
        )
    return _value(rows[0])


def head(connection: Connection, version: FeatureVersion) -> Snapshot | None:
    """Return the newest state of a version's table, or None before its first materialization."""
    row = versions.row_id(connection, version.view, version.number)
    statement = _JOINED.join(_HEADS, _HEADS.c.snapshot_id == _SNAPSHOTS.c.id).where(_HEADS.c.version_id == row)
    found = connection.execute(statement.order_by(_HEADS.c.id.desc()).limit(1)).one_or_none()
    return None if found is None else _value(found)


def existing(connection: Connection, snapshot: str) -> Snapshot | None:
    """Return a snapshot by its whole id, or None if there is none."""
    found = connection.execute(_JOINED.where(_SNAPSHOTS.c.id == snapshot)).one_or_none()
    return None if found is None else _value(found)


def history(connection: Connection, version: FeatureVersion) -> list[Snapshot]:
    """Return every snapshot that was a version's head or went into quarantine, oldest first."""
    row = versions.row_id(connection, version.view, version.number)
    statement = _JOINED.where(_SNAPSHOTS.c.version_id == row).order_by(_SNAPSHOTS.c.created_at)
    return [_value(found) for found in connection.execute(statement)]


def require_head(connection: Connection, version: FeatureVersion, expected: Snapshot | None) -> None:
    """Hold that `expected` still is the head.

    Raises
    ------
    ConflictError
        If another process materialized the version in between.
    """
    now = head(connection, version)
    if (now and now.id) != (expected and expected.id):
        raise ConflictError(f"{version.reference} was materialized by another process meanwhile: try again.")


def move_head(tx: Transaction, version: FeatureVersion, snapshot: Snapshot) -> None:
    """Make `snapshot` the head, and keep it if it is new."""
    keep(tx, version, snapshot)
    if snapshot.iceberg_snapshot_id is not None:
        unknown = (_SNAPSHOTS.c.id == snapshot.id, _SNAPSHOTS.c.iceberg_snapshot_id.is_(None))
        tx.connection.execute(
            update(_SNAPSHOTS).where(*unknown).values(iceberg_snapshot_id=snapshot.iceberg_snapshot_id)
        )
    row = versions.row_id(tx.connection, version.view, version.number)
    tx.insert(_HEADS, version_id=row, snapshot_id=snapshot.id, at=tx.now)


def keep(tx: Transaction, version: FeatureVersion, snapshot: Snapshot) -> None:
    """Keep a snapshot, with its node and edges, if it is new; it becomes no head."""
    row = versions.row_id(tx.connection, version.view, version.number)
    known = select(_SNAPSHOTS.c.id).where(_SNAPSHOTS.c.id == snapshot.id)
    if tx.connection.execute(known).scalar() is None:
        definition = version.definition
        schema_json = [[key, str(type_)] for key, type_ in definition.keys]
        schema_json += [[name, "Timestamp"] for name in (definition.event_time, definition.created_time) if name]
        schema_json += [[feature.name, str(feature.type)] for feature in definition.features]
        tx.connection.execute(
            insert(_SNAPSHOTS).values(
                id=snapshot.id,
                version_id=row,
                rows=snapshot.rows,
                runs=[run.to_json() for run in snapshot.runs],
                schema=schema_json,
                iceberg_snapshot_id=snapshot.iceberg_snapshot_id,
                created_at=snapshot.created_at,
            )
        )
        graph.add_snapshot(tx, snapshot, version.code)
