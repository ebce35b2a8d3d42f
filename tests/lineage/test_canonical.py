# ruff: noqa: E501 - pairs of queries read best side by side
"""The canonical form: what may not change it, what must, and DuckDB's own parser as the judge of both."""

from __future__ import annotations

import itertools
import json
import random
import string
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.errors import DefinitionError
from featurestore.lineage.dialect import AGGREGATES, UNSTABLE
from featurestore.lineage.sql import analyse

SCHEMAS = {
    "w": {"k": "VARCHAR", "ts": "TIMESTAMP", "a": "DOUBLE", "b": "DOUBLE", "c": "INTEGER", "l": "INTEGER[]"},
    "u": {"k": "VARCHAR", "ts": "TIMESTAMP", "a": "DOUBLE", "z": "INTEGER", "s": "STRUCT(x INTEGER, y INTEGER)"},
}


def form(sql: str) -> str:
    return analyse(sql, SCHEMAS).canonical


SAME = [
    ("select a from w", "SELECT  a\n  FROM w -- a comment\n"),
    ("select a from w", "select w.a from w"),
    ("select a from w", "select q.a from w as q"),
    ("select a from w", 'select "A" as a from W'),
    ("select a from w", "from w select a"),
    ("select a from w", "(select a from w)"),
    ("select * from w", "select k, ts, a, b, c, l from w"),
    ("select * from w", "select w.* from w"),
    ("select * from w", "from w"),
    ("select * exclude (l, ts) from w", "select k, a, b, c from w"),
    ("select * replace (a + 1 as a) from w", "select k, ts, a + 1 as a, b, c, l from w"),
    ("select a, b from w", "select b, a from w"),
    ("select (a) as x, (((a + b))) as y from w", "select a as x, a + b as y from w"),
    ("select (a * b) + c as x from w", "select a * b + c as x from w"),
    ("select (a + b) + c as x from w", "select a + b + c as x from w"),
    ("select a from w where ((a > 1)) and (b < 2 or c = 1)", "select a from w where a > 1 and (b < 2 or (c = 1))"),
    ("select abs((a)) as x from w", "select ABS(a) as x from w"),
    ("select k, max(a) as m from w group by 1", "select k, max(a) as m from w group by k"),
    ("select upper(k) as q, max(a) as m from w group by 1", "select upper(k) as q, max(a) as m from w group by upper(k)"),
    ("select upper(k) as q, max(a) as m from w group by q", "select upper(k) as q, max(a) as m from w group by (1)"),
    ("select k, a from w order by 2, 1 limit 3", "select k, a from w order by a asc, w.k limit 3"),
    ("select sum(a) over (partition by k order by ts ROWS between 2 PRECEDING and CURRENT ROW) as s from w",
     "select SUM(a) OVER (PARTITION BY k ORDER BY ts rows BETWEEN 2 preceding AND current row) as s from w"),
    ("with t as (select a as x, k from w) select x as y from t", "with q as (select a, k as o from w) select q.a as y from q"),
    ("with t as (select a as x from w) select x from t", "with t as (select a as x, b as unused from w) select x from t"),
    ("select x as y from (select a as x from w) t", "select p as y from (select a as p from w)"),
    ("select a::int as x from w", "select cast(a as INTEGER) as x from w"),
    ("select a <> 1 as x from w", "select a != 1 as x from w"),
    ("select b from w, u", "select w.b from w, u"),
    ("select w.a from w join u on w.k = u.k", "select p.a from w p join u as q on p.k = q.k"),
    ("select s.x as q from u", "select u.S.X as q from u"),
    ("select list_transform(l, lambda x: x + 1) as q from w", "select List_Transform(l, lambda X: X + 1) as q from w"),
    ("select (select max(z) from u where u.k = w.k) as m from w", "select (select max(z) from u o where o.k = i.k) as m from w i"),
    ("select a from w union all select a from u", "select a from w union all (select u.a as other from u)"),
]  # fmt: skip

DIFFERENT = [
    ("select (a * 0.1) * 3 as x from w", "select a * (0.1 * 3) as x from w"),
    ("select a + (b + c) as x from w", "select (a + b) + c as x from w"),
    ("select a - (b - c) as x from w", "select a - b - c as x from w"),
    ("select a + b as x from w", "select b + a as x from w"),
    ("select a + 1 as x from w", "select a + 1.0 as x from w"),
    ("select a + 1 as x from w", "select a + '1' as x from w"),
    ("select 1e3 as x from w", "select 1000.0 as x from w"),
    ("select a from w where true", "select a from w where false"),
    ("select a / b as x from w", "select a // b as x from w"),
    ("select a::float as x from w", "select a::double as x from w"),
    ("select a::decimal(10, 2) as x from w", "select a::decimal(10, 3) as x from w"),
    ("select cast(a as int) as x from w", "select try_cast(a as int) as x from w"),
    ("select a as x from w", "select a as X from w"),
    ("select a from w", "select b as a from w"),
    ("select a from w order by a", "select a from w order by a desc"),
    ("select a from w order by a nulls first", "select a from w order by a nulls last"),
    ("select a from w limit 5", "select a from w limit 6"),
    ("select a from w limit 5", "select a from w limit 5 offset 1"),
    ("select distinct a from w", "select a from w"),
    ("select distinct on (k) a from w", "select distinct on (ts) a from w"),
    ("select count(*) as n from w", "select count(a) as n from w"),
    ("select count(a) as n from w", "select count(distinct a) as n from w"),
    ("select sum(a) as n from w", "select sum(a) filter (where b > 0) as n from w"),
    ("select list(a order by b) as n from w", "select list(a order by c) as n from w"),
    ("select list(a) as n from w", "select list(a order by a) as n from w"),
    ("select b from w join u using (k)", "select b from w left join u using (k)"),
    ("select b from w join u using (k)", "select b from w join u using (ts)"),
    ("select w.a from w join u on w.k = u.k", "select w.a from u join w on w.k = u.k"),
    ("select w.a from w join u on w.k = u.k", "select u.a from w join u on w.k = u.k"),
    ("select b from w semi join u using (k)", "select b from w anti join u using (k)"),
    ("select b from w asof join u on w.k = u.k and w.ts >= u.ts", "select b from w asof join u on w.k = u.k and w.ts > u.ts"),
    ("select a from w union select a from u", "select a from w union all select a from u"),
    ("select a from w union all select a from u", "select a from u union all select a from w"),
    ("select a from w except select a from u", "select a from w except all select a from u"),
    ("select a from w except select a from u", "select a from w intersect select a from u"),
    ("select a, b from w union all select a, z from u", "select a, b from w union all select z, a from u"),
    ("select sum(a) over (order by ts) as x from w", "select sum(a) over (order by ts desc) as x from w"),
    ("select sum(a) over (order by ts) as x from w", "select sum(a) over (partition by k order by ts) as x from w"),
    ("select sum(a) over (order by ts rows 3 preceding) as x from w", "select sum(a) over (order by ts rows 4 preceding) as x from w"),
    ("select sum(a) over (order by ts rows 3 preceding) as x from w", "select sum(a) over (order by ts range 3 preceding) as x from w"),
    ("select sum(a) over (order by ts rows between 3 preceding and current row exclude current row) as x from w",
     "select sum(a) over (order by ts rows between 3 preceding and current row) as x from w"),
    ("select lag(a) over (order by ts) as x from w", "select lag(a) ignore nulls over (order by ts) as x from w"),
    ("select sum(a) over v as x from w window v as (order by ts)", "select sum(a) over v as x from w window v as (order by k)"),
    ("select a from w where a > 1", "select a from w where a >= 1"),
    ("select a from w where a > 1", "select a from w qualify a > 1"),
    ("select a from w where a in (1, 2)", "select a from w where a not in (1, 2)"),
    ("select a from w where a between 1 and 2", "select a from w where not a between 1 and 2"),
    ("select k, max(a) as m from w group by k having max(b) > 1", "select k, max(a) as m from w group by k"),
    ("select k, max(a) as m from w group by rollup (k)", "select k, max(a) as m from w group by cube (k)"),
    ("select max(a) as m from w group by k", "select max(a) as m from w group by k, ts"),
    ("select 'x' as k, max(a) as m from w", "select 'x' as k, a as m from w"),
    ("select -a as a, b from w order by a", "select -a as a, b from w order by w.a"),
    ("select interval 1.5 day as x", "select interval '1.5' day as x"),
    ("select l[1] as x from w", "select l[0] as x from w"),
    ("select l[1:2] as x from w", "select l[1:3] as x from w"),
    ("select struct_pack(p := a) as x from w", "select struct_pack(P := a) as x from w"),
    ("select {'p': a} as x from w", "select {'P': a} as x from w"),
    ("select struct_pack(p) as x from (select a as p from w)", "select struct_pack(q) as x from (select a as q from w)"),
    ("select t as x from (select a as p from w) t", "select t as x from (select a as q from w) t"),
    ("select k || 'a' as x from w", "select k || 'A' as x from w"),
    ("select k like 'a%' as x from w", "select k ilike 'a%' as x from w"),
    ("select k ~ 'a' as x from w", "select k !~ 'a' as x from w"),
    ("select '{}'::json -> 'a.b' as x", "select '{}'::json -> '$.a.b' as x"),
    ("select e'\\n' as x", "select '\\n' as x"),
    ("select '\\t' as x", "select $$\t$$ as x"),
    ("select c ^ 2 as x from w", "select xor(c, 2) as x from w"),
    ("select case when a > 1 then 2 end as x from w", "select case when a > 1 then 2 else 0 end as x from w"),
    ("select unnest(l) as x, a from w", "select l as x, a from w"),
    ("with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select n from r",
     "with recursive r(n) as (select 1 union select n + 1 from r where n < 3) select n from r"),
    ("select (-a) ^ 2 as x from w", "select -a ^ 2 as x from w"),
    ("select not (a > 1) is null as x from w", "select (not a > 1) is null as x from w"),
    ("select timestamp '2024-01-01' as x", "select timestamptz '2024-01-01' as x"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_means_the_same_has_one_form(first: str, second: str) -> None:
    assert form(first) == form(second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_what_may_compute_another_value_has_another_form(first: str, second: str) -> None:
    assert form(first) != form(second)


def test_the_form_names_its_algorithm() -> None:
    assert analyse("select a from w", SCHEMAS).algorithm == "sql-1"


def test_long_chains_of_aliases_stay_small() -> None:
    chain = ", ".join(f"x{i} + x{i} as x{i + 1}" for i in range(60))
    assert len(form(f"select a as x0, {chain} from w")) < 200_000


# ------------------------------------------------------------------------------------------------- pruned to a feature

BASE = """with t as (select k, ts, a * 2 as p, b - 1 as q, c from w where c > 0),
    g as (select k, max(p) as hi, min(q) as lo, count(*) as n from t group by k)
    select t.k, t.ts, p, hi, lo + q as mixed from t left join g using (k) where p > 1"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("a * 2 as p", "a * 2 as p, a as unused", set()),
        ("min(q) as lo", "max(q) as lo", {"mixed"}),
        ("max(p) as hi", "avg(p) as hi", {"hi"}),
        ("lo + q as mixed", "lo - q as mixed", {"mixed"}),
        ("count(*) as n", "sum(c) as n", set()),
        ("b - 1 as q", "b - 2 as q", {"mixed"}),
        ("c > 0", "c > 1", {"k", "ts", "p", "hi", "mixed"}),
        ("left join", "join", {"k", "ts", "p", "hi", "mixed"}),
        ("group by k", "group by k, ts", {"k", "ts", "p", "hi", "mixed"}),
        ("a * 2 as p", "a * 3 as p", {"k", "ts", "p", "hi", "mixed"}),  # p filters
        ("select t.k, t.ts, p,", "select t.ts, t.k, p,", set()),
        ("lo + q as mixed", "lo + q as mixed, q as more", set()),
        ("p > 1", "p > 1 and (select count(*) from u) > 0", {"k", "ts", "p", "hi", "mixed"}),
    ],
)
def test_a_change_reaches_the_features_that_pass_through_it(old: str, new: str, changed: set[str]) -> None:
    assert old in BASE
    before = analyse(BASE, SCHEMAS, always=["k", "ts"]).canonical_of
    after = analyse(BASE.replace(old, new, 1), SCHEMAS, always=["k", "ts"]).canonical_of
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    "sql",
    [
        "select distinct a, b, k from w",
        "select a, b, k from w union select a, z, k from u",
        "select a, b, k from w except select a, z, k from u",
        "select a, b, k from w group by all",
        "select a, b, k from w order by all limit 3",
        "select a, unnest(l) as b, k from w",
    ],
)
def test_what_decides_the_rows_is_not_pruned(sql: str) -> None:
    of = analyse(sql, SCHEMAS, always=["k"]).canonical_of
    changed = sql.replace("a, b,", "a, b + 1 as b,", 1).replace("unnest(l)", "unnest(l || [1])")
    assert of["a"] != analyse(changed, SCHEMAS, always=["k"]).canonical_of["a"]


def test_a_union_all_is_pruned_by_position() -> None:
    first = analyse("select a, b, k from w union all select a, z, k from u", SCHEMAS, always=["k"]).canonical_of
    second = analyse("select a, b, k from w union all select a, z + 1, k from u", SCHEMAS, always=["k"]).canonical_of
    assert first["a"] == second["a"]
    assert first["b"] != second["b"]


# --------------------------------------------------------------------------------------------------- DuckDB as the judge


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:  # noqa: ANN401 - JSON
    """Return DuckDB's own tree of `sql`, without positions."""
    row = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    assert row is not None
    tree = json.loads(row[0])

    def clean(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, dict):
            return {key: clean(value) for key, value in node.items() if not key.startswith("query_location")}
        return [clean(entry) for entry in node] if isinstance(node, list) else node

    return None if tree["error"] else clean(tree)


OPERATORS = ["+", "-", "*", "/", "//", "%", "^", "**", "||", "=", "<>", "<", ">=", "and", "or", "&", "|", "<<", ">>",
             "is distinct from", "is not distinct from", "like", "ilike", "not like", "~", "^@", "->", "->>",
             "similar to", "glob", "&&", "@>"]  # fmt: skip
UNARY = ["-", "not ", "~", "+"]
POSTFIX = [" is null", "::int", " is not true", "[1]", " collate nocase", " in (1, 2)", " between 1 and 2", " notnull"]

_leaf = st.sampled_from(["a", "b", "c", "k", "1", "2.0", "'x'", "null", "abs(a)", "(select 1)", "true", "l[1]"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
        st.tuples(st.sampled_from(UNARY), inner).map("".join),
        st.tuples(inner, st.sampled_from(POSTFIX)).map("".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"coalesce({text}, b)"),
        st.tuples(inner, inner).map(lambda t: f"case when {t[0]} then {t[1]} else (c) end"),
    )


expressions = st.recursive(_leaf, _grow, max_leaves=7)


def variants(text: str, generator: random.Random) -> list[str]:
    """Return the expression with some pairs of parentheses added or removed."""
    found = [text]
    opened: list[int] = []
    for position, mark in enumerate(text):
        if mark == "(":
            opened.append(position)
        elif mark == ")" and opened:
            start = opened.pop()
            if start == 0 or text[start - 1] in " (-~+":
                found.append(text[:start] + text[start + 1 : position] + text[position + 1 :])
    words = text.split(" ")
    for _ in range(6):
        start, end = sorted(generator.choices(range(len(words)), k=2))
        found.append(" ".join([*words[:start], "(" + " ".join(words[start : end + 1]) + ")", *words[end + 1 :]]))
    return found


@settings(max_examples=200, deadline=None)
@given(expressions, st.integers(0, 2**32))
def test_equal_forms_are_equal_to_duckdbs_parser(text: str, seed: int) -> None:
    with duckdb.connect() as connection:
        forms: dict[str, tuple[str, Any]] = {}
        for variant in variants(text, random.Random(seed)):
            sql = f"select {variant} as x from w"
            try:
                canonical = form(sql)
            except DefinitionError:
                continue
            tree = parsed(connection, sql)
            if tree is None:
                continue
            known = forms.setdefault(canonical, (sql, tree))
            assert known[1] == tree, f"one form, two queries:\n  {known[0]}\n  {sql}"


def test_operators_group_as_in_duckdb_where_parentheses_are_dropped() -> None:
    with duckdb.connect() as connection:
        for first, second in itertools.product(OPERATORS, repeat=2):
            bare, left, right = (
                f"select {shape} as x from w"
                for shape in (f"a {first} b {second} c", f"(a {first} b) {second} c", f"a {first} (b {second} c)")
            )
            for wrapped in (left, right):
                try:
                    equal = form(bare) == form(wrapped)
                except DefinitionError:
                    continue
                if equal and parsed(connection, bare) is not None:
                    assert parsed(connection, bare) == parsed(connection, wrapped), (bare, wrapped)


def test_no_two_functions_have_one_form() -> None:
    with duckdb.connect() as connection:
        names = [
            row[0] for row in connection.execute("select distinct function_name from duckdb_functions()").fetchall()
        ]
    forms: dict[str, str] = {}
    for name in sorted(names):
        if not set(name) <= set(string.ascii_lowercase + string.digits + "_"):
            continue
        for arguments in ("", "a", "a, b", "k, a, b"):
            try:
                canonical = form(f"select {name}({arguments}) as x from w")
            except DefinitionError:
                continue
            assert forms.setdefault(canonical, name) == name
    assert len(set(forms.values())) > 500


def test_types_with_one_form_are_one_type() -> None:
    forms: dict[str, tuple[str, str]] = {}
    with duckdb.connect() as connection:
        names = [row[0] for row in connection.execute("select distinct type_name from duckdb_types()").fetchall()]
        extra = ["float4", "float8", "int1", "numeric(5)", "decimal", "dec(7,3)", "char", "bpchar", "text", "string",
                 "varchar(3)", "datetime", "timestamp_us", "timestamp with time zone", "time with time zone", "bytea",
                 "int[]", "int[3]", "struct(a int)", "struct(A int)", "map(int, text)", "double precision", "bit",
                 "binary", "real", "unsigned integer", "timestamp(3)", "timestamp(9)", "timestamp(0)", "float(20)"]  # fmt: skip
        for name in [*names, *extra]:
            try:
                described = connection.execute(f"describe select null::{name} as x").fetchone()
                canonical = form(f"select null::{name} as x from w")
            except (duckdb.Error, DefinitionError):
                continue
            assert described is not None
            known = forms.setdefault(canonical, (described[1], name))
            assert known[0] == described[1], (known, name)
    assert len(forms) > 25


# --------------------------------------------------------------------------------------- lists held against DuckDB


def test_every_function_that_is_not_repeatable_is_known() -> None:
    """Functions of times with a zone, which depend on the session's, are repeatable here: it is always UTC."""
    zoned = "regexp_matches(concat(parameter_types::varchar, return_type), 'TIME ZONE|TIMESTAMPTZ')"
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select distinct function_name from duckdb_functions() "
            f"where (stability <> 'CONSISTENT' and not (len(parameter_types) > 0 and {zoned})) "
            "or regexp_matches(macro_definition, 'current_|random|now\\(|today|uuid')"
        ).fetchall()
    assert {row[0] for row in rows} - UNSTABLE == set()


def test_every_aggregate_is_known() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select distinct function_name from duckdb_functions() where function_type = 'aggregate'"
        ).fetchall()
    assert {row[0] for row in rows} - AGGREGATES == set()
