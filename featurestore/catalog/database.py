"""The catalog's database: opened, migrated, read in one consistent view, changed in one serial transaction."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import DBAPIError

from featurestore.catalog import schema
from featurestore.catalog.sqlite import Sqlite
from featurestore.errors import ConfigError, FeatureStoreError, ReadOnlyError
from featurestore.model.history import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["REVISION", "Catalog", "Transaction", "acting_as", "current_actor"]

REVISION = "0008"
"""The migration that this release's tables are at."""

_BUSY_SECONDS = 30


_acting: ContextVar[str | None] = ContextVar("featurestore_actor", default=None)


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Record the changes that this thread makes meanwhile as another's: those of a server are its callers'."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> str:
    """Return who acts: as `acting_as` says, else `FEATURESTORE_ACTOR`, else the user that runs the process."""
    if (actor := _acting.get()) is not None:
        return actor
    try:
        return os.environ.get("FEATURESTORE_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One write transaction: nothing else is written to the catalog between its start and its end.

    Attributes
    ----------
    connection
        For statements.
    now
        The wall clock at its start, UTC: one time for all that it writes.
    actor
        Who acts.
    recorded
        What was added to the history so far.
    known
        Rows of nodes, and edges, that were looked up or added: nobody else writes meanwhile, and none is ever altered.
    """

    connection: Connection
    now: datetime
    actor: str
    recorded: list[Change] = field(default_factory=list)
    known: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def record(self, kind: str, asset_kind: str, subject: str, reason: str = "", **detail: Any) -> int:  # noqa: ANN401
        """Add a row to the history of changes and return its sequence number."""
        values = {
            "at": self.now,
            "kind": kind,
            "asset_kind": asset_kind,
            "subject": subject,
            "actor": self.actor,
            "reason": reason,
            "detail": detail,
        }
        result = self.connection.execute(insert(schema.changes).values(values))
        row = int(result.inserted_primary_key[0]) if result.inserted_primary_key else 0
        self.recorded.append(Change(row, self.now, kind, f"{asset_kind}/{subject}", self.actor, reason, detail))
        return row

    def insert(self, table: Any, **values: Any) -> int:  # noqa: ANN401 - any table, any values
        """Add a row and return its number."""
        key = self.connection.execute(insert(table).values(values)).inserted_primary_key
        return key[0] if key and isinstance(key[0], int) else 0


class Backend(Protocol):
    """A kind of database that can hold a catalog."""

    @property
    def engine(self) -> Engine:
        """Its connections."""

    @property
    def exists(self) -> bool:
        """Whether it can be looked at without being made."""

    @property
    def read_options(self) -> Mapping[str, Any]:
        """Of a connection whose transaction sees one state."""

    @property
    def glance_options(self) -> Mapping[str, Any]:
        """Of a connection for one statement."""

    @property
    def write_options(self) -> Mapping[str, Any]:
        """Of a connection whose transaction writes."""

    def lock(self, connection: Connection) -> None:
        """Let no other transaction write until this one ends; it has just begun."""

    def is_missing_table(self, error: DBAPIError) -> bool:
        """Tell whether a statement failed because its table is not there."""

    def refusal(self, error: DBAPIError) -> FeatureStoreError | None:
        """Return the error to tell people instead, where it is known what happened."""


class Catalog:
    """The catalog's database.

    Parameters
    ----------
    url
        `sqlite:///PATH`, or `postgresql://...` as libpq reads it.
    read_only
        Refuse to write, and to migrate.

    Attributes
    ----------
    on_commit
        Called with what a transaction has recorded, once that is committed. It must not raise.

    Raises
    ------
    ConfigError
        If the database is of a newer release, or is missing or older and may not be written; if the URL is none, or the
        library that PostgreSQL needs is not installed.
    UnavailableError
        If the server cannot be reached.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.on_commit: Callable[[Sequence[Change]], None] | None = None
        self._backend = _backend(url)
        try:
            self._bring_up_to_date()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._backend.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state.

        Raises
        ------
        UnavailableError
            If the database's server cannot be reached.
        """
        with self._connected(self._backend.read_options) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Yield the one write transaction there is now; an exception undoes all of it.

        Raises
        ------
        ReadOnlyError
            If the store was opened read-only.
        ConflictError
            If other processes kept the catalog locked for 30 seconds.
        ConfigError
            If it cannot be written: its disk is full, or its user may not.
        UnavailableError
            If the database's server cannot be reached.
        """
        self.require_writable()
        recorded: list[Change] = []
        with self._connected(self._backend.write_options) as connection, connection.begin():
            self._backend.lock(connection)
            yield Transaction(connection, datetime.now(UTC), current_actor(), recorded)
        if self.on_commit is not None and recorded:
            self.on_commit(recorded)

    def require_writable(self) -> None:
        """Hold that the store may be changed, before work that would be in vain.

        Raises
        ------
        ReadOnlyError
            If it was opened read-only.
        """
        if self.read_only:
            raise ReadOnlyError("the store was opened read-only: open it with read_only=False to change it.")

    def sequence(self) -> int:
        """Return the number of the newest change: equal numbers mean an equal catalog."""
        with self._connected(self._backend.glance_options) as connection:
            return int(connection.execute(text("select coalesce(max(id), 0) from changes")).scalar_one())

    @contextmanager
    def _connected(self, options: Mapping[str, Any]) -> Iterator[Connection]:
        """Yield a connection; a failure of the database is told in our words where they say more."""
        try:
            with self._backend.engine.connect().execution_options(**options) as connection:
                yield connection
        except DBAPIError as error:
            refusal = self._backend.refusal(error)
            if refusal is None:
                raise
            raise refusal from error

    def _revision(self) -> str | None:
        if not self._backend.exists:
            return None
        try:
            with self._connected(self._backend.glance_options) as connection:
                return connection.execute(text("select version_num from alembic_version")).scalar()
        except DBAPIError as error:
            if self._backend.is_missing_table(error):
                return None
            raise

    def _bring_up_to_date(self) -> None:
        revision = self._revision()
        if revision == REVISION:
            return
        if revision is not None and revision > REVISION:
            raise ConfigError(
                f"the catalog is at revision {revision}, written by a newer featurestore; this one knows {REVISION}: "
                "upgrade this one."
            )
        if self.read_only:
            state = (
                "has no catalog yet" if revision is None else f"has a catalog at revision {revision}, not {REVISION}"
            )
            raise ConfigError(f"the store {state}, and it was opened read-only: open it once for writing.")
        with self._connected(self._backend.write_options) as connection, connection.begin():
            self._backend.lock(connection)
            _migrate(connection)


def _backend(url: str) -> Backend:
    if not url.startswith("postgres"):
        return Sqlite(url, _BUSY_SECONDS)
    try:
        from featurestore.catalog.postgres import Postgres  # noqa: PLC0415 - optional
    except ModuleNotFoundError as error:
        raise ConfigError(
            "a catalog in PostgreSQL needs its client library: pip install 'featurestore[postgres]'."
        ) from error
    return Postgres(url, _BUSY_SECONDS)


def _migrate(connection: Connection) -> None:
    """Bring the tables to this release; processes that start at once do it one after the other."""
    from alembic import command  # noqa: PLC0415 - only a new or older store pays for it
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(f"the catalog was written by a newer featurestore ({error}): upgrade this one.") from error
