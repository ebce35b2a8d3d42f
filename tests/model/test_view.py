"""What a user writes: entities, features, sources and views refuse what they could not keep to."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import featurestore as fs
from featurestore.errors import DefinitionError
from featurestore.model.names import check_deployable_name, check_name

AIRPORT = fs.Entity("airport", keys={"origin": fs.String})
WEATHER = fs.ParquetSource("weather", path="weather.parquet")
PLANES = fs.ParquetSource("planes", path="planes.parquet")

WRONG_NAMES = ["", "a__b", "_a", "a_", "1a", "a b", "a.b", "a-b", "ä", "a\n", "\uff41", "a@v1", "a:b", None, 3, b"a"]


def view(**changes: object) -> fs.FeatureView:
    settings: dict[str, Any] = {"entity": AIRPORT, "source": WEATHER, "event_time": "time_hour"}
    return fs.FeatureView("airport_weather", **{**settings, **changes})


# --- names


@pytest.mark.parametrize("name", ["a", "A", "a1", "a_b", "a_1_b", "Weather2", "v1", "select"])
def test_identifiers_are_names(name: str) -> None:
    assert check_name(name, "view") == name
    assert check_deployable_name(name, "model") == name


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_other_texts_are_not(name: str) -> None:
    help_ = r"is not a name for a feature view: use ASCII letters, digits and '_', start with a letter"
    with pytest.raises(DefinitionError, match=help_):
        fs.FeatureView(name, entity=AIRPORT, source=WEATHER)
    for make in (
        lambda: fs.Entity(name, keys={"origin": fs.String}),
        lambda: fs.Entity("airport", keys={name: fs.String}),
        lambda: fs.Feature(name),
        lambda: fs.ParquetSource(name, path="x.parquet"),
        lambda: fs.PushSource("clicks", schema={name: fs.Int64}),
    ):
        with pytest.raises(DefinitionError, match="is not a name for a"):
            make()


@pytest.mark.parametrize("name", ["eta-prod", "eta.v2", "e-1"])
def test_models_and_endpoints_may_hold_dashes_and_points(name: str) -> None:
    assert check_deployable_name(name, "endpoint") == name
    with pytest.raises(DefinitionError, match="is not a name for a view"):
        check_name(name, "view")


# --- entities


def test_an_entity_keeps_its_keys_in_order_and_for_good() -> None:
    keys = {"origin": fs.String, "carrier": fs.Int32}
    entity = fs.Entity("route", keys=keys)
    keys["late"] = fs.Int64
    assert list(entity.keys.items()) == [("origin", fs.String), ("carrier", fs.Int32)]
    with pytest.raises(TypeError):
        entity.keys["late"] = fs.Int64  # type: ignore[index]  # must not work
    with pytest.raises(FrozenInstanceError):
        entity.name = "other"  # type: ignore[misc]  # must not work


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, r"entity 'airport' has no keys: write keys=\{'origin': fs.String\}"),
        (None, "has no keys"),
        (["origin"], "has no keys"),
        ({"origin": fs.String, "ORIGIN": fs.String}, "two keys whose names differ only in case: rename one"),
        ({"origin": "String"}, "has type String: a join key is one of Bool, Bytes, Date, Int32, Int64, String"),
        ({"origin": str}, "has type <class 'str'>: a join key is one of"),
        ({"origin": None}, "has type None: a join key is one of"),
        *(
            ({"origin": type_}, r"has type .*: a join key is one of Bool, Bytes, Date, Int32, Int64, String")
            for type_ in (fs.Float32, fs.Float64, fs.Timestamp, fs.Decimal(4, 2), fs.List(fs.Int64), fs.Embedding(2))
        ),
    ],
)
def test_an_entity_has_keys_that_compare_exactly(keys: dict[str, fs.FeatureType], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        fs.Entity("airport", keys=keys)


# --- features


@pytest.mark.parametrize("type_", ["Float64", float, fs.Decimal, fs.List])
def test_a_features_type_is_one_of_ours(type_: fs.FeatureType) -> None:
    with pytest.raises(DefinitionError, match=r"feature 'temp' has type .* none of ours: write fs.Float64"):
        fs.Feature("temp", type_)


# --- sources


def test_a_sources_location_leaves_out_what_is_for_people(tmp_path: Path) -> None:
    source = fs.CsvSource(
        "weather",
        path=tmp_path / "w.csv",  # type: ignore[arg-type]  # paths are taken too
        nulls="NA",  # type: ignore[arg-type]  # one text too
        types={"temp": fs.Decimal(4, 1)},
        description="hourly",
        owner="ada",
    )
    assert source.location() == {"path": str(tmp_path / "w.csv"), "nulls": ["NA"], "types": {"temp": "Decimal(4, 1)"}}
    assert source.location() == replace(source, description="", owner="").location()


def test_the_locations_of_other_kinds() -> None:
    table = fs.IcebergSource("t", catalog={"type": "sql"}, table="a.b", snapshot_id=8_123_456_789_012_345_678)
    assert table.location() == {
        "catalog": {"type": "sql"},
        "table": "a.b",
        "snapshot_id": 8_123_456_789_012_345_678,
    }
    assert fs.DuckDBSource("d", database="x.db", sql="from t").location() == {"database": "x.db", "sql": "from t"}
    assert fs.ArrowSource("a", table=object()).location() == {}
    assert fs.PushSource("p", schema={"b": fs.Int64}).location() == {"schema": {"b": "Int64"}}


def test_a_source_keeps_its_own_copy_of_a_mapping() -> None:
    schema = {"b": fs.Int64}
    source = fs.PushSource("p", schema=schema)
    schema["c"] = fs.Int64
    assert list(source.schema) == ["b"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "has no columns"),
        (None, "has the columns None: write {'temp': fs.Float64, ...}"),
        ({"temp": "Float64"}, "has type 'Float64', which is none of ours: write fs.Float64 or another"),
        ({"temp": fs.Int64, "Temp": fs.Int64}, "two of one name .case does not count."),
    ],
)
def test_a_push_source_has_typed_columns(schema: dict[str, fs.FeatureType], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        fs.PushSource("clicks", schema=schema)


@pytest.mark.parametrize("types", [{"temp": "Float64"}, {"temp": float}, None])
def test_a_csv_sources_types_are_ours(types: dict[str, fs.FeatureType]) -> None:
    with pytest.raises(DefinitionError, match=r"source 'weather' has .* fs.Float64"):
        fs.CsvSource("weather", path="w.csv", types=types)


# --- views


def test_a_view_holds_its_sources_in_one_way() -> None:
    one = view()
    assert tuple(one.sources) == (WEATHER,)
    assert tuple(view(source=None, sources=[WEATHER]).sources) == (WEATHER,)
    assert replace(one, owner="ada").sources == one.sources


def test_durations_may_be_text() -> None:
    made = view(ttl="6h", lookback="1d")
    assert (made.ttl, made.lookback) == (timedelta(hours=6), timedelta(days=1))
    assert view(ttl=timedelta(0)).ttl == timedelta(0)


def test_a_views_values_are_its_own() -> None:
    tags, features = {"tier": "1"}, [fs.Feature("temp")]
    made = view(tags=tags, features=features)
    tags["tier"] = "2"
    features.append(fs.Feature("wind"))
    assert made.tags == {"tier": "1"}
    assert made.features == (fs.Feature("temp"),)


def run(relations: dict[str, Any]) -> Any:  # noqa: ANN401 - any transform
    return relations["weather"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entity": None}, r"has the entity None: write entity=fs.Entity\(...\)"),
        ({"entity": "airport"}, "has the entity 'airport': write entity="),
        ({"source": None}, r"has no source: write source=fs.ParquetSource\(...\) or sources=\[...\]"),
        ({"source": "weather.parquet"}, "has no source"),
        ({"source": None, "sources": [WEATHER, "planes"]}, "has no source"),
        ({"source": None, "sources": WEATHER}, "has no source"),
        ({"sources": [PLANES]}, "has both source= and sources=: give one of them"),
        ({"source": None, "sources": [WEATHER, PLANES]}, "reads several sources without sql= or transform=: say how"),
        (
            {"source": None, "sources": [WEATHER, fs.ParquetSource("WEATHER", path="b")], "sql": "from weather"},
            "has two sources of one name .case does not count.: weather, WEATHER: rename one",
        ),
        ({"sql": "from weather", "transform": run}, "has both sql= and transform=: give one of them"),
        ({"sql": " "}, "has sql=' ': write a query"),
        ({"sql": 5}, "has sql=5: write a query"),
        ({"transform": "run"}, "has transform='run': give a function"),
        ({"features": []}, "has an empty list of features: name at least one, or leave features= away"),
        ({"features": ["temp"]}, r"has the features .*: write features=\[fs.Feature\('temp', fs.Float64\)"),
        ({"features": fs.Feature("temp")}, r"has the features .*: write features=\[fs.Feature"),
        ({"features": [fs.Feature("temp"), fs.Feature("Temp")]}, "has two features of one name .*: temp, Temp"),
        ({"features": [fs.Feature("origin")]}, "lists 'origin' as a feature: it is a key or a time column already"),
        ({"features": [fs.Feature("Time_Hour")]}, "lists 'Time_Hour' as a feature"),
        ({"created_time": "known", "features": [fs.Feature("known")]}, "lists 'known' as a feature"),
        ({"event_time": "origin"}, "has two key and time columns of one name .*: origin, origin"),
        ({"created_time": "TIME_HOUR"}, "has two key and time columns of one name"),
        ({"event_time": 5}, "has event_time=5: name a column of its output"),
        ({"created_time": ""}, "has created_time='': name a column of its output"),
        ({"event_time": None, "ttl": timedelta(1)}, "has ttl= but no event_time=: a dimension is valid always"),
        ({"event_time": None, "lookback": timedelta(1)}, "has lookback= but no event_time="),
        ({"ttl": timedelta(-1)}, "has the negative ttl -1 day, .*: give a duration of zero or more"),
        ({"lookback": timedelta(microseconds=-1)}, "has the negative lookback"),
        ({"ttl": 3600}, "has ttl=3600: 3600 is not a duration: write a number and a unit"),
        ({"lookback": "6 hours"}, "has lookback='6 hours': .* is not a duration: write a number and a unit"),
    ],
)
def test_a_view_that_cannot_be_kept_says_what_to_write(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^feature view 'airport_weather' {message}"):
        view(**changes)
