"""Doors: whether the rows of a materialization may pass, by the contracts of its sources and of its features."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import contracts, quarantine, snapshots, versions
from featurestore.errors import QuarantineError, SourceError
from featurestore.model.quarantine import Reason
from featurestore.model.times import from_micros
from featurestore.operations.check_contract import Part, check_files, check_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.contract_change import ContractVersion
    from featurestore.model.snapshot import Run, Snapshot, SourceRead
    from featurestore.model.version import FeatureVersion
    from featurestore.model.violation import Violation
    from featurestore.operations.context import Context

__all__ = ["Door", "Verdict", "contracts_of", "newest_waiting", "policy_of"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in the rows of a run.

    Attributes
    ----------
    policy
        What the view does about it: `block`, `warn` or `off`.
    contracts
        Subject to the version of its contract that the rows were held against; empty text where it has none.
    reasons
        What was found.
    """

    policy: str
    contracts: Mapping[str, str]
    reasons: tuple[Reason, ...]

    @property
    def blocks(self) -> bool:
        """Whether the rows go into quarantine."""
        return self.policy == "block" and bool(self.reasons)


class Door:
    """The door of one materialization.

    Attributes
    ----------
    version
        Whose rows.
    """

    def __init__(self, context: Context, version: FeatureVersion) -> None:
        self._context, self.version = context, version
        self._run: Run | None = None
        self._verdict = Verdict("off", {}, ())

    def look(self, run: Run) -> None:
        """Hold a run, and the rows of the sources that it was computed from, against the contracts there are now."""
        self._run = run
        with self._context.catalog.read() as connection:
            policy = policy_of(connection, self._context, self.version)
            known = contracts_of(connection, self.version)
        found = [] if policy == "off" else [Reason.of(item) for item in self._violations(run, known)]
        self._verdict = Verdict(policy, _references(known), tuple(found))

    def opens(self, snapshot: Snapshot, read: Callable[[], tuple[SourceRead, ...]]) -> bool:
        """Return whether a snapshot of the run may become the head; if not, it goes into quarantine.

        Looks again if a contract or the policy has been changed since. What was approved goes through. What once was
        good stays so for those who pinned it, and is no reason to serve it again under a contract that it breaks.

        Parameters
        ----------
        read
            Gives the data versions that the sources are at now.

        Raises
        ------
        SourceError
            If there is another contract, and the rows that it would be held against are gone.
        QuarantineError
            If the rows were good once, and break a contract that has changed since.
        """
        with self._context.catalog.read() as connection:
            policy = policy_of(connection, self._context, self.version)
            now = _references(contracts_of(connection, self.version))
            known = snapshots.existing(connection, snapshot.id)
        if self._run is not None and (now, policy) != (self._verdict.contracts, self._verdict.policy):
            if read() != self._run.sources:
                raise SourceError(
                    f"a contract of {self.version.reference}, and the rows of a source, were changed while it was "
                    "materialized: materialize again."
                )
            self.look(self._run)
        verdict = self._verdict
        if not verdict.blocks or (known is not None and known.quarantine and known.quarantine.state == "approved"):
            return True
        if known is not None and not known.quarantined:
            raise QuarantineError(
                f"the rows of {self.version.reference} are those of snapshot {known.id[:8]}, which was good, and they "
                f"break a contract now: {' '.join(map(str, verdict.reasons))} Nothing was changed."
            )
        return False

    def hold(self, tx: Transaction, snapshot: Snapshot) -> None:
        """Put a snapshot into quarantine, in the transaction that keeps it.

        Raises
        ------
        ConflictError
            If a contract is another one than the rows were held against.
        """
        version, verdict = self.version, self._verdict
        contracts.require_current(tx.connection, verdict.contracts)
        known = snapshots.existing(tx.connection, snapshot.id)
        if known is not None and known.quarantine is not None and known.quarantine.state == "waiting":
            if known.quarantine.contracts == verdict.contracts:
                return
            quarantine.release(tx, snapshot.id, "superseded", became=snapshot.id)
        snapshots.keep(tx, version, snapshot)
        quarantine.add(tx, version, snapshot, verdict.reasons, verdict.contracts)
        run = snapshot.runs[-1]
        tx.record(
            "quarantined",
            "version",
            version.reference,
            snapshot=snapshot.id,
            rows=run.rows,
            start=run.start,
            end=run.end,
            contracts={subject: reference for subject, reference in verdict.contracts.items() if reference},
            reasons=[str(reason) for reason in verdict.reasons],
        )

    def let_through(self, tx: Transaction, snapshot: Snapshot) -> None:
        """End the quarantine of what a snapshot that passes replaces, in the transaction that makes it the head.

        Raises
        ------
        ConflictError
            As `hold`.
        """
        version, verdict = self.version, self._verdict
        contracts.require_current(tx.connection, verdict.contracts)
        for waiting in quarantine.waiting(tx.connection, version):
            held = snapshots.existing(tx.connection, waiting)
            if waiting == snapshot.id:
                quarantine.release(tx, waiting, "passed", became=snapshot.id)
            elif held is not None and _overlap(held.runs[-1], snapshot.runs[-1]):
                quarantine.release(tx, waiting, "superseded", became=snapshot.id)
        if verdict.policy == "warn" and verdict.reasons:
            reasons = [str(reason) for reason in verdict.reasons]
            tx.record("contract broken", "version", version.reference, snapshot=snapshot.id, reasons=reasons)
            for reason in reasons:
                _log.warning("%s: %s", version.reference, reason)

    def _violations(self, run: Run, known: Mapping[str, ContractVersion | None]) -> Iterator[Violation]:
        definition = self.version.definition
        now = datetime.now(UTC)
        moment = now if run.end is None else min(now, from_micros(run.end))
        for source in definition.sources:
            contract = known[f"source/{source.name}"]
            if contract is not None:
                part = _part(run, source.name, definition.window_source)
                yield from check_source(self._context, source, contract.contract, now=moment, part=part)[1]
        promise = known[f"view/{self.version.view}"]
        if promise is not None:
            yield from check_files(self._context, promise.subject, promise.contract, run.files, now=moment)[1]


def contracts_of(connection: Connection, version: FeatureVersion) -> dict[str, ContractVersion | None]:
    """Return the contract of each source of a version, and of its view, by subject; None where there is none."""
    subjects = [f"source/{source.name}" for source in version.definition.sources] + [f"view/{version.view}"]
    found = contracts.current(connection, subjects)
    return {subject: found.get(subject) for subject in subjects}


def policy_of(connection: Connection, context: Context, version: FeatureVersion) -> str:
    """Return what a version's view does about violations: what it says, or else what the configuration says."""
    return versions.metadata(connection, version.view).on_violation or context.settings.on_violation


def newest_waiting(connection: Connection, version: FeatureVersion) -> Snapshot | None:
    """Return the snapshot in quarantine that would be a version's newest rows; None if the head is newer, or alone."""
    waiting = quarantine.waiting(connection, version)
    if not waiting or not quarantine.is_newest(connection, version, waiting[-1]):
        return None
    return snapshots.existing(connection, waiting[-1])


def _references(known: Mapping[str, ContractVersion | None]) -> dict[str, str]:
    return {subject: "" if found is None else found.reference for subject, found in known.items()}


def _part(run: Run, source: str, window: tuple[str, str] | None) -> Part | None:
    """Return the part of a source that a window's rows come from; None is all of it."""
    if window is None or window[0] != source or (run.start is None and run.end is None):
        return None
    first, last = (None if bound is None else from_micros(bound) for bound in (run.start, run.end))
    return window[1], first, last


def _overlap(left: Run, right: Run) -> bool:
    """Return whether two windows have a moment in common."""
    ends = left.end is None or right.start is None or right.start < left.end
    return ends and (right.end is None or left.start is None or left.start < right.end)
