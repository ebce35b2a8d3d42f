"""What a name means: the rules by which DuckDB binds a column reference, measured in tests/lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import DefinitionError, nearest
from featurestore.lineage.graph import AliasOf, Either, Local, Merged, Mode, OutputOf, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.lineage.graph import Binding, Relation, Scope

__all__ = ["AmbiguousNameError", "bind", "column_of", "unknown", "with_fields"]


class AmbiguousNameError(DefinitionError):
    """Two relations carry the column."""


def with_fields(binding: Binding, fields: Sequence[str]) -> Binding:
    """Return `binding` with struct fields read of it."""
    match binding:
        case Local(relation=relation, index=index, fields=before):
            return Local(relation, index, (*before, *fields))
        case AliasOf(query=query, index=index, fields=before):
            return AliasOf(query, index, (*before, *fields))
        case OutputOf(query=operation, index=index, fields=before):
            return OutputOf(operation, index, (*before, *fields))
        case Merged(left=left, right=right, fields=before):
            return Merged(left, right, (*before, *fields))
        case _:
            return binding


def column_of(relations: Sequence[Relation], name: str) -> Binding | None:
    """Return the column `name` of the one relation that has it."""
    found = [(relation, relation.find(name)) for relation in relations]
    hits = [Local(relation, index) for relation, index in found if index is not None]
    if len(hits) > 1:
        choices = " or ".join(f"{hit.relation.alias or '...'}.{name}" for hit in hits)
        raise AmbiguousNameError(f"Column {name!r} is ambiguous: write {choices}.")
    return hits[0] if hits else None


def _column(scope: Scope, parts: Sequence[str]) -> Binding | None:
    if len(parts) > 1:
        for relation in scope.visible():
            index = relation.find(parts[1]) if relation.alias == parts[0].casefold() else None
            if index is not None:
                return Local(relation, index, tuple(parts[2:]))
    merged = scope.merged.get(parts[0].casefold())
    found = merged if merged is not None else column_of(scope.visible(), parts[0])
    return None if found is None else with_fields(found, parts[1:])


def _aliases(scope: Scope, parts: Sequence[str], *, own: bool) -> list[Binding]:
    """Return the items whose alias is meant; a nested query may see later ones too (DuckDB does)."""
    if scope.mode is Mode.NONE:
        return []
    folded = parts[0].casefold()
    found: list[Binding] = []
    for index, entry in enumerate(scope.query.items):
        if entry.name is None or entry.name.casefold() != folded or index == scope.current:
            continue
        if own and scope.current is not None and index > scope.current:
            continue
        found.append(AliasOf(scope.query, index, tuple(parts[1:])))
    return found


def _rows(scope: Scope, parts: Sequence[str]) -> list[Binding]:
    if len(parts) > 1:
        return []
    return [Row(relation) for relation in scope.visible() if relation.alias == parts[0].casefold()]


def _same(alias: Binding, column: Binding | None) -> bool:
    """Tell whether an alias names just the column that was found: `select k ... order by k`."""
    if not isinstance(alias, AliasOf) or column is None:
        return False
    entry = alias.query.items[alias.index]
    return entry.binding is not None and with_fields(entry.binding, alias.fields) == column


def bind(parts: Sequence[str], scope: Scope) -> Binding | None:
    """Return what `a`, `t.a`, `t.a.field` ... means inside `scope`, or None if nothing carries the name.

    Where DuckDB's choice between a column and an alias depends on the query, all readings are returned as `Either`, so
    that no two different queries get the same canonical form; lineage takes the one that is meant where that is sure.

    Raises
    ------
    AmbiguousNameError
        If two relations carry the column and no alias settles it.
    """
    readings: list[Binding] = []
    level: Scope | None = scope
    while level is not None:
        own = level is scope
        ambiguous: AmbiguousNameError | None = None
        column: Binding | None = None
        try:
            column = _column(level, parts)
        except AmbiguousNameError as error:
            ambiguous = error
        if column is not None and ((own and level.mode is not Mode.EITHER) or level.mode is Mode.NONE):
            readings.append(column)
            break
        others = [alias for alias in _aliases(level, parts, own=own) if not _same(alias, column)]
        if ambiguous is not None and not others:
            raise ambiguous
        if column is not None:
            readings += [column, *others]
            break
        readings += others or _rows(level, parts)
        if ambiguous is not None:
            break
        level = level.parent
    unique = tuple(dict.fromkeys(readings))
    if len(unique) > 1:
        return Either(unique)
    return unique[0] if unique else None


def known_names(scope: Scope) -> Iterator[str]:
    """Yield the names that could have been meant."""
    level: Scope | None = scope
    while level is not None:
        for relation in level.visible():
            yield from (name for name in relation.names if name is not None)
        if level.mode is not Mode.NONE:
            for index, entry in enumerate(level.query.items):
                if entry.aliased and entry.name is not None and index != level.current:
                    yield entry.name
        level = level.parent


def unknown(parts: Sequence[str], scope: Scope, where: str) -> str:
    """Return the sentence that says what is unknown about a reference, and what may have been meant."""
    if len(parts) > 1:
        level: Scope | None = scope
        aliases: list[str] = []
        while level is not None:
            for relation in level.visible():
                if relation.alias == parts[0].casefold():
                    names = [name for name in relation.names if name is not None]
                    return f"{parts[0]!r} has no column {parts[1]!r}{where}.{nearest(parts[1], names)}"
                aliases += [relation.alias] if relation.alias else []
            level = level.parent
        known = nearest(parts[0], [*aliases, *known_names(scope)])
        return f"No table or column is called {parts[0]!r} here{where}.{known}"
    return f"No column is called {parts[0]!r} here{where}.{nearest(parts[0], known_names(scope))}"
