"""`featurestore show`: every kind of thing, for people and as JSON."""

from __future__ import annotations

import pytest

from tests.cli.story import call, done, told

pytestmark = pytest.mark.usefixtures("world")


def test_lists() -> None:
    views = {row["view"]: row for row in told("show", "views")}
    assert views["airport_weather"]["current"] == "airport_weather@v2"
    assert views["airport_weather"]["features"] == ["temp", "wind_6h"]
    models = {row["reference"]: row for row in told("show", "models")}
    assert models["delay@1"]["endpoints"] == ["eta-prod"]
    assert [row["reference"] for row in told("show", "endpoints")["eta-prod"]] == ["delay@1", "delay@2"]
    assert {row["id"] for row in told("show", "frames")} >= {models["delay@1"]["frame"], models["delay@2"]["frame"]}
    for word, shown in {"views": "airport_fog", "models": "delay@2", "endpoints": "eta-prod", "frames": "@v1"}.items():
        assert shown in done("show", word)


def test_an_endpoint_on_which_nothing_is_live_is_listed() -> None:
    done("deploy", "delay@1", "--endpoint", "idle")
    done("undeploy", "delay@1", "--endpoint", "idle")
    assert told("show", "endpoints")["idle"] == []
    assert "nothing live on" in done("show", "endpoints")


def test_a_view_with_its_versions_and_pointers() -> None:
    answer = told("show", "airport_weather")
    assert [version["reference"] for version in answer["versions"]] == ["airport_weather@v1", "airport_weather@v2"]
    assert answer["activations"][0]["reason"] == "the story, 1"
    text = done("show", "view/airport_weather")
    assert text.index("versions") < text.index("features of airport_weather@v2") < text.index("activations")
    assert "activations" not in done("show", "airport_fog")


def test_a_version_with_its_computation_and_snapshots() -> None:
    answer = told("show", "airport_weather@v1")
    assert answer["definition"]["computation"]["text"].strip().startswith("select origin")
    assert answer["definition"]["ttl"] == 6 * 3600
    assert answer["snapshots"][0]["version"] == 1
    assert told("show", f"airport_weather@{answer['fingerprint'][:8]}")["number"] == 1
    text = done("show", "airport_weather@v1")
    assert "range between interval 5 hours preceding" in text
    assert "weather.wind_speed" in text
    assert answer["snapshots"][0]["id"] in text
    assert "sql" not in done("show", "airport_fog@v1").split()


def test_a_feature() -> None:
    answer = told("show", "airport_weather@v2:wind_6h")
    assert (answer["feature"], answer["type"]) == ("airport_weather@v2:wind_6h", "Float64")
    assert ["weather", "wind_speed", "DIRECT"] in answer["reads"]
    assert "weather.wind_speed" in done("show", "airport_weather@v2:wind_6h")


def test_a_source_and_its_column() -> None:
    answer = told("show", "weather")
    assert answer["location"]["path"] == "weather.parquet"
    assert answer["read_by"] == ["airport_weather@v1", "airport_weather@v2"]
    assert "wind_speed" in done("show", "source/weather")
    assert "airport_weather@v1:temp" in done("show", "weather.temp")
    assert told("show", "weather.temp")["root"] == "column/weather.temp"


def test_a_snapshot_and_a_frame_by_their_ids() -> None:
    snapshot = told("show", "airport_weather@v1")["snapshots"][0]["id"]
    assert told("show", snapshot[:8])["id"] == snapshot
    assert "runs" in done("show", snapshot)
    frame = told("show", "delay@1")["frame"]
    assert told("show", frame)["pins"]["timestamp"] == "event_timestamp"
    assert "[versions]" in done("show", frame[:10])


def test_a_model_version_and_an_endpoint() -> None:
    model = told("show", "delay@1")
    assert (model["owner"], "eta-prod" in model["endpoints"]) == ("delay-team", True)
    assert "airport_weather@v1:temp" in done("show", "model/delay@1")
    endpoint = told("show", "endpoint/eta-prod")
    assert endpoint["reads"]["delay@2"][0]["reference"] == "airport_weather@v2:temp"
    assert "delay@2 reads" in done("show", "eta-prod")


def test_what_is_not_there() -> None:
    said = call("show", "airport_wether")
    assert said.code == 3
    assert "Did you mean 'airport_weather'?" in said.err
    assert call("show", "delay@7").code == 3
