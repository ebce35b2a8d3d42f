"""What the store does is told as OpenLineage publishes it, and telling it neither fails nor delays it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import featurestore as fs
from featurestore.errors import ConfigError, SourceError, UnavailableError
from featurestore.integrations.openlineage import history, send_pending
from tests.integrations.published import check_event
from tests.integrations.receiver import Receiver, receiving
from tests.lineage.small import START, build

SPINE = pl.DataFrame({"origin": ["JFK"], "event_timestamp": [START], "delay": [1.0]})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Give a store that was built from nothing, and the events that it told of that into a file."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEATURESTORE_OPENLINEAGE_FILE", str(folder / "out" / "events.ndjson"))
        patch.setenv("FEATURESTORE_OPENLINEAGE_REPOSITORY", "https://git.example.com/met/features")
        patch.setenv("FEATURESTORE_OPENLINEAGE_LINGER", "30")
        build(folder)
        with fs.open_store(folder / "store") as store:
            store.publish("airport_weather@v1")
            store.undeploy("delay@1", endpoint="eta-prod")
    lines = (folder / "out" / "events.ndjson").read_text(encoding="utf-8").splitlines()
    return folder, [json.loads(line) for line in lines]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def toml(base: tuple[Path, object], receiver: Receiver, tmp_path: Path) -> Path:
    """Write the configuration of a copy of the store of `base`, which tells the receiver."""
    shutil.copytree(base[0] / "store", tmp_path / "store")
    path = tmp_path / "featurestore.toml"
    path.write_text(
        f'store = "store"\n[openlineage]\nurl = "{receiver.url}"\nnamespace = "prod"\ntoken = "s3cret"\nlinger = 30\n',
        encoding="utf-8",
    )
    return path


def facet(dataset: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = dataset["facets"][name]
    return found


def test_every_event_is_as_openlineage_publishes_it(base: tuple[Path, list[dict[str, Any]]]) -> None:
    _, events = base
    for event in events:
        check_event(event)
    assert [(event["eventType"], event["job"]["name"]) for event in events] == [
        ("START", "airport_weather@v1.materialize"),
        ("COMPLETE", "airport_weather@v1.materialize"),
        ("START", "airport_weather@v1.train"),
        ("COMPLETE", "airport_weather@v1.train"),
        ("COMPLETE", "delay.register"),
        ("COMPLETE", "calm.register"),
        ("COMPLETE", "eta-prod.deploy"),
        ("START", "airport_weather@v1.publish"),
        ("COMPLETE", "airport_weather@v1.publish"),
        ("COMPLETE", "eta-prod.undeploy"),
    ]
    runs = [event["run"]["runId"] for event in events]
    assert runs[0] == runs[1] != runs[2] == runs[3]
    assert len(set(runs)) == 7


def test_the_check_of_events_can_fail(base: tuple[Path, list[dict[str, Any]]]) -> None:
    for spoil in (
        {"eventTypes": "START"},
        {"eventType": "BEGIN"},
        {"job": {"name": "no namespace"}},
        {"outputs": [{"namespace": "n", "name": "n", "facets": {"version": {"_producer": "", "_schemaURL": "x"}}}]},
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_event({**base[1][0], **spoil})


def test_materialize_tells_schema_versions_and_columns(base: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = base
    event = events[1]
    (source,), (table,) = event["inputs"], event["outputs"]
    with fs.open_store(folder / "store", read_only=True) as store:
        (snapshot,) = store.snapshots("airport_weather@v1")
        commit = store.version("airport_weather@v1").code.commit
    assert (source["namespace"], source["name"]) == ("file", str(folder / "weather.parquet"))
    assert facet(source, "version")["datasetVersion"] == snapshot.sources[0].data_version
    assert facet(source, "documentation")["description"] == "Hourly weather"
    assert facet(source, "ownership")["owners"] == [{"name": "met", "type": "MAINTAINER"}]
    assert (table["namespace"], table["name"]) == ("featurestore", "airport_weather@v1")
    assert facet(table, "version")["datasetVersion"] == snapshot.id
    assert [field["name"] for field in facet(table, "schema")["fields"]] == ["origin", "time_hour", "temp", "wind"]
    columns = {
        (name, use["field"]): use["transformations"][0]["type"]
        for name, field in facet(table, "columnLineage")["fields"].items()
        for use in field["inputFields"]
    }
    assert columns["temp", "temp"] == columns["wind", "wind"] == "DIRECT"
    assert columns["temp", "origin"] == "INDIRECT"
    assert ("temp", "wind") not in columns
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 6
    job = event["job"]["facets"]
    assert job["sql"]["query"].startswith("select origin")
    if commit is not None:
        assert (job["sourceCodeLocation"]["version"], job["sourceCodeLocation"]["type"]) == (commit, "git")


def test_the_chain_leads_from_the_source_to_the_endpoint(base: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = base
    made = {out["name"]: event for event in events if event["eventType"] == "COMPLETE" for out in event["outputs"]}
    name, chain = "endpoint/eta-prod", []
    while name in made:
        chain.append(name)
        name = made[name]["inputs"][0]["name"]
    assert chain == ["endpoint/eta-prod", "model/delay", "training/airport_weather@v1", "airport_weather@v1"]
    assert name == str(folder / "weather.parquet")
    (model,) = made["model/delay"]["outputs"]
    assert list(facet(model, "columnLineage")["fields"]) == ["airport_weather__temp"]


def test_a_server_gets_the_events_with_the_token(
    toml: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with fs.open_store(toml) as store:
        assert "s3cret" not in repr(store.context.settings)
        store.get_training_frame(["airport_weather@v1:wind"], spine=SPINE)
    assert [(event["eventType"], event["job"]["namespace"]) for event in receiver.events] == [
        ("START", "prod"),
        ("COMPLETE", "prod"),
    ]
    assert receiver.paths == ["/api/v1/lineage"] * 2
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer s3cret"}
    assert not caplog.records


def test_what_fails_is_told_and_still_fails(toml: Path, receiver: Receiver, tmp_path: Path) -> None:
    broken = fs.FeatureView(
        "broken", entity=fs.Entity("airport", keys={"origin": fs.String}), event_time="time_hour",
        source=fs.ParquetSource("soon_gone", path=str(tmp_path / "gone.parquet")),
    )  # fmt: skip
    pl.DataFrame({"origin": ["JFK"], "time_hour": [START], "x": [1.0]}).write_parquet(tmp_path / "gone.parquet")
    with fs.open_store(toml) as store:
        store.apply([broken])
        (tmp_path / "gone.parquet").unlink()
        with pytest.raises(SourceError):
            store.materialize("broken")
    first, last = receiver.events
    for event in receiver.events:
        check_event(event)
    assert (first["eventType"], last["eventType"]) == ("START", "FAIL")
    assert first["run"]["runId"] == last["run"]["runId"]
    assert last["run"]["facets"]["errorMessage"]["message"].startswith("SourceError: ")


def test_a_server_that_is_down_loses_nothing_and_fails_nothing(
    toml: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [503]
    with fs.open_store(toml) as store:
        store.get_training_frame(["airport_weather@v1:temp"], spine=SPINE)
    assert "events of OpenLineage wait" in caplog.text
    assert "s3cret" not in caplog.text
    receiver.answers, told = [], len(receiver.events)
    with fs.open_store(toml) as store:
        answer = send_pending(store)
        assert (answer.sent + told, answer.waiting) == (2, 0)
    assert [event["eventType"] for event in receiver.events] == ["START", "COMPLETE"]


@pytest.mark.parametrize("status", [401, 404, 429, 302, 500])
def test_an_answer_about_the_configuration_keeps_events(toml: Path, receiver: Receiver, status: int) -> None:
    receiver.answers = [status] * 10
    with fs.open_store(toml) as store:
        store.deploy("delay@1", endpoint=f"eta-{status}")
        with pytest.raises(UnavailableError, match=str(status)):
            send_pending(store)
        assert "/elsewhere" not in receiver.paths
        receiver.answers = []
        assert send_pending(store).waiting == 0
    assert [event["job"]["name"] for event in receiver.events] == [f"eta-{status}.deploy"]


def test_an_event_that_is_refused_does_not_hold_up_the_next(toml: Path, receiver: Receiver) -> None:
    receiver.answers = [422]
    with fs.open_store(toml) as store:
        store.deploy("delay@1", endpoint="eta-refused")
        store.deploy("delay@1", endpoint="eta-taken")
        place = store.root / "openlineage" / "refused"
    assert [event["job"]["name"] for event in receiver.events] == ["eta-taken.deploy"]
    (kept,) = place.glob("*.json")
    assert json.loads(kept.read_text(encoding="utf-8"))["job"]["name"] == "eta-refused.deploy"
    assert "422" in kept.with_suffix(".txt").read_text(encoding="utf-8")


def test_a_server_that_hangs_delays_nothing(toml: Path, receiver: Receiver) -> None:
    receiver.open.clear()
    toml.write_text(toml.read_text(encoding="utf-8").replace("linger = 30", "linger = 0"), encoding="utf-8")
    with fs.open_store(toml) as store:
        store.deploy("delay@1", endpoint="eta-hanging")
        assert receiver.asked.wait(30)
        store.undeploy("delay@1", endpoint="eta-hanging")
    assert receiver.events == []
    receiver.open.set()


def test_an_outbox_that_cannot_be_written_fails_nothing(
    toml: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setattr("featurestore.integrations.openlineage.listener.FOLDER", str(tmp_path / "file" / "outbox"))
    with fs.open_store(toml) as store:
        assert store.deploy("delay@1", endpoint="eta-unwritten").endpoint == "eta-unwritten"
    assert "is not told to OpenLineage" in caplog.text
    assert receiver.events == []


def test_a_script_that_never_closes_its_store_tells_too(toml: Path, receiver: Receiver) -> None:
    code = "import sys, featurestore as fs; fs.open_store(sys.argv[1]).deploy('delay@1', endpoint='eta-script')"
    done = subprocess.run([sys.executable, "-c", code, str(toml)], env=os.environ, check=False, timeout=60)
    assert done.returncode == 0
    assert [event["job"]["name"] for event in receiver.events] == ["eta-script.deploy"]


def test_the_past_is_told_to_a_new_receiver(base: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = base
    with fs.open_store(folder / "store", read_only=True) as store:
        told = list(history(store))
        assert [event["run"]["runId"] for event in history(store)] == [
            event["run"]["runId"] for event in history(store)
        ]
    for event in told:
        check_event(event)
    completed = [event for event in events if event["eventType"] == "COMPLETE"]
    names = [event["job"]["name"] for event in told]
    assert [event["job"]["name"] for event in completed] == names
    assert [out["facets"] for out in told[0]["outputs"]] == [out["facets"] for out in completed[0]["outputs"]]


def test_without_a_place_nothing_is_told(base: tuple[Path, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEATURESTORE_OPENLINEAGE_FILE", raising=False)
    with fs.open_store(base[0] / "store") as store, pytest.raises(ConfigError, match="nothing says where"):
        send_pending(store)
    code = (
        "import sys, featurestore as fs; fs.open_store(sys.argv[1]).views();"
        "print([name for name in sys.modules if name.startswith('featurestore.integrations')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(base[0] / "store")], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('url = "ftp://host"', "url"),
        ('url = "http://user:pass@host"', "not allowed"),
        ('url = "http://host"\nfile = "x"', "one of them"),
        ('urll = "http://host"', "urll"),
        ("timeout = 0", "timeout"),
        ("token = 5", "token"),
    ],
)
def test_settings_are_checked_and_secrets_not_repeated(tmp_path: Path, table: str, says: str) -> None:
    path = tmp_path / "featurestore.toml"
    path.write_text(f"[openlineage]\n{table}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        fs.open_store(path)
    assert says in str(raised.value)
    assert "pass" not in str(raised.value)
