"""Read a snapshot's rows as they are stored: to look at them, whether or not they may be published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from featurestore.catalog import snapshots, versions
from featurestore.errors import CorruptError, RequestError
from featurestore.offline.output import output_schema

if TYPE_CHECKING:
    from featurestore.operations.context import Context

__all__ = ["read_snapshot"]


def read_snapshot(context: Context, snapshot: object, *, limit: int | None = None) -> pa.Table:
    """Return a snapshot's rows, in the order of its runs; also of one in quarantine.

    Parameters
    ----------
    snapshot
        Its id, or eight or more digits of it, or what another verb returned.
    limit
        The first so many rows only.

    Raises
    ------
    NotFoundError
        If there is no such snapshot.
    CorruptError
        If a file is missing.
    """
    if limit is not None and limit < 0:
        raise RequestError(f"limit={limit} is no number of rows: give 0 or more, or leave it away for all.")
    with context.catalog.read() as connection:
        found = snapshots.find(connection, snapshot)
        version = versions.find(connection, found.view, found.version)
    schema = output_schema(version.definition)
    paths = context.paths(found)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise CorruptError(f"{missing[0]} is missing: restore it from a backup, or materialize again.")
    if not paths:
        return schema.empty_table()
    rows = ds.dataset([str(path) for path in paths], schema=schema)
    return rows.to_table() if limit is None else rows.head(limit)
