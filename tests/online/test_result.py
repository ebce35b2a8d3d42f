"""The answer: values, statuses, where they came from, and its forms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.model.status import Status
from featurestore.online.result import AnswerColumn, AnsweredFeature, OnlineFeatures


def column(name: str, values: pa.Array[Any], statuses: list[int], **more: object) -> AnswerColumn:
    codes = np.array(statuses, np.uint8)
    given: dict[str, Any] = {"version": 2, "view": "weather", "feature": "temp", "snapshot": "5e1f", "activation": 7}
    return AnswerColumn(name=name, values=values, statuses=codes, **{**given, **more})


@pytest.fixture
def answer() -> OnlineFeatures:
    times = pa.array([0, 1, 2, None], pa.timestamp("us", tz="UTC"))
    return OnlineFeatures(
        [
            column("weather__temp", pa.array([20.5, None, -1.0, -1.0]), [0, 1, 3, 2], event_times=times),
            column("big", pa.array([2**53 + 1, None, 0, -(2**63)]), [0, 1, 0, 0], version=1, activation=None),
            column("note", pa.array(["a" * 40, "", None, None]), [0, 0, 1, 2]),
        ]
    )


def test_values_and_statuses_by_name(answer: OnlineFeatures) -> None:
    assert answer.to_dict() == {
        "weather__temp": [20.5, None, -1.0, -1.0],
        "big": [2**53 + 1, None, 0, -(2**63)],
        "note": ["a" * 40, "", None, None],
    }
    assert answer.statuses["weather__temp"] == [Status.PRESENT, Status.NULL, Status.EXPIRED, Status.NOT_FOUND]
    assert len(answer) == 4


def test_where_each_column_came_from(answer: OnlineFeatures) -> None:
    assert answer.columns[0] == AnsweredFeature("weather__temp", "weather", 2, "temp", "5e1f", 7)
    assert answer.columns[0].reference == "weather@v2:temp"
    assert [(one.name, one.version, one.activation) for one in answer.columns[1:]] == [("big", 1, None), ("note", 2, 7)]
    assert [one.name for one in answer.answers] == ["weather__temp", "big", "note"]


def test_event_times_of_the_columns_that_have_them(answer: OnlineFeatures) -> None:
    times = answer.event_times
    assert list(times) == ["weather__temp"]
    assert times["weather__temp"] == [*(datetime(1970, 1, 1, 0, 0, 0, micro, UTC) for micro in range(3)), None]


def test_arrow_polars_pandas(answer: OnlineFeatures) -> None:
    assert answer.to_arrow().to_pydict() == answer.to_dict()
    assert isinstance(answer.to_polars(), pl.DataFrame)
    assert answer.to_polars().to_dict(as_series=False) == answer.to_dict()
    frame = answer.to_pandas()
    assert [str(dtype) for dtype in frame.dtypes] == ["Float64", "Int64", "string"]
    assert frame["big"][0] == 2**53 + 1
    assert frame["big"].isna().tolist() == [False, True, False, False]
    assert frame["note"].isna().tolist() == [False, False, True, True]
    assert isinstance(frame, pd.DataFrame)


def test_it_shows_itself_as_a_small_table(answer: OnlineFeatures) -> None:
    assert repr(answer).splitlines() == [
        "OnlineFeatures: 4 rows x 3 columns from weather@v2, weather@v1",
        "weather__temp     big                   note",
        "20.5              9007199254740993      aaaaaaaaaaaaaaaaaaaaaaaaa...",
        "NULL              NULL",
        "-1.0 (EXPIRED)    0                     NULL",
        "-1.0 (NOT_FOUND)  -9223372036854775808  NOT_FOUND",
    ]


def test_a_large_answer_shows_its_beginning() -> None:
    columns = [column(f"c{i}", pa.array(range(12)), [0] * 12) for i in range(8)]
    lines = repr(OnlineFeatures(columns)).splitlines()
    assert len(lines) == 1 + 1 + 10 + 2
    assert lines[-2:] == ["... 2 more rows", "... 2 more columns"]


def test_no_columns_and_no_rows() -> None:
    assert repr(OnlineFeatures([])) == "OnlineFeatures: 0 rows x 0 columns from nothing"
    assert len(OnlineFeatures([])) == 0
    assert OnlineFeatures([column("a", pa.array([], pa.int64()), [])]).to_dict() == {"a": []}


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        OnlineFeatures([column("a", pa.array([1]), [0]), column("b", pa.array([1, 2]), [0, 0])])
