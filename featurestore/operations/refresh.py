"""Refresh: bring every feature version that anyone reads up to date, each from where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import activations, generations, models, snapshots, versions
from featurestore.model.history import Generation
from featurestore.model.snapshot import Snapshot
from featurestore.model.times import from_micros, parse_time, to_micros
from featurestore.operations.doors import contracts_of, newest_waiting, policy_of
from featurestore.operations.materialize import data_versions, write_window
from featurestore.operations.publish import publish_snapshot
from featurestore.operations.push import fold_pushes
from featurestore.operations.resolve import as_reference, endpoint_columns, spelled

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["Refreshed", "refresh"]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What `refresh` did for one feature version.

    Attributes
    ----------
    reference
        `view@vN`.
    snapshot
        The head afterwards; None if there is none.
    start, end
        The window that was computed again; None if nothing was.
    late
        Rows that became known after the last run with an event time before its end; the window reaches back to them.
    generation
        What was published; None if nothing was.
    skipped
        Why there was nothing to do, or why it was not published; empty otherwise.
    quarantined
        The new rows, if they are in quarantine; the head is as it was then.
    """

    reference: str
    snapshot: Snapshot | None
    start: datetime | None = None
    end: datetime | None = None
    late: int = 0
    generation: Generation | None = None
    skipped: str = ""
    quarantined: Snapshot | None = None


def refresh(
    context: Context,
    views: object = None,
    *,
    until: datetime | date | str | None = None,
    publish: bool = True,
) -> list[Refreshed]:
    """Materialize, from where each stopped, the versions applied last, active, or read by an endpoint.

    Parameters
    ----------
    views
        The views to look at, by name or as what another verb returned; None takes all.
    until
        End of the window, exclusive, and the time as of which is published; None is now.
    publish
        Publish the versions that have been published before, but for rows that are held.
    """
    context.catalog.require_writable()
    moment = datetime.now(UTC) if until is None else parse_time(until, what="until")
    with context.catalog.read() as connection:
        wanted = _read_by_anyone(connection, views)
    done = []
    for version in wanted:
        result = _refresh_rows(context, version, moment)
        done.append(_publish(context, version, result, moment) if publish else result)
    return done


def _read_by_anyone(connection: Connection, views: object) -> list[FeatureVersion]:
    if views is None:
        names = versions.view_names(connection)
    else:
        listed = views if isinstance(views, (list, tuple, set)) else [views]
        names = [spelled(connection, as_reference(value)).view for value in listed]
    found: dict[str, FeatureVersion] = {}
    for name in names:
        version = versions.current(connection, name)
        found[version.reference] = version
        for move in activations.history(connection, name):
            now = activations.pointer(connection, name, move.feature) if move.endpoint is None else None
            if now is not None:
                version = versions.find(connection, name, now.version)
                found[version.reference] = version
    for deployment in models.deployments(connection):
        lock = models.find(connection, deployment.reference).lock
        for column in endpoint_columns(connection, deployment, lock):
            if column.version.view in names:
                found[column.version.reference] = column.version
        for pin in lock.pins:
            if pin.view in names:  # a rollback of an endpoint may be taken back
                version = versions.find(connection, pin.view, pin.version)
                found[version.reference] = version
    return [found[reference] for reference in sorted(found)]


def _refresh_rows(context: Context, version: FeatureVersion, until: datetime) -> Refreshed:
    with context.catalog.read() as connection:
        head = snapshots.head(connection, version)
    if version.retired is not None:
        return Refreshed(version.reference, head, skipped=f"retired: {version.retired}")
    fold_pushes(context, version)
    end = to_micros(until)
    if head is not None and data_versions(context, version) == head.runs[-1].sources:
        last = head.runs[-1]
        if version.definition.event_time is None or last.end is None or last.end >= end:
            return Refreshed(version.reference, head, skipped="its sources have not changed")
    if (waiting := _waits(context, version, end)) is not None:
        return _held(version, head, waiting)
    result = _compute(context, version, head, until)
    made = result.snapshot
    return _held(version, head, made) if made is not None and made.quarantined else result


def _compute(context: Context, version: FeatureVersion, head: Snapshot | None, until: datetime) -> Refreshed:
    """Compute what is missing up to `until`; the snapshot may be in quarantine."""
    if version.definition.event_time is None:
        return Refreshed(version.reference, write_window(context, version, None, None))
    end = to_micros(until)
    start = None if head is None else head.last
    late = 0
    if start is not None:
        start, late = _reach_back(context, version, start)
        if start >= end:
            return Refreshed(
                version.reference, head, skipped=f"its rows reach {from_micros(start).isoformat()} already"
            )
    snapshot = write_window(context, version, start, end, resumes=True)
    return Refreshed(version.reference, snapshot, None if start is None else from_micros(start), until, late)


def _waits(context: Context, version: FeatureVersion, end: int) -> Snapshot | None:
    """Return the snapshot in quarantine that computing again would give again."""
    with context.catalog.read() as connection:
        waiting = newest_waiting(connection, version)
        if waiting is None or waiting.quarantine is None:
            return None
        now = {subject: "" if found is None else found.reference
               for subject, found in contracts_of(connection, version).items()}  # fmt: skip
        blocks = policy_of(connection, context, version) == "block"
    run = waiting.runs[-1]
    whole = version.definition.event_time is None or run.end is None or run.end >= end
    same = blocks and whole and waiting.quarantine.contracts == now and data_versions(context, version) == run.sources
    return waiting if same else None


def _held(version: FeatureVersion, head: Snapshot | None, waiting: Snapshot) -> Refreshed:
    first = "" if waiting.quarantine is None else waiting.quarantine.reasons[0].text
    skipped = f"snapshot {waiting.id[:8]} is in quarantine: {first} Mend it, or `featurestore approve {waiting.id[:8]}`"
    return Refreshed(version.reference, head, skipped=skipped, quarantined=waiting)


def _reach_back(context: Context, version: FeatureVersion, start: int) -> tuple[int, int]:
    """Return where to start so that rows that became known late are folded in, and how many there are."""
    if version.definition.created_time is None and not version.definition.reads_pushes:
        return start, 0
    with context.catalog.read() as connection:
        head = snapshots.head(connection, version)
    if head is None:
        return start, 0
    earliest, count = context.engine.late_rows(version.definition, before=from_micros(start), files=head.files)
    return (start if earliest is None else min(start, to_micros(earliest))), count


def _publish(context: Context, version: FeatureVersion, result: Refreshed, until: datetime) -> Refreshed:
    with context.catalog.read() as connection:
        now = generations.current(connection, version.view, version.number)
    if now is None or result.snapshot is None:
        return result
    if now.held:
        held = f"rows of snapshot {now.snapshot[:8]} are held online until the next publish"
        return replace(result, skipped="; ".join(filter(None, (result.skipped if result.quarantined else "", held))))
    if now.snapshot == result.snapshot.id and (now.as_of is None or now.as_of >= to_micros(until)):
        return result
    return replace(result, generation=publish_snapshot(context, version, result.snapshot, until, held=False))
