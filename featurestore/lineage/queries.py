"""Resolve a parsed query: CTEs, set operations, SELECTs and their clauses, into a `Graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import DefinitionError
from featurestore.lineage.dialect import place
from featurestore.lineage.expressions import Expressions, aggregates, expands, function_name, restore_columns
from featurestore.lineage.graph import (
    AliasOf,
    Cte,
    Graph,
    Item,
    Local,
    Mode,
    Query,
    Rows,
    Scope,
    Select,
    SetOperation,
    Source,
    field,
    inputs,
    item,
    out,
    rows,
    window,
)
from featurestore.lineage.orders import GROUPINGS, order_set_operation, ordinals
from featurestore.lineage.relations import Relations, allow, renamed
from featurestore.lineage.stars import expand_star

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["resolve"]

_SELECT = frozenset(
    {
        "distinct", "expressions", "from_", "group", "having", "joins", "kind", "limit", "offset", "order", "qualify",
        "where", "windows", "with_",
    }
)  # fmt: skip
_CLAUSES = (
    ("where", Mode.COLUMN),
    ("group", Mode.COLUMN),
    ("having", Mode.EITHER),
    ("qualify", Mode.EITHER),
    ("distinct", Mode.EITHER),
    ("order", Mode.EITHER),
    ("limit", Mode.NONE),
    ("offset", Mode.NONE),
)
_SET = frozenset({"this", "expression", "distinct", "by_name", "order", "limit", "offset", "with_"})
_SUBQUERY = frozenset({"this", "alias", "order", "limit", "offset", "with_", "joins"})


def resolve(sql: str, tree: exp.Expr, schemas: Mapping[str, Mapping[str, str]]) -> tuple[Query, Graph]:
    """Resolve every name of `tree` against `schemas`.

    Raises
    ------
    DefinitionError
        If a name is unknown or ambiguous, or the query holds what a view may not.
    """
    restore_columns(tree)
    sources: dict[str, Source] = {}
    for name, columns in schemas.items():
        if name.casefold() in sources:
            raise DefinitionError(f"Two sources are called {name!r}: names differ in more than case.")
        sources[name.casefold()] = Source(list(columns), source=name)
    builder = _Builder(sql, sources)
    return builder.build(tree, {}, None), builder.graph


class _Builder:
    def __init__(self, sql: str, sources: Mapping[str, Source]) -> None:
        self.sql = sql
        self.graph = Graph()
        self.expressions = Expressions(sql, self.graph, self.build)
        self.relations = Relations(sql, self.graph, sources, self.build, self.expressions)

    def build(self, node: exp.Expr, ctes: Mapping[str, Cte], scope: Scope | None) -> Query:
        """Make a query of a SELECT, a set operation, VALUES, or one of them in parentheses."""
        owned: list[Cte] = []
        if node.args.get("with_"):
            ctes, owned = self._with(node.args["with_"], ctes, scope)
        query: Query
        if isinstance(node, exp.Select):
            query = self._select(node, ctes, scope)
        elif isinstance(node, exp.SetOperation):
            query = self._set(node, ctes, scope, SetOperation([], node))
        elif isinstance(node, exp.Values):
            query = self._values(node, ctes, scope)
        elif isinstance(node, exp.Subquery):
            query = self._parentheses(node, ctes, scope)
        else:
            raise DefinitionError(f"{node.key.upper()}{place(self.sql, node)} is not a query that a view may hold.")
        query.ctes += owned
        self.graph.queries[id(node)] = query
        return query

    def _with(
        self, node: exp.Expr, ctes: Mapping[str, Cte], scope: Scope | None
    ) -> tuple[Mapping[str, Cte], list[Cte]]:
        known, owned = dict(ctes), []
        for entry in node.expressions:
            allow(self.sql, entry, frozenset({"this", "alias", "materialized"}))
            body = entry.this
            alias = entry.args["alias"]
            recursive = isinstance(body, exp.SetOperation) and any(
                table.name.casefold() == alias.name.casefold() for table in body.find_all(exp.Table)
            )
            if node.args.get("recursive") and recursive:
                cte = self._recursive(entry, body, known, scope)
            else:
                query = self.build(body, known, scope)
                cte = Cte(alias.name, query, renamed(query.names, alias), entry)
            known[alias.name.casefold()] = cte
            owned.append(cte)
        return known, owned

    def _recursive(self, entry: exp.Expr, body: exp.SetOperation, known: Mapping[str, Cte], scope: Scope | None) -> Cte:
        alias = entry.args["alias"]
        if body.args.get("with_") or body.args.get("by_name"):
            raise DefinitionError(f"The recursive CTE {alias.name!r} must be a plain UNION of two SELECTs.")
        query = SetOperation([], body)
        query.left = self.build(body.this, known, scope)
        query.names = list(query.left.names)
        cte = Cte(alias.name, query, renamed(query.names, alias), entry)
        self._set(body, {**known, alias.name.casefold(): cte}, scope, query)
        self.graph.queries[id(body)] = query
        for index in range(len(query.names)):  # a column that only its own next value reads is needed nonetheless
            self.graph.need(rows(query), out(query, index))
        return cte

    def _set(
        self, node: exp.SetOperation, ctes: Mapping[str, Cte], scope: Scope | None, query: SetOperation
    ) -> SetOperation:
        allow(self.sql, node, _SET)
        left = query.left = query.left or self.build(node.this, ctes, scope)
        right = query.right = self.build(node.expression, ctes, scope)
        if node.args.get("by_name"):
            query.names, query.left_of, query.right_of = _by_name(left, right)
        else:
            if len(left.names) != len(right.names):
                raise DefinitionError(
                    f"{node.key.upper()}{place(self.sql, node)} joins {len(left.names)} columns with "
                    f"{len(right.names)}: both sides need the same columns, in the same order (or use BY NAME)."
                )
            query.names = list(left.names)
            query.left_of = list(range(len(left.names)))
            query.right_of = list(range(len(left.names)))
        graph, own = self.graph, rows(query)
        union = isinstance(node, exp.Union)
        for index in range(len(query.names)):
            graph.add(out(query, index), own, direct=False)
            for branch, mapping in ((left, query.left_of), (right, query.right_of)):
                position = mapping[index]
                if position is not None:
                    graph.add(out(query, index), out(branch, position), direct=union or branch is left)
            if node.args.get("distinct") or not union:
                graph.add(own, out(query, index), direct=False)
        graph.add(own, rows(left), direct=False)
        graph.add(own, rows(right), direct=False)
        order_set_operation(self.sql, node, query, graph)
        return query

    def _parentheses(self, node: exp.Subquery, ctes: Mapping[str, Cte], scope: Scope | None) -> Query:
        allow(self.sql, node, _SUBQUERY)
        inner = self.build(node.this, ctes, scope)
        if not any(node.args.get(key) for key in ("order", "limit", "offset")):
            return inner
        query = SetOperation(list(inner.names), node, left=inner, left_of=list(range(len(inner.names))))
        for index in range(len(query.names)):
            self.graph.add(out(query, index), rows(query), direct=False)
            self.graph.add(out(query, index), out(inner, index), direct=True)
        self.graph.add(rows(query), rows(inner), direct=False)
        order_set_operation(self.sql, node, query, self.graph)
        return query

    def _values(self, node: exp.Values, ctes: Mapping[str, Cte], scope: Scope | None) -> Rows:
        allow(self.sql, node, frozenset({"expressions", "alias"}))
        first = node.expressions[0]
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        query = Rows([f"col{index}" for index in range(width)], node, name="values", expressions=node.expressions)
        around = scope or Scope(None, ctes, Select([], node))
        self.relations.depend(query, around)
        return query

    def _select(self, node: exp.Select, ctes: Mapping[str, Cte], parent: Scope | None) -> Select:
        allow(self.sql, node, _SELECT)
        if node.args.get("kind"):
            raise DefinitionError(f"SELECT AS {node.args['kind']}{place(self.sql, node)} is not supported.")
        query = Select([], node)
        scope = query.scope = Scope(parent, ctes, query)
        query.joined = self.relations.resolve(node, scope)
        for entry in node.expressions:
            query.items += self._entry(entry, scope)
        scope.mode = Mode.COLUMN
        for index, definition in enumerate(node.args.get("windows") or []):
            scope.windows[definition.name.casefold()] = index
            self.expressions.resolve(definition, scope, window(query, index), direct=False)
        self._items(query, scope)
        self._clauses(node, query, scope)
        return query

    def _entry(self, entry: exp.Expr, scope: Scope) -> list[Item]:
        """Return the items that one entry of a select list stands for."""
        star = entry.this if isinstance(entry, exp.Column) else entry
        if isinstance(star, exp.Star):
            return expand_star(self.sql, entry, star, scope)
        if isinstance(entry, (exp.Like, exp.ILike, exp.SimilarTo, exp.Glob)) and isinstance(entry.this, exp.Star):
            raise DefinitionError(f"`* LIKE`{place(self.sql, entry)} is not supported: write the columns out.")
        if isinstance(entry, exp.Aliases):
            raise DefinitionError(f"One alias per column{place(self.sql, entry)}: write `expression as name`.")
        if isinstance(entry, exp.Alias):
            return [Item(entry.alias, entry.this, aliased=True)]
        if isinstance(entry, exp.Subquery) and entry.alias:
            return [Item(entry.alias, entry, aliased=True)]
        bare = entry.unnest()
        if isinstance(bare, exp.Column):
            return [Item(bare.name, entry)]
        return [Item(None, entry)]

    def _items(self, query: Select, scope: Scope) -> None:
        graph = self.graph
        for index, entry in enumerate(query.items):
            scope.current = index
            if entry.node is None and entry.binding is not None:
                graph.use(item(query, index), entry.binding, direct=True)
            elif entry.node is not None:
                self._value(entry, entry.node, query, index)
                bare = entry.node.unnest()
                entry.binding = graph.bindings.get(id(bare))
                entry.aggregate, entry.expanding = aggregates(entry.node), expands(entry.node)
                self._struct_unnest(entry)
            if isinstance(entry.binding, Local) and not entry.binding.fields and not entry.aliased:
                entry.name = entry.binding.relation.names[entry.binding.index]  # as the source spells it
            graph.add(out(query, index), item(query, index), direct=True)
            graph.add(out(query, index), rows(query), direct=False)
            if entry.aggregate:
                graph.add(item(query, index), inputs(query), direct=False)
            if entry.expanding:
                graph.add(rows(query), item(query, index), direct=False)
        scope.current = None
        query.names = [entry.name for entry in query.items]

    def _value(self, entry: Item, node: exp.Expr, query: Select, index: int) -> None:
        """Resolve the expression of an item; of a struct literal each field for itself, to be read alone."""
        assert query.scope is not None  # noqa: S101 - set when its FROM was resolved
        literal = node.unnest()
        packs = isinstance(literal, exp.Struct) or function_name(literal) == "struct_pack"
        parts = literal.expressions if packs else []
        if not parts or not all(isinstance(part, exp.PropertyEQ) for part in parts):
            self.expressions.resolve(node, query.scope, item(query, index), direct=True)
            return
        entry.fields = frozenset(part.name.casefold() for part in parts)
        for part in parts:
            self.expressions.resolve(part, query.scope, field(query, index, part.name), direct=True)
            self.graph.add(item(query, index), field(query, index, part.name), direct=True)

    def _struct_unnest(self, entry: Item) -> None:
        node = entry.node.unnest() if entry.node is not None else None
        if entry.expanding and isinstance(node, exp.Anonymous):
            argument = node.expressions[0] if node.expressions else None
            if isinstance(argument, exp.Struct):
                raise DefinitionError(
                    f"unnest of a struct{place(self.sql, node)} yields columns that the text does not name: "
                    "read its fields by name."
                )

    def _clauses(self, node: exp.Select, query: Select, scope: Scope) -> None:
        own, distinct = rows(query), node.args.get("distinct")
        having, group = node.args.get("having"), node.args.get("group")
        query.aggregate = any(entry.aggregate for entry in query.items) or (
            having is not None and aggregates(having.this)
        )
        if query.aggregate and group is None and having is None and not node.args.get("qualify"):
            self.graph.need(own, inputs(query))  # one row, whatever is aggregated
        else:
            self.graph.add(own, inputs(query), direct=False)
        for key, mode in _CLAUSES:
            clause = node.args.get(key)
            if clause is not None:
                scope.mode = mode
                self._ordinals(clause, query)
                self.expressions.resolve(clause, scope, inputs(query) if key == "where" else own, direct=False)
        scope.mode = Mode.EITHER
        if group is not None:
            query.group_all = bool(group.args.get("all"))
            query.grouping_sets = any(group.find_all(*GROUPINGS))
        order = node.args.get("order")
        query.order_all = order is not None and any(
            isinstance(entry.this, exp.Var) and entry.this.name.upper() == "ALL" for entry in order.expressions
        )
        everything = query.order_all or (distinct is not None and not distinct.args.get("on"))
        for index, entry in enumerate(query.items):
            if everything or (query.group_all and not entry.aggregate):
                self.graph.add(own, item(query, index), direct=False)
            if everything:
                self.graph.add(own, out(query, index), direct=False)

    def _ordinals(self, clause: exp.Expr, query: Select) -> None:
        for literal in ordinals(clause):
            position = int(literal.name)
            if not 1 <= position <= len(query.items):
                raise DefinitionError(
                    f"Position {position}{place(self.sql, clause)} is not one of the {len(query.items)} columns "
                    "of the select list."
                )
            self.graph.bindings[id(literal)] = AliasOf(query, position - 1)
            self.graph.use(rows(query), AliasOf(query, position - 1), direct=False)


def _by_name(left: Query, right: Query) -> tuple[list[str | None], list[int | None], list[int | None]]:
    names = list(left.names)
    folded = [name.casefold() if name is not None else None for name in names]
    left_of: list[int | None] = list(range(len(names)))
    right_of: list[int | None] = [None] * len(names)
    for index, name in enumerate(right.names):
        if name is not None and name.casefold() in folded:
            right_of[folded.index(name.casefold())] = index
        else:
            names.append(name)
            left_of.append(None)
            right_of.append(index)
    return names, left_of, right_of
