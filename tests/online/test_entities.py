"""The entities of a request: what may be asked with, and what is told when it does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.errors import RequestError
from featurestore.model.types import Bool, Bytes, Date, FeatureType, Int32, Int64, String
from featurestore.online.entities import read_entities

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
TWO = {"origin": String, "number": Int32}


def read(entities: object, needed: Mapping[str, FeatureType], known: Collection[str]) -> pa.Table:
    columns = read_entities(entities, needed, known)
    return pa.table(
        {name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()}
    )


@pytest.mark.parametrize(
    "entities",
    [
        {"origin": ["JFK", None], "number": [1, 2]},
        {"origin": ("JFK", None), "number": np.array([1, 2])},
        {"origin": pa.array(["JFK", None]), "number": pl.Series([1, 2])},
        {"origin": pd.Series(["JFK", None]), "number": np.array([1, 2], dtype=object)},
        [{"origin": "JFK", "number": 1}, {"number": np.int64(2), "origin": None}],
        pa.table({"origin": ["JFK", None], "number": [1, 2]}),
        pl.DataFrame({"origin": ["JFK", None], "number": [1, 2]}),
        pl.DataFrame({"origin": pl.Series(["JFK", None], dtype=pl.Categorical), "number": [1, 2]}),
        pd.DataFrame({"origin": ["JFK", None], "number": [1, 2]}, index=["a", "b"]),
        pa.record_batch([pa.array(["JFK", None]), pa.array([1, 2])], names=["origin", "number"]),
    ],
    ids=["lists", "numpy", "arrays", "series", "dicts", "arrow", "polars", "categorical", "pandas", "batch"],
)
def test_entities_are_read_from_what_callers_have(entities: object) -> None:
    table = read(entities, TWO, ())
    assert table.schema.names == ["origin", "number"]
    assert table.schema.types == [pa.string(), pa.int32()]
    assert table.to_pydict() == {"origin": ["JFK", None], "number": [1, 2]}


def test_every_key_type_is_read() -> None:
    needed = {"i": Int64, "b": Bool, "d": Date, "y": Bytes}
    rows: dict[str, list[Any]] = {
        "i": [-(2**63), None],
        "b": [None, False],
        "d": [date(1969, 12, 31), None],
        "y": [b"\xff", None],
    }
    assert read(rows, needed, ()).to_pydict() == rows


@pytest.mark.parametrize("entities", [{"origin": [], "number": []}, [], pa.table({"origin": [], "number": []})])
def test_no_entities(entities: object) -> None:
    assert read(entities, TWO, ()).num_rows == 0


def test_nulls_alone_have_any_type() -> None:
    assert read(pa.table({"origin": pa.nulls(2)}), {"origin": String}, ()).to_pydict() == {"origin": [None, None]}
    assert read({"origin": [None]}, {"origin": Int64}, ()).schema.types == [pa.int64()]


def test_a_known_column_that_nothing_needs_is_ignored_an_unknown_one_is_not() -> None:
    entities = {"origin": ["JFK"], "tailnum": [object()]}
    assert read(entities, {"origin": String}, {"tailnum"}).column_names == ["origin"]
    with pytest.raises(RequestError, match=r"'tailnum' is no key.*Did you mean 'tail_num'"):
        read(entities, {"origin": String}, {"tail_num"})


def test_a_missing_column_is_told() -> None:
    with pytest.raises(RequestError, match=r"'number' \(Int32\) is missing \(given: origin\)"):
        read({"origin": ["JFK"]}, TWO, ())
    with pytest.raises(RequestError, match="row 1 of the entities has no 'number'"):
        read([{"origin": "JFK", "number": 1}, {"origin": "LGA"}], TWO, ())


def test_lengths_must_agree() -> None:
    with pytest.raises(RequestError, match="origin has 2, number has 1"):
        read({"origin": ["JFK", "LGA"], "number": [1]}, TWO, ())
    with pytest.raises(RequestError, match="origin has 1, tail has 2"):
        read({"origin": ["JFK"], "tail": [1, 2]}, {"origin": String}, {"tail"})


@pytest.mark.parametrize("entities", ["JFK", 7, None, ["JFK"], {"origin": "JFK"}, {"origin": 7}])
def test_what_is_no_table_is_told(entities: object) -> None:
    with pytest.raises(RequestError, match="give "):
        read(entities, {"origin": String}, ())


@pytest.mark.parametrize(
    ("type_", "column", "row"),
    [
        (Int64, [1, "2"], 1),
        (Int64, [1, None, True], 2),
        (Int64, [1.0], 0),
        (Int64, [0, 2**63], 1),
        (Int32, [0, 1, 2**31], 2),
        (Int32, [1, np.int64(2**40)], 1),
        (String, ["a", 1], 1),
        (String, ["a", b"b"], 1),
        (String, ["a", "\ud800"], 1),
        (Bytes, [b"a", "b"], 1),
        (Bool, [True, 1], 1),
        (Date, [datetime(2013, 1, 1, tzinfo=UTC)], 0),
        (Date, ["2013-01-01"], 0),
        (Int64, pa.array([None, "1"]), 1),
        (Int64, pa.array([1.0]), 0),
        (Int64, pa.array([1, 2**63], pa.uint64()), 1),
        (Int32, pa.array([0, None, 2**31]), 2),
        (Int32, np.array([0, 2**31]), 1),
        (Int64, np.array([0.0]), 0),
        (Int64, pd.Series([1, None]), 0),
        (Bool, pa.array([1]), 0),
        (String, pa.array([b"x"]), 0),
        (Date, pa.array([NOON]), 0),
    ],
    ids=str,
)
def test_a_key_of_another_type_names_column_types_and_row(type_: FeatureType, column: object, row: int) -> None:
    with pytest.raises(RequestError, match=rf"'key' is {type_}, but row {row} holds "):
        read({"key": column}, {"key": type_}, ())
