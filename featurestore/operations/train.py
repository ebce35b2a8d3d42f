"""Train: a spine joined with pinned feature versions becomes a training frame that can be had again, bit for bit."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from featurestore.catalog import frames, models, snapshots
from featurestore.errors import CollisionError, CorruptError, NotFoundError, RequestError
from featurestore.model.names import fold
from featurestore.model.pins import Pin, PinSet, SpinePin
from featurestore.model.reference import Reference, parse_reference
from featurestore.model.snapshot import Snapshot
from featurestore.model.times import parse_time
from featurestore.model.version import FeatureVersion
from featurestore.offline.frame import TrainingFrame, frame_id
from featurestore.offline.join import ViewRead, join
from featurestore.offline.spine import read_spine
from featurestore.offline.spine_archive import archive_spine, load_spine
from featurestore.operations.code import code_state
from featurestore.operations.publish import head_of
from featurestore.operations.resolve import Column, as_reference, by_version, lock_columns, reference_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from sqlalchemy import Connection

    from featurestore.model.types import FeatureType
    from featurestore.operations.context import Context

__all__ = ["get_training_frame", "load_frame"]

_log = logging.getLogger(__name__)


def get_training_frame(
    context: Context,
    pinned_versions: object,
    spine: Any = None,  # noqa: ANN401 - a table of any library
    *,
    timestamp: str | None = None,
    as_of: datetime | date | str | None = None,
) -> TrainingFrame:
    """Join a spine with feature versions, point in time.

    Parameters
    ----------
    pinned_versions
        References, a mapping of view to version, a `PinSet`, a model version, or the path of a lock (`.lock`).
    spine
        The rows to train on: Arrow, Polars, pandas, a DuckDB relation, a Parquet path, or a list of dicts. None takes
        the spine that the pins hold.
    timestamp
        The spine's time column; None takes what the pins say, otherwise `event_timestamp`.
    as_of
        See only rows known by then; `"spine"`: by each row's own time.

    Raises
    ------
    NotFoundError, NotActiveError, NotMaterializedError
        If something named is unknown or has no rows.
    RequestError
        If the spine does not fit.
    CollisionError
        If two columns would carry one name.
    CorruptError
        If pinned rows are missing or damaged.
    """
    if not isinstance(timestamp, str | None):
        raise RequestError(f"timestamp={timestamp!r} names no column: give the name of the spine's time column.")
    with context.catalog.read() as connection:
        pins = _pins(connection, pinned_versions)
        if pins is None:
            references = _references(pinned_versions)
            columns = reference_columns(connection, references, require_pins=context.settings.require_pins)
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
    return _join(context, columns, chosen, pins, _spine(context, spine, pins, columns))


def load_frame(context: Context, frame: object) -> TrainingFrame:
    """Build a recorded frame again, by its id or its record."""
    with context.catalog.read() as connection:
        record = frames.find(connection, frame)
    return get_training_frame(context, record.pins)


def _pins(connection: Connection, value: object) -> PinSet | None:
    """Return the pins that a value stands for; None if it is a list or mapping of references."""
    if isinstance(value, TrainingFrame):
        return value.pins
    if isinstance(value, PinSet):
        return value
    if isinstance(value, models.ModelVersion):
        return _of_model(connection, value)
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if text.endswith(".lock"):
            return PinSet.load(text)
        if "@" in text and ":" not in text:
            try:
                return _of_model(connection, models.find(connection, text))
            except NotFoundError:
                if not _is_reference(text):
                    raise
    return None


def _is_reference(text: str) -> bool:
    return "@v" in text or len(text.partition("@")[2]) >= 8  # noqa: PLR2004 - a fingerprint's shortest form


def _of_model(connection: Connection, model: models.ModelVersion) -> PinSet:
    """Return the pins of the frame that a model was trained on, whole: with the columns it does not read."""
    return frames.find(connection, model.frame).pins


def _references(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return [_of_mapping(view, version) for view, version in value.items()]
    if isinstance(value, (str, Reference, FeatureVersion, Snapshot)):
        return [value]
    if isinstance(value, Iterable):
        return list(value)
    raise RequestError(
        f"{value!r} pins nothing: give references, a mapping of view to version, a PinSet, a model version "
        "or the path of a lock."
    )


def _of_mapping(view: object, version: object) -> Reference:
    """Return the reference to all features of a view's version: a number, text, or what `apply` returned."""
    if isinstance(version, (str, int)):
        return parse_reference(f"{view}@{f'v{version}' if isinstance(version, int) else version.removeprefix('@')}")
    reference = as_reference(version)
    if fold(reference.view) != fold(str(view)):
        raise RequestError(f"{str(reference)!r} is no version of {view!r}: pin each view to a version of its own.")
    return reference


def _snapshots(connection: Connection, columns: Iterable[Column], pins: PinSet) -> dict[str, Snapshot]:
    """Return the rows of each version read: the pinned snapshot, or the newest one where none is pinned."""
    pinned = {(pin.view, pin.fingerprint): pin.snapshot for pin in pins.pins}
    chosen = {}
    for reference, version in by_version(list(columns)).items():
        identity = pinned.get((version.view, version.fingerprint))
        rows = head_of(connection, version) if identity is None else snapshots.find(connection, identity)
        if rows.reference != reference:
            raise CorruptError(
                f"the pins fix {reference} to snapshot {rows.id[:8]}, which is one of {rows.reference}: the lock was "
                "edited by hand; restore it."
            )
        chosen[reference] = rows
    return chosen


def _as_of(value: datetime | date | str) -> datetime | str:
    return value if value == "spine" else parse_time(value, now=datetime.now(UTC), what="as_of")  # type: ignore[return-value] # "spine" is a str


def _spine(context: Context, spine: object, pins: PinSet, columns: Sequence[Column]) -> pa.Table:
    if spine is None:
        if pins.spine is None:
            raise RequestError("there is no spine: give spine=, the rows to train on; only pins of a frame hold one.")
        return load_spine(context.root, pins.spine)
    needed: dict[str, FeatureType] = {}
    for column in columns:
        types = dict(column.version.definition.keys)
        for key, name in column.on:
            needed.setdefault(name, types[key])
    timeless = all(column.version.definition.event_time is None for column in columns)
    return read_spine(spine, timestamp=pins.timestamp, needed=needed, timeless=timeless)


def _join(
    context: Context, columns: Sequence[Column], chosen: Mapping[str, Snapshot], pins: PinSet, spine: pa.Table
) -> TrainingFrame:
    _check_names(spine, columns)
    for snapshot in chosen.values():
        _check_files(context, snapshot)
    result = join(
        spine,
        _reads(context, columns, chosen),
        timestamp=pins.timestamp,
        as_of=pins.as_of,
        order=[column.name for column in columns],
    )
    pins = replace(pins, spine=_archive(context, spine))
    identity = frame_id(pins)
    if not context.catalog.read_only:
        code = code_state()
        with context.catalog.write() as tx:
            unpinned = [snapshot for snapshot in chosen.values() if not frames.is_pinned(tx.connection, snapshot.id)]
            frames.save(tx, identity, pins, spine.num_rows, code)
        for snapshot in unpinned:
            _guard(context, snapshot)
    return TrainingFrame(result.table, pins, tuple(column.name for column in columns), result.report, identity)


def _archive(context: Context, spine: pa.Table) -> SpinePin:
    """Keep the spine; a store that is only read is left as it is, and the frame has the same id."""
    if not context.catalog.read_only:
        return archive_spine(context.root, spine)
    with TemporaryDirectory() as folder:
        return archive_spine(Path(folder), spine)


def _guard(context: Context, snapshot: Snapshot) -> None:
    """Tag a pinned snapshot in its Iceberg table, so that other engines leave it alone; the pin is the catalog's."""
    if snapshot.iceberg_snapshot_id is None:
        return
    try:
        context.tables.tag(snapshot.view, snapshot.version, snapshot.iceberg_snapshot_id, f"pinned-{snapshot.id[:12]}")
    except CorruptError as error:  # the store was moved, and its Iceberg tables were not written since
        _log.warning("%s: its Iceberg table cannot be tagged: %s", snapshot.reference, error)


def _check_names(spine: pa.Table, columns: Sequence[Column]) -> None:
    taken = {name.casefold() for name in spine.column_names}
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
        )
        for (reference, on), group in groups.items()
    ]
