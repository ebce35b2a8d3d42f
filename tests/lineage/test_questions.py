"""Questions asked of a small world whose answers are known beforehand (see `world.py`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from featurestore.catalog import activations, models
from featurestore.catalog.graph import Asset
from featurestore.errors import DefinitionError, NotFoundError
from featurestore.lineage.consumers import Consumers, EndpointUse, consumers
from featurestore.lineage.history import active_at, changes
from featurestore.lineage.impact import impact
from featurestore.lineage.reads import live_reads
from featurestore.lineage.stale import stale_models
from featurestore.model.reference import parse_reference
from tests.lineage.world import DIRECT, INDIRECT, WEATHER_V2, definition, feature

if TYPE_CHECKING:
    from tests.lineage.conftest import Ask
    from tests.lineage.world import Story

WIND1, WIND2 = "airport_weather@v1:wind", "airport_weather@v2:wind"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def models_of(found: Consumers) -> dict[str, tuple[str, ...]]:
    return {use.model: use.endpoints for use in found.models}


def endpoints_of(found: Consumers) -> list[tuple[str, str, str, str]]:
    return [(use.endpoint, use.model, use.reads, use.version) for use in found.endpoints]


# --- consumers


def test_a_column_reaches_the_models_that_read_its_features_and_no_others(ask: Ask) -> None:
    assert models_of(ask(consumers, "weather.wind")) == {"delay@1": ("eta-prod",)}
    assert models_of(ask(consumers, "weather.gust")) == {"delay@2": ("eta-next", "eta-shadow")}
    assert models_of(ask(consumers, "weather.time_hour")) == {}


def test_a_model_whose_frame_held_a_feature_that_its_lock_does_not_read_is_no_consumer(ask: Ask) -> None:
    assert ask(consumers, "airport_weather@v2:temp").models == ()
    assert models_of(ask(consumers, "weather.temp")) == {"delay@1": ("eta-prod",)}


def test_how_a_column_is_used_and_whether_that_is_known(ask: Ask) -> None:
    (gust,) = ask(consumers, "weather.gust").models[0].reads
    assert (gust.feature, gust.how, gust.exact) == (WIND2, DIRECT, True)
    (station,) = ask(consumers, "weather.station").models[0].reads
    assert (station.feature, station.how) == (WIND2, INDIRECT)
    for column in ("planes.year", "planes.unused"):  # a function that cannot be read counts as reading every column
        (age,) = ask(consumers, column).models[0].reads
        assert (age.feature, age.how, age.exact) == ("plane@v1:age", DIRECT, False)


def test_a_source_is_its_columns_and_versions_and_a_view_all_its_versions(ask: Ask) -> None:
    expected = {"delay@1": ("eta-prod",), "delay@2": ("eta-next", "eta-shadow")}
    for node in ("weather", "airport_weather"):
        assert models_of(ask(consumers, node)) == expected
    assert models_of(ask(consumers, "planes")) == {"delay@2": ("eta-next", "eta-shadow")}


def test_a_feature_without_source_columns_is_still_a_consumer_of_the_source(story: Story, ask: Ask) -> None:
    version = story.apply(definition("hourly", (feature("rows"),)))
    snapshot = story.materialize(version, "aaaa0009")
    lock = story.train("9" * 32, {"hourly__rows": "hourly@v1:rows"}, [(version, snapshot)])
    story.register("count@1", "9" * 32, lock, "ops")
    found = ask(consumers, "weather")
    (use,) = next(item for item in found.models if item.model == "count@1").reads
    assert (use.feature, use.how) == ("hourly@v1:rows", INDIRECT)
    assert "count@1" in models_of(ask(consumers, "weather"))
    assert "count@1" not in models_of(ask(consumers, "weather", live=True))


def test_an_endpoint_moved_to_another_version_reads_that_one_and_no_longer_the_locks(story: Story, ask: Ask) -> None:
    move = story.roll_back()
    new = ask(consumers, WIND2)
    assert models_of(new) == {"delay@2": ("eta-shadow",)}  # trained on it; eta-next does not read it now
    assert endpoints_of(new) == [("eta-shadow", "delay@2", "lock", "airport_weather@v2")]
    old = ask(consumers, WIND1, live=True)
    assert models_of(old) == {"delay@1": ("eta-prod",)}
    assert old.endpoints == (
        EndpointUse("eta-next", "delay@2", "pointer", "airport_weather@v1", move.id, (WIND1,)),
        EndpointUse("eta-prod", "delay@1", "lock", "airport_weather@v1", None, (WIND1,)),
    )
    assert endpoints_of(ask(consumers, "weather.wind", live=True))[0][:3] == ("eta-next", "delay@2", "pointer")
    story.undeploy(story.shadow)
    assert ask(consumers, WIND2, live=True).models == ()
    assert models_of(ask(consumers, WIND2)) == {"delay@2": ()}
    story.move("airport_weather:wind", 2, endpoint="eta-next", reason="gusts are back")
    assert models_of(ask(consumers, WIND2, live=True)) == {"delay@2": ("eta-next",)}
    assert endpoints_of(ask(consumers, WIND2)) == [("eta-next", "delay@2", "pointer", "airport_weather@v2")]


def test_a_later_deployment_starts_from_its_models_lock_again(story: Story, ask: Ask) -> None:
    story.roll_back()
    story.undeploy(story.next)
    assert endpoints_of(ask(consumers, WIND1)) == [("eta-prod", "delay@1", "lock", "airport_weather@v1")]
    story.deploy(story.delay2, "eta-next")
    assert ("eta-next", "delay@2", "lock", "airport_weather@v2") in endpoints_of(ask(consumers, WIND2))


def test_rows_reach_the_models_trained_on_them_and_the_endpoints_served_from_them(story: Story, ask: Ask) -> None:
    move = story.roll_back()
    found = ask(consumers, story.s1)
    assert models_of(found) == {"delay@1": ("eta-prod",)}
    assert [(use.endpoint, use.reads, use.activation) for use in found.endpoints] == [
        ("eta-next", "pointer", move.id),
        ("eta-prod", "lock", None),
    ]
    newer = story.materialize(story.v1, "aaaa0002", day=2)
    story.publish(newer, "g4")
    assert endpoints_of(ask(consumers, f"snapshot/{story.s1.id[:8]}")) == [("eta-prod", "delay@1", "training", "")]
    assert models_of(ask(consumers, newer)) == {}
    assert [use.endpoint for use in ask(consumers, newer).endpoints] == ["eta-next", "eta-prod"]
    data = ask(consumers, "weather@files:aaaa0001")
    assert models_of(data) == {"delay@1": ("eta-prod",), "delay@2": ("eta-next", "eta-shadow")}
    assert models_of(ask(consumers, "2" * 32)) == {"delay@2": ("eta-next", "eta-shadow")}


def test_consumers_of_a_model_are_its_endpoints(ask: Ask) -> None:
    assert endpoints_of(ask(consumers, "delay@1")) == [("eta-prod", "delay@1", "lock", "airport_weather@v1")]
    assert ask(consumers, "eta-prod").endpoints == ()


def test_consumers_are_told_in_a_table(story: Story, ask: Ask) -> None:
    story.roll_back()
    text = str(ask(consumers, WIND1))
    assert "eta-next  delay@2  pointer (activation 2)  airport_weather@v1" in text
    assert str(ask(consumers, "weather.time_hour")) == "weather.time_hour (column): nothing reads it"


def test_what_endpoints_read_follows_the_catalogs_rule(story: Story, ask: Ask) -> None:
    story.roll_back()
    story.move("airport_weather", 2, endpoint="eta-next")
    story.move("plane:age", 1, endpoint="eta-shadow")
    story.deploy(story.delay1, "eta-next", 0.1)
    story.move("airport_weather:temp", 2, endpoint="eta-next")
    found = ask(live_reads)
    assert len(found) == 2 + 2 + 2 + 2
    for reading in found:
        pointer = ask(
            activations.pointer,
            reading.view,
            reading.feature,
            endpoint=reading.deployment.endpoint,
            deployment=reading.deployment,
        )
        assert reading.activation == pointer
        assert reading.version == (reading.locked if pointer is None else pointer.version)


# --- active


def test_the_default_scope_over_time(story: Story, ask: Ask) -> None:
    first = story.quiet
    story.move("airport_weather", 2, reason="better wind")
    story.move("airport_weather:wind", 1, action="rollback", reason="worse wind")
    assert ask(active_at, "airport_weather", story.quiet).version == "airport_weather@v1"
    now = ask(active_at, "airport_weather", story.now)
    assert now.version is None
    assert [(item.features, item.version, item.reason) for item in now.answers] == [
        ((), "airport_weather@v2", "better wind"),
        (("wind",), "airport_weather@v1", "worse wind"),
    ]
    assert ask(active_at, "feature/airport_weather:wind", story.now).version == "airport_weather@v1"
    assert ask(active_at, "airport_weather:WIND", first + timedelta(hours=1)).version == "airport_weather@v2"
    before = ask(active_at, "airport_weather", story.now - timedelta(days=900))
    assert before.answers == ()
    assert str(before).endswith("nothing was active")
    assert ask(active_at, "plane", story.now).version is None


def test_an_endpoint_reads_its_models_lock_until_its_pointer_is_moved(story: Story, ask: Ask) -> None:
    before = story.now
    move = story.roll_back()
    (lock,) = ask(active_at, "airport_weather:wind", before, "eta-next").answers
    assert (lock.version, lock.by, lock.since) == ("airport_weather@v2", "lock", story.next.at)
    (moved,) = ask(active_at, "airport_weather:wind", story.now, "eta-next").answers
    assert (moved.version, moved.by, moved.activation) == ("airport_weather@v1", "activation", move.id)
    assert (moved.reason, moved.actor, moved.since) == ("gusts went blank", "ada", story.now)
    assert ask(active_at, "airport_weather:wind", story.now, "ETA-shadow").version == "airport_weather@v2"
    assert ask(active_at, "airport_weather:wind", story.now).version == "airport_weather@v1"  # the default, untouched


def test_models_that_were_live_then_answer_one_by_one(story: Story, ask: Ask) -> None:
    second = story.deploy(story.delay2, "eta-prod", 0.1)
    both = ask(active_at, "airport_weather:wind", story.now, "eta-prod")
    assert [(item.model, item.version) for item in both.answers] == [
        ("delay@1", "airport_weather@v1"),
        ("delay@2", "airport_weather@v2"),
    ]
    during = story.now
    story.undeploy(second)
    assert len(ask(active_at, "airport_weather:wind", story.now, "eta-prod").answers) == 1
    assert len(ask(active_at, "airport_weather:wind", during, "eta-prod").answers) == 2
    early = ask(active_at, "airport_weather:wind", story.prod.at - timedelta(seconds=1), "eta-prod")
    assert str(early).endswith("no model that reads it was live")


def test_asking_for_the_impossible(ask: Ask, story: Story) -> None:
    with pytest.raises(DefinitionError, match="never moves"):
        ask(active_at, "airport_weather@v1", story.now)
    with pytest.raises(NotFoundError, match="Did you mean 'wind'"):
        ask(active_at, "airport_weather:wnd", story.now)
    with pytest.raises(NotFoundError, match="eta-prod"):
        ask(active_at, "airport_weather", story.now, "eta-prd")


# --- changes


def kinds(found: list) -> list[tuple[str, str, bool | None]]:  # type: ignore[type-arg]  # of Change
    return [(change.kind, change.subject, change.read) for change in found]


def test_all_changes_in_order(story: Story, ask: Ask) -> None:
    everything = ask(changes)
    assert [change.id for change in everything] == sorted(change.id for change in everything)
    assert {change.read for change in everything} == {None}
    story.roll_back()
    assert kinds(ask(changes, story.now)) == [("rolled back", "view/airport_weather", None)]
    assert ask(changes, None, story.quiet) == everything


def test_changes_upstream_of_a_model(story: Story, ask: Ask) -> None:
    since = story.quiet + timedelta(minutes=1)
    story.source(
        "weather", **dict.fromkeys(("gust", "origin", "station", "temp", "time_hour"), "DOUBLE"), wind="VARCHAR"
    )
    story.source("weather", **dict.fromkeys(("gust", "origin", "temp", "time_hour"), "DOUBLE"), wind="VARCHAR")
    story.source("planes", tailnum="VARCHAR")
    with story.change() as tx:
        tx.record("data changed", "source", "weather", before="files:a", after="files:b")
        tx.record("data changed", "source", "planes", before="files:a", after="files:b")
    story.materialize(story.v1, "aaaa0002", day=2)
    story.materialize(story.v2, "aaaa0002", day=2)
    story.roll_back()
    story.move("airport_weather", 2)
    third = story.apply(definition("airport_weather", (feature("temp", ("weather", "station", DIRECT)),), text="3"))
    story.materialize(third, "aaaa0002", day=2)
    shadow = story.deploy(story.delay1, "eta-other")
    story.undeploy(shadow)
    assert kinds(ask(changes, since, upstream_of="delay@1")) == [
        ("schema changed", "source/weather", True),  # wind, which v1 reads
        ("schema changed", "source/weather", False),  # station, which it does not
        ("data changed", "source/weather", True),
        ("materialized", "version/airport_weather@v1", True),
        ("applied", "version/airport_weather@v3", False),
        ("deployed", "model/delay@1", True),
        ("undeployed", "model/delay@1", True),
    ]


def test_changes_upstream_of_an_endpoint_follow_its_pointers(story: Story, ask: Ask) -> None:
    since = story.quiet + timedelta(minutes=1)
    story.materialize(story.v1, "aaaa0002", day=2)
    before = ask(changes, since, upstream_of="eta-next")
    assert before == []  # v1 is nothing that delay@2 reads
    story.move("airport_weather:wind", 1, endpoint="eta-shadow")
    story.roll_back()
    story.deploy(story.delay1, "eta-shadow", 0.5)
    assert kinds(ask(changes, since, upstream_of="eta-next")) == [
        ("materialized", "version/airport_weather@v1", True),  # it reads v1 now
        ("rolled back", "view/airport_weather", True),
    ]
    assert [change.detail["endpoint"] for change in ask(changes, since, upstream_of="delay@2")[1:]] == [
        "eta-shadow",
        "eta-next",
    ]
    assert kinds(ask(changes, since, upstream_of="delay@1"))[1:] == [("deployed", "model/delay@1", True)]


def test_changes_upstream_of_other_nodes(story: Story, ask: Ask) -> None:
    story.move("airport_weather", 2)
    story.source("weather", **dict.fromkeys(("origin", "station", "temp", "time_hour", "wind"), "DOUBLE"))
    found = kinds(ask(changes, story.quiet + timedelta(minutes=1), upstream_of="airport_weather"))
    assert found == [("activated", "view/airport_weather", True), ("schema changed", "source/weather", True)]
    recent = story.quiet + timedelta(minutes=1)
    assert kinds(ask(changes, recent, upstream_of=WIND1)) == [("schema changed", "source/weather", False)]
    assert kinds(ask(changes, recent, upstream_of="weather.gust")) == [("schema changed", "source/weather", True)]
    assert kinds(ask(changes, recent, upstream_of="weather.wind")) == [("schema changed", "source/weather", False)]
    assert kinds(ask(changes, recent, upstream_of="2" * 32)) == [("schema changed", "source/weather", True)]
    assert kinds(ask(changes, recent, upstream_of=story.s1)) == [("schema changed", "source/weather", False)]
    assert ("trained", f"frame/{'1' * 32}", True) in kinds(ask(changes, upstream_of="delay@1"))
    assert ("registered", "model/delay@1", True) in kinds(ask(changes, upstream_of="eta-prod"))
    assert ask(changes, recent, upstream_of="plane@v1") == []


def test_a_reverted_version_is_told_as_not_read(story: Story, ask: Ask) -> None:
    with story.change() as tx:
        tx.record("applied", "version", "airport_weather@v1", action="reverted")
    reading = [item for item in kinds(ask(changes, upstream_of="delay@2")) if item[1] == "version/airport_weather@v1"]
    assert reading == [("applied", "version/airport_weather@v1", False)]  # only the second time: v1 came before v2


# --- stale


def test_what_has_changed_since_each_live_model_was_trained(ask: Ask) -> None:
    (only,) = ask(stale_models)  # delay@2 reads what was applied last, and its snapshots are the newest
    assert (only.model, only.endpoint, only.owner) == ("delay@1", "eta-prod", "eta-team")
    (code,) = only.reasons
    assert (code.kind, code.subject, code.features) == ("code", "airport_weather@v2", (WIND1,))  # temp is the same
    assert code.path == ("weather", WIND1, "delay@1", "eta-prod")
    assert [item.reasons == () for item in ask(stale_models, fresh=True)] == [False, True, True]


def test_newer_rows_make_a_model_stale(story: Story, ask: Ask) -> None:
    story.materialize(story.plane, "bbbb0002", day=2)
    newest = story.materialize(story.plane, "bbbb0003", day=3)
    found = {item.endpoint: item.reasons for item in ask(stale_models)}
    (data,) = found["eta-next"]
    assert (data.kind, data.subject) == ("data", f"snapshot/{newest.id}")
    assert data.text == "plane@v1 has 2 newer snapshots, the last from planes files:bbbb0003"
    assert data.sources == ("planes",)
    assert "eta-prod" in found


def test_a_schema_change_counts_where_a_column_is_read(story: Story, ask: Ask) -> None:
    story.source("weather", **dict.fromkeys(("origin", "station", "temp", "time_hour", "wind", "new"), "DOUBLE"))
    found = {item.endpoint: item.reasons for item in ask(stale_models)}
    assert [reason.kind for reason in found["eta-prod"]] == ["code"]  # neither gust nor the new column is read by it
    (schema,) = found["eta-next"]
    assert (schema.kind, schema.subject, schema.features) == ("schema", "weather", (WIND2,))
    assert "gust was removed" in schema.text
    story.source("planes", tailnum="VARCHAR", year="BIGINT", unused="BIGINT", seats="BIGINT")
    added = {item.endpoint: item.reasons for item in ask(stale_models)}["eta-next"]
    assert "seats is new" in added[-1].text  # a function that cannot be read may read it


def test_a_moved_pointer_makes_its_endpoint_stale_and_no_other(story: Story, ask: Ask) -> None:
    story.roll_back()
    found = {item.endpoint: item.reasons for item in ask(stale_models)}
    assert set(found) == {"eta-prod", "eta-next"}
    (reason,) = found["eta-next"]
    assert (reason.kind, reason.subject, reason.reason) == ("activation", "airport_weather@v1", "gusts went blank")
    assert reason.path == ("weather", WIND2, "delay@2", "eta-next")
    assert "wind of airport_weather is read from v1, not v2" in str(ask(stale_models)[1])


def test_a_removed_feature_is_a_change_of_code(story: Story, ask: Ask) -> None:
    story.apply(replace(WEATHER_V2, features=WEATHER_V2.features[:1]))
    found = {item.endpoint: item.reasons for item in ask(stale_models)}
    assert found["eta-prod"][0].text == "airport_weather@v3 no longer has wind"


# --- impact


def test_impact_is_column_precise_and_graded(story: Story, ask: Ask) -> None:
    gust = ask(impact, "weather.gust")
    assert gust.severity == "breaking"
    assert [str(path) for path in gust.paths] == [
        f"{WIND2} -> delay@2 -> eta-next  [DIRECT]",
        f"{WIND2} -> delay@2 -> eta-shadow  [DIRECT]",
    ]
    assert ask(impact, "weather.station").paths[0].how == INDIRECT
    assert ask(impact, "weather.time_hour").severity == "safe"
    assert ask(impact, "airport_weather@v2:temp").severity == "safe"
    assert [path.model for path in ask(impact, "airport_weather@v2:temp").paths] == [""]
    year = ask(impact, "planes.year")
    assert (year.severity, year.exact) == ("breaking", False)
    story.undeploy(story.next)
    story.undeploy(story.shadow)
    assert ask(impact, "weather.gust").severity == "risky"
    assert ask(impact, story.v2).severity == "risky"
    assert ask(impact, "weather").severity == "breaking"  # delay@1 is still live


def test_impact_follows_moved_pointers(story: Story, ask: Ask) -> None:
    story.roll_back()
    story.undeploy(story.shadow)
    assert ask(impact, "weather.gust").severity == "risky"  # trained on, but nothing live reads it now
    story.undeploy(story.prod)
    wind = ask(impact, "weather.wind")
    assert wind.severity == "breaking"
    assert f"{WIND1} -> delay@2 -> eta-next (moved pointer)  [DIRECT]" in [str(path) for path in wind.paths]
    assert "eta-next (moved pointer)" in str(wind)
    with pytest.raises(DefinitionError, match="never changes"):
        ask(impact, "delay@1")


def test_objects_name_nodes(story: Story, ask: Ask) -> None:
    assert ask(consumers, parse_reference(f"{WIND1} on origin=dest as w")).node == Asset("feature", WIND1)
    assert ask(consumers, story.delay1).node == Asset("model", "delay@1")
    assert ask(consumers, ask(models.deployments)[0]).node == Asset("model", "delay@1")
