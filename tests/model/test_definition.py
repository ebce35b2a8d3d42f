"""Definitions: the identity covers all that can change a value, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.model.definition import (
    ALGORITHM,
    Computation,
    Definition,
    FeatureDefinition,
    Metadata,
    SourceDefinition,
    digest,
)
from featurestore.model.types import Decimal, Embedding, Float32, Float64, Int64, List, String, Timestamp

WEATHER = SourceDefinition(
    "weather", "parquet", {"path": "w.parquet"}, (("gust", "DOUBLE"), ("temp", "DOUBLE"), ("wind", "DOUBLE"))
)
AIRPORTS = SourceDefinition("airports", "csv", {"path": "a.csv", "nulls": ["", "NA"]}, (("lat", "DOUBLE"),))
TEMP = FeatureDefinition("temp", Float64, None, "weather.temp", (("weather", "temp", "DIRECT"),))
WIND = FeatureDefinition(
    "wind",
    Float64,
    0.0,
    "coalesce(weather.wind, weather.gust)",
    (("weather", "gust", "DIRECT"), ("weather", "wind", "DIRECT")),
)
BASE = Definition(
    "airport_weather",
    "airport",
    (("origin", String),),
    (WEATHER, AIRPORTS),
    Computation("sql", "select  *", "select *", "", {}),
    "time_hour",
    None,
    timedelta(hours=6),
    timedelta(days=1),
    (TEMP, WIND),
    ("weather", "time_hour"),
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TYPES = st.sampled_from([Int64, Float32, String, Timestamp, Decimal(10, 2), List(List(Int64)), Embedding(3)])
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.lists(st.integers(), max_size=2)
)
SOURCES = st.builds(
    SourceDefinition,
    TEXT,
    TEXT,
    st.dictionaries(TEXT, VALUES, max_size=2),
    st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
)
FEATURES = st.builds(
    FeatureDefinition,
    TEXT,
    TYPES,
    VALUES,
    TEXT,
    st.lists(st.tuples(TEXT, TEXT, st.sampled_from(["DIRECT", "INDIRECT"])), max_size=3).map(tuple),
    st.booleans(),
    TEXT,
    st.sampled_from(["derived", "declared"]),
)
DURATIONS = st.none() | st.timedeltas(min_value=timedelta(0))
DEFINITIONS = st.builds(
    Definition,
    TEXT,
    TEXT,
    st.lists(st.tuples(TEXT, TYPES), max_size=2).map(tuple),
    st.lists(SOURCES, max_size=2).map(tuple),
    st.builds(Computation, TEXT, TEXT, TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=2)),
    st.none() | TEXT,
    st.none() | TEXT,
    DURATIONS,
    DURATIONS,
    st.lists(FEATURES, max_size=3).map(tuple),
    st.none() | st.tuples(TEXT, TEXT),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # how fast a busy machine draws is no property
@given(DEFINITIONS)
def test_a_definition_reads_back_from_json(definition: Definition) -> None:
    read = Definition.from_json(json.loads(json.dumps(definition.to_json())))
    assert read == definition
    assert read.fingerprint == definition.fingerprint
    for feature, again in zip(definition.features, read.features, strict=True):
        assert definition.feature_fingerprint(feature) == read.feature_fingerprint(again)


def test_the_fingerprint_is_the_same_in_every_release() -> None:
    """A release that changes these must change `ALGORITHM` too: stores hold them for good."""
    assert ALGORITHM == "fs1"
    assert BASE.fingerprint == "2ae0bd7bf3c87f1cc71862c5cab6ce9d7b1a692ffb4f591b4321502e45af7e76"
    assert BASE.feature_fingerprint(TEMP) == "6f5f05b28e8eac2753f6deaa7e1e3af6dfb5f450c28029524f6d14452b5d8173"


CHANGED: dict[str, Any] = {
    "key name": {"keys": (("dest", String),)},
    "key type": {"keys": (("origin", Int64),)},
    "key added": {"keys": (("origin", String), ("carrier", String))},
    "event time": {"event_time": "hour"},
    "no event time": {"event_time": None},
    "created time": {"created_time": "known"},
    "ttl": {"ttl": timedelta(hours=6, microseconds=1)},
    "no ttl": {"ttl": None},
    "zero ttl": {"ttl": timedelta(0)},
    "lookback": {"lookback": timedelta(days=2)},
    "no lookback": {"lookback": None},
    "source name": {"sources": (replace(WEATHER, name="meteo"), AIRPORTS)},
    "source kind": {"sources": (replace(WEATHER, kind="csv"), AIRPORTS)},
    "source location": {"sources": (replace(WEATHER, location={"path": "w2.parquet"}), AIRPORTS)},
    "source removed": {"sources": (WEATHER,)},
    "computation": {"computation": replace(BASE.computation, canonical="select 1")},
    "kind of computation": {"computation": replace(BASE.computation, kind="function")},
    "imports": {"computation": replace(BASE.computation, imports={"pl": "polars"})},
}
OF_SOME_FEATURES: dict[str, Any] = {
    "column type": {"sources": (replace(WEATHER, columns=(*WEATHER.columns[:2], ("wind", "FLOAT"))), AIRPORTS)},
    "column no longer read": {"sources": (replace(WEATHER, columns=WEATHER.columns[1:]), AIRPORTS)},
    "feature name": {"features": (TEMP, replace(WIND, name="breeze"))},
    "feature type": {"features": (TEMP, replace(WIND, type=Float32))},
    "feature default": {"features": (TEMP, replace(WIND, default=1.0))},
    "no feature default": {"features": (TEMP, replace(WIND, default=None))},
}
KEPT: dict[str, Any] = {
    "view": {"view": "weather"},
    "entity": {"entity": "place"},
    "raw text": {"computation": replace(BASE.computation, text="SELECT *")},
    "function's name": {"computation": replace(BASE.computation, name="run")},
    "order of sources": {"sources": (AIRPORTS, WEATHER)},
    "order in a location": {"sources": (WEATHER, replace(AIRPORTS, location={"nulls": ["", "NA"], "path": "a.csv"}))},
    "description": {"features": (replace(TEMP, description="degrees"), WIND)},
    "window source": {"window_source": None},
}


@pytest.mark.parametrize("change", [*CHANGED, *OF_SOME_FEATURES])
def test_what_can_change_a_value_changes_the_fingerprint(change: str) -> None:
    changed = replace(BASE, **(CHANGED | OF_SOME_FEATURES)[change])
    assert changed.fingerprint != BASE.fingerprint


@pytest.mark.parametrize("change", KEPT)
def test_what_cannot_does_not(change: str) -> None:
    changed = replace(BASE, **KEPT[change])
    assert changed.fingerprint == BASE.fingerprint
    for before, after in zip(BASE.features, changed.features, strict=True):
        assert changed.feature_fingerprint(after) == BASE.feature_fingerprint(before)


def test_a_reordering_that_is_no_repetition_is_a_change() -> None:
    """The order of keys and of features is that of the table's columns."""
    two = replace(BASE, keys=(("a", String), ("b", String)))
    assert replace(two, keys=two.keys[::-1]).fingerprint != two.fingerprint
    assert replace(BASE, features=(WIND, TEMP)).fingerprint != BASE.fingerprint


def test_every_change_has_a_fingerprint_of_its_own() -> None:
    prints = {replace(BASE, **change).fingerprint for change in (CHANGED | OF_SOME_FEATURES).values()}
    assert len(prints | {BASE.fingerprint}) == len(CHANGED) + len(OF_SOME_FEATURES) + 1


@pytest.mark.parametrize("default", [0, 0.0, False, "0", ""], ids=repr)
def test_defaults_that_only_look_alike_are_different(default: object) -> None:
    others = [value for value in (0, 0.0, False, "0", "", None) if repr(value) != repr(default)]
    mine = replace(BASE, features=(replace(TEMP, default=default),)).fingerprint
    assert mine not in {replace(BASE, features=(replace(TEMP, default=other),)).fingerprint for other in others}


# --- one feature


@pytest.mark.parametrize("change", [name for name in CHANGED if name != "computation"])
def test_what_all_features_pass_through_changes_each(change: str) -> None:
    changed = replace(BASE, **CHANGED[change])
    for feature in BASE.features:
        assert changed.feature_fingerprint(feature) != BASE.feature_fingerprint(feature)


@pytest.mark.parametrize("change", OF_SOME_FEATURES)
def test_a_feature_is_untouched_by_what_it_does_not_read(change: str) -> None:
    changed = replace(BASE, **OF_SOME_FEATURES[change])
    assert changed.feature_fingerprint(changed.features[0]) == BASE.feature_fingerprint(TEMP)
    assert changed.feature_fingerprint(changed.features[1]) != BASE.feature_fingerprint(WIND)


def test_a_features_own_computation_counts_not_the_views() -> None:
    other = replace(BASE, computation=replace(BASE.computation, canonical="select 1"))
    assert other.feature_fingerprint(TEMP) == BASE.feature_fingerprint(TEMP)
    assert BASE.feature_fingerprint(replace(TEMP, identity="weather.temp + 1")) != BASE.feature_fingerprint(TEMP)


def test_a_computation_that_cannot_be_read_reads_every_column() -> None:
    opaque = replace(TEMP, exact=False)
    fewer = replace(BASE, sources=(replace(WEATHER, columns=WEATHER.columns[:2]), AIRPORTS))
    assert fewer.feature_fingerprint(TEMP) == BASE.feature_fingerprint(TEMP)
    assert fewer.feature_fingerprint(opaque) != BASE.feature_fingerprint(opaque)


def test_a_column_of_the_same_name_in_another_source_is_not_read() -> None:
    with_temp = replace(AIRPORTS, columns=(("lat", "DOUBLE"), ("temp", "DOUBLE")))
    assert replace(BASE, sources=(WEATHER, with_temp)).feature_fingerprint(TEMP) == BASE.feature_fingerprint(TEMP)


# --- the rest


def test_features_are_found_by_name() -> None:
    assert BASE.feature("wind") == WIND
    assert BASE.feature("Wind") is None
    assert BASE.feature("gust") is None


def test_the_digest_is_of_the_canonical_text() -> None:
    assert digest({"a": 1, "b": [True, None]}) == digest({"b": [True, None], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest("é") == sha256('"é"'.encode()).hexdigest()
    assert len({digest(value) for value in (1, 1.0, True, "1", [1], None)}) == 6


def test_metadata_is_plain_json() -> None:
    assert Metadata("ada", "hourly", {"tier": "1"}).to_json() == {
        "owner": "ada",
        "description": "hourly",
        "tags": {"tier": "1"},
    }
