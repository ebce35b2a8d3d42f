"""What every verb works on: one store's parts, each opened when it is first used.

A question asked of the graph needs the catalog alone, and so loads no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from featurestore.operations.listening import Listeners

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.catalog.database import Catalog
    from featurestore.model.settings import Settings
    from featurestore.model.snapshot import Snapshot
    from featurestore.offline.compute import Engine
    from featurestore.offline.sources import SourceReader
    from featurestore.offline.tables import Tables
    from featurestore.online.base import OnlineStore
    from featurestore.operations.readings import Readings

__all__ = ["Context", "Notice", "Progress", "silent", "unheard"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how many rows are done, and how many there are (None: not known)."""


Notice = Callable[[str], None]
"""Called with what somebody should know of a change that is made all the same."""


def unheard(_text: str) -> None:
    """Tell nobody."""


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Show no progress."""


class Context:
    """One store's parts.

    Attributes
    ----------
    root
        The store's folder.
    settings, catalog
        What the configuration chose, and what is known.
    reader, engine, tables, online
        How sources are read, what computes, the Iceberg tables, and the rows ready to serve.
    readings
        What is remembered of how computations read their sources.
    progress, notice
        Where long work reports, and what warns.
    listeners
        Who is told what is done.
    """

    def __init__(self, root: Path, settings: Settings, catalog: Catalog) -> None:
        self.root = root
        self.settings = settings
        self.catalog = catalog
        self.progress: Progress = silent
        self.notice: Notice = unheard
        self.listeners = Listeners()
        catalog.on_commit = self.listeners.committed

    @cached_property
    def reader(self) -> SourceReader:
        """How sources are read."""
        from featurestore.offline.sources import SourceReader  # noqa: PLC0415 - see the module's docstring

        return SourceReader(self.root, self.settings)

    @cached_property
    def engine(self) -> Engine:
        """What computes."""
        from featurestore.offline.compute import Engine  # noqa: PLC0415

        return Engine(self.root, self.settings, self.reader)

    @cached_property
    def tables(self) -> Tables:
        """The Iceberg tables."""
        from featurestore.offline.tables import Tables  # noqa: PLC0415

        return Tables(self.root)

    @cached_property
    def online(self) -> OnlineStore:
        """The rows ready to serve."""
        from featurestore.online.opening import open_online  # noqa: PLC0415

        return open_online(self.root, self.settings)

    @cached_property
    def readings(self) -> Readings:
        """What is remembered of how computations read their sources."""
        from featurestore.operations.readings import Readings  # noqa: PLC0415

        return Readings(self.root / "readings.db")

    def paths(self, snapshot: Snapshot) -> tuple[Path, ...]:
        """Return where a snapshot's files are, in order of the runs."""
        return tuple(self.root / file.path for file in snapshot.files)

    def close(self) -> None:
        """Close what was opened."""
        self.listeners.close()
        for part in ("online", "tables", "engine", "reader", "readings"):
            if part in self.__dict__:
                getattr(self, part).close()
        self.catalog.close()
