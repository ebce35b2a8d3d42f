"""Contracts as Open Data Contract Standard YAML: what is written is valid, what is read is what was written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

import featurestore as fs
from featurestore.integrations import odcs
from featurestore.model.types import FeatureType

WEATHER = """\
apiVersion: v3.1.0
kind: DataContract
id: 2f5f2b6e-weather
name: Weather of the airports
version: 2.1.0
status: active
domain: operations
description:
  purpose: Hourly weather, one row for each airport and hour.
  limitations: None of the sea.
team:
  name: data-team
  description: On call at all hours.
servers:
  - server: lake
    type: s3
    location: s3://lake/weather/*.parquet
schema:
  - name: weather
    physicalType: table
    description: The table.
    properties:
      - name: origin
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        logicalTypeOptions: {pattern: "[A-Z]{3}"}
        quality:
          - metric: invalidValues
            arguments: {validValues: [EWR, JFK, "NO"]}
            mustBe: 0
      - name: hour
        physicalName: time_hour
        logicalType: timestamp
        primaryKey: true
        primaryKeyPosition: 2
        businessName: Hour of the observation
      - name: temp
        logicalType: number
        physicalType: DOUBLE
        logicalTypeOptions: {minimum: -60, maximum: 130, exclusiveMaximum: 200}
        customProperties:
          - {property: unit, value: degF}
          - {property: sensor, value: Pt100}
        quality:
          - metric: missingValues
            arguments: {missingValues: [null]}
            mustBeLessOrEqualTo: 5
            unit: percent
          - type: sql
            query: select count(*) from {object} where {property} > 200
            mustBe: 0
      - name: remark
        logicalType: string
        classification: restricted
        tags: [free text]
    quality:
      - metric: rowCount
        mustBeBetween: [60, 80]
        customProperties:
          - {property: windowColumn, value: time_hour}
          - {property: window, value: 1d}
slaProperties:
  - {property: freshness, value: 6, unit: h, element: weather.time_hour}
  - {property: retention, value: 3, unit: y}
price: {priceAmount: 1, priceCurrency: EUR}
"""


def valid(text: str) -> None:
    """Hold a document against the schema that the standard publishes."""
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    errors = [
        f"{list(error.path)}: {error.message}"
        for error in Draft201909Validator(schema).iter_errors(yaml.safe_load(text))
    ]
    assert errors == []


def one(text: str) -> fs.Contract:
    (contract,) = odcs.loads(text).contracts.values()
    return contract


def test_a_document_is_read() -> None:
    valid(WEATHER)
    read = odcs.loads(WEATHER, file="weather.yaml")
    contract = read.contracts["weather"]
    assert dict(contract.columns) == {
        "origin": fs.Expect(fs.String, nullable=False, pattern="[A-Z]{3}", allowed=("EWR", "JFK", "NO")),
        "time_hour": fs.Expect(fs.Timestamp),
        "temp": fs.Expect(fs.Float64, at_least=-60, at_most=130, unit="degF", absent=None, absent_at_most=0.05),
        "remark": fs.Expect(fs.String, sensitive=True),
    }
    assert contract.key == ("origin", "time_hour")
    assert contract.freshness == fs.Freshness("time_hour", timedelta(hours=6))
    assert contract.volume == fs.Volume(60, 80, column="time_hour", every=timedelta(days=1))
    assert (contract.owner, contract.description) == ("data-team", "Hourly weather, one row for each airport and hour.")
    assert read.notes == (
        "weather.yaml:42: schema[0].properties[2].logicalTypeOptions.exclusiveMaximum is kept, not checked.",
        "weather.yaml:51: schema[0].properties[2].quality[1] this sql rule is kept, not checked.",
    )


def test_what_the_standard_says_beside_is_given_back() -> None:
    contract = one(WEATHER)
    stored = fs.Contract.from_json(json.loads(json.dumps(contract.to_json())))
    text = odcs.dumps({"weather": stored})
    valid(text)
    before, after = yaml.safe_load(WEATHER), yaml.safe_load(text)
    assert one(text) == contract
    for key in before:
        if key not in {"schema", "slaProperties"}:
            assert after[key] == before[key], key
    (old,), (new,) = before["schema"], after["schema"]
    assert {key: new[key] for key in ("physicalType", "description")} == {
        key: old[key] for key in ("physicalType", "description")
    }
    for was, now in zip(old["properties"], new["properties"], strict=True):
        kept = ("name", "physicalName", "businessName", "classification", "tags")
        assert {key: was[key] for key in kept if key in was} == {key: now[key] for key in kept if key in now}
    temp = new["properties"][2]
    assert {"property": "sensor", "value": "Pt100"} in temp["customProperties"]
    assert temp["logicalTypeOptions"]["exclusiveMaximum"] == 200
    assert [rule.get("type") for rule in temp["quality"]] == [None, "sql"]
    assert {"property": "retention", "value": 3, "unit": "y"} in after["slaProperties"]


def test_our_rules_survive() -> None:
    contract = fs.Contract(
        {
            "a": fs.Expect(fs.String, absent=("", None), absent_at_most=0.25, longest=5, shortest=1, unique=True),
            "b": fs.Expect(fs.Int64, absent=-1, allowed=(-1, 0, 1), description="b"),
            "c": fs.Expect(fs.Decimal(10, 2), nullable=False),
            "d": fs.Expect(fs.Date, at_least=date(2013, 1, 1), at_most=date(2014, 1, 1)),
            "e": fs.Expect(fs.Timestamp, at_least=datetime(2013, 1, 1, tzinfo=UTC)),
            "f": fs.Expect(fs.Embedding(3)),
            "g": fs.Expect(fs.List(fs.Int32), sensitive=True),
            "h": fs.Expect(absent_at_most=0.01),
        },
        key=("a", "b"),
        volume=fs.Volume(1),
        freshness=fs.Freshness("e", timedelta(minutes=90)),
        closed=True,
        owner="us",
        description="of all kinds",
    )
    text = odcs.dumps({"kinds": contract})
    valid(text)
    assert one(text) == contract
    keyed = fs.Contract(key=("k", "t"))
    assert one(odcs.dumps({"keyed": keyed})) == keyed


def test_several_sources_are_one_document() -> None:
    contracts = {"a": fs.Contract({"x": fs.Expect(fs.Int32)}), "b": fs.Contract({"y": fs.Expect(fs.Bool)}, closed=True)}
    text = odcs.dumps(contracts)
    valid(text)
    assert odcs.loads(text).contracts == contracts


TYPES = st.sampled_from(
    [fs.Int32, fs.Int64, fs.Float32, fs.Float64, fs.Bool, fs.String, fs.Bytes, fs.Date, fs.Timestamp]
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)


@st.composite
def expectations(draw: st.DrawFn) -> fs.Expect:
    type_: FeatureType = draw(TYPES)
    values: Any = {"String": TEXTS, "Bool": st.booleans(), "Int32": st.integers(-9, 9), "Int64": st.integers(-9, 9)}
    value = values.get(type_.kind)
    rules: dict[str, Any] = {"nullable": draw(st.booleans()), "unique": draw(st.booleans()), "unit": draw(TEXTS)}
    if value is not None:
        rules["allowed"] = draw(st.none() | st.lists(value, min_size=1, max_size=3).map(tuple))
        rules["absent"] = draw(st.just(()) | st.lists(st.none() | value, min_size=1, max_size=2).map(tuple))
    if rules.get("absent"):
        rules["absent_at_most"] = draw(st.none() | st.sampled_from([0.0, 0.125, 0.5]))
    if type_.kind == "Float64":
        rules["at_least"] = draw(st.none() | st.floats(-1e6, 0))
    return fs.Expect(type_, **rules)


@given(st.dictionaries(st.sampled_from("abc"), expectations(), min_size=1))
def test_any_contract_survives(columns: dict[str, fs.Expect]) -> None:
    contract = fs.Contract(columns, key=sorted(columns)[:1])
    text = odcs.dumps({"any": contract})
    assert one(text) == contract
    assert fs.Contract.from_json(json.loads(json.dumps(contract.to_json()))) == contract


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: DataContract\n", "", r"weather.yaml:1: kind is missing"),
        ("v3.1.0", "v2.2.2", r"weather.yaml:1: apiVersion is v2.2.2: version 3 of the standard is read"),
        ("version: 2.1.0", "version: 2.1", r"weather.yaml:5: version is a text, and YAML reads .* 2.1: put it in"),
        ('"NO"', "NO", r"weather.yaml:31: .*validValues\[2\] is a text, and YAML reads .* false: put it in"),
        ("logicalType: number", "logicalType: numeric", r"weather.yaml:40: .*logicalType is 'numeric'. Did you mean"),
        ("minimum: -60", "minimum: low", r"weather.yaml:42: .*minimum is 'low': write a number"),
        ("required: true", "required: 1", r"weather.yaml:25: .*required is 1: write true or false"),
        ("metric: rowCount", "metric: rows", r"weather.yaml:59: .*metric is 'rows'"),
        ("mustBe: 0\n", "mustBe: 0\n            mustNotBe: 1\n", r"weather.yaml:30: .* has 2 operators: write one"),
        ("status: active\n", "status: active\nstatus: draft\n", r"weather.yaml:7: the key 'status' stands twice"),
        ("servers:\n", "servers: [\n", r"weather.yaml:\d+: this is no YAML"),
        ("name: temp", "name: origin", r"weather.yaml:39: .*name stands twice, 'origin'"),
        ("{minimum: -60, maximum", "{minimum: 200, maximum", r"weather.yaml:\d+: .*a range that holds nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_line_and_rule(old: str, new: str, said: str) -> None:
    assert old in WEATHER
    with pytest.raises(fs.DefinitionError, match=said):
        odcs.loads(WEATHER.replace(old, new, 1), file="weather.yaml")


def test_an_empty_file_and_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(fs.DefinitionError, match="the document is empty"):
        odcs.loads("")
    (tmp_path / "weather.yaml").write_text(WEATHER)
    with pytest.raises(fs.NotFoundError, match=r"Did you mean 'weather.yaml'"):
        odcs.load(tmp_path / "wether.yaml")
    assert odcs.load(tmp_path / "weather.yaml").contracts
