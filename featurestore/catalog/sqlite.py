"""The catalog in SQLite: one file in the store's folder, in WAL mode, durable at every commit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from featurestore.errors import ConfigError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.exc import DBAPIError

    from featurestore.errors import FeatureStoreError

__all__ = ["Sqlite"]

_CACHE_KIB = 64 * 1024
_WRITES = "featurestore_write"


class Sqlite:
    """A database in one file; `begin immediate` lets one process write at a time, beside all that read.

    Parameters
    ----------
    url
        `sqlite:///PATH`.
    busy_seconds
        How long a write waits for another one.
    """

    def __init__(self, url: str, busy_seconds: float) -> None:
        self.read_options: Mapping[str, Any] = {}
        self.glance_options: Mapping[str, Any] = {}
        self.write_options: Mapping[str, Any] = {_WRITES: True}
        self.engine: Engine = create_engine(url)
        self._busy_seconds = busy_seconds
        event.listen(self.engine, "connect", self._prepare)
        event.listen(self.engine, "begin", _begin)

    @property
    def exists(self) -> bool:
        """Whether there is a file: opening one to look would make it."""
        return Path(self.engine.url.database or "").exists()

    def is_missing_table(self, error: DBAPIError) -> bool:
        """Tell whether a statement failed because its table is not there."""
        return "no such table" in str(error.orig)

    def lock(self, connection: Connection) -> None:
        """Do nothing: the transaction has the lock since it began."""

    def refusal(self, error: DBAPIError) -> FeatureStoreError | None:
        """Return the error to tell people instead, where we know what happened."""
        text = str(error.orig)
        if not isinstance(error, OperationalError):
            return None
        if "locked" in text:
            return ConflictError(
                f"the catalog stayed locked by another process for {self._busy_seconds} seconds: try again."
            )
        if "full" in text or "disk I/O" in text:
            return ConfigError(
                f"the catalog cannot be written ({text}); nothing was changed: make space, then try again."
            )
        return None

    def _prepare(self, connection: Any, _: Any) -> None:  # noqa: ANN401 - a DBAPI connection
        connection.isolation_level = None  # transactions are begun below, not by the driver's guesses
        for pragma in (
            f"busy_timeout = {int(self._busy_seconds * 1000)}",
            "journal_mode = wal",
            "synchronous = full",
            f"cache_size = -{_CACHE_KIB}",
            "foreign_keys = on",
        ):
            connection.execute(f"pragma {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")
