"""The engine: SQL, functions and plain columns; exact types, windows, and rows that do not fit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as PyDecimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars import col

from featurestore.errors import ContractError, DefinitionError, SourceError
from featurestore.model.definition import Computation, Definition, FeatureDefinition, SourceDefinition
from featurestore.model.settings import Settings
from featurestore.model.snapshot import DataFile
from featurestore.model.source import ArrowSource, ParquetSource, Source
from featurestore.model.types import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Embedding,
    FeatureType,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    String,
    Timestamp,
)
from featurestore.offline.compute import Engine, function_source
from featurestore.offline.output import output_schema
from featurestore.offline.runs import write_run
from featurestore.offline.sources import SourceReader

Frames = dict[str, pl.LazyFrame]

BIG = 2**53 + 1
START = datetime(2013, 1, 1, tzinfo=UTC)
UTC_TIME = pa.timestamp("us", "UTC")


class Store:
    """A store's folder with one engine."""

    def __init__(self, root: Path, memory_limit: str = "1GB", threads: int = 1) -> None:
        settings = Settings(memory_limit=memory_limit, threads=threads)
        self.root = root
        self.reader = SourceReader(root, settings)
        self.engine = Engine(root, settings, self.reader)

    def source(self, name: str, table: pa.Table | dict[str, Any]) -> SourceDefinition:
        source: Source = ArrowSource(name, table=table)
        self.reader.keep(source)
        return SourceDefinition(name, "arrow", {}, tuple(sorted(self.reader.schema(source).items())))

    def run(
        self, definition: Definition, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        with self.engine.rows(definition, start=start, end=end) as rows:
            batches = list(rows)
        table = pa.Table.from_batches(batches, output_schema(definition))
        table.validate(full=True)
        return list(table.to_pylist()), rows.dropped


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def define(
    sources: SourceDefinition | list[SourceDefinition],
    features: dict[str, FeatureType],
    *,
    sql: str | None = None,
    function: Callable[..., Any] | None = None,
    keys: dict[str, FeatureType] | None = None,
    event_time: str | None = "t",
    created_time: str | None = None,
    lookback: timedelta | None = None,
    window_source: tuple[str, str] | None = None,
) -> Definition:
    computation = Computation("columns", "", "")
    if sql is not None:
        computation = Computation("sql", sql, sql)
    if function is not None:
        name, text, imports = function_source(function)
        computation = Computation("function", text, text, name, imports)
    return Definition(
        view="v",
        entity="e",
        keys=tuple((keys or {"k": String}).items()),
        sources=tuple(sources if isinstance(sources, list) else [sources]),
        computation=computation,
        event_time=event_time,
        created_time=created_time,
        ttl=None,
        lookback=lookback,
        features=tuple(FeatureDefinition(name, type_) for name, type_ in features.items()),
        window_source=window_source,
    )


def times(*micros: int | None) -> pa.Array[Any]:
    return pa.array(micros, UTC_TIME)


def at(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


# --- the same exact rows from SQL, functions and columns


EXACT: dict[str, tuple[FeatureType, list[Any]]] = {
    "i64": (Int64, [BIG, None, -(2**63)]),
    "i32": (Int32, [2**31 - 1, None, 0]),
    "f32": (Float32, [0.5, None, math.inf]),
    "f64": (Float64, [0.1, None, -0.0]),
    "yes": (Bool, [True, None, False]),
    "text": (String, ["", None, "é"]),
    "raw": (Bytes, [b"\x00\xff", None, b""]),
    "day": (Date, [date(2013, 1, 1), None, date(1969, 12, 31)]),
    "moment": (Timestamp, [at(1), None, at(-1)]),
    "money": (Decimal(38, 2), [PyDecimal("9" * 36 + ".99"), None, PyDecimal("-0.01")]),
    "items": (List(Int64), [[BIG, None], None, []]),
    "names": (List(String), [["a", None], None, [""]]),
    "vector": (Embedding(2), [[1.0, 2.0], None, [math.inf, 0.5]]),
}


def identity(relations: Frames) -> pl.LazyFrame:
    """Say nothing new."""
    # a comment
    return relations["s"].with_columns(col("i64") + 0)


@pytest.mark.parametrize(
    "how", [{}, {"sql": "SELECT * FROM s -- all of it\n;"}, {"function": identity}], ids=["columns", "sql", "function"]
)
def test_types_are_exact_in_every_engine(store: Store, how: dict[str, Any]) -> None:
    from featurestore.offline.arrow_types import to_arrow

    columns = {name: pa.array(values, to_arrow(type_)) for name, (type_, values) in EXACT.items()}
    source = store.source("s", pa.table({"k": ["a", "b", "c"], "t": times(1, 2, 3), **columns}))
    definition = define(source, {name: type_ for name, (type_, _) in EXACT.items()}, **how)
    described = store.engine.describe(definition.computation, {"s": dict(source.columns)})
    assert sorted(described) == list(source.columns)
    rows, dropped = store.run(definition)
    assert dropped == {}
    assert {name: [row[name] for row in rows] for name in EXACT} == {
        name: values for name, (_, values) in EXACT.items()
    }


def test_rows_are_sorted_by_key_event_time_created_time_and_the_computations_own_order(store: Store) -> None:
    keys = ["b", "a", "a", "a", "a", "a"]
    created = times(1, 5, None, 4, 4, 4)
    table = pa.table({"k": keys, "t": times(1, 2, 2, 2, 2, 1), "c": created, "x": [0, 1, 2, 3, 4, 5]})
    definition = define(store.source("s", table), {"x": Int64}, created_time="c", sql="SELECT * FROM s")
    rows, _ = store.run(definition)
    assert [row["x"] for row in rows] == [5, 2, 3, 4, 1, 0]
    assert list(rows[0]) == ["k", "t", "c", "x"]


def test_unreachable_rows_are_left_out_and_counted(store: Store) -> None:
    table = pa.table(
        {"k": ["a", None, "b", None], "j": [1, 1, None, None], "t": times(1, 1, 1, None), "x": [1, 2, 3, 4]}
    )
    source = store.source("s", table)
    rows, dropped = store.run(define(source, {"x": Int64}, keys={"k": String, "j": Int64}))
    assert [row["x"] for row in rows] == [1]
    assert dropped == {"null key": 3}
    rows, dropped = store.run(define(store.source("s", table.slice(0, 1)), {"x": Int64}, event_time="t"))
    assert dropped == {}
    timeless = store.source("s", pa.table({"k": ["a", "b"], "t": times(None, 3), "x": [1, 2]}))
    assert store.run(define(timeless, {"x": Int64}))[1] == {"null event time": 1}
    assert store.run(define(timeless, {"x": Int64}), start=at(3))[1] == {"null event time": 1}


def test_a_dimension_has_no_times(store: Store) -> None:
    source = store.source("s", {"k": ["b", "a"], "x": [1, 2]})
    rows, _ = store.run(define(source, {"x": Int64}, event_time=None))
    assert rows == [{"k": "a", "x": 2}, {"k": "b", "x": 1}]


def test_an_event_time_may_be_a_date_or_naive(store: Store) -> None:
    for type_ in (pa.date32(), pa.timestamp("us"), pa.timestamp("ms"), pa.timestamp("ns")):
        source = store.source(
            "s", {"k": ["a"], "t": pa.array([START.replace(tzinfo=None)], pa.timestamp("us")).cast(type_)}
        )
        definition = define(source, {"x": Int64}, sql="SELECT *, 1 AS x FROM s")
        assert [row["t"] for row in store.run(definition)[0]] == [START]
        assert store.run(definition, end=START)[0] == []
        assert len(store.run(definition, start=START, end=START + timedelta(days=1))[0]) == 1


# --- what does not fit


@pytest.mark.parametrize(
    ("expression", "type_", "found", "example"),
    [
        ("9223372036854775808::HUGEINT", Int64, "HUGEINT", "9223372036854775808"),
        ("3000000000", Int32, "BIGINT", "3000000000"),
        ("1.5::DOUBLE", Int64, "DOUBLE", "1.5"),
        ("'nan'::DOUBLE", Int64, "DOUBLE", "nan"),
        ("9007199254740993", Float64, "BIGINT", "9007199254740993"),
        ("1e300::DOUBLE", Float32, "DOUBLE", "1e+300"),
        ("'12'", Int64, "VARCHAR", "12"),
        ("12", String, "INTEGER", "12"),
        ("2", Bool, "INTEGER", "2"),
        ("1.005", Decimal(10, 2), "DECIMAL(4,3)", "1.005"),
        ("TIMESTAMP_NS '2013-01-01 00:00:00.123456789'", Timestamp, "TIMESTAMP_NS", "123456789"),
        ("TIMESTAMP 'infinity'", Timestamp, "TIMESTAMP", "infinity"),
        ("TIMESTAMP '20000-01-01'", Timestamp, "TIMESTAMP", "20000-01-01"),
        ("TIMESTAMPTZ '20000-01-01 00:00:00+00'", Timestamp, "TIMESTAMP WITH TIME ZONE", "20000-01-01"),
        ("DATE '10000-01-01'", Date, "DATE", "10000-01-01"),
        ("TIMESTAMP '2013-01-01 05:00:00'", Date, "TIMESTAMP", "05:00:00"),
        ("[1.0, 2.0, 3.0]::FLOAT[]", Embedding(2), "FLOAT[]", "3.0"),
        ("[1.0, NULL]::DOUBLE[]", Embedding(2), "DOUBLE[]", "NULL"),
        ("[1.0, NULL]::FLOAT[2]", Embedding(2), "FLOAT[2]", "NULL"),
        ("[1.5]::DOUBLE[]", List(Int64), "DOUBLE[]", "1.5"),
        ("['a']", List(Int64), "VARCHAR[]", "a"),
        ("{'a': 1}", Int64, "STRUCT(a INTEGER)", "1"),
    ],
)
def test_a_value_that_does_not_fit_names_column_types_and_the_value(
    store: Store, expression: str, type_: FeatureType, found: str, example: str
) -> None:
    source = store.source("s", {"k": ["a", "b"], "t": times(1, 2)})
    definition = define(source, {"x": type_}, sql=f"SELECT k, t, CASE WHEN k = 'b' THEN {expression} END AS x FROM s")
    with pytest.raises(ContractError, match="column 'x' of feature view 'v' is declared") as caught:
        store.run(definition)
    for part in (str(type_), found, example):
        assert part in str(caught.value)
    rows, _ = store.run(definition, end=at(2))
    assert [row["x"] for row in rows] == [None]


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("sum(1) OVER ()", Int64, 1),
        ("1", Float64, 1.0),
        ("0.1::DOUBLE", Float32, pytest.approx(0.1)),
        ("1.25::DOUBLE", Decimal(10, 2), PyDecimal("1.25")),
        ("1.50", Decimal(10, 1), PyDecimal("1.5")),
        ("1.5", Float64, 1.5),
        ("true", Int64, 1),
        ("'{00000000-0000-0000-0000-00000000000a}'::UUID", String, "00000000-0000-0000-0000-00000000000a"),
        ("'x'::ENUM('x')", String, "x"),
        ("DATE '2013-01-01'", Timestamp, START),
        ("[1, 2]", Embedding(2), [1.0, 2.0]),
        ("[1, NULL]", List(Float64), [1.0, None]),
        ("[1.0, 2.0]::FLOAT[2]", List(Float64), [1.0, 2.0]),
        ("NULL", Int64, None),
    ],
)
def test_a_value_that_survives_is_cast(store: Store, expression: str, type_: FeatureType, value: object) -> None:
    source = store.source("s", {"k": ["a"], "t": times(1)})
    rows, _ = store.run(define(source, {"x": type_}, sql=f"SELECT k, t, {expression} AS x FROM s"))
    assert [row["x"] for row in rows] == [value]


def test_a_column_that_is_not_there_is_named(store: Store) -> None:
    source = store.source("s", {"k": ["a"], "t": times(1), "speed": [1]})
    for how in ({"sql": "SELECT * FROM s"}, {"function": lambda_free}):
        with pytest.raises(ContractError, match="gives no column 'sped'") as caught:
            store.run(define(source, {"sped": Int64}, **how))
        assert "Did you mean 'speed'?" in str(caught.value)


def lambda_free(relations: Frames) -> object:
    return relations["s"]


def test_errors_of_the_engines_are_told(store: Store) -> None:
    source = store.source("s", {"k": ["a"], "t": times(1), "x": ["many"]})
    with pytest.raises(ContractError, match="many"):
        store.run(define(source, {"y": Int64}, sql="SELECT k, t, x::BIGINT AS y FROM s"))
    schemas = {"s": dict(source.columns)}
    for sql, why in (("SELECT nope FROM s", "nope"), ("SELEC 1", "SELEC"), ("DROP VIEW s", "one query")):
        with pytest.raises(DefinitionError, match=why):
            store.engine.describe(Computation("sql", sql, ""), schemas)
    with pytest.raises(DefinitionError, match="two columns named 'k'"):
        store.engine.describe(Computation("sql", "SELECT k, x AS K FROM s", ""), schemas)


def test_sql_sees_no_variables_of_the_process(store: Store) -> None:
    secret = pa.table({"x": [1]})
    assert secret.num_rows == 1
    with pytest.raises(DefinitionError, match="secret"):
        store.engine.describe(Computation("sql", "SELECT * FROM secret", ""), {})


def test_memory_is_bounded_and_what_is_spilled_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path, memory_limit="60MB")
    source = store.source("s", {"k": ["a"], "n": [200_000]})
    sql = "SELECT k, TIMESTAMP '2013-01-01' + INTERVAL (hash(i) % 1000000) SECOND AS t, repeat('x', 200) || i AS x"
    definition = define(source, {"x": String}, sql=f"{sql} FROM s, range(n) AS r(i)")
    count = 0
    with store.engine.rows(definition, batch_rows=50_000) as rows:
        for batch in rows:
            count += batch.num_rows
    assert count == 200_000
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(SourceError, match="memory_limit"):
        Store(tmp_path, memory_limit="2MB").run(definition)


# --- windows


ROLLING = """
    SELECT k, t, avg(x) OVER (PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 6 HOURS PRECEDING AND CURRENT ROW) AS m
    FROM s
"""


def rolling(relations: Frames) -> pl.LazyFrame:
    return relations["s"].sort("t").with_columns(m=pl.col("x").rolling_mean_by("t", "6h1us").over("k"))


@pytest.mark.parametrize(
    "how", [{"sql": ROLLING, "window_source": ("s", "t")}, {"function": rolling}], ids=["sql", "function"]
)
def test_window_and_lookback_equal_the_whole_computation_restricted(store: Store, how: dict[str, Any]) -> None:
    hours = list(range(72))
    moments = pa.array([START + timedelta(hours=hour) for hour in hours] * 2, UTC_TIME)
    table = {"k": ["a"] * 72 + ["b"] * 72, "t": moments, "x": [float(hour % 7) for hour in hours] * 2}
    definition = define(store.source("s", table), {"m": Float64}, lookback=timedelta(hours=6), **how)
    start, end = START + timedelta(hours=20), START + timedelta(hours=30)
    whole, _ = store.run(definition)
    part, _ = store.run(definition, start=start, end=end)
    assert part == [row for row in whole if start <= row["t"] < end]
    assert len(part) == 20


def test_without_lookback_sources_are_read_wholly(store: Store) -> None:
    source = store.source("s", {"k": ["a"] * 3, "t": times(1, 2, 3), "x": [1, 2, 4]})
    sql = "SELECT k, t, sum(x) OVER (ORDER BY t) AS x FROM s"
    rows, _ = store.run(define(source, {"x": Int64}, sql=sql, window_source=("s", "t")), start=at(3))
    assert [row["x"] for row in rows] == [7]
    short = define(source, {"x": Int64}, sql=sql, window_source=("s", "t"), lookback=timedelta(microseconds=1))
    assert [row["x"] for row in store.run(short, start=at(3))[0]] == [6]


def test_a_source_read_twice_and_joined(store: Store) -> None:
    left = store.source("s", {"k": ["a", "b"], "t": times(1, 2)})
    right = store.source("r", {"k": ["a"], "name": ["A"]})
    sql = "SELECT s.k, s.t, r.name, (SELECT count(*) FROM s) AS n FROM s LEFT JOIN r USING (k)"
    rows, _ = store.run(define([left, right], {"name": String, "n": Int64}, sql=sql))
    assert [(row["name"], row["n"]) for row in rows] == [("A", 2), (None, 2)]


def test_late_rows_are_those_that_no_file_holds(store: Store) -> None:
    table = pa.table({"k": ["a", "a"], "t": times(10, 20), "c": times(None, 20), "x": [1, 2]})
    definition = define(store.source("s", table), {"x": Int64}, created_time="c")
    with store.engine.rows(definition) as rows:
        files: tuple[DataFile, ...] = write_run(store.root, definition, 1, rows)
    assert store.engine.late_rows(definition, before=at(30), files=files) == (None, 0)
    more = pa.table({"k": ["a", None, "b"], "t": times(10, 5, 30), "c": times(40, 1, 40), "x": [3, 4, 5]})
    definition = define(store.source("s", pa.concat_tables([table, more])), {"x": Int64}, created_time="c")
    assert store.engine.late_rows(definition, before=at(30), files=files) == (at(10), 1)
    assert store.engine.late_rows(definition, before=at(31), files=files) == (at(10), 2)


def test_late_rows_are_the_difference_of_sets_over_many_days(store: Store) -> None:
    chance = random.Random(7)
    day = 86_400_000_000

    def some(rows: int) -> list[tuple[str, int, int | None]]:
        created = (None, 1, 2)
        return [(chance.choice("ab"), chance.randint(-3, 6) * day // 2, chance.choice(created)) for _ in range(rows)]

    def table(rows: list[tuple[str, int, int | None]]) -> pa.Table:
        keys, moments, known = zip(*rows, strict=True)
        return pa.table({"k": list(keys), "t": times(*moments), "c": times(*known), "x": [1] * len(rows)})

    for turn in range(12):
        before = some(20)
        after = [row for row in before if chance.random() < 0.9] + some(turn)
        definition = define(store.source("s", table(before)), {"x": Int64}, created_time="c")
        with store.engine.rows(definition) as rows:
            files = write_run(store.root, definition, 1, rows)
        definition = define(store.source("s", table(after)), {"x": Int64}, created_time="c")
        for end in (0, 3 * day):
            late = {row for row in after if row[1] < end} - set(before)
            found = store.engine.late_rows(definition, before=at(end), files=files)
            assert found == (at(min(row[1] for row in late)) if late else None, len(late))


def test_rows_that_tie_keep_the_order_of_files_and_of_rows_in_them(tmp_path: Path) -> None:
    engine = Store(tmp_path, threads=4).engine
    for number, name in enumerate(("b", "c", "a/d")):
        path = tmp_path / "source" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = [1000 * number + row for row in range(1000)]
        pq.write_table(pa.table({"k": ["a"] * 1000, "t": times(*[5] * 1000), "x": values}), path, row_group_size=100)
    source = ParquetSource("s", path=str(tmp_path / "source"))
    columns = tuple(sorted(SourceReader(tmp_path, Settings()).schema(source).items()))
    definition = define(SourceDefinition("s", "parquet", source.location(), columns), {"x": Int64})
    with engine.rows(definition) as rows:
        found = [value for batch in rows for value in batch.column("x").to_pylist()]
    assert found == [*range(2000, 3000), *range(2000)], "files by name: a/d, b, c"
