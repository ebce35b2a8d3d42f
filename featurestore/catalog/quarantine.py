"""Snapshots in quarantine, and what ended it. None of them is a head, so that no reader of heads meets one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, func, insert, select

from featurestore.catalog import schema, versions
from featurestore.errors import QuarantineError
from featurestore.model.quarantine import Quarantine, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.catalog.database import Transaction
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.version import FeatureVersion

__all__ = ["COLUMNS", "add", "all_waiting", "is_newest", "read", "release", "require_open", "waiting", "with_stays"]

_QUARANTINE, _RELEASES = schema.quarantine, schema.releases
_HEADS = schema.heads.alias("below")

COLUMNS = (
    _QUARANTINE.c.id.label("quarantine_id"),
    _QUARANTINE.c.reasons.label("quarantine_reasons"),
    _QUARANTINE.c.contracts.label("quarantine_contracts"),
    _HEADS.c.snapshot_id.label("quarantine_below"),
    _QUARANTINE.c.actor.label("quarantine_actor"),
    _QUARANTINE.c.at.label("quarantine_at"),
    _RELEASES.c.action.label("release_action"),
    _RELEASES.c.reason.label("release_reason"),
    _RELEASES.c.actor.label("release_actor"),
    _RELEASES.c.at.label("release_at"),
    _RELEASES.c.became.label("release_became"),
)
"""What `read` takes, of a statement that `with_stays` has joined."""


def with_stays(statement: Select[Any]) -> Select[Any]:
    """Join a statement over snapshots with the newest stay in quarantine of each, and with what ended it."""
    earlier = _QUARANTINE.alias()
    newest = select(func.max(earlier.c.id)).where(earlier.c.snapshot_id == schema.snapshots.c.id).scalar_subquery()
    return (
        statement.outerjoin(_QUARANTINE, _QUARANTINE.c.id == newest)
        .outerjoin(_RELEASES, _RELEASES.c.quarantine_id == _QUARANTINE.c.id)
        .outerjoin(_HEADS, _HEADS.c.id == _QUARANTINE.c.head_id)
    )


def read(row: Row[Any]) -> Quarantine | None:
    """Return a row's quarantine, or None if the snapshot never was in one."""
    if row.quarantine_id is None:
        return None
    return Quarantine(
        tuple(Reason(**item) for item in row.quarantine_reasons),
        row.quarantine_below,
        row.quarantine_contracts,
        row.quarantine_actor,
        row.quarantine_at,
        row.release_action or "waiting",
        row.release_reason or "",
        row.release_actor,
        row.release_at,
        row.release_became,
    )


def add(
    tx: Transaction,
    version: FeatureVersion,
    snapshot: Snapshot,
    reasons: Sequence[Reason],
    contracts: Mapping[str, str],
) -> None:
    """Put a snapshot that is kept already into quarantine, on the head that there is now."""
    row = versions.row_id(tx.connection, version.view, version.number)
    tx.insert(
        _QUARANTINE,
        snapshot_id=snapshot.id,
        version_id=row,
        head_id=_head_id(tx.connection, row),
        contracts=dict(contracts),
        reasons=[reason.to_json() for reason in reasons],
        actor=tx.actor,
        at=tx.now,
    )


def release(tx: Transaction, snapshot: str, action: str, *, reason: str = "", became: str) -> None:
    """End a snapshot's newest stay in quarantine: `approved`, `passed` or `superseded`."""
    newest = select(func.max(_QUARANTINE.c.id)).where(_QUARANTINE.c.snapshot_id == snapshot)
    stay = tx.connection.execute(newest).scalar_one()
    tx.connection.execute(
        insert(_RELEASES).values(
            quarantine_id=stay, action=action, reason=reason, became=became, actor=tx.actor, at=tx.now
        )
    )


def waiting(connection: Connection, version: FeatureVersion) -> list[str]:
    """Return the ids of a version's snapshots that wait in quarantine, oldest first."""
    row = versions.row_id(connection, version.view, version.number)
    statement = (
        select(_QUARANTINE.c.snapshot_id)
        .outerjoin(_RELEASES, _RELEASES.c.quarantine_id == _QUARANTINE.c.id)
        .where(_QUARANTINE.c.version_id == row, _RELEASES.c.quarantine_id.is_(None))
        .order_by(_QUARANTINE.c.id)
    )
    return list(connection.execute(statement).scalars())


def all_waiting(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return, by `view@vN`, the ids of the snapshots that wait in quarantine, oldest first."""
    numbered, views = schema.feature_versions, schema.views
    statement = (
        select(views.c.name, numbered.c.number, _QUARANTINE.c.snapshot_id)
        .join(numbered, numbered.c.id == _QUARANTINE.c.version_id)
        .join(views, views.c.id == numbered.c.view_id)
        .outerjoin(_RELEASES, _RELEASES.c.quarantine_id == _QUARANTINE.c.id)
        .where(_RELEASES.c.quarantine_id.is_(None))
        .order_by(_QUARANTINE.c.id)
    )
    found: dict[str, tuple[str, ...]] = {}
    for name, number, snapshot in connection.execute(statement):
        reference = f"{name}@v{number}"
        found[reference] = (*found.get(reference, ()), snapshot)
    return found


def is_newest(connection: Connection, version: FeatureVersion, snapshot: str) -> bool:
    """Return whether the head has not moved since a snapshot went into quarantine."""
    row = versions.row_id(connection, version.view, version.number)
    stood = select(_QUARANTINE.c.head_id).where(_QUARANTINE.c.snapshot_id == snapshot)
    newest = stood.order_by(_QUARANTINE.c.id.desc()).limit(1)
    return bool(connection.execute(newest).scalar_one() == _head_id(connection, row))


def require_open(snapshot: Snapshot, what: str) -> None:
    """Hold that a snapshot is not in quarantine.

    Parameters
    ----------
    what
        What it cannot be: `"published"`, `"trained on"`.

    Raises
    ------
    QuarantineError
        If it is; the message says why, and how to approve it.
    """
    held = snapshot.quarantine
    if held is None or not held.closed:
        return
    found = " ".join(str(reason) for reason in held.reasons)
    if held.state == "superseded":
        raise QuarantineError(
            f"snapshot {snapshot.id[:8]} of {snapshot.reference} was in quarantine and is replaced by "
            f"{(held.became or '')[:8]}, which passed: it cannot be {what}. {found} Take the one that replaced it."
        )
    raise QuarantineError(
        f"snapshot {snapshot.id[:8]} of {snapshot.reference} is in quarantine and cannot be {what}. {found} "
        f"If the rows are right all the same: `featurestore approve {snapshot.id[:8]} --reason ...`."
    )


def _head_id(connection: Connection, version_row: int) -> int | None:
    newest = select(func.max(_HEADS.c.id)).where(_HEADS.c.version_id == version_row)
    return connection.execute(newest).scalar()
