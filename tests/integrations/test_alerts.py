"""Alerts: what is wrong with the data is told to a real webhook and to a real command, once, and nothing else is."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

import featurestore as fs
from featurestore.errors import ConfigError
from featurestore.model.finding import Finding
from featurestore.operations.detect import record_findings
from tests.integrations.receiver import receiving

START = datetime(2024, 1, 1, tzinfo=UTC)
TAKE = "import sys; open('alerts.ndjson', 'ab').write(sys.stdin.buffer.read() + b'\\n')"


def view(codes: list[str | None]) -> fs.FeatureView:
    table = pa.table({"k": pa.array(range(len(codes)), pa.int64()), "code": pa.array(codes, pa.string())})
    return fs.FeatureView(
        "codes",
        entity=fs.Entity("thing", keys={"k": fs.Int64}),
        source=fs.ArrowSource(
            "rows", table=table, contract=fs.Contract({"code": fs.Expect(fs.String, nullable=False)})
        ),
    )


def configured(folder: Path, **settings: object) -> Path:
    toml = folder / "featurestore.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    toml.write_text("\n".join(['store = "store"', "[alerts]", *lines]))
    return toml


def test_quarantine_is_told_and_what_is_well_is_not(tmp_path: Path) -> None:
    with receiving() as receiver:
        toml = configured(tmp_path, url=f"{receiver.url}/hook", token="secret", linger=30.0)
        with fs.open_store(toml) as store:
            store.apply([view(["a", "b"])])
            store.materialize("codes@v1")
            store.apply([view(["a", None])])
            store.materialize("codes@v1")
            assert "secret" not in repr(store.context.settings)
    (alert,) = receiver.events
    assert receiver.paths == ["/hook"]
    assert receiver.headers[0]["Authorization"] == "Bearer secret"
    assert (alert["severity"], alert["kind"], alert["subject"]) == ("blocking", "quarantined", "codes@v1")
    assert alert["text"].startswith("blocking: codes@v1")
    assert alert["detail"]["reasons"]


def test_findings_are_told_from_the_severity_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toml = configured(tmp_path, command=[sys.executable, "-c", TAKE], severity="blocking", timeout=60.0, linger=60.0)
    with fs.open_store(toml) as store:
        store.apply([view(["a", "b"])])
        snapshot = store.materialize("codes@v1")
        with store.context.catalog.write() as tx:
            found = [
                Finding("shifted", "codes@v1:code", "moved", 0.4, "warning"),
                Finding("emptied", "codes@v1:code", "emptied", 0.4, "blocking", models=("m@1",), endpoints=("e",)),
            ]
            record_findings(tx, store.version("codes@v1"), snapshot.id, found)
    (alert,) = map(json.loads, Path("alerts.ndjson").read_text().splitlines())
    assert (alert["kind"], alert["models"], alert["endpoints"]) == ("emptied", ["m@1"], ["e"])


def test_what_cannot_be_told_waits_and_holds_nothing_up(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.answers = [503]
        toml = configured(tmp_path, url=receiver.url, linger=30.0)
        with fs.open_store(toml) as store:
            store.apply([view(["a", None])])
            store.materialize("codes@v1")
        assert receiver.events == []
        assert len(list((tmp_path / "store" / "alerts").glob("*.json"))) == 1
        with fs.open_store(toml) as store:
            store.apply([view(["a", None, None])])
            store.materialize("codes@v1")
        assert len(receiver.events) == 2


def test_a_command_that_fails_keeps_what_it_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no thanks')"]
    with fs.open_store(configured(tmp_path, command=command, timeout=60.0, linger=60.0)) as store:
        store.apply([view(["a", None])])
        store.materialize("codes@v1")
    (reason,) = (tmp_path / "store" / "alerts" / "refused").glob("*.txt")
    assert "no thanks" in reason.read_text()


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"severity": "loud"}, "severity"), ({"url": "ftp://x"}, "url"), ({"uri": "http://x"}, "unknown key 'uri'")],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        fs.open_store(configured(tmp_path, **settings))
