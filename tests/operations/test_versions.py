"""Plan and apply: what makes a new version and what does not."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from tests.operations.conftest import AIRPORT, ViewMaker, weather


def number(store: fs.FeatureStore, view: fs.FeatureView) -> int:
    (version,) = store.apply([view])
    return version.number


def test_the_same_content_again_is_a_no_op(store: fs.FeatureStore, view: ViewMaker) -> None:
    first = store.apply([view()])
    changes = len(store.changes())
    assert store.apply([view()]) == first
    assert len(store.changes()) == changes
    assert store.plan([view()]).changes[0].action == "unchanged"


@pytest.mark.parametrize(
    "change",
    [
        {"sql": "select origin, time_hour, temp, wind + 1 as wind from weather"},
        {"sql": "select origin, time_hour, temp, wind as gust from weather"},
        {"sql": "select origin, time_hour, temp, wind from weather where wind > 0"},
        {"sql": None, "transform": lambda: None},
        {"sql": "select origin, time_hour, temp, wind, time_hour as known from weather", "created_time": "known"},
        {"ttl": timedelta(hours=7)},
        {"lookback": timedelta(hours=1)},
        {
            "entity": fs.Entity("place", keys={"origin": fs.String, "temp": fs.Int64}),
            "sql": "select origin, time_hour, temp::bigint as temp, wind from weather",
        },
        {"features": [fs.Feature("temp"), fs.Feature("wind", default=0.0)]},
        {"source": fs.ParquetSource("weather", path="weather/0.parquet")},
        {"sql": "select origin, time_hour, temp::decimal(8, 3) as temp, wind from weather"},
    ],
)  # fmt: skip
def test_a_change_of_meaning_is_the_next_version(
    store: fs.FeatureStore, view: ViewMaker, change: dict[str, object]
) -> None:
    def transform(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
        return relations["weather"].select("origin", "time_hour", "temp", "wind")

    if change.get("transform") is not None:
        change = {**change, "transform": transform}
    assert number(store, view()) == 1
    assert number(store, view(**change)) == 2
    assert number(store, view(**change)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"sql": "SELECT\n  w.origin, w.time_hour, (w.temp) AS temp, w.wind  -- the wind\nFROM weather AS w"},
        {"description": "hourly"},
        {"owner": "weather-team"},
        {"tags": {"tier": "1"}},
    ],
)
def test_a_change_of_form_or_metadata_is_not(
    store: fs.FeatureStore, view: ViewMaker, change: dict[str, object]
) -> None:
    assert number(store, view()) == 1
    assert number(store, view(**change)) == 1
    assert len(store.versions("airport_weather")) == 1


def test_an_older_definition_becomes_current_again(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    store.apply([view("wind * 2")])
    assert store.plan([view()]).changes[0].action == "reverted"
    assert number(store, view()) == 1
    assert number(store, view("wind * 3")) == 3


def test_the_plan_tells_features_apart(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    plan = store.plan([view(sql="select origin, time_hour, temp, wind * 2 as wind, temp + 1 as warmer from weather")])
    (change,) = plan.changes
    assert (change.action, change.before, change.version) == ("changed", 1, 2)
    assert {item.name: item.action for item in change.features} == {
        "temp": "unchanged",
        "wind": "changed",
        "warmer": "added",
    }
    removed = store.plan([view(sql="select origin, time_hour, temp from weather")])
    assert {item.name: item.action for item in removed.changes[0].features} == {"temp": "unchanged", "wind": "removed"}


def test_the_plan_names_who_reads_what_it_touches(store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    frame = store.get_training_frame(["airport_weather@v1"], spine)
    store.register_model("delay", version=1, frame=frame, inputs=["airport_weather__wind"])
    store.publish("airport_weather@v1", at="2013-07-02")
    store.deploy("delay@1", endpoint="eta-prod")
    plan = store.plan([view("wind * 2")])
    assert [(item.feature, item.model, item.endpoints) for item in plan.impact] == [
        ("airport_weather@v1:wind", "delay@1", ("eta-prod",))
    ]
    assert not plan.blocking
    assert store.plan([view(sql="select origin, time_hour, temp from weather")]).blocking
    assert not store.plan([view(sql="select origin, time_hour, temp + 1 as temp, wind from weather")]).impact


def test_a_function_is_compared_by_what_it_says(store: fs.FeatureStore, view: ViewMaker) -> None:
    def first(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
        # a comment
        return relations["weather"].select("origin", "time_hour", "temp", "wind")

    assert number(store, view(sql=None, transform=first)) == 1
    original = first

    def first(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:  # type: ignore[no-redef]  # the same again
        """Say something."""
        return relations["weather"].select(
            "origin", "time_hour",
            "temp", "wind",
        )  # fmt: skip

    assert number(store, view(sql=None, transform=first)) == 1
    assert original is not first

    def first(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:  # type: ignore[no-redef]  # another
        return relations["weather"].select("origin", "time_hour", "temp", pl.col("wind") * 2)

    assert number(store, view(sql=None, transform=first)) == 2


def test_a_version_whose_code_has_moved_on_is_still_computed(
    store: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    def first(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
        return relations["weather"].select("origin", "time_hour", "temp", pl.col("wind") + 100)

    store.apply([view(sql=None, transform=first)])
    store.apply([view("wind * 2")])
    weather(range(48, 50)).write_parquet(folder / "weather" / "1.parquet")
    assert store.materialize("airport_weather@v1").rows == 100
    assert store.materialize("airport_weather@v2").rows == 100


def test_versions_record_who_when_and_from_which_commit(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURESTORE_ACTOR", "ada")
    (version,) = store.apply([view()])
    assert (version.author, version.code.commit) == ("ada", None)
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (version,) = store.apply([view("wind + 1")])
    assert version.code.commit is not None
    assert len(version.code.commit) == 40
    assert version.code.dirty is True


def test_names_that_could_collide_cannot(store: fs.FeatureStore, view: ViewMaker) -> None:
    other = fs.FeatureView(
        "airport_weather_v1",
        entity=AIRPORT,
        source=fs.ParquetSource("weather", path="weather/*.parquet"),
        sql="select origin, time_hour, temp from weather",
        event_time="time_hour",
    )
    store.apply([view(), other])
    assert [version.reference for version in store.apply([view(), other])] == [
        "airport_weather@v1",
        "airport_weather_v1@v1",
    ]
    upper = fs.FeatureView("Airport_Weather", entity=AIRPORT, source=fs.ParquetSource("weather", path="weather"))
    with pytest.raises(fs.DefinitionError, match="only in case"):
        store.plan([upper])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"sql": "select origin, temp from weather"}, fs.DefinitionError, "time_hour"),
        ({"sql": "select origin, time_hour, tmp from weather"}, fs.DefinitionError, "Did you mean 'temp'"),
        ({"features": [fs.Feature("temp", fs.Int64)]}, fs.ContractError, "declared Int64.*Float64"),
        ({"features": [fs.Feature("tempp")]}, fs.ContractError, "Did you mean 'temp'"),
        ({"entity": fs.Entity("airport", keys={"origin": fs.Int64})}, fs.ContractError, "declared Int64.*String"),
        ({"source": fs.ParquetSource("weather", path="nowhere/*.parquet")}, fs.SourceError, "nowhere"),
    ],
)
def test_what_cannot_be_resolved_says_why(
    store: fs.FeatureStore, view: ViewMaker, change: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        store.plan([view(**change)])
    assert store.views() == []


def test_a_default_that_moves_with_the_clock_is_refused(store: fs.FeatureStore, view: ViewMaker) -> None:
    features = [fs.Feature("seen", fs.Timestamp, default="14d")]
    moving = view(sql="select origin, time_hour, time_hour as seen from weather", features=features)
    with pytest.raises(fs.DefinitionError, match="duration"):
        store.plan([moving])
