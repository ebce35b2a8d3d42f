"""Foreign nodes: what other systems hold or do, named so that the graph can lead through it.

job/SYSTEM/NAME     what runs elsewhere: an Airflow task, a Spark job           job/airflow/daily.load
run/SYSTEM/ID       one execution of it                                         run/mlflow/0a1b2c3d
table/PLACE/NAME    rows kept elsewhere: a table, a dbt model, a file, a topic  table/postgres://db.host:5432/shop.public.orders
field/TABLE.COLUMN  one column of such a table                                  field/dbt/model.shop.orders.amount

What follows the kind is free text: colons, slashes and dots are part of it. Names ignore case, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import DefinitionError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["FOREIGN", "Link", "field_key", "foreign_node", "table_of"]

FOREIGN = ("job", "run", "table", "field")
"""Kinds of foreign nodes."""

_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Link:
    """A dependency that somebody told, or that was read from another system's metadata.

    Attributes
    ----------
    upstream, downstream
        Nodes as `kind/key`.
    kind
        `feeds`, or, between columns, `DIRECT` (values flow) or `INDIRECT` (they only act).
    actor, reason, at
        Who told it first, why, and when (UTC).
    new
        False if it was known already: a link never changes.
    """

    upstream: str
    downstream: str
    kind: str
    actor: str
    reason: str
    at: datetime
    new: bool


def foreign_node(text: str) -> tuple[str, str] | None:
    """Return kind and key if the text names a foreign node by its kind, else None.

    Raises
    ------
    DefinitionError
        If the name after the kind is empty, too long, or holds line breaks or other control characters.
    """
    kind, slash, key = text.strip().partition("/")
    if kind not in FOREIGN or not slash:
        return None
    key = key.strip()
    if not key or len(key) > _LONGEST or not key.isprintable():
        message = (
            f"{text!r} names no {kind}: write {kind}/ and its name in the other system, "
            f"at most {_LONGEST} printable characters."
        )
        raise DefinitionError(message)
    return kind, key


def field_key(table: str, column: str) -> str:
    """Return the key of a column of a foreign table."""
    return f"{table}.{column}"


def table_of(field: str) -> str | None:
    """Return the key of the table that a field's key names, or None if it names none."""
    table, dot, column = field.rpartition(".")
    return table if dot and table and column else None
