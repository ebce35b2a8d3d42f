"""Feature sets as they are written: what is refused at once, and what their identity is."""

from __future__ import annotations

from typing import Any

import pytest

import featurestore as fs
from featurestore.model.feature_set import fingerprint_of
from featurestore.model.reference import parse_reference


@pytest.mark.parametrize(
    ("name", "features", "message"),
    [
        ("fraud__set", ["a@v1:x"], "not a name for a feature set"),
        ("fraud", [], "'fraud' has no features: name at least one"),
        ("fraud", "a@v1:x", "has the features 'a@v1:x': write features="),
        ("fraud", None, "has the features None"),
        ("fraud", ["a@@x"], "feature set 'fraud': .* is not"),
    ],
)
def test_what_is_malformed_is_refused(name: str, features: Any, message: str) -> None:  # noqa: ANN401 - anything
    with pytest.raises(fs.DefinitionError, match=message):
        fs.FeatureSet(name, features=features)


def test_identity_is_references_in_order_with_their_names() -> None:
    def fingerprint(*texts: str) -> str:
        return fingerprint_of([parse_reference(text) for text in texts])

    assert fingerprint("a@v1:x", "b:y") == fingerprint("a@v1:x ", " b:y")
    different = [("a@v1:x", "b:y"), ("b:y", "a@v1:x"), ("a@v1:x",), ("a@v1:x", "b:y as z"), ("a@v1:x", "b:y on k=m")]
    assert len({fingerprint(*texts) for texts in different}) == len(different)


def test_a_set_is_a_value() -> None:
    one = fs.FeatureSet("fraud", features=["a@v1:x"], owner="team", tags={"tier": "1"})
    assert one == fs.FeatureSet("fraud", features=[parse_reference("a@v1:x")], owner="team", tags={"tier": "1"})
    assert str(one.references[0]) == "a@v1:x"
