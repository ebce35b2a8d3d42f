"""Materialize: run a feature version's computation over a window and make the rows a new snapshot.

Files are written and durable first, then the Iceberg table shows them, then one catalog transaction moves the head,
holding that nobody moved it meanwhile. A crash before the last step leaves files that no row names, and an Iceberg
head that the next materialization sets right.

Rows that break a contract stop at the door: they become no head and are not shown in Iceberg; the transaction that
keeps their snapshot says that it is in quarantine.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import changes, snapshots
from featurestore.errors import ConflictError, RequestError, SourceError
from featurestore.model.snapshot import Newest, Run, Snapshot, SourceRead, snapshot_id
from featurestore.model.times import from_micros, parse_time, to_micros
from featurestore.offline.merge import merge_runs
from featurestore.offline.moments import Moments
from featurestore.offline.runs import cut_run, write_run
from featurestore.operations.doors import Door
from featurestore.operations.push import fold_pushes
from featurestore.operations.resolve import one_version
from featurestore.operations.run_profiles import RunProfiles, profiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.catalog.database import Transaction
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["combined", "data_versions", "materialize", "replace_head", "write_window"]

_ATTEMPTS = 5


def materialize(
    context: Context,
    reference: object,
    *,
    start: datetime | date | str | None = None,
    end: datetime | date | str | None = None,
) -> Snapshot:
    """Compute the rows of a feature version and make them its table's new state.

    If they break a contract, of a source or of the view's features, and the view blocks violations, the snapshot
    returned is in quarantine: kept to be looked at, while the table stays as it was.

    Parameters
    ----------
    reference
        `view@vN`, or `view` for the version applied last.
    start, end
        The window `[start, end)` of output event time that is replaced; without one the whole table is.

    Raises
    ------
    RequestError
        If the window is empty, or the view is a dimension, which is only replaced whole.
    ContractError
        If a row does not fit the declared types; nothing is registered then.
    SourceError
        If a source cannot be read, or keeps changing while it is.
    ConflictError
        If other processes keep materializing the same version.
    """
    context.catalog.require_writable()
    with context.catalog.read() as connection:
        version = one_version(connection, reference, current=True)
    now = datetime.now(UTC)
    first = None if start is None else to_micros(parse_time(start, now=now, what="start"))
    last = None if end is None else to_micros(parse_time(end, now=now, what="end"))
    if (first is not None or last is not None) and version.definition.event_time is None:
        raise RequestError(f"{version.reference} is a dimension, replaced whole: leave start and end away.")
    if first is not None and last is not None and first >= last:
        raise RequestError(f"the window [{start}, {end}) is empty: the end must be later than the start.")
    return write_window(context, version, first, last)


def write_window(
    context: Context, version: FeatureVersion, start: int | None, end: int | None, *, resumes: bool = False
) -> Snapshot:
    """Replace `[start, end)` (microseconds; None is open) of a version's table; see `materialize`.

    Parameters
    ----------
    resumes
        The window starts at the head's last event time: leave the rows there alone if they are the same again.
    """
    with context.listeners.working("materialize", version.reference):
        fold_pushes(context, version)
        profiles, door = RunProfiles(context, version), Door(context, version)
        run, first = _write(context, version, (start, end), profiles, door)

        def combine(head: Snapshot | None) -> tuple[Run, ...]:
            new = _new_part(context, head, run, first) if resumes else run
            return combined(context, version, head, new, profiles)

        def record(tx: Transaction, head: Snapshot | None, snapshot: Snapshot) -> None:
            _record(tx, version, head, snapshot)
            door.let_through(tx, snapshot)

        return replace_head(context, version, combine, record, profiles, door=door)


def replace_head(
    context: Context,
    version: FeatureVersion,
    combine: Callable[[Snapshot | None], tuple[Run, ...]],
    record: Callable[[Transaction, Snapshot | None, Snapshot], None],
    profiles: RunProfiles,
    *,
    door: Door | None = None,
) -> Snapshot:
    """Make the runs that `combine` derives from the head the new head, and show them in Iceberg.

    Parameters
    ----------
    combine
        Called again with the new head whenever another process moved it meanwhile.
    record
        Adds to the history, in the transaction that moves the head; given the head before and the new one.
    profiles
        Of the runs; the snapshot's is kept in that transaction too.
    door
        Where the rows are stopped that break a contract; None where the rows are those of the head, or approved.

    Raises
    ------
    ConflictError
        If other processes keep moving the head.
    """
    for _ in range(_ATTEMPTS):
        with context.catalog.read() as connection:
            head = snapshots.head(connection, version)
        runs = combine(head)
        snapshot = Snapshot(
            snapshot_id(version.view, version.fingerprint, runs), version.view, version.number, runs, datetime.now(UTC)
        )
        passes = door is None or door.opens(snapshot, lambda: data_versions(context, version))
        if head is not None and head.id == snapshot.id:
            return head
        profiles.take(runs)
        try:
            if door is not None and not passes:
                return _hold(context, head, snapshot, door, profiles)
            files = [file for item in runs for file in item.files]
            iceberg = context.tables.sync(version.definition, version.number, files)
            shown = replace(snapshot, iceberg_snapshot_id=iceberg)
            _commit(context, version, head, shown, profiles.keep, record)
        except ConflictError:
            continue
        return shown
    raise ConflictError(f"other processes keep materializing {version.reference}: try again when they are done.")


def _write(
    context: Context,
    version: FeatureVersion,
    window: tuple[int | None, int | None],
    profiles: RunProfiles,
    door: Door,
) -> tuple[Run, Newest | None]:
    """Compute and write the run of a window, show it to the door, and tell of its rows at exactly its start."""
    start, end = window
    definition = version.definition
    before = data_versions(context, version)
    for _ in range(_ATTEMPTS):
        rows = context.engine.rows(
            definition,
            start=None if start is None else from_micros(start),
            end=None if end is None else from_micros(end),
        )
        moments = Moments(definition.event_time, start)
        profiler = profiles.profiler()
        with rows:
            files = write_run(
                context.root,
                definition,
                version.number,
                moments.noted(rows if profiler is None else profiled(rows, profiler)),
                row_group_rows=context.settings.row_group_rows,
                compression=context.settings.compression,
                progress=lambda done: context.progress(f"materialize {version.reference}", done, None),
            )
        run = Run(start, end, before, files, tuple(sorted(rows.dropped.items())), moments.newest)
        door.look(run)
        after = data_versions(context, version)
        if after == before and profiler is not None:
            profiles.add(run, profiler)  # reads the sources once more
            after = data_versions(context, version)
        if after == before:
            return run, moments.first
        before = after
    raise SourceError(
        f"the sources of {version.reference} keep changing while they are read: materialize when they rest."
    )


def data_versions(context: Context, version: FeatureVersion) -> tuple[SourceRead, ...]:
    """Return the data version that each source of a feature version is at now."""
    return tuple(SourceRead(source.name, context.reader.data_version(source)) for source in version.definition.sources)


def _new_part(context: Context, head: Snapshot | None, run: Run, first: Newest | None) -> Run:
    """Return the run without its first moment, if that is the head's last and the head holds the same rows there.

    So the head's files stay as they are: to cut one moment out would rewrite each that holds a row of it.
    """
    if head is None or run.start is None or first is None or head.last != first.at:
        return run
    (holder,) = (old for old in head.runs if any(file.last == head.last for file in old.files))
    if holder.newest != first:
        return run
    left = cut_run(context.root, run, None, run.start + 1, row_group_rows=context.settings.row_group_rows)
    return left[0] if left else run


def combined(
    context: Context, version: FeatureVersion, head: Snapshot | None, run: Run, profiles: RunProfiles
) -> tuple[Run, ...]:
    """Return the runs of the head with the new run's window replaced by it."""
    if head is None or (run.start is None and run.end is None):
        return (run,)
    rows = context.settings.row_group_rows
    cuts = [cut_run(context.root, old, run.start, run.end, row_group_rows=rows) for old in head.runs]
    kept = [part for parts in cuts for part in parts if part.files]
    return (*_merged(context, version, kept, profiles), run)


def _merged(context: Context, version: FeatureVersion, runs: list[Run], profiles: RunProfiles) -> list[Run]:
    """Return the runs, merged if they are many: the small ones, and the largest with them once they outgrow its half.

    So a row is written again a few times in all, however long its history grows.
    """
    if len(runs) < context.settings.max_runs:
        return runs
    largest = max(runs, key=lambda run: run.rows)
    rest = [run for run in runs if run is not largest]
    whole = 2 * sum(run.rows for run in rest) > largest.rows
    joined = runs if whole else rest
    merged = merge_runs(context.root, version.definition, version.number, joined, context.settings)
    profiles.merge(joined, merged)
    return [merged] if whole else [largest, merged]


def _commit(
    context: Context,
    version: FeatureVersion,
    head: Snapshot | None,
    snapshot: Snapshot,
    *keep: Callable[[Transaction, Snapshot | None, Snapshot], None],
) -> None:
    with context.catalog.write() as tx:
        snapshots.require_head(tx.connection, version, head)
        snapshots.move_head(tx, version, snapshot)
        for each in keep:
            each(tx, head, snapshot)


def _hold(context: Context, head: Snapshot | None, snapshot: Snapshot, door: Door, profiles: RunProfiles) -> Snapshot:
    """Keep a snapshot in quarantine, with its profile; the head stays, and so does what Iceberg shows."""
    profile = profiles.of_snapshot(snapshot) if context.settings.profiles else None
    with context.catalog.write() as tx:
        snapshots.require_head(tx.connection, door.version, head)
        _record_new_data(tx, head, snapshot.runs[-1])
        door.hold(tx, snapshot)
        if profile is not None:
            profiles.save(tx, snapshot, profile)
        return snapshots.find(tx.connection, snapshot.id)


def _record(tx: Transaction, version: FeatureVersion, head: Snapshot | None, snapshot: Snapshot) -> None:
    run = snapshot.runs[-1]
    _record_new_data(tx, head, run)
    tx.record(
        "materialized",
        "version",
        version.reference,
        snapshot=snapshot.id,
        rows=run.rows,
        total=snapshot.rows,
        start=run.start,
        end=run.end,
        dropped=dict(run.dropped),
        sources={read.source: read.data_version for read in run.sources},
    )


def _record_new_data(tx: Transaction, head: Snapshot | None, run: Run) -> None:
    """Record which sources hold other data than at the last run, once for all versions that read them."""
    known = {} if head is None else {read.source: read.data_version for read in head.runs[-1].sources}
    for read in run.sources:
        told = changes.newest(tx.connection, "data changed", "source", read.source)
        before = known.get(read.source, read.data_version if told is None else told.detail["after"])
        if before != read.data_version and (told is None or told.detail["after"] != read.data_version):
            tx.record("data changed", "source", read.source, before=before, after=read.data_version)
