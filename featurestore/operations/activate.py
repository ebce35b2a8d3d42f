"""Activate: move pointers to feature versions, several at once in one atomic change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import activations, generations, models
from featurestore.errors import NotPublishedError, RequestError
from featurestore.operations.resolve import as_reference, named_feature, one_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.history import Activation
    from featurestore.model.reference import Reference
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["activate", "check_readers", "require_published"]


def activate(
    context: Context, references: Sequence[object], *, reason: str = "", endpoint: str | None = None
) -> list[Activation]:
    """Point views (or single features, `view@v2:feature`) at versions; a whole view's move clears its features' own.

    Parameters
    ----------
    endpoint
        Move the pointers of this endpoint alone; None moves the default ones.

    Raises
    ------
    RequestError
        If a reference names no version, or one is retired, or an endpoint's model could not read the version.
    NotPublishedError
        If readers of an active version would find no rows.
    """
    parsed = [as_reference(value) for value in references]
    pointers = [(item.view.casefold(), item.feature) for item in parsed]
    if not parsed or len(set(pointers)) < len(pointers):
        raise RequestError("name each view or feature to activate once, for example activate('weather@v2').")
    with context.catalog.write() as tx:
        return [_activate(tx, reference, reason, endpoint) for reference in parsed]


def _activate(tx: Transaction, reference: Reference, reason: str, endpoint: str | None) -> Activation:
    connection, view, feature = tx.connection, reference.view, reference.feature
    whole = type(reference)(view, reference.version, reference.fingerprint)
    version = one_version(connection, whole)
    if feature is not None:
        named_feature(version, feature)
    if version.retired is not None:
        raise RequestError(f"{version.reference} is retired ({version.retired}): activate another version.")
    now = activations.pointer(connection, version.view, feature, endpoint=endpoint)
    if endpoint is not None:
        require_published(connection, version)
        check_readers(connection, version, feature, endpoint)
    elif now is not None and generations.current(connection, version.view, now.version) is not None:
        require_published(connection, version)
    top = activations.top(connection, version.view, feature, endpoint=endpoint)
    same = top is not None and top.version == version.number
    if same and top is not None and not _overridden(connection, version, top, endpoint) and now == top:
        return top
    return activations.move(
        tx,
        view=version.view,
        feature=feature,
        endpoint=endpoint,
        version=version.number,
        action="activate",
        below=None if top is None else (top.below if same else top.id),
        reason=reason,
    )


def _overridden(connection: Connection, version: FeatureVersion, top: Activation, endpoint: str | None) -> bool:
    """Return whether a feature of the view has a pointer of its own, newer than the view's."""
    return top.feature is None and any(
        move.feature is not None and move.endpoint == endpoint and move.id > top.id
        for move in activations.history(connection, version.view)
    )


def require_published(connection: Connection, version: FeatureVersion) -> None:
    """Hold that a version has rows online.

    Raises
    ------
    NotPublishedError
        If it has none.
    """
    if generations.current(connection, version.view, version.number) is None:
        raise NotPublishedError(
            f"{version.reference} has no rows online, so its readers would find none: "
            f"run `featurestore publish {version.reference}` first."
        )


def check_readers(connection: Connection, version: FeatureVersion, feature: str | None, endpoint: str) -> None:
    """Hold that the models live on an endpoint can read `version` in place of what their lock pins.

    Raises
    ------
    RequestError
        If none reads the view (or feature), or one would find other keys, another type, or no such feature.
    """
    reading = False
    for deployment in models.deployments(connection, endpoint=endpoint):
        lock = models.find(connection, deployment.reference).lock
        for _, reference in lock.columns:
            if reference.view != version.view or feature not in {None, reference.feature}:
                continue
            reading = True
            pinned = one_version(connection, f"{reference.view}@v{reference.version}")
            check_same_shape(pinned, version, str(reference.feature), deployment.reference)
    if not reading:
        what = version.view if feature is None else f"{version.view}:{feature}"
        raise RequestError(f"no model live on {endpoint!r} reads {what!r}: there is no pointer to move.")


def check_same_shape(old: FeatureVersion, new: FeatureVersion, feature: str, reader: str) -> None:
    """Hold that a feature has the same keys and type in two versions."""
    before, after = old.definition, new.definition
    was, now = before.feature(feature), after.feature(feature)
    if before.keys != after.keys:
        raise RequestError(
            f"{new.reference} has the keys {_keys(new)}, {old.reference} has {_keys(old)}: "
            f"{reader} cannot read it instead."
        )
    if now is None or was is None or was.type != now.type:
        found = "no such feature" if now is None else f"type {now.type}"
        wanted = "none" if was is None else was.type
        raise RequestError(
            f"{feature!r} is {wanted} in {old.reference}, and {new.reference} has {found}: "
            f"{reader} cannot read it instead."
        )


def _keys(version: FeatureVersion) -> str:
    return ", ".join(f"{key}: {type_}" for key, type_ in version.definition.keys)
