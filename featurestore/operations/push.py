"""Push: rows given by a caller join the log of a push source; the next refresh folds them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.catalog import sources
from featurestore.errors import ContractError, NotFoundError, RequestError, nearest
from featurestore.model.types import FeatureType, parse_type
from featurestore.offline.arrow_types import to_arrow

if TYPE_CHECKING:
    from featurestore.operations.context import Context

__all__ = ["Pushed", "push"]


@dataclass(frozen=True, slots=True)
class Pushed:
    """Rows kept: how many, of which source, and the source's data version with them."""

    source: str
    rows: int
    data_version: str


def push(context: Context, source: str, rows: Any) -> Pushed:  # noqa: ANN401 - a table of any library
    """Append rows to a push source.

    Raises
    ------
    NotFoundError
        If no applied view reads such a source.
    RequestError
        If it is no push source.
    ContractError
        If a column is missing, unknown, or of another type than the source's schema; then no row is kept.
    """
    with context.catalog.read() as connection:
        known = sources.find(connection, source)
        if known is None:
            raise NotFoundError(f"there is no source {source!r}.{nearest(source, sources.names(connection))}")
    if known["kind"] != "push":
        raise RequestError(f"source {source!r} is a {known['kind']} source, which is read, not pushed to.")
    name, location = known["name"], known["location"]
    table = _table(name, {column: parse_type(text) for column, text in location["schema"].items()}, rows)
    context.reader.keep_rows(name, table, append=True)
    version = context.reader.data_version(name, "push", location)
    with context.catalog.write() as tx:
        tx.record("pushed", "source", name, rows=table.num_rows, data_version=version)
    return Pushed(name, table.num_rows, version)


def _table(name: str, schema: Mapping[str, FeatureType], rows: Any) -> pa.Table:  # noqa: ANN401 - as above
    """Return the rows with exactly the source's columns and types."""
    try:
        if isinstance(rows, Mapping):
            table = pa.table(dict(rows))
        elif isinstance(rows, (list, tuple)):
            table = pa.Table.from_pylist(list(rows))
        else:
            table = pa.table(rows)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise RequestError(f"the rows pushed to {name!r} are no table: {error}") from error
    for column in table.column_names:
        if column not in schema:
            raise ContractError(f"source {name!r} has no column {column!r}.{nearest(column, schema)}")
    columns = []
    for column, type_ in schema.items():
        if column not in table.column_names:
            raise ContractError(f"the rows pushed to {name!r} lack the column {column!r} ({type_}): add it, or nulls.")
        try:
            columns.append(table.column(column).cast(to_arrow(type_)))
        except pa.ArrowException as error:
            raise ContractError(
                f"column {column!r} pushed to {name!r} is declared {type_}, found {table.column(column).type}: {error}"
            ) from error
    return pa.table(columns, names=list(schema))
