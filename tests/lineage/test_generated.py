"""Generated queries, perturbed: whatever moves an output is named, whatever the query looks like.

The grammar writes joins, nested queries, CTEs, windows, groups, sets and the clauses around them over the sources of
the golden suite. It draws names from what is in scope, so that most of what it writes runs; what DuckDB refuses is
skipped.
"""

from __future__ import annotations

import random

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.errors import DefinitionError
from featurestore.lineage.sql import analyse
from tests.lineage.golden import SCHEMAS
from tests.lineage.perturbation import movements, query

SOURCES = {"flights": SCHEMAS["flights"], "weather": SCHEMAS["weather"], "planes": SCHEMAS["planes"],
           "orders": SCHEMAS["orders"], "customers": SCHEMAS["customers"]}  # fmt: skip
NUMBERS = {"INTEGER", "DOUBLE"}
Columns = dict[str, str]
"""Qualified name to type."""


class Grammar:
    """Writes one query; every choice is the generator's."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.names = 0

    def maybe(self, share: float) -> bool:
        return self.pick.random() < share

    def fresh(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def query(self, depth: int, ctes: dict[str, Columns]) -> tuple[str, Columns]:
        """Return a query and its outputs."""
        if depth > 0 and self.maybe(0.2):
            return self.set_operation(depth, ctes)
        return self.select(depth, ctes)

    def top(self) -> str:
        ctes: dict[str, Columns] = {}
        texts = []
        for _ in range(self.pick.choice([0, 0, 1, 2])):
            name = self.fresh("c")
            text, outputs = self.query(1, ctes)
            texts.append(f"{name} as ({text})")
            ctes[name] = outputs
        text, _ = self.query(2, ctes)
        return (f"with {', '.join(texts)} " if texts else "") + text

    def set_operation(self, depth: int, ctes: dict[str, Columns]) -> tuple[str, Columns]:
        left, outputs = self.select(depth - 1, ctes, types=["VARCHAR", "DOUBLE"])
        right, _ = self.select(depth - 1, ctes, types=["VARCHAR", "DOUBLE"])
        kind = self.pick.choice(["union all", "union", "except", "intersect", "union all by name"])
        return f"({left}) {kind} ({right})", outputs

    def relation(self, depth: int, ctes: dict[str, Columns]) -> tuple[str, str, Columns]:
        """Return the text of an entry of FROM, its alias, and its columns."""
        alias = self.fresh("t")
        if depth > 0 and self.maybe(0.3):
            text, outputs = self.query(depth - 1, ctes)
            return f"({text}) {alias}", alias, outputs
        choices: dict[str, Columns] = {**SOURCES, **ctes}
        name = self.pick.choice(list(choices))
        return f"{name} {alias}", alias, choices[name]

    def source(self, depth: int, ctes: dict[str, Columns]) -> tuple[str, Columns]:
        text, alias, columns = self.relation(depth, ctes)
        scope = {f"{alias}.{name}": kind for name, kind in columns.items()}
        for _ in range(self.pick.choice([0, 0, 1, 1, 2])):
            other, name, found = self.relation(depth - 1, ctes)
            added = {f"{name}.{column}": kind for column, kind in found.items()}
            kind = self.pick.choice(["", "left", "right", "full", "semi", "anti", "cross"])
            on = "" if kind == "cross" else f" on {self.match(scope, added)}"
            text += f" {kind} join {other}{on}"
            if kind not in {"semi", "anti"}:
                scope |= added
        lists = [column for column, kind in scope.items() if kind == "INTEGER[]"]
        if lists and self.maybe(0.3):
            name = self.fresh("u")
            text += f", unnest({self.pick.choice(lists)}) as {name}({name}v)"
            scope[f"{name}.{name}v"] = "INTEGER"
        return text, scope

    def match(self, left: Columns, right: Columns) -> str:
        pairs = [(a, b) for a, kind in left.items() for b, other in right.items()
                 if kind == other and kind in {"INTEGER", "VARCHAR", "TIMESTAMP", "DOUBLE"}]  # fmt: skip
        if not pairs:
            return "true"
        a, b = self.pick.choice(pairs)
        return f"{a} {self.pick.choice(['=', '=', '=', '<='])} {b}"

    def of(self, scope: Columns, kinds: set[str]) -> str | None:
        found = [name for name, kind in scope.items() if kind in kinds]
        return self.pick.choice(found) if found else None

    def number(self, scope: Columns, depth: int, ctes: dict[str, Columns]) -> str:
        """Return an expression of a number that reads columns of `scope`."""
        column = self.of(scope, NUMBERS) or "1"
        chance = self.pick.random()
        if chance < 0.35:
            return column
        if chance < 0.55:
            return f"{column} {self.pick.choice('+-*')} {self.of(scope, NUMBERS) or '2'}"
        if chance < 0.7:
            return f"case when {self.condition(scope, 0, ctes)} then {column} else {self.of(scope, NUMBERS) or '0'} end"
        if chance < 0.8:
            return f"coalesce({column}, {self.of(scope, NUMBERS) or '0'})"
        if chance < 0.9 or depth <= 0:
            text = self.of(scope, {"VARCHAR"})
            return f"length({text})" if text else "3"
        return self.scalar(scope, depth, ctes)

    def scalar(self, scope: Columns, depth: int, ctes: dict[str, Columns]) -> str:
        text, alias, columns = self.relation(depth - 1, ctes)
        inner = {f"{alias}.{name}": kind for name, kind in columns.items()}
        value = self.of(inner, NUMBERS) or "1"
        where = f" where {self.match(scope, inner)}" if self.maybe(0.7) else ""
        return f"(select {self.pick.choice(['max', 'min', 'count', 'sum'])}({value}) from {text}{where})"

    def condition(self, scope: Columns, depth: int, ctes: dict[str, Columns]) -> str:
        if depth > 0 and self.maybe(0.25):
            text, alias, columns = self.relation(depth - 1, ctes)
            inner = {f"{alias}.{name}": kind for name, kind in columns.items()}
            negated = "not " if self.maybe(0.3) else ""
            return f"{negated}exists (select * from {text} where {self.match(scope, inner)})"
        column = self.of(scope, NUMBERS)
        word = self.of(scope, {"VARCHAR"})
        choices = [f"{column} {self.pick.choice(['>', '<', '<>'])} {self.pick.randint(0, 9)}"] if column else []
        choices += [f"{word} in ('JFK', 'LGA', 'T1', 'paid', 'DE')", f"{word} is not null"] if word else []
        return self.pick.choice(choices) if choices else "true"

    def window(self, scope: Columns) -> str:
        everything = {"INTEGER", "DOUBLE", "VARCHAR", "TIMESTAMP"}
        by = self.of(scope, everything)
        orders = [name for name, kind in scope.items() if kind in everything]
        order = ", ".join(self.pick.sample(orders, min(len(orders), 3)))
        value = self.of(scope, NUMBERS) or "1"
        call = self.pick.choice([f"sum({value})", f"lag({value})", "count(*)", f"max({value})", "rank()"])
        over = [f"partition by {by}"] if by and self.maybe(0.7) else []
        over += [f"order by {order}"] if order else []
        return f"{call} over ({' '.join(over)})"

    def value(self, kind: str, scope: Columns, depth: int, ctes: dict[str, Columns]) -> str:
        if kind == "VARCHAR":
            column = self.of(scope, {"VARCHAR"}) or "'x'"
            return self.pick.choice([column, f"upper({column})", f"{column} || '!'"])
        if self.maybe(0.25):
            return f"({self.window(scope)})::double"
        return f"({self.number(scope, depth, ctes)})::double"

    def select(self, depth: int, ctes: dict[str, Columns], types: list[str] | None = None) -> tuple[str, Columns]:
        text, scope = self.source(depth, ctes)
        where = f" where {self.condition(scope, depth, ctes)}" if self.maybe(0.4) else ""
        kinds = types or [self.pick.choice(["VARCHAR", "DOUBLE", "DOUBLE"]) for _ in range(self.pick.randint(1, 4))]
        if self.maybe(0.3):
            return self.grouped(text + where, scope, kinds)
        names = ["s", "v"] if types else [self.fresh("x") for _ in kinds]
        items = [f"{self.value(kind, scope, depth, ctes)} as {name}" for kind, name in zip(kinds, names, strict=True)]
        distinct = "distinct " if self.maybe(0.12) else ""
        tail = ""
        if not distinct and self.maybe(0.1):
            tail = f" qualify {self.window(scope)} > {self.pick.randint(0, 3)}"
        if self.maybe(0.15):
            tail += f" order by all limit {self.pick.randint(2, 9)}"
        return f"select {distinct}{', '.join(items)} from {text}{where}{tail}", dict(zip(names, kinds, strict=True))

    def grouped(self, text: str, scope: Columns, kinds: list[str]) -> tuple[str, Columns]:
        names = ["s", "v"] if kinds == ["VARCHAR", "DOUBLE"] else [self.fresh("x") for _ in kinds]
        keys: list[str] = []
        items = []
        whole = self.maybe(0.25)
        for kind, name in zip(kinds, names, strict=True):
            column = self.of(scope, {"VARCHAR"} if kind == "VARCHAR" else NUMBERS)
            if column is None:
                items.append(f"{'min' if kind == 'VARCHAR' else 'count'}({next(iter(scope))}::varchar) as {name}")
            elif kind == "VARCHAR" and not whole and self.maybe(0.6):
                keys.append(column)
                items.append(f"{column} as {name}")
            else:
                numbers = ["sum(", "min(", "avg(", "count(", "count(distinct "]
                call = "max(" if kind == "VARCHAR" else self.pick.choice(numbers)
                test = f" filter (where {self.condition(scope, 0, {})})" if self.maybe(0.3) else ""
                cast = "" if kind == "VARCHAR" else "::double"
                items.append(f"({call}{column}){test}){cast} as {name}")
        hidden = self.of(scope, {"VARCHAR", "INTEGER"})
        if not whole and not keys and hidden is not None:
            keys.append(hidden)
        group = f" group by {', '.join(dict.fromkeys(keys))}" if keys else ""
        having = ""
        if self.maybe(0.2):
            having = f" having max({self.of(scope, NUMBERS) or '1'}) > {self.pick.randint(0, 9)}"
        return f"select {', '.join(items)} from {text}{group}{having}", dict(zip(names, kinds, strict=True))


def check(database: duckdb.DuckDBPyConnection, seed: int) -> bool:
    """Write a query, and hold its lineage against the data; False where DuckDB refuses the query."""
    sql = Grammar(seed).top()
    generator = random.Random(seed)
    try:
        analysis = analyse(sql, SCHEMAS)
    except DefinitionError as error:
        raise AssertionError(f"refused: {sql}") from error
    named = {
        output: {(use.source, use.column): use.kind for use in analysis.uses[output]} for output in analysis.outputs
    }
    sources = [source for source in SOURCES if source in analysis.reads]
    try:
        seen = movements(query(database, sql), named, generator, sources=sources, rounds=(1, 1), only_unnamed=True)
    except duckdb.Error:
        return False
    unnamed = seen - {(output, *column) for output, columns in named.items() for column in columns}
    assert not unnamed, f"moved unnamed {unnamed}: {sql}"
    return True


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    return connection


SLOW = [HealthCheck.too_slow]


@settings(max_examples=80, derandomize=True, deadline=None, database=None, suppress_health_check=SLOW)
@given(seed=st.integers(0, 2**32))
def test_what_moves_is_named_in_generated_queries(database: duckdb.DuckDBPyConnection, seed: int) -> None:
    check(database, seed)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=SLOW)
@given(seed=st.integers(0, 2**64))
def test_what_moves_is_named_in_thousands_of_generated_queries(database: duckdb.DuckDBPyConnection, seed: int) -> None:
    check(database, seed)


def test_most_generated_queries_run(database: duckdb.DuckDBPyConnection) -> None:
    assert sum(check(database, seed) for seed in range(20)) > 15
