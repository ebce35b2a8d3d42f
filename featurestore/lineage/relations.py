"""Resolve FROM: sources, CTEs, derived tables, functions, and the joins between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlglot import exp

from featurestore.errors import DefinitionError, nearest
from featurestore.lineage.dialect import TABLE_FUNCTIONS, place
from featurestore.lineage.graph import Graph, Joined, Local, Merged, Relation, Rows, Source, inputs, item, out, rows
from featurestore.lineage.names import AmbiguousNameError, column_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.lineage.expressions import Expressions
    from featurestore.lineage.graph import Binding, Cte, Query, Scope

__all__ = ["Relations", "allow", "renamed"]

_TABLE = frozenset({"this", "alias", "joins", "db", "catalog"})
_JOIN = frozenset({"this", "on", "using", "side", "kind", "method"})
_KINDS = frozenset({"", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"})
_METHODS = frozenset({"", "ASOF", "NATURAL", "POSITIONAL"})


class _Build(Protocol):
    def __call__(self, node: exp.Expr, ctes: Mapping[str, Cte], scope: Scope | None) -> Query: ...


def allow(sql: str, node: exp.Expr, names: frozenset[str]) -> None:
    """Refuse a clause that is not understood: what is not resolved would be missing from lineage."""
    for key, value in node.args.items():
        if value and key not in names:
            child = value[0] if isinstance(value, list) else value
            found = child if isinstance(child, exp.Expr) else node
            if isinstance(found, exp.Pivot):
                raise DefinitionError(
                    f"PIVOT and UNPIVOT{place(sql, found)} are not supported in a view: their columns depend on "
                    "data. Write `sum(x) filter (where k = 'a') as a` for each column."
                )
            if isinstance(found, exp.TableSample):
                raise DefinitionError(
                    f"A sample{place(sql, found)} takes other rows each time: a version must compute the same rows "
                    "again. Filter on hash(key) % 10 instead."
                )
            raise DefinitionError(
                f"{found.key.upper()} ({key.strip('_')}) in {node.key.upper()}{place(sql, found)} "
                "is not supported in a view: write the query without it."
            )


def renamed(names: Sequence[str | None], alias: exp.Expr | None) -> list[str | None]:
    """Return `names` with the column aliases of `t(a, b)`, and equal names told apart as DuckDB does (a, a_1)."""
    columns = [column.name for column in alias.args.get("columns") or []] if alias is not None else []
    return [*columns, *names[len(columns) :]]


def told_apart(names: Sequence[str | None]) -> list[str | None]:
    """Return the names a star gives: the second `a` is `a_1`."""
    seen: dict[str, int] = {}
    result: list[str | None] = []
    for name in names:
        if name is None:
            result.append(None)
            continue
        fresh = name
        while fresh.casefold() in seen:
            count = seen[name.casefold()] = seen[name.casefold()] + 1
            fresh = f"{name}_{count - 1}"
        seen[fresh.casefold()] = 1
        result.append(fresh)
    return result


class Relations:
    """Resolves the FROM of a SELECT into its scope."""

    def __init__(
        self, sql: str, graph: Graph, sources: Mapping[str, Source], build: _Build, expressions: Expressions
    ) -> None:
        self._sql = sql
        self._graph = graph
        self._sources = sources
        self._build = build
        self._expressions = expressions

    def resolve(self, select: exp.Select, scope: Scope) -> list[Joined]:
        """Resolve the FROM and the joins of `select`."""
        clause = select.args.get("from_")
        if clause is None:
            return []
        allow(self._sql, clause, frozenset({"this"}))
        joined = self._operand(clause.this, scope)
        for join in select.args.get("joins") or []:
            joined.append(self._join(join, joined, scope))
        return joined

    def _operand(self, node: exp.Expr, scope: Scope) -> list[Joined]:
        """Return one operand of a FROM; a table may bring joins of its own (`a join (b join c ...) ...`)."""
        nested = isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table)
        if nested and not node.args.get("alias"):
            inner = self._operand(node.this, scope)
            allow(self._sql, node, frozenset({"this", "joins"}))
            joined = [Joined(inner)]
        else:
            joined = [Joined(self._add(node, scope))]
        for join in node.args.get("joins") or []:
            joined.append(self._join(join, joined, scope))
        return joined

    def _join(self, join: exp.Expr, before: list[Joined], scope: Scope) -> Joined:
        allow(self._sql, join, _JOIN)
        side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
        method = str(join.args.get("method") or "").upper()
        if kind not in _KINDS or method not in _METHODS:
            raise DefinitionError(f"{kind or method} JOIN{place(self._sql, join)} is not supported in a view.")
        old = _relations(before)
        operand = self._operand(join.this, scope)
        new = _relations(operand)
        added = Joined(operand if len(operand) > 1 else operand[0].operand, join)
        added.using = self._using(join, old, new, scope, side)
        if join.args.get("on"):
            self._expressions.resolve(join.args["on"], scope, inputs(scope.query), direct=False)
        for relation in old:
            relation.padded |= side in {"RIGHT", "FULL"} or method == "POSITIONAL"
        for relation in new:
            relation.padded |= side in {"LEFT", "FULL"} or method == "POSITIONAL"
            relation.hidden |= kind in {"SEMI", "ANTI"}
        return added

    def _using(
        self, join: exp.Expr, old: list[Relation], new: list[Relation], scope: Scope, side: str
    ) -> list[tuple[str, Binding, Binding]]:
        names = [identifier.name for identifier in join.args.get("using") or []]
        if str(join.args.get("method") or "").upper() == "NATURAL":
            left_names = [name for relation in old if not relation.hidden for name in relation.names if name]
            right_names = {name.casefold() for relation in new for name in relation.names if name}
            names = [name for name in dict.fromkeys(left_names) if name.casefold() in right_names]
        pairs: list[tuple[str, Binding, Binding]] = []
        semi = str(join.args.get("kind") or "").upper() in {"SEMI", "ANTI"}
        for name in names:
            folded = name.casefold()
            visible = [relation for relation in old if not relation.hidden]
            try:
                left = scope.merged.get(folded) or column_of(visible, name)
                right = column_of(new, name)
            except AmbiguousNameError as error:
                raise DefinitionError(f"{error} (in USING{place(self._sql, join)})") from None
            if left is None or right is None:
                known = [known for relation in (visible if left is None else new) for known in relation.names if known]
                missing = "left" if left is None else "right"
                raise DefinitionError(
                    f"USING ({name}){place(self._sql, join)}: the {missing} side has no such column."
                    f"{nearest(name, known)}"
                )
            pairs.append((name, left, right))
            self._graph.use(inputs(scope.query), left, direct=False)
            self._graph.use(inputs(scope.query), right, direct=False)
            if not semi:
                self._merge(folded, left, right, scope, side)
        return pairs

    def _merge(self, folded: str, left: Binding, right: Binding, scope: Scope, side: str) -> None:
        # Measured: `k` is the left column, also its type; the right one after RIGHT JOIN; merged after FULL JOIN.
        merged = {"RIGHT": right, "FULL": Merged(left, right)}.get(side, left)
        scope.merged[folded] = merged
        if isinstance(right, Local):
            scope.right_of_using.add((right.relation.number, right.index))

    def _add(self, node: exp.Expr, scope: Scope) -> Relation:
        alias = node.args.get("alias")
        inner = node.this if isinstance(node, exp.Lateral) else node
        if isinstance(node, exp.Lateral):
            allow(self._sql, node, frozenset({"this", "alias", "joins"}))
        query, names, default = self._query(inner, scope)
        also: dict[str, int] = {}
        written = alias.name if alias is not None and alias.name else None
        if isinstance(query, Rows) and query.name in TABLE_FUNCTIONS and written is not None:
            also, names = {query.name: 0}, [written, *names[1:]]
        names = renamed(names, alias)
        folded = (written or default or "").casefold() or None
        if folded is not None and any(relation.alias == folded for relation in scope.relations):
            raise DefinitionError(
                f"Two tables are called {written or default!r}{place(self._sql, node)}: give each an alias."
            )
        relation = Relation(query, names, folded, len(scope.relations), scope, also)
        scope.relations.append(relation)
        self._graph.add(inputs(scope.query), rows(query), direct=False)
        return relation

    def _query(self, node: exp.Expr, scope: Scope) -> tuple[Query, list[str | None], str | None]:
        """Return the query behind a FROM entry, its column names, and the name it has without an alias."""
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return self._named(node, scope)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous):
            allow(self._sql, node, _TABLE)
            query = self._function(node, node.this.name.lower(), node.this.expressions, scope)
            return query, query.names, query.name
        if isinstance(node, exp.Unnest):
            allow(self._sql, node, frozenset({"expressions", "alias", "joins", "offset"}))
            query = self._function(node, "unnest", node.expressions, scope)
            offset = node.args.get("offset")
            if offset is not None:
                query.names.append(offset.name if isinstance(offset, exp.Identifier) else "ordinality")
                self._graph.add(out(query, 1), rows(query), direct=False)
            return query, query.names, query.name
        if isinstance(node, exp.Anonymous):
            query = self._function(node, node.name.lower(), node.expressions, scope)
            return query, query.names, query.name
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            # `(a join b ...) z` is `(select * from a join b ...) z`.
            star = exp.select("*").from_(node.this.copy())
            self._graph.queries[id(node)] = built = self._build(star, scope.ctes, scope)
            return built, told_apart(built.names), None
        if isinstance(node, (exp.Subquery, exp.Values)):
            built = self._build(node, scope.ctes, scope)
            return built, told_apart(built.names), None
        raise DefinitionError(f"{node.key.upper()}{place(self._sql, node)} is not supported in FROM.")

    def _named(self, node: exp.Table, scope: Scope) -> tuple[Query, list[str | None], str | None]:
        allow(self._sql, node, _TABLE)
        name, where = node.name, place(self._sql, node)
        if node.args.get("db") or node.args.get("catalog"):
            full = ".".join(part.name for part in node.parts)
            raise DefinitionError(
                f"{full!r}{where} names a schema or a database: a view reads only its declared sources. "
                f"Declare a source and read it by its name.{nearest(name, self._known(scope))}"
            )
        cte = scope.ctes.get(name.casefold())
        if cte is not None:
            return cte.query, told_apart(cte.names), name
        source = self._sources.get(name.casefold())
        if source is None:
            file = any(mark in name for mark in "./*\\:")
            advice = " A view reads no files: declare a source for it." if file else ""
            raise DefinitionError(
                f"No source or CTE is called {name!r}{where}.{advice}{nearest(name, self._known(scope))} "
                "A view reads only the sources it declares."
            )
        return source, list(source.names), name

    def _known(self, scope: Scope) -> list[str]:
        return [*(source.source for source in self._sources.values()), *(cte.name for cte in scope.ctes.values())]

    def _function(self, node: exp.Expr, name: str, arguments: list[exp.Expr], scope: Scope) -> Rows:
        if name not in TABLE_FUNCTIONS:
            raise DefinitionError(
                f"{name}(...){place(self._sql, node)} cannot stand in FROM: a view reads only its declared sources. "
                f"Declare a source for it; only {', '.join(sorted(TABLE_FUNCTIONS))} and VALUES are read directly."
            )
        if any(isinstance(argument, (exp.PropertyEQ, exp.Kwarg)) for argument in arguments):
            raise DefinitionError(f"{name}{place(self._sql, node)} with options is not supported in a view.")
        query = Rows([name], node, name=name, expressions=arguments)
        self.depend(query, scope)
        return query

    def depend(self, query: Rows, scope: Scope) -> None:
        """Let columns and rows depend on the expressions they are made of: in VALUES, each on its own column's."""
        if isinstance(query.node, exp.Values):
            for row in query.expressions:
                for index, expression in enumerate(row.expressions if isinstance(row, exp.Tuple) else [row]):
                    self._expressions.resolve(expression, scope, item(query, index), direct=True)
            for index in range(len(query.names)):
                self._graph.add(out(query, index), item(query, index), direct=True)
                self._graph.add(out(query, index), rows(query), direct=False)
                self._graph.need(rows(query), item(query, index))
            return
        for expression in query.expressions:
            self._expressions.resolve(expression, scope, item(query, 0), direct=True)
        self._graph.add(out(query, 0), item(query, 0), direct=True)
        self._graph.add(rows(query), item(query, 0), direct=False)
        for index in range(len(query.names)):
            self._graph.add(out(query, index), rows(query), direct=False)


def _relations(joined: list[Joined]) -> list[Relation]:
    found: list[Relation] = []
    for entry in joined:
        found += [entry.operand] if isinstance(entry.operand, Relation) else _relations(entry.operand)
    return found
