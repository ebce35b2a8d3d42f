"""Resolve the names of one expression, and note what it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlglot import exp

from featurestore.errors import DefinitionError, nearest
from featurestore.lineage.dialect import AGGREGATES, EXPANDING, UNSTABLE, place
from featurestore.lineage.graph import AliasOf, Bound, Either, Local, Row, out, rows, window
from featurestore.lineage.names import AmbiguousNameError, bind, unknown, with_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from featurestore.lineage.graph import Binding, Cte, Graph, Node, Query, Scope

__all__ = [
    "Expressions",
    "aggregates",
    "children",
    "expands",
    "function_name",
    "is_query",
    "is_role",
    "restore_columns",
]

_NO_PARENTHESES = (
    exp.CurrentCatalog,
    exp.CurrentDate,
    exp.CurrentDatetime,
    exp.CurrentRole,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.CurrentUser,
    exp.Localtime,
    exp.Localtimestamp,
    exp.SessionUser,
)
# Where an identifier is a label rather than a name to resolve: (parent, argument).
_LABELS = frozenset(
    {
        (exp.Alias, "alias"),
        (exp.Anonymous, "this"),
        (exp.Comprehension, "expression"),
        (exp.Dot, "expression"),
        (exp.Kwarg, "this"),
        (exp.Lambda, "expressions"),
        (exp.PropertyEQ, "this"),
        (exp.Window, "alias"),
        (exp.Window, "this"),
    }
)
_SETS = frozenset({"grouping", "grouping_id"})  # tell which columns a row is grouped by, not what they hold
_MODIFIERS = (exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)


def children(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """Yield the arguments of `node` that are expressions, with the name of the argument."""
    for key, value in node.args.items():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield key, child


def is_query(node: exp.Expr) -> bool:
    """Tell whether `node` is a nested query."""
    if isinstance(node, exp.Subquery):
        return True
    return isinstance(node, (exp.Select, exp.SetOperation, exp.Values))


def is_role(node: exp.Expr) -> bool:
    """Tell whether an identifier is a label (an alias, a field, a function's name), not a name to resolve."""
    parent = node.parent
    if parent is None or isinstance(parent, (exp.Column, exp.TableAlias, exp.ColumnDef, exp.DataType)):
        return True
    return any(isinstance(parent, kind) and node.arg_key == key for kind, key in _LABELS)


def function_name(node: exp.Expr) -> str:
    """Return the lower-case name of a function call, or an empty text."""
    return node.name.lower() if isinstance(node, exp.Anonymous) else ""


def _bound(node: exp.Expr, name: str) -> bool:
    """Tell whether `name` is a parameter of a lambda or comprehension around `node`."""
    folded = name.casefold()
    above = node.parent
    while above is not None and not is_query(above):
        names: list[exp.Expr] = []
        if isinstance(above, exp.Lambda):
            names = above.expressions
        elif isinstance(above, exp.Comprehension):
            names = [above.expression]
        if any(parameter.name.casefold() == folded for parameter in names):
            return True
        above = above.parent
    return False


def restore_columns(tree: exp.Expr) -> None:
    """Turn identifiers back into columns where the parser left a column bare: `x.upper()`, `t.x.lower()`."""
    for identifier in list(tree.find_all(exp.Identifier)):
        if not is_role(identifier) and isinstance(identifier.parent, exp.Dot):
            parts = [identifier]
            top: exp.Expr = identifier
            above: exp.Expr | None = identifier.parent
            keys = ("this", "table", "db", "catalog")
            while (
                isinstance(above, exp.Dot) and isinstance(above.expression, exp.Identifier) and len(parts) < len(keys)
            ):
                parts.append(above.expression)
                top, above = above, above.parent
            if _bound(identifier, identifier.name):
                continue
            top.replace(exp.Column(**dict(zip(keys, [part.copy() for part in reversed(parts)], strict=False))))


class _Build(Protocol):
    def __call__(self, node: exp.Expr, ctes: Mapping[str, Cte], scope: Scope | None) -> Query: ...


class Expressions:
    """Resolves expressions into a graph; `build` makes a query of a nested SELECT."""

    def __init__(self, sql: str, graph: Graph, build: _Build) -> None:
        self._sql = sql
        self._graph = graph
        self._build = build

    def resolve(self, node: exp.Expr, scope: Scope, owner: Node, *, direct: bool) -> None:
        """Bind every name in `node`, and let `owner` depend on them."""
        self._check(node)
        if is_query(node):
            self._nested(node, scope, owner, direct=direct)
        elif isinstance(node, (exp.Column, exp.Identifier)):
            if isinstance(node, exp.Column) or not is_role(node):
                self._column(node, scope, owner, direct=direct)
        elif (read := _extracted(node)) is not None:
            self._field(*read, scope, owner, direct=direct)
        elif isinstance(node, exp.Window):
            self._window(node, scope, owner, direct=direct)
        elif (asked := _existence(node)) is not None:
            self._exists(asked, scope, owner)
        elif not isinstance(node, exp.DataType):
            # An aggregate's own ORDER BY acts on the value, but is not part of it; WITHIN GROUP names the value.
            ordering = isinstance(node, exp.Order) and not isinstance(node.parent, exp.WithinGroup)
            sets = function_name(node) in _SETS
            for key, child in children(node):
                acts = sets or (ordering and key == "expressions")
                self.resolve(child, scope, owner, direct=direct and not acts)

    def bind(self, node: exp.Expr, scope: Scope) -> Binding:
        """Return what a column node means, and remember it."""
        parts = [part.name for part in node.parts] if isinstance(node, exp.Column) else [node.name]
        try:
            binding = Bound(parts[0]) if _bound(node, parts[0]) else bind(parts, scope)
        except AmbiguousNameError as error:
            raise DefinitionError(f"{error}{place(self._sql, node)}") from None
        if binding is None:
            arrow = node.find_ancestor(exp.JSONExtract) is not None
            hint = " A lambda is written `lambda x: ...`." if arrow else ""
            raise DefinitionError(f"{unknown(parts, scope, place(self._sql, node))}{hint}")
        self._graph.bindings[id(node)] = binding
        return binding

    def _column(self, node: exp.Expr, scope: Scope, owner: Node, *, direct: bool) -> None:
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            raise DefinitionError(f"Write the columns out in place of `{node.table}.*`{place(self._sql, node)}.")
        binding = self.bind(node, scope)
        meant = _meant(node, binding)
        self._graph.use(owner, meant, direct=direct)
        if meant is not binding:
            self._graph.mention(owner, binding)

    def _field(self, column: exp.Expr, name: str, scope: Scope, owner: Node, *, direct: bool) -> None:
        """Let `owner` depend on one field of a struct, or one column of a whole row."""
        binding = self.bind(column, scope)
        index = binding.relation.find(name) if isinstance(binding, Row) else None
        if isinstance(binding, Row) and index is not None:
            self._graph.use(owner, Local(binding.relation, index), direct=direct)
        else:
            self._graph.use(owner, with_fields(_meant(column, binding), [name]), direct=direct)
        self._graph.mention(owner, binding)

    def _nested(self, node: exp.Expr, scope: Scope, owner: Node, *, direct: bool) -> None:
        query = self._build(node, scope.ctes, scope)
        self._graph.queries[id(node)] = query
        self._graph.add(owner, rows(query), direct=False)
        for index in range(len(query.names)):
            self._graph.add(owner, out(query, index), direct=direct)

    def _exists(self, node: exp.Expr, scope: Scope, owner: Node) -> None:
        """Let `owner` depend on whether a query has rows; what they hold is read by nobody."""
        query = self._build(node, scope.ctes, scope)
        self._graph.queries[id(node)] = query
        self._graph.add(owner, rows(query), direct=False)
        for index in range(len(query.names)):
            self._graph.need(owner, out(query, index))

    def _window(self, node: exp.Window, scope: Scope, owner: Node, *, direct: bool) -> None:
        named = node.args.get("alias")
        if named is not None:
            index = scope.windows.get(named.name.casefold())
            if index is None:
                known = nearest(named.name, scope.windows)
                raise DefinitionError(f"No window is called {named.name!r}{place(self._sql, node)}.{known}")
            self._graph.add(owner, window(scope.query, index), direct=False)
        for key, child in children(node):
            if key == "this":
                self.resolve(child, scope, owner, direct=direct)
            elif key != "alias":
                self.resolve(child, scope, owner, direct=False)

    def _check(self, node: exp.Expr) -> None:
        name = function_name(node)
        bare = isinstance(node, _NO_PARENTHESES)
        if bare or name in UNSTABLE or (name == "age" and len(node.expressions) == 1):
            shown = node.sql(dialect="duckdb").lower() if bare else f"{name}()"
            raise DefinitionError(
                f"{shown}{place(self._sql, node, shown)} gives another answer each time it runs, or depends on more "
                "than the sources: a version must compute the same rows again. Use a column of a source instead "
                "(for 'now', the row's own event time)."
            )
        if name == "columns":
            raise DefinitionError(f"COLUMNS(...){place(self._sql, node)} is not supported: write the columns out.")
        if name == "unnest" and any(isinstance(argument, exp.PropertyEQ) for argument in node.expressions):
            raise DefinitionError(
                f"unnest{place(self._sql, node)} with options yields columns that the text does not name: "
                "unnest one level, and read the fields by name."
            )
        if isinstance(node, (exp.Placeholder, exp.Parameter, exp.SessionParameter)):
            raise DefinitionError(f"A view's SQL takes no parameters{place(self._sql, node)}: write the value.")
        if isinstance(node, exp.PositionalColumn):
            raise DefinitionError(f"Name the column in place of #{node.name}{place(self._sql, node)}.")
        if isinstance(node, exp.Star) and not (function_name(node.parent or node) == "count"):
            raise DefinitionError(f"A star{place(self._sql, node)} cannot stand here: write the columns out.")


def _meant(node: exp.Expr, binding: Binding) -> Binding:
    """Return the reading that DuckDB takes of a name that is both a column and an alias, where that is certain.

    Measured in tests/lineage: alone in ORDER BY or DISTINCT ON it is the alias, in a larger expression the column, and
    in QUALIFY the column. In HAVING it depends on what the query groups by: both stay.
    """
    if not isinstance(binding, Either) or len(binding.readings) != 2:  # noqa: PLR2004 - a column and an alias
        return binding
    column, alias = binding.readings
    if not isinstance(alias, AliasOf) or isinstance(column, AliasOf):
        return binding
    above = node.parent
    while isinstance(above, (exp.Paren, exp.Tuple)):
        above = above.parent
    if isinstance(above, exp.Distinct) or (
        isinstance(above, exp.Ordered) and isinstance(above.parent, exp.Order) and is_query(above.parent.parent or node)
    ):
        return alias
    having = False
    while above is not None and not is_query(above) and function_name(above) not in AGGREGATES:
        having |= isinstance(above, exp.Having)
        above = above.parent
    return binding if having else column


def _existence(node: exp.Expr) -> exp.Expr | None:
    """Return the query of an EXISTS; with two pairs of parentheses it is parsed as a function."""
    inner: exp.Expr | None = node.this if isinstance(node, exp.Exists) else None
    if function_name(node) == "exists" and node.expressions:
        inner = node.expressions[0]
    return inner if inner is not None and is_query(inner) else None


def _extracted(node: exp.Expr) -> tuple[exp.Expr, str] | None:
    """Return the column and the name in `column['name']` and `struct_extract(column, 'name')`."""
    parts = [node.this, *node.expressions] if isinstance(node, exp.Bracket) else node.expressions
    known = isinstance(node, exp.Bracket) or function_name(node) == "struct_extract"
    if not known or len(parts) != 2 or not isinstance(parts[0], exp.Column):  # noqa: PLR2004 - column and name
        return None
    name = parts[1]
    return (parts[0], name.name) if isinstance(name, exp.Literal) and name.is_string else None


def in_scope(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield `node` and what is below it, without nested queries."""
    yield node
    for _, child in children(node):
        if not is_query(child):
            yield from in_scope(child)


def aggregates(node: exp.Expr) -> bool:
    """Tell whether `node` holds an aggregate of its own query (one with OVER is none)."""
    for call in in_scope(node):
        if function_name(call) in AGGREGATES:
            above = call.parent
            while isinstance(above, _MODIFIERS):
                above = above.parent
            if not isinstance(above, exp.Window):
                return True
    return False


def expands(node: exp.Expr) -> bool:
    """Tell whether `node` turns one row into many."""
    return any(function_name(call) in EXPANDING for call in in_scope(node))
