"""The wire: every type and status there and back, lengths that lie refused, and the bytes other clients rely on."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featurestore.model.types as t
from featurestore.errors import CorruptError, RequestError
from featurestore.model.description import Description
from featurestore.offline.arrow_types import to_arrow
from featurestore.online.lookup import Asked
from featurestore.online.result import AnswerColumn, OnlineFeatures
from featurestore.serving.codec import (
    ReadRequest,
    decode_answer,
    decode_description,
    decode_request,
    encode_answer,
    encode_description,
    encode_request,
)
from featurestore.serving.v1 import serving_pb2 as pb
from featurestore.serving.values import MalformedError, decode_values, encode_values
from tests.serving.answers import EXPIRED, NOT_FOUND, NULL, PRESENT, answers, same, types, values, weather_answer


@settings(deadline=None, max_examples=300)
@given(answer=answers, event_times=st.booleans())
def test_an_answer_survives_the_wire(answer: OnlineFeatures, event_times: bool) -> None:
    message = pb.GetFeaturesResponse.FromString(encode_answer(answer, event_times=event_times))
    assert message.rows == len(answer)
    back = decode_answer(message)
    assert same(answer, back, event_times=event_times)
    back.to_arrow().validate(full=True)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_values_with_nulls_survive_the_wire(data: st.DataObject) -> None:
    type_ = data.draw(types)
    array: pa.Array[Any] = pa.array(data.draw(st.lists(st.none() | values(type_), max_size=6)), to_arrow(type_))
    message = pb.Values.FromString(encode_values(array, type_, nulls=True))
    back = decode_values(message, type_, len(array))
    assert back.type == array.type
    assert repr(back.to_pylist()) == repr(array.to_pylist())
    back.validate(full=True)


def test_not_a_number_keeps_its_bits() -> None:
    bits = np.array([0x7FF8000000000001, 0xFFF0000000000000, 0x8000000000000000], np.uint64)
    array = pa.array(bits.view(np.float64))
    back = decode_values(pb.Values.FromString(encode_values(array, t.Float64)), t.Float64, 3)
    assert np.asarray(back).view(np.uint64).tolist() == bits.tolist()


def test_garbage_under_a_null_does_not_leave_the_server() -> None:
    secret = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(struct.pack("<qq", 99, 5))])
    assert list(pb.Values.FromString(encode_values(secret, t.Int64)).int64s) == [0, 5]


def test_a_column_is_what_the_proto_says() -> None:
    message = pb.GetFeaturesResponse.FromString(encode_answer(weather_answer(), event_times=True))
    (column,) = message.columns
    assert list(column.values.float64s) == [1.5, 0.0, 0.0, 0.0]
    assert list(column.statuses) == [
        pb.CELL_STATUS_PRESENT,
        pb.CELL_STATUS_NULL,
        pb.CELL_STATUS_NOT_FOUND,
        pb.CELL_STATUS_EXPIRED,
    ]
    assert (column.name, column.view, column.feature, column.version) == ("weather__temp", "weather", "temp", 2)
    assert (column.snapshot, column.activation, column.type) == ("5" * 32, 7, "Float64")
    assert not column.has_default
    assert list(column.event_times) == [1704067200000000, 1704153600000000, 0, 1672531200000000]


def test_numbers_lie_on_the_wire_as_a_little_endian_array() -> None:
    raw = encode_values(pa.array([1.0, 2.0]), t.Float64)
    assert raw == bytes([0x0A, 16]) + struct.pack("<dd", 1.0, 2.0)


def test_a_decimal_is_its_unscaled_integer() -> None:
    from decimal import Decimal

    array = pa.array([Decimal("12.34"), None, Decimal("-0.01")], pa.decimal128(10, 2))
    message = pb.Values.FromString(encode_values(array, t.Decimal(10, 2)))
    unscaled = [int.from_bytes(message.decimals[at : at + 16], "little", signed=True) for at in (0, 16, 32)]
    assert unscaled == [1234, 0, -1]


def column(values: list[Any], codes: list[int]) -> OnlineFeatures:
    return OnlineFeatures(
        [
            AnswerColumn(
                "a", 1, "v", "a", "s", None, pa.array(values, pa.int64()), np.array(codes, np.uint8), event_times=None
            )
        ]
    )


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([None], [PRESENT]),
        ([1], [NULL]),
        ([1, None], [NOT_FOUND, EXPIRED]),
    ],
)
def test_values_that_contradict_their_statuses_are_not_sent(values: list[Any], codes: list[int]) -> None:
    with pytest.raises(ValueError, match="contradict"):
        encode_answer(column(values, codes))


def test_a_default_of_zero_is_told_from_nothing() -> None:
    for given_values, default in (([0, 5], True), ([None, 5], False)):
        message = pb.GetFeaturesResponse.FromString(encode_answer(column(given_values, [NOT_FOUND, PRESENT])))
        assert message.columns[0].has_default is default
        assert decode_answer(message).to_dict() == {"a": given_values}


def malformed() -> dict[str, pb.GetFeaturesResponse]:
    def broken(**changes: object) -> pb.GetFeaturesResponse:
        given: dict[str, Any] = {"name": "a", "type": "Int64", "statuses": b"\1\1", "values": pb.Values(int64s=[1, 2])}
        return pb.GetFeaturesResponse(rows=2, columns=[pb.FeatureColumn(**(given | changes))])

    return {
        "too few statuses": broken(statuses=b"\1"),
        "status zero": broken(statuses=b"\0\1"),
        "an unknown status": broken(statuses=b"\1\5"),
        "too few values": broken(values=pb.Values(int64s=[1])),
        "another field": broken(values=pb.Values(float64s=[1, 2])),
        "an unknown type": broken(type="Quaternion"),
        "half a decimal": broken(type="Decimal(4, 1)", values=pb.Values(decimals=b"\0" * 31)),
        "text missing": broken(type="String", values=pb.Values(strings=["a"])),
        "offsets that descend": broken(
            type="List(Int64)", values=pb.Values(offsets=[0, 2, 1], items=pb.Values(int64s=[1]))
        ),
        "offsets beyond": broken(type="List(Int64)", values=pb.Values(offsets=[0, 1, 2**32 - 1])),
        "items missing": broken(type="List(Int64)", values=pb.Values(offsets=[0, 1, 2])),
        "nulls missing": broken(
            type="List(Int64)", values=pb.Values(offsets=[0, 1, 2], items=pb.Values(int64s=[1, 2], nulls=b"\1"))
        ),
        "half a vector": broken(type="Embedding(2)", values=pb.Values(float32s=[1, 2, 3])),
        "a time missing": broken(event_times=[1]),
    }


@pytest.mark.parametrize("message", [pytest.param(message, id=what) for what, message in malformed().items()])
def test_a_malformed_answer_is_refused(message: pb.GetFeaturesResponse) -> None:
    with pytest.raises(CorruptError, match="malformed"):
        decode_answer(message)


# -------------------------------------------------------------------------------------------------------- requests


def test_a_request_survives_the_wire() -> None:
    entities: dict[str, pa.Array[Any]] = {
        "s": pa.array(["x", None, ""]),
        "i": pa.array([2**53 + 1, None, -1]),
        "b": pa.array([b"\0", None, b""]),
        "f": pa.array([True, None, False]),
        "d": pa.array([19000, None, -1], pa.date32()),
        "n": pa.nulls(3),
    }
    for asked in (
        ReadRequest(Asked(("v@v1:a",)), entities),
        ReadRequest(Asked(None, "m@1", "e", None, "ab"), entities, datetime(1901, 1, 1, tzinfo=UTC), event_times=True),
        ReadRequest(Asked(endpoint="e"), {}),
    ):
        sent = pb.GetFeaturesRequest.FromString(encode_request(asked).SerializeToString())
        assert decode_request(sent) == asked


def test_the_type_of_a_key_is_told_by_its_field() -> None:
    entities = [
        pb.KeyColumn(name="s", values=pb.Values(strings=["a"])),
        pb.KeyColumn(name="i", values=pb.Values(int32s=[1])),
        pb.KeyColumn(name="d", type="Date", values=pb.Values(int32s=[1])),
    ]
    read = decode_request(pb.GetFeaturesRequest(entities=entities)).entities
    assert read["s"] == ["a"]
    assert [str(read[name].type) for name in "id"] == ["int32", "date32[day]"]  # type: ignore[union-attr]  # arrays


@pytest.mark.parametrize(
    ("entities", "text"),
    [
        ([pb.KeyColumn(name="a"), pb.KeyColumn(name="a")], "given twice"),
        ([pb.KeyColumn(name="a", values=pb.Values(bools=[True])), pb.KeyColumn(name="b")], "differ in length"),
        ([pb.KeyColumn(name="a", values=pb.Values(bools=[True], int64s=[1]))], "sets int64s and bools"),
        ([pb.KeyColumn(name="a", type="Float64", values=pb.Values(int64s=[1]))], "a join key is one of"),
        ([pb.KeyColumn(name="a", type="Nope", values=pb.Values(int64s=[1]))], "is not a feature type"),
        ([pb.KeyColumn(name="a", type="Bool", values=pb.Values(int64s=[1]))], "0 values where 1 belong"),
        ([pb.KeyColumn(name="a", values=pb.Values(int64s=[1], nulls=b"\0\0"))], "marks 2 values of 1"),
        ([pb.KeyColumn(name="a", values=pb.Values(nulls=b"\0\1"))], "not there"),
    ],
)
def test_a_malformed_request_is_refused(entities: list[pb.KeyColumn], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        decode_request(pb.GetFeaturesRequest(entities=entities))


def test_a_time_outside_the_calendar_is_refused() -> None:
    with pytest.raises(RequestError, match="1 and 9999"):
        decode_request(pb.GetFeaturesRequest(at=2**62))


@pytest.mark.parametrize(
    "description",
    [
        Description((), (), (), ()),
        Description(
            (("k", "Int64"),), (("r", "int64"),), ("r", "v__a"), (("v__a", "v@v1:a", "Bool"),), "d", "m@1", "e"
        ),
    ],
)
def test_a_description_survives_the_wire(description: Description) -> None:
    assert decode_description(encode_description(description)) == description


def test_a_malformed_error_is_no_public_one() -> None:
    assert not issubclass(MalformedError, RequestError)
