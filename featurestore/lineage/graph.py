"""What a resolved query is made of: queries, the relations in their FROM, bindings of names, and dependencies.

The tree that sqlglot parsed is never rewritten. Names are resolved beside it: `Graph.bindings` says what each column
node means, `Graph.queries` which query a nested SELECT became, and `Graph.edges` what depends on what.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlglot import exp

__all__ = [
    "AliasOf",
    "Binding",
    "Bound",
    "Cte",
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
    "item",
    "out",
    "rows",
    "window",
]

Node: TypeAlias = "tuple[Query, str, int]"


@dataclass(eq=False, slots=True)
class Query:
    """Anything that yields rows under named columns; a column without a name cannot be referred to."""

    names: list[str | None]
    node: exp.Expr | None = None
    ctes: list[Cte] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Source(Query):
    """A declared source."""

    source: str = ""


@dataclass(eq=False, slots=True)
class Rows(Query):
    """VALUES, or a function in FROM: rows made of expressions."""

    name: str = ""
    expressions: list[exp.Expr] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class SetOperation(Query):
    """UNION, EXCEPT or INTERSECT; without `right`, a query in parentheses with its own ORDER BY or LIMIT."""

    left: Query | None = None
    right: Query | None = None
    left_of: list[int | None] = field(default_factory=list)
    right_of: list[int | None] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Item:
    """One column of a select list: an expression, or (from a star) a binding."""

    name: str | None
    node: exp.Expr | None = None
    binding: Binding | None = None
    aliased: bool = False
    aggregate: bool = False
    expanding: bool = False


@dataclass(eq=False, slots=True)
class Select(Query):
    """A SELECT with its FROM, items and named windows."""

    scope: Scope | None = None
    joined: list[Joined] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
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
    also: Mapping[str, int] = field(default_factory=dict)
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
    using: list[tuple[str, Binding, Binding]] = field(default_factory=list)


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
    relations: list[Relation] = field(default_factory=list)
    merged: dict[str, Binding] = field(default_factory=dict)
    right_of_using: set[tuple[int, int]] = field(default_factory=set)
    windows: dict[str, int] = field(default_factory=dict)
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


def item(query: Query, index: int) -> Node:
    """Return the node of an expression alone, as aliases and positions refer to it."""
    return (query, "item", index)


def window(query: Query, index: int) -> Node:
    """Return the node of a named window."""
    return (query, "window", index)


@dataclass(eq=False, slots=True)
class Graph:
    """All that was resolved: edges carry whether a value flows (True) or only acts (False)."""

    edges: dict[Node, dict[Node, bool]] = field(default_factory=lambda: defaultdict(dict))
    bindings: dict[int, Binding] = field(default_factory=dict)
    queries: dict[int, Query] = field(default_factory=dict)

    def add(self, owner: Node, target: Node, *, direct: bool) -> None:
        """Let `owner` depend on `target`."""
        self.edges[owner][target] = self.edges[owner].get(target, False) or direct

    def use(self, owner: Node, binding: Binding, *, direct: bool) -> None:
        """Let `owner` depend on what `binding` names."""
        match binding:
            case Local(relation=relation, index=index):
                self.add(owner, out(relation.query, index), direct=direct)
            case Row(relation=relation):
                for index in range(len(relation.names)):
                    self.add(owner, out(relation.query, index), direct=direct)
            case AliasOf(query=query, index=index):
                self.add(owner, item(query, index), direct=direct)
            case OutputOf(query=operation, index=index):
                self.add(owner, out(operation, index), direct=direct)
            case Merged(left=left, right=right):
                self.use(owner, left, direct=direct)
                self.use(owner, right, direct=direct)
            case Either(readings=readings):
                for reading in readings:
                    self.use(owner, reading, direct=direct)
            case Bound():
                pass

    def reach(self, starts: Iterable[Node], *, only_direct: bool = False) -> set[Node]:
        """Return all nodes that `starts` depend on, themselves included."""
        seen = set(starts)
        waiting = list(seen)
        while waiting:
            for target, direct in self.edges.get(waiting.pop(), {}).items():
                if target not in seen and (direct or not only_direct):
                    seen.add(target)
                    waiting.append(target)
        return seen
