"""Readings, remembered: how a computation reads its sources is found once for each text, not at each plan or check.

What is remembered lies in the store's folder, in `readings.db`, under a digest of all that it was found from: the text,
the columns of the sources, what the view declares, and the releases of the libraries that read it. It may be deleted,
and is never the truth: where it cannot be read or written, texts are read again.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from featurestore.model.definition import digest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Readings"]

_FORM = 2
"""Of what is remembered and how it is found; another number forgets all."""

_MOST = 50_000
"""Readings that are kept; with more, the older half goes."""

_READERS = ("duckdb", "featurestore", "polars", "sqlglot")


class Readings:
    """JSON values by the digest of what they were found from.

    Parameters
    ----------
    file
        Where they lie.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new: dict[str, str] = {}
        self._connection: sqlite3.Connection | None = None
        self._broken = False

    @cached_property
    def _releases(self) -> list[str]:
        return [f"{name} {version(name)}" for name in _READERS]

    def key(self, *parts: object) -> str:
        """Return the digest of JSON values and of the libraries' releases."""
        return digest([_FORM, self._releases, *parts])

    def find(self, key: str) -> Any:  # noqa: ANN401 - a JSON value
        """Return what is remembered, or None."""
        if key in self._new:
            return json.loads(self._new[key])
        row = self._ask("select value from readings where key = ?", key)
        return None if row is None else json.loads(row)

    def keep(self, key: str, value: object) -> None:
        """Remember a value; it lies in the file after `save`."""
        self._new[key] = json.dumps(value, separators=(",", ":"))

    def save(self) -> None:
        """Write what is new. Of two processes at once one may write nothing: no harm."""
        if not self._new:
            return
        rows, self._new = list(self._new.items()), {}
        self.close()
        try:
            with closing(sqlite3.connect(self._file, timeout=1)) as connection, connection:
                connection.execute("create table if not exists readings (key text primary key, value text not null)")
                connection.executemany("insert or ignore into readings values (?, ?)", rows)
                (count,) = connection.execute("select count(*) from readings").fetchone()
                if count > _MOST:
                    connection.execute(
                        "delete from readings where rowid in (select rowid from readings order by rowid limit ?)",
                        (count - _MOST // 2,),
                    )
        except sqlite3.OperationalError:
            return  # busy, full or read-only: texts are read again, which is slower and nothing else
        except sqlite3.DatabaseError:
            self._file.unlink(missing_ok=True)  # it is no database: begin again

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, statement: str, key: str) -> str | None:
        if self._broken or not self._file.exists():
            return None
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, check_same_thread=False)
            row = self._connection.execute(statement, (key,)).fetchone()
        except sqlite3.DatabaseError:
            self._broken = True  # as above
            return None
        return None if row is None else str(row[0])
