"""Spines: every form they come in, and every way in which they can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal as Number
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import RequestError
from featurestore.model import types as fs
from featurestore.model.times import to_micros
from featurestore.offline.spine import read_spine, spine_key, spine_times

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
NAIVE = NOON.replace(tzinfo=None)
MOMENT: pa.DataType = pa.timestamp("us", tz="UTC")
STRING_KEY = {"origin": fs.String}


def read(spine: object, *, timeless: bool = False, **needed: fs.FeatureType) -> pa.Table:
    return read_spine(spine, timestamp="t", needed=needed or STRING_KEY, timeless=timeless)


def micros(times: object) -> list[int | None]:
    """What the join would take a time column for."""
    found = spine_times(read({"origin": pa.nulls(len(times), pa.string()), "t": times}), "t")  # type: ignore[arg-type] # sized
    return [int(time) if valid else None for time, valid in zip(found.micros, found.valid, strict=True)]


# ------------------------------------------------------------------------------------------------------------- forms

COLUMNS: dict[str, list[Any]] = {
    "origin": ["JFK", None, "EWR"],
    "t": [NAIVE, NAIVE, None],
    "label": [1, 2, 3],
}
TABLE = pa.table(COLUMNS)


def in_parquet(folder: Path) -> Path:
    pq.write_table(TABLE, folder / "spine.parquet")
    return folder / "spine.parquet"


FORMS: dict[str, Callable[[Path], object]] = {
    "arrow table": lambda _: TABLE,
    "record batch": lambda _: TABLE.to_batches()[0],
    "batch reader": lambda _: TABLE.to_reader(),
    "polars frame": lambda _: pl.DataFrame(COLUMNS),
    "polars lazy frame": lambda _: pl.LazyFrame(COLUMNS),
    "pandas frame": lambda _: pd.DataFrame(COLUMNS),
    "pandas frame of Arrow types": lambda _: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas frame of objects": lambda _: pd.DataFrame(COLUMNS, dtype=object),
    "duckdb relation": lambda _: duckdb.connect().from_arrow(TABLE),
    "parquet path": in_parquet,
    "parquet path as text": lambda folder: str(in_parquet(folder)),
    "list of dicts": lambda _: TABLE.to_pylist(),
    "dict of lists": lambda _: COLUMNS,
    "dict of arrays": lambda _: {name: TABLE.column(name) for name in COLUMNS},
    "dict of series": lambda _: {
        "origin": pl.Series(COLUMNS["origin"]),
        "t": pd.Series(COLUMNS["t"]),
        "label": np.array(COLUMNS["label"]),
    },
    "arrow stream": lambda _: pa.table(TABLE).to_reader(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    table = read(FORMS[form](tmp_path))
    assert table.column_names == ["origin", "t", "label"]
    assert spine_key(table, "origin", fs.String).to_pylist() == COLUMNS["origin"]
    assert table.column("label").to_pylist() == [1, 2, 3]
    times = spine_times(table, "t")
    assert times.micros.tolist() == [to_micros(NOON), to_micros(NOON), 0]
    assert times.valid.tolist() == [True, True, False]


def test_metadata_is_not_part_of_a_spine() -> None:
    field = pa.field("t", MOMENT, metadata={"b": "c"})
    given = pa.table({"origin": pa.array([], pa.string()), "t": pa.array([], MOMENT)}, metadata={"pandas": "{}"})
    given = given.cast(pa.schema([given.schema.field(0), field], metadata={"pandas": "{}"}))
    table = read(given)
    assert table.schema.metadata is None
    assert table.schema.field("t").metadata is None


def test_a_missing_key_of_a_row_is_null() -> None:
    table = read([{"origin": "JFK", "t": NOON}, {"t": NOON, "label": 1}])
    assert table.to_pydict() == {"origin": ["JFK", None], "t": [NOON, NOON], "label": [None, 1]}


@pytest.mark.parametrize("spine", [[], {}, {"origin": [], "t": []}])
def test_an_empty_spine_has_the_types_that_are_needed(spine: object) -> None:
    table = read(spine)
    assert table.num_rows == 0
    assert table.schema == pa.schema([("origin", pa.string()), ("t", MOMENT)])


def test_a_column_of_nulls_has_the_keys_type() -> None:
    table = read({"origin": [None, None], "t": [None, None], "label": [None, None]}, origin=fs.Date)
    assert table.schema.types == [pa.date32(), MOMENT, pa.null()]


@pytest.mark.parametrize(
    ("spine", "text"),
    [
        (7, "a spine cannot be made from a int: give an Arrow table, a Polars"),
        (None, "cannot be made from a NoneType"),
        ([{"origin": "JFK"}, "JFK"], "a list that holds 'JFK'"),
        ({"origin": "JFK", "t": [NOON]}, "column 'origin' of the spine is 'JFK', not a column"),
        ({"origin": 7, "t": [NOON]}, "column 'origin' of the spine is 7, not a column"),
        ({"origin": ["a", "b"], "t": [NOON]}, "different lengths: origin: 2, t: 1"),
        ({"origin": ["a"], "t": [NOON], "x": [[1, "b"]]}, "column 'x' of the spine does not hold values of one type"),
        ({"origin": ["a", 7], "t": [NOON, NOON]}, "column 'origin' of the spine does not hold values of one type"),
        ({"origin": ["a"], "t": [NOON], "x": [2**64]}, "column 'x' of the spine"),
        ("nowhere.parquet", "there is no Parquet file 'nowhere.parquet'"),
        (__file__, "is not a Parquet file"),
        (pl.LazyFrame({"a": [1]}).select("b"), "cannot be read from Polars"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "several columns of the name 'a'"),
        (pd.DataFrame([["JFK", NOON, 1, 2]], columns=["origin", "t", "x", "x"]), "several columns of the name 'x'"),
    ],
)
def test_what_is_no_spine(spine: object, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        read(spine)


def test_a_duckdb_relation_that_fails() -> None:
    connection = duckdb.connect()
    relation = connection.sql("select cast(x as integer) as origin from (values ('a')) as rows(x)")
    with pytest.raises(RequestError, match="cannot be read from DuckDB"):
        read(relation)


# ------------------------------------------------------------------------------------------------------------- times


class Odd(tzinfo):
    """A zone that no library knows."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def __repr__(self) -> str:
        return "odd"

    def tzname(self, _: datetime | None) -> str:
        return "odd"


@pytest.mark.parametrize(
    "value",
    [
        NAIVE,
        NOON,
        NOON.astimezone(ZoneInfo("America/New_York")),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
        NOON.astimezone(Odd()),
        pd.Timestamp(NOON),
        pd.Timestamp(NAIVE).tz_localize("UTC").tz_convert("Asia/Tokyo"),
        np.datetime64("2013-07-01T12"),
        "2013-07-01T12:00",
        "2013-07-01 12:00:00.000000",
        "2013-07-01T12:00:00.000000000",
        "2013-07-01T12:00Z",
        "2013-07-01T14:00+02:00",
        "2013-07-01T08:00:00-0400",
        "20130701T12",
        " 2013-07-01T12:00 ",
        "2013-W27-1T12:00",
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "beside", [[], [None], [NAIVE], ["2013-07-01T13:00+01:00"], [NOON.astimezone(Odd())]], ids=repr
)
def test_one_moment_in_many_forms(value: object, beside: list[Any]) -> None:
    expected = [None if other is None else to_micros(NOON) for other in beside]
    assert micros([value, *beside]) == [to_micros(NOON), *expected]
    assert micros([*beside, value]) == [*expected, to_micros(NOON)]


def test_dates_are_midnight_utc() -> None:
    midnight = to_micros(datetime(2013, 7, 1, tzinfo=UTC))
    assert micros([date(2013, 7, 1), None, "2013-07-01", NOON]) == [midnight, None, midnight, to_micros(NOON)]
    assert micros(pa.array([date(2013, 7, 1)], pa.date64())) == [midnight]
    assert micros(np.array(["2013-07-01"], "datetime64[D]")) == [midnight]
    assert micros([date(1, 1, 1), date(9999, 12, 31)])[0] == to_micros(datetime(1, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("nothing", [None, pd.NaT, pd.NA, float("nan"), np.datetime64("NaT")], ids=repr)
def test_nothing_is_null(nothing: object) -> None:
    assert micros([nothing, NOON, "2013-07-01T12:00"]) == [None, to_micros(NOON), to_micros(NOON)]
    assert micros(pd.Series([nothing, NOON], dtype=object)) == [None, to_micros(NOON)]


def test_text_in_dictionaries_and_views() -> None:
    text = pa.array(["2013-07-01T12:00", None, "2013-07-01T14:00+02:00"])
    for array in (text.dictionary_encode(), text.cast(pa.large_string()), text.cast(pa.string_view())):
        assert micros(array) == [to_micros(NOON), None, to_micros(NOON)]
    assert micros(pa.chunked_array([text, text])) == micros(text) * 2
    assert micros(pa.nulls(2)) == [None, None]
    assert micros(pa.array([], pa.string())) == []


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_stored_times_of_every_unit(unit: str) -> None:
    for zone in (None, "UTC", "America/New_York"):
        times = pa.array([NOON, None], MOMENT).cast(pa.timestamp(unit, tz=zone))
        assert micros(times) == [to_micros(NOON), None]


ISO = "2013-07-01T12:00"
FINE = "is finer than a microsecond, which would be lost: round it first"
NO_TIME = "is not a time"
OUTSIDE = "is outside the years 1 to 9999"


@pytest.mark.parametrize(
    ("times", "text"),
    [
        (pa.array([10**18, None, 10**18 + 1], pa.timestamp("ns")), rf"row 2 of the spine: t .*{FINE}"),
        (pa.array([10**18 + 999], pa.timestamp("ns", tz="Asia/Tokyo")), rf"row 0 .*{FINE}"),
        ([NOON, pd.Timestamp(1), None], rf"row 1 .*{FINE}"),
        ([NOON, np.datetime64(1, "ns")], rf"row 1 .*{FINE}"),
        ([ISO, "2013-07-01T12:00:00.1234567"], rf"row 1 of the spine: t '2013-07-01T12:00:00.1234567'.*{FINE}"),
        ([NOON, "2013-07-01T12:00:00.1234567"], rf"row 1 .*{FINE}"),
        ([ISO, None, ISO, "yesterday", "never"], rf"row 3 of the spine: t 'yesterday' {NO_TIME}"),
        ([ISO, NOON, "yesterday"], rf"row 2 of the spine: t 'yesterday' {NO_TIME}"),
        ([""], NO_TIME),
        (["2013-02-30"], NO_TIME),
        (["14d"], NO_TIME),
        ([NOON, "14d"], NO_TIME),
        (["2013-07-01T12:00+25:00"], NO_TIME),
        ([NOON, np.datetime64("20000-01-01T00")], NO_TIME),
        ([NOON, 1372680000], NO_TIME),
        ([NOON, timedelta(1)], NO_TIME),
        ([NOON, True], NO_TIME),
        (["0001-01-01T00:00+05:00", ISO], rf"row 0 .*{OUTSIDE}"),
        ([NOON, datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))], rf"row 1 .*{OUTSIDE}"),
        (pa.array([0, 2**62], pa.timestamp("us")), rf"row 1 .*{OUTSIDE}"),
        (pa.array([-(2**62)], pa.timestamp("s")), rf"row 0 .*{OUTSIDE}"),
        (pa.array([2**31 - 1], pa.date32()), rf"row 0 .*{OUTSIDE}"),
        ([1372680000], "'t' has type int64: give timestamps, dates or ISO 8601 text"),
        ([1.5], "has type double"),
        (pa.array([1], pa.duration("us")), r"has type duration\[us\]"),
        (pa.array([1], pa.time64("us")), "has type time64"),
        ([b"2013"], "has type binary"),
        (pa.array([1, 2]).dictionary_encode(), "has type int64"),
    ],
)
def test_what_is_no_time(times: object, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        micros(times)


def test_a_missing_time_column() -> None:
    with pytest.raises(RequestError, match=r"no time column 't'\. There is: Tt0, origin\. Say which .* timestamp="):
        read({"origin": ["JFK"], "Tt0": [NOON]})
    with pytest.raises(RequestError, match=r"Did you mean 'times'\?"):
        read_spine({"origin": ["JFK"], "times": [NOON]}, timestamp="time", needed=STRING_KEY)
    with pytest.raises(RequestError, match="reset_index"):
        read(pd.DataFrame({"origin": ["JFK"]}, index=pd.Index([NOON], name="t")))


def test_a_timeless_spine_may_lack_times_but_not_hold_wrong_ones() -> None:
    assert read({"origin": ["JFK"]}, timeless=True).column_names == ["origin"]
    with pytest.raises(RequestError, match=NO_TIME):
        read({"origin": ["JFK"], "t": ["yesterday"]}, timeless=True)


# -------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("type_", "array"),
    [
        (fs.Int64, pa.array([1, None], pa.int8())),
        (fs.Int64, pa.array([1, None], pa.uint64())),
        (fs.Int32, pa.array([1, None], pa.int64())),
        (fs.Int64, pa.array([2**53 + 1, None])),
        (fs.Int64, pa.array([1, None]).dictionary_encode()),
        (fs.Int64, pa.array([None, None])),
        (fs.String, pa.array(["a", None], pa.large_string())),
        (fs.String, pa.array(["a", None], pa.string_view())),
        (fs.String, pa.array(["a", None]).dictionary_encode()),
        (fs.Bytes, pa.array([b"a", None], pa.large_binary())),
        (fs.Bytes, pa.array([b"ab", None], pa.binary(2))),
        (fs.Bytes, pa.array([b"a", None], pa.binary_view())),
        (fs.Bool, pa.array([True, None])),
        (fs.Date, pa.array([date(2013, 7, 1), None], pa.date64())),
    ],
)
def test_keys_are_cast_where_nothing_is_lost(type_: fs.FeatureType, array: Any) -> None:  # noqa: ANN401 - an array
    table = read({"k": array, "t": [NOON, NOON]}, k=type_)
    assert table.column("k").type == array.type
    assert spine_key(table, "k", type_).to_pylist() == array.to_pylist()


def test_pandas_integers_with_nulls_are_keys_when_they_are_nullable() -> None:
    frame = pd.DataFrame({"k": pd.array([2**53 + 1, None], dtype="Int64"), "t": [NOON, NOON]})
    assert spine_key(read(frame, k=fs.Int64), "k", fs.Int64).to_pylist() == [2**53 + 1, None]


@pytest.mark.parametrize(
    ("type_", "values", "text"),
    [
        (fs.Int64, ["1"], r"column 'k' .* expected Int64, found string\. text is not parsed"),
        (fs.Int64, [1.0], r"expected Int64, found double\. floats cannot hold .* astype\('Int64'\)"),
        (fs.Int64, pd.Series([1, None]), "found double.*pandas makes integers beside nulls into floats"),
        (fs.Int32, [True], "expected Int32, found bool"),
        (fs.Int64, [Number(1)], "expected Int64, found decimal128"),
        (fs.String, [1], "expected String, found int64.*a number and its text are different keys"),
        (fs.String, [b"a"], "expected String, found binary"),
        (fs.Bytes, ["a"], "expected Bytes, found string"),
        (fs.Bool, [1], "expected Bool, found int64"),
        (fs.Date, [NAIVE], "expected Date, found timestamp"),
        (fs.Date, ["2013-07-01"], "expected Date, found string"),
        (fs.Int64, pa.array(["1"]).dictionary_encode(), "expected Int64, found dictionary<values=string"),
        (fs.Int32, [1, None, 2**31, 2**31], r"row 2 of the spine has k = 2147483648.*expected Int32, found int64"),
        (fs.Int32, [-(2**31) - 1], "row 0 of the spine has k = -2147483649"),
        (fs.Int64, pa.array([1, 2**63], pa.uint64()), "row 1 of the spine has k = 9223372036854775808"),
    ],
)
def test_what_is_no_key(type_: fs.FeatureType, values: Any, text: str) -> None:  # noqa: ANN401 - any column
    with pytest.raises(RequestError, match=text):
        read({"k": values, "t": [NOON] * len(values)}, k=type_)


def test_a_missing_key_column() -> None:
    with pytest.raises(
        RequestError, match=r"no column 'origin'.*type String\. Did you mean 'orign'\?.* on key=column'"
    ):
        read({"orign": ["JFK"], "t": [NOON]})
    with pytest.raises(RequestError, match=r"no column 'tail'.*type Int64"):
        read({"origin": ["JFK"], "t": [NOON]}, origin=fs.String, tail=fs.Int64)
