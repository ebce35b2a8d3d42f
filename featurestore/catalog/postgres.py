"""The catalog in PostgreSQL: for stores that several machines change.

One transaction writes at a time: it takes an advisory lock before its first statement and holds it until it has
committed. So numbers of the history are given out in the order of commits, each statement of a writer sees all that was
committed before it, and no writer fails because of another. Readers take no lock and see one snapshot.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event, text

from featurestore.errors import ConfigError, ConflictError, FeatureStoreError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.exc import DBAPIError

__all__ = ["Postgres"]

_CONNECT_SECONDS = "10"
_IDLE_SECONDS = 60
_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"

_MISSING_TABLE = "42P01"
_LOCK_NOT_AVAILABLE = "55P03"
_FULL = "53100"
_TRY_AGAIN = {"40001", "40P01"}
_REFUSED = {"42501": "its user has not the right", "25006": "it is a standby, or read-only", "3F000": "no schema"}


class Postgres:
    """A database of a PostgreSQL server, or one schema of it, as the URL's `search_path` says.

    Parameters
    ----------
    url
        As libpq reads it, so that its options, `~/.pgpass` and `PGPASSWORD` count.
    busy_seconds
        How long a write waits for another one.

    Raises
    ------
    ConfigError
        If the URL is none.
    """

    def __init__(self, url: str, busy_seconds: float) -> None:
        self.read_options: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self.glance_options: Mapping[str, Any] = {"isolation_level": "AUTOCOMMIT"}
        self.write_options: Mapping[str, Any] = {"isolation_level": "READ COMMITTED"}
        self.exists = True
        self._busy_seconds = busy_seconds
        try:
            said = conninfo_to_dict(url)
        except psycopg.Error:
            said = None
        if said is None or not _is_whole(
            said
        ):  # outside of the handler: the driver's text may hold a part of the password
            raise ConfigError(
                f"the setting 'catalog' is no address of PostgreSQL: write {_FORM}; a password that holds one of "
                "/ : @ ? # % is written percent-encoded."
            )
        self.shown = _shown(said)
        given = {} if "connect_timeout" in said else {"connect_timeout": _CONNECT_SECONDS}
        self.engine: Engine = create_engine("postgresql+psycopg://", pool_pre_ping=True)
        event.listen(self.engine, "do_connect", partial(_connect, url, given))

    def is_missing_table(self, error: DBAPIError) -> bool:
        """Tell whether a statement failed because its table is not there."""
        return _state(error) == _MISSING_TABLE

    def lock(self, connection: Connection) -> None:
        """Wait until no other transaction writes to this catalog, and let none until this one ends.

        A machine that dies while it writes gives the lock back after a minute.
        """
        connection.execute(
            text(
                f"set local lock_timeout = {int(self._busy_seconds * 1000)}; "
                f"set local idle_in_transaction_session_timeout = {_IDLE_SECONDS * 1000}; "
                "select pg_advisory_xact_lock(hashtextextended('featurestore ' || current_schema(), 0))"
            )
        )

    def refusal(self, error: DBAPIError) -> FeatureStoreError | None:
        """Return the error to tell people instead, where we know what happened."""
        state, said = _state(error), str(error.orig).strip().partition("\n")[0]
        if state == _LOCK_NOT_AVAILABLE:
            return ConflictError(
                f"the catalog stayed locked by another process for {self._busy_seconds} seconds: try again."
            )
        if state in _TRY_AGAIN:
            return ConflictError(f"another process changed the catalog meanwhile ({said}): try again.")
        if state == _FULL:
            return ConfigError(
                f"the catalog cannot be written ({said}); nothing was changed: make space on its server."
            )
        if state in _REFUSED:
            return ConfigError(f"the catalog at {self.shown} refuses, {_REFUSED[state]}: {said}.")
        if error.connection_invalidated or (isinstance(error.orig, psycopg.OperationalError) and state is None):
            return UnavailableError(
                f"the catalog at {self.shown} cannot be reached: {said}. See that the server runs and that the setting "
                "'catalog' (or FEATURESTORE_CATALOG) names it and its user."
            )
        return None


def _connect(url: str, given: Mapping[str, Any], _dialect: Any, _record: Any, _args: Any, named: Any) -> Any:  # noqa: ANN401
    return psycopg.connect(url, application_name="featurestore", **given, **named)


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _is_whole(said: Mapping[str, Any]) -> bool:
    """Tell whether a URL was cut where it was meant: its parts are told to people, and one might be the password."""
    host, port, database = (str(said.get(part) or "") for part in ("host", "port", "dbname"))
    return "@" not in host + database and port.replace(",", "").isdecimal() == bool(port)


def _shown(said: Mapping[str, Any]) -> str:
    """Return an address to be told to people: without password and options."""
    host = ":".join(str(said[part]) for part in ("host", "port") if said.get(part))
    user = f"{said['user']}@" if said.get("user") else ""
    return f"postgresql://{user}{host}/{said.get('dbname') or ''}"
