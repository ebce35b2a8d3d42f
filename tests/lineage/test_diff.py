"""`diff delay@1 delay@2` over a real store: definitions laid out alike, a note for each feature, rows and values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from featurestore.lineage.diff import ModelDiff

START = datetime(2026, 3, 1, tzinfo=UTC)
ONE = "select origin, time_hour, temp * 2 as double, wind, gust as g, hour(time_hour) as h from weather"
TWO = """
    SELECT origin, time_hour, temp * 3 AS double, wind,
           coalesce(gust, 0) AS g, hour(time_hour) AS h
    FROM weather
    WHERE wind < 9"""


def view(folder: Path, sql: str, *, default: float | None = None) -> fs.FeatureView:
    return fs.FeatureView(
        "airport_weather",
        entity=fs.Entity("airport", keys={"origin": fs.String}),
        source=fs.ParquetSource("weather", path=str(folder / "weather.parquet")),
        sql=sql,
        event_time="time_hour",
        features=[fs.Feature("double"), fs.Feature("wind", default=default), fs.Feature("g"), fs.Feature("h")],
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> ModelDiff:
    folder = tmp_path_factory.mktemp("diff")
    hours = [START + timedelta(hours=hour) for hour in range(6)]
    spine = pl.DataFrame({"origin": ["JFK"] * 2, "event_timestamp": hours[4:], "delay": [1.0, 2.0]})
    with fs.open_store(folder / "store") as store:
        for version, sql, gust in (("1", ONE, None), ("2", TWO, 7.0)):
            rows = {"origin": ["JFK"] * 6, "time_hour": hours, "temp": [1.5] * 6, "wind": [2.5] * 5 + [9.5]}
            gusts = pl.Series("gust", [gust] * 6, dtype=pl.Float64)
            pl.DataFrame(rows).with_columns(gusts).write_parquet(folder / "weather.parquet")
            store.apply([view(folder, sql, default=None if version == "1" else 0.0)])
            store.materialize(f"airport_weather@v{version}")
            frame = store.get_training_frame([f"airport_weather@v{version}"], spine=spine)
            store.register_model("delay", version=version, frame=frame)
        return store.diff_models("delay@1", "delay@2")


def test_sql_is_compared_in_one_layout(found: ModelDiff) -> None:
    (changed,) = found.views
    assert changed.definition.splitlines() == [
        "--- airport_weather@v1",
        "+++ airport_weather@v2",
        "@@ -1,8 +1,10 @@",
        " SELECT",
        "   origin,",
        "   time_hour,",
        "-  temp * 2 AS double,",
        "+  temp * 3 AS double,",
        "   wind,",
        "-  gust AS g,",
        "+  coalesce(gust, 0) AS g,",
        "   hour(time_hour) AS h",
        " FROM weather",
        "+WHERE",
        "+  wind < 9",
    ]


def test_each_feature_says_how_it_differs(found: ModelDiff) -> None:
    assert {item.feature.partition(":")[2]: item.note for item in found.features} == {
        "double": "temp * 2 -> temp * 3; reads also weather.wind",
        "wind": "its default None -> 0.0; what its rows pass through",
        "g": "gust -> coalesce(gust, 0); reads also weather.wind",
        "h": "what its rows pass through; reads also weather.wind",
    }


def test_rows_source_data_and_values_are_compared(found: ModelDiff) -> None:
    (changed,) = found.views
    assert changed.data_before is not None
    assert changed.data_after is not None
    assert (changed.data_before.rows, changed.data_after.rows) == (6, 5)
    assert changed.data_before.sources != changed.data_after.sources
    values = {item.feature.partition(":")[2]: item.profile for item in found.features}
    assert ("mean", "3", "4.5") in values["double"]
    assert ("nulls", "100.00%", "0.00%") in values["g"]
    assert ("greatest", "9.5", "2.5") in values["wind"]
    assert {measure for measure, *_ in values["h"]} == {"mean", "deviation", "greatest", "distinct"} | {"zeros"}


def test_it_reads_at_once(found: ModelDiff) -> None:
    lines = str(found).splitlines()
    assert "  airport_weather:g: gust -> coalesce(gust, 0); reads also weather.wind" in lines
    assert any(line.startswith("  source data") for line in lines)
    assert any(line.split()[:3] == ["airport_weather:double", "mean", "3"] for line in lines)
