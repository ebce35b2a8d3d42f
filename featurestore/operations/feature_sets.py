"""Feature sets: what applying one would change, and the version that a request by its name means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.catalog import feature_sets, versions
from featurestore.errors import DefinitionError, NotFoundError, RequestError, nearest
from featurestore.model.feature_set import FeatureSet, fingerprint_of
from featurestore.model.names import fold
from featurestore.model.reference import column_names
from featurestore.model.version import pick
from featurestore.operations.resolve import as_reference, columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.feature_set import FeatureSetVersion
    from featurestore.model.reference import Reference
    from featurestore.model.version import CodeState, FeatureVersion

__all__ = ["SetChange", "apply_set", "one_set", "require_no_set", "set_change"]


@dataclass(frozen=True, slots=True)
class SetChange:
    """What applying does to one feature set.

    Attributes
    ----------
    feature_set
        The set, its views spelled as they were applied.
    action
        As of a view's change: `new`, `changed`, `reverted`, `metadata` or `unchanged`.
    version, before
        The number that is current afterwards, and now (None: no such set).
    added, removed
        References, against the version that is current now; both empty where only their order differs.
    named
        `(kind, text form)` of the features, versions and views that it names.
    """

    feature_set: FeatureSet
    action: str
    version: int
    before: int | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    named: tuple[tuple[str, str], ...]


def set_change(connection: Connection, feature_set: FeatureSet, planned: Sequence[FeatureVersion] = ()) -> SetChange:
    """Compare a set with what the catalog holds.

    Parameters
    ----------
    planned
        Versions that the same plan makes before the set, so that a set may name them.

    Raises
    ------
    NotFoundError
        If a view, version or feature that it names is unknown.
    DefinitionError
        If a feature view has its name.
    RequestError, CollisionError
        If it names a retired version, or two of its columns would carry one name.
    """
    references, named = _references(connection, feature_set, planned)
    feature_set = replace(feature_set, features=references)
    new = [str(reference) for reference in references]
    try:
        known = feature_sets.versions_of(connection, feature_set.name)
    except NotFoundError:
        views = {fold(name): name for name in [*versions.view_names(connection), *(each.view for each in planned)]}
        if fold(feature_set.name) in views:
            raise _taken(feature_set.name, "feature view") from None
        return SetChange(feature_set, "new", 1, None, tuple(new), (), named)
    if known[0].name != feature_set.name:
        raise DefinitionError(
            f"feature set {feature_set.name!r} differs from {known[0].name!r} only in case: use one spelling."
        )
    current = feature_sets.current(connection, feature_set.name)
    old = [str(reference) for reference in current.features]
    same = next((version for version in known if version.fingerprint == fingerprint_of(references)), None)
    if same is None:
        action, number = "changed", known[-1].number + 1
    elif same.number != current.number:
        action, number = "reverted", same.number
    else:
        said = feature_sets.metadata(connection, feature_set.name)
        action, number = "unchanged" if said == feature_set.metadata else "metadata", same.number
    added = tuple(text for text in new if text not in old)
    removed = tuple(text for text in old if text not in new)
    return SetChange(feature_set, action, number, current.number, added, removed, named)


def apply_set(tx: Transaction, feature_set: FeatureSet, code: CodeState) -> FeatureSetVersion:
    """Make a set's content its current version."""
    change = set_change(tx.connection, feature_set)
    if change.action in {"new", "changed"}:
        version = feature_sets.insert(tx, change.feature_set, change.version, change.named, code)
    else:
        feature_sets.set_current(tx, change.feature_set, change.version)
        version = feature_sets.current(tx.connection, feature_set.name)
    if change.action != "unchanged":
        added, removed = list(change.added), list(change.removed)
        tx.record("applied", "set", version.reference, action=change.action, added=added, removed=removed)
    return version


def require_no_set(connection: Connection, view: str) -> None:
    """Hold that no feature set has a new view's name: where a name is asked for, it means one thing.

    Raises
    ------
    DefinitionError
        If one has.
    """
    if fold(view) in {fold(name) for name in feature_sets.names(connection)}:
        raise _taken(view, "feature set")


def _taken(name: str, what: str) -> DefinitionError:
    return DefinitionError(f"a {what} has the name {name!r}, and views and feature sets share theirs: rename one.")


def one_set(connection: Connection, value: object, *, require_pins: bool) -> FeatureSetVersion:
    """Return the version that `name@vN` names; of a bare name the one applied last.

    Raises
    ------
    NotFoundError
        If there is no such set or version.
    RequestError
        If the value names something else, or no version where pins are required.
    """
    reference = as_reference(value)
    if reference.feature is not None or reference.on or reference.name is not None:
        raise RequestError(f"{str(reference)!r} names more than a feature set: write {reference.view}@v1.")
    found = pick(feature_sets.versions_of(connection, reference.view), reference)
    if found is not None:
        return found
    current = feature_sets.current(connection, reference.view)
    if require_pins:
        raise RequestError(
            f"feature set {current.name!r} is asked for without a version, and this store requires pins: "
            f"write {current.reference}."
        )
    return current


def _references(
    connection: Connection, feature_set: FeatureSet, planned: Sequence[FeatureVersion]
) -> tuple[tuple[Reference, ...], tuple[tuple[str, str], ...]]:
    """Return a set's references, checked and spelled, and the nodes that they name."""
    references, columns, nodes = [], [], []
    for reference in feature_set.references:
        known = _known(connection, reference, planned)
        reference = replace(reference, view=known[0].view)  # noqa: PLW2901 - the same one, spelled
        version = pick(known, reference)
        columns += columns_of(version or _likely(known, reference), reference)
        if version is None:
            nodes.append(("view", reference.view))
        elif reference.feature is None:
            nodes.append(("version", version.reference))
        else:
            nodes.append(("feature", f"{version.reference}:{reference.feature}"))
        references.append(reference)
    column_names([column.reference for column in columns], [column.version.number for column in columns])
    return tuple(references), tuple(dict.fromkeys(nodes))


def _known(connection: Connection, reference: Reference, planned: Sequence[FeatureVersion]) -> list[FeatureVersion]:
    fresh = [version for version in planned if fold(version.view) == fold(reference.view)]
    try:
        return versions.of_view(connection, reference.view) + fresh
    except NotFoundError:
        if not fresh:
            raise
        return fresh


def _likely(known: Sequence[FeatureVersion], reference: Reference) -> FeatureVersion:
    """Return the newest version that an unpinned reference could read."""
    usable = [version for version in known if version.retired is None] or known
    if reference.feature is None:
        return usable[-1]
    having = [version for version in usable if version.definition.feature(reference.feature) is not None]
    if not having:
        names = [feature.name for feature in usable[-1].definition.features]
        raise NotFoundError(
            f"no version of {reference.view!r} has a feature {reference.feature!r}.{nearest(reference.feature, names)}"
        )
    return having[-1]
