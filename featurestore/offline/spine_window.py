"""A spine made of a view's own rows: the distinct keys and event times that a snapshot holds in a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from featurestore.errors import CollisionError, CorruptError, RequestError
from featurestore.model.definition import Definition
from featurestore.model.settings import Settings
from featurestore.model.snapshot import DataFile
from featurestore.model.times import to_micros
from featurestore.model.types import Timestamp
from featurestore.offline.arrow_types import to_arrow, to_duckdb
from featurestore.offline.connection import compare_time, connect, identifier, literals, translated

__all__ = ["WindowSpine"]

_PIECE = 1 << 16


class WindowSpine:
    """The rows of a view in `[start, end)` of event time, by event time and then by keys.

    Parameters
    ----------
    files
        The files of a snapshot of the view.
    on
        `(entity key, spine column)` for all keys, in their order.
    timestamp
        The spine's column for the event time.
    start, end
        Either may be None, which is open.

    Attributes
    ----------
    schema
        The keys under their columns' names, then the time.
    rows
        None: how many is known when they were given.

    Raises
    ------
    RequestError
        If the view is a dimension, or the window ends before it starts.
    CollisionError
        If a key's column has the name of the time.
    """

    rows = None

    def __init__(
        self,
        root: Path,
        definition: Definition,
        files: Sequence[DataFile],
        *,
        on: Sequence[tuple[str, str]],
        timestamp: str,
        start: datetime | None,
        end: datetime | None,
        settings: Settings,
    ) -> None:
        if definition.event_time is None:
            message = (
                f"feature view {definition.view!r} is a dimension, so it has no rows between start and end: name a "
                "view with an event time first, or give a spine."
            )
            raise RequestError(message)
        if start is not None and end is not None and start >= end:
            message = f"start ({start.isoformat()}) is not before end ({end.isoformat()}): no time is in between."
            raise RequestError(message)
        if timestamp.casefold() in {column.casefold() for _, column in on}:
            message = f"the spine's time would be called {timestamp!r}, as a join key is: name it with timestamp=..."
            raise CollisionError(message)
        self._root, self._settings, self._view = root, settings, definition.view
        types = [*((column, dict(definition.keys)[key]) for key, column in on), (timestamp, Timestamp)]
        self.schema = pa.schema([(column, to_arrow(type_)) for column, type_ in types])
        event = definition.event_time
        named = [
            f"CAST({identifier(name)} AS {to_duckdb(type_)}) AS {identifier(column)}"
            for name, (column, type_) in zip([*(key for key, _ in on), event], types, strict=True)
        ]
        bounds = [
            compare_time(event, "TIMESTAMP WITH TIME ZONE", sign, moment)
            for sign, moment in ((">=", start), ("<", end))
            if moment is not None
        ]
        self._files = [root / file.path for file in files if _overlaps(file, start, end)]
        order = ", ".join(identifier(column) for column in [timestamp, *(column for _, column in on)])
        self._query = (
            f"SELECT DISTINCT {', '.join(named)} FROM ("
            f"SELECT * FROM read_parquet({literals(map(str, self._files))}) WHERE {' AND '.join(bounds)}"
            f") ORDER BY {order}"
        )

    def tables(self) -> Iterator[pa.Table]:
        """Give the rows in order, in pieces."""
        if not self._files:
            return
        with (
            connect(self._root, self._settings) as connection,
            translated(f"the rows of feature view {self._view!r}", binding=CorruptError),
        ):
            for batch in connection.sql(self._query).to_arrow_reader(_PIECE):
                yield pa.Table.from_batches([batch]).cast(self.schema)


def _overlaps(file: DataFile, start: datetime | None, end: datetime | None) -> bool:
    """Tell whether a file may hold rows of the window."""
    if not file.rows:
        return False
    before = end is not None and file.first is not None and file.first >= to_micros(end)
    after = start is not None and file.last is not None and file.last < to_micros(start)
    return not before and not after
