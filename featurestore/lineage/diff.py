"""The difference of two model versions: features, versions, rows, values, definitions, metrics, request columns."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from featurestore.catalog import snapshots, versions
from featurestore.lineage.profile_diff import measures, profile_of
from featurestore.lineage.text import count, moment, outline, short, table
from featurestore.lineage.trained_on import require_model
from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.catalog.models import ModelVersion
    from featurestore.lineage.profile_diff import Measure
    from featurestore.model.definition import Definition
    from featurestore.model.pins import Pin
    from featurestore.model.reference import Reference
    from featurestore.model.snapshot import SourceRead
    from featurestore.model.types import FeatureType

__all__ = ["DataWindow", "FeatureDiff", "ModelDiff", "ViewDiff", "diff_models"]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class FeatureDiff:
    """One feature of either model.

    Attributes
    ----------
    feature
        `view:feature`, with ` on key=column` where it is joined on other columns.
    action
        `"added"`, `"removed"`, `"changed"` (its computation differs) or `"unchanged"`.
    before, after
        `view@vN:feature` in each model; None where it has none.
    note
        How its computation differs, in words; empty where it does not.
    profile
        How the values differ that each model was trained on: `(measure, before, after)`; empty where they do not, or
        were not measured.
    """

    feature: str
    action: str
    before: str | None
    after: str | None
    note: str = ""
    profile: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class DataWindow:
    """Which rows of a version a model was trained on: event times from `first` to `last`, and source data."""

    snapshot: str
    rows: int
    first: datetime | None
    last: datetime | None
    sources: tuple[SourceRead, ...]


@dataclass(frozen=True, slots=True)
class ViewDiff:
    """One view that either model reads.

    Attributes
    ----------
    view
        Its name.
    before, after
        `view@vN` in each model; None where it reads none. Where a model reads several, each is told by itself.
    data_before, data_after
        The rows.
    definition
        A unified diff of the SQL, both laid out alike, or of the function; empty where it is the same.
    settings
        What else of the definition differs: `(name, before, after)`.
    """

    view: str
    before: str | None
    after: str | None
    data_before: DataWindow | None
    data_after: DataWindow | None
    definition: str
    settings: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelDiff:
    """How model version `after` differs from `before`.

    Attributes
    ----------
    features, views
        As `FeatureDiff` and `ViewDiff`, in order of name.
    metrics
        `(name, before, after)`; None where a model has no such metric.
    request
        Columns that the caller brings: `(name, type before, type after)`, only those that differ.
    frames
        Ids of the training frames.
    """

    before: str
    after: str
    features: tuple[FeatureDiff, ...]
    views: tuple[ViewDiff, ...]
    metrics: tuple[tuple[str, Any, Any], ...]
    request: tuple[tuple[str, str | None, str | None], ...]
    frames: tuple[str, str]

    def of(self, action: str) -> tuple[FeatureDiff, ...]:
        """Return the features that were `"added"`, `"removed"`, `"changed"` or `"unchanged"`."""
        return tuple(item for item in self.features if item.action == action)

    def __str__(self) -> str:
        marks = {"added": "+", "removed": "-", "changed": "~"}
        shown = [
            (marks[item.action], item.feature, item.action, item.before or "-", item.after or "-")
            for item in self.features
            if item.action in marks
        ]
        rows = [
            (view.view, _data(view.before, view.data_before), _data(view.after, view.data_after)) for view in self.views
        ]
        notes = [f"  {item.feature}: {item.note}" for item in self.features if item.note]
        values = [(item.feature, *measure) for item in self.features for measure in item.profile]
        return outline(
            f"{self.before} -> {self.after}: {count(len(self.of('unchanged')), 'feature')} unchanged",
            table(("", "feature", "", self.before, self.after), shown),
            notes,
            table(("rows of", self.before, self.after), rows),
            table(("source data", self.before, self.after), self._source_data()),
            table(("values of", "", self.before, self.after), values),
            table(("metric", self.before, self.after), [tuple(map(_cell, row)) for row in self.metrics]),
            table(("request column", self.before, self.after), [tuple(map(_cell, row)) for row in self.request]),
            *([f"  {view.view}: {name} {old} -> {new}" for name, old, new in view.settings] for view in self.views),
            *(view.definition.splitlines() for view in self.views if view.definition),
        )

    def _source_data(self) -> list[tuple[str, str, str]]:
        found: dict[str, list[str]] = {}
        for view in self.views:
            for side, data in enumerate((view.data_before, view.data_after)):
                for read in data.sources if data is not None else ():
                    found.setdefault(read.source, ["-", "-"])[side] = short(read.data_version)
        return [(source, before, after) for source, (before, after) in found.items()]


def _cell(value: object) -> object:
    return "-" if value is None else value


def _data(version: str | None, data: DataWindow | None) -> str:
    if version is None or data is None:
        return "-"
    return f"{version} {short(data.snapshot)}, {data.rows:,} rows to {moment(data.last)}"


def diff_models(connection: Connection, before: object, after: object) -> ModelDiff:
    """Return how two model versions differ in what they read and were trained on.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    before, after
        `delay@1`, or registered model versions.

    Raises
    ------
    NotFoundError, DefinitionError
        If either is no registered model version.
    """
    old, new = require_model(connection, before), require_model(connection, after)
    known = {
        pin.reference: versions.find(connection, pin.view, pin.version).definition
        for model in (old, new)
        for pin in model.lock.pins
    }
    return ModelDiff(
        before=old.reference,
        after=new.reference,
        features=tuple(_features(connection, old, new, known)),
        views=tuple(_views(connection, old, new, known)),
        metrics=tuple(
            (name, old.metrics.get(name), new.metrics.get(name)) for name in _names(old.metrics, new.metrics)
        ),
        request=tuple(
            (name, dict(old.lock.request).get(name), dict(new.lock.request).get(name))
            for name in _names(dict(old.lock.request), dict(new.lock.request))
            if dict(old.lock.request).get(name) != dict(new.lock.request).get(name)
        ),
        frames=(old.frame, new.frame),
    )


def _names(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - mappings
    return list(dict.fromkeys([*old, *new]))


def _features(
    connection: Connection, old: ModelVersion, new: ModelVersion, known: dict[str, Definition]
) -> list[FeatureDiff]:
    profiles = [{pin.reference: profile_of(connection, pin) for pin in model.lock.pins} for model in (old, new)]
    left, right = _by_feature(old), _by_feature(new)
    found = []
    for name in sorted({*left, *right}):
        for before, after in _paired(left.get(name, []), right.get(name, []), lambda item: item.version):
            if before is None or after is None:
                action = "added" if before is None else "removed"
            else:
                action = "unchanged" if _identity(before, known) == _identity(after, known) else "changed"
            note = ""
            values: tuple[Measure, ...] = ()
            if before is not None and after is not None:
                note = _note(before, after, known)
                left_rows, right_rows = profiles[0].get(_version(before)), profiles[1].get(_version(after))
                values = measures(left_rows, right_rows, before.feature or "", after.feature or "")
            found.append(FeatureDiff(name, action, _text(before), _text(after), note, values))
    return found


def _version(reference: Reference) -> str:
    return f"{reference.view}@v{reference.version}"


def _note(before: Reference, after: Reference, known: dict[str, Definition]) -> str:
    left, right = known[_version(before)], known[_version(after)]
    old, new = left.feature(before.feature or ""), right.feature(after.feature or "")
    if old is None or new is None or left.feature_fingerprint(old) == right.feature_fingerprint(new):
        return ""
    from featurestore.lineage.definition_diff import feature_note  # noqa: PLC0415 - loads the parser

    return feature_note(left, right, old, new)


def _by_feature(model: ModelVersion) -> dict[str, list[Reference]]:
    found: dict[str, list[Reference]] = defaultdict(list)
    for _, reference in model.lock.columns:
        on = " on " + ",".join(f"{key}={column}" for key, column in reference.on) if reference.on else ""
        found[f"{reference.view}:{reference.feature}{on}"].append(reference)
    return found


def _paired(
    left: list[Item], right: list[Item], key: Callable[[Item], object]
) -> list[tuple[Item | None, Item | None]]:
    """Pair the items of one name: those with equal keys first, the others in their order."""
    rest = list(right)
    pairs: list[tuple[Item | None, Item | None]] = []
    alone = []
    for item in left:
        same = next((other for other in rest if key(other) == key(item)), None)
        if same is None:
            alone.append(item)
        else:
            rest.remove(same)
            pairs.append((item, same))
    return [*pairs, *zip_longest(alone, rest)]


def _text(reference: Reference | None) -> str | None:
    return None if reference is None else f"{reference.view}@v{reference.version}:{reference.feature}"


def _identity(reference: Reference, known: dict[str, Definition]) -> str | None:
    definition = known[f"{reference.view}@v{reference.version}"]
    feature = definition.feature(reference.feature or "")
    return None if feature is None else definition.feature_fingerprint(feature)


def _views(
    connection: Connection, old: ModelVersion, new: ModelVersion, known: dict[str, Definition]
) -> list[ViewDiff]:
    found = []
    for view in sorted({pin.view for model in (old, new) for pin in model.lock.pins}):
        left, right = ([pin for pin in model.lock.pins if pin.view == view] for model in (old, new))
        for before, after in _paired(left, right, lambda pin: pin.version):
            text = ""
            settings: tuple[tuple[str, str, str], ...] = ()
            if before is not None and after is not None:
                labels = (before.reference, after.reference)
                text = _definition(known[before.reference], known[after.reference], labels)
                settings = _settings(known[before.reference], known[after.reference])
            found.append(
                ViewDiff(
                    view,
                    None if before is None else before.reference,
                    None if after is None else after.reference,
                    _window(connection, before),
                    _window(connection, after),
                    text,
                    settings,
                )
            )
    return found


def _window(connection: Connection, pin: Pin | None) -> DataWindow | None:
    if pin is None or pin.snapshot is None:
        return None
    snapshot = snapshots.find(connection, pin.snapshot)
    first = min((file.first for file in snapshot.files if file.first is not None), default=None)
    start, end = (None if value is None else from_micros(value) for value in (first, snapshot.last))
    return DataWindow(snapshot.id, snapshot.rows, start, end, snapshot.sources)


def _definition(before: Definition, after: Definition, labels: tuple[str, str]) -> str:
    if before.computation == after.computation:
        return ""
    from featurestore.lineage.definition_diff import text_diff  # noqa: PLC0415 - loads the parser

    return text_diff(before, after, labels)


def _settings(before: Definition, after: Definition) -> tuple[tuple[str, str, str], ...]:
    """Return what differs beside the text: keys, sources, times, types, defaults."""
    pairs: list[tuple[str, object, object]] = [
        (name, getattr(before, name), getattr(after, name))
        for name in ("entity", "event_time", "created_time", "ttl", "lookback")
    ]
    pairs += [
        ("keys", _typed(before.keys), _typed(after.keys)),
        ("sources", _sources(before), _sources(after)),
        ("computation", before.computation.kind, after.computation.kind),
    ]
    for feature in after.features:
        other = before.feature(feature.name)
        if other is not None:
            pairs.append((f"type of {feature.name}", other.type, feature.type))
            pairs.append((f"default of {feature.name}", other.default, feature.default))
    return tuple((name.replace("_", " "), str(old), str(new)) for name, old, new in pairs if old != new)


def _typed(pairs: tuple[tuple[str, FeatureType], ...]) -> str:
    return ", ".join(f"{name}: {type_}" for name, type_ in pairs)


def _sources(definition: Definition) -> str:
    return ", ".join(f"{source.name} ({source.kind}: {dict(source.location)})" for source in definition.sources)
