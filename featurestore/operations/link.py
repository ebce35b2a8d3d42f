"""Link: tell a dependency on something outside the store, which nothing here can derive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import changes, foreign, graph
from featurestore.catalog.graph import Asset
from featurestore.errors import NotFoundError, RequestError
from featurestore.lineage.nodes import parse_node
from featurestore.model.foreign import FOREIGN, Link, foreign_node, table_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.operations.context import Context

__all__ = ["link"]

_COLUMNS = frozenset({"field", "column", "feature"})


def link(context: Context, upstream: object, downstream: object, *, reason: str = "", indirect: bool = False) -> Link:
    """Tell that `downstream` depends on `upstream`; at least one of them is foreign.

    Parameters
    ----------
    upstream, downstream
        A foreign node by its kind (`job/airflow/daily.load`, `table/postgres://host/db.public.orders`), which is made
        if it is new; or any node that the store knows: a source, `source.column`, a feature, a model version.
    reason
        Why, for the history.
    indirect
        Between columns: the upstream one only acts (in a filter, a join), its values do not flow.

    Returns
    -------
    Link
        The same link again changes nothing and returns what was told first.

    Raises
    ------
    NotFoundError
        If a node is neither known nor foreign; the message names the nearest one.
    RequestError
        If both are the store's own (their edges come from what was applied, trained and deployed), both are one, or
        `indirect` is said of what are not columns.
    """
    with context.catalog.write() as tx:
        above, below = _node(tx.connection, upstream), _node(tx.connection, downstream)
        kind = _kind(above, below, indirect=indirect)
        for asset in (above, below):
            _add(tx, asset)
        new = graph.link(tx, (above.kind, above.key), (below.kind, below.key), kind)
        upper, lower = f"{above.kind}/{above.key}", f"{below.kind}/{below.key}"
        if new:
            tx.record("linked", below.kind, below.key, reason, upstream=upper, how=kind)
        told = next(
            (
                change
                for change in changes.between(tx.connection, subjects={below.kind: [below.key]})
                if change.kind == "linked" and (change.detail["upstream"], change.detail["how"]) == (upper, kind)
            ),
            None,
        )
    if told is None:  # known from an import, not from a person
        return Link(upper, lower, kind, tx.actor, "", tx.now, new=False)
    return Link(upper, lower, kind, told.actor, told.reason, told.at, new)


def _node(connection: Connection, value: object) -> Asset:
    named = foreign_node(value) if isinstance(value, str) else None
    if named is not None:
        found = graph.find(connection, named[1], named[0])
        return found[0][1] if found else Asset(*named)
    try:
        return parse_node(connection, value)
    except NotFoundError as error:
        kinds = ", ".join(f"{kind}/..." for kind in FOREIGN)
        raise NotFoundError(f"{error} A thing outside the store is named by its kind: {kinds}.") from error


def _kind(above: Asset, below: Asset, *, indirect: bool) -> str:
    """Return the kind of edge between two nodes that may be linked."""
    if above.kind not in FOREIGN and below.kind not in FOREIGN:
        raise RequestError(
            f"{above.key!r} and {below.key!r} are both the store's own: their edges come from what is applied, trained "
            "and deployed. Link what is outside: " + ", ".join(f"{kind}/..." for kind in FOREIGN) + "."
        )
    if (above.kind, above.key.casefold()) == (below.kind, below.key.casefold()):
        raise RequestError(f"{above.key!r} cannot be upstream of itself: name two nodes.")
    columns = above.kind in _COLUMNS and below.kind in _COLUMNS
    if indirect and not columns:
        raise RequestError(
            f"indirect= tells how a column acts on another, and a {above.kind} and a {below.kind} are not two columns."
        )
    return "feeds" if not columns else "INDIRECT" if indirect else "DIRECT"


def _add(tx: Transaction, asset: Asset) -> None:
    """Add a foreign node, and a field's table above it."""
    table = table_of(asset.key) if asset.kind == "field" else None
    if table is not None and not graph.find(tx.connection, asset.key, "field"):
        foreign.add_field(tx, table, asset.key.rpartition(".")[2])
