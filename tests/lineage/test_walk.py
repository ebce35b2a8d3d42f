"""Lineage up and down, and its forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from featurestore.errors import RequestError
from featurestore.lineage.walk import Edge, Lineage, lineage

if TYPE_CHECKING:
    from tests.lineage.conftest import Ask
    from tests.lineage.world import Story

WIND1, WIND2 = "airport_weather@v1:wind", "airport_weather@v2:wind"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reached(found: Lineage) -> dict[str, int]:
    return {node.id: node.depth for node in found.nodes}


def test_a_feature_goes_up_to_its_columns_and_down_to_where_it_is_live(ask: Ask) -> None:
    up = ask(lineage, WIND2)
    assert reached(up) == {
        f"feature/{WIND2}": 0,
        "column/weather.gust": 1,
        "column/weather.station": 1,
        "source/weather": 2,
    }
    assert Edge("column/weather.station", f"feature/{WIND2}", "INDIRECT") in up.edges
    down = ask(lineage, "weather.gust", "down")
    assert reached(down) == {
        "column/weather.gust": 0,
        f"feature/{WIND2}": 1,
        "model/delay@2": 2,
        "endpoint/eta-next": 3,
        "endpoint/eta-shadow": 3,
    }
    assert reached(ask(lineage, "weather.gust", "down", 1)) == {"column/weather.gust": 0, f"feature/{WIND2}": 1}
    assert reached(ask(lineage, "planes.unused", "down")) == {"column/planes.unused": 0}


def test_a_snapshot_goes_up_to_its_data_and_version(story: Story, ask: Ask) -> None:
    up = ask(lineage, story.s2)
    assert reached(up) == {
        f"snapshot/{story.s2.id}": 0,
        "data/weather@files:aaaa0001": 1,
        "version/airport_weather@v2": 1,
        "source/weather": 2,
        "view/airport_weather": 2,
    }


def test_a_model_goes_up_on_both_planes(story: Story, ask: Ask) -> None:
    found = reached(ask(lineage, "delay@2"))
    assert found[f"frame/{'2' * 32}"] == found[f"feature/{WIND2}"] == found["feature/plane@v1:age"] == 1
    assert found[f"snapshot/{story.s2.id}"] == found["column/weather.gust"] == 2
    assert found["data/planes@files:bbbb0001"] == 3
    assert "feature/airport_weather@v2:temp" not in found  # not in its lock
    assert "column/weather.temp" not in found


def test_a_view_and_a_version_go_up_through_their_features(ask: Ask) -> None:
    version = reached(ask(lineage, "airport_weather@v2"))
    assert version["column/weather.gust"] == 2
    assert "version/airport_weather@v1" not in version
    view = ask(lineage, "airport_weather")
    assert reached(view)["column/weather.wind"] == 3
    assert Edge("view/airport_weather", "version/airport_weather@v2", "has version") in view.edges


def test_moved_pointers_are_edges(story: Story, ask: Ask) -> None:
    story.roll_back()
    edge = Edge(f"feature/{WIND1}", "endpoint/eta-next", "pointer")
    assert edge in ask(lineage, "eta-next").edges
    assert edge in ask(lineage, "weather.wind", "down").edges
    assert edge not in ask(lineage, WIND2, "down").edges
    assert edge not in ask(lineage, "eta-shadow").edges


def test_ended_deployments_are_told_as_ended(story: Story, ask: Ask) -> None:
    story.undeploy(story.prod)
    assert Edge("model/delay@1", "endpoint/eta-prod", "was deployed on") in ask(lineage, "delay@1", "down").edges


def test_the_tree_shows_each_node_once(ask: Ask) -> None:
    assert str(ask(lineage, "airport_weather", depth=3)) == (
        "view airport_weather\n"
        "├─ version airport_weather@v1  [has version]\n"
        "│  ├─ source weather  [read by]\n"
        "│  ├─ feature airport_weather@v1:temp  [has feature]\n"
        "│  │  └─ column weather.temp  [DIRECT]\n"
        "│  └─ feature airport_weather@v1:wind  [has feature]\n"
        "│     └─ column weather.wind  [DIRECT]\n"
        "└─ version airport_weather@v2  [has version]\n"
        "   ├─ source weather  [read by]\n"
        "   ├─ feature airport_weather@v2:temp  [has feature]\n"
        "   │  └─ column weather.temp  [DIRECT]\n"
        "   └─ feature airport_weather@v2:wind  [has feature]\n"
        "      ├─ column weather.gust  [DIRECT]\n"
        "      └─ column weather.station  [INDIRECT]"
    )
    text = str(ask(lineage, "weather", "down"))
    assert text.count("model delay@1  [DIRECT]\n") == 1
    assert "model delay@1  [trained]  (shown above)" in text


def test_machine_forms(ask: Ask) -> None:
    found = ask(lineage, WIND1)
    document = json.loads(json.dumps(found.to_json()))
    assert document["root"] == f"feature/{WIND1}"
    assert document["edges"][0] == {
        "upstream": "column/weather.wind",
        "downstream": f"feature/{WIND1}",
        "kind": "DIRECT",
    }
    assert found.to_mermaid().splitlines()[:2] == ["flowchart LR", f'  n0["feature {WIND1}"]']
    assert '  n1 -->|"DIRECT"| n0' in found.to_mermaid()
    assert f'"column/weather.wind" -> "feature/{WIND1}" [label="DIRECT"];' in found.to_dot()


def test_what_makes_no_sense_is_refused(ask: Ask) -> None:
    with pytest.raises(RequestError, match="'up' or 'down'"):
        ask(lineage, WIND1, "sideways")
    with pytest.raises(RequestError, match="depth"):
        ask(lineage, WIND1, "up", -1)
