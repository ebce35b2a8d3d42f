"""Expand `*` and `t.*`, with EXCLUDE, REPLACE and RENAME."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import DefinitionError, nearest
from featurestore.lineage.dialect import place
from featurestore.lineage.graph import Item, Local

if TYPE_CHECKING:
    from featurestore.lineage.graph import Relation, Scope

__all__ = ["expand_star"]

_STAR = frozenset({"except_", "replace", "rename"})


def expand_star(sql: str, entry: exp.Expr, star: exp.Expr, scope: Scope) -> list[Item]:
    """Return the columns that a star stands for."""
    if any(value and key not in _STAR for key, value in star.args.items()):
        raise DefinitionError(f"This form of star{place(sql, entry)} is not supported: write the columns out.")
    qualifier = entry.args.get("table") if isinstance(entry, exp.Column) else None
    relations = _relations(sql, entry, qualifier, scope)
    replace = {column.alias.casefold(): column.this for column in star.args.get("replace") or []}
    rename = {column.this.name.casefold(): column.alias for column in star.args.get("rename") or []}
    excluded = [_excluded(column) for column in star.args.get("except_") or []]
    used: set[str] = set()
    items: list[Item] = []
    for relation in relations:
        for index, name in enumerate(relation.names):
            if qualifier is None and (relation.number, index) in scope.right_of_using:
                continue
            folded = (name or "").casefold()
            hit = [(table, column) for table, column in excluded if column == folded and table in {"", relation.alias}]
            if hit:
                used.add(folded)
                continue
            used.add(folded)
            if folded in replace:
                items.append(Item(name, replace[folded], aliased=True))
                continue
            merged = scope.merged.get(folded) if qualifier is None else None
            items.append(Item(rename.get(folded, name), None, merged or Local(relation, index)))
            items[-1].aliased = folded in rename
    for missing in [column for column in (*replace, *rename, *(name for _, name in excluded)) if column not in used]:
        known = [name for relation in relations for name in relation.names if name]
        raise DefinitionError(f"The star{place(sql, entry)} has no column {missing!r}.{nearest(missing, known)}")
    return items


def _excluded(column: exp.Expr) -> tuple[str, str]:
    table = column.args.get("table") if isinstance(column, exp.Column) else None
    return (table.name.casefold() if table is not None else "", column.name.casefold())


def _relations(sql: str, entry: exp.Expr, qualifier: exp.Expr | None, scope: Scope) -> list[Relation]:
    relations = scope.visible()
    if qualifier is None:
        if not relations:
            raise DefinitionError(f"`*`{place(sql, entry)} needs a FROM: there is no table whose columns it means.")
        return relations
    found = [relation for relation in relations if relation.alias == qualifier.name.casefold()]
    if not found:
        aliases = [relation.alias for relation in relations if relation.alias]
        raise DefinitionError(
            f"`{qualifier.name}.*`{place(sql, entry)}: no table is called {qualifier.name!r} here."
            f"{nearest(qualifier.name, aliases)} The fields of a struct are written out one by one."
        )
    return found
