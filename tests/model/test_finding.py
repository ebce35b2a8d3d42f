from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from featurestore.errors import DefinitionError
from featurestore.model.finding import BLOCKING, KINDS, Finding, checks_of, read_checks


def test_a_finding_survives_json() -> None:
    finding = Finding(
        "null_to_empty",
        "board@v1:remark",
        "2% of rows went from null to the empty string",
        0.02,
        BLOCKING,
        {"nulls_before": 0.6},
        "snapshot 9f2c",
        datetime(2024, 1, 1, tzinfo=UTC),
        ("nulls_fell",),
        ("delay@1",),
        ("eta",),
    )
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding
    assert finding.blocking
    assert str(finding).endswith("-> delay@1, eta")


@pytest.mark.parametrize(
    ("said", "at", "severity"),
    [
        ("off", KINDS["spike"].at, "off"),
        (False, KINDS["spike"].at, "off"),
        ("blocking", KINDS["spike"].at, "blocking"),
        (0.3, 0.3, KINDS["spike"].severity),
        ({"at": 0.2, "severity": "notice"}, 0.2, "notice"),
    ],
)
def test_checks_are_read(said: object, at: float, severity: str) -> None:
    check = checks_of(read_checks({"spike": said}, where="feature 'temp'"))["spike"]
    assert (check.at, check.severity, check.wanted) == (at, severity, severity != "off")


def test_the_last_layer_wins() -> None:
    store, feature = ({"spike": said} for said in ({"at": 0.5, "severity": "notice"}, {"at": 0.1}))
    check = checks_of(store, feature)["spike"]
    assert (check.at, check.severity) == (0.1, "notice")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"spikes": "off"}, "Did you mean 'spike'"),
        ({"spike": "loud"}, "severity 'loud'"),
        ({"spike": True}, "write 'off'"),
        ({"spike": -1}, "0 or more"),
        ({"spike": {"least": 1}}, "write 'off'"),
        ({"spike": {}}, "write 'off'"),
        ("spike", "write a mapping"),
    ],
)
def test_what_cannot_be_read_is_an_error(said: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        read_checks(said, where="feature 'temp'")
