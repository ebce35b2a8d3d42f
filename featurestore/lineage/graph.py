"""What a resolved query is made of: queries, the relations in their FROM, bindings of names, and dependencies.

The tree that sqlglot parsed is never rewritten. Names are resolved beside it: `Graph.bindings` says what each column
node means, `Graph.queries` which query a nested SELECT became, and `Graph.edges` what depends on what, and how.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlglot import exp

__all__ = [
    "AliasOf",
    "Binding",
    "Bound",
    "Cte",
    "Edge",
    "Either",
    "Graph",
    "Item",
    "Joined",
    "Local",
    "Merged",
    "Mode",
    "Node",
    "OutputOf",
    "Query",
    "Relation",
    "Row",
    "Rows",
    "Scope",
    "Select",
    "SetOperation",
    "Source",
    "field",
    "inputs",
    "item",
    "out",
    "rows",
    "window",
]

Node: TypeAlias = "tuple[Query, str, int]"


class Edge(IntEnum):
    """How one node depends on another; of several ways the strongest is kept."""

    NEEDS = 0
    """It is part of the text and must exist, and no value of it can move the other: what EXISTS selects."""
    ACTS = 1
    """It decides which rows there are, or beside which others they stand."""
    FLOWS = 2
    """Its value enters the other's."""


@dataclass(eq=False, slots=True)
class Query:
    """Anything that yields rows under named columns; a column without a name cannot be referred to."""

    names: list[str | None]
    node: exp.Expr | None = None
    ctes: list[Cte] = dataclasses.field(default_factory=list)


@dataclass(eq=False, slots=True)
class Source(Query):
    """A declared source."""

    source: str = ""


@dataclass(eq=False, slots=True)
class Rows(Query):
    """VALUES, or a function in FROM: rows made of expressions."""

    name: str = ""
    expressions: list[exp.Expr] = dataclasses.field(default_factory=list)


@dataclass(eq=False, slots=True)
class SetOperation(Query):
    """UNION, EXCEPT or INTERSECT; without `right`, a query in parentheses with its own ORDER BY or LIMIT."""

    left: Query | None = None
    right: Query | None = None
    left_of: list[int | None] = dataclasses.field(default_factory=list)
    right_of: list[int | None] = dataclasses.field(default_factory=list)


@dataclass(eq=False, slots=True)
class Item:
    """One column of a select list: an expression, or (from a star) a binding; `fields` of a struct literal."""

    name: str | None
    node: exp.Expr | None = None
    binding: Binding | None = None
    aliased: bool = False
    aggregate: bool = False
    expanding: bool = False
    fields: frozenset[str] = frozenset()


@dataclass(eq=False, slots=True)
class Select(Query):
    """A SELECT with its FROM, items and named windows."""

    scope: Scope | None = None
    joined: list[Joined] = dataclasses.field(default_factory=list)
    items: list[Item] = dataclasses.field(default_factory=list)
    aggregate: bool = False
    group_all: bool = False
    order_all: bool = False
    grouping_sets: bool = False


@dataclass(eq=False, slots=True)
class Cte:
    """A named query of WITH."""

    name: str
    query: Query
    names: list[str | None]
    node: exp.Expr


@dataclass(eq=False, slots=True)
class Relation:
    """One entry of a FROM, under its alias; `also` holds further names of single columns."""

    query: Query
    names: list[str | None]
    alias: str | None
    number: int
    scope: Scope
    also: Mapping[str, int] = dataclasses.field(default_factory=dict)
    padded: bool = False
    hidden: bool = False

    def find(self, name: str) -> int | None:
        """Return the position of column `name`; of two equal names, DuckDB reads the first."""
        folded = name.casefold()
        for index, known in enumerate(self.names):
            if known is not None and known.casefold() == folded:
                return index
        return self.also.get(folded)


@dataclass(eq=False, slots=True)
class Joined:
    """One operand of a FROM with the join that adds it; a parenthesised join nests."""

    operand: Relation | list[Joined]
    join: exp.Expr | None = None
    using: list[tuple[str, Binding, Binding]] = dataclasses.field(default_factory=list)


class Mode(Enum):
    """Whether aliases of the select list can be meant at this place, and who wins over a column of that name."""

    NONE = "aliases are not visible (FROM, ON)"
    COLUMN = "the column wins (SELECT, WHERE, GROUP BY)"
    EITHER = "DuckDB's choice depends on the query: both are named (HAVING, QUALIFY, ORDER BY, DISTINCT ON)"


@dataclass(eq=False, slots=True)
class Scope:
    """What names mean inside one SELECT."""

    parent: Scope | None
    ctes: Mapping[str, Cte]
    query: Select
    relations: list[Relation] = dataclasses.field(default_factory=list)
    merged: dict[str, Binding] = dataclasses.field(default_factory=dict)
    right_of_using: set[tuple[int, int]] = dataclasses.field(default_factory=set)
    windows: dict[str, int] = dataclasses.field(default_factory=dict)
    mode: Mode = Mode.NONE
    current: int | None = None

    def visible(self) -> list[Relation]:
        """Return the relations whose columns can be named here."""
        return [relation for relation in self.relations if not relation.hidden]


@dataclass(frozen=True, slots=True)
class Local:
    """A column of a relation, and the struct fields read of it."""

    relation: Relation
    index: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A whole row of a relation, as a struct."""

    relation: Relation


@dataclass(frozen=True, slots=True)
class AliasOf:
    """An item of the select list, by alias or position."""

    query: Select
    index: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputOf:
    """An output of a set operation, in its ORDER BY."""

    query: SetOperation
    index: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """The two columns that a FULL JOIN ... USING merges into one."""

    left: Binding
    right: Binding
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """A name with several readings: none is left out."""

    readings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A parameter of a lambda or comprehension."""

    name: str


Binding: TypeAlias = "Local | Row | AliasOf | OutputOf | Merged | Either | Bound"


def out(query: Query, index: int) -> Node:
    """Return the node of an output column, with the rows it appears in."""
    return (query, "out", index)


def rows(query: Query) -> Node:
    """Return the node of everything that decides which rows there are, how many, and in which order."""
    return (query, "rows", 0)


def inputs(query: Query) -> Node:
    """Return the node of the rows that a SELECT reads, before it groups them."""
    return (query, "inputs", 0)


def item(query: Query, index: int) -> Node:
    """Return the node of an expression alone, as aliases and positions refer to it."""
    return (query, "item", index)


def field(query: Query, index: int, name: str) -> Node:
    """Return the node of one field of a struct that is written out as an item."""
    return (query, f"field {name.casefold()}", index)


def window(query: Query, index: int) -> Node:
    """Return the node of a named window."""
    return (query, "window", index)


@dataclass(eq=False, slots=True)
class Graph:
    """All that was resolved."""

    edges: dict[Node, dict[Node, Edge]] = dataclasses.field(default_factory=lambda: defaultdict(dict))
    bindings: dict[int, Binding] = dataclasses.field(default_factory=dict)
    queries: dict[int, Query] = dataclasses.field(default_factory=dict)

    def add(self, owner: Node, target: Node, *, direct: bool) -> None:
        """Let `owner` depend on `target`, whose value flows or only acts."""
        self._link(owner, target, Edge.FLOWS if direct else Edge.ACTS)

    def need(self, owner: Node, target: Node) -> None:
        """Let `owner` be nothing without `target`, though no value of `target` moves it."""
        self._link(owner, target, Edge.NEEDS)

    def _link(self, owner: Node, target: Node, edge: Edge) -> None:
        self.edges[owner][target] = max(self.edges[owner].get(target, Edge.NEEDS), edge)

    def use(self, owner: Node, binding: Binding, *, direct: bool) -> None:
        """Let `owner` depend on what `binding` names."""
        self._bind(owner, binding, Edge.FLOWS if direct else Edge.ACTS)

    def mention(self, owner: Node, binding: Binding) -> None:
        """Let `owner` need what `binding` names."""
        self._bind(owner, binding, Edge.NEEDS)

    def _bind(self, owner: Node, binding: Binding, edge: Edge) -> None:
        match binding:
            case Local(relation=relation, index=index, fields=fields):
                self._read(owner, relation.query, out(relation.query, index), fields, edge)
            case Row(relation=relation):
                for index in range(len(relation.names)):
                    self._link(owner, out(relation.query, index), edge)
            case AliasOf(query=query, index=index, fields=fields):
                self._read(owner, query, item(query, index), fields, edge)
            case OutputOf(query=operation, index=index):
                self._link(owner, out(operation, index), edge)
            case Merged(left=left, right=right):
                self._bind(owner, left, edge)
                self._bind(owner, right, edge)
            case Either(readings=readings):
                for reading in readings:
                    self._bind(owner, reading, edge)
            case Bound():
                pass

    def _read(self, owner: Node, query: Query, column: Node, fields: tuple[str, ...], edge: Edge) -> None:
        """Let `owner` depend on a column, or only on the field it reads of it where the struct is written out."""
        alone = _field(query, column[2], fields)
        if alone is None:
            self._link(owner, column, edge)
            return
        self._link(owner, alone, edge)
        self._link(owner, column, Edge.NEEDS)
        self._link(owner, rows(query), min(edge, Edge.ACTS))

    def reach(self, starts: Iterable[Node], *, least: Edge = Edge.NEEDS) -> set[Node]:
        """Return all nodes that `starts` depend on at least so strongly, themselves included."""
        seen = set(starts)
        waiting = list(seen)
        while waiting:
            for target, edge in self.edges.get(waiting.pop(), {}).items():
                if target not in seen and edge >= least:
                    seen.add(target)
                    waiting.append(target)
        return seen


def _field(query: Query, index: int, fields: tuple[str, ...]) -> Node | None:
    """Return the node of the field that is read, where the struct it is read of is a literal further down."""
    while fields and isinstance(query, Select):
        entry = query.items[index]
        if fields[0].casefold() in entry.fields:
            return field(query, index, fields[0])
        if not isinstance(entry.binding, Local):
            return None
        query, index, fields = entry.binding.relation.query, entry.binding.index, (*entry.binding.fields, *fields)
    return None
