"""Profiles: what rows look like, kept beside the record of the rows.

A profile's JSON form is kept compressed, since it is read whole or not at all.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, select

from featurestore.catalog import schema
from featurestore.model.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.catalog.database import Transaction

__all__ = ["find", "forget_runs", "history", "is_known", "of_rows", "save"]

_PROFILES = schema.profiles
_LEVEL = 6


def _value(row: Row[Any]) -> Profile:
    return Profile.from_json(json.loads(zlib.decompress(row.body)))


def find(connection: Connection, kind: str, name: str, identity: str | None = None) -> Profile | None:
    """Return a profile: of a snapshot, a source at a data version, a frame; the newest one without an identity."""
    statement = select(_PROFILES.c.body).where(_PROFILES.c.kind == kind, _PROFILES.c.name == name)
    if identity is not None:
        statement = statement.where(_PROFILES.c.identity == identity)
    row = connection.execute(statement.order_by(_PROFILES.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _value(row)


def history(connection: Connection, kind: str, name: str) -> list[str]:
    """Return the identities of all profiles of one name, oldest first."""
    statement = select(_PROFILES.c.identity).where(_PROFILES.c.kind == kind, _PROFILES.c.name == name)
    return list(connection.execute(statement.order_by(_PROFILES.c.id)).scalars())


def of_rows(connection: Connection, name: str, rows_digest: str) -> Profile | None:
    """Return the profile of exactly these rows of a feature version, or None if it was not taken."""
    statement = select(_PROFILES.c.body).where(_PROFILES.c.name == name, _PROFILES.c.rows_digest == rows_digest)
    row = connection.execute(statement.order_by(_PROFILES.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _value(row)


def is_known(connection: Connection, name: str, rows_digest: str) -> bool:
    """Return whether `of_rows` has an answer."""
    statement = select(_PROFILES.c.id).where(_PROFILES.c.name == name, _PROFILES.c.rows_digest == rows_digest)
    return connection.execute(statement.limit(1)).first() is not None


def save(tx: Transaction, profile: Profile, *, rows_digest: str | None = None) -> None:
    """Keep a profile; one of the same name and identity that is there already is replaced.

    Parameters
    ----------
    rows_digest
        Digest of the files that hold exactly its rows.
    """
    same = (
        _PROFILES.c.kind == profile.kind,
        _PROFILES.c.name == profile.name,
        _PROFILES.c.identity == profile.id,
    )
    tx.connection.execute(delete(_PROFILES).where(*same))
    text = json.dumps(profile.to_json(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    tx.insert(
        _PROFILES,
        kind=profile.kind,
        name=profile.name,
        identity=profile.id,
        rows_digest=rows_digest,
        rows=profile.rows,
        body=zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL),
        at=tx.now,
    )


def forget_runs(tx: Transaction, name: str, kept: Iterable[str]) -> None:
    """Drop the profiles of runs that the head of a feature version has no longer: nothing will be merged from them."""
    statement = delete(_PROFILES).where(
        _PROFILES.c.kind == "run", _PROFILES.c.name == name, _PROFILES.c.identity.not_in(list(kept))
    )
    tx.connection.execute(statement)
