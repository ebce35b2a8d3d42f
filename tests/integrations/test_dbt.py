"""dbt projects join the graph: a manifest that dbt has written, and what happens when it changes.

`data/dbt` holds the project, and `manifest.json` and `catalog.json` as dbt-core 1.11 and dbt-duckdb 1.11 wrote them
(`dbt build && dbt docs generate`), without the macros and pages that come with dbt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import featurestore as fs
from featurestore.errors import NotFoundError, RequestError
from featurestore.integrations import dbt

PROJECT = Path(__file__).parent / "data" / "dbt"
AIRPORT = fs.Entity("airport", keys={"origin": fs.String})
DAILY = "table/dbt/model.shop.weather_daily"

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[fs.FeatureStore]:
    database = tmp_path / "shop.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.sql("create table stations as select 'JFK' as origin, 4.0::double as height_m")
        connection.sql(
            "create table weather_daily as select 'JFK' as origin, date '2013-07-01' as day, 24.5::double as temp_c, "
            "5.5::double as gust_ms, 4.0::double as height_m"
        )
    daily = fs.DuckDBSource("daily", database=str(database), sql="select * from weather_daily")
    high = fs.DuckDBSource(
        "high", database=str(database),
        sql="select w.origin, w.day, w.temp_c - s.height_m / 150 as temp_sea from main.weather_daily w join stations s "
        "on s.origin = w.origin where w.gust_ms > 1",
    )  # fmt: skip
    with fs.open_store(tmp_path / "store") as opened:
        opened.apply(
            [
                fs.FeatureView("daily_weather", entity=AIRPORT, source=daily, event_time="day"),
                fs.FeatureView("sea_weather", entity=AIRPORT, source=high, event_time="day"),
            ]
        )
        yield opened


def changed(tmp_path: Path, name: str = "manifest.json", *changes: Change) -> Path:
    """Write a copy of the manifest, an hour later, with changes; its catalog beside it."""
    value = json.loads((PROJECT / "manifest.json").read_text(encoding="utf-8"))
    catalog = json.loads((PROJECT / "catalog.json").read_text(encoding="utf-8"))
    value["metadata"]["generated_at"] = "2026-11-25T09:00:00Z"
    for change in changes:
        change(catalog if name == "catalog.json" else value)
    folder = tmp_path / "target"
    folder.mkdir(exist_ok=True)
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(value), encoding="utf-8")
    return folder / "manifest.json"


def column_edges(store: fs.FeatureStore, node: str) -> set[tuple[str, str, str]]:
    """Return the column edges that lead to a field or column, one step."""
    edges = store.lineage(node, "up", depth=1).edges
    return {(edge.upstream, edge.downstream, edge.kind) for edge in edges if edge.kind in {"DIRECT", "INDIRECT"}}


def test_models_seeds_and_sources_are_tables_with_their_columns(store: fs.FeatureStore) -> None:
    found = dbt.load(store, PROJECT / "manifest.json")
    assert (found.project, found.tables, found.columns, found.unread, found.new) == ("shop", 5, 22, (), True)
    up = {(edge.upstream, edge.downstream) for edge in store.lineage(DAILY, "up").edges if edge.kind == "feeds"}
    assert up == {
        ("table/dbt/model.shop.stg_weather", DAILY),
        ("table/dbt/source.shop.airports.stations", DAILY),
        ("table/dbt/seed.shop.raw_weather", "table/dbt/model.shop.stg_weather"),
    }
    said = store.facts(DAILY)
    assert said["description"] == "One row per airport and day."
    assert said["owner"] == "met-team"
    assert said["columns"]["temp_c"] == "DOUBLE"
    staged = store.facts("dbt/model.shop.stg_weather")
    assert staged["descriptions"] == {
        "temp_c": "Air temperature, degrees Celsius.",
        "wind_ms": "Wind speed, metres per second.",
    }


def test_columns_are_told_from_the_compiled_sql(store: fs.FeatureStore) -> None:
    dbt.load(store, PROJECT / "manifest.json")
    staged, daily = "field/dbt/model.shop.stg_weather", "field/dbt/model.shop.weather_daily"
    raw, stations = "field/dbt/seed.shop.raw_weather", "field/dbt/source.shop.airports.stations"
    assert column_edges(store, f"{staged}.temp_c") == {
        (f"{raw}.temp_f", f"{staged}.temp_c", "DIRECT"),
        (f"{raw}.quality", f"{staged}.temp_c", "INDIRECT"),
    }
    assert column_edges(store, f"{daily}.temp_c") >= {
        (f"{staged}.temp_c", f"{daily}.temp_c", "DIRECT"),
        (f"{stations}.origin", f"{daily}.temp_c", "INDIRECT"),
    }
    assert column_edges(store, "field/dbt/model.shop.weather_view.hot") >= {
        (f"{daily}.temp_c", "field/dbt/model.shop.weather_view.hot", "DIRECT")
    }


def test_our_sources_are_found_by_the_relations_that_they_name(store: fs.FeatureStore) -> None:
    found = dbt.load(store, PROJECT / "manifest.json")
    assert found.sources == {
        "daily": ("dbt/model.shop.weather_daily",),
        "high": ("dbt/model.shop.weather_daily", "dbt/source.shop.airports.stations"),
    }
    daily, stations = "field/dbt/model.shop.weather_daily", "field/dbt/source.shop.airports.stations"
    assert column_edges(store, "daily.gust_ms") == {(f"{daily}.gust_ms", "column/daily.gust_ms", "DIRECT")}
    assert column_edges(store, "high.temp_sea") == {
        (f"{daily}.temp_c", "column/high.temp_sea", "DIRECT"),
        (f"{stations}.height_m", "column/high.temp_sea", "DIRECT"),
        (f"{daily}.gust_ms", "column/high.temp_sea", "INDIRECT"),
        (f"{daily}.origin", "column/high.temp_sea", "INDIRECT"),
        (f"{stations}.origin", "column/high.temp_sea", "INDIRECT"),
    }
    reached = {node.id for node in store.lineage("field/dbt/seed.shop.raw_weather.wind_mph", "down").nodes}
    assert "feature/daily_weather@v1:gust_ms" in reached
    assert "feature/daily_weather@v1:temp_c" not in reached


def test_the_same_manifest_changes_nothing(store: fs.FeatureStore) -> None:
    dbt.load(store, PROJECT / "manifest.json")
    before, sequence = store.lineage(DAILY, "up").to_json(), store.changes()
    again = dbt.load(store, PROJECT / "manifest.json")
    assert not again.new
    assert store.lineage(DAILY, "up").to_json() == before
    assert store.changes() == sequence


def test_what_changes_upstream_is_told_to_those_who_read_it(store: fs.FeatureStore, tmp_path: Path) -> None:
    dbt.load(store, PROJECT / "manifest.json")

    def drop(catalog: dict[str, Any]) -> None:
        del catalog["nodes"]["seed.shop.raw_weather"]["columns"]["wind_mph"]

    def rewrite(manifest: dict[str, Any]) -> None:
        manifest["nodes"]["model.shop.stg_weather"]["checksum"]["checksum"] = "0" * 64

    changed(tmp_path, "catalog.json", drop)
    manifest = tmp_path / "target" / "manifest.json"
    value = json.loads(manifest.read_text(encoding="utf-8"))
    rewrite(value)
    manifest.write_text(json.dumps(value), encoding="utf-8")
    dbt.load(store, manifest)
    read = store.changes(upstream_of="daily_weather@v1:gust_ms")
    told = [(change.kind, change.subject, change.at.hour) for change in read if change.at.day == 25]
    assert ("schema changed", "table/dbt/seed.shop.raw_weather", 9) in told
    assert ("definition changed", "table/dbt/model.shop.stg_weather", 9) in told
    assert ("imported", "job/dbt/shop", 9) in told
    schema = [
        change for change in store.changes(upstream_of="daily_weather@v1:temp_c") if change.kind == "schema changed"
    ]
    assert [change.read for change in schema] == [False]
    dbt.load(store, PROJECT / "manifest.json")
    assert len([change for change in store.changes() if change.kind == "schema changed"]) == 1


def test_without_a_catalog_columns_are_those_that_are_known(store: fs.FeatureStore, tmp_path: Path) -> None:
    manifest = changed(tmp_path)
    (tmp_path / "target" / "catalog.json").unlink()
    found = dbt.load(store, manifest)
    assert "model.shop.stg_weather" in found.unread
    uses = store.consumers("field/dbt/model.shop.stg_weather.wind_ms")
    assert uses.models == ()
    assert "view/daily_weather" not in {
        node.id for node in store.lineage("field/dbt/model.shop.stg_weather.wind_ms").nodes
    }
    assert "source/daily" in {node.id for node in store.lineage("dbt/model.shop.stg_weather", "down").nodes}


def test_a_namespace_makes_tables_those_of_openlineage(store: fs.FeatureStore) -> None:
    dbt.load(store, PROJECT / "manifest.json", namespace="postgres://db:5432")
    assert store.lineage("table/postgres://db:5432/shop.main.weather_daily", "down", depth=1).edges


def test_a_source_can_be_mapped(store: fs.FeatureStore) -> None:
    found = dbt.load(store, PROJECT / "manifest.json", datasets={"daily": "model.shop.weather_view"})
    assert found.sources["daily"] == ("dbt/model.shop.weather_view",)
    with pytest.raises(NotFoundError, match=r"model\.shop\.weather_daily"):
        dbt.load(store, PROJECT / "manifest.json", datasets={"daily": "model.shop.weather_dayly"})
    with pytest.raises(NotFoundError, match="no source 'dayly'"):
        dbt.load(store, PROJECT / "manifest.json", datasets={"dayly": "model.shop.weather_daily"})


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "cannot be read"), ("[]", "no dbt manifest"), ('{"metadata": {}, "nodes": {}}', "no dbt manifest")],
)
def test_what_is_no_manifest(store: fs.FeatureStore, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match=says):
        dbt.load(store, tmp_path / "manifest.json")
    with pytest.raises(NotFoundError, match="dbt compile"):
        dbt.load(store, tmp_path / "missing.json")


def test_a_manifest_with_a_circle_is_refused(store: fs.FeatureStore, tmp_path: Path) -> None:
    def bend(manifest: dict[str, Any]) -> None:
        manifest["nodes"]["model.shop.stg_weather"]["depends_on"]["nodes"].append("model.shop.weather_daily")

    with pytest.raises(RequestError, match="circle"):
        dbt.load(store, changed(tmp_path, "manifest.json", bend))
    assert not [change for change in store.changes() if change.kind == "imported"]
