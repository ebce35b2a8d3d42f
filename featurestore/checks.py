"""Checks: rows and versions held against each other, and against what is promised. A part of `FeatureStore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.catalog import contracts
from featurestore.operations.context import Context

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pyarrow as pa

    from featurestore.model.contract import Contract
    from featurestore.model.contract_change import ContractVersion
    from featurestore.model.profile import Profile
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.times import Time
    from featurestore.model.violation import ContractCheck
    from featurestore.operations.compare_versions import VersionComparison
    from featurestore.operations.contracts import ContractDiff
    from featurestore.operations.detect import Detection
    from featurestore.operations.skew import Skew
    from featurestore.operations.verify import Verification


__all__ = ["Checks"]


class Checks:
    """What a store tells of its rows: compared, profiled, held against contracts."""

    root: Path
    _context: Context

    def compare_versions(
        self,
        before: object,
        after: object,
        *,
        sample: int = 1_000,
        seed: int = 0,
        endpoint: str | None = None,
        record: bool = False,
    ) -> VersionComparison:
        """Compare two versions of a view: the same keys and times, value by value and by distribution.

        Parameters
        ----------
        before, after
            The version that is read, and the one that would be.
        sample
            Rows drawn from both together; another `seed` draws others.
        endpoint
            Whose pointer would move; None: the default one.
        record
            Keep in the history that they were compared, which `require_comparison` asks for before a pointer moves.

        Raises
        ------
        RequestError
            If they are versions of two views, or have other keys.
        NotMaterializedError
            If one has no rows.
        """
        from featurestore.operations.compare_versions import compare_versions

        return compare_versions(
            self._context, before, after, sample=sample, seed=seed, endpoint=endpoint, record=record
        )

    def skew(
        self, model: object, *, since: Time | None = None, until: Time | None = None, endpoint: str | None = None
    ) -> Skew:
        """Compare what a model was served, as servers with `log_answers` kept it, with what it was trained on.

        Parameters
        ----------
        since, until
            Questions of this time or later, and before that; None is no bound.
        endpoint
            Only what was asked through this one.

        Raises
        ------
        NotFoundError
            If no answers are kept for that time, or there is no such model.
        """
        from featurestore.operations.skew import skew

        return skew(self._context, model, since=since, until=until, endpoint=endpoint)

    def verify(self, reference: object = None) -> Verification:
        """Read all stored rows, offline and online, and compare digests; see `operations/verify.py`."""
        from featurestore.operations.verify import verify

        return verify(self._context, reference)

    # ------------------------------------------------------------------------------------ quality

    def profile(self, node: object) -> Profile:
        """Return what rows of a snapshot, source, column or training frame look like; see `operations/profile.py`."""
        from featurestore.operations.profile import profile

        return profile(self._context, node)

    def detect(self, reference: object, *, against: object = None) -> Detection:
        """Return what has changed in a version's rows, and whom it reaches; see `operations/detect.py`."""
        from featurestore.operations.detect import detect

        return detect(self._context, reference, against=against)

    # ------------------------------------------------------------------------------------ guard

    def check_contract(
        self, name: str, *, file: str | os.PathLike[str] | None = None, contract: Contract | None = None
    ) -> ContractCheck:
        """Hold a source's rows, or a file's, against a contract; see `operations/check_contract.py`."""
        from featurestore.operations.check_contract import check_contract

        return check_contract(self._context, name, file=None if file is None else Path(file), contract=contract)

    def check_contracts(self, names: Sequence[str] = ()) -> list[ContractCheck]:
        """Check the contracts of these sources, or all; see `operations/check_contract.py`."""
        from featurestore.operations.check_contract import check_contracts

        return check_contracts(self._context, names)

    def approve(self, snapshot: Snapshot | str, *, reason: str) -> Snapshot:
        """Let rows in quarantine through, for a reason that is kept; see `operations/approve.py`."""
        from featurestore.operations.approve import approve

        return approve(self._context, snapshot, reason=reason)

    def read_snapshot(self, snapshot: Snapshot | str, *, limit: int | None = None) -> pa.Table:
        """Return a snapshot's rows, also of one in quarantine; see `operations/read_snapshot.py`."""
        from featurestore.operations.read_snapshot import read_snapshot

        return read_snapshot(self._context, snapshot, limit=limit)

    def declare_contract(self, source: str, contract: Contract) -> ContractVersion:
        """Make a contract the current one of a source, without its definition; see `operations/contracts.py`."""
        from featurestore.operations.contracts import declare_contract

        return declare_contract(self._context, source, contract)

    def propose_contract(self, source: str, contract: Contract) -> ContractDiff:
        """Say what declaring a contract would change; see `operations/contracts.py`."""
        from featurestore.operations.contracts import propose_contract

        with self._context.catalog.read() as connection:
            return propose_contract(connection, source, contract)

    def diff_contract(self, before: str, after: str | Contract | None = None) -> ContractDiff:
        """Compare two versions of a contract, or the current one with a proposal; see `operations/contracts.py`."""
        from featurestore.operations.contracts import diff_contract

        with self._context.catalog.read() as connection:
            return diff_contract(connection, before, after)

    def contracts(self) -> list[ContractVersion]:
        """Return every contract in its current version, by what it is about."""
        with self._context.catalog.read() as connection:
            return contracts.everything(connection)

    def contract(self, reference: str) -> ContractVersion:
        """Return one contract: `weather`, `weather@c2`, `view/airport_weather`."""
        with self._context.catalog.read() as connection:
            return contracts.find(connection, reference)

    def contract_versions(self, subject: str) -> list[ContractVersion]:
        """Return a contract in all its versions, oldest first; `subject` is `source/weather` or `view/NAME`."""
        with self._context.catalog.read() as connection:
            return contracts.versions_of(connection, subject if "/" in subject else f"source/{subject}")

    def facts(self, node: object) -> dict[str, Any]:
        """Return what another system has said of a node of its own: description, owner, columns, code."""
        from featurestore.catalog import foreign
        from featurestore.lineage.nodes import parse_node

        with self._context.catalog.read() as connection:
            return foreign.facts(connection, parse_node(connection, node))
