"""`featurestore export`: the outbox and the history leave through the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.story import call, done, told
from tests.integrations.receiver import Receiver, receiving
from tests.lineage.small import build


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    build(folder)
    return folder / "store"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as found:
        monkeypatch.setenv("FEATURESTORE_OPENLINEAGE_URL", found.url)
        monkeypatch.setenv("FEATURESTORE_OPENLINEAGE_LINGER", "30")
        yield found


def test_the_history_is_written_and_sent(place: Path, receiver: Receiver, tmp_path: Path) -> None:
    store = ("--store", str(place))
    assert told("export", "openlineage", "--to", str(tmp_path / "events.ndjson"), *store)["sent"] == 5
    lines = (tmp_path / "events.ndjson").read_text(encoding="utf-8").splitlines()
    assert done("export", "openlineage", "--to", "-", *store).splitlines() == lines
    assert told("export", "openlineage", "--since", "1d", *store) == {"sent": 5, "refused": 0, "waiting": 0}
    assert receiver.events == [json.loads(line) for line in lines]
    receiver.answers = [400]
    assert call("export", "openlineage", "--since", "1d", *store).code == 1


def test_what_waits_is_sent_when_the_server_is_back(place: Path, receiver: Receiver) -> None:
    store = ("--store", str(place))
    receiver.answers = [500] * 3
    done("deploy", "calm@1", "--endpoint", "eta-calm", *store)
    failed = call("export", "openlineage", *store)
    assert failed.code == 5
    assert "500" in failed.err
    receiver.answers = []
    assert told("export", "openlineage", *store)["sent"] == 1
    assert [event["job"]["name"] for event in receiver.events] == ["eta-calm.deploy"]


def test_nothing_to_send_to_is_a_matter_of_configuration(place: Path) -> None:
    assert call("export", "openlineage", "--store", str(place)).code == 2
