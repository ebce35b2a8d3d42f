"""`featurestore link`, and the questions that go through what was linked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.story import call, done, told
from tests.lineage.small import build

JOB = "job/airflow/daily.load"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linked")
    build(folder)
    return folder / "store"


def test_a_link_is_told_and_asked_for(place: Path) -> None:
    store = ("--store", str(place))
    answer = told("link", JOB, "weather", "--reason", "nightly", *store)
    assert (answer["upstream"], answer["downstream"], answer["kind"]) == (JOB, "source/weather", "feeds")
    assert (answer["reason"], answer["new"]) == ("nightly", True)
    assert told("link", JOB, "weather", *store)["new"] is False
    assert JOB.replace("/", " ", 1) in done("lineage", "delay@1", "--up", *store)
    assert "eta-prod" in done("consumers", JOB, "--live", *store)
    (change,) = [change for change in told("changes", "--upstream-of", "delay@1", *store) if change["kind"] == "linked"]
    assert (change["reason"], change["detail"]["upstream"]) == ("nightly", JOB)


def test_what_cannot_be_linked_has_its_exit_code(place: Path) -> None:
    store = ("--store", str(place))
    assert call("link", "delay@1", "weather", *store).code == 1
    unknown = call("link", JOB, "weathr", *store)
    assert unknown.code == 3
    assert "weather" in unknown.err
