"""Positions: `GROUP BY 1`, `ORDER BY 2`, and the ORDER BY of a set operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import DefinitionError, nearest
from featurestore.lineage.dialect import place
from featurestore.lineage.graph import Either, OutputOf, SetOperation, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.lineage.graph import Binding, Graph, Query

__all__ = ["GROUPINGS", "order_set_operation", "ordinals"]

GROUPINGS = (exp.Cube, exp.GroupingSets, exp.Rollup)


def ordinals(clause: exp.Expr) -> Iterator[exp.Literal]:
    """Yield the integers of GROUP BY, ORDER BY and DISTINCT ON that are positions in the select list."""
    if isinstance(clause, exp.Order):
        candidates = [entry.this.unnest() for entry in clause.expressions if isinstance(entry, exp.Ordered)]
    elif isinstance(clause, exp.Group):
        candidates = [node for entry in clause.expressions for node in _elements(entry)]
        candidates += [node for kind in ("cube", "rollup", "grouping_sets") for entry in clause.args.get(kind) or []
                       for node in _elements(entry)]  # fmt: skip
    elif isinstance(clause, exp.Distinct) and clause.args.get("on"):
        candidates = list(_elements(clause.args["on"]))
    else:
        candidates = []
    yield from (node for node in candidates if isinstance(node, exp.Literal) and node.is_int)


def _elements(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, (*GROUPINGS, exp.Tuple)):
        for child in node.expressions:
            yield from _elements(child)
    elif isinstance(node, exp.Paren):
        yield from _elements(node.this)
    else:
        yield node


def _names(query: Query) -> Iterator[tuple[str, int]]:
    """Yield the names by which ORDER BY can mean an output: its own, then those of the branches."""
    yield from ((name.casefold(), index) for index, name in enumerate(query.names) if name is not None)
    if isinstance(query, SetOperation):
        for branch, mapping in ((query.left, query.left_of), (query.right, query.right_of)):
            if branch is not None:
                known = list(_names(branch))
                for index, position in enumerate(mapping):
                    yield from ((name, index) for name, at in known if at == position)


def order_set_operation(sql: str, node: exp.Expr, query: SetOperation, graph: Graph) -> None:
    """Resolve the ORDER BY, LIMIT and OFFSET of a set operation, which see only its outputs."""
    for key in ("limit", "offset"):
        clause = node.args.get(key)
        if clause is not None and any(clause.find_all(exp.Column, exp.Query)):
            raise DefinitionError(f"{key.upper()}{place(sql, clause)} of a set operation must be a number.")
    order = node.args.get("order")
    if order is None:
        return
    if any(order.find_all(exp.Query)):
        raise DefinitionError(f"ORDER BY{place(sql, order)} of a set operation may not hold a query.")
    _positions(order, query, graph)
    for column in order.find_all(exp.Column):
        graph.bindings[id(column)] = binding = _output(sql, column, query)
        graph.use(rows(query), binding, direct=False)


def _positions(order: exp.Expr, query: SetOperation, graph: Graph) -> None:
    for literal in ordinals(order):
        position = int(literal.name)
        if not 1 <= position <= len(query.names):
            raise DefinitionError(f"ORDER BY {position}: there are {len(query.names)} columns.")
        graph.bindings[id(literal)] = OutputOf(query, position - 1)
        graph.use(rows(query), OutputOf(query, position - 1), direct=False)
    for entry in order.expressions:
        if isinstance(entry.this, exp.Var):  # ALL
            for index in range(len(query.names)):
                graph.use(rows(query), OutputOf(query, index), direct=False)


def _output(sql: str, column: exp.Column, query: SetOperation) -> Binding:
    parts = [part.name for part in column.parts]
    hits = dict.fromkeys(index for name, index in _names(query) if name == parts[0].casefold())
    if not hits:
        known = [name for name in query.names if name is not None]
        raise DefinitionError(
            f"ORDER BY{place(sql, column)}: the result has no column {parts[0]!r}.{nearest(parts[0], known)}"
        )
    readings = tuple(OutputOf(query, index, tuple(parts[1:])) for index in hits)
    return readings[0] if len(readings) == 1 else Either(readings)
