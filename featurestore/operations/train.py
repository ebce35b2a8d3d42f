"""Train: a spine joined with pinned feature versions becomes a training frame that can be had again, bit for bit."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.catalog import frames, quarantine, snapshots
from featurestore.errors import CollisionError, CorruptError, RequestError
from featurestore.model.pins import Pin, PinSet
from featurestore.model.snapshot import Snapshot
from featurestore.model.times import Time, parse_time
from featurestore.offline.blocks import cut
from featurestore.offline.blockwise import Question
from featurestore.offline.frame import TrainingFrame, frame_id
from featurestore.offline.join import ViewRead
from featurestore.operations.code import code_state
from featurestore.operations.doors import newest_waiting
from featurestore.operations.pinned import pins_of, references_of
from featurestore.operations.publish import head_of
from featurestore.operations.resolve import Column, by_version, lock_columns, reference_columns
from featurestore.operations.spines import (
    Spine,
    asked_at,
    check_spine,
    first_block,
    given_spine,
    keep_spine,
    window_spine,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection

    from featurestore.offline.join_plan import JoinPlan
    from featurestore.offline.report import FrameReport
    from featurestore.offline.spine_archive import ArchivedSpine
    from featurestore.operations.context import Context

__all__ = ["explain_training_frame", "get_training_frame", "load_frame"]

_log = logging.getLogger(__name__)


def get_training_frame(
    context: Context,
    pinned_versions: object,
    spine: Any = None,  # noqa: ANN401 - a table of any library
    *,
    timestamp: str | None = None,
    as_of: Time | None = None,
    start: Time | None = None,
    end: Time | None = None,
) -> TrainingFrame:
    """Join a spine with feature versions, point in time.

    Parameters
    ----------
    pinned_versions
        References, a feature set, a mapping of view to version, a `PinSet`, a model version, or the path of a lock
        (`.lock`).
    spine
        The rows to train on: Arrow, Polars, pandas, a DuckDB relation, the path of a Parquet file (or a folder or glob
        of them), or a list of dicts. None takes the spine that the pins hold. Parquet of more rows than fit into a
        block is joined when the frame's rows are asked for and may be larger than memory, unless it holds a column of
        dictionaries (categories), which is read whole.
    timestamp
        The spine's time column; None takes what the pins say, otherwise `event_timestamp`. If it is None and the spine
        has no column of times at all, every row gets the newest values at `as_of`, or now: the pins record the moment.
    as_of
        See only rows known by then; `"spine"`: by each row's own time.
    start, end
        Instead of a spine: the rows of the first view named, with event times in `[start, end)`. One may be left out.

    Raises
    ------
    NotFoundError, NotActiveError, NotMaterializedError
        If something named is unknown or has no rows.
    QuarantineError
        If a snapshot that is pinned is in quarantine, or a version has no other rows; else the last good ones are read.
    RequestError
        If the spine does not fit.
    CollisionError
        If two columns would carry one name.
    CorruptError
        If pinned rows are missing or damaged.
    """
    options = Options(timestamp, as_of, start, end)
    asked = _ask(context, pinned_versions, spine, options)
    with context.listeners.working("train", "+".join(pin.reference for pin in asked.pins.pins)):
        return _join(context, asked)


def explain_training_frame(
    context: Context,
    pinned_versions: object,
    spine: Any = None,  # noqa: ANN401 - a table of any library
    *,
    timestamp: str | None = None,
    as_of: Time | None = None,
    start: Time | None = None,
    end: Time | None = None,
) -> JoinPlan:
    """Say how `get_training_frame` would join the same request, and join nothing; of a long spine its first block."""
    asked = _ask(context, pinned_versions, spine, Options(timestamp, as_of, start, end))
    question = asked.question
    question.answered(asked.spine.schema)
    return question.opened().plan(first_block(asked.spine))


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a request, as `get_training_frame` takes them."""

    timestamp: str | None
    as_of: Time | None
    start: Time | None
    end: Time | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request resolved: its columns, the rows of each version, the pins so far, the spine, and what to join."""

    columns: Sequence[Column]
    chosen: Mapping[str, Snapshot]
    pins: PinSet
    spine: Spine
    question: Question


def _ask(context: Context, pinned_versions: object, spine: object, options: Options) -> _Asked:
    timestamp, as_of = options.timestamp, options.as_of
    if not isinstance(timestamp, str | None):
        raise RequestError(f"timestamp={timestamp!r} names no column: give the name of the spine's time column.")
    window = _window(spine, options.start, options.end)
    with context.catalog.read() as connection:
        pins = pins_of(connection, pinned_versions)
        if pins is None:
            pinned_only = context.settings.require_pins
            references = references_of(connection, pinned_versions, require_pins=pinned_only)
            columns = reference_columns(connection, references, require_pins=pinned_only)
            pins = PinSet(tuple((column.name, column.reference) for column in columns), ())
        else:
            columns = lock_columns(connection, pins)
        chosen = _snapshots(connection, columns, pins)
    pins = replace(
        pins,
        columns=tuple((column.name, column.reference) for column in columns),
        pins=tuple(
            Pin(version.view, version.number, version.fingerprint, chosen[reference].id)
            for reference, version in by_version(columns).items()
        ),
        timestamp=timestamp or pins.timestamp,
        as_of=_as_of(as_of) if as_of is not None else pins.as_of,
        inputs=(),
        request=(),
    )
    rows: Spine
    if window is None:
        rows = given_spine(context, spine, pins, columns)
    else:
        rows = window_spine(context, columns, chosen, timestamp=pins.timestamp, start=window[0], end=window[1])
    pins = replace(pins, at=asked_at(rows.schema, pins, columns, explicit=timestamp is not None))
    check_spine(rows.schema, pins, columns)
    _check_names(rows.schema, columns)
    for snapshot in chosen.values():
        _check_files(context, snapshot)
    names = tuple(column.name for column in columns)
    reads = tuple(_reads(context, columns, chosen))
    question = Question(reads, pins.timestamp, pins.as_of, pins.at, names, context.settings)
    return _Asked(columns, chosen, pins, rows, question)


def load_frame(context: Context, frame: object) -> TrainingFrame:
    """Build a recorded frame again, by its id or its record."""
    with context.catalog.read() as connection:
        record = frames.find(connection, frame)
    return get_training_frame(context, record.pins)


def _window(spine: object, start: Time | None, end: Time | None) -> tuple[datetime | None, datetime | None] | None:
    """Return the window asked for; None if none is."""
    if start is None and end is None:
        return None
    if spine is not None:
        raise RequestError("start and end stand for a spine, and there is one: leave out spine=, or start= and end=.")
    now = datetime.now(UTC)
    first = None if start is None else parse_time(start, now=now, what="start")
    last = None if end is None else parse_time(end, now=now, what="end")
    return first, last


def _snapshots(connection: Connection, columns: Iterable[Column], pins: PinSet) -> dict[str, Snapshot]:
    """Return the rows of each version read: the pinned snapshot, or the newest one where none is pinned."""
    pinned = {(pin.view, pin.fingerprint): pin.snapshot for pin in pins.pins}
    chosen = {}
    for reference, version in by_version(list(columns)).items():
        identity = pinned.get((version.view, version.fingerprint))
        if identity is None:
            rows = head_of(connection, version)
            if (waiting := newest_waiting(connection, version)) is not None:
                _log.warning(
                    "%s: newer rows wait in quarantine (%s); the last good ones are read, snapshot %s",
                    reference,
                    waiting.id[:8],
                    rows.id[:8],
                )
        else:
            rows = snapshots.find(connection, identity)
            quarantine.require_open(rows, "trained on")
        if rows.reference != reference:
            raise CorruptError(
                f"the pins fix {reference} to snapshot {rows.id[:8]}, which is one of {rows.reference}: the lock was "
                "edited by hand; restore it."
            )
        chosen[reference] = rows
    return chosen


def _as_of(value: Time) -> datetime | str:
    return value if value == "spine" else parse_time(value, now=datetime.now(UTC), what="as_of")  # type: ignore[return-value] # "spine" is a str


def _join(context: Context, asked: _Asked) -> TrainingFrame:
    question = asked.question
    schema = question.answered(asked.spine.schema)
    table, archived = keep_spine(context, asked.spine, asked.pins, asked.columns)
    answers = [] if table is None else list(question.answers_of(cut([table], table.schema)))
    pins = replace(asked.pins, spine=archived.pin)
    identity = frame_id(pins)
    if not context.catalog.read_only:
        _record(context, asked, pins, archived.rows)

    def blocks() -> Iterator[tuple[pa.Table, FrameReport]]:
        return iter(answers) if answers else _answers(context, question, archived)

    def plan() -> JoinPlan:
        return question.opened().plan(first_block(archived) if table is None else table)

    return TrainingFrame(schema, pins, question.order, identity, blocks, plan)


def _record(context: Context, asked: _Asked, pins: PinSet, rows: int) -> None:
    """Keep the frame's record, and tag the snapshots that nothing pinned before."""
    code = code_state()
    chosen = asked.chosen.values()
    with context.catalog.write() as tx:
        unpinned = [snapshot for snapshot in chosen if not frames.is_pinned(tx.connection, snapshot.id)]
        frames.save(tx, frame_id(pins), pins, rows, code)
    for snapshot in unpinned:
        _guard(context, snapshot)


def _answers(context: Context, question: Question, spine: ArchivedSpine) -> Iterator[tuple[pa.Table, FrameReport]]:
    done = 0
    for table, report in question.answers(spine.schema, spine.tables()):
        yield table, report
        done += table.num_rows
        context.progress("join", done, spine.rows)


def _guard(context: Context, snapshot: Snapshot) -> None:
    """Tag a pinned snapshot in its Iceberg table, so that other engines leave it alone; the pin is the catalog's."""
    if snapshot.iceberg_snapshot_id is None:
        return
    try:
        context.tables.tag(snapshot.view, snapshot.version, snapshot.iceberg_snapshot_id, f"pinned-{snapshot.id[:12]}")
    except CorruptError as error:  # the store was moved, and its Iceberg tables were not written since
        _log.warning("%s: its Iceberg table cannot be tagged: %s", snapshot.reference, error)


def _check_names(spine: pa.Schema, columns: Sequence[Column]) -> None:
    taken = {name.casefold() for name in spine.names}
    for column in columns:
        if column.name.casefold() in taken:
            raise CollisionError(
                f"{str(column.reference)!r} would give the column {column.name!r}, which the spine already has: "
                "add ' as name'."
            )


def _check_files(context: Context, snapshot: Snapshot) -> None:
    for file in snapshot.files:
        path: Path = context.root / file.path
        if not path.exists() or path.stat().st_size != file.bytes:
            raise CorruptError(
                f"{file.path} of snapshot {snapshot.id[:8]} ({snapshot.reference}) is missing or has another size "
                "than recorded: restore it from a backup, or pin a newer snapshot."
            )


def _reads(context: Context, columns: Sequence[Column], chosen: Mapping[str, Snapshot]) -> list[ViewRead]:
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Column]] = {}
    for column in columns:
        groups.setdefault((column.version.reference, column.on), []).append(column)
    return [
        ViewRead(
            group[0].version.definition,
            context.paths(chosen[reference]),
            on,
            tuple((column.feature.name, column.name) for column in group),
            reference,
            chosen[reference].id,
            len(chosen[reference].runs),
        )
        for (reference, on), group in groups.items()
    ]
