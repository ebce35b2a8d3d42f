"""Activate: move pointers to feature versions, several at once in one atomic change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.catalog import activations, generations, models, versions
from featurestore.errors import NotPublishedError, RequestError
from featurestore.operations.compared import require_comparison
from featurestore.operations.resolve import as_reference, named_feature, one_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.history import Activation, Deployment
    from featurestore.model.reference import Reference
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["activate", "check_readers", "check_reason", "check_same_shape", "newest_reader", "require_published"]


def activate(
    context: Context, references: Sequence[object], *, reason: str = "", endpoint: str | None = None
) -> list[Activation]:
    """Point views (or single features, `view@v2:feature`) at versions; a whole view's move clears its features' own.

    Of one call the views move first, so that a feature named beside its view keeps the version named for it.

    Parameters
    ----------
    endpoint
        Move the pointers of this endpoint alone; None moves the default ones.

    Raises
    ------
    RequestError
        If a reference names no version, or one is retired, or an endpoint's model could not read the version; with
        `require_comparison`, also if it was not compared with the version that is active.
    NotPublishedError
        If readers of an active version would find no rows.
    """
    reason = check_reason(reason)
    parsed = [as_reference(value) for value in references]
    pointers = [(item.view.casefold(), item.feature) for item in parsed]
    if not parsed or len(set(pointers)) < len(pointers):
        raise RequestError("name each view or feature to activate once, for example activate('weather@v2').")
    with context.catalog.write() as tx:
        done = {}
        for pointer, reference in sorted(zip(pointers, parsed, strict=True), key=lambda item: item[1].feature or ""):
            done[pointer] = _activate(tx, reference, reason, endpoint, compared=context.settings.require_comparison)
        return [done[pointer] for pointer in pointers]


def _activate(
    tx: Transaction, reference: Reference, reason: str, endpoint: str | None, *, compared: bool
) -> Activation:
    connection, feature = tx.connection, reference.feature
    version = one_version(connection, replace(reference, feature=None))
    if feature is not None:
        named_feature(version, feature)
    if version.retired is not None:
        raise RequestError(f"{version.reference} is retired ({version.retired}): activate another version.")
    deployment = None
    if endpoint is not None:
        deployment = newest_reader(connection, version.view, feature, endpoint)[0]
        require_published(connection, version)
        check_readers(connection, version, feature, endpoint)
    now = activations.pointer(connection, version.view, feature, endpoint=endpoint, deployment=deployment)
    if endpoint is None and now is not None and generations.current(connection, version.view, now.version) is not None:
        require_published(connection, version)
    same = now is not None and now.version == version.number
    if same and now is not None and now.feature == feature and not _overridden(connection, version, now, endpoint):
        return now
    if compared and now is not None and not same:
        require_comparison(connection, versions.find(connection, version.view, now.version), version)
    return activations.move(
        tx,
        view=version.view,
        feature=feature,
        endpoint=endpoint,
        version=version.number,
        action="activate",
        below=None if now is None else (now.below if same else now.id),
        reason=reason,
    )


def check_reason(reason: object) -> str:
    """Return the reason as it is kept; None is no reason."""
    if not isinstance(reason, str | None):
        raise RequestError(f"reason={reason!r} is no text: say why in words.")
    return reason or ""


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


def newest_reader(
    connection: Connection, view: str, feature: str | None, endpoint: str
) -> tuple[Deployment, list[Reference]]:
    """Return the newest deployment on an endpoint whose model reads a view (or feature), and what its lock reads of it.

    Raises
    ------
    RequestError
        If no model that is live there does.
    """
    for deployment in reversed(models.deployments(connection, endpoint=endpoint)):
        columns = [reference for _, reference in models.find(connection, deployment.reference).lock.columns]
        read = [item for item in columns if item.view == view and feature in {None, item.feature}]
        if read:
            return deployment, read
    what = view if feature is None else f"{view}:{feature}"
    raise RequestError(f"no model live on {endpoint!r} reads {what!r}: there is no pointer to move.")


def check_readers(connection: Connection, version: FeatureVersion, feature: str | None, endpoint: str) -> None:
    """Hold that the models live on an endpoint can read `version` in place of what their lock pins.

    Raises
    ------
    RequestError
        If one would find other keys, another type, or no such feature.
    """
    for deployment in models.deployments(connection, endpoint=endpoint):
        lock = models.find(connection, deployment.reference).lock
        for _, reference in lock.columns:
            if reference.view != version.view or feature not in {None, reference.feature}:
                continue
            pinned = one_version(connection, f"{reference.view}@v{reference.version}")
            check_same_shape(pinned, version, str(reference.feature), deployment.reference)


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
