"""What every verb works on: one store's parts, opened once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from featurestore.catalog.database import Catalog
from featurestore.model.settings import Settings
from featurestore.model.snapshot import Snapshot
from featurestore.offline.compute import Engine
from featurestore.offline.sources import SourceReader
from featurestore.offline.tables import Tables
from featurestore.online.base import OnlineStore

__all__ = ["Context", "Progress", "silent"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how many rows are done, and how many there are (None: not known)."""


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Context:
    """One store's parts.

    Attributes
    ----------
    root
        The store's folder.
    settings, catalog, reader, engine, tables, online
        What the configuration chose, what is known, how sources are read, what computes, the Iceberg tables, and the
        rows ready to serve.
    progress
        Where long work reports.
    """

    root: Path
    settings: Settings
    catalog: Catalog
    reader: SourceReader
    engine: Engine
    tables: Tables
    online: OnlineStore
    progress: Progress = silent

    def paths(self, snapshot: Snapshot) -> tuple[Path, ...]:
        """Return where a snapshot's files are, in order of the runs."""
        return tuple(self.root / file.path for file in snapshot.files)
