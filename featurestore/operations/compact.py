"""Compact: make one sorted run of a feature version's runs, with the same rows, so that it is read fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.offline.merge import merge_runs
from featurestore.operations.materialize import replace_head
from featurestore.operations.publish import head_of
from featurestore.operations.resolve import one_version
from featurestore.operations.run_profiles import RunProfiles

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction
    from featurestore.model.snapshot import Run, Snapshot
    from featurestore.operations.context import Context

__all__ = ["compact"]


def compact(context: Context, reference: object) -> Snapshot:
    """Merge the runs of a feature version's newest snapshot into one, and make that its table's new state.

    The rows are the same, which is checked, and so is which of two that tie wins. Earlier snapshots, what is pinned to
    them and what is published stay as they are. Where there is one run already, nothing is done.

    Parameters
    ----------
    reference
        `view@vN`, or `view` for the version applied last.

    Raises
    ------
    NotMaterializedError
        If the version has no rows yet.
    CorruptError
        If a file cannot be read, or the merged rows are not the same; nothing is registered then.
    ConflictError
        If other processes keep materializing the version.
    """
    context.catalog.require_writable()
    with context.catalog.read() as connection:
        version = one_version(connection, reference, current=True)
        head_of(connection, version)

    profiles = RunProfiles(context, version)

    def combine(head: Snapshot | None) -> tuple[Run, ...]:
        if head is None or len(head.runs) < 2:  # noqa: PLR2004 - one is as compact as can be
            return () if head is None else head.runs
        merged = merge_runs(
            context.root,
            version.definition,
            version.number,
            head.runs,
            context.settings,
            progress=lambda done: context.progress(f"compact {version.reference}", done, head.rows),
        )
        profiles.merge(head.runs, merged)
        return (merged,)

    def record(tx: Transaction, head: Snapshot | None, snapshot: Snapshot) -> None:
        runs = () if head is None else head.runs
        tx.record(
            "compacted",
            "version",
            version.reference,
            snapshot=snapshot.id,
            before=None if head is None else head.id,
            total=snapshot.rows,
            runs=len(runs),
            files=[sum(len(run.files) for run in of) for of in (runs, snapshot.runs)],
        )

    return replace_head(context, version, combine, record, profiles)
