"""Rows as bytes: exact for every type."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal as Number
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.errors import ContractError, CorruptError
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
from featurestore.online.codec import RowCodec, encode_rows
from featurestore.online.keys import encode_key

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
SCALARS: dict[FeatureType, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    Int32: (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    Int64: (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    Float32: (pa.float32(), st.floats(width=32)),
    Float64: (pa.float64(), st.floats()),
    Bool: (pa.bool_(), st.booleans()),
    String: (pa.string(), st.text(max_size=5)),
    Bytes: (pa.binary(), st.binary(max_size=5)),
    Date: (pa.date32(), st.dates()),
    Timestamp: (pa.timestamp("us", tz="UTC"), st.datetimes(timezones=st.just(UTC))),
    Decimal(38, 10): (pa.decimal128(38, 10), st.integers(-(10**38) + 1, 10**38 - 1)),
}


def _decimal(digits: int) -> Number:
    sign, text = ("-", str(-digits)) if digits < 0 else ("", str(digits))
    return Number(f"{sign}{text}E-10")


def arrow_type(type_: FeatureType) -> pa.DataType:
    if type_.item is not None:
        return pa.list_(arrow_type(type_.item))
    if type_.kind == "Embedding":
        return pa.list_(pa.float32(), type_.parameters[0])
    return SCALARS[type_][0]


def values(type_: FeatureType) -> st.SearchStrategy[Any]:
    if type_.item is not None:
        return st.lists(st.none() | values(type_.item), max_size=4)
    if type_.kind == "Embedding":
        (length,) = type_.parameters
        return st.lists(st.floats(width=32), min_size=length, max_size=length)
    strategy = SCALARS[type_][1]
    return strategy.map(_decimal) if type_.kind == "Decimal" else strategy


types = st.recursive(st.sampled_from(list(SCALARS)), lambda inner: inner.map(List), max_leaves=3) | st.integers(
    1, 5
).map(Embedding)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[tuple[str, FeatureType]], pa.RecordBatch]:
    columns = [(f"f{i}", type_) for i, type_ in enumerate(draw(st.lists(types, min_size=1, max_size=12)))]
    rows = draw(st.integers(0, 5))
    arrays: list[pa.Array[Any]] = [
        pa.array(draw(st.lists(st.none() | values(type_), min_size=rows, max_size=rows)), arrow_type(type_))
        for _, type_ in columns
    ]
    times = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows))
    batch = pa.record_batch(
        [*arrays, pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))],
        names=[*(name for name, _ in columns), "time"],
    )
    start = draw(st.integers(0, rows))
    return columns, batch.slice(start)


def bits(value: Any) -> Any:  # noqa: ANN401 - of every type
    """Return a value in which -0.0 and 0.0 differ and NaN equals NaN."""
    if isinstance(value, list):
        return [bits(item) for item in value]
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


@UNHURRIED
@given(batches(), st.data())
def test_every_type_comes_back_exactly(
    case: tuple[list[tuple[str, FeatureType]], pa.RecordBatch], data: st.DataObject
) -> None:
    columns, batch = case
    codec = RowCodec(columns)
    rows: list[bytes | None] = list(codec.encode_batch(batch, "time"))
    assert len(rows) == batch.num_rows
    missing = data.draw(st.lists(st.integers(0, len(rows)), max_size=3))
    for position in missing:
        rows.insert(position, None)
    wanted = data.draw(st.lists(st.sampled_from([name for name, _ in columns]), min_size=1, unique=True))
    arrays = codec.decode(rows, wanted, [arrow_type(dict(columns)[name]) for name in wanted])
    present = [position for position, row in enumerate(rows) if row is not None]
    for name, array in zip(wanted, arrays, strict=True):
        array.validate(full=True)
        assert array.type == arrow_type(dict(columns)[name])
        decoded = array.to_pylist()
        assert [bits(decoded[position]) for position in present] == bits(batch.column(name).to_pylist())
        assert all(value is None for position, value in enumerate(decoded) if position not in present)
    block = codec.open(rows)
    found = np.ones(len(rows), np.bool_) if block.found is None else block.found
    assert found.tolist() == [row is not None for row in rows]
    assert block.event_times[found].tolist() == batch.column("time").cast(pa.int64()).to_pylist()


@UNHURRIED
@given(batches())
def test_the_same_row_has_the_same_bytes_in_any_batch(
    case: tuple[list[tuple[str, FeatureType]], pa.RecordBatch],
) -> None:
    columns, batch = case
    codec = RowCodec.from_schema(RowCodec(columns).schema())
    assert codec.columns == tuple(columns)
    whole = list(codec.encode_batch(batch, None))
    assert whole == [row for i in range(len(whole)) for row in codec.encode_batch(batch.slice(i, 1), None)]


def one(name: str, type_: FeatureType, array: pa.Array[Any], as_type: pa.DataType) -> list[Any]:
    codec = RowCodec([(name, type_)])
    rows = list(codec.encode_batch(pa.record_batch([array], names=[name]), None))
    (decoded,) = codec.decode(rows, [name], [as_type])
    decoded.validate(full=True)
    assert decoded.type == as_type
    return decoded.to_pylist()


def test_null_empty_string_and_empty_list_are_three_things() -> None:
    assert one("a", String, pa.array([None, "", "x"]), pa.string()) == [None, "", "x"]
    strings = pa.list_(pa.string())
    assert one("a", List(String), pa.array([None, [], [None], [""], ["", None]], strings), strings) == [
        None,
        [],
        [None],
        [""],
        ["", None],
    ]


def test_values_under_a_null_do_not_reach_the_row() -> None:
    hidden = pa.Array.from_buffers(
        pa.int64(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([77, 5], np.int64).tobytes())]
    )
    codec = RowCodec([("a", Int64)])
    rows = list(codec.encode_batch(pa.record_batch([hidden], names=["a"]), None))
    assert b"\x4d" not in rows[0]


@pytest.mark.parametrize(
    ("type_", "given_type", "asked_type"),
    [
        (String, pa.string(), pa.large_string()),
        (String, pa.large_string(), pa.string()),
        (String, pa.string_view(), pa.string_view()),
        (Bytes, pa.large_binary(), pa.binary()),
        (Timestamp, pa.timestamp("us"), pa.timestamp("us", tz="UTC")),
        (Timestamp, pa.timestamp("s", tz="UTC"), pa.timestamp("us", tz="UTC")),
        (Embedding(2), pa.list_(pa.float32()), pa.list_(pa.float32(), 2)),
        (Embedding(2), pa.list_(pa.float32(), 2), pa.list_(pa.float32())),
        (List(Int64), pa.large_list(pa.int64()), pa.list_(pa.int64())),
        (List(Int64), pa.list_(pa.int64()), pa.large_list(pa.int64())),
        (List(Int64), pa.list_(pa.int64(), 2), pa.list_(pa.int64())),
        (List(String), pa.list_(pa.large_string()), pa.large_list(pa.large_string())),
    ],
)
def test_arrow_has_several_forms_of_one_type(
    type_: FeatureType, given_type: pa.DataType, asked_type: pa.DataType
) -> None:
    samples: dict[str, list[Any]] = {
        "String": ["a", None, ""],
        "Bytes": [b"a", None, b""],
        "Timestamp": [datetime(2013, 7, 1, tzinfo=UTC), None],
        "Embedding": [[1.0, -0.0], None],
        "List": [["a", "b"], None] if type_.item == String else [[1, 2], None],
    }
    sample = samples[type_.kind]
    assert one("a", type_, pa.array(sample, given_type), asked_type) == sample


@pytest.mark.parametrize(
    ("type_", "array"),
    [
        (Int32, pa.array([2**40])),
        (Int64, pa.array(["x"])),
        (String, pa.array([1])),
        (Embedding(3), pa.array([[1.0, 2.0]], pa.list_(pa.float32()))),
        (Embedding(2), pa.array([[1.0, None]], pa.list_(pa.float32()))),
        (Embedding(2), pa.array([7])),
        (List(Int64), pa.array([7])),
        (Timestamp, pa.array([1], pa.timestamp("ns"))),
    ],
)
def test_a_column_of_another_type_is_refused(type_: FeatureType, array: pa.Array[Any]) -> None:
    codec = RowCodec([("a", type_)])
    with pytest.raises(ContractError):
        list(codec.encode_batch(pa.record_batch([array], names=["a"]), None))


def test_a_null_event_time_is_refused() -> None:
    batch = pa.record_batch({"a": pa.array([1]), "time": pa.array([None], pa.timestamp("us", tz="UTC"))})
    with pytest.raises(ContractError, match="'time' of 1 rows is null"):
        list(RowCodec([("a", Int64)]).encode_batch(batch, "time"))


@pytest.mark.parametrize("columns", [[("a", Int64)], [("a", Int64), ("b", String)]], ids=["fixed", "variable"])
@pytest.mark.parametrize(
    "damage",
    [lambda row: row[:-1], lambda row: row + b"x", lambda _: b""],
    ids=["short", "long", "empty"],
)
def test_a_row_of_another_size_is_told(
    columns: list[tuple[str, FeatureType]], damage: Callable[[bytes], bytes]
) -> None:
    codec = RowCodec(columns)
    batch = pa.record_batch([pa.array([1, 2]), pa.array(["x", "yy"])], names=["a", "b"])
    rows = list(codec.encode_batch(batch, None))
    with pytest.raises(CorruptError, match="publish the version again"):
        codec.open([rows[0], damage(rows[1])])


def test_an_unknown_feature_or_format_is_told() -> None:
    codec = RowCodec([("temp", Int64)])
    with pytest.raises(CorruptError, match="Did you mean 'temp'"):
        codec.decode([], ["temps"], [pa.int64()])
    with pytest.raises(CorruptError, match="format 9"):
        RowCodec.from_schema({**codec.schema(), "format": 9})


def test_rows_go_with_their_keys_and_a_null_key_is_left_away() -> None:
    batch = pa.record_batch([pa.array(["JFK", None, "LGA"]), pa.array([1.0, 2.0, 3.0])], names=["origin", "temp"])
    codec = RowCodec([("temp", Float64)])
    written = dict(encode_rows([batch, batch.slice(0, 0)], codec, keys=[("origin", String)], event_time=None))
    assert list(written) == [encode_key(["JFK"], [String]), encode_key(["LGA"], [String])]
    assert codec.decode(list(written.values()), ["temp"], [pa.float64()])[0].to_pylist() == [1.0, 3.0]


def test_another_row_stands_where_there_is_none_or_none_is_shown() -> None:
    codec = RowCodec([("a", Int64), ("v", Embedding(2)), ("s", String)])
    types = [pa.int64(), pa.list_(pa.float32(), 2), pa.string()]
    arrays: list[pa.Array[Any]] = [pa.array([7, 8]), pa.array([[1, 2], [3, 4]], types[1]), pa.array(["x", "y"])]
    batch = pa.record_batch(arrays, names=["a", "v", "s"])
    fill = codec.row({"a": pa.array([-1]), "s": pa.array(["none"])})
    selection = codec.select(["s", "a", "v"])
    block = codec.open([*codec.encode_batch(batch, None), None], fill)
    assert block.found is not None
    assert block.found.tolist() == [True, True, False]
    shown = selection.arrays(block.replaced(np.array([True, False, False]), fill), [types[2], types[0], types[1]])
    assert [array.to_pylist() for array in shown] == [["none", "y", "none"], [-1, 8, -1], [None, [3.0, 4.0], None]]
    assert selection.nulls(codec.open(list(codec.encode_batch(batch, None)))) is None


def test_fixed_values_leave_feature_after_feature() -> None:
    codec = RowCodec([("a", Int64), ("b", Float64), ("c", Int64), ("v", Embedding(2)), ("s", String)])
    vectors = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))
    arrays: list[pa.Array[Any]] = [
        pa.array([1, 2]),
        pa.array([0.5, 1.5]),
        pa.array([3, 4]),
        vectors,
        pa.array(["x", "y"]),
    ]
    batch = pa.record_batch(arrays, names=["a", "b", "c", "v", "s"])
    block = codec.open(list(codec.encode_batch(batch, None)))
    for wanted in (["c", "v", "b", "a"], ["a", "c"], ["s", "c"], ["s"], ["a", "b", "a"]):
        selection = codec.select(wanted)
        values = selection.fixed(block)
        for name, offset, width in zip(wanted, selection.offsets, selection.widths, strict=True):
            if offset is None:
                assert name == "s"
                continue
            piece = values[2 * offset : 2 * (offset + width)]
            dtype = {"b": "<f8", "v": "<f4"}.get(name, "<i8")
            values_: list[Any] = batch.column(name).to_pylist()
            expected = [one for value in values_ for one in (value if name == "v" else [value])]
            assert np.frombuffer(piece, dtype).tolist() == expected
