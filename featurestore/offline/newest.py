"""The newest row of each key: what is published. The same rule as the as-of join, at one moment for all keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from featurestore.errors import CorruptError
from featurestore.model.definition import Definition
from featurestore.model.settings import Settings
from featurestore.model.snapshot import DataFile
from featurestore.model.types import Timestamp
from featurestore.offline.arrow_types import to_arrow, to_duckdb
from featurestore.offline.connection import connect, identifier, literal, read_ahead, translated

__all__ = ["newest_rows", "positioned_rows"]

_ROWS = 1 << 40
"""More than the rows of all files together: positions below it make one number with the event time above it."""


def newest_rows(
    root: Path,
    definition: Definition,
    files: Sequence[DataFile],
    *,
    at: int | None = None,
    batch_rows: int = 65_536,
    settings: Settings | None = None,
    counted: Callable[[int], object] = int,
) -> Iterator[pa.RecordBatch]:
    """Give the newest row of each key with an event time up to `at`, sorted by key.

    Of rows with one event time the latest created wins, a null created time loses, then the row stored last. Files
    are sorted so, and the runs of a snapshot do not overlap in event time; so the winner is the last position in the
    files among the rows of the greatest event time, and keys and times alone tell which it is.

    Parameters
    ----------
    files
        The files of a snapshot, in order.
    at
        Microseconds since 1970 UTC; None takes all.
    counted
        Called once with the number of rows, before the first of them.

    Yields
    ------
    pyarrow.RecordBatch
        Keys, event time if there is one, features; of exactly the definition's types.
    """
    columns = [*definition.keys]
    if definition.event_time is not None:
        columns.append((definition.event_time, Timestamp))
    columns += [(feature.name, feature.type) for feature in definition.features]
    schema = pa.schema([(name, to_arrow(type_)) for name, type_ in columns])
    wanted = [
        file
        for file in files
        if file.rows and (at is None or definition.event_time is None or file.first is None or file.first <= at)
    ]
    if not wanted:
        counted(0)
        return
    missing = [file.path for file in wanted if not (Path(root) / file.path).is_file()]
    if missing:
        message = f"{Path(root) / missing[0]} is missing: restore it from a backup, or materialize again."
        raise CorruptError(message)
    winners = _winners(Path(root), definition, wanted, at)
    query = _query(Path(root), definition, wanted, [(name, to_duckdb(type_)) for name, type_ in columns])
    with (
        connect(Path(root), settings or Settings()) as connection,
        translated(f"the rows of feature view {definition.view!r}", binding=CorruptError),
    ):
        connection.execute(winners)
        counted(connection.sql("SELECT count(*) FROM winners").fetchall()[0][0])
        for batch in read_ahead(connection, query, batch_rows):
            if batch.num_rows:
                yield batch.cast(schema)


def _winners(root: Path, definition: Definition, files: Sequence[DataFile], at: int | None) -> str:
    """Return the statement that keeps the position of each key's newest row; DuckDB spills what is too much."""
    keys = ", ".join(identifier(key) for key, _ in definition.keys)
    event = definition.event_time
    narrow = keys if event is None else f"{keys}, {identifier(event)}"
    moment = "0" if event is None else f"epoch_us({identifier(event)})"
    up_to = "" if event is None or at is None else f"WHERE {moment} <= {at}"
    return f"""
        CREATE TEMP TABLE winners AS
        SELECT CAST((("__best" % {_ROWS}) + {_ROWS}) % {_ROWS} AS BIGINT) AS "__position" FROM (
            SELECT max(CAST({moment} AS HUGEINT) * {_ROWS} + "__position") AS "__best"
            FROM ({positioned_rows(root, files, narrow)}) {up_to} GROUP BY {keys}
        )
    """


def _query(root: Path, definition: Definition, files: Sequence[DataFile], columns: Sequence[tuple[str, str]]) -> str:
    """Return the query of the winners' rows, sorted by key: a single run is so already, and DuckDB keeps its order."""
    values = ", ".join(f"CAST(rows.{identifier(name)} AS {type_}) AS {identifier(name)}" for name, type_ in columns)
    names = ", ".join(identifier(name) for name, _ in columns)
    order = ", ".join(f"rows.{identifier(key)}" for key, _ in definition.keys)
    return f"""
        SELECT {values} FROM ({positioned_rows(root, files, names)}) AS rows
        SEMI JOIN winners ON rows."__position" = winners."__position"
        {f"ORDER BY {order}" if len(files) > 1 else ""}
    """


def positioned_rows(root: Path, files: Sequence[DataFile], columns: str) -> str:
    """Return a query of columns of all files, with each row's position in them."""
    parts = []
    offset = 0
    for file in files:
        parts.append(
            f'SELECT {columns}, CAST(file_row_number AS BIGINT) + {offset} AS "__position" '
            f"FROM read_parquet({literal(str(root / file.path))}, file_row_number = true)"
        )
        offset += file.rows
    return " UNION ALL ".join(parts)
