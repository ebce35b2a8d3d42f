"""The catalog's database: opened, migrated, read in one consistent view, changed in one serial transaction."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, text
from sqlalchemy.exc import OperationalError

from featurestore.catalog import schema
from featurestore.errors import ConfigError, ConflictError, ReadOnlyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REVISION", "Catalog", "Transaction", "acting_as", "current_actor"]

REVISION = "0006"
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
    """

    connection: Connection
    now: datetime
    actor: str

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
        return int(result.inserted_primary_key[0]) if result.inserted_primary_key else 0

    def insert(self, table: Any, **values: Any) -> int:  # noqa: ANN401 - any table, any values
        """Add a row and return its number."""
        key = self.connection.execute(insert(table).values(values)).inserted_primary_key
        return key[0] if key and isinstance(key[0], int) else 0


class Catalog:
    """The catalog's database.

    Parameters
    ----------
    url
        SQLAlchemy URL. SQLite is opened in WAL mode and made durable at every commit.
    read_only
        Refuse to write, and to migrate.

    Raises
    ------
    ConfigError
        If the database is of a newer release, or is missing or older and may not be written.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.engine = _engine(url)
        try:
            _bring_up_to_date(self.engine, read_only=read_only)
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state."""
        with self.engine.connect() as connection, connection.begin():
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
            If it cannot be written: its disk is full.
        """
        self.require_writable()
        try:
            with self.engine.connect().execution_options(featurestore_write=True) as connection, connection.begin():
                yield Transaction(connection, datetime.now(UTC), current_actor())
        except OperationalError as error:
            if "locked" in str(error.orig):
                raise ConflictError(
                    f"the catalog stayed locked by another process for {_BUSY_SECONDS} seconds: try again."
                ) from error
            if "full" in str(error.orig) or "disk I/O" in str(error.orig):
                raise ConfigError(
                    f"the catalog cannot be written ({error.orig}); nothing was changed: make space, then try again."
                ) from error
            raise

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
        with self.engine.connect() as connection:
            return int(connection.execute(text("select coalesce(max(id), 0) from changes")).scalar_one())


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name != "sqlite":
        return engine.execution_options(isolation_level="SERIALIZABLE")

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:  # noqa: ANN401 - a DBAPI connection
        connection.isolation_level = None  # transactions are begun below, not by the driver's guesses
        for pragma in (
            f"busy_timeout = {_BUSY_SECONDS * 1000}",
            "journal_mode = wal",
            "synchronous = full",
            "foreign_keys = on",
        ):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("featurestore_write", False)
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    return engine


def _revision(engine: Engine) -> str | None:
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return None
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("select version_num from alembic_version")).scalar()


def _bring_up_to_date(engine: Engine, *, read_only: bool) -> None:
    revision = _revision(engine)
    if revision == REVISION:
        return
    if revision is not None and revision > REVISION:
        raise ConfigError(
            f"the catalog is at revision {revision}, written by a newer featurestore; this one knows {REVISION}: "
            "upgrade this one."
        )
    if read_only:
        state = "has no catalog yet" if revision is None else f"has a catalog at revision {revision}, not {REVISION}"
        raise ConfigError(f"the store {state}, and it was opened read-only: open it once for writing.")
    _migrate(engine)


def _migrate(engine: Engine) -> None:
    """Bring the tables to this release; processes that start at once do it one after the other."""
    from alembic import command  # noqa: PLC0415 - only a new or older store pays for it
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect().execution_options(featurestore_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"the catalog was written by a newer featurestore ({error}): upgrade this one."
            ) from error
