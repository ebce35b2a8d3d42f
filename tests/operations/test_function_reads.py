"""What a view's function reads: from its plan, as declared, or every column, and how that is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from polars import col

import featurestore as fs
from featurestore.errors import DefinitionError

ROWS = pa.table({"id": [1, 2], "temp": [3.0, None], "wind": [1.0, 2.0], "note": ["a", "b"]})
ENTITY = fs.Entity("place", keys={"id": fs.Int64})


def readable(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    weather = relations["weather"].filter(col("wind") > 0)
    return weather.select("id", chill=col("temp") - col("wind"), twice=col("temp") * 2)


def opaque(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    squared = col("temp").map_elements(lambda value: float(str(value)), return_dtype=pl.Float64)
    return relations["weather"].select("id", squared=squared, raw="temp")


def view(transform: Callable[..., Any], *features: fs.Feature) -> fs.FeatureView:
    source = fs.ArrowSource("weather", table=ROWS)
    return fs.FeatureView("made", entity=ENTITY, source=source, transform=transform, features=features or None)


@pytest.fixture
def store(tmp_path: Path) -> fs.FeatureStore:
    return fs.open_store(tmp_path / "store")


def reads(store: fs.FeatureStore, made: fs.FeatureView) -> dict[str, tuple[Any, ...]]:
    (version,) = store.apply([made])
    return {feature.name: (feature.exact, feature.basis, feature.reads) for feature in version.definition.features}


def test_the_plan_tells_what_each_feature_reads(store: fs.FeatureStore) -> None:
    row = ("weather", "id", "INDIRECT"), ("weather", "temp", "DIRECT")
    assert reads(store, view(readable)) == {
        "chill": (True, "derived", (*row, ("weather", "wind", "DIRECT"))),
        "twice": (True, "derived", (*row, ("weather", "wind", "INDIRECT"))),
    }


def test_what_cannot_be_read_depends_on_every_column_and_says_why(store: fs.FeatureStore) -> None:
    found = reads(store, view(opaque))
    exact, basis, columns = found["squared"]
    assert not exact
    assert "calls Python code" in basis
    assert [column for _, column, _ in columns] == ["id", "note", "temp", "wind"]


def test_a_declaration_stands_where_the_plan_cannot_be_read(store: fs.FeatureStore) -> None:
    declared = view(opaque, fs.Feature("squared", reads=["weather.id", "weather.temp"]), fs.Feature("raw"))
    found = reads(store, declared)
    assert found["squared"] == (True, "declared", (("weather", "id", "DIRECT"), ("weather", "temp", "DIRECT")))
    assert not found["raw"][0]


def test_a_corrected_declaration_is_a_new_version_with_the_same_features(store: fs.FeatureStore) -> None:
    store.apply([view(opaque, fs.Feature("squared", reads=["weather.temp"]))])
    plan = store.plan([view(opaque, fs.Feature("squared", reads=["weather.temp", "weather.id"]))])
    assert [(change.action, [feature.action for feature in change.features]) for change in plan.changes] == [
        ("changed", ["unchanged"])
    ]


def test_a_declaration_may_not_leave_out_what_the_plan_reads(store: fs.FeatureStore) -> None:
    with pytest.raises(DefinitionError, match=r"leaves weather\.id out.*add it"):
        store.plan([view(readable, fs.Feature("twice", reads=["weather.temp", "weather.wind"]))])
    wide = ["weather.id", "weather.temp", "weather.wind", "weather.note"]
    assert reads(store, view(readable, fs.Feature("twice", reads=wide)))["twice"][1] == "declared"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["weather.tmp"], r"no source of the view has the column 'weather\.tmp'.*Did you mean 'weather\.temp'"),
        ([], "list columns"),
        ("weather.temp", "list columns"),
    ],
)
def test_declarations_are_checked(store: fs.FeatureStore, given: list[str], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        store.plan([view(opaque, fs.Feature("squared", reads=given))])


def test_only_a_function_needs_a_declaration() -> None:
    with pytest.raises(DefinitionError, match=r"leave reads= away"):
        fs.FeatureView(
            "made", entity=ENTITY, source=fs.ArrowSource("weather", table=ROWS), sql="select id, temp from weather",
            features=[fs.Feature("temp", reads=["weather.temp"])],
        )  # fmt: skip
