"""Rows given to a push source: what fits is kept, what does not is told by row and column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import ContractError
from featurestore.model.pushed import PushSchema
from featurestore.model.types import Embedding, FeatureType, Float64, Int64, String, Timestamp
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.source_rows import conform_rows

SCHEMA = {"i": Int64, "x": Float64}


def kept(rows: object, schema: dict[str, FeatureType] | None = None, *required: str) -> list[dict[str, Any]]:
    table, rejected = conform_rows("s", PushSchema(schema or SCHEMA, frozenset(required)), rows)
    assert rejected == []
    return table.to_pylist()


def rejected(rows: object, *required: str, schema: dict[str, FeatureType] | None = None) -> list[tuple[int, str]]:
    return [
        (one.row, one.field) for one in conform_rows("s", PushSchema(schema or SCHEMA, frozenset(required)), rows)[1]
    ]


def test_rows_of_any_library_become_the_sources_columns() -> None:
    columns: dict[str, list[Any]] = {"x": [1.5, None], "i": [2**53 + 1, 2]}
    expected = [{"i": 2**53 + 1, "x": 1.5}, {"i": 2, "x": None}]
    nullable = pd.DataFrame(columns).convert_dtypes()
    for given_rows in (columns, expected, pa.table(columns), pl.DataFrame(columns), nullable):
        assert kept(given_rows) == expected
    assert kept([]) == kept({"i": [], "x": []}) == []


def test_times_may_be_text() -> None:
    table = kept({"t": ["2013-01-01T01:00:00+01:00", None]}, {"t": Timestamp})
    assert table == [{"t": datetime(2013, 1, 1, tzinfo=UTC)}, {"t": None}]
    assert rejected({"t": ["2013-01-01", "soon", "2013-01-01T00:00:00.0000001"]}, schema={"t": Timestamp}) == [
        (1, "t"),
        (2, "t"),
    ]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"i": "1", "x": 1.0}], (0, "i", "is declared Int64 and holds string")),
        ([{"i": 1.5, "x": 1.0}], (0, "i", "is declared Int64 and holds double")),
        ([{"i": 2**63, "x": 1.0}], (0, "i", "is declared Int64")),
        ({"i": [1]}, (0, "x", "is missing")),
        ([{"i": 1}], (0, "x", "is missing")),
        (pa.table({"i": ["1"], "x": [1.0]}), (0, "i", "holds string")),
        (pa.table({"i": pa.array([2**63], pa.uint64()), "x": [1.0]}), (0, "i", "is declared Int64")),
        (pa.table({"i": pa.array([1], pa.duration("us")), "x": [1.0]}), (0, "i", "is declared Int64")),
        ([{"i": None, "x": 1.0}], (0, "i", "is null, and it is a key")),
    ],
)
def test_a_rejected_row_names_its_field(rows: object, told: tuple[int, str, str]) -> None:
    table, (one,) = conform_rows("s", PushSchema(SCHEMA, frozenset("i")), rows)
    assert (one.row, one.field) == told[:2]
    assert told[2] in one.reason
    assert "source 's'" in one.reason
    assert table.num_rows == 0
    assert table.schema.types == [pa.int64(), pa.float64()]


def test_a_rejected_row_loses_none_of_the_others() -> None:
    rows = [{"i": 1, "x": 1.0}, {"i": "two", "x": 2.0}, {"i": 3}, {"i": 4, "x": True}, {"i": None, "x": 5.0}]
    table, told = conform_rows("s", PushSchema(SCHEMA, frozenset("i")), [*rows, {"i": 6, "x": None}])
    assert table.to_pylist() == [{"i": 1, "x": 1.0}, {"i": 6, "x": None}]
    assert [(one.row, one.field) for one in told] == [(1, "i"), (2, "x"), (3, "x"), (4, "i")]


def test_of_a_row_with_several_faults_the_first_column_is_named() -> None:
    assert rejected([{"i": "1", "x": "2"}]) == [(0, "i")]


def test_an_embedding_has_its_length_and_no_null_elements() -> None:
    vectors = [[1.0, 2.0], [1.0], [1.0, None], None]
    table, told = conform_rows("s", PushSchema({"e": Embedding(2)}, frozenset()), {"e": vectors})
    assert table.to_pylist() == [{"e": [1.0, 2.0]}, {"e": None}]
    assert [one.row for one in told] == [1, 2]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({"i": [1], "x": [1.0], "extra": [1]}, "no column 'extra'"),
        ([{"i": 1, "x": 1.0}, {"i": 1, "x": 1.0, "ix": 1}], "no column 'ix'.*'i'|'x'"),
        ({"i": [1, 2], "x": [1.0]}, "differ in length"),
    ],
)
def test_what_is_no_column_of_the_source_fails_the_whole_call(rows: object, why: str) -> None:
    with pytest.raises(ContractError, match=why):
        conform_rows("s", PushSchema(SCHEMA, frozenset()), rows)


@given(
    st.lists(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=2), st.just(2**64)),
        max_size=12,
    )
)
def test_what_is_kept_and_what_is_rejected_is_told_value_by_value(values: list[Any]) -> None:
    fits = [value is None or (type(value) is int and value < 2**63) for value in values]
    table, told = conform_rows("s", PushSchema({"i": Int64}, frozenset()), {"i": values})
    assert table.column("i").to_pylist() == [value for value, good in zip(values, fits, strict=True) if good]
    assert [one.row for one in told] == [row for row, good in enumerate(fits) if not good]
    assert table.column("i").type == to_arrow(Int64)


def test_text_is_no_number_and_bytes_are_no_text() -> None:
    assert rejected({"s": ["a", b"b", 1, None]}, schema={"s": String}) == [(1, "s"), (2, "s")]
