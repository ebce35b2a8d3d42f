"""A store small enough to be built in a second: one view of two columns, and a model that reads each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import featurestore as fs

START = datetime(2026, 3, 1, tzinfo=UTC)


def view(folder: Path) -> fs.FeatureView:
    return fs.FeatureView(
        "airport_weather",
        entity=fs.Entity("airport", keys={"origin": fs.String}),
        source=fs.ParquetSource(
            "weather", path=str(folder / "weather.parquet"), owner="met", description="Hourly weather"
        ),
        sql="select origin, time_hour, temp * 2 as temp, wind from weather",
        event_time="time_hour",
        owner="delay-team",
        description="The weather at the airport",
    )


def build(folder: Path) -> None:
    """Write `weather.parquet`, and a store in `store` with `delay@1` (temp, live on eta-prod) and `calm@1` (wind)."""
    hours = [START + timedelta(hours=hour) for hour in range(6)]
    rows = pl.DataFrame({"origin": ["JFK"] * 6, "time_hour": hours, "temp": [1.5] * 6, "wind": [2.5] * 6})
    rows.write_parquet(folder / "weather.parquet")
    spine = pl.DataFrame({"origin": ["JFK"] * 3, "event_timestamp": hours[3:], "delay": [1.0, 2.0, 3.0]})
    with fs.open_store(folder / "store") as store:
        store.apply([view(folder)])
        store.materialize("airport_weather@v1")
        frame = store.get_training_frame(["airport_weather@v1"], spine=spine)
        store.register_model("delay", version="1", frame=frame, inputs=["airport_weather__temp"], owner="eta-team")
        store.register_model("calm", version="1", frame=frame, inputs=["airport_weather__wind"])
        store.deploy("delay@1", endpoint="eta-prod")
