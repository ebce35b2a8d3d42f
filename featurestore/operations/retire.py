"""Retire: a feature version must not be used any more. What is pinned to it stays reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import activations, models, versions
from featurestore.errors import ConflictError, RequestError
from featurestore.operations.resolve import endpoint_columns, one_version

if TYPE_CHECKING:
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["retire"]


def retire(context: Context, reference: object, *, reason: str, replacement: object = None) -> FeatureVersion:
    """Mark a version as not to be used for new frames, models and pointers.

    Raises
    ------
    ConflictError
        If it is active, or an endpoint reads it: move those first.
    RequestError
        If no reason is given, or it would replace itself.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise RequestError("a version is retired for a reason, which those who still name it are told: give reason=.")
    with context.catalog.write() as tx:
        connection = tx.connection
        version = one_version(connection, reference)
        instead = None if replacement is None else one_version(connection, replacement).reference
        if instead == version.reference:
            raise RequestError(f"{instead} cannot replace itself: name another version, or leave replacement= away.")
        names = [None, *(feature.name for feature in version.definition.features)]
        for name in names:
            move = activations.pointer(connection, version.view, name)
            if move is not None and move.version == version.number:
                raise ConflictError(f"{version.reference} is active: activate or roll back to another version first.")
        for deployment in models.deployments(connection):
            lock = models.find(connection, deployment.reference).lock
            if any(column.version == version for column in endpoint_columns(connection, deployment, lock)):
                raise ConflictError(
                    f"{deployment.reference} on {deployment.endpoint!r} reads {version.reference}: "
                    "deploy another model or move the endpoint's pointer first."
                )
        versions.retire(tx, version, reason, instead)
        tx.record("retired", "version", version.reference, reason, replacement=instead)
        return versions.find(connection, version.view, version.number)
