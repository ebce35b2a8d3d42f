"""Approve: a person says that rows in quarantine are right, and they become the table's newest state after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import quarantine, snapshots, versions
from featurestore.errors import QuarantineError, RequestError
from featurestore.operations.materialize import combined, replace_head
from featurestore.operations.run_profiles import RunProfiles

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction
    from featurestore.model.snapshot import Run, Snapshot
    from featurestore.operations.context import Context

__all__ = ["approve"]


def approve(context: Context, snapshot: object, *, reason: str) -> Snapshot:
    """End a snapshot's quarantine, and make its rows part of its version's table.

    Where other rows have passed since, of other windows, its run is put beside them; so the snapshot returned may be
    another one. Nothing is published.

    Parameters
    ----------
    snapshot
        Its id, or eight or more digits of it, or what `materialize` returned.
    reason
        Why the rows are right although a rule is broken; kept, with who says so.

    Raises
    ------
    RequestError
        If no reason is given, or the snapshot is not in quarantine.
    QuarantineError
        If rows that pass have taken its place: approving it would bring older ones back.
    ConflictError
        If other processes keep materializing the version.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise RequestError("rows are approved for a reason, which those who read them are told: give reason=.")
    with context.catalog.read() as connection:
        held = snapshots.find(connection, snapshot)
        version = versions.find(connection, held.view, held.version)
    stay = held.quarantine
    if stay is None:
        raise RequestError(f"snapshot {held.id[:8]} of {held.reference} is not in quarantine: there is nothing to say.")
    _require_waiting(held)
    profiles = RunProfiles(context, version)

    def combine(head: Snapshot | None) -> tuple[Run, ...]:
        if (head and head.id) == stay.below:
            return held.runs
        return combined(context, version, head, held.runs[-1], profiles)

    def record(tx: Transaction, _head: Snapshot | None, became: Snapshot) -> None:
        _require_waiting(snapshots.find(tx.connection, held.id))
        quarantine.release(tx, held.id, "approved", reason=reason, became=became.id)
        found = [str(item) for item in stay.reasons]
        tx.record("approved", "version", version.reference, reason, snapshot=held.id, became=became.id, reasons=found)

    became = replace_head(context, version, combine, record, profiles)
    with context.catalog.read() as connection:
        return snapshots.find(connection, became.id)


def _require_waiting(held: Snapshot) -> None:
    stay = held.quarantine
    if stay is None or stay.state == "waiting":
        return
    became = f"; its rows are in snapshot {stay.became[:8]}" if stay.became and stay.state != "superseded" else ""
    instead = f" by {stay.became[:8]}, whose rows are newer" if stay.became and stay.state == "superseded" else ""
    raise QuarantineError(
        f"snapshot {held.id[:8]} of {held.reference} was {stay.state}{instead} already, by {stay.released_by}{became}: "
        "there is nothing to approve."
    )
