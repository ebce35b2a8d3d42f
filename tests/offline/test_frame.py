"""Training frames: fixed, read by three libraries without loss, and what their report says."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Number
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurestore.errors import ConfigError
from featurestore.model.pins import Pin, PinSet, SpinePin
from featurestore.model.reference import parse_reference
from featurestore.offline.frame import TrainingFrame, frame_id
from featurestore.offline.join_plan import JoinPlan
from featurestore.offline.report import FrameReport, ReadReport
from tests.offline.join_support import at, define, join_all, read_of

BIG = 2**53 + 1
NOON = datetime(2013, 7, 1, 12, 0, 0, 1, tzinfo=UTC)
PINS = PinSet(
    (("weather__temp", parse_reference("weather@v1:temp")),),
    (Pin("weather", 1, "ab" * 32, "cd" * 16),),
    spine=SpinePin("ef" * 32, 2, (("origin", "string"),)),
)
PLAN = JoinPlan(2, 1, 1, ())
REPORT = FrameReport(2, (ReadReport("weather@v1", 2, 1, 1, 0, None),), (("x", 1),))


def frame(**columns: pa.Array) -> TrainingFrame:  # type: ignore[type-arg] # any array
    table = pa.table(list(columns.values()), names=list(columns))
    return TrainingFrame(
        table.schema, PINS, tuple(columns), frame_id(PINS), lambda: iter([(table, REPORT)]), lambda: PLAN
    )


def test_the_id_covers_what_is_pinned() -> None:
    assert frame_id(PINS) == PINS.digest[:32]
    assert frame_id(PINS) == frame_id(PinSet.loads(PINS.dumps()))
    others = [
        dataclasses.replace(PINS, as_of="spine"),
        dataclasses.replace(PINS, timestamp="t"),
        dataclasses.replace(PINS, spine=None),
        PINS.versions,
    ]
    assert len({frame_id(pins) for pins in [PINS, *others]}) == 5


def test_a_frame_is_fixed() -> None:
    found = frame(x=pa.array([1, None]))
    assert (len(found), found.columns, found.feature_columns) == (2, ("x",), ("x",))
    assert repr(found) == f"TrainingFrame({found.id[:8]}: 2 rows, 1 feature columns)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.id = "x"  # type: ignore[misc] # that is the point


def test_to_pandas_is_exact_and_nullable() -> None:
    found = frame(
        int64=pa.array([BIG, None]),
        int32=pa.array([1, None], pa.int32()),
        uint64=pa.array([2**64 - 1, None], pa.uint64()),
        float64=pa.array([0.1, None]),
        float32=pa.array([0.5, None], pa.float32()),
        boolean=pa.array([True, None]),
        text=pa.array(["", None]),
        wide=pa.array(["", None], pa.large_string()),
        moment=pa.array([NOON, None], pa.timestamp("us", tz="UTC")),
        naive=pa.array([NOON, None], pa.timestamp("us")),
        day=pa.array([date(1, 1, 1), None]),
        number=pa.array([Number("1.10"), None]),
        data=pa.array([b"\x00", None]),
        numbers=pa.array([[BIG, None], None]),
        vector=pa.array([[0.5, 1.5], None], pa.list_(pa.float32(), 2)),
        category=pa.array(["a", None]).dictionary_encode(),
    ).to_pandas()
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "int64": "Int64",
        "int32": "Int32",
        "uint64": "UInt64",
        "float64": "Float64",
        "float32": "Float32",
        "boolean": "boolean",
        "text": "string",
        "wide": "string",
        "moment": "datetime64[us, UTC]",
        "naive": "datetime64[us]",
        "day": "object",
        "number": "object",
        "data": "object",
        "numbers": "object",
        "vector": "object",
        "category": "category",
    }
    assert found["int64"].tolist() == [BIG, pd.NA]
    assert found["uint64"][0] == 2**64 - 1
    assert found["text"][0] == ""
    assert found["moment"][0] == NOON
    assert found["day"].tolist() == [date(1, 1, 1), None]
    assert found["number"].tolist() == [Number("1.10"), None]
    assert found["numbers"].tolist() == [[BIG, None], None]
    assert found["vector"][0].dtype == np.float32
    assert found.isna().sum().tolist() == [1] * 16


def test_to_pandas_of_no_rows_keeps_the_types() -> None:
    found = frame(a=pa.array([], pa.int64()), b=pa.array([], pa.list_(pa.string()))).to_pandas()
    assert [str(dtype) for dtype in found.dtypes] == ["Int64", "object"]
    assert len(found) == 0


def test_to_polars_and_arrow_hold_the_same() -> None:
    found = frame(x=pa.array([BIG, None]), tags=pa.array([["a", None], None]))
    assert found.to_polars().to_dict(as_series=False) == found.to_arrow().to_pydict()


def test_pandas_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"pip install 'featurestore\[pandas\]'"):
        frame(x=pa.array([1])).to_pandas()


def test_the_report_counts_and_warns(tmp_path: Path) -> None:
    definition = define(created_time="made", ttl=timedelta(hours=1))
    stored = [{"origin": "JFK", "time": at(1), "temp": None, "made": at(9)}]
    given = {"origin": ["JFK", "JFK", "EWR"], "t": [at(1), at(4), at(1)]}
    nothing = read_of(tmp_path, define("other"))
    report = join_all(given, read_of(tmp_path, definition, stored), nothing).report
    assert report == FrameReport(
        3,
        (ReadReport("weather@v1", 3, 1, 1, 1, 1), ReadReport("other@v1", 3, 0, 3, 0, None)),
        (("weather__temp", 3), ("other__temp", 3)),
    )
    assert str(report).splitlines() == [
        "3 rows, 2 feature columns",
        "view          matched   not found    expired  look-ahead",
        "weather@v1  1 (33.3%)   1 (33.3%)  1 (33.3%)           1",
        "other@v1            0  3 (100.0%)          0           -",
        "column              nulls",
        "weather__temp  3 (100.0%)",
        "other__temp    3 (100.0%)",
        (
            "warning: weather@v1: 1 of 1 matched rows were created after the time of their spine row, so a model would "
            'see the future: pass as_of="spine" to leave them out.'
        ),
        "warning: other@v1: no row matched; compare the keys and times of the spine with the view's.",
        "warning: nothing but nulls in weather__temp, other__temp.",
    ]


def test_a_clean_report_has_no_warnings() -> None:
    report = FrameReport(1200, (ReadReport("weather@v1", 1200, 1200, 0, 0, 0),), (("x", 0),))
    assert report.warnings == ()
    assert str(report).splitlines() == [
        "1,200 rows, 1 feature columns",
        "view               matched  not found  expired  look-ahead",
        "weather@v1  1,200 (100.0%)          0        0           0",
    ]
    empty = FrameReport(0, (ReadReport("weather@v1", 0, 0, 0, 0, 0),), (("x", 0),))
    assert empty.warnings == ("no rows: the spine has none, or the view has none between start and end.",)


def test_reports_of_blocks_add_up_to_the_report_of_the_whole(tmp_path: Path) -> None:
    definition = define(created_time="made", ttl=timedelta(hours=2))
    stored = [
        {"origin": "JFK", "time": at(hour), "temp": None if hour % 2 else 1.0, "made": at(5)} for hour in range(4)
    ]
    reads = (read_of(tmp_path, definition, stored), read_of(tmp_path, define("other"), stored))
    given: dict[str, list[object]] = {
        "origin": ["JFK", None, "JFK", "EWR", "JFK", "JFK", "JFK"],
        "t": [at(hour) for hour in (1, 1, 2, 2, 3, 5, 9)],
    }
    whole = join_all(given, *reads).report
    parts = [
        join_all({name: values[start : start + 2] for name, values in given.items()}, *reads).report
        for start in range(0, 7, 2)
    ]
    assert sum(parts[1:], start=parts[0]) == whole
    assert [read.look_ahead for read in whole.reads] == [3, None]
    assert whole.reads[0].expired == 1
    one = FrameReport(1, (), (), (("origin", 1),), 0, NOON)
    assert one + one == FrameReport(2, (), (), (("origin", 2),), 0, NOON)


def test_the_report_says_what_can_match_nothing() -> None:
    report = FrameReport(3, (), (), (("origin", 2), ("tail", 0)), 1)
    assert report.warnings == (
        "1 row of the spine has no time and matches nothing.",
        "2 rows of the spine have no 'origin' and match nothing that is joined on it.",
    )
