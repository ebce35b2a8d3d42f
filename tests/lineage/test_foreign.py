"""Foreign nodes: named, linked once and for good, and walked by every question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import featurestore as fs
from featurestore.errors import DefinitionError, NotFoundError, ReadOnlyError, RequestError
from tests.lineage.small import build

JOB, TABLE = "job/airflow/daily.load", "table/postgres://db.host:5432/shop.public.stations"
FIELD = "field/postgres://db.host:5432/shop.public.stations"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    build(folder)
    return folder


@pytest.fixture
def store(base: Path, tmp_path: Path) -> Iterator[fs.FeatureStore]:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "catalog.db").write_bytes((base / "store" / "catalog.db").read_bytes())
    with fs.open_store(tmp_path / "store") as opened:
        yield opened


def upstream(store: fs.FeatureStore, node: str) -> set[str]:
    return {found.id for found in store.lineage(node, "up").nodes}


def test_a_job_upstream_of_a_source_is_above_every_model(store: fs.FeatureStore) -> None:
    told = store.link(JOB, "weather", reason="writes weather.parquet every night")
    assert (told.upstream, told.downstream, told.kind, told.new) == (JOB, "source/weather", "feeds", True)
    assert JOB in upstream(store, "delay@1")
    assert JOB in upstream(store, "eta-prod")
    assert {use.model for use in store.consumers(JOB).models} == {"delay@1", "calm@1"}
    assert {use.endpoint for use in store.consumers(JOB, live=True).endpoints} == {"eta-prod"}
    assert "endpoint/eta-prod" in {node.id for node in store.lineage(JOB, "down").nodes}


def test_a_link_is_told_once_by_whom_and_why(store: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_ACTOR", "ada")
    first = store.link(JOB, "weather", reason="nightly")
    monkeypatch.setenv("FEATURESTORE_ACTOR", "bob")
    again = store.link("job/AIRFLOW/daily.load", "source/weather", reason="another")
    assert (again.actor, again.reason, again.at, again.new) == ("ada", "nightly", first.at, False)
    told = [change for change in store.changes(upstream_of="delay@1") if change.kind == "linked"]
    assert [(change.actor, change.reason, change.detail["upstream"]) for change in told] == [("ada", "nightly", JOB)]


def test_fields_are_followed_column_by_column(store: fs.FeatureStore) -> None:
    store.link(f"{FIELD}.temp_c", "weather.temp")
    store.link(f"{FIELD}.kind", "weather.temp", indirect=True)
    assert {use.model for use in store.consumers(f"{FIELD}.temp_c").models} == {"delay@1"}
    assert {use.model for use in store.consumers(f"{FIELD}.kind").models} == {"delay@1"}
    assert {use.model for use in store.consumers(TABLE).models} == {"delay@1"}
    steps = {(edge.upstream, edge.downstream): edge.kind for edge in store.lineage("weather.temp", "up").edges}
    assert steps[f"{FIELD}.temp_c", "column/weather.temp"] == "DIRECT"
    assert steps[f"{FIELD}.kind", "column/weather.temp"] == "INDIRECT"
    assert steps[TABLE, f"{FIELD}.temp_c"] == "has field"


def test_a_field_of_which_nothing_was_told_may_reach_all_that_its_table_does(store: fs.FeatureStore) -> None:
    store.link(f"{FIELD}.wind_ms", "table/dbt/model.stations_daily")
    store.link(TABLE, JOB)
    store.link(JOB, "weather")
    uses = [use for model in store.consumers(f"{FIELD}.wind_ms").models for use in model.reads]
    assert {use.feature.partition(":")[2] for use in uses} == {"temp", "wind"}
    assert not any(use.exact for use in uses)
    assert all(use.exact for model in store.consumers(JOB).models for use in model.reads)


def test_what_lies_below_a_model_can_be_linked(store: fs.FeatureStore) -> None:
    store.link("run/mlflow/0a1b2c3d", "delay@1", reason="logged there")
    store.link("eta-prod", "table/bigquery/reports.eta")
    assert "run/mlflow/0a1b2c3d" in upstream(store, "delay@1")
    assert "table/bigquery/reports.eta" in {node.id for node in store.lineage("weather", "down").nodes}
    answer = store.consumers("run/mlflow/0a1b2c3d")
    assert [(use.model, use.endpoints) for use in answer.models] == [("delay@1", ("eta-prod",))]
    assert "linked" in str(answer)
    assert store.consumers("table/bigquery/reports.eta").models == ()


def test_the_impact_of_a_change_elsewhere_is_told(store: fs.FeatureStore) -> None:
    store.link(f"{FIELD}.temp_c", "weather.temp")
    store.link(f"{FIELD}.wind_ms", "weather.wind")
    found = store.impact(f"{FIELD}.temp_c")
    assert (found.severity, [use.feature for use in found.features]) == ("breaking", ["airport_weather@v1:temp"])
    assert {path.endpoint for path in found.paths} == {"eta-prod"}
    assert store.impact(f"{FIELD}.wind_ms").severity == "risky"
    store.link("run/mlflow/1", "delay@1")
    with pytest.raises(DefinitionError, match="never changes"):
        store.impact("run/mlflow/1")


def test_a_circle_through_other_systems_ends(store: fs.FeatureStore) -> None:
    store.link("delay@1", JOB)
    store.link(JOB, "weather")
    assert "model/calm@1" in {node.id for node in store.lineage("delay@1", "down").nodes}
    assert {use.model for use in store.consumers(JOB).models} == {"delay@1", "calm@1"}
    store.changes(upstream_of="delay@1")


def test_bare_names_are_enough_where_they_are_one(store: fs.FeatureStore) -> None:
    store.link("table/dbt/model.shop.orders", "weather")
    assert store.lineage("dbt/model.shop.orders", "down").root == "table/dbt/model.shop.orders"
    store.link("job/dbt/model.shop.orders", "table/dbt/model.shop.orders")
    with pytest.raises(DefinitionError, match=r"write one of .*job/dbt/model\.shop\.orders"):
        store.lineage("dbt/model.shop.orders")


@pytest.mark.parametrize(
    ("pair", "options", "error", "says"),
    [
        (("weather", "delay@1"), {}, RequestError, "both the store's own"),
        ((JOB, JOB.upper().replace("JOB/", "job/")), {}, RequestError, "upstream of itself"),
        ((JOB, "weather"), {"indirect": True}, RequestError, "not two columns"),
        (("airflow/daily.load", "weather"), {}, NotFoundError, "job/..., run/..., table/..., field/..."),
        ((JOB, "weathr"), {}, NotFoundError, "weather"),
        (("job/", "weather"), {}, DefinitionError, "names no job"),
        (("job/two\nlines", "weather"), {}, DefinitionError, "printable"),
    ],
)
def test_what_cannot_be_linked(
    store: fs.FeatureStore, pair: tuple[str, str], options: dict[str, bool], error: type[Exception], says: str
) -> None:
    before = store.changes()
    with pytest.raises(error) as raised:
        store.link(*pair, indirect=options.get("indirect", False))
    assert says in str(raised.value)
    assert store.changes() == before
    with pytest.raises(NotFoundError):
        store.lineage(JOB)


def test_an_unknown_foreign_node_names_the_nearest(store: fs.FeatureStore) -> None:
    store.link(JOB, "weather")
    with pytest.raises(NotFoundError, match=r"nobody has linked .*'job/airflow/daily\.load'"):
        store.consumers("job/airflow/daily.laod")


def test_a_store_opened_for_reading_takes_no_link(store: fs.FeatureStore) -> None:
    with fs.open_store(store.root, read_only=True) as reader, pytest.raises(ReadOnlyError):
        reader.link(JOB, "weather")
