"""Feature sets and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from featurestore.catalog import graph, schema
from featurestore.errors import NotFoundError, nearest
from featurestore.model.definition import Metadata
from featurestore.model.feature_set import FeatureSetVersion, fingerprint_of
from featurestore.model.names import fold
from featurestore.model.reference import parse_reference
from featurestore.model.version import CodeState, numbered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.catalog.database import Transaction
    from featurestore.model.feature_set import FeatureSet

__all__ = ["current", "everything", "insert", "metadata", "names", "set_current", "versions_of"]

_SETS, _VERSIONS = schema.feature_sets, schema.feature_set_versions
_JOINED = (
    select(_SETS.c.name, _SETS.c.current_version, *_VERSIONS.c)
    .join(_SETS, _SETS.c.id == _VERSIONS.c.feature_set_id)
    .order_by(_SETS.c.folded, _VERSIONS.c.number)
)


def _value(row: Row[Any]) -> FeatureSetVersion:
    return FeatureSetVersion(
        row.name,
        row.number,
        row.fingerprint,
        tuple(parse_reference(text) for text in row.features),
        row.author,
        row.created_at,
        CodeState(row.git_commit, row.git_dirty),
    )


def names(connection: Connection) -> list[str]:
    """Return the names of all feature sets, sorted."""
    return list(connection.execute(select(_SETS.c.name).order_by(_SETS.c.folded)).scalars())


def everything(connection: Connection) -> list[FeatureSetVersion]:
    """Return every feature set in the version applied last, sorted by name."""
    return [_value(row) for row in connection.execute(_JOINED.where(_VERSIONS.c.number == _SETS.c.current_version))]


def versions_of(connection: Connection, name: str) -> list[FeatureSetVersion]:
    """Return a set's versions in order.

    Raises
    ------
    NotFoundError
        If no feature set has that name; the message names the nearest one.
    """
    found = [_value(row) for row in connection.execute(_JOINED.where(_SETS.c.folded == fold(name)))]
    if not found:
        raise NotFoundError(f"there is no feature set {name!r}.{nearest(name, names(connection))}")
    return found


def current(connection: Connection, name: str) -> FeatureSetVersion:
    """Return the version applied last.

    Raises
    ------
    NotFoundError
        If no feature set has that name.
    """
    number = select(_SETS.c.current_version).where(_SETS.c.folded == fold(name))
    return numbered(versions_of(connection, name), name, connection.execute(number).scalar_one())


def metadata(connection: Connection, name: str) -> Metadata:
    """Return a set's owner, description and tags; it must exist."""
    row = connection.execute(select(_SETS).where(_SETS.c.folded == fold(name))).one()
    return Metadata(row.owner, row.description, row.tags)


def insert(
    tx: Transaction, feature_set: FeatureSet, number: int, named: Iterable[tuple[str, str]], code: CodeState
) -> FeatureSetVersion:
    """Add version `number` of a set (1: and the set) with its node and edges, and make it current.

    Parameters
    ----------
    named
        `(kind, text form)` of the features, versions or views that its references name.
    """
    if number == 1:
        said = feature_set.metadata.to_json()
        tx.insert(_SETS, name=feature_set.name, folded=fold(feature_set.name), current_version=1, **said)
    else:
        set_current(tx, feature_set, number)
    row = select(_SETS.c.id).where(_SETS.c.folded == fold(feature_set.name))
    tx.insert(
        _VERSIONS,
        feature_set_id=tx.connection.execute(row).scalar_one(),
        number=number,
        fingerprint=fingerprint_of(feature_set.references),
        features=[str(reference) for reference in feature_set.references],
        author=tx.actor,
        created_at=tx.now,
        git_commit=code.commit,
        git_dirty=code.dirty,
    )
    version = current(tx.connection, feature_set.name)
    graph.add_feature_set(tx, version.reference, named, code)
    return version


def set_current(tx: Transaction, feature_set: FeatureSet, number: int) -> None:
    """Make a version the one that the bare name means, and replace owner, description and tags."""
    said = feature_set.metadata.to_json()
    tx.connection.execute(
        update(_SETS).where(_SETS.c.folded == fold(feature_set.name)).values(current_version=number, **said)
    )
