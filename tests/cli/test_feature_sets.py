"""Feature sets on the command line: planned, applied, read, shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.story import call, done, told

SETS = """
import featurestore as fs

weather_now = fs.FeatureSet("weather_now", features=["airport_weather@v1:temp", "airport_weather@v2:wind_6h as wind"])
"""


@pytest.mark.usefixtures("world")
def test_a_set_from_its_file_to_its_answer() -> None:
    Path("sets.py").write_text(SETS, encoding="utf-8")
    (planned,) = told("plan", "sets.py")["sets"]
    assert (planned["action"], planned["version"]) == ("new", 1)
    assert "+ set weather_now  v1  (new)" in done("plan", "sets.py")
    (applied,) = told("apply", "sets.py")
    assert applied["reference"] == "weather_now@v1"
    assert applied["features"] == ["airport_weather@v1:temp", "airport_weather@v2:wind_6h as wind"]

    words = ("get", "--feature-set", "weather_now@v1", "--key", "origin=JFK", "--at", "2013-07-20T00:30")
    assert told(*words)["values"].keys() == {"airport_weather__temp", "wind"}
    assert call("get", "airport_weather:temp", "--feature-set", "weather_now", "--key", "origin=JFK").code == 2

    assert [row["reference"] for row in told("show", "sets")] == ["weather_now@v1"]
    assert "weather_now@v1" in done("show", "sets")
    answer = told("show", "weather_now")
    assert answer["reference"] == "weather_now@v1"
    assert [version["number"] for version in answer["versions"]] == [1]
    assert "airport_weather@v2:wind_6h as wind" in done("show", "set/weather_now@v1")
    (use,) = told("consumers", "airport_weather@v1:temp")["sets"]
    assert use == {"feature_set": "weather_now@v1", "names": ["airport_weather@v1:temp"]}
