"""What names a node, and what is said when nothing or too much does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from featurestore.catalog import frames
from featurestore.catalog.graph import Asset
from featurestore.errors import DefinitionError, NotFoundError
from featurestore.lineage.nodes import parse_node
from featurestore.model.reference import ModelReference, parse_reference
from featurestore.model.source import ParquetSource
from tests.lineage.world import WEATHER_V1, definition, feature

if TYPE_CHECKING:
    from tests.lineage.conftest import Ask
    from tests.lineage.world import Story

WIND1, WIND2 = "airport_weather@v1:wind", "airport_weather@v2:wind"


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("airport_weather", "view", "airport_weather"),
        ("Airport_Weather@v2", "version", "airport_weather@v2"),
        (f"airport_weather@{WEATHER_V1.fingerprint[:8]}", "version", "airport_weather@v1"),
        (f"airport_weather@{WEATHER_V1.fingerprint[:12]}:wind", "feature", WIND1),
        ("airport_weather@v2:wind", "feature", WIND2),
        ("airport_weather@v2:wind on origin=dest as w", "feature", WIND2),
        ("airport_weather:wind", "feature", WIND1),  # v1 is active, though v2 was applied last
        ("plane:age", "feature", "plane@v1:age"),  # nothing is active: the version applied last
        ("weather", "source", "weather"),
        ("weather.gust", "column", "weather.gust"),
        ("planes.UNUSED", "column", "planes.unused"),  # known of the source, though no version was applied with it
        ("weather@files:aaaa0001", "data", "weather@files:aaaa0001"),
        ("delay@1", "model", "delay@1"),
        ("eta-prod", "endpoint", "eta-prod"),
        ("1" * 32, "frame", "1" * 32),
        ("11111111", "frame", "1" * 32),
        ("view/airport_weather", "view", "airport_weather"),
        ("feature/airport_weather:wind", "feature", WIND1),
        ("model/delay@2", "model", "delay@2"),
        ("source/weather", "source", "weather"),
        (" column/weather.gust ", "column", "weather.gust"),
    ],
)
def test_texts(ask: Ask, text: str, kind: str, key: str) -> None:
    assert ask(parse_node, text) == Asset(kind, key)


def test_snapshots_by_their_beginning(story: Story, ask: Ask) -> None:
    assert ask(parse_node, story.s1.id[:8]) == Asset("snapshot", story.s1.id)
    assert ask(parse_node, f"snapshot/{story.s1.id[:10]}") == Asset("snapshot", story.s1.id)
    with pytest.raises(NotFoundError):
        ask(parse_node, f"frame/{story.s1.id[:10]}")


def test_a_pointer_of_a_feature_alone_decides(story: Story, ask: Ask) -> None:
    story.move("airport_weather:wind", 2)
    assert ask(parse_node, "airport_weather:wind").key == WIND2
    assert ask(parse_node, "airport_weather:temp").key == "airport_weather@v1:temp"


def test_objects(story: Story, ask: Ask) -> None:
    frame = ask(frames.find, "1" * 32)
    for node, expected in (
        (story.v2, Asset("version", "airport_weather@v2")),
        (story.delay1, Asset("model", "delay@1")),
        (story.s2, Asset("snapshot", story.s2.id)),
        (story.prod, Asset("model", "delay@1")),
        (frame, Asset("frame", "1" * 32)),
        (SimpleNamespace(id="2" * 32), Asset("frame", "2" * 32)),
        (SimpleNamespace(reference="delay@2", id=3), Asset("model", "delay@2")),
        (ParquetSource("weather", path="w.parquet"), Asset("source", "weather")),
        (ModelReference("delay", "1"), Asset("model", "delay@1")),
        (parse_reference("airport_weather"), Asset("view", "airport_weather")),
        (parse_reference("airport_weather@v1"), Asset("version", "airport_weather@v1")),
        (parse_reference("airport_weather:wind"), Asset("feature", WIND1)),
        (Asset("endpoint", "eta-prod"), Asset("endpoint", "eta-prod")),
    ):
        assert ask(parse_node, node) == expected
    with pytest.raises(DefinitionError, match="names no node"):
        ask(parse_node, 3)


def test_an_ambiguous_name_lists_what_it_may_mean(story: Story, ask: Ask) -> None:
    story.apply(definition("weather", (feature("temp", ("weather", "temp", "DIRECT")),)))
    with pytest.raises(DefinitionError, match="source/weather, view/weather"):
        ask(parse_node, "weather")
    assert ask(parse_node, "view/weather").kind == "view"
    lock = story.train("3" * 32, {"temp": "airport_weather@v1:temp"}, [(story.v1, story.s1)])
    story.register("weather@v1", "3" * 32, lock, "ops")
    with pytest.raises(DefinitionError, match=r"version/weather@v1, model/weather@v1"):
        ask(parse_node, "weather@v1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("airport_wether", "there is no node 'airport_wether'. Did you mean 'airport_weather'?"),
        ("airport_weather@v9", "'airport_weather' has no version v9. There is: @v1, @v2."),
        ("airport_weather@v1:wnd", "airport_weather@v1 has no feature 'wnd'. Did you mean 'wind'?"),
        ("airport_weather:wnd", "airport_weather@v1 has no feature 'wnd'. Did you mean 'wind'?"),
        ("airport_weather@00000000", "fits no version"),
        ("weather.gst", "source 'weather' has no such column: 'weather.gst'. Did you mean 'weather.gust'?"),
        ("delay@11", "Did you mean 'delay@1'?"),
        ("model/delay", "Did you mean 'delay@"),
        ("endpoint/eta-prd", "there is no endpoint 'eta-prd'. Did you mean 'eta-prod'?"),
        ("view/airport_weather@v1", "there is no view"),
        ("version/airport_weather", "names no version"),
        ("00000000", "there is no node '00000000'"),
        ("", "there is no node ''"),
    ],
)
def test_unknown(ask: Ask, text: str, said: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        ask(parse_node, text)
    assert said in str(caught.value)


def test_a_feature_of_another_version_is_pointed_out(story: Story, ask: Ask) -> None:
    story.apply(definition("plane", (feature("age"), feature("seats")), source="planes", columns=("year",)))
    story.move("plane", 1)
    with pytest.raises(NotFoundError, match=r"plane@v1 has no feature 'seats'; plane@v2 has: write plane@v2:seats"):
        ask(parse_node, "plane:seats")
