"""Feature types: values with a text form that reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import DefinitionError
from featurestore.model.types import (
    KEY_KINDS,
    Decimal,
    Embedding,
    FeatureType,
    Float32,
    Int64,
    List,
    String,
    parse_type,
)

SCALARS = ("Int32", "Int64", "Float32", "Float64", "Bool", "String", "Bytes", "Date", "Timestamp")
DECIMALS = st.integers(1, 38).flatmap(
    lambda precision: st.builds(Decimal, st.just(precision), st.integers(0, precision))
)
LISTED = st.recursive(st.sampled_from(SCALARS).map(FeatureType) | DECIMALS, lambda item: st.builds(List, item))
TYPES = LISTED | st.builds(Embedding, st.integers(1, 100_000))


@given(TYPES)
def test_a_type_reads_back_from_its_text(type_: FeatureType) -> None:
    assert parse_type(str(type_)) == type_
    assert repr(type_) == str(type_)
    assert hash(parse_type(str(type_))) == hash(type_)


@given(TYPES, TYPES)
def test_different_types_have_different_texts(one: FeatureType, other: FeatureType) -> None:
    assert (str(one) == str(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("Int64", Int64),
        ("  String ", String),
        ("Decimal(10,2)", Decimal(10, 2)),
        ("Decimal( 38 , 38 )", Decimal(38, 38)),
        ("List(List(Decimal(1, 0)))", List(List(Decimal(1, 0)))),
        ("List( Float32 )", List(Float32)),
        ("Embedding(128)", Embedding(128)),
    ],
)
def test_the_text_form(text: str, type_: FeatureType) -> None:
    assert parse_type(text) == type_


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a feature type. There is: "),
        ("int64", "is not a feature type. Did you mean 'Int64'?"),
        ("Strnig", "is not a feature type. Did you mean 'String'?"),
        ("Decimal", "is not a feature type. Did you mean 'Decimal(p, s)'?"),
        ("Int64()", "is not a feature type."),
        ("List", "is not a feature type. Did you mean 'List(T)'?"),
        ("List()", "'' is not a feature type."),
        ("List(Int64", "'List(Int64' is not a feature type."),
        ("List(Int64))", "'Int64)' is not a feature type."),
        ("List(Embedding(3))", "List(Embedding(3)) is not a type: the item is a scalar, a decimal or a list"),
        ("Decimal()", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Decimal(10)", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Decimal(1, 2, 3)", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Decimal(a, b)", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Decimal(10, 2.5)", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Embedding(1, 2)", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Embedding(3.5)", "is not a feature type: write Decimal(10, 2) or Embedding(128)."),
        ("Decimal(0, 0)", "the precision is 1 to 38 digits, the scale 0 to the precision."),
        ("Decimal(39, 0)", "the precision is 1 to 38 digits, the scale 0 to the precision."),
        ("Decimal(3, 4)", "the precision is 1 to 38 digits, the scale 0 to the precision."),
        ("Decimal(3, -1)", "the precision is 1 to 38 digits, the scale 0 to the precision."),
        ("Embedding(0)", "the length is 1 or more."),
        ("Embedding(-4)", "the length is 1 or more."),
        (None, "None is not a feature type."),
        (int, "<class 'int'> is not a feature type."),
    ],
)
def test_what_is_no_type_says_what_is(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_type(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("item", [None, "Int64", int, Embedding(3)])
def test_a_list_is_of_scalars_decimals_or_lists(item: FeatureType) -> None:
    with pytest.raises(DefinitionError, match=r"for example List\(fs\.Int64\)"):
        List(item)


@pytest.mark.parametrize(("precision", "scale"), [(10.0, 2), ("10", "2"), (True, 0), (None, None)])
def test_a_decimals_digits_are_counted(precision: int, scale: int) -> None:
    with pytest.raises(DefinitionError, match="the precision is 1 to 38 digits"):
        Decimal(precision, scale)


@pytest.mark.parametrize("length", [2.5, "3", True, None])
def test_an_embeddings_length_is_a_number(length: int) -> None:
    with pytest.raises(DefinitionError, match="the length is 1 or more"):
        Embedding(length)


def test_keys_are_kinds_of_exact_equality() -> None:
    assert {"Int32", "Int64", "String", "Bytes", "Bool", "Date"} == KEY_KINDS
