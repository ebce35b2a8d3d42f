"""Rows from what callers have at hand: the forms, the types, and what is refused before anything is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.errors import RequestError
from featurestore.serving.entities import key_columns

ROWS: dict[str, Any] = {"origin": ["JFK", None], "n": [1, 2]}


@pytest.mark.parametrize(
    "entities",
    [
        ROWS,
        [{"origin": "JFK", "n": 1}, {"n": 2, "origin": None}],
        pa.table(ROWS),
        pa.record_batch(ROWS),
        pa.table({"origin": pa.array(["JFK", None]).dictionary_encode(), "n": [1, 2]}),
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS).cast({"origin": pl.Categorical, "n": pl.UInt8}),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, index=[7, 9]),
        {"origin": pd.Series(["JFK", None]), "n": np.array([1, 2], np.int16)},
        {"origin": pl.Series(["JFK", None]), "n": (1, 2)},
    ],
)
def test_every_form_gives_the_same_columns(entities: object) -> None:
    columns = key_columns(entities)
    assert {name: array.to_pylist() for name, array in columns.items()} == ROWS
    assert [array.type for array in columns.values()] == [pa.string(), pa.int64()]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([b"\0", None], pa.binary()),
        ([True, None], pa.bool_()),
        ([date(2024, 1, 1), None], pa.date32()),
        (np.array(["2024-01-01"], "datetime64[D]"), pa.date32()),
        ([2**63 - 1, -(2**63)], pa.int64()),
        ([None, None], pa.null()),
        ([], pa.null()),
    ],
)
def test_the_type_is_what_python_gives(values: object, type_: pa.DataType) -> None:
    (array,) = key_columns({"k": values}).values()
    assert array.type == type_


@pytest.mark.parametrize(
    ("entities", "text"),
    [
        ({"k": [1.0]}, "holds double values"),
        ({"k": [datetime(2024, 1, 1, tzinfo=UTC)]}, "holds timestamp"),
        ({"k": [2**63]}, "cannot be read as one type"),
        ({"k": np.array([2**63], np.uint64)}, "cannot be read as one type"),
        ({"k": [1, "a"]}, "cannot be read as one type"),
        ({"k": [[1]]}, "holds list"),
        ({"k": "JFK"}, r"give a list, one value for each row, for example \['JFK'\]"),
        ({"k": 7}, "give a list"),
        ({"k": [1], "j": [1, 2]}, "k has 1, j has 2"),
        ({1: [1]}, "names as text"),
        ([{"k": 1}, {"j": 1}], "row 0 of the entities has no 'j'"),
        ("JFK", "entities is a str"),
        ([1], "entities is a list"),
        (pa.table([pa.array([1]), pa.array([2])], names=["k", "k"]), "two columns of one name"),
    ],
)
def test_what_is_no_key_is_refused(entities: object, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        key_columns(entities)
