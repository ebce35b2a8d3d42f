"""Columns of others' SQL: read in its dialect, with the tables that it names, by the reader that reads our views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from featurestore.errors import DefinitionError

__all__ = ["Table", "column_uses"]

Use = tuple[str, str, str]
"""A table's key, its column, and `DIRECT` or `INDIRECT`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that SQL may name.

    Attributes
    ----------
    key
        How uses name it.
    names
        Its name in SQL, the most specific first part left out where it may be: `("orders", "public", "shop")`.
    columns
        Column to type; all of them, or nothing can be read.
    """

    key: str
    names: tuple[str, ...]
    columns: Mapping[str, str]

    def is_named(self, parts: tuple[str, ...]) -> bool:
        """Tell whether the parts of a name in SQL, table first, name it."""
        return all(one.casefold() == two.casefold() for one, two in zip(parts, self.names, strict=False))


def column_uses(sql: str, tables: Iterable[Table], dialect: str = "duckdb") -> dict[str, list[Use]] | None:
    """Return what each output of a query comes from; None if the query cannot be read to the last column.

    Parameters
    ----------
    sql
        One SELECT.
    tables
        The tables that it may name; one that it names and that is not among them makes it unreadable.
    dialect
        As sqlglot calls it.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    from featurestore.lineage.sql import analyse

    known = list(tables)
    try:
        tree = parse_one(sql, read=dialect)
        schemas: dict[str, dict[str, str]] = {}
        keys: dict[str, str] = {}
        ctes = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
        for node in list(tree.find_all(exp.Table)):
            parts = tuple(part for part in (node.name, node.db, node.catalog) if part)
            if not parts or (len(parts) == 1 and parts[0].casefold() in ctes):
                continue
            table = next((table for table in known if table.is_named(parts)), None)
            if table is None or not table.columns:
                return None
            name = f"t{known.index(table)}"
            schemas[name] = {column: type_ or "VARCHAR" for column, type_ in table.columns.items()}
            keys[name] = table.key
            node.replace(exp.to_table(name, alias=node.alias or parts[0]))
        found = analyse(tree.sql(dialect="duckdb"), schemas)
    except (SqlglotError, DefinitionError):
        return None
    return {output: [(keys[use.source], use.column, use.kind) for use in uses] for output, uses in found.uses.items()}
