"""Resolve: references and pointers become feature versions; the same way for training and for serving."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from featurestore.catalog import activations, models, versions
from featurestore.errors import NotActiveError, NotFoundError, RequestError, nearest
from featurestore.model.reference import Reference, column_names, parse_reference
from featurestore.model.version import FeatureVersion, numbered, pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from featurestore.catalog.models import ModelVersion
    from featurestore.model.definition import FeatureDefinition
    from featurestore.model.history import Deployment
    from featurestore.model.pins import PinSet

__all__ = [
    "Column",
    "as_reference",
    "by_version",
    "columns_of",
    "deployed",
    "endpoint_columns",
    "lock_columns",
    "named_feature",
    "one_version",
    "reference_columns",
    "spelled",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a request, resolved.

    Attributes
    ----------
    name
        Its name in the answer.
    reference
        Pinned to the version's number.
    version, feature
        What it reads.
    activation
        The pointer's move that chose the version; None where the version was named, or a lock chose it.
    """

    name: str
    reference: Reference
    version: FeatureVersion
    feature: FeatureDefinition
    activation: int | None = None

    @property
    def on(self) -> tuple[tuple[str, str], ...]:
        """`(entity key, column of the request)` for every key, in key order."""
        chosen = dict(self.reference.on)
        return tuple((key, chosen.get(key, key)) for key, _ in self.version.definition.keys)


def as_reference(value: object) -> Reference:
    """Read a reference from text or from what another verb returned."""
    if isinstance(value, Reference):
        return value
    text = value if isinstance(value, str) else getattr(value, "reference", None)
    if not isinstance(text, str):
        raise RequestError(f"{value!r} is not a reference: write 'view@v2:feature' or give what `apply` returned.")
    return parse_reference(text)


class _Views:
    """What one resolve reads of the catalog: of each view its versions and its pointers, once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.versions = cache(partial(versions.of_view, connection))
        self.pointers = cache(partial(activations.pointers, connection))

    def find(self, view: str, number: int) -> FeatureVersion:
        """Return one version; an unknown one is an error that names those there are."""
        return numbered(self.versions(view), view, number)


def spelled(connection: Connection, reference: Reference) -> Reference:
    """Return the reference with its view spelled as it was applied: case does not tell names apart."""
    return replace(reference, view=versions.of_view(connection, reference.view)[0].view)


def one_version(connection: Connection, value: object, *, current: bool = False) -> FeatureVersion:
    """Return the version that a reference to a whole version names.

    Parameters
    ----------
    current
        Take the version applied last where none is named; otherwise that is an error.
    """
    reference = as_reference(value)
    if reference.feature is not None or reference.on or reference.name is not None:
        raise RequestError(f"{str(reference)!r} names more than a version: write {reference.view}@v1.")
    version = versions.resolve(connection, reference)
    if version is None:
        newest = versions.current(connection, reference.view)
        if not current:
            raise RequestError(f"{str(reference)!r} names no version: write {newest.reference} or another.")
        return newest
    return version


def reference_columns(
    connection: Connection, references: Iterable[object], *, require_pins: bool, taken: Sequence[str] = ()
) -> list[Column]:
    """Resolve references through the default scope and name their columns.

    Raises
    ------
    NotFoundError
        If a view, version or feature is unknown, or a key named with ` on ` is none of the entity's.
    NotActiveError
        If a reference names no version and none is active.
    RequestError
        If pins are required and a reference names no version, or a version is retired.
    CollisionError
        If two columns would carry one name.
    """
    views = _Views(connection)
    columns = [
        column for value in references for column in _expand(views, as_reference(value), require_pins=require_pins)
    ]
    if not columns:
        raise RequestError("no features are asked for: name at least one, for example 'weather@v1:temp'.")
    names = column_names([column.reference for column in columns], [column.version.number for column in columns], taken)
    return [
        replace(column, name=name, reference=replace(column.reference.at(column.version.number), name=None))
        for column, name in zip(columns, names, strict=True)
    ]


def _expand(views: _Views, reference: Reference, *, require_pins: bool) -> list[Column]:
    known = views.versions(reference.view)
    reference = replace(reference, view=known[0].view)
    version = pick(known, reference)
    if version is None:
        if require_pins:
            raise RequestError(
                f"{str(reference)!r} names no version, and this store requires pins: write @v1 or another."
            )
        columns = _through_pointer(views, reference)
        for column in columns:
            _check(column, reference)
        return columns
    return columns_of(version, reference)


def columns_of(version: FeatureVersion, reference: Reference) -> list[Column]:
    """Return the columns that a reference means if it reads `version`; names are not given yet.

    Raises
    ------
    NotFoundError
        If the version has no such feature, or its entity no such key.
    RequestError
        If the version is retired.
    """
    columns = [
        Column("", _named(reference, feature.name), version, feature) for feature in _chosen(version, reference.feature)
    ]
    for column in columns:
        _check(column, reference)
    return columns


def _check(column: Column, reference: Reference) -> None:
    version = column.version
    if version.retired is not None:
        cure = f"use {version.replacement}" if version.replacement else "name another version"
        raise RequestError(f"{version.reference} is retired ({version.retired}): {cure}.")
    keys = [key for key, _ in version.definition.keys]
    for key, _ in reference.on:
        if key not in keys:
            raise NotFoundError(
                f"{str(reference)!r} joins on {key!r}, which is no key of {version.view!r}.{nearest(key, keys)}"
            )


def _named(reference: Reference, feature: str) -> Reference:
    """Return the reference to one feature; ` as name` on a whole view prefixes."""
    if reference.feature is not None or reference.name is None:
        return replace(reference, feature=feature)
    return replace(reference, feature=feature, name=f"{reference.name}__{feature}")


def _chosen(version: FeatureVersion, feature: str | None) -> Sequence[FeatureDefinition]:
    return version.definition.features if feature is None else (named_feature(version, feature),)


def named_feature(version: FeatureVersion, feature: str) -> FeatureDefinition:
    """Return a version's feature; an unknown one is an error that names the nearest."""
    found = version.definition.feature(feature)
    if found is None:
        known = [item.name for item in version.definition.features]
        raise NotFoundError(f"{version.reference} has no feature {feature!r}.{nearest(feature, known)}")
    return found


def _through_pointer(views: _Views, reference: Reference) -> list[Column]:
    pointers = views.pointers(reference.view)
    whole = pointers.read(reference.feature)
    if whole is None:
        known = views.versions(reference.view)
        first = f"{known[-1].reference}:{reference.feature}" if reference.feature else known[-1].reference
        raise NotActiveError(
            f"no version of {reference.view!r} is active, and {str(reference)!r} names none: write {first!r}, "
            f"or make one active: featurestore activate {known[-1].reference}"
        )
    base = views.find(reference.view, whole.version)
    columns = []
    for feature in _chosen(base, reference.feature):
        move = pointers.read(feature.name) or whole
        version = views.find(reference.view, move.version)
        columns.append(
            Column("", _named(reference, feature.name), version, named_feature(version, feature.name), move.id)
        )
    return columns


def lock_columns(connection: Connection, lock: PinSet) -> list[Column]:
    """Resolve the columns of a lock: exactly its versions, checked against their fingerprints.

    Raises
    ------
    NotFoundError
        If this store has no version with the pinned fingerprint.
    """
    cache: dict[tuple[str, int], FeatureVersion] = {}
    columns = []
    for name, reference in lock.columns:
        if reference.version is None or reference.feature is None:
            raise RequestError(
                f"the lock's column {name!r} reads {str(reference)!r}: a lock names version and feature."
            )
        key = (reference.view, reference.version)
        if key not in cache:
            cache[key] = _pinned_version(connection, lock, *key)
        version = cache[key]
        pinned = replace(reference, view=version.view, version=version.number)
        columns.append(Column(name, pinned, version, named_feature(version, reference.feature)))
    return columns


def _pinned_version(connection: Connection, lock: PinSet, view: str, number: int) -> FeatureVersion:
    """Return the version with the pinned fingerprint; another store may number it differently."""
    fingerprint = lock.pin(view, number).fingerprint
    for version in versions.of_view(connection, view):
        if version.fingerprint == fingerprint:
            return version
    raise NotFoundError(
        f"this store has no version of {view!r} with the fingerprint {fingerprint[:8]} that the lock pins as "
        f"{view}@v{number}: apply the definition it was made from."
    )


def deployed(connection: Connection, endpoint: str, model: str | None) -> tuple[Deployment, ModelVersion]:
    """Return the deployment that a read of an endpoint means.

    Raises
    ------
    NotFoundError
        If no model, or not that model, is live there.
    RequestError
        If several are live and none is named.
    """
    live = models.deployments(connection, endpoint=endpoint)
    if model is not None:
        wanted = models.find(connection, model).reference
        chosen = [item for item in live if item.reference == wanted]
        if not chosen:
            raise NotFoundError(
                f"{wanted} is not live on {endpoint!r}.{nearest(wanted, [item.reference for item in live])}"
            )
    else:
        chosen = live
        if len({item.reference for item in live}) > 1:
            names = ", ".join(item.reference for item in live)
            raise RequestError(
                f"{endpoint!r} serves several models ({names}): name one beside the endpoint with model=."
            )
    if not chosen:
        raise NotFoundError(f"no model is live on {endpoint!r}: deploy one with `featurestore deploy MODEL@VERSION`.")
    return chosen[-1], models.find(connection, chosen[-1].reference)


def endpoint_columns(connection: Connection, deployment: Deployment, lock: PinSet) -> list[Column]:
    """Resolve a lock's columns through an endpoint's pointers, which start as the lock."""
    views = _Views(connection)
    columns = []
    for column in lock_columns(connection, lock):
        feature = column.feature.name
        pointers = views.pointers(column.version.view, endpoint=deployment.endpoint, deployment=deployment)
        move = pointers.read(feature)
        if move is not None and move.version != column.version.number:
            version = views.find(column.version.view, move.version)
            reference = column.reference.at(version.number)
            columns.append(Column(column.name, reference, version, named_feature(version, feature), move.id))
        else:
            columns.append(column if move is None else replace(column, activation=move.id))
    return columns


def by_version(columns: Sequence[Column]) -> Mapping[str, FeatureVersion]:
    """Return the feature versions that columns read, by reference, in order of first use."""
    return {column.version.reference: column.version for column in columns}
