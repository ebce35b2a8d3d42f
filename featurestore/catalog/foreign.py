"""Foreign nodes: jobs, runs, tables and fields of other systems, what they last said of them, and their events.

Edges of theirs: job -> table `writes`, table -> job `read by`, table -> table `feeds`, table -> field `has field`,
job -> run `ran as`; field -> field and field -> source column `DIRECT` or `INDIRECT`. A table that a source reads leads
to it by `is read as`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from featurestore.catalog import graph, schema
from featurestore.catalog.graph import Asset
from featurestore.model.foreign import field_key
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from featurestore.catalog.database import Transaction

__all__ = ["add_field", "facts", "is_news", "keys", "mark_imported", "record", "save_table", "say"]

_FACTS, _ASSETS = schema.foreign_facts, schema.assets
_MOST_KEYS = 10_000


def keys(connection: Connection, kinds: Collection[str]) -> list[str]:
    """Return the prefixed names of foreign nodes of these kinds, the newest ten thousand at most."""
    statement = select(_ASSETS.c.kind, _ASSETS.c.key).where(_ASSETS.c.kind.in_(sorted(kinds)))
    rows = connection.execute(statement.order_by(_ASSETS.c.id.desc()).limit(_MOST_KEYS))
    return [f"{row.kind}/{row.key}" for row in rows]


def facts(connection: Connection, asset: Asset) -> dict[str, Any]:
    """Return what was last said of a foreign node; nothing where nobody said anything."""
    statement = (
        select(_FACTS.c.current_facts)
        .join(_ASSETS, _ASSETS.c.id == _FACTS.c.asset_id)
        .where(_ASSETS.c.kind == asset.kind, _ASSETS.c.folded == fold(asset.key))
    )
    return dict(connection.execute(statement).scalar() or {})


def is_news(before: Mapping[str, Any], at: datetime) -> bool:
    """Tell whether what was said `at` a time is at least as new as what was said `before`."""
    return "said_at" not in before or datetime.fromisoformat(before["said_at"]) <= at


def say(tx: Transaction, asset: Asset, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Keep what is said of a foreign node over what was said before; return what was said before."""
    row = graph.node(tx, asset.kind, asset.key)
    before = tx.connection.execute(select(_FACTS.c.current_facts).where(_FACTS.c.asset_id == row)).scalar()
    now = {**(before or {}), **{name: value for name, value in said.items() if value}}
    if before is None:
        tx.connection.execute(insert(_FACTS).values(asset_id=row, current_facts=now))
    elif now != before:
        tx.connection.execute(update(_FACTS).where(_FACTS.c.asset_id == row).values(current_facts=now))
    return dict(before or {})


def add_field(tx: Transaction, table: str, column: str) -> tuple[str, str]:
    """Add a field of a foreign table, and return it as a node of an edge."""
    field = ("field", field_key(table, column))
    graph.link(tx, ("table", table), field, "has field")
    return field


def save_table(tx: Transaction, key: str, columns: Mapping[str, str], at: datetime | None = None, **said: Any) -> None:  # noqa: ANN401
    """Keep a table as it is said to be; a change of its columns becomes part of the history.

    Parameters
    ----------
    columns
        Column to type, as the other system names it; empty where it did not say.
    at
        When it was said; None is now.
    said
        Further facts: description, owner, of columns too.
    """
    asset, at = Asset("table", key), at or tx.now
    for column in columns:
        add_field(tx, key, column)
    if not is_news(facts(tx.connection, asset), at):
        return
    old = say(tx, asset, columns=dict(columns), said_at=at.isoformat(), **said).get("columns")
    if not columns or not old or old == dict(columns):
        return
    record(
        tx,
        "schema changed",
        asset,
        at,
        added=sorted(columns.keys() - old.keys()),
        removed=sorted(old.keys() - columns.keys()),
        retyped={
            name: [old[name], columns[name]]
            for name in sorted(old.keys() & columns.keys())
            if old[name] != columns[name]
        },
    )


def record(tx: Transaction, kind: str, asset: Asset, at: datetime | None = None, **detail: Any) -> None:  # noqa: ANN401
    """Add what happened elsewhere to the history, at the time at which it happened there."""
    values = {
        "at": tx.now if at is None else at,
        "kind": kind,
        "asset_kind": asset.kind,
        "subject": asset.key,
        "actor": tx.actor,
        "reason": "",
        "detail": detail if at is None else {**detail, "imported_at": tx.now.isoformat()},
    }
    tx.connection.execute(insert(schema.changes).values(values))


def mark_imported(tx: Transaction, digest: str) -> bool:
    """Keep that something was imported; return False if it was before."""
    if tx.connection.execute(select(schema.imports.c.at).where(schema.imports.c.digest == digest)).scalar() is not None:
        return False
    tx.connection.execute(insert(schema.imports).values(digest=digest, at=tx.now))
    return True
