"""Acknowledgements: who accepted which impact, why, until when; rows are added, and withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from featurestore.catalog import schema
from featurestore.errors import NotFoundError
from featurestore.model.effect import Acknowledgement, ProposedChange, Ruling

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from featurestore.catalog.database import Transaction

__all__ = ["add", "everything", "find", "of_changes", "withdraw"]

_TABLE = schema.acknowledgements
_BATCH = 500


def _value(row: Row[Any]) -> Acknowledgement:
    return Acknowledgement(
        row.fingerprint,
        ProposedChange(**row.change),
        tuple(row.reached),
        row.reason,
        row.actor,
        row.at,
        row.until,
        row.withdrawn_at,
    )


def everything(connection: Connection) -> list[Acknowledgement]:
    """Return all of them, in the order given."""
    return [_value(row) for row in connection.execute(select(_TABLE).order_by(_TABLE.c.id))]


def of_changes(connection: Connection, digests: Iterable[str]) -> dict[str, list[Acknowledgement]]:
    """Return those of the given changes, by the change's digest, in the order given."""
    found: dict[str, list[Acknowledgement]] = {}
    names = list(dict.fromkeys(digests))
    for start in range(0, len(names), _BATCH):
        wanted = _TABLE.c.change_digest.in_(names[start : start + _BATCH])
        for row in connection.execute(select(_TABLE).where(wanted).order_by(_TABLE.c.id)):
            found.setdefault(row.change_digest, []).append(_value(row))
    return found


def find(connection: Connection, fingerprint: str) -> list[Acknowledgement]:
    """Return those whose fingerprint begins so and that were not withdrawn.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    start = fingerprint.strip().lower()
    statement = select(_TABLE).where(_TABLE.c.fingerprint.startswith(start, autoescape=True))
    rows = connection.execute(statement.where(_TABLE.c.withdrawn_at.is_(None)).order_by(_TABLE.c.id))
    found = [_value(row) for row in rows] if start else []
    if not found:
        raise NotFoundError(
            f"no acknowledgement that holds begins with {fingerprint!r}: `featurestore ack --list` shows them."
        )
    return found


def add(tx: Transaction, ruling: Ruling, reason: str, until: datetime) -> Acknowledgement:
    """Accept what a change does; it becomes part of the history."""
    change = ruling.change
    values = {
        "kind": change.kind,
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
        "version": change.version,
        "why": change.why,
    }
    tx.insert(
        _TABLE,
        fingerprint=ruling.fingerprint,
        change_digest=change.digest,
        change=values,
        reached=list(ruling.reached),
        reason=reason,
        actor=tx.actor,
        at=tx.now,
        until=until,
    )
    tx.record(
        "acknowledged", *_subject(change), reason, change=str(change), fingerprint=ruling.fingerprint,
        reached=list(ruling.reached), until=until.isoformat(),
    )  # fmt: skip
    return Acknowledgement(ruling.fingerprint, change, ruling.reached, reason, tx.actor, tx.now, until)


def withdraw(tx: Transaction, given: Acknowledgement, reason: str) -> None:
    """Let an acknowledgement hold no longer; its history stays."""
    same = (_TABLE.c.fingerprint == given.fingerprint, _TABLE.c.withdrawn_at.is_(None))
    tx.connection.execute(update(_TABLE).where(*same).values(withdrawn_at=tx.now))
    tx.record(
        "acknowledgement withdrawn",
        *_subject(given.change),
        reason,
        change=str(given.change),
        fingerprint=given.fingerprint,
    )


def _subject(change: ProposedChange) -> tuple[str, str]:
    return ("view", change.view) if change.view else ("column", change.subject)
