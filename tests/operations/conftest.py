"""A small world: hourly weather of two airports, and the store that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs

START = datetime(2013, 7, 1, tzinfo=UTC)
AIRPORT = fs.Entity("airport", keys={"origin": fs.String})

ViewMaker = Callable[..., fs.FeatureView]


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def weather(hours: range = range(48)) -> pl.DataFrame:
    rows = [
        {"origin": origin, "time_hour": hour(h), "temp": base + h / 4, "wind": None if h % 5 == 0 else float(h % 7)}
        for origin, base in (("JFK", 20.0), ("LGA", 30.0))
        for h in hours
    ]
    return pl.DataFrame(rows, schema_overrides={"wind": pl.Float64})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def online() -> str:
    """The setting `online`; a module that overrides it runs its tests on other backends."""
    return "lmdb"


@pytest.fixture
def catalog() -> str:
    """The setting `catalog`, as `online`."""
    return "sqlite"


@pytest.fixture
def store(folder: Path, online: str, catalog: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FeatureStore]:
    monkeypatch.setenv("FEATURESTORE_ONLINE", online)
    monkeypatch.setenv("FEATURESTORE_CATALOG", catalog)
    (folder / "weather").mkdir()
    weather().write_parquet(folder / "weather" / "0.parquet")
    with fs.open_store(folder / "store") as opened:
        yield opened


def make_view(wind: str = "wind", **changes: object) -> fs.FeatureView:
    settings: dict[str, object] = {
        "entity": AIRPORT,
        "source": fs.ParquetSource("weather", path="weather/*.parquet"),
        "sql": f"select origin, time_hour, temp, {wind} as wind from weather",
        "event_time": "time_hour",
        "ttl": timedelta(hours=6),
    }
    return fs.FeatureView("airport_weather", **{**settings, **changes})  # type: ignore[arg-type]  # any change


@pytest.fixture
def view() -> ViewMaker:
    return make_view


@pytest.fixture
def spine() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "origin": ["JFK", "LGA", "JFK", "EWR", None],
            "event_timestamp": [hour(5) + timedelta(minutes=30), hour(7), hour(7), hour(7), hour(7)],
            "delay": [12.0, -3.0, 41.0, 0.0, 1.0],
        }
    )
