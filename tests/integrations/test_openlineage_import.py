"""Events of others join the graph: jobs, datasets, columns, and what happened to them; a bad one costs only itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

import featurestore as fs
from featurestore.errors import NotFoundError
from featurestore.integrations.openlineage import load
from featurestore.integrations.openlineage.names import DatasetName, split
from tests.lineage.small import build

DB = "postgres://db.host:5432"
RAW, CLEAN = "shop.public.raw", "shop.public.clean"
DIRECT = "DIRECT"
JOB = "job/airflow/daily.load"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    build(folder)
    return folder


@pytest.fixture
def store(base: Path, tmp_path: Path) -> Iterator[fs.FeatureStore]:
    shutil.copytree(base / "store", tmp_path / "store")
    with fs.open_store(tmp_path / "store") as opened:
        yield opened


def schema(**columns: str) -> dict[str, Any]:
    fields = [facet_v2.schema_dataset.SchemaDatasetFacetFields(name, type_) for name, type_ in columns.items()]
    return {"schema": facet_v2.schema_dataset.SchemaDatasetFacet(fields)}


def comes_from(dataset: tuple[str, str], **columns: tuple[str, str]) -> dict[str, Any]:
    """Return the facet: column = (its input, DIRECT or INDIRECT)."""
    module = facet_v2.column_lineage_dataset
    return {
        "columnLineage": module.ColumnLineageDatasetFacet(
            {
                name: module.Fields([module.InputField(*dataset, column, [module.Transformation(kind)])])
                for name, (column, kind) in columns.items()
            }
        )
    }


def event(
    hour: int = 3,
    *,
    state: str = "COMPLETE",
    code: str = "c0ffee",
    inputs: Sequence[event_v2.InputDataset] = (),
    outputs: Sequence[event_v2.OutputDataset] = (),
    job: str = "daily.load",
) -> str:
    """Return a run event as OpenLineage's own client writes it."""
    location = facet_v2.source_code_location_job.SourceCodeLocationJobFacet(
        "git", "https://git.example.com/x", version=code
    )
    run = f"0198a5b2-7e1f-7000-8000-0000000000{hour:02d}"
    made = event_v2.RunEvent(
        eventType=event_v2.RunState[state],
        eventTime=f"2026-04-01T{hour:02d}:00:00+00:00",
        run=event_v2.Run(run),
        job=event_v2.Job("airflow", job, facets={"sourceCodeLocation": location}),
        inputs=list(inputs),
        outputs=list(outputs),
        producer="https://airflow.example.com",
    )
    return Serde.to_json(made)


def load_of(base: Path, hour: int = 3, **options: str) -> str:
    """Return the event of the job that writes weather.parquet from the clean table, column by column."""
    weather = event_v2.OutputDataset(
        "file", str(base / "weather.parquet"),
        facets={
            **schema(origin="VARCHAR", time_hour="TIMESTAMP", temp="DOUBLE", wind="DOUBLE"),
            **comes_from((DB, CLEAN), temp=("temp_c", DIRECT), wind=("wind_ms", DIRECT), origin=("station", DIRECT)),
        },
    )  # fmt: skip
    clean = event_v2.InputDataset(DB, CLEAN, facets=schema(station="text", temp_c="float8", wind_ms="float8"))
    return event(hour, inputs=[clean], outputs=[weather], **options)


def test_a_job_and_its_tables_lie_above_the_source_that_reads_them(store: fs.FeatureStore, base: Path) -> None:
    found = load(store, [load_of(base)])
    table = f"file://{base / 'weather.parquet'}"
    assert (found.events, found.new, found.own, found.bad) == (1, 1, 0, ())
    assert found.sources == {"weather": (table,)}
    edges = {(edge.upstream, edge.downstream): edge.kind for edge in store.lineage("delay@1", "up").edges}
    assert edges[f"table/{DB}/{CLEAN}", JOB] == "read by"
    assert edges[JOB, f"table/{table}"] == "writes"
    assert edges[f"table/{table}", "source/weather"] == "is read as"
    assert edges[f"field/{DB}/{CLEAN}.temp_c", f"field/{table}.temp"] == "DIRECT"
    assert edges[f"field/{table}.temp", "column/weather.temp"] == "DIRECT"
    assert {use.model for use in store.consumers(JOB).models} == {"delay@1", "calm@1"}


def test_columns_are_followed_exactly_from_table_to_endpoint(store: fs.FeatureStore, base: Path) -> None:
    load(store, [load_of(base)])
    temp, wind = store.consumers(f"field/{DB}/{CLEAN}.temp_c"), store.consumers(f"field/{DB}/{CLEAN}.wind_ms")
    assert [(use.model, use.endpoints) for use in temp.models] == [("delay@1", ("eta-prod",))]
    assert [use.model for use in wind.models] == ["calm@1"]
    assert all(read.exact for use in (*temp.models, *wind.models) for read in use.reads)


def test_what_has_happened_upstream_is_told_when_it_happened(store: fs.FeatureStore, base: Path) -> None:
    load(
        store,
        [
            load_of(base, 3),
            load_of(base, 4, state="START"),
            load_of(base, 5, state="FAIL", code="beef"),
            load_of(base, 6, code="beef"),
        ],
    )
    told = [change for change in store.changes(upstream_of="delay@1") if change.subject == JOB]
    assert [(change.kind, change.at.hour) for change in told] == [("ran", 3), ("failed", 5), ("ran", 6)]
    assert [change.detail.get("code_before") for change in told] == [None, "c0ffee", None]
    assert told[0].detail["outputs"] == [f"file://{base / 'weather.parquet'}"]
    first = store.changes(since="2026-04-01", until="2026-04-02")
    assert [change.at.hour for change in first] == [3, 5, 6]
    assert store.changes()[0].at.year == 2026
    assert [change.at for change in store.changes()] == sorted(change.at for change in store.changes())


def test_a_change_of_a_table_upstream_is_read_by_those_who_read_the_column(store: fs.FeatureStore, base: Path) -> None:
    before = event_v2.OutputDataset(DB, CLEAN, facets=schema(station="text", temp_c="float8", wind_ms="float8"))
    after = event_v2.OutputDataset(DB, CLEAN, facets=schema(station="text", temp_c="text", wind_ms="float8"))
    load(store, [load_of(base), event(4, outputs=[before], job="clean"), event(5, outputs=[after], job="clean")])
    for model, read in (("delay@1", True), ("calm@1", False)):
        (change,) = [change for change in store.changes(upstream_of=model) if change.kind == "schema changed"]
        assert (change.subject, change.at.hour, change.read) == (f"table/{DB}/{CLEAN}", 5, read)
        assert change.detail["retyped"] == {"temp_c": ["float8", "text"]}
    load(store, [event(2, outputs=[before], job="late")])
    assert len([change for change in store.changes() if change.kind == "schema changed"]) == 1


def test_the_same_events_again_change_nothing(store: fs.FeatureStore, base: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(f"{load_of(base)}\n{event(4, job='other')}\n", encoding="utf-8")
    assert load(store, file).new == 2
    before = (store.changes(), store.lineage("delay@1", "up").to_json())
    again = load(store, str(file))
    assert (again.events, again.new) == (2, 0)
    assert (store.changes(), store.lineage("delay@1", "up").to_json()) == before


def test_a_bad_line_is_named_and_costs_no_other(store: fs.FeatureStore, base: Path) -> None:
    good = json.loads(load_of(base))
    lines = [
        "{", "[]", "", json.dumps({**good, "job": {"name": "x"}}), json.dumps({**good, "eventType": "DONE"}),
        json.dumps({**good, "eventTime": "yesterday"}), json.dumps({**good, "run": {}}), "null",
        json.dumps({**good, "outputs": [{"namespace": "a", "name": 5}]}), json.dumps({**good, "inputs": "x"}),
        json.dumps({**good, "outputs": [{"namespace": "a", "name": "x\ny"}]}),
        json.dumps({**good, "outputs": [{"namespace": "a", "name": "x", "facets": {"schema": {"fields": [5]}}}]}),
        json.dumps(good), '{"eventTime": "2026-04-01T00:00:00Z"}',
    ]  # fmt: skip
    found = load(store, lines)
    assert (found.events, found.new) == (1, 1)
    assert [bad.line for bad in found.bad] == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14]
    assert "namespace" in found.bad[2].reason
    assert JOB in {node.id for node in store.lineage("delay@1", "up").nodes}


def test_a_source_can_be_mapped_and_a_wrong_name_is_told(store: fs.FeatureStore) -> None:
    clean = event_v2.OutputDataset(DB, CLEAN, facets=schema(temp="float8", station="text"))
    found = load(store, [event(outputs=[clean])], datasets={"weather": f"{DB}/{CLEAN}"})
    assert found.sources == {"weather": (f"{DB}/{CLEAN}",)}
    assert [use.model for use in store.consumers(f"field/{DB}/{CLEAN}.temp").models] == ["delay@1"]
    assert load(store, [], datasets={"weather": "postgres://elsewhere/a.b"}).unmatched == ("weather",)
    with pytest.raises(NotFoundError, match=r"'weathr'.*'weather'"):
        load(store, [], datasets={"weathr": "x"})
    with pytest.raises(NotFoundError, match="there is no file"):
        load(store, "missing.ndjson")


def test_parents_aliases_and_what_acts_on_every_column(store: fs.FeatureStore, base: Path) -> None:
    value = json.loads(load_of(base))
    value["run"]["facets"] = {"parent": {"run": {"runId": "x"}, "job": {"namespace": "airflow", "name": "daily"}}}
    (output,) = value["outputs"]
    output["facets"]["columnLineage"]["dataset"] = [{"namespace": DB, "name": RAW, "field": "valid"}]
    output["facets"]["symlinks"] = {"identifiers": [{"namespace": "hive://meta", "name": "weather", "type": "TABLE"}]}
    value["job"]["facets"]["documentation"] = {"description": "Loads the weather"}
    value["job"]["facets"]["ownership"] = {"owners": [{"name": "met"}, {"name": "ops"}]}
    load(store, [json.dumps(value)])
    edges = {(edge.upstream, edge.downstream): edge.kind for edge in store.lineage("delay@1", "up").edges}
    assert edges["job/airflow/daily", JOB] == "runs"
    assert edges[f"field/{DB}/{RAW}.valid", f"field/file://{base / 'weather.parquet'}.temp"] == "INDIRECT"
    assert "table/hive://meta/weather" in {node.id for node in store.lineage(JOB, "down").nodes}
    assert (store.facts(JOB)["description"], store.facts(JOB)["owner"]) == ("Loads the weather", "met, ops")


def test_jobs_that_read_our_tables_lie_below_them(store: fs.FeatureStore) -> None:
    table = event_v2.InputDataset("featurestore", "airport_weather@v1")
    report = event_v2.OutputDataset(
        DB, "shop.public.report", facets=comes_from(("featurestore", "airport_weather@v1"), hot=("temp", "DIRECT"))
    )
    load(store, [event(inputs=[table], outputs=[report], job="report")])
    below = {node.id for node in store.lineage("weather.temp", "down").nodes}
    assert f"field/{DB}/shop.public.report.hot" in below
    assert "job/airflow/report" in {node.id for node in store.lineage("airport_weather@v1", "down").nodes}
    assert {use.model for use in store.consumers("airport_weather@v1:temp").models} == {"delay@1"}


def test_our_own_events_are_not_taken_for_anothers(store: fs.FeatureStore) -> None:
    from featurestore.integrations.openlineage import history

    lines = [json.dumps(told) for told in history(store)]
    found = load(store, lines)
    assert (found.events, found.own, found.new, found.sources) == (len(lines), len(lines), 0, {})


def test_files_belong_to_the_source_whose_wildcards_they_fit(tmp_path: Path) -> None:
    import polars as pl

    (tmp_path / "days").mkdir()
    pl.DataFrame({"origin": ["JFK"], "x": [1.0]}).write_parquet(tmp_path / "days" / "1.parquet")
    view = fs.FeatureView(
        "daily", entity=fs.Entity("airport", keys={"origin": fs.String}), event_time=None,
        source=fs.ParquetSource("days", path=str(tmp_path / "days" / "*.parquet")),
    )  # fmt: skip
    places = [
        f"{tmp_path}/days/1.parquet",
        f"{tmp_path}/days/1.csv",
        f"{tmp_path}/days_old/1.parquet",
        f"{tmp_path}/days",
    ]
    with fs.open_store(tmp_path / "store") as store:
        store.apply([view])
        found = load(
            store, [event(hour, outputs=[event_v2.OutputDataset("file", place)]) for hour, place in enumerate(places)]
        )
    assert set(found.sources["days"]) == {f"file://{places[0]}", f"file://{places[3]}"}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("postgres://db:5432", "shop.public.orders"),
        ("s3://bucket", "a/b/orders"),
        ("file", "/data/orders.parquet"),
        ("bigquery", "project.set.orders"),
        ("duckdb:///data/shop.duckdb", "shop.main.orders"),
    ],
)
def test_a_name_in_one_text_has_the_same_parts_again(namespace: str, name: str) -> None:
    assert split(DatasetName(namespace, name).key) == DatasetName(namespace, name)
