"""The questions, asked of a year of real operations (see `year.py`); the answers were written down by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from featurestore.catalog.graph import Asset
from featurestore.lineage.served import OnlineRows

if TYPE_CHECKING:
    from featurestore.lineage.consumers import Consumers
    from featurestore.model.history import Change
    from tests.lineage.year import Year

V1, V2, V3 = ("airport_weather@v1", "airport_weather@v2", "airport_weather@v3")
TEMP1, WIND1 = f"{V1}:temp", f"{V1}:wind"
TEMP2, WIND2 = f"{V2}:temp", f"{V2}:wind"


# --- trained-on


def test_what_the_first_model_was_trained_on(year: Year) -> None:
    found = year.store.trained_on("delay@1")
    assert (found.owner, found.registered_by, found.trained_by) == ("eta-team", "ada", "ada")
    assert (found.frame, found.rows, found.spine_rows) == (year.frames["delay@1"], 12, 12)
    (version,) = found.versions
    assert (version.version, version.features, version.author) == (V1, ("temp", "wind"), "ada")
    assert (version.snapshot, version.rows, version.text) == (
        year.snapshots["v1 first"].id,
        48,
        "select origin, time_hour, temp, wind from weather",
    )
    (read,) = version.sources
    assert (read.source, read.data_version) == ("weather", year.snapshots["v2 first"].sources[0].data_version)
    assert version.ended is None  # though nobody is served from those rows' successors
    assert (found.rebuildable, found.missing) == (True, ())


def test_what_the_retrained_model_was_trained_on(year: Year) -> None:
    found = year.store.trained_on("delay@3", verify=True)
    assert (found.rows, found.registered_by) == (24, "bob")
    (version,) = found.versions
    assert (version.version, version.snapshot, version.rows) == (V2, year.snapshots["v2 second"].id, 96)
    first, second = version.sources  # both days: the run of each read the source as it was then
    assert first.data_version == year.snapshots["v1 first"].sources[0].data_version
    assert second.data_version == year.snapshots["v1 second"].runs[-1].sources[0].data_version
    assert [window.rows for window in version.windows] == [48, 48]
    assert (found.rebuildable, found.verified) == (True, True)
    assert year.store.frame(found.frame).to_arrow().num_rows == 24


def test_a_model_on_a_retired_version_can_be_rebuilt_and_says_so(year: Year) -> None:
    found = year.store.trained_on("age@1")
    (version,) = found.versions
    assert (version.version, version.features, version.rows) == ("plane@v1", ("seats",), 2)
    assert version.ended is not None
    assert (version.ended.what, version.ended.actor) == ("retired", "carol")
    assert (version.ended.reason, version.ended.instead) == ("the list is not kept any more", "plane@v2")
    assert found.rebuildable is True


# --- changes


def told(changes: list[Change]) -> list[tuple[str, str, str, str, str]]:
    return [
        (change.category, change.kind, change.subject.partition("/")[2], change.actor, change.reason)
        for change in changes
        if change.read is not False
    ]


def test_what_changed_upstream_of_the_first_model_since_it_went_live(year: Year) -> None:
    found = year.store.changes(since=year.moments["opened"], upstream_of="delay@1")
    assert told(found) == [
        ("definition", "acknowledged", "airport_weather", "eve", "delay@1 stays on v1"),
        ("data", "data changed", "weather", "refresh", ""),
        ("data", "materialized", V1, "refresh", ""),
        ("data", "published", V1, "refresh", ""),
        ("activation", "rolled back", "airport_weather", "dave", "the canary too"),
        ("definition", "acknowledged", "airport_weather", "eve", "delay@3 stays on v2"),
        ("data", "data changed", "weather", "ada", ""),
        ("data", "published", V1, "ada", ""),
    ]
    assert [(change.kind, change.subject) for change in found if change.read is False] == [
        ("applied", f"version/{V2}"),
        ("schema changed", "source/weather"),  # station and visib, which v1 does not read
        ("applied", f"version/{V3}"),
    ]


def test_what_changed_upstream_of_the_second_model_in_the_incident(year: Year) -> None:
    since, until = year.moments["refreshed"], year.moments["incident"]
    found = year.store.changes(since=since, until=until, upstream_of="delay@2")
    assert told(found) == [
        ("activation", "rolled back", "airport_weather", "dave", "gusts went blank"),
        ("activation", "rolled back", "airport_weather", "dave", "the canary too"),
    ]
    assert [change.detail["endpoint"] for change in found] == ["eta-next", "eta-prod"]


def test_a_schema_change_is_upstream_of_whoever_reads_the_column(year: Year) -> None:
    found = year.store.changes(since=year.moments["moved"], upstream_of="delay@3")
    assert told(found)[1] == ("schema", "schema changed", "weather", "ada", "")
    assert found[1].detail["removed"] == ["station"]


def test_what_changed_upstream_of_the_fleets_models(year: Year) -> None:
    old = year.store.changes(since=year.moments["opened"], upstream_of="age@1")
    assert told(old) == [
        ("definition", "acknowledged", "plane", "carol", "the same seats from a better list"),
        ("activation", "undeployed", "age@1", "carol", "replaced by age@2"),
        ("definition", "retired", "plane@v1", "carol", "the list is not kept any more"),
    ]
    new = year.store.changes(since=year.moments["retrained"], upstream_of="age@2")
    assert told(new)[0][1] == "acknowledged"
    assert told(new)[1:] == [
        ("definition", "applied", "plane@v2", "carol", ""),
        ("data", "materialized", "plane@v2", "carol", ""),
        ("data", "published", "plane@v2", "carol", ""),
        ("model", "trained", year.frames["age@2"], "carol", ""),
        ("model", "registered", "age@2", "carol", ""),
        ("activation", "deployed", "age@2", "carol", ""),
    ]


def test_what_changed_for_an_endpoint(year: Year) -> None:
    found = year.store.changes(since=year.moments["incident"], until=year.moments["retrained"], upstream_of="eta-prod")
    assert told(found) == [("activation", "undeployed", "delay@2", "bob", "")]
    assert told(year.store.changes(since=year.moments["opened"], upstream_of="eta-shadow")) == []


# --- consumers


def models_of(found: Consumers) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {use.model: (use.endpoints, use.formerly) for use in found.models}


DELAY1 = {"delay@1": (("eta-prod",), ("eta-shadow",))}
DELAYS2 = {"delay@2": ((), ("eta-next", "eta-prod")), "delay@3": (("eta-next",), ())}
AGES = {"age@1": ((), ("fleet",)), "age@2": (("fleet",), ())}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("weather.wind", DELAY1),
        ("weather.gust", DELAYS2),
        ("weather.station", DELAYS2),  # it decides which rows there are
        ("weather.temp", {**DELAY1, **DELAYS2}),
        ("weather.visib", {}),
        ("weather", {**DELAY1, **DELAYS2}),
        (TEMP1, DELAY1),
        (WIND2, DELAYS2),
        (V2, DELAYS2),
        (V3, {}),
        ("airport_weather", {**DELAY1, **DELAYS2}),
        ("planes", {"age@1": ((), ("fleet",))}),
        ("fleet.age", {"age@2": (("fleet",), ())}),
        ("plane", AGES),
    ],
)
def test_who_reads_what(year: Year, node: str, expected: dict[str, object]) -> None:
    named = f"source/{node}" if node == "fleet" else node
    assert models_of(year.store.consumers(named)) == expected
    live = {model: places for model, places in expected.items() if isinstance(places, tuple) and places[0]}
    assert models_of(year.store.consumers(named, live=True)) == live


def test_which_live_endpoints_are_pinned_and_which_were_moved(year: Year) -> None:
    found = year.store.consumers("airport_weather", live=True)
    assert [(use.endpoint, use.model, use.version, use.reads, use.pinned) for use in found.endpoints] == [
        ("eta-next", "delay@3", V2, "lock", True),
        ("eta-prod", "delay@1", V1, "pointer", False),
    ]
    (default,) = found.defaults
    assert (default.pointer, default.version, default.features) == ("airport_weather", V1, (TEMP1, WIND1))
    assert year.store.consumers(V2).defaults == ()


def test_who_is_served_from_rows_and_who_was_trained_on_them(year: Year) -> None:
    first, second = year.snapshots["v1 first"].id, year.snapshots["v1 second"].id
    found = year.store.consumers(first)
    assert models_of(found) == DELAY1
    assert [(use.endpoint, use.model, use.reads) for use in found.endpoints] == [("eta-prod", "delay@1", "pointer")]
    assert found.frames == (year.frames["delay@1"],)
    assert [(rows.held, rows.until is None, rows.dropped_at is None) for rows in found.online] == [
        (False, False, False),  # from the first publish to the refresh; dropped when it was published again
        (True, True, True),
    ]
    assert models_of(year.store.consumers(second)) == {}
    (online,) = year.store.consumers(second).online
    assert isinstance(online, OnlineRows)
    assert online.until == found.online[1].since
    data = year.snapshots["v1 first"].sources[0]
    assert models_of(year.store.consumers(f"{data.source}@{data.data_version}")) == {**DELAY1, **DELAYS2}


def test_what_has_ended_is_told_of_the_node_itself(year: Year) -> None:
    for node, what in (
        ("weather.station", "removed"),
        ("planes", "not read by any version applied last"),
        (V3, "retired"),
        ("plane@v1:seats", "retired"),
        ("eta-shadow", "no model is live: delay@1 undeployed"),
    ):
        ended = year.store.consumers(node).ended
        assert ended is not None, node
        assert ended.what == what
    for node in ("weather.wind", "weather", V1, WIND2, "eta-prod"):
        assert year.store.consumers(node).ended is None, node


# --- stale


def test_what_has_changed_for_each_live_model(year: Year) -> None:
    found = {(item.model, item.endpoint): item for item in year.store.stale_models(fresh=True)}
    assert set(found) == {("delay@1", "eta-prod"), ("delay@3", "eta-next"), ("age@2", "fleet")}
    first, third, age = found["delay@1", "eta-prod"], found["delay@3", "eta-next"], found["age@2", "fleet"]
    assert [(reason.kind, reason.subject, reason.features, reason.actor) for reason in first.reasons] == [
        ("code", V3, (WIND1,), "ada"),  # temp is the same again in v3
        ("data", f"snapshot/{year.snapshots['v1 second'].id}", (TEMP1, WIND1), "refresh"),
    ]
    assert first.reasons[0].path == ("weather", WIND1, "delay@1", "eta-prod")
    assert [(reason.kind, reason.subject, reason.features) for reason in third.reasons] == [
        ("code", V3, (TEMP2, WIND2)),
        ("schema", "weather", (TEMP2, WIND2)),
    ]
    assert "station was removed" in third.reasons[1].text
    assert "(retired since)" in third.reasons[0].text
    assert age.reasons == ()


# --- active


def read_then(year: Year, moment: str, pointer: str, endpoint: str | None) -> list[tuple[object, ...]]:
    found = year.store.active_at(pointer, year.moments[moment], endpoint)
    return [(answer.model, answer.features, answer.version, answer.by) for answer in found.answers]


BOTH = ("temp", "wind")


@pytest.mark.parametrize(
    ("moment", "version", "actor", "rows"),
    [
        ("opened", V1, "ada", "v1 first"),
        ("improved", V2, "bob", "v2 first"),
        ("refreshed", V2, "bob", "v2 second"),
        ("during", V2, "bob", "v2 second"),
        ("incident", V1, "dave", "v1 second"),
        ("moved", V1, "dave", "v1 second"),
        ("schema", V1, "dave", "v1 first"),
    ],
)
def test_what_was_active_for_everyone(year: Year, moment: str, version: str, actor: str, rows: str) -> None:
    (answer,) = year.store.active_at("airport_weather", year.moments[moment]).answers
    assert (answer.version, answer.actor) == (version, actor)
    assert answer.rows is not None
    assert answer.rows.snapshot == year.snapshots[rows].id
    assert (answer.until is None) == (moment in {"incident", "moved", "schema"})
    assert year.store.active_at("airport_weather:wind", year.moments[moment]).version == version


@pytest.mark.parametrize(
    ("moment", "endpoint", "expected"),
    [
        ("opened", "eta-prod", [("delay@1", BOTH, V1, "lock")]),
        ("opened", "eta-next", []),
        ("opened", "eta-shadow", []),
        ("improved", "eta-prod", [("delay@1", BOTH, V1, "lock"), ("delay@2", BOTH, V2, "lock")]),
        ("refreshed", "eta-next", [("delay@2", BOTH, V2, "lock")]),
        ("during", "eta-next", [("delay@2", ("temp",), V2, "lock"), ("delay@2", ("wind",), V1, "activation")]),
        ("during", "eta-prod", [("delay@1", BOTH, V1, "lock"), ("delay@2", BOTH, V2, "lock")]),
        ("incident", "eta-prod", [("delay@1", BOTH, V1, "activation"), ("delay@2", BOTH, V1, "activation")]),
        ("retrained", "eta-next", [("delay@3", BOTH, V2, "lock")]),  # its own lock: the move was for delay@2
        ("retrained", "eta-prod", [("delay@1", BOTH, V1, "activation")]),
    ],
)
def test_what_an_endpoint_read_then(year: Year, moment: str, endpoint: str, expected: list[tuple[object, ...]]) -> None:
    assert read_then(year, moment, "airport_weather", endpoint) == expected


def test_until_when_an_endpoint_read_it(year: Year) -> None:
    locked, moved = year.store.active_at("airport_weather", year.moments["during"], "eta-next").answers
    (before,) = year.store.active_at("airport_weather:wind", year.moments["refreshed"], "eta-next").answers
    assert before.until == moved.since
    assert locked.until == moved.until  # delay@3 replaced the model
    assert year.moments["incident"] < (locked.until or year.moments["opened"]) < year.moments["retrained"]
    assert (moved.actor, moved.reason) == ("dave", "gusts went blank")


def test_what_was_active_of_a_version_that_is_retired_now(year: Year) -> None:
    (then,) = year.store.active_at("plane", year.moments["opened"]).answers
    assert then.version == "plane@v1"
    assert then.ended is not None
    assert then.ended.instead == "plane@v2"
    assert "plane@v1: retired" in str(year.store.active_at("plane", year.moments["opened"]))
    now = year.store.active_at("plane")
    assert (now.version, now.answers[0].ended) == ("plane@v2", None)


# --- diff, lineage


def test_how_the_models_differ(year: Year) -> None:
    found = year.store.diff_models("delay@1", "delay@3")
    assert {(item.feature, item.action) for item in found.features} == {
        ("airport_weather:temp", "changed"),  # of fewer rows
        ("airport_weather:wind", "changed"),
    }
    (view,) = found.views
    assert (view.before, view.after) == (V1, V2)
    assert view.data_before is not None
    assert view.data_after is not None
    assert (view.data_before.rows, view.data_after.rows) == (48, 96)
    same = year.store.diff_models("delay@2", "delay@3")
    assert [item.action for item in same.features] == ["unchanged", "unchanged"]
    ages = year.store.diff_models("age@1", "age@2")
    assert [(item.feature, item.action) for item in ages.features] == [
        ("plane:age", "added"),
        ("plane:seats", "changed"),
    ]


def test_where_a_model_comes_from_and_where_a_column_leads(year: Year) -> None:
    up = {node.id for node in year.store.lineage("delay@1").nodes}
    data = year.snapshots["v1 first"].sources[0].data_version
    spine = year.store.trained_on("delay@1").spine
    assert up == {
        "model/delay@1", f"frame/{year.frames['delay@1']}", f"spine/{spine}",
        f"snapshot/{year.snapshots['v1 first'].id}",
        f"data/weather@{data}", f"version/{V1}", "view/airport_weather", "source/weather", f"feature/{TEMP1}",
        f"feature/{WIND1}", "column/weather.temp", "column/weather.wind",
        "column/weather.origin", "column/weather.time_hour",  # the keys and times of its rows
    }  # fmt: skip
    down = year.store.lineage("weather.station", "down")
    assert {node.id for node in down.nodes} == {
        "column/weather.station", f"feature/{TEMP2}", f"feature/{WIND2}", "model/delay@2", "model/delay@3",
        "endpoint/eta-next", "endpoint/eta-prod",
    }  # fmt: skip
    ends = {
        (edge.upstream, edge.downstream): edge.kind for edge in down.edges if edge.downstream.startswith("endpoint")
    }
    assert ends == {
        ("model/delay@2", "endpoint/eta-next"): "was deployed on",
        ("model/delay@2", "endpoint/eta-prod"): "was deployed on",
        ("model/delay@3", "endpoint/eta-next"): "deployed on",
    }
    (station,) = (node for node in down.nodes if node.kind == "column")
    assert station.ended is not None
    assert (station.actor, station.ended.actor) == ("bob", "ada")  # bob's v2 was the first to read it


def test_every_node_says_who_made_it(year: Year) -> None:
    made = {node.id: node.actor for node in year.store.lineage("delay@3").nodes}
    assert made[f"version/{V2}"] == made["model/delay@3"] == "bob"
    assert made[f"snapshot/{year.snapshots['v2 second'].id}"] == "refresh"
    assert made["source/weather"] == "ada"
    assert year.store.consumers("eta-next").node == Asset("endpoint", "eta-next")
