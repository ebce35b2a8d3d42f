"""The canonical form against the data: mutated queries with an equal form give equal rows.

Tokens of real-looking queries are replaced, dropped, doubled and swapped at random. Where the canonical form (of
the whole query, or pruned to one output) survives, the rows must survive too.
"""

from __future__ import annotations

import random

import duckdb
import pytest
from sqlglot import tokenize

from featurestore.errors import DefinitionError
from featurestore.lineage.sql import SqlAnalysis, analyse
from tests.lineage.suite import QUERIES, SCHEMAS, load, result, rows_of

POOL = ["(", ")", "+", "-", "*", ">", ">=", "1", "2", "1.0", "'JFK'", "desc", "asc", "distinct", "not", "null", "left",
        "a", "origin", "temp", "id", "tail", "as", ",", ".", "t", "where", "limit", "all", "and", "or"]  # fmt: skip
MUTATIONS = 40  # 1,500 each were run once when this was written


def words_of(sql: str) -> list[str]:
    return [sql[token.start : token.end + 1] for token in tokenize(sql, dialect="duckdb")]


def mutated(words: list[str], generator: random.Random) -> str:
    words = list(words)
    for _ in range(generator.choice([1, 1, 1, 2])):
        at = generator.randrange(len(words))
        match generator.randrange(6):
            case 0:
                words[at] = generator.choice(words)
            case 1:
                words[at] = generator.choice(POOL)
            case 2:
                del words[at]
            case 3:
                words.insert(at, generator.choice([*POOL, *words]))
            case 4:
                other = generator.randrange(len(words))
                words[at], words[other] = words[other], words[at]
            case _:
                end = generator.randrange(at, len(words))
                words[at : end + 1] = ["(", *words[at : end + 1], ")"]
        if not words:
            return ""
    return " ".join(words)


def columns(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[dict[str, list[str]], list[tuple[str, ...]]]:
    names, rows = result(database, sql)
    by_name = sorted(range(len(names)), key=lambda index: names[index])
    whole = sorted(tuple(row[index] for index in by_name) for row in rows)
    return {name: sorted(row[index] for row in rows) for index, name in enumerate(names)}, whole


@pytest.mark.parametrize("name", [name for name in QUERIES if name != "recursive"])  # a mutation may not end
def test_equal_forms_give_equal_rows(name: str) -> None:
    generator = random.Random(name)
    base = QUERIES[name]
    words = words_of(base)
    with duckdb.connect() as database:
        database.execute("set threads = 1")
        for table in SCHEMAS:
            load(database, table, rows_of(table, generator))
        known: list[tuple[str, SqlAnalysis, dict[str, list[str]], list[tuple[str, ...]]]] = []
        for sql in [base, *(mutated(words, generator) for _ in range(MUTATIONS))]:
            try:
                analysis = analyse(sql, SCHEMAS)
                values, rows = columns(database, sql)
            except (DefinitionError, duckdb.Error):
                continue
            for before, other, other_values, other_rows in known:
                if other.canonical == analysis.canonical:
                    assert other_rows == rows, f"one form, other rows:\n  {before}\n  {sql}"
                for output in set(other.outputs) & set(analysis.outputs):
                    if other.canonical_of[output] == analysis.canonical_of[output]:
                        assert other_values[output] == values[output], f"{output}:\n  {before}\n  {sql}"
            assert set(values) == set(analysis.outputs), sql
            known.append((sql, analysis, values, rows))
