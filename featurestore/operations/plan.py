"""Plan: what applying these views and sets would change, feature by feature, and whom it reaches. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import versions
from featurestore.errors import DefinitionError
from featurestore.lineage.consumers import consumers
from featurestore.model.feature_set import FeatureSet
from featurestore.model.names import fold
from featurestore.model.version import CodeState, FeatureVersion, numbered
from featurestore.model.view import FeatureView
from featurestore.operations.contracts import ContractDiff, plan_contracts
from featurestore.operations.define import Defined, define_all
from featurestore.operations.feature_sets import SetChange, require_no_set, set_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.model.definition import Definition
    from featurestore.operations.context import Context

__all__ = ["Definitions", "FeatureChange", "Plan", "Reached", "ViewChange", "listed", "make_plan", "plan"]

Definitions = Iterable[FeatureView | FeatureSet] | FeatureView | FeatureSet
"""What `plan` and `apply` take."""


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """One feature: `action` is `added`, `changed`, `unchanged` or `removed`, and `why` says what differs."""

    name: str
    action: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """A model version that reads a feature this plan changes or removes. It is pinned: nothing moves under it."""

    feature: str
    action: str
    model: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViewChange:
    """What applying does to one view.

    Attributes
    ----------
    view
        Its name.
    action
        `new` (view), `changed` (next version), `reverted` (an older version becomes current again), `metadata`
        (owner, description or tags) or `unchanged`.
    version, before
        The number that is current afterwards, and now (None: no such view).
    features
        Each feature against the version that is current now.
    """

    view: str
    action: str
    version: int
    before: int | None
    features: tuple[FeatureChange, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do.

    Attributes
    ----------
    changes
        One per view, in the order given.
    impact
        The models that read what is changed or removed, with the endpoints they are live on.
    blocking
        Those of `impact` that are live and whose feature is removed or retyped.
    defined
        The views, resolved.
    sets
        One change per feature set, in the order given; sets are applied after views.
    contracts
        The contracts that become other ones, each with what breaks and whom that reaches.
    """

    changes: tuple[ViewChange, ...]
    impact: tuple[Reached, ...]
    blocking: tuple[Reached, ...]
    defined: tuple[Defined, ...]
    sets: tuple[SetChange, ...] = ()
    contracts: tuple[ContractDiff, ...] = ()

    def __str__(self) -> str:
        lines = []
        for change in self.changes:
            lines.append(_line(change.view, change))
            shown = [item for item in change.features if item.action != "unchanged"]
            lines += [
                f"    {_MARKS[item.action]} {item.name}  {item.action}{f': {item.why}' if item.why else ''}"
                for item in shown
            ]
            same = [item.name for item in change.features if item.action == "unchanged"]
            if same and shown:
                lines.append(f"    = unchanged: {', '.join(same)}")
        for moved in self.sets:
            lines.append(_line(f"set {moved.feature_set.name}", moved))
            lines += [f"    + {text}" for text in moved.added] + [f"    - {text}" for text in moved.removed]
        lines += [str(moved) for moved in self.contracts]
        for reached in self.impact:
            live = f"live on {', '.join(reached.endpoints)}" if reached.endpoints else "not live"
            lines.append(f"! {reached.feature} ({reached.action}) is read by {reached.model}, {live}; it stays pinned")
        return "\n".join(lines)


_MARKS = {
    "new": "+",
    "added": "+",
    "changed": "~",
    "reverted": "<",
    "metadata": "=",
    "unchanged": "=",
    "removed": "-",
}


def _line(name: str, change: ViewChange | SetChange) -> str:
    before = "" if change.before in {None, change.version} else f"v{change.before} -> "
    return f"{_MARKS[change.action]} {name}  {before}v{change.version}  ({change.action})"


def plan(context: Context, definitions: Definitions) -> Plan:
    """Say what `apply` of the same views and feature sets would do.

    Raises
    ------
    DefinitionError
        If one is neither, two have one name, or one cannot be resolved (see `define`).
    NotFoundError, RequestError, CollisionError
        If a set names what there is not, what is retired, or two columns of one name.
    """
    every = listed(definitions)
    defined = define_all(context, [item for item in every if isinstance(item, FeatureView)])
    sets = [item for item in every if isinstance(item, FeatureSet)]
    with context.catalog.read() as connection:
        return make_plan(connection, defined, sets)


def listed(definitions: Definitions) -> list[FeatureView | FeatureSet]:
    """Return the views and feature sets in the order given.

    Raises
    ------
    DefinitionError
        If one is neither, or two have one name.
    """
    every = list(definitions) if isinstance(definitions, Iterable) else [definitions]
    names: set[str] = set()
    for item in every:
        if not isinstance(item, (FeatureView, FeatureSet)):
            raise DefinitionError(
                f"{item!r} is no feature view and no feature set: "
                "give those made with fs.FeatureView(...) or fs.FeatureSet(...)."
            )
        if fold(item.name) in names:
            raise DefinitionError(f"two of them are called {item.name!r} (case does not count): rename one.")
        names.add(fold(item.name))
    return every


def make_plan(connection: Connection, defined: Sequence[Defined], sets: Sequence[FeatureSet] = ()) -> Plan:
    """Compare resolved views, and sets, with what the catalog holds."""
    now = datetime.now(UTC)
    known = _Known(connection, [item.definition.view for item in defined])
    changes = tuple(_view_change(known, item) for item in defined)
    impact = tuple(
        reached
        for change in changes
        for feature in change.features
        if feature.action in {"changed", "removed"} and change.before is not None
        for reached in _reached(connection, change, feature)
    )
    breaking = {
        (change.view, feature.name)
        for change in changes
        for feature in change.features
        if feature.action == "removed" or feature.why.startswith("type ")
    }
    blocking = tuple(
        reached
        for reached in impact
        if reached.endpoints and (reached.feature.partition("@")[0], reached.feature.partition(":")[2]) in breaking
    )
    planned = [
        FeatureVersion(change.view, change.version, item.definition.fingerprint, item.definition, "", now, CodeState())
        for change, item in zip(changes, defined, strict=True)
        if change.action in {"new", "changed"}
    ]
    moved = tuple(set_change(connection, item, planned) for item in sets)
    return Plan(changes, impact, blocking, tuple(defined), moved, plan_contracts(connection, defined))


class _Known:
    """What the catalog holds of some views, read with a few statements."""

    def __init__(self, connection: Connection, views: Sequence[str]) -> None:
        self.connection = connection
        self.versions = versions.of_views(connection, views)
        self.current = versions.current_numbers(connection, views)
        self.metadata = versions.metadata_of(connection, views)


def _view_change(catalog: _Known, item: Defined) -> ViewChange:
    definition = item.definition
    known = catalog.versions.get(fold(definition.view))
    if known is None:
        require_no_set(catalog.connection, definition.view)
        added = tuple(FeatureChange(feature.name, "added") for feature in definition.features)
        return ViewChange(definition.view, "new", 1, None, added)
    if known[0].view != definition.view:
        raise DefinitionError(
            f"feature view {definition.view!r} differs from {known[0].view!r} only in case: use one spelling."
        )
    current = numbered(known, definition.view, catalog.current[fold(definition.view)])
    same = _same(known, current, definition)
    if same is current:
        unchanged = tuple(FeatureChange(feature.name, "unchanged") for feature in definition.features)
        said = catalog.metadata[fold(definition.view)]
        action = "unchanged" if said == item.metadata else "metadata"
        return ViewChange(definition.view, action, same.number, same.number, unchanged)
    features = _features(current.definition, definition)
    if same is None:
        return ViewChange(definition.view, "changed", known[-1].number + 1, current.number, features)
    return ViewChange(definition.view, "reverted", same.number, current.number, features)


def _same(known: Sequence[FeatureVersion], current: FeatureVersion, definition: Definition) -> FeatureVersion | None:
    """Return the version that computes what the definition says: the current one if it does, else the first.

    Equal text over equal sources is equal, whatever a newer parser makes of it; otherwise the fingerprints decide.
    """
    fingerprint = definition.fingerprint
    for version in (current, *known):
        old = version.definition.computation
        if version.fingerprint == fingerprint:
            return version
        same_text = old.text and (old.kind, old.text) == (definition.computation.kind, definition.computation.text)
        if same_text and replace(definition, computation=old).fingerprint == version.fingerprint:
            return version
    return None


def _features(old: Definition, new: Definition) -> tuple[FeatureChange, ...]:
    same_text = bool(old.computation.text) and old.computation.text == new.computation.text
    changes = []
    for feature in new.features:
        before = old.feature(feature.name)
        if before is None:
            changes.append(FeatureChange(feature.name, "added"))
        elif old.feature_fingerprint(before) == new.feature_fingerprint(
            replace(feature, identity=before.identity) if same_text else feature
        ):
            changes.append(FeatureChange(feature.name, "unchanged"))
        elif before.type != feature.type:
            changes.append(FeatureChange(feature.name, "changed", f"type {before.type} -> {feature.type}"))
        elif before.default != feature.default:
            changes.append(FeatureChange(feature.name, "changed", f"default {before.default} -> {feature.default}"))
        else:
            changes.append(FeatureChange(feature.name, "changed", _why(old, new, before.identity != feature.identity)))
    names = {feature.name for feature in new.features}
    changes += [FeatureChange(feature.name, "removed") for feature in old.features if feature.name not in names]
    return tuple(changes)


def _why(old: Definition, new: Definition, computation: bool) -> str:  # noqa: FBT001 - one caller, above
    parts = ["computation"] if computation else []
    for attribute in ("keys", "event_time", "created_time", "ttl", "lookback"):
        before, after = getattr(old, attribute), getattr(new, attribute)
        if before != after:
            parts.append(f"{attribute.replace('_', ' ')} {before} -> {after}")
    if [source.to_json() for source in old.sources] != [source.to_json() for source in new.sources]:
        parts.append("source")
    return ", ".join(parts)


def _reached(connection: Connection, change: ViewChange, feature: FeatureChange) -> list[Reached]:
    found = []
    for version in versions.of_view(connection, change.view):
        if version.definition.feature(feature.name) is None:
            continue
        node = f"feature/{version.reference}:{feature.name}"
        for use in consumers(connection, node).models:
            name = node.removeprefix("feature/")
            found.append(Reached(name, feature.action, use.model, tuple(use.endpoints)))
    return found
