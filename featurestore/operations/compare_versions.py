"""Compare versions: what two versions of a view say of the same keys at the same times, and whom the move would reach.

Rows are drawn from both, and joined with each as a training frame would be, TTL and defaults included. Each feature is
compared value by value, bit for bit, and by distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from math import isclose
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.errors import RequestError
from featurestore.lineage.text import count, outline, table
from featurestore.model.finding import BLOCKING
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.sample import sample_rows
from featurestore.operations.compared import COMPARED
from featurestore.operations.publish import head_of
from featurestore.operations.replay import AT, Replay
from featurestore.operations.resolve import one_version
from featurestore.operations.rollback import readers_of
from featurestore.quality.detect import compare
from featurestore.quality.profile import profile_table

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction
    from featurestore.model.finding import Finding
    from featurestore.model.profile import Profile
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["FeatureComparison", "Moved", "VersionComparison", "compare_versions"]

_EXAMPLES = 3
_CLOSE = 1e-9


class Moved(StrEnum):
    """What became of a feature: it is in both versions, in one alone, or in both with other types."""

    BOTH = "in both"
    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "retyped"


@dataclass(frozen=True, slots=True)
class FeatureComparison:
    """One feature in both versions.

    Attributes
    ----------
    name
        Of the feature.
    moved
        Whether both versions have it.
    equal, rounding, differing
        Rows with the same value bit for bit; with floats that are the same to nine digits; with other values.
    appeared, vanished
        Of those that differ: rows with a value where there was none, and the other way round.
    findings
        How the distribution differs, causes named.
    examples
        A few rows that differ: keys and time, the value before, the value after.
    """

    name: str
    moved: Moved
    equal: int = 0
    rounding: int = 0
    differing: int = 0
    appeared: int = 0
    vanished: int = 0
    findings: tuple[Finding, ...] = ()
    examples: tuple[tuple[Mapping[str, Any], Any, Any], ...] = ()

    @property
    def same(self) -> bool:
        """Whether readers would see no other value in the rows compared."""
        return self.moved is Moved.BOTH and self.differing == 0


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """Two versions compared; its text is a table of the features and whom the move would reach.

    Attributes
    ----------
    before, after
        `view@vN`.
    snapshots
        Whose rows were compared: the newest of each.
    endpoint
        Whose pointer would move; None: the default one.
    rows
        Keys and times that were compared.
    features
        Those of `before`, in order, then those that are new.
    moves
        `(endpoint, model)` that would read `after`; readers of the default pointer name no version and are not known.
    stays
        `(endpoint or "", model)` that read the view too, but through their lock or another pointer.
    """

    before: str
    after: str
    snapshots: tuple[str, str]
    endpoint: str | None
    rows: int
    features: tuple[FeatureComparison, ...]
    moves: tuple[tuple[str, str], ...]
    stays: tuple[tuple[str, str], ...]

    @property
    def same(self) -> bool:
        """Whether readers would see no difference in the rows compared."""
        return all(feature.same for feature in self.features)

    @property
    def blocking(self) -> bool:
        """Whether a feature is gone or retyped, or its values changed in a way that blocks."""
        return any(
            feature.moved in {Moved.REMOVED, Moved.RETYPED}
            or any(finding.severity == BLOCKING for finding in feature.findings)
            for feature in self.features
        )

    def __str__(self) -> str:
        verdict = "the same values" if self.same else "NOT the same values"
        title = f"{self.before} -> {self.after}: {count(self.rows, 'row')} compared, {verdict}"
        body = [
            (
                feature.name,
                feature.moved,
                *(f"{number:,}" for number in (feature.equal, feature.rounding, feature.differing)),
                f"{feature.appeared:,} / {feature.vanished:,}",
                ", ".join(dict.fromkeys(finding.kind for finding in feature.findings)) or "-",
            )
            for feature in self.features
        ]
        head = ("feature", "", "equal", "rounding", "differing", "appeared / vanished", "distribution")
        told = [f"  {feature.name}: {finding.text}" for feature in self.features for finding in feature.findings]
        examples = [
            f"  {feature.name} at {', '.join(f'{name}={value!r}' for name, value in row.items())}: {was!r} -> {now!r}"
            for feature in self.features
            for row, was, now in feature.examples
        ]
        scope = "the default pointer" if self.endpoint is None else f"the pointer of {self.endpoint}"
        moves = [f"  {model} on {endpoint}" for endpoint, model in self.moves]
        stays = [f"  {model}{f' on {endpoint}' if endpoint else ''}" for endpoint, model in self.stays]
        return outline(
            title,
            table(head, body),
            ["distributions:", *told] if told else [],
            ["examples:", *examples] if examples else [],
            [f"moves with {scope}:", *(moves or ["  references without a version"])],
            ["stays (pinned, or another pointer):", *stays] if stays else [],
        )


def compare_versions(
    context: Context,
    before: object,
    after: object,
    *,
    sample: int = 1_000,
    seed: int = 0,
    endpoint: str | None = None,
    record: bool = False,
) -> VersionComparison:
    """Compare two versions of a view; see `FeatureStore.compare_versions`."""
    if sample < 1:
        raise RequestError(f"sample={sample}: compare one row or more.")
    with context.catalog.read() as connection:
        old, new = one_version(connection, before), one_version(connection, after)
        _check(old, new)
        heads = head_of(connection, old), head_of(connection, new)
        moves, stays = readers_of(connection, new.view, endpoint)
    block = _rows(context, (old, new), heads, sample, seed)
    names = [[feature.name for feature in version.definition.features] for version in (old, new)]
    sides = [
        Replay(context, version.view, version.number, snapshot=head.id, on=(), features=features).see(block).values
        for version, head, features in zip((old, new), heads, names, strict=True)
    ]
    found = VersionComparison(
        old.reference,
        new.reference,
        (heads[0].id, heads[1].id),
        endpoint,
        block.num_rows,
        tuple(_features(old, new, block, *sides)),
        moves,
        stays,
    )
    if record:
        with context.catalog.write() as tx:
            _record(tx, found)
    return found


def _check(old: FeatureVersion, new: FeatureVersion) -> None:
    if old.view != new.view:
        raise RequestError(f"{old.reference} and {new.reference} are versions of two views: compare two of one.")
    if old.definition.keys != new.definition.keys:
        raise RequestError(f"{old.reference} and {new.reference} have other keys: no row of one is a row of the other.")


def _rows(
    context: Context,
    versions: Sequence[FeatureVersion],
    heads: Sequence[Snapshot],
    sample: int,
    seed: int,
) -> pa.Table:
    """Return keys and times drawn from the rows of both versions, each once."""
    now = datetime.now(UTC)
    drawn: dict[tuple[Any, ...], None] = {}
    for version, head in zip(versions, heads, strict=True):
        definition = version.definition
        rows = sample_rows(context.root, definition, head.files, -(-sample // 2), seed=seed, settings=context.settings)
        drawn.update(dict.fromkeys(rows if definition.event_time is not None else [(*row, now) for row in rows]))
    keys = versions[0].definition.keys
    columns: list[Sequence[Any]] = [*zip(*drawn, strict=True)] or [()] * (len(keys) + 1)
    arrays = [pa.array(column, to_arrow(type_)) for column, (_, type_) in zip(columns[:-1], keys, strict=True)]
    times = pa.array(columns[-1], pa.timestamp("us", tz="UTC"))
    return pa.table([*arrays, times], [*(key for key, _ in keys), AT])


def _features(
    old: FeatureVersion,
    new: FeatureVersion,
    block: pa.Table,
    before: Mapping[str, pa.ChunkedArray[Any]],
    after: Mapping[str, pa.ChunkedArray[Any]],
) -> Iterator[FeatureComparison]:
    was = {feature.name: feature for feature in old.definition.features}
    now = {feature.name: feature for feature in new.definition.features}
    both = [name for name in was if name in now and was[name].type == now[name].type]
    profiles = [_profile(side, new, both) for side in (before, after)]
    findings = compare(*profiles) if both and block.num_rows else ()
    rows = block.rename_columns([*block.column_names[:-1], "at"]).to_pylist()
    for name in (*was, *(name for name in now if name not in was)):
        if name in both:
            told = tuple(finding for finding in findings if finding.subject == f"{new.reference}:{name}")
            yield replace(_cells(name, rows, before[name], after[name]), findings=told)
        else:
            yield FeatureComparison(name, _moved(name, was, now))


def _moved(name: str, was: Mapping[str, object], now: Mapping[str, object]) -> Moved:
    if name in was and name in now:
        return Moved.RETYPED
    return Moved.REMOVED if name in was else Moved.ADDED


def _profile(values: Mapping[str, pa.ChunkedArray[Any]], version: FeatureVersion, names: Sequence[str]) -> Profile:
    types = [(feature.name, feature.type) for feature in version.definition.features if feature.name in names]
    return profile_table(pa.table([values[name] for name in names], list(names)), types, name=version.reference)


def _cells(
    name: str, rows: Sequence[Mapping[str, Any]], before: pa.ChunkedArray[Any], after: pa.ChunkedArray[Any]
) -> FeatureComparison:
    equal = rounding = differing = appeared = vanished = 0
    examples: list[tuple[Mapping[str, Any], Any, Any]] = []
    for row, was, now in zip(rows, before.to_pylist(), after.to_pylist(), strict=True):
        if repr(was) == repr(now):  # `==` would take 0.0 for -0.0 and tell NaN from NaN
            equal += 1
        elif isinstance(was, float) and isinstance(now, float) and isclose(was, now, rel_tol=_CLOSE):
            rounding += 1
        else:
            differing += 1
            appeared += was is None
            vanished += now is None
            if len(examples) < _EXAMPLES:
                examples.append((row, was, now))
    return FeatureComparison(name, Moved.BOTH, equal, rounding, differing, appeared, vanished, examples=tuple(examples))


def _record(tx: Transaction, found: VersionComparison) -> None:
    tx.record(
        COMPARED,
        "version",
        found.after,
        before=found.before,
        snapshots=list(found.snapshots),
        rows=found.rows,
        differing={feature.name: feature.differing for feature in found.features if feature.differing},
        moved={feature.name: str(feature.moved) for feature in found.features if feature.moved is not Moved.BOTH},
        findings=[str(finding) for feature in found.features for finding in feature.findings],
        blocking=found.blocking,
    )
