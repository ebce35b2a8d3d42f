"""Push: rows given by a caller join the log of a push source; the next refresh folds them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.catalog import sources
from featurestore.errors import NotFoundError, RequestError, nearest

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
    context.catalog.require_writable()
    with context.catalog.read() as connection:
        known = sources.find(connection, source)
        if known is None:
            raise NotFoundError(f"there is no source {source!r}.{nearest(source, sources.names(connection))}")
    if known["kind"] != "push":
        raise RequestError(f"source {source!r} is a {known['kind']} source, which is read, not pushed to.")
    kept, version = context.reader.push(known["name"], known["location"], rows)
    with context.catalog.write() as tx:
        tx.record("pushed", "source", known["name"], rows=kept, data_version=version)
    return Pushed(known["name"], kept, version)
