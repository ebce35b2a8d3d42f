"""Profile: what the rows of a snapshot, source or training frame look like, as kept, or computed where it was not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.catalog import frames, models, profiles, snapshots, versions
from featurestore.errors import NotFoundError, RequestError, nearest
from featurestore.lineage.nodes import parse_node
from featurestore.model.names import fold
from featurestore.model.reference import parse_model_reference, parse_reference
from featurestore.offline.arrow_types import from_arrow
from featurestore.offline.values import default_from_json
from featurestore.operations.publish import head_of
from featurestore.operations.run_profiles import RunProfiles
from featurestore.operations.train import load_frame
from featurestore.quality.profile import Profiler

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.catalog.graph import Asset
    from featurestore.model.profile import Profile
    from featurestore.model.snapshot import Snapshot
    from featurestore.offline.frame import TrainingFrame
    from featurestore.operations.context import Context

__all__ = ["profile", "profile_of_frame", "profile_of_snapshot", "save_frame_profile"]

_MEANT = (
    "name a snapshot, a feature version or feature, a source or a column of it, a training frame, or a model version"
)


def profile(context: Context, node: object) -> Profile:
    """Return the profile of a node's rows, or of one of its columns.

    One that was never taken is computed now, from the stored rows, and kept unless the store is open read-only; that of
    a source, whose rows may have changed since, only when it is materialized.

    Parameters
    ----------
    node
        A snapshot; a feature version or view: its newest snapshot; a feature: that column of it; a source at one data
        version, a source: at the newest one read, or a column of it; a training frame; a model version: its frame.

    Raises
    ------
    RequestError
        If the node holds no rows, as an endpoint.
    NotFoundError
        If there is no such node, or the source was not profiled yet.
    NotMaterializedError
        If the version has no rows yet.
    CorruptError
        If stored rows cannot be read.
    """
    with context.catalog.read() as connection:
        asset = parse_node(connection, node)
        if asset.kind in {"source", "column", "data"}:
            return _of_source(connection, asset)
        frame = asset.key if asset.kind == "frame" else None
        if asset.kind == "model":
            frame = models.find(connection, parse_model_reference(asset.key)).frame
        snapshot, column = (None, None) if frame is not None else _snapshot(connection, asset)
    if snapshot is None:
        return profile_of_frame(context, frame)
    found = profile_of_snapshot(context, snapshot)
    return found if column is None else _only(found, column)


def profile_of_snapshot(context: Context, snapshot: Snapshot) -> Profile:
    """Return the profile of a snapshot, computed and kept if it was not yet."""
    with context.catalog.read() as connection:
        version = versions.find(connection, snapshot.view, snapshot.version)
        found = profiles.find(connection, "snapshot", version.reference, snapshot.id)
    if found is not None:
        return found
    runs = RunProfiles(context, version)
    found = runs.of_snapshot(snapshot)
    if not context.catalog.read_only:
        with context.catalog.write() as tx:
            runs.save(tx, snapshot, found)
    return found


def profile_of_frame(context: Context, frame: object) -> Profile:
    """Return the profile of a training frame's feature columns; the rows are joined again if it was not kept."""
    with context.catalog.read() as connection:
        record = frames.find(connection, frame)
        found = profiles.find(connection, "frame", record.id, record.id)
    return found or save_frame_profile(context, load_frame(context, record))


def save_frame_profile(context: Context, frame: TrainingFrame) -> Profile:
    """Compute the profile of a training frame's feature columns, and keep it."""
    defaults = {}
    with context.catalog.read() as connection:
        for name, reference in frame.pins.columns:
            version = versions.resolve(connection, reference)
            for feature in () if version is None else version.definition.features:
                if feature.name == reference.feature:
                    defaults[name] = default_from_json(feature.type, feature.default)
    timestamp = frame.pins.timestamp if frame.pins.timestamp in frame.columns else None
    profiler = Profiler(
        [(name, from_arrow(frame.schema.field(name).type, where=name)) for name in frame.feature_columns],
        event_time=timestamp,
        defaults=defaults,
    )
    for batch in frame.batches():
        profiler.add(batch)
    found = profiler.result(kind="frame", name=frame.id, id=frame.id)
    if not context.catalog.read_only:
        with context.catalog.write() as tx:
            profiles.save(tx, found)
    return found


def _snapshot(connection: Connection, asset: Asset) -> tuple[Snapshot, str | None]:
    """Return the snapshot that a node stands for, and the column if it is a feature."""
    if asset.kind == "snapshot":
        return snapshots.find(connection, asset.key), None
    if asset.kind == "view":
        return head_of(connection, versions.current(connection, asset.key)), None
    if asset.kind not in {"version", "feature"}:
        raise RequestError(f"{asset.kind} {asset.key!r} has no rows of its own: {_MEANT}.")
    reference = parse_reference(asset.key)
    version = versions.resolve(connection, reference)
    if version is None:  # the graph names no feature without its version
        raise NotFoundError(f"there is no feature version {asset.key!r}.")
    return head_of(connection, version), reference.feature


def _of_source(connection: Connection, asset: Asset) -> Profile:
    name, _, column = asset.key.partition("." if asset.kind == "column" else "@")
    found = profiles.find(connection, "source", name, column if asset.kind == "data" else None)
    if found is None:
        raise NotFoundError(
            f"source {asset.key!r} has no profile: it is taken when a feature version that reads it is materialized "
            "(unless the setting `profiles` is off)."
        )
    return found if asset.kind != "column" else _only(found, column)


def _only(found: Profile, name: str) -> Profile:
    """Return a profile with one of its columns."""
    columns = tuple(column for column in found.columns if fold(column.name) == fold(name))
    if not columns:
        known = [column.name for column in found.columns]
        raise NotFoundError(
            f"the profile of {found.name!r} does not tell of {name!r}: no feature reads that column."
            f"{nearest(name, known)}"
        )
    return replace(found, columns=columns)
