"""Publish: a snapshot's newest rows become a generation of the online store, made durable, then visible."""

from __future__ import annotations

import fcntl
import uuid
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import generations, quarantine, snapshots
from featurestore.errors import ConfigError, NotMaterializedError, QuarantineError, RequestError
from featurestore.model.history import Generation
from featurestore.model.times import parse_time, to_micros
from featurestore.offline.newest import newest_rows
from featurestore.online.base import PUSHES
from featurestore.online.codec import RowCodec, encode_rows
from featurestore.operations.doors import newest_waiting
from featurestore.operations.push import carry_pushed, takes_pushes
from featurestore.operations.resolve import one_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from sqlalchemy import Connection

    from featurestore.model.snapshot import Snapshot
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["head_of", "publish", "publish_snapshot"]


def publish(
    context: Context,
    reference: object,
    *,
    snapshot: Snapshot | str | None = None,
    at: datetime | date | str | None = None,
) -> Generation:
    """Put the newest row of each key, with an event time up to `at`, into the online store, for all its readers.

    Parameters
    ----------
    reference
        `view@vN`.
    snapshot
        An earlier snapshot (or its id), to serve its rows again and hold them until the next publish.
    at
        None is now.

    Raises
    ------
    NotMaterializedError
        If the version has no rows.
    QuarantineError
        If the snapshot, or without one the newest that was materialized, is in quarantine.
    RequestError
        If the snapshot is another version's.
    """
    context.catalog.require_writable()
    moment = datetime.now(UTC) if at is None else parse_time(at, what="at")
    with context.catalog.read() as connection:
        version = one_version(connection, reference)
        if snapshot is None:
            chosen = head_of(connection, version)
            _require_newest(connection, version, chosen)
        else:
            chosen = snapshots.find(connection, snapshot)
            quarantine.require_open(chosen, "published")
            if chosen.reference != version.reference:
                raise RequestError(
                    f"snapshot {chosen.id[:8]} is one of {chosen.reference}, not of {version.reference}."
                )
    return publish_snapshot(context, version, chosen, moment, held=snapshot is not None)


def head_of(connection: Connection, version: FeatureVersion) -> Snapshot:
    """Return the newest snapshot of a version that must have one; what is in quarantine does not count.

    Raises
    ------
    NotMaterializedError
        If there is none.
    QuarantineError
        If all there is is in quarantine.
    """
    head = snapshots.head(connection, version)
    if head is None:
        if (waiting := newest_waiting(connection, version)) is not None:
            quarantine.require_open(waiting, "used, and there are no other rows yet")
        raise NotMaterializedError(
            f"{version.reference} has no rows yet: run `featurestore materialize {version.reference}` first."
        )
    return head


def _require_newest(connection: Connection, version: FeatureVersion, head: Snapshot) -> None:
    """Hold that the newest rows are the head's: to publish older ones unasked would look as if these were online."""
    waiting = newest_waiting(connection, version)
    if waiting is None:
        return
    try:
        quarantine.require_open(waiting, "published")
    except QuarantineError as error:
        raise QuarantineError(
            f"{error} What is online stays; to publish the last good rows: "
            f"`featurestore publish {version.reference} --snapshot {head.id[:8]}`."
        ) from None


def publish_snapshot(
    context: Context, version: FeatureVersion, snapshot: Snapshot, moment: datetime, *, held: bool
) -> Generation:
    """Publish one snapshot as of `moment`; see `publish`."""
    definition = version.definition
    as_of = None if definition.event_time is None else to_micros(moment)
    name = f"{version.view}/v{version.number}/{uuid.uuid4().hex[:16]}"
    codec = RowCodec([(feature.name, feature.type) for feature in definition.features])
    pushes = not held and takes_pushes(context, version)
    with context.listeners.working("publish", version.reference), _alone(context, version):
        _sweep(context, version)
        rows = context.online.write(
            name,
            {**codec.schema(), PUSHES: True} if pushes else codec.schema(),
            encode_rows(
                _newest(context, version, snapshot, as_of),
                codec,
                keys=definition.keys,
                event_time=definition.event_time,
            ),
        )
        generation = Generation(name, version.view, version.number, snapshot.id, as_of, rows, held, datetime.now(UTC))
        if pushes:
            carry_pushed(context, version, name)
        with context.catalog.write() as tx:
            generations.add(tx, generation)
            everything = generations.everything(tx.connection, version.view, version.number)
            old = everything[context.settings.keep_generations :]
            for item in old:
                generations.mark_dropped(tx, item)
        if pushes:
            carry_pushed(context, version, name)
        for item in old:
            context.online.drop(item.id)
    return generation


@contextmanager
def _alone(context: Context, version: FeatureVersion) -> Iterator[None]:
    """Keep other publishes of a version waiting; a process that dies keeps nobody waiting."""
    folder = context.root / "online" / ".publishing"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{version.view}@v{version.number}").open("wb")
    except OSError as error:
        raise ConfigError(f"cannot publish {version.reference}: {error}. Mend that, then publish again.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(context: Context, version: FeatureVersion) -> None:
    """Drop what publishes that died have left: complete, but named by no row or by one that says it is gone."""
    with context.catalog.read() as connection:
        named = {item.id for item in generations.everything(connection, version.view, version.number)}
    for name in context.online.generations():
        if name.startswith(f"{version.view}/v{version.number}/") and name not in named:
            context.online.drop(name)


def _newest(
    context: Context, version: FeatureVersion, snapshot: Snapshot, as_of: int | None
) -> Iterator[pa.RecordBatch]:
    """Give the rows to be published, and report those that were put to use."""
    step = f"publish {version.reference}"
    done, total = 0, 0

    def counted(rows: int) -> None:
        nonlocal total
        total = rows
        context.progress(step, 0, rows)

    batches = newest_rows(
        context.root, version.definition, snapshot.files, at=as_of, settings=context.settings, counted=counted
    )
    for batch in batches:
        yield batch
        done += batch.num_rows
        context.progress(step, done, total)
