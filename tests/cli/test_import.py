"""`featurestore import`: events and dbt projects join the graph through the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from featurestore.cli.group import cli
from tests.cli.story import call, done, told
from tests.lineage.small import build

DBT = Path(__file__).parent.parent / "integrations" / "data" / "dbt"
TABLE = "postgres://db:5432/shop.public.weather"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    build(folder)
    return folder / "store"


def event(name: str) -> str:
    return json.dumps(
        {
            "eventType": "COMPLETE", "eventTime": "2026-04-01T03:00:00Z", "run": {"runId": name}, "producer": "x",
            "job": {"namespace": "airflow", "name": name},
            "outputs": [{"namespace": "postgres://db:5432", "name": "shop.public.weather"}],
        }
    )  # fmt: skip


def test_events_are_imported_and_bad_lines_named(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(f"{event('load')}\nnonsense\n", encoding="utf-8")
    words = ("import", "openlineage", str(file), "--map", f"weather={TABLE}", "--store", str(place))
    said = call(*words)
    assert said.code == 1
    assert "line 2: " in said.out
    assert f"weather reads {TABLE}" in said.out
    again = call(*words, "--json").json
    assert (again["events"], again["new"], [bad["line"] for bad in again["bad"]]) == (1, 0, [2])
    assert "eta-prod" in done("consumers", "job/airflow/load", "--live", "--store", str(place))


def test_events_come_from_standard_input_too(place: Path) -> None:
    words = ["import", "openlineage", "-", "--json", "--store", str(place)]
    result = CliRunner().invoke(cli, words, input=io.BytesIO(f"{event('piped')}\n".encode()))
    assert (result.exit_code, json.loads(result.stdout)["new"]) == (0, 1)


def test_a_dbt_project_is_imported(place: Path) -> None:
    store = ("--store", str(place))
    words = ("import", "dbt", str(DBT / "manifest.json"), "--map", "weather=model.shop.stg_weather")
    found = told(*words, *store)
    assert (found["project"], found["tables"], found["new"]) == ("shop", 5, True)
    assert found["sources"] == {"weather": ["dbt/model.shop.stg_weather"]}
    assert "as imported before" in done(*words, *store)
    shown = told("show", "table/dbt/model.shop.stg_weather", *store)
    assert shown["columns"]["temp_c"] == "DOUBLE"
    assert "source/weather" in shown["leads_to"]
    assert "Weather in metric units" in done("show", "dbt/model.shop.stg_weather", *store)
    assert told("show", "field/dbt/model.shop.stg_weather.temp_c", *store)["leads_to"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("openlineage", "missing.ndjson"), 3),
        (("openlineage", "-", "--namespace", "x"), 2),
        (("dbt", "missing.json"), 3),
        (("dbt", "x", "--map", "weather"), 2),
        (("dbt", str(DBT / "catalog.json")), 1),
        (("dbt", str(DBT / "manifest.json"), "--map", "weathr=model.shop.stg_weather"), 3),
    ],
)
def test_what_cannot_be_imported_has_its_exit_code(place: Path, words: tuple[str, ...], code: int) -> None:
    assert call("import", *words, "--store", str(place)).code == code
