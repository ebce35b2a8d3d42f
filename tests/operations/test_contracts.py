"""Contracts: declared beside sources and features, versions of their own, no part of any fingerprint."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from featurestore.model.contract import Contract
from featurestore.model.contract_change import compare
from featurestore.model.source import Source
from tests.cli.story import call
from tests.operations.conftest import ViewMaker, weather

PROMISED = fs.Contract(
    {
        "origin": fs.Expect(fs.String, nullable=False),
        "wind": fs.Expect(fs.Float64, absent=None, at_least=0, at_most=50),
    },
    key=("origin", "time_hour"),
)


def source(contract: fs.Contract | None = PROMISED) -> fs.ParquetSource:
    return fs.ParquetSource("weather", path="weather/*.parquet", contract=contract)


def test_a_contract_changes_no_fingerprint(store: fs.FeatureStore, view: ViewMaker) -> None:
    (plain,) = store.apply([view()])
    (promised,) = store.apply([view(source=source(), features=None)])
    features = [fs.Feature("temp"), fs.Feature("wind", expect=fs.Expect(at_least=0))]
    (expecting,) = store.apply([view(source=source(), features=features, on_violation="warn")])
    assert promised == plain == expecting
    assert [version.reference for version in store.contracts()] == ["weather@c1", "view/airport_weather@c1"]


def test_versions_are_numbered_and_immutable(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view(source=source())])
    store.apply([view(source=source())])
    wider = fs.Contract({**PROMISED.columns, "wind": fs.Expect(fs.Float64, absent=("",))}, key=PROMISED.key)
    plan = store.plan([view(source=source(wider))])
    assert "weather@c1 -> proposed  (breaking)" in str(plan)
    assert [change.view for change in plan.changes if change.action != "unchanged"] == []
    store.apply([view(source=source(wider))])
    assert [(item.reference, item.breaking) for item in store.contract_versions("weather")] == [
        ("weather@c1", False),
        ("weather@c2", True),
    ]
    store.apply([view(source=source(None))])
    assert store.contract("weather").reference == "weather@c2", "a source that says nothing leaves it alone"
    store.apply([view(source=source())])
    assert store.contract("weather").reference == "weather@c1", "the same content is the version that it was"
    (first, second, third) = [change for change in store.changes() if change.kind == "contract"]
    assert (first.subject, first.detail["breaking"]) == ("source/weather", False)
    assert second.detail["columns"] == ["wind"]
    assert (third.detail["contract"], third.detail["before"]) == ("weather@c1", "weather@c2")
    edges = str(store.lineage("source/weather", "down", depth=1))
    assert "weather@c1" in edges
    assert "weather@c2" in edges


def test_features_that_stop_promising_say_so(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view(features=[fs.Feature("wind", expect=fs.Expect(at_least=0))])])
    store.apply([view(features=[fs.Feature("wind")])])
    assert store.contract("view/airport_weather").contract == fs.Contract()
    assert store.contract("view/airport_weather").breaking


def test_two_contracts_of_one_source_are_refused(store: fs.FeatureStore, view: ViewMaker) -> None:
    import dataclasses

    other = dataclasses.replace(view(source=source(fs.Contract())), name="other")
    with pytest.raises(fs.DefinitionError, match="source 'weather' has two different contracts here"):
        store.plan([view(source=source()), other])


def test_a_diff_names_the_models_that_it_reaches(store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> None:
    store.apply([view(source=source())])
    store.materialize("airport_weather")
    frame = store.get_training_frame(["airport_weather@v1:wind"], spine.drop_nulls())
    store.register_model("delay", version="1", frame=frame)
    store.publish("airport_weather@v1")
    store.deploy("delay@1", endpoint="eta-prod")
    store.apply([view(source=source(fs.Contract({"origin": fs.Expect(fs.String, nullable=False)})))])
    diff = store.diff_contract("weather")
    assert diff.breaking
    assert diff.reached == (("delay@1", ("eta-prod",)),)
    assert {(item.rule, item.column) for item in diff.changes} == {("column", "wind"), ("key", None)}
    assert "contract" in [item.kind for item in store.changes(upstream_of="delay@1")]


def test_the_command_line_checks_shows_and_compares(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURESTORE_STORE", str(store.root))
    store.apply([view(source=source())])
    assert call("contract", "check").code == 0
    bad = weather(range(2)).with_columns(wind=pl.lit(-1.0))
    bad.write_parquet(folder / "next.parquet")
    result = call("contract", "check", "weather", "--file", "next.parquet", "--json")
    assert result.code == 1
    (check,) = json.loads(result.out)["checks"]
    assert [(item["rule"], item["rows"], item["examples"]) for item in check["violations"]] == [
        ("at_least", 4, ["-1.0"])
    ]
    assert "weather@c1 is broken" in call("contract", "check", "weather", "--file", "next.parquet").out
    assert call("contract", "check", "--file", "next.parquet").code == 1
    assert call("contract", "check", "wether").code == 3
    assert "never null" in call("contract", "show", "weather").out
    assert "weather@c1" in call("contract", "show").out
    assert "wind" in call("show", "weather@c1").out
    assert call("contract", "diff", "weather").code == 1
    store.apply([view(source=source(fs.Contract()))])
    result = call("contract", "diff", "weather@c1", "weather@c2", "--json")
    assert (result.code, json.loads(result.out)["breaking"]) == (1, True)
    assert call("contract", "diff", "weather@c2", "weather@c1").code == 0


def test_contracts_are_exchanged_as_files(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURESTORE_STORE", str(store.root))
    store.apply([view(source=source())])
    assert call("contract", "export", "weather", "--out", "weather.yaml").code == 0
    text = (folder / "weather.yaml").read_text()
    assert call("contract", "export", "weather").out == text
    (folder / "strict.yaml").write_text(text.replace("maximum: 50", "maximum: 3"))
    assert call("contract", "check", "weather", "--contract", "strict.yaml").code == 1
    assert call("contract", "check", "weather", "--contract", "weather.yaml").code == 0
    (folder / "wide.yaml").write_text(text.replace("maximum: 50", "maximum: 60").replace("name: weather", "name: w", 1))
    said = call("contract", "import", "wide.yaml", "--dry-run", "--json")
    (diff,) = said.json["contracts"]
    assert [(change["rule"], change["breaking"]) for change in diff["changes"] if change["breaking"]] == [
        ("at_most", True)
    ]
    assert store.contract("weather").number == 1
    assert call("contract", "import", "wide.yaml").code == 0
    declared = store.contract("weather")
    assert (declared.number, declared.breaking) == (2, True)
    assert declared.contract.columns["wind"].at_most == 60
    assert call("contract", "import", "wide.yaml", "--source", "whether").code == 3
    assert call("contract", "import", "wide.yaml", "--source", "weather").code == 0
    (folder / "bad.yaml").write_text(text.replace("maximum: 50", "maximum: high"))
    assert "bad.yaml:" in call("contract", "import", "bad.yaml").err


def test_every_kind_of_source_is_checked(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    import duckdb

    rows = weather(range(3))
    rows.write_csv(folder / "weather.csv")
    with duckdb.connect(str(folder / "w.duckdb")) as connection:
        connection.execute("create table w as select * from 'weather/0.parquet' limit 6")
    promised = fs.Contract({"wind": fs.Expect(fs.Float64, at_most=0.5)})
    sources: list[Source] = [
        fs.CsvSource("weather", path="weather.csv", contract=promised),
        fs.ArrowSource("weather", table=rows, contract=promised),
        fs.DuckDBSource("weather", database="w.duckdb", sql="from w", contract=promised),
    ]
    for item in sources:
        store.apply([view(source=item)])
        check = store.check_contract("weather")
        assert [(found.rule, found.rows, found.of) for found in check.violations] == [("at_most", 4, 6)]


def test_a_csv_value_that_cannot_be_read_is_a_violation(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    weather().write_csv(folder / "weather.csv")
    source_ = fs.CsvSource("weather", path="weather.csv", contract=PROMISED, types={"wind": fs.Float64})
    store.apply([view(source=source_)])
    text = (folder / "weather.csv").read_text().replace(",1.0\n", ",calm\n")
    (folder / "weather.csv").write_text(text)
    check = store.check_contract("weather")
    assert [item.rule for item in check.violations] == ["type"]
    assert "calm" in check.violations[0].text


@pytest.mark.parametrize(
    ("before", "after", "breaking"),
    [
        (fs.Expect(), fs.Expect(nullable=False), False),
        (fs.Expect(nullable=False), fs.Expect(), True),
        (fs.Expect(), fs.Expect(absent=None), False),
        (fs.Expect(absent=None), fs.Expect(absent=""), True),
        (fs.Expect(absent=(None, "")), fs.Expect(absent=None), False),
        (fs.Expect(absent=None), fs.Expect(), True),
        (fs.Expect(allowed=("a",)), fs.Expect(allowed=("a", "b")), True),
        (fs.Expect(allowed=("a", "b")), fs.Expect(allowed=("a",)), False),
        (fs.Expect(at_least=0), fs.Expect(at_least=1), False),
        (fs.Expect(at_least=0), fs.Expect(at_least=-1), True),
        (fs.Expect(at_most=1), fs.Expect(), True),
        (fs.Expect(absent_at_most=0.1), fs.Expect(absent_at_most=0.2), True),
        (fs.Expect(pattern="a"), fs.Expect(pattern="b"), True),
        (fs.Expect(fs.Int64), fs.Expect(fs.Float64), True),
        (fs.Expect(unique=True), fs.Expect(), True),
        (fs.Expect(unit="degF"), fs.Expect(unit="degC"), True),
        (fs.Expect(), fs.Expect(description="new"), None),
    ],
)
def test_what_breaks(before: fs.Expect, after: fs.Expect, breaking: bool | None) -> None:
    found = compare(fs.Contract({"x": before}), fs.Contract({"x": after}))
    assert [change.breaking for change in found] == ([] if breaking is None else [breaking])


@pytest.mark.parametrize(
    ("before", "after", "breaking"),
    [
        (fs.Contract(key=("a", "b")), fs.Contract(key=("a",)), False),
        (fs.Contract(key=("a",)), fs.Contract(key=("a", "b")), True),
        (fs.Contract(closed=True), fs.Contract(), True),
        (fs.Contract(volume=fs.Volume(5)), fs.Contract(volume=fs.Volume(6)), False),
        (fs.Contract(volume=fs.Volume(5, 9)), fs.Contract(volume=fs.Volume(5)), True),
        (
            fs.Contract(freshness=fs.Freshness("t", timedelta(hours=1))),
            fs.Contract(freshness=fs.Freshness("t", timedelta(hours=2))),
            True,
        ),
    ],
)
def test_what_breaks_of_the_whole(before: fs.Contract, after: fs.Contract, breaking: bool) -> None:
    assert [change.breaking for change in compare(before, after)] == [breaking]
    assert Contract.from_json(json.loads(json.dumps(before.to_json()))) == before
