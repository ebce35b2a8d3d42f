"""What is remembered of how computations read their sources: once for each text, never instead of the truth."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from featurestore.errors import DefinitionError
from featurestore.lineage import sql
from featurestore.operations.readings import Readings
from tests.operations.conftest import ViewMaker, weather


class Counted:
    """Counts the texts that are parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        parse = sql.analyse

        def analyse(text: str, *args: object, **named: object) -> object:
            self.texts.append(text)
            return parse(text, *args, **named)  # type: ignore[arg-type]  # handed on

        monkeypatch.setattr(sql, "analyse", analyse)

    def take(self) -> int:
        count, self.texts = len(self.texts), []
        return count


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def again(store: fs.FeatureStore) -> Iterator[fs.FeatureStore]:
    """Give the store as another process opens it."""
    with fs.open_store(store.root) as opened:
        yield opened


def double(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    return relations["weather"].select("origin", "time_hour", pl.col("temp") * 2)


VIEWS: list[dict[str, object]] = [
    {},
    {"sql": "select * from weather", "features": [fs.Feature("temp", fs.Float64, default=1.5)]},
    {"sql": "select *, temp > 0 as warm from weather where wind is not null", "ttl": None},
    {"sql": None},
    {"sql": None, "transform": double},
    {"sql": "select origin, max(temp) as temp from weather group by origin", "event_time": None, "ttl": None},
]


@pytest.mark.parametrize("change", VIEWS)
def test_what_is_remembered_makes_the_same_definition(
    store: fs.FeatureStore, again: fs.FeatureStore, view: ViewMaker, change: dict[str, object], counted: Counted
) -> None:
    first = store.plan([view(**change)]).defined
    counted.take()
    assert again.plan([view(**change)]).defined == first
    assert counted.take() == 0


def test_another_text_type_or_order_of_columns_is_read_anew(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, counted: Counted
) -> None:
    every = view(sql="select * from weather")
    names = [feature.name for feature in store.plan([every]).defined[0].definition.features]
    assert (names, counted.take()) == (["temp", "wind"], 1)
    store.plan([view(sql="select * from weather", owner="x", description="y", tags={"z": "1"})])
    assert counted.take() == 0
    store.plan([view(sql="select *  from weather")])
    assert counted.take() == 1
    weather().select("origin", "time_hour", "wind", "temp").write_parquet(folder / "weather" / "0.parquet")
    names = [feature.name for feature in store.plan([every]).defined[0].definition.features]
    assert (names, counted.take()) == (["wind", "temp"], 1)
    weather().with_columns(pl.col("wind").cast(pl.Float32)).write_parquet(folder / "weather" / "0.parquet")
    types = [str(feature.type) for feature in store.plan([every]).defined[0].definition.features]
    assert (types, counted.take()) == (["Float64", "Float32"], 1)


def test_what_is_wrong_with_a_text_is_remembered_too(
    store: fs.FeatureStore, again: fs.FeatureStore, view: ViewMaker, counted: Counted
) -> None:
    said = []
    for each in (store, store, again):
        with pytest.raises(DefinitionError, match="'tmep'") as error:
            each.plan([view("tmep")])
        said.append(str(error.value))
    assert said == [said[0]] * 3
    assert said[0].startswith("feature view 'airport_weather': the SQL: ")
    assert counted.take() == 1


@pytest.mark.parametrize("content", [b"", b"no database at all, but bytes of some length" * 100])
def test_a_damaged_memory_is_no_harm(store: fs.FeatureStore, view: ViewMaker, content: bytes, counted: Counted) -> None:
    (store.root / "readings.db").write_bytes(content)
    assert store.plan([view()]).changes
    with fs.open_store(store.root) as second:
        second.plan([view("wind * 2")])
    with fs.open_store(store.root) as third:
        counted.take()
        third.plan([view("wind * 2")])
    assert counted.take() == 0


def test_the_memory_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featurestore.operations.readings._MOST", 10)
    readings = Readings(tmp_path / "readings.db")
    keys = [readings.key(number) for number in range(25)]
    for number, key in enumerate(keys):
        readings.keep(key, {"number": number})
        readings.save()
    with sqlite3.connect(tmp_path / "readings.db") as connection:
        (count,) = connection.execute("select count(*) from readings").fetchone()
    connection.close()
    assert count <= 10
    assert readings.find(keys[-1]) == {"number": 24}
    assert readings.find(keys[0]) is None
    readings.close()
    assert keys[0] != readings.key("0")
