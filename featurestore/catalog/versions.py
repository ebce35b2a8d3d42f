"""Views and their feature versions."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Text, cast, func, select, update

from featurestore.catalog import graph, schema
from featurestore.errors import ConflictError, NotFoundError, nearest
from featurestore.model.definition import Definition, Metadata
from featurestore.model.names import fold
from featurestore.model.version import CodeState, FeatureVersion, numbered, pick

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from featurestore.catalog.database import Transaction
    from featurestore.model.reference import Reference

__all__ = [
    "current",
    "current_numbers",
    "find",
    "insert",
    "metadata",
    "metadata_of",
    "numbers",
    "of_view",
    "of_views",
    "require_current",
    "resolve",
    "retire",
    "row_id",
    "set_current",
    "set_metadata",
    "some",
    "view_id",
    "view_names",
]

_VERSIONS, _VIEWS = schema.feature_versions, schema.views
_BATCH = 500
_COLUMNS = (
    _VIEWS.c.name,
    *(column for column in _VERSIONS.c if column.name != "definition"),
    cast(_VERSIONS.c.definition, Text).label("definition_text"),
)
"""Of a version; its definition as text, which is parsed once."""


@lru_cache(maxsize=1024)
def _definition(text: str) -> Definition:
    """Return a definition; read often and never changed, it is parsed once."""
    return Definition.from_json(json.loads(text))


def _value(row: Row[Any]) -> FeatureVersion:
    return FeatureVersion(
        row.name,
        row.number,
        row.fingerprint,
        _definition(row.definition_text),
        row.author,
        row.created_at,
        CodeState(row.git_commit, row.git_dirty),
        row.retired,
        row.replacement,
    )


def _select(connection: Connection, *conditions: ColumnElement[bool]) -> list[FeatureVersion]:
    statement = select(*_COLUMNS).join(_VIEWS, _VIEWS.c.id == _VERSIONS.c.view_id).where(*conditions)
    return [_value(row) for row in connection.execute(statement.order_by(_VIEWS.c.name, _VERSIONS.c.number))]


def view_names(connection: Connection) -> list[str]:
    """Return the names of all views, sorted."""
    return list(connection.execute(select(_VIEWS.c.name).order_by(_VIEWS.c.folded)).scalars())


def view_id(connection: Connection, view: str) -> int:
    """Return a view's row.

    Raises
    ------
    NotFoundError
        If no view has that name; the message names the nearest one.
    """
    row = connection.execute(select(_VIEWS.c.id).where(_VIEWS.c.folded == fold(view))).scalar()
    if row is None:
        raise _no_view(connection, view)
    return int(row)


def _no_view(connection: Connection, view: str) -> NotFoundError:
    return NotFoundError(f"there is no feature view {view!r}.{nearest(view, view_names(connection))}")


def of_view(connection: Connection, view: str) -> list[FeatureVersion]:
    """Return a view's versions in order.

    Raises
    ------
    NotFoundError
        If no view has that name.
    """
    return _select(connection, _VERSIONS.c.view_id == view_id(connection, view))


def of_views(
    connection: Connection, views: Iterable[str], *, containing: str | None = None
) -> dict[str, list[FeatureVersion]]:
    """Return the versions of several views in order, by the view's folded name; unknown views are left away.

    Parameters
    ----------
    containing
        Only versions whose definition's JSON text has this in it.
    """
    found: dict[str, list[FeatureVersion]] = {}
    names = list(dict.fromkeys(map(fold, views)))
    for start in range(0, len(names), _BATCH):
        conditions: list[ColumnElement[bool]] = [_VIEWS.c.folded.in_(names[start : start + _BATCH])]
        if containing is not None:
            conditions.append(cast(_VERSIONS.c.definition, Text).contains(containing, autoescape=True))
        for version in _select(connection, *conditions):
            found.setdefault(fold(version.view), []).append(version)
    return found


def current_numbers(connection: Connection, views: Iterable[str]) -> dict[str, int]:
    """Return the number of the version applied last of several views, by the view's folded name."""
    names = list(dict.fromkeys(map(fold, views)))
    return {
        row.folded: row.current_version
        for start in range(0, len(names), _BATCH)
        for row in connection.execute(
            select(_VIEWS.c.folded, _VIEWS.c.current_version).where(_VIEWS.c.folded.in_(names[start : start + _BATCH]))
        )
    }


def some(
    connection: Connection, wanted: Collection[tuple[str, int]], *, containing: str | None = None
) -> list[FeatureVersion]:
    """Return versions by `(view, number)`, in order of view and number; unknown ones are left away.

    Parameters
    ----------
    containing
        Only those whose definition's JSON text has this in it.
    """
    text = [] if containing is None else [cast(_VERSIONS.c.definition, Text).contains(containing, autoescape=True)]
    folded = {(fold(view), number) for view, number in wanted}
    views, found = sorted({view for view, _ in folded}), []
    for start in range(0, len(views), _BATCH):
        part = set(views[start : start + _BATCH])
        numbers = {number for view, number in folded if view in part}
        light = select(_VIEWS.c.folded, _VERSIONS.c.number, _VERSIONS.c.id).join(
            _VIEWS, _VIEWS.c.id == _VERSIONS.c.view_id
        )
        rows = connection.execute(light.where(_VIEWS.c.folded.in_(part), _VERSIONS.c.number.in_(numbers))).all()
        ids = [row.id for row in rows if (row.folded, row.number) in folded]
        for first in range(0, len(ids), _BATCH):
            found += _select(connection, _VERSIONS.c.id.in_(ids[first : first + _BATCH]), *text)
    return found


def numbers(connection: Connection, views: Iterable[str]) -> dict[str, list[int]]:
    """Return the numbers of several views' versions, in order, by the view's name as it is spelt."""
    found: dict[str, list[int]] = {}
    names = list(dict.fromkeys(map(fold, views)))
    for start in range(0, len(names), _BATCH):
        statement = select(_VIEWS.c.name, _VERSIONS.c.number).join(_VIEWS, _VIEWS.c.id == _VERSIONS.c.view_id)
        wanted = statement.where(_VIEWS.c.folded.in_(names[start : start + _BATCH])).order_by(_VERSIONS.c.number)
        for row in connection.execute(wanted):
            found.setdefault(row.name, []).append(row.number)
    return found


def find(connection: Connection, view: str, number: int) -> FeatureVersion:
    """Return one version.

    Raises
    ------
    NotFoundError
        If there is no such view, or it has no such version.
    """
    found = _select(connection, _VIEWS.c.folded == fold(view), _VERSIONS.c.number == number)
    return found[0] if found else numbered(of_view(connection, view), view, number)


def resolve(connection: Connection, reference: Reference) -> FeatureVersion | None:
    """Return the version that a pinned reference names, or None if the reference names none.

    Raises
    ------
    NotFoundError
        If there is no such view or version.
    """
    if reference.version is not None:
        return find(connection, reference.view, reference.version)
    if reference.fingerprint is None:
        view_id(connection, reference.view)
        return None
    return pick(of_view(connection, reference.view), reference)


def current(connection: Connection, view: str) -> FeatureVersion:
    """Return the version applied last.

    Raises
    ------
    NotFoundError
        If no view has that name.
    """
    found = _select(connection, _VIEWS.c.folded == fold(view), _VERSIONS.c.number == _VIEWS.c.current_version)
    if not found:
        raise _no_view(connection, view)
    return found[0]


def row_id(connection: Connection, view: str, number: int) -> int:
    """Return a version's row; it must exist."""
    statement = select(_VERSIONS.c.id).join(_VIEWS, _VIEWS.c.id == _VERSIONS.c.view_id)
    return int(
        connection.execute(statement.where(_VIEWS.c.folded == fold(view), _VERSIONS.c.number == number)).scalar_one()
    )


def require_current(connection: Connection, view: str, number: int | None) -> None:
    """Hold that version `number` is the one applied last (None: that there is no such view).

    Raises
    ------
    ConflictError
        If another process applied in between.
    """
    now = connection.execute(select(_VIEWS.c.current_version).where(_VIEWS.c.folded == fold(view))).scalar()
    if now != number:
        raise ConflictError(
            f"{view!r} was applied by another process meanwhile (it is at v{now} now): plan and apply again."
        )


def insert(tx: Transaction, definition: Definition, metadata: Metadata, code: CodeState) -> FeatureVersion:
    """Add the next version of a view (and the view, if new) with its nodes and edges, and make it current."""
    connection, name = tx.connection, definition.view
    existing = connection.execute(select(_VIEWS.c.id).where(_VIEWS.c.folded == fold(name))).scalar()
    if existing is None:
        number = 1
        values = {"name": name, "folded": fold(name), "current_version": 1, **_said(metadata)}
        existing = tx.insert(_VIEWS, **values)
    else:
        highest = select(func.max(_VERSIONS.c.number)).where(_VERSIONS.c.view_id == existing)
        number = connection.execute(highest).scalar_one() + 1
        set_current(tx, name, number)
        set_metadata(tx, name, metadata)
    tx.insert(
        _VERSIONS,
        view_id=existing,
        number=number,
        fingerprint=definition.fingerprint,
        definition=definition.to_json(),
        author=tx.actor,
        created_at=tx.now,
        git_commit=code.commit,
        git_dirty=code.dirty,
    )
    version = find(connection, name, number)
    graph.add_version(tx, version)
    return version


def set_current(tx: Transaction, view: str, number: int) -> None:
    """Make a version the one that verbs without `@vN` mean."""
    tx.connection.execute(update(_VIEWS).where(_VIEWS.c.folded == fold(view)).values(current_version=number))


def metadata(connection: Connection, view: str) -> Metadata:
    """Return a view's owner, description and tags."""
    row = connection.execute(select(_VIEWS).where(_VIEWS.c.id == view_id(connection, view))).one()
    return Metadata(row.owner, row.description, row.tags, row.on_violation)


def metadata_of(connection: Connection, views: Iterable[str]) -> dict[str, Metadata]:
    """Return owner, description and tags of several views, by the view's folded name."""
    names = list(dict.fromkeys(map(fold, views)))
    return {
        row.folded: Metadata(row.owner, row.description, row.tags)
        for start in range(0, len(names), _BATCH)
        for row in connection.execute(select(_VIEWS).where(_VIEWS.c.folded.in_(names[start : start + _BATCH])))
    }


def set_metadata(tx: Transaction, view: str, value: Metadata) -> None:
    """Replace a view's owner, description and tags."""
    tx.connection.execute(update(_VIEWS).where(_VIEWS.c.folded == fold(view)).values(**_said(value)))


def _said(value: Metadata) -> dict[str, Any]:
    return {**value.to_json(), "on_violation": value.on_violation}


def retire(tx: Transaction, version: FeatureVersion, reason: str, replacement: str | None) -> None:
    """Mark a version as not to be used any more."""
    row = row_id(tx.connection, version.view, version.number)
    tx.connection.execute(
        update(_VERSIONS).where(_VERSIONS.c.id == row).values(retired=reason, replacement=replacement)
    )
