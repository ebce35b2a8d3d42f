"""The canonical text of a resolved query: equal only for queries that compute the same.

It is the parsed tree, node by node, never SQL that a generator wrote: nothing is simplified, reordered or
translated. What does not matter is left out (layout, case, comments), and names are replaced by what they mean:

- a relation is its place in its FROM (`r0`, `r1`; `^` for each query outwards), a column its place among the
  columns that are read; a column of a source keeps its name;
- an alias or position in GROUP BY, ORDER BY ... is the expression it stands for;
- parentheses are left out where every reader groups the same way without them (see `_redundant`).

Everything else, also what this module does not know, is printed as parsed: an unknown construct can make two equal
queries look different, not two different ones equal.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.lineage.expressions import function_name, is_query
from featurestore.lineage.graph import (
    AliasOf,
    Bound,
    Either,
    Local,
    Merged,
    OutputOf,
    Relation,
    Row,
    Rows,
    Select,
    SetOperation,
    Source,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.lineage.graph import Binding, Cte, Graph, Joined, Node, Query, Scope

__all__ = ["ALGORITHM", "canonical"]

# Names this form. Change it whenever a change here, in the resolver or in the dialect can change a text.
ALGORITHM = "sql-1"

_INLINE = 2_000  # characters: a longer expression behind an alias is given by its digest, so chains stay small

_PRIMARY = (exp.Anonymous, exp.Array, exp.Boolean, exp.Case, exp.Column, exp.Literal, exp.Null, exp.Paren, exp.Subquery)
_POSTFIX = (exp.Bracket, exp.Cast, exp.Collate, exp.AtTimeZone, exp.Dot, exp.Interval, exp.Neg)
# Nodes that hold each operand between keywords, commas or brackets: parentheses directly inside group nothing.
_DELIMITED = (
    exp.Alias,
    exp.Anonymous,
    exp.Array,
    exp.Distinct,
    exp.Group,
    exp.Having,
    exp.If,
    exp.Join,
    exp.Ordered,
    exp.PropertyEQ,
    exp.Qualify,
    exp.Tuple,
    exp.Where,
)
# How tightly operators bind, where sqlglot and DuckDB agree (held by tests/lineage against DuckDB's own parser).
_BINDS: dict[type[exp.Expr], int] = {
    exp.Or: 1,
    exp.And: 2,
    exp.EQ: 3,
    exp.NEQ: 3,
    exp.LT: 3,
    exp.LTE: 3,
    exp.GT: 3,
    exp.GTE: 3,
    exp.Add: 4,
    exp.Sub: 4,
    exp.Mul: 5,
    exp.Div: 5,
    exp.IntDiv: 5,
    exp.Mod: 5,
}
_COMPARISON = 3


def canonical(query: Query, graph: Graph, outputs: Sequence[int], live: set[Node]) -> str:
    """Return the canonical text of `query` with only `outputs`, where `live` is all they depend on."""
    return _Printer(graph, live).top(query, outputs)


def _redundant(node: exp.Paren) -> bool:
    """Tell whether these parentheses group nothing that is not grouped without them."""
    if "written" not in node.meta:
        return True  # sqlglot's own
    parent, inner = node.parent, node.this
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if parent is None or isinstance(parent, (exp.Select, *_DELIMITED)):
        return not isinstance(inner, exp.Order)
    if isinstance(inner, _PRIMARY):
        return not isinstance(parent, _POSTFIX)
    outer_binds, inner_binds = _BINDS.get(type(parent)), _BINDS.get(type(inner))
    if outer_binds is None or inner_binds is None:
        return False
    above: exp.Expr = node
    while isinstance(above.parent, exp.Paren):
        above = above.parent
    left = above.arg_key == "this"
    return inner_binds > outer_binds or (left and inner_binds == outer_binds != _COMPARISON)


class _Printer:
    def __init__(self, graph: Graph, live: set[Node]) -> None:
        self._graph = graph
        self._live = live
        self._outputs: dict[Query, list[int]] = {}
        for query, kind, index in live:
            if kind == "out":
                self._outputs.setdefault(query, []).append(index)
        for indexes in self._outputs.values():
            indexes.sort()
        self._labels: dict[Query, str] = {}
        self._named = -1
        self._stack: list[Scope] = []
        self._items: dict[tuple[Query, int, int], str | None] = {}
        self._printed: dict[Query, list[int]] = {}

    def top(self, query: Query, outputs: Sequence[int]) -> str:
        """Print the whole query; its outputs carry their names."""
        names = " ".join(_quote(query.names[index] or "") for index in outputs)
        return f"(query ({names}) {self._query(query, outputs)})"

    # ------------------------------------------------------------------------------------------------- queries

    def _query(self, query: Query, outputs: Sequence[int | None] | None = None) -> str:
        """Print a query with `outputs` in this order; by default those that anything reads."""
        if query in self._labels:
            return self._labels[query]
        order = self._outputs.get(query, []) if outputs is None else outputs
        parts = self._ctes(query)
        if isinstance(query, Source):
            parts.append(f"source {_quote(query.source)}")
        elif isinstance(query, Rows):
            parts.append(self._rows(query))
        elif isinstance(query, SetOperation):
            parts.append(self._set(query, order))
        elif isinstance(query, Select):
            parts.append(self._select(query, order))
        return parts[0] if len(parts) == 1 else "(with " + " ".join(parts) + ")"

    def _ctes(self, query: Query) -> list[str]:
        return [self._cte(cte) for cte in query.ctes if rows(cte.query) in self._live]

    def _cte(self, cte: Cte) -> str:
        self._named += 1
        label = f"c{self._named}"
        hint = cte.node.args.get("materialized")
        flag = "" if hint is None else f" materialized={hint}"
        if isinstance(cte.query, SetOperation):  # may refer to itself
            nested = self._ctes(cte.query)
            self._labels[cte.query] = label
            text = " ".join([*nested, self._set(cte.query, self._outputs.get(cte.query, []))])
        else:
            text = self._query(cte.query)
            self._labels[cte.query] = label
        return f"(cte {label}{flag} {text})"

    def _rows(self, query: Rows) -> str:
        width = len(query.names)
        values = " ".join(self._expr(expression) for expression in query.expressions)
        return f"({query.name} {width} {values})"

    def _set(self, query: SetOperation, order: Sequence[int | None]) -> str:
        # Outputs that only ORDER BY or set semantics read are printed too, behind those asked for.
        printed = [*order, *(index for index in self._outputs.get(query, []) if index not in order)]
        self._printed[query] = [-1 if index is None else index for index in printed]
        assert query.left is not None  # noqa: S101 - set when it was resolved
        assert query.node is not None  # noqa: S101
        texts = [self._query(query.left, [None if i is None else query.left_of[i] for i in printed])]
        if query.right is not None:
            texts.append(self._query(query.right, [None if i is None else query.right_of[i] for i in printed]))
        kind = query.node.key if query.right is not None else "parentheses"
        flags = [key for key in ("distinct", "by_name") if query.node.args.get(key)]
        clauses = [self._clause(query.node, key) for key in ("order", "limit", "offset")]
        return " ".join([f"({kind}", *flags, *texts, *(clause for clause in clauses if clause)]) + ")"

    def _select(self, query: Select, order: Sequence[int | None]) -> str:
        assert query.scope is not None  # noqa: S101 - set when it was resolved
        assert query.node is not None  # noqa: S101
        self._stack.append(query.scope)
        outputs = ["null" if index is None else self._item(query, index) for index in order]
        parts = [f"(select out=[{' '.join(outputs)}]"]
        if query.aggregate:
            parts.append("aggregate")
        expanding = [self._item(query, i) for i, entry in enumerate(query.items) if entry.expanding]
        if expanding:
            parts.append(f"expanding=[{' '.join(expanding)}]")
        if query.joined:
            parts.append(f"from=[{' '.join(self._joined(entry) for entry in query.joined)}]")
        if query.group_all:
            keys = [self._item(query, i) for i, entry in enumerate(query.items) if not entry.aggregate]
            parts.append(f"keys=[{' '.join(keys)}]")
        if query.order_all or query.node.args.get("distinct"):
            columns = [self._item(query, i) for i in self._outputs.get(query, [])]
            parts.append(f"columns=[{' '.join(columns)}]")
        for key in ("distinct", "where", "group", "having", "qualify", "order", "limit", "offset"):
            clause = self._clause(query.node, key)
            if clause:
                parts.append(clause)
        self._stack.pop()
        return " ".join(parts) + ")"

    def _clause(self, node: exp.Expr, key: str) -> str:
        clause = node.args.get(key)
        return "" if clause is None else f"{key}={self._expr(clause)}"

    def _joined(self, entry: Joined) -> str:
        join = entry.join
        if isinstance(entry.operand, Relation):
            operand = self._query(entry.operand.query)
        else:
            operand = f"({' '.join(self._joined(inner) for inner in entry.operand)})"
        if join is None:
            return operand
        words = [str(join.args.get(key) or "").lower() for key in ("method", "side", "kind")]
        using = [f"({self._binding(left)} {self._binding(right)})" for _, left, right in entry.using]
        parts = ["(join", *(word for word in words if word), operand]
        parts += [f"using=[{' '.join(using)}]"] if using else []
        parts += [self._clause(join, "on")] if join.args.get("on") else []
        return " ".join(parts) + ")"

    # ----------------------------------------------------------------------------------------------- bindings

    def _item(self, query: Select, index: int) -> str:
        """Print the expression of an item, where the present scope stands."""
        key = (query, index, len(self._stack))
        if key in self._items:
            known = self._items[key]
            return f"(item {index})" if known is None else known  # None: it refers to itself
        self._items[key] = None
        entry = query.items[index]
        if entry.node is not None:
            text = self._expr(entry.node)
        else:
            text = self._binding(entry.binding) if entry.binding is not None else "null"
        if len(text) > _INLINE:
            text = f"(digest {hashlib.sha256(text.encode()).hexdigest()})"
        self._items[key] = text
        return text

    def _relation(self, relation: Relation) -> str:
        depth = next((i for i, scope in enumerate(reversed(self._stack)) if scope is relation.scope), len(self._stack))
        return "^" * depth + f"r{relation.number}"

    def _local(self, binding: Local) -> str:
        query = binding.relation.query
        if isinstance(query, Source):
            column = _quote(query.names[binding.index] or "")
        else:
            column = str(self._outputs[query].index(binding.index))
        return f"{self._relation(binding.relation)}.{column}"

    def _binding(self, binding: Binding) -> str:  # noqa: PLR0911 - one case per kind of binding
        match binding:
            case Local():
                return self._local(binding) + _fields(binding.fields)
            case Row(relation=relation):
                names = " ".join(_quote(name or "") for name in relation.names)
                return f"(row {self._relation(relation)} {names})"
            case AliasOf(query=query, index=index, fields=fields):
                return self._item(query, index) + _fields(fields)
            case OutputOf(query=operation, index=index, fields=fields):
                return f"out{self._printed[operation].index(index)}" + _fields(fields)
            case Merged(left=left, right=right, fields=fields):
                return f"(merged {self._binding(left)} {self._binding(right)})" + _fields(fields)
            case Either(readings=readings):
                return f"(either {' '.join(self._binding(reading) for reading in readings)})"
            case Bound(name=name):
                return f"${name.casefold()}"

    # --------------------------------------------------------------------------------------------- expressions

    def _expr(self, node: exp.Expr) -> str:  # noqa: PLR0911 - one case per kind of node
        if is_query(node):
            query = self._graph.queries[id(node)]
            return f"(subquery {self._query(query)})"
        binding = self._graph.bindings.get(id(node))
        if binding is not None:
            text = self._binding(binding)
            return (
                text + _fields([part.name for part in node.parts[1:]])
                if isinstance(binding, Bound) and isinstance(node, exp.Column)
                else text
            )
        if isinstance(node, exp.Paren) and _redundant(node):
            return self._expr(node.this)
        if isinstance(node, exp.Literal):
            return _quote(node.name) if node.is_string else node.name
        if isinstance(node, exp.Identifier):
            parameter = isinstance(node.parent, (exp.Lambda, exp.Comprehension))
            return self._binding(Bound(node.name)) if parameter else _quote(node.name)
        if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
            return self._expr(node.this) + _fields([node.expression.name])
        if isinstance(node, exp.Window) and node.args.get("alias") is not None:
            return self._named_window(node)
        name = function_name(node)
        if name:
            return f"({_quote(name)} {' '.join(self._argument(name, argument) for argument in node.expressions)})"
        return self._generic(node)

    def _argument(self, name: str, argument: exp.Expr) -> str:
        """Print an argument; a few functions see what a column is called (`struct_pack(a)` has a field a)."""
        text, binding = self._expr(argument), self._graph.bindings.get(id(argument.unnest()))
        if binding is None or not ("struct" in name or name == "alias"):
            return text
        known = binding.relation.names[binding.index] if isinstance(binding, Local) else None
        return f"(called {_quote(argument.unnest().name)} {_quote(known or '')} {text})"

    def _generic(self, node: exp.Expr, *, without: str = "") -> str:
        parts = [type(node).__name__]
        for key in sorted(node.args):
            value = node.args[key]
            # An absent flag and a false one are the same, but `this=False` is the value of FALSE.
            if key != without and value is not None and value != [] and (value is not False or key == "this"):
                parts.append(f"{key}={self._value(self._word(node, key, value))}")
        if "written" in node.meta:
            parts.append(f"written={_quote(node.meta['written'])}")
        return f"({' '.join(parts)})"

    def _word(self, node: exp.Expr, key: str, value: object) -> object:
        """Fold the case of a keyword kept as text (`rows`, `DAY`), which `this` is only in a `Var`."""
        keyword = key != "this" or (isinstance(node, exp.Var) and not isinstance(node.parent, exp.Kwarg))
        return value.lower() if keyword and isinstance(value, str) else value

    def _value(self, value: object) -> str:
        if isinstance(value, list):
            return "[" + " ".join(self._value(entry) for entry in value) + "]"
        if isinstance(value, exp.Expr):
            return self._expr(value)
        return _quote(value) if isinstance(value, str) else str(value)

    def _named_window(self, node: exp.Window) -> str:
        scope = self._stack[-1]
        assert scope.query.node is not None  # noqa: S101 - set when it was resolved
        definition = scope.query.node.args["windows"][scope.windows[node.args["alias"].name.casefold()]]
        return f"{self._generic(node, without='alias')[:-1]} over={self._generic(definition, without='this')})"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _fields(fields: Sequence[str]) -> str:
    return "".join(f".{_quote(name.casefold())}" for name in fields)
