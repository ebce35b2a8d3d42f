"""What has ended is still told, and marked, in every form of an answer; and every node says who made it, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from featurestore.catalog import graph, sources, versions
from featurestore.catalog.graph import Asset
from featurestore.lineage.consumers import consumers
from featurestore.lineage.endings import endings
from featurestore.lineage.history import changes
from featurestore.lineage.trained_on import trained_on
from featurestore.lineage.walk import Lineage, Node, lineage
from featurestore.model.source import ParquetSource
from featurestore.model.version import CodeState
from tests.lineage.world import PLANE_V1, WEATHER_V2, definition, feature

if TYPE_CHECKING:
    from tests.lineage.conftest import Ask
    from tests.lineage.world import Story

SPINE = "5b1e" * 16


def node(found: Lineage, key: str) -> Node:
    return next(item for item in found.nodes if item.key == key)


def retire(story: Story, number: int, reason: str, instead: str | None) -> None:
    with story.change() as tx:
        version = versions.find(tx.connection, "airport_weather", number)
        versions.retire(tx, version, reason, instead)
        tx.record("retired", "version", version.reference, reason, replacement=instead)


def test_every_node_says_who_made_it_when_and_from_which_commit(story: Story, ask: Ask) -> None:
    found = ask(lineage, "delay@2")
    version = node(found, "airport_weather@v2")
    assert (version.at, version.actor, version.commit) == (story.v2.created_at, "ada", "c0ffee22")
    assert node(found, story.s2.id).commit == "c0ffee22"  # of the computation
    assert (node(found, "2" * 32).commit, node(found, "delay@2").commit) == ("beef0001", "feed0001")
    assert node(found, "weather@files:aaaa0001").commit is None  # data is not made from this code
    assert {item.actor for item in found.nodes} == {"ada"}
    document = next(item for item in found.to_json()["nodes"] if item["key"] == "delay@2")
    assert document["at"] == story.delay2.created_at.isoformat().replace("+00:00", "Z")


def test_the_tree_tells_who_made_each_node_if_asked(story: Story, ask: Ask) -> None:
    found = ask(lineage, story.s2)
    assert "by ada" not in str(found)
    said = f"({story.v2.created_at:%Y-%m-%d %H:%M:%SZ} by ada from c0ffee22)"
    assert f"version airport_weather@v2  [materialized as]  {said}" in found.to_tree(who=True)
    retire(story, 2, "wrong", None)
    assert "by ada from c0ffee22; retired 2026" in ask(lineage, story.s2).to_tree(who=True)
    unknown = Node("source", "weather", 0)
    assert unknown.made == ""


def test_the_archived_spine_is_a_node_above_its_frames(ask: Ask) -> None:
    found = ask(lineage, "delay@1")
    assert node(found, SPINE).kind == "spine"
    assert any((edge.upstream, edge.downstream) == (f"spine/{SPINE}", f"frame/{'1' * 32}") for edge in found.edges)
    used = ask(consumers, SPINE[:8])
    assert used.node == Asset("spine", SPINE)
    assert {use.model: use.endpoints for use in used.models} == {
        "delay@1": ("eta-prod",),
        "delay@2": ("eta-next", "eta-shadow"),
    }


def test_a_retired_version_and_its_features_are_marked(story: Story, ask: Ask) -> None:
    retire(story, 1, "wind in knots", "airport_weather@v2")
    found = ask(lineage, "weather.wind", "down")
    mark = f"(retired {story.now:%Y-%m-%d %H:%M:%SZ} by ada: wind in knots; use airport_weather@v2)"
    assert f"feature airport_weather@v1:wind  [DIRECT]  {mark}" in str(found)
    assert f"{mark}" in found.to_dot()
    assert "style=dashed" in found.to_dot()
    assert "class n1 ended" in found.to_mermaid()
    assert node(ask(lineage, "airport_weather", depth=1), "airport_weather@v2").ended is None
    (version,) = ask(trained_on, "delay@1").versions
    assert version.ended is not None
    assert version.ended.instead == "airport_weather@v2"
    assert "airport_weather@v1: retired" in str(ask(trained_on, "delay@1"))


def test_a_column_that_has_vanished_is_marked_until_it_is_back(story: Story, ask: Ask) -> None:
    columns = dict.fromkeys(("origin", "station", "temp", "time_hour", "wind"), "DOUBLE")
    story.source("weather", **columns)
    removed = node(ask(lineage, "airport_weather@v2:wind"), "weather.gust").ended
    assert removed is not None
    assert (removed.what, removed.at, removed.actor) == ("removed", story.now, "ada")
    assert node(ask(lineage, "airport_weather@v2:wind"), "weather.station").ended is None
    story.source("weather", **columns, gust="DOUBLE")
    assert node(ask(lineage, "airport_weather@v2:wind"), "weather.gust").ended is None


def test_a_source_that_no_current_version_reads_is_marked(story: Story, ask: Ask) -> None:
    assert ask(endings, [Asset("source", "planes"), Asset("source", "weather")]) == {}
    age = feature("age", ("weather", "temp", "DIRECT"))
    story.apply(definition("plane", (age,)))
    ended = ask(endings, [Asset("source", "planes"), Asset("source", "weather"), Asset("source", "unknown")])
    assert [str(ending) for ending in ended.values()] == ["not read by any version applied last"]
    with story.change() as tx:
        versions.set_current(tx, "plane", 1)
    assert ask(endings, [Asset("source", "planes")]) == {}


def test_a_source_that_was_never_read_has_not_ended(story: Story, ask: Ask) -> None:
    with story.change() as tx:
        sources.save(tx, ParquetSource("gates", path="gates.parquet"), {"gate": "VARCHAR"})
    assert ask(endings, [Asset("source", "gates")]) == {}


def test_an_endpoint_without_a_model_tells_who_left_it_last(story: Story, ask: Ask) -> None:
    shared = story.deploy(story.delay2, "eta-prod", 0.1)
    story.undeploy(story.prod)
    assert ask(endings, [Asset("endpoint", "eta-prod")]) == {}  # delay@2 is still there
    story.undeploy(shared)
    (ending,) = ask(endings, [Asset("endpoint", "eta-prod"), Asset("endpoint", "eta-next")]).values()
    assert (ending.what, ending.at) == ("no model is live: delay@2 undeployed", story.now)
    assert ending.reason == "replaced"
    down = ask(lineage, "delay@1", "down")
    assert f"[was deployed on until {story.now - timedelta(hours=1):%Y-%m-%d %H:%M:%SZ}]" in str(down)
    assert "(no model is live: delay@2 undeployed" in str(down)
    (edge,) = (item for item in down.edges if item.downstream == "endpoint/eta-prod")
    assert edge.since == story.prod.at
    assert edge.ended is not None
    assert edge.ended.what == "undeployed"
    (live,) = (item for item in ask(lineage, "delay@2", "down").edges if item.downstream == "endpoint/eta-next")
    assert live.ended is None


def test_what_was_erased_is_told_by_the_history(story: Story, ask: Ask) -> None:
    with story.change() as tx:
        tx.record("erased", "snapshot", story.s2.id, "a passenger asked for it")
    ended = node(ask(lineage, "delay@2"), story.s2.id).ended
    assert str(ended) == f"erased {story.now:%Y-%m-%d %H:%M:%SZ} by ada: a passenger asked for it"
    (told,) = (item.ended for item in ask(trained_on, "delay@2").versions if item.version == "airport_weather@v2")
    assert told == ended


def test_applying_an_older_version_again_does_not_end_a_newer_one(story: Story, ask: Ask) -> None:
    assert (story.plane.definition, story.v2.definition) == (PLANE_V1, WEATHER_V2)
    with story.change() as tx:
        versions.set_current(tx, "airport_weather", 1)
    assert ask(endings, [Asset("version", "airport_weather@v2"), Asset("version", "airport_weather@v1")]) == {}


def test_a_contract_is_read_by_whoever_reads_what_it_is_about(story: Story, ask: Ask) -> None:
    with story.change() as tx:
        graph.add_contract(tx, ("source", "weather"), "weather@c1", CodeState("c0ffee33", dirty=False))
        graph.add_contract(tx, ("view", "plane"), "view/plane@c1", CodeState())
        tx.record("contract", "source", "weather", contract="weather@c1")
    weather = ask(consumers, "weather@c1")
    assert weather.node == Asset("contract", "weather@c1")
    assert weather.models == ask(consumers, "weather").models
    assert [use.model for use in ask(consumers, "contract/view/plane@c1").models] == ["delay@2"]
    (said,) = ask(changes, story.quiet + timedelta(minutes=1), upstream_of="weather@c1")
    assert (said.kind, said.category, said.read) == ("contract", "contract", True)
    assert ask(changes, story.quiet + timedelta(minutes=1), upstream_of="delay@1") == [said]
    assert node(ask(lineage, "weather", "down"), "weather@c1").commit == "c0ffee33"


def test_what_happens_to_a_spine_is_upstream_of_what_was_trained_on_it(story: Story, ask: Ask) -> None:
    with story.change() as tx:
        tx.record("erased", "spine", SPINE, "a passenger asked for it")
    for name in ("delay@1", "2" * 32, SPINE):
        (said,) = ask(changes, story.now, upstream_of=name)
        assert (said.kind, said.read) == ("erased", True)
    assert ask(changes, story.now, upstream_of=story.s1) == []
