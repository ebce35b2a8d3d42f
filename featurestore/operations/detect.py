"""Detect: what differs between the rows of a feature version and what was known of them, causes named.

The rows are compared with the snapshot before, with windows of the same season, with the version before, and with the
rows that each live model was trained on. What two comparisons find is told once, against the first of these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.catalog import models, snapshots, versions
from featurestore.errors import RequestError
from featurestore.lineage.consumers import consumers
from featurestore.lineage.nodes import parse_node
from featurestore.lineage.reads import live_reads
from featurestore.lineage.text import outline, short
from featurestore.model.finding import BLOCKING, WARNING, Finding, checks_of, read_checks
from featurestore.model.names import fold
from featurestore.model.times import from_micros
from featurestore.operations.profile import profile_of_frame, profile_of_snapshot
from featurestore.operations.publish import head_of
from featurestore.operations.resolve import one_version
from featurestore.operations.run_profiles import RunProfiles
from featurestore.quality.detect import HISTORY, TRAINING, compare, compare_season

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.finding import Check
    from featurestore.model.profile import Profile
    from featurestore.model.snapshot import Run, Snapshot
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["KIND", "Detection", "detect", "findings_of", "record_findings"]

KIND = "values changed"
"""The kind of change as which a finding is recorded."""

_DAY = 86_400_000_000
_WEEK = 7 * _DAY
_FEWEST, _MOST = 3, 8
"""Windows of a season: as many are needed, and as many are read."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in a snapshot.

    Attributes
    ----------
    reference, snapshot
        Whose rows, and which.
    against
        With what they were compared.
    findings
        The gravest first.
    """

    reference: str
    snapshot: str
    against: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def blocking(self) -> bool:
        """Whether a finding is blocking."""
        return any(finding.blocking for finding in self.findings)

    def __str__(self) -> str:
        title = f"{self.reference}, snapshot {short(self.snapshot)}"
        if not self.against:
            return f"{title}: there is nothing to compare it with yet"
        title += f", against {', '.join(self.against)}"
        lines = [f"  {finding} (against {finding.against})" for finding in self.findings]
        return outline(title, lines or ["  nothing has changed"])


def detect(context: Context, reference: object, *, against: object = None) -> Detection:
    """Return what differs between a feature version's newest rows, or a snapshot, and what was known of them.

    Parameters
    ----------
    reference
        `view@vN`, `view` (the version applied last), or a snapshot.
    against
        Compare with this alone: another snapshot, another version (its newest rows), or a model version or training
        frame (its rows). None compares with the snapshot before, the season, the version before, and the rows that
        each live model was trained on.

    Raises
    ------
    NotFoundError
        If something named is unknown.
    NotMaterializedError
        If there are no rows.
    RequestError
        If what is named has no rows to compare.
    """
    with context.catalog.read() as connection:
        snapshot = _snapshot(connection, reference)
        version = versions.find(connection, snapshot.view, snapshot.version)
        before = _before(connection, version, snapshot)
    profiles = RunProfiles(context, version)
    after = profile_of_snapshot(context, snapshot)
    comparisons = (
        [*_comparisons(context, version, snapshot, before, profiles), *_version_before(context, version, after)]
        if against is None
        else [_named(context, version, after, against)]
    )
    return Detection(
        version.reference,
        snapshot.id,
        tuple(name for name, _ in comparisons),
        _finished(context, version, comparisons, after),
    )


def findings_of(
    context: Context, version: FeatureVersion, snapshot: Snapshot, before: Snapshot | None, profiles: RunProfiles
) -> tuple[Finding, ...]:
    """Return what is found in a snapshot that may become the head, before it does; nothing where profiles are off.

    Parameters
    ----------
    before
        The head; None if there is none.
    profiles
        Knows the snapshot's runs.
    """
    if not context.settings.profiles:
        return ()
    after = profiles.of_snapshot(snapshot)
    comparisons = [*_comparisons(context, version, snapshot, before, profiles)]
    return _finished(context, version, comparisons, after)


def record_findings(tx: Transaction, version: FeatureVersion, snapshot: str, findings: Iterable[Finding]) -> None:
    """Add findings to the history, each as a change of its feature, or of the version where it is about rows."""
    for finding in findings:
        kind = "version" if finding.subject == version.reference else "feature"
        tx.record(KIND, kind, finding.subject, snapshot=snapshot, finding=finding.to_json())


def _comparisons(
    context: Context,
    version: FeatureVersion,
    snapshot: Snapshot,
    before: Snapshot | None,
    profiles: RunProfiles,
) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """Compare with the snapshot before, the season, and what live models were trained on."""
    checks = _checks(context, version)
    after = profiles.of_snapshot(snapshot)
    if before is not None and before.id != snapshot.id:
        known = profile_of_snapshot(context, before)
        yield f"snapshot {short(before.id)}", compare(known, after, relation=HISTORY, checks=checks)
    run, windows = _season(snapshot)
    if run is not None:
        of_windows = [profiles.of(window) for window in windows]
        found = compare_season(of_windows, profiles.of(run), checks=checks)
        since = None if run.start is None else from_micros(run.start)
        yield f"{len(windows)} windows of the season", tuple(replace(item, since=item.since or since) for item in found)
    for model, trained in _training(context, version):
        if trained.id not in {snapshot.id, before.id if before is not None else ""}:
            found = compare(profile_of_snapshot(context, trained), after, relation=HISTORY, checks=checks)
            yield f"training of {model}", _milder(found)


def _version_before(
    context: Context, version: FeatureVersion, after: Profile
) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """Compare with the newest rows of the version before; that a computation was changed on purpose blocks nothing."""
    with context.catalog.read() as connection:
        earlier = [item for item in versions.of_view(connection, version.view) if item.number < version.number]
        head = snapshots.head(connection, earlier[-1]) if earlier else None
    if head is not None:
        found = compare(profile_of_snapshot(context, head), after, relation=HISTORY, checks=_checks(context, version))
        yield f"version {head.reference}", _milder(found)


def _named(
    context: Context, version: FeatureVersion, after: Profile, against: object
) -> tuple[str, tuple[Finding, ...]]:
    """Compare with one thing that was named."""
    checks = _checks(context, version)
    with context.catalog.read() as connection:
        asset = parse_node(connection, against)
        frame = asset.key if asset.kind == "frame" else None
        if asset.kind == "model":
            frame = models.find(connection, asset.key).frame
        other = None if frame is not None else _snapshot(connection, against)
    if other is not None:
        found = compare(profile_of_snapshot(context, other), after, relation=HISTORY, checks=checks)
        same = other.reference == version.reference
        return f"snapshot {short(other.id)} of {other.reference}", found if same else _milder(found)
    trained = _renamed(profile_of_frame(context, frame), version)
    found = compare(trained, after, relation=TRAINING, checks=checks)
    return f"training frame {short(str(frame))}", _milder(found)


def _renamed(frame: Profile, version: FeatureVersion) -> Profile:
    """Return a frame's profile with the columns of one view, under the names they have in it."""
    start = f"{version.view}__"
    columns = tuple(
        replace(column, name=column.name.removeprefix(start).removesuffix(f"__v{version.number}"))
        for column in frame.columns
        if column.name.startswith(start)
    )
    if not columns:
        raise RequestError(f"training frame {short(frame.id)} has no column of {version.view}: name another.")
    return replace(frame, columns=columns)


def _finished(
    context: Context,
    version: FeatureVersion,
    comparisons: Iterable[tuple[str, tuple[Finding, ...]]],
    after: Profile,
) -> tuple[Finding, ...]:
    """Tell each finding once, with whom it reaches; one without a time has it from when these rows were read."""
    found: dict[tuple[str, str], Finding] = {}
    for name, findings in comparisons:
        for finding in findings:
            found.setdefault((finding.kind, finding.subject), replace(finding, against=name))
    read = from_micros(after.at)
    names = {fold(feature.name): feature.name for feature in version.definition.features}
    finished = []
    with context.catalog.read() as connection:
        for finding in found.values():
            column = finding.subject.partition(":")[2]
            node = f"{version.reference}:{names[fold(column)]}" if fold(column) in names else version.reference
            use = consumers(connection, node, live=True)
            reached = tuple(item.model for item in use.models), tuple(item.endpoint for item in use.endpoints)
            told = finding if finding.since is not None else replace(finding, since=read)
            unique = [tuple(dict.fromkeys(part)) for part in reached]
            finished.append(replace(told, subject=node).reaching(unique[0], unique[1]))
    order = {BLOCKING: 0, WARNING: 1}
    return tuple(sorted(finished, key=lambda item: (order.get(item.severity, 2), -len(item.endpoints), item.subject)))


def _milder(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings of which none blocks: they are not news of this snapshot alone, and were seen or meant before."""
    return tuple(replace(item, severity=WARNING) if item.blocking else item for item in findings)


def _checks(context: Context, version: FeatureVersion) -> Mapping[str, Mapping[str, Check]]:
    """Return how each kind is looked for, by column: as configured for all, for the view, and for the feature."""
    said = context.settings.checks
    layers = [read_checks(said[name], where=f"[checks] {name}") for name in ("", version.view) if name in said]
    found = {"": checks_of(*layers)}
    columns = [name for name, _ in version.definition.keys]
    columns += [name for name in (version.definition.event_time, version.definition.created_time) if name is not None]
    columns += [feature.name for feature in version.definition.features]
    for column in columns:
        own = said.get(f"{version.view}:{column}", {})
        found[column] = checks_of(*layers, read_checks(own, where=f"[checks] {version.view}:{column}"))
    return found


def _snapshot(connection: Connection, reference: object) -> Snapshot:
    """Return the snapshot that is named, or the newest rows of a version."""
    asset = parse_node(connection, reference)
    if asset.kind == "snapshot":
        return snapshots.find(connection, asset.key)
    if asset.kind not in {"view", "version"}:
        raise RequestError(f"{asset.key!r} is a {asset.kind}: name a view, a version or a snapshot.")
    return head_of(connection, one_version(connection, asset.key, current=True))


def _before(connection: Connection, version: FeatureVersion, snapshot: Snapshot) -> Snapshot | None:
    """Return the last snapshot that became a head before this one did."""
    heads = [item for item in snapshots.history(connection, version) if not item.quarantined]
    earlier = [item for item in heads if item.id != snapshot.id and item.created_at <= snapshot.created_at]
    return earlier[-1] if earlier else None


def _training(context: Context, version: FeatureVersion) -> Iterator[tuple[str, Snapshot]]:
    """Give each live model that reads the version, with the snapshot that it was trained on."""
    with context.catalog.read() as connection:
        live = {reading.deployment.reference for reading in live_reads(connection) if reading.view == version.view}
        for name in sorted(live):
            for pin in models.find(connection, name).lock.pins:
                pinned = fold(pin.view) == fold(version.view) and pin.version == version.number
                if pinned and pin.snapshot is not None:
                    yield name, snapshots.find(connection, pin.snapshot)


def _season(snapshot: Snapshot) -> tuple[Run | None, list[Run]]:
    """Return the newest run, if it is a window, and earlier ones as long, at the same time of the week or day."""
    run = snapshot.runs[-1] if snapshot.runs else None
    if run is None or run.start is None or run.end is None or not run.rows:
        return None, []
    length = run.end - run.start
    alike = [
        (run.start - old.start, old)
        for old in snapshot.runs[:-1]
        if old.start is not None and old.end == old.start + length and old.start < run.start and old.rows
    ]
    for cycle in (_WEEK, _DAY):
        same = [old for away, old in sorted(alike, key=lambda item: -item[0]) if away % cycle == 0]
        if len(same) >= _FEWEST:
            return run, same[-_MOST:]
    return None, []
