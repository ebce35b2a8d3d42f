"""Keys as bytes: one form for each value, different forms for different keys."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.errors import RequestError
from featurestore.model.types import Bool, Bytes, Date, FeatureType, Int32, Int64, String
from featurestore.online.keys import LONGEST_PLAIN_KEY, encode_key, encode_keys

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
ARROW = {
    Int32: pa.int32(),
    Int64: pa.int64(),
    String: pa.string(),
    Bytes: pa.binary(),
    Bool: pa.bool_(),
    Date: pa.date32(),
}
SMALL_TEXT = st.text(alphabet="\x00\x01ab", max_size=4)
TEXT = st.text(max_size=8)
VALUES: dict[FeatureType, st.SearchStrategy[Any]] = {
    Int32: st.integers(-(2**31), 2**31 - 1),
    Int64: st.integers(-(2**63), 2**63 - 1),
    String: SMALL_TEXT | TEXT | TEXT.map(lambda text: text * 100),
    Bytes: SMALL_TEXT.map(str.encode) | st.binary(max_size=8).map(lambda part: part * 100),
    Bool: st.booleans(),
    Date: st.dates(),
}
TYPES = st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3)


@st.composite
def keys(draw: st.DrawFn) -> tuple[list[FeatureType], list[tuple[Any, ...]]]:
    types = draw(TYPES)
    rows = draw(st.lists(st.tuples(*(VALUES[type_] for type_ in types)), min_size=1, max_size=20))
    return types, rows


def columnar(types: list[FeatureType], rows: list[tuple[Any, ...]]) -> list[bytes | None]:
    arrays = [pa.array([row[i] for row in rows], ARROW[type_]) for i, type_ in enumerate(types)]
    return encode_keys(arrays, types)


@UNHURRIED
@given(keys())
def test_different_keys_have_different_bytes_and_equal_keys_equal_bytes(
    case: tuple[list[FeatureType], list[tuple[Any, ...]]],
) -> None:
    types, rows = case
    encoded = [encode_key(row, types) for row in rows]
    assert len(set(encoded)) == len(set(rows))
    assert all(1 <= len(key) <= LONGEST_PLAIN_KEY + 1 for key in encoded)
    assert columnar(types, rows) == encoded


@UNHURRIED
@given(keys())
def test_bytes_are_in_the_order_of_the_values(case: tuple[list[FeatureType], list[tuple[Any, ...]]]) -> None:
    types, rows = case
    short = [row for row in rows if sum(len(one) for one in row if isinstance(one, (str, bytes))) < 100]
    in_bytes = [tuple(one.encode() if isinstance(one, str) else one for one in row) for row in short]
    order = sorted(range(len(short)), key=lambda i: in_bytes[i])
    assert order == sorted(range(len(short)), key=lambda i: (encode_key(short[i], types), i))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("ab", "")),
        (("a", ""), ("", "a")),
        (("a\x00", "b"), ("a", "\x00b")),
        (("\x00\x01", ""), ("\x00", "\x01")),
        (("\x00\x00", ""), ("\x00", "\x00")),
        (("", "\x00\x00"), ("\x00\x00", "")),
    ],
)
def test_composite_text_is_unambiguous(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert encode_key(one, [String, String]) != encode_key(other, [String, String])


def test_a_key_is_null_where_any_of_its_values_is() -> None:
    numbers = pa.array([1, None, 3, None])
    words = pa.array(["a", "b", None, None])
    both = encode_keys([numbers, words], [Int64, String])
    assert both == [encode_key((1, "a"), [Int64, String]), None, None, None]
    assert encode_keys([words], [String]) == [encode_key(("a",), [String]), encode_key(("b",), [String]), None, None]
    assert encode_keys([numbers], [Int64])[1::2] == [None, None]
    assert encode_keys([pa.array([None, True])], [Bool]) == [None, encode_key((True,), [Bool])]


def test_integers_of_both_widths_meet() -> None:
    narrow, wide = pa.array([5, -1], pa.int32()), pa.array([5, -1], pa.int64())
    assert encode_keys([narrow], [Int64]) == encode_keys([wide], [Int32]) == encode_keys([wide], [Int64])


def test_slices_and_no_rows() -> None:
    numbers = pa.array([1, None, 3, 4])
    assert encode_keys([numbers.slice(1)], [Int64]) == encode_keys([numbers], [Int64])[1:]
    assert encode_keys([pa.array([], pa.string())], [String]) == []
    assert encode_keys([pa.array([], pa.int64()), pa.array([], pa.date32())], [Int64, Date]) == []


def test_long_keys_are_hashed_and_do_not_meet_short_ones() -> None:
    plain = "k" * LONGEST_PLAIN_KEY
    assert len(encode_key([plain], [String])) == LONGEST_PLAIN_KEY + 1
    hashed = encode_key([plain + "k"], [String])
    assert len(hashed) == 33
    assert hashed != encode_key([hashed[1:]], [Bytes])
    assert hashed != encode_key([plain + "l"], [String])


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (None, Int64),
        (True, Int64),
        (1.0, Int64),
        ("1", Int64),
        (2**31, Int32),
        (2**63, Int64),
        (1, Bool),
        (b"a", String),
        ("a", Bytes),
        (datetime(2013, 1, 1, tzinfo=UTC), Date),
    ],
)
def test_a_value_of_another_type_is_refused(value: object, type_: FeatureType) -> None:
    with pytest.raises(RequestError, match="is not a key of type"):
        encode_key([value], [type_])


def test_dates_at_both_ends() -> None:
    assert encode_key([date.min], [Date]) < encode_key([date(1970, 1, 1)], [Date]) < encode_key([date.max], [Date])
