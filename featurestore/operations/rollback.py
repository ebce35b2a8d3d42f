"""Roll back: return a pointer to an earlier version, of a view or one feature, for everyone or one endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.catalog import activations, models, versions
from featurestore.errors import ConflictError, NotActiveError, RequestError
from featurestore.model.history import Activation
from featurestore.operations.activate import (
    check_readers,
    check_reason,
    check_same_shape,
    newest_reader,
    require_published,
)
from featurestore.operations.resolve import as_reference, named_feature, one_version, spelled

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.reference import Reference
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["Rollback", "readers_of", "rollback"]


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback does, or with `dry_run` would do.

    Attributes
    ----------
    pointer
        `view` or `view:feature`.
    endpoint
        Whose pointer; None is the default one.
    before, after
        `view@vN` that is read through it now, and then.
    moved
        `(endpoint, model)` that read through this pointer.
    untouched
        `(endpoint or "", model)` that read the view too, but through their lock or another pointer.
    activation
        The new row of the history; None for a dry run.
    """

    pointer: str
    endpoint: str | None
    before: str
    after: str
    moved: tuple[tuple[str, str], ...]
    untouched: tuple[tuple[str, str], ...]
    activation: Activation | None = None

    def __str__(self) -> str:
        scope = "the default pointer" if self.endpoint is None else f"endpoint {self.endpoint}"
        verb = "would read" if self.activation is None else "reads"
        lines = [f"{self.pointer} on {scope} {verb} {self.after} instead of {self.before}"]
        lines += [f"  moves:     {model} on {endpoint}" for endpoint, model in self.moved]
        if not self.moved:
            lines.append(
                "  moves:     no model; references without a version" if self.endpoint is None else "  moves: none"
            )
        lines += [f"  untouched: {model}{f' on {endpoint}' if endpoint else ''}" for endpoint, model in self.untouched]
        return "\n".join(lines)


def rollback(
    context: Context,
    pointer: object,
    *,
    to: object = None,
    endpoint: str | None = None,
    reason: str = "",
    dry_run: bool = False,
    expect: object = None,
) -> Rollback:
    """Return a pointer to the version below, or to the version named.

    Parameters
    ----------
    pointer
        `view`, or `view:feature` to move one feature while the rest stays.
    to
        `"v1"`, a number, or a version; None takes what was active before.
    expect
        The version that the caller saw behind the pointer: if another one is there by now, nothing happens.

    Raises
    ------
    NotActiveError
        If nothing is active.
    RequestError
        If nothing is below, or the target is retired, the same, or has other keys or another type.
    NotPublishedError
        If the target has no rows online.
    ConflictError
        If the pointer reads another version than `expect`.
    """
    reason = check_reason(reason)
    reference = as_reference(pointer)
    if reference.pinned or reference.on or reference.name:
        raise RequestError(
            f"{str(reference)!r} is not a pointer: write {reference.view!r} or 'view:feature', and to='v1'."
        )
    if dry_run:
        with context.catalog.read() as connection:
            return _rollback(connection, reference, to, endpoint, expect)[0]
    with context.catalog.write() as tx:
        done, below = _rollback(tx.connection, reference, to, endpoint, expect)
        target = one_version(tx.connection, done.after)
        moved = activations.move(
            tx,
            view=target.view,
            feature=reference.feature,
            endpoint=endpoint,
            version=target.number,
            action="rollback",
            below=below,
            reason=reason,
        )
        return Rollback(done.pointer, done.endpoint, done.before, done.after, done.moved, done.untouched, moved)


def _rollback(
    connection: Connection, reference: Reference, to: object, endpoint: str | None, expect: object
) -> tuple[Rollback, int | None]:
    """Return what the rollback does, and the activation that will lie below it."""
    reference = spelled(connection, reference)
    readings, now = _read_now(connection, reference, endpoint)
    if expect is not None:
        _require(connection, reference, readings, expect)
    number, below = _target(connection, reference, to, now)
    after = versions.find(connection, reference.view, number)
    before = next((version for version in readings if version.number != number), None)
    if before is None:
        raise RequestError(f"{str(reference)!r} reads {after.reference} already: there is nothing to roll back.")
    if after.retired is not None:
        raise RequestError(f"{after.reference} is retired ({after.retired}): roll back to another version.")
    require_published(connection, after)
    if endpoint is not None:
        check_readers(connection, after, reference.feature, endpoint)
    elif reference.feature is not None:
        named_feature(after, reference.feature)
        check_same_shape(before, after, reference.feature, "its reader")
    else:
        for feature in before.definition.features:
            if after.definition.feature(feature.name) is not None:
                check_same_shape(before, after, feature.name, "its reader")
    moved, untouched = readers_of(connection, reference.view, endpoint, reference.feature)
    name = before.view if reference.feature is None else f"{before.view}:{reference.feature}"
    return Rollback(name, endpoint, before.reference, after.reference, moved, untouched), below


def _require(connection: Connection, reference: Reference, readings: list[FeatureVersion], expect: object) -> None:
    """Hold that a pointer reads the version that the caller saw."""
    expected = _number(connection, reference, expect)
    if [version.number for version in readings] != [expected]:
        now = ", ".join(version.reference for version in readings)
        raise ConflictError(
            f"{str(reference)!r} reads {now} by now, and v{expected} was expected: somebody moved it meanwhile; "
            "look at its history before you roll back."
        )


def _read_now(
    connection: Connection, reference: Reference, endpoint: str | None
) -> tuple[list[FeatureVersion], Activation | None]:
    """Return what is read, and the move by which it is; None where an endpoint reads its lock, of several versions."""
    view, feature = reference.view, reference.feature
    if endpoint is None:
        now = activations.pointer(connection, view, feature)
        if now is None:
            raise NotActiveError(f"nothing is active for {str(reference)!r}, so there is nothing to roll back.")
        numbers = {now.version}
    else:
        deployment, locked = newest_reader(connection, view, feature, endpoint)
        now = activations.pointer(connection, view, feature, endpoint=endpoint, deployment=deployment)
        numbers = {now.version} if now else {item.version or 0 for item in locked}
    found = [versions.find(connection, view, number) for number in sorted(numbers)]
    for version in found if feature is not None else ():
        named_feature(version, str(feature))
    return found, now


def _target(connection: Connection, reference: Reference, to: object, now: Activation | None) -> tuple[int, int | None]:
    """Return the version to return to, and the activation below it."""
    if to is None:
        if now is None or now.below is None:
            raise RequestError(
                f"nothing lies below what {str(reference)!r} reads: name the version, for example to='v1'."
            )
        lower = activations.by_id(connection, now.below)
        return lower.version, lower.below
    number = _number(connection, reference, to)
    entry = now
    while entry is not None:
        if entry.version == number:
            return number, entry.below
        entry = None if entry.below is None else activations.by_id(connection, entry.below)
    return number, None


def _number(connection: Connection, reference: Reference, to: object) -> int:
    if type(to) is int:
        return versions.find(connection, reference.view, to).number
    bare = isinstance(to, str) and "@" not in to
    version = one_version(connection, f"{reference.view}@{to}" if bare else to)
    if version.view != reference.view:
        raise RequestError(f"{version.reference} is no version of {reference.view!r}.")
    return version.number


def readers_of(
    connection: Connection, view: str, endpoint: str | None, feature: str | None = None
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Return `(endpoint or "", model)` of who reads through a pointer, and of who reads the same otherwise.

    Parameters
    ----------
    endpoint
        Whose pointer; None is the default one.
    feature
        None is the whole view.
    """
    live = models.deployments(connection)
    moved, untouched = [], []
    for model in models.everything(connection):
        reads = [
            column for _, column in model.lock.columns if column.view == view and feature in {None, column.feature}
        ]
        if not reads:
            continue
        places = [item.endpoint for item in live if item.reference == model.reference]
        moved += [(place, model.reference) for place in places if place == endpoint]
        untouched += [(place, model.reference) for place in places or [""] if place != endpoint or not place]
    return tuple(moved), tuple(untouched)
