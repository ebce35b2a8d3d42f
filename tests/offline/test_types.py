"""Types in Arrow and DuckDB, and single values in JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as PyDecimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import DefinitionError
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
from featurestore.offline.arrow_types import from_arrow, from_duckdb, to_arrow, to_duckdb
from featurestore.offline.values import default_from_json, default_to_json

ALL = [
    Int32, Int64, Float32, Float64, Bool, String, Bytes, Date, Timestamp,
    Decimal(38, 0), Decimal(10, 2), List(Int64), List(List(Decimal(3, 1))), Embedding(3),
]  # fmt: skip


@pytest.mark.parametrize("type_", ALL, ids=str)
def test_each_type_has_one_form_in_arrow_and_in_duckdb(type_: FeatureType) -> None:
    assert from_arrow(to_arrow(type_), where="x") == type_
    assert from_duckdb(to_duckdb(type_), where="x") == type_


@pytest.mark.parametrize("type_", ALL, ids=str)
def test_duckdb_gives_the_arrow_type_and_prints_its_own_name(type_: FeatureType) -> None:
    with duckdb.connect() as connection:
        relation = connection.sql(f"SELECT CAST(NULL AS {to_duckdb(type_)}) AS x")
        connection.execute("SET TimeZone = 'UTC'")
        assert relation.to_arrow_table().schema.field("x").type == to_arrow(type_)
        described = connection.execute(f"DESCRIBE SELECT CAST(NULL AS {to_duckdb(type_)}) AS x").fetchall()
        assert described[0][1] == to_duckdb(type_)


def test_an_embedding_with_nulls_survives_parquet(tmp_path: Path) -> None:
    table = pa.table({"e": pa.array([[1, 2, 3], None, [4, 5, math.inf], None], to_arrow(Embedding(3)))})
    pq.write_table(table, tmp_path / "e.parquet", row_group_size=2)
    assert pq.read_table(tmp_path / "e.parquet").cast(table.schema).equals(table)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("TINYINT", Int32), ("USMALLINT", Int32), ("UINTEGER", Int64), ("UBIGINT", Int64), ("HUGEINT", Int64),
        ("TIMESTAMP", Timestamp), ("TIMESTAMP_NS", Timestamp), ("TIMESTAMP_S", Timestamp), ("UUID", String),
        ("ENUM('a', 'b')", String), ("JSON", String), ("DECIMAL(18,3)", Decimal(18, 3)), ("FLOAT[8]", Embedding(8)),
        ("DOUBLE[8]", List(Float64)), ("SMALLINT[][]", List(List(Int32))), ("DECIMAL(4,1)[]", List(Decimal(4, 1))),
    ],
)  # fmt: skip
def test_wider_duckdb_types_are_taken(text: str, type_: FeatureType) -> None:
    assert from_duckdb(text, where="x") == type_


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (pa.uint64(), Int64), (pa.int8(), Int32), (pa.large_string(), String), (pa.string_view(), String),
        (pa.dictionary(pa.int8(), pa.string()), String), (pa.timestamp("ns"), Timestamp), (pa.date64(), Date),
        (pa.large_list(pa.float16()), List(Float32)), (pa.list_(pa.float64(), 2), List(Float64)),
        (pa.binary(4), Bytes), (pa.decimal256(20, 2), Decimal(20, 2)),
    ],
)  # fmt: skip
def test_wider_arrow_types_are_taken(type_: pa.DataType, expected: FeatureType) -> None:
    assert from_arrow(type_, where="x") == expected


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("STRUCT(a INTEGER)", "columns of their own"), ("MAP(VARCHAR, INTEGER)", "columns of their own"),
        ("TIME", "epoch_us"), ("INTERVAL", "seconds"), ('"NULL"', "NULL::DOUBLE"), ("FLOAT[3][]", "FLOAT[][]"),
        ("BIT", "column::VARCHAR"),
    ],
)  # fmt: skip
def test_a_type_that_no_feature_has_is_an_error_that_names_the_cast(text: str, cure: str) -> None:
    with pytest.raises(DefinitionError, match="column 'x' of view 'v' has type") as caught:
        from_duckdb(text, where="column 'x' of view 'v'")
    assert cure in str(caught.value)


@pytest.mark.parametrize("type_", [pa.struct([]), pa.decimal256(76, 0), pa.duration("s"), pa.time64("us"), pa.null()])
def test_an_arrow_type_that_no_feature_has_is_an_error(type_: pa.DataType) -> None:
    with pytest.raises(DefinitionError, match="column 'x' has type"):
        from_arrow(type_, where="column 'x'")


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (Int32, -5, -5),
        (Int64, 2**53 + 1, 2**53 + 1),
        (Int64, np.int64(7), 7),
        (Float64, 1, 1.0),
        (Float32, 0.1, float(np.float32(0.1))),
        (Float64, -math.inf, -math.inf),
        (Bool, True, True),
        (String, "", ""),
        (Bytes, b"\x00\xff", b"\x00\xff"),
        (Date, "2013-07-01", date(2013, 7, 1)),
        (Timestamp, datetime(2013, 7, 1, 6, tzinfo=UTC).replace(tzinfo=None), datetime(2013, 7, 1, 6, tzinfo=UTC)),
        (Timestamp, datetime(2013, 7, 1, 6, tzinfo=timezone(timedelta(hours=2))), datetime(2013, 7, 1, 4, tzinfo=UTC)),
        (Decimal(10, 2), "1.5", PyDecimal("1.50")),
        (Decimal(3, 0), 999, PyDecimal(999)),
        (List(Int64), [1, None], [1, None]),
        (List(List(String)), [["a"], []], [["a"], []]),
        (Embedding(2), np.array([1, 2], np.float32), [1.0, 2.0]),
    ],
)
def test_a_default_survives_json(type_: FeatureType, value: object, read: object) -> None:
    stored = json.loads(json.dumps(default_to_json(type_, value), allow_nan=False))
    found = default_from_json(type_, stored)
    assert found == read
    assert type(found) is type(read)


def test_nan_survives_json_and_none_is_no_default() -> None:
    assert math.isnan(default_from_json(Float64, default_to_json(Float64, math.nan)))
    assert default_to_json(Int64, None) is None
    assert default_from_json(Int64, None) is None


@pytest.mark.parametrize(
    ("type_", "value", "why"),
    [
        (Int32, 2**31, "outside"),
        (Int64, 1.0, "give an int"),
        (Int64, True, "give an int"),
        (Float64, "1", "give floats"),
        (Float32, 1e300, "too large"),
        (Bool, 1, "True or False"),
        (String, b"x", "give text"),
        (Bytes, "x", "give bytes"),
        (Date, datetime(2013, 1, 1, tzinfo=UTC), "datetime.date"),
        (Date, "yesterday", "datetime.date"),
        (Timestamp, "soon", "not a time"),
        (Timestamp, "2013-01-01T00:00:00.1234567", "finer than a microsecond"),
        (Decimal(4, 2), "1.005", "4 digits"),
        (Decimal(4, 2), 100, "4 digits"),
        (Decimal(4, 2), 1.5, "decimal.Decimal"),
        (List(Int64), 1, "give a list"),
        (List(Int64), ["a"], "give an int"),
        (Embedding(2), [1.0], "1 elements"),
        (Embedding(1), [None], "give floats"),
    ],
)
def test_a_default_of_another_type_is_an_error_that_says_why(type_: FeatureType, value: object, why: str) -> None:
    with pytest.raises(DefinitionError, match="the default of feature 'f'") as caught:
        default_to_json(type_, value, where="the default of feature 'f'")
    assert why in str(caught.value)


def test_json_that_is_no_default_is_an_error() -> None:
    with pytest.raises(DefinitionError, match="stored form of a Date"):
        default_from_json(Date, "nonsense")
    with pytest.raises(DefinitionError, match="stored form of a Bytes"):
        default_from_json(Bytes, "***")
