"""The whole way: a source changes silently; the next snapshot says what, since when, and whom it reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import featurestore as fs
from featurestore.catalog import snapshots
from featurestore.cli.group import cli
from featurestore.errors import ConfigError, NotFoundError, RequestError
from featurestore.operations.detect import KIND, findings_of, record_findings
from featurestore.operations.run_profiles import RunProfiles

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 200


def board(hours: range = range(HOURS), *, empty: bool = False) -> pl.DataFrame:
    """Return ten flights an hour; most have no remark, which is null, or what stands for it."""
    drawn = np.random.default_rng(hours.start)
    rows = len(hours) * 10
    remarks = ["DELAYED" if x < 0.2 else "" if empty and x < 0.6 else None for x in drawn.random(rows)]
    return pl.DataFrame(
        {
            "flight": [flight for _ in hours for flight in range(10)],
            "seen_at": [START + timedelta(hours=hour) for hour in hours for _ in range(10)],
            "remark": remarks,
            "delay": np.round(drawn.normal(10, 5, rows), 1),
        },
        schema_overrides={"seen_at": pl.Datetime("us", "UTC")},
    )


FLIGHT = fs.Entity("flight", keys={"flight": fs.Int64})


def view(delay: str = "delay") -> fs.FeatureView:
    return fs.FeatureView(
        "board",
        entity=FLIGHT,
        source=fs.ParquetSource("feed", path="feed.parquet"),
        sql=f"select flight, seen_at, remark, {delay} as delay from feed",
        event_time="seen_at",
        on_violation="warn",
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FeatureStore]:
    monkeypatch.chdir(tmp_path)
    board().write_parquet("feed.parquet")
    with fs.open_store("store") as opened:
        opened.apply([view()])
        opened.materialize("board")
        yield opened


def live(store: fs.FeatureStore) -> None:
    spine = pl.DataFrame({"flight": [1, 2], "event_timestamp": [START + timedelta(days=2)] * 2})
    frame = store.get_training_frame(["board@v1:remark"], spine)
    store.register_model("delay", version="1", frame=frame)
    store.publish("board@v1")
    store.deploy("delay@1", endpoint="eta-prod")


def test_the_first_rows_have_nothing_to_be_compared_with(store: fs.FeatureStore) -> None:
    found = store.detect("board")
    assert (found.against, found.findings, found.blocking) == ((), (), False)
    assert "nothing to compare" in str(found)


def test_a_null_that_became_empty_is_named_with_whom_it_reaches(store: fs.FeatureStore) -> None:
    live(store)
    board(empty=True).write_parquet("feed.parquet")
    store.materialize("board")
    found = store.detect("board@v1")
    (finding,) = found.findings
    assert (finding.kind, finding.subject) == ("null_to_empty", "board@v1:remark")
    assert finding.amount == pytest.approx(0.4, abs=0.05)
    assert (finding.models, finding.endpoints) == (("delay@1",), ("eta-prod",))
    assert finding.blocking
    assert finding.since is not None
    assert found.against[0].startswith("snapshot ")
    assert "eta-prod" in str(found)


def test_the_command_says_so_and_ends_with_one(store: fs.FeatureStore) -> None:
    run = CliRunner()
    assert run.invoke(cli, ["detect", "board", "--store", "store"]).exit_code == 0
    board(empty=True).write_parquet("feed.parquet")
    store.materialize("board")
    told = run.invoke(cli, ["detect", "board", "--store", "store", "--json"])
    answer = json.loads(told.stdout)
    assert (told.exit_code, answer["blocking"]) == (1, True)
    assert answer["findings"][0]["kind"] == "null_to_empty"
    people = run.invoke(cli, ["detect", "board@v1", "--store", "store"])
    assert "from null to the empty string" in people.stdout


def test_a_finding_is_a_change_upstream_of_the_model(store: fs.FeatureStore) -> None:
    live(store)
    context = store._context
    with context.catalog.read() as connection:
        version = store.version("board")
        before = snapshots.head(connection, version)
    board(empty=True).write_parquet("feed.parquet")
    after = store.materialize("board")
    found = findings_of(context, version, after, before, RunProfiles(context, version))
    with context.catalog.write() as tx:
        record_findings(tx, version, after.id, found)
    told = [change for change in store.changes(upstream_of="delay@1") if change.kind == KIND]
    assert told
    assert all(change.subject == "feature/board@v1:remark" and change.read for change in told)
    assert told[-1].detail["finding"]["kind"] == "null_to_empty"
    assert told[-1].detail["finding"]["endpoints"] == ["eta-prod"]


def test_it_compares_with_what_is_named(store: fs.FeatureStore) -> None:
    live(store)
    first = store.snapshots("board@v1")[0]
    board(empty=True).write_parquet("feed.parquet")
    store.materialize("board")
    by_snapshot = store.detect("board", against=first.id)
    assert {finding.kind for finding in by_snapshot.findings} == {"null_to_empty"}
    assert len(by_snapshot.against) == 1
    assert store.detect("board", against="delay@1").against[0].startswith("training frame")
    with pytest.raises(NotFoundError):
        store.detect("boards")
    with pytest.raises(RequestError, match="endpoint"):
        store.detect("endpoint/eta-prod")


def test_another_version_is_compared_and_blocks_nothing(store: fs.FeatureStore) -> None:
    store.apply([view("delay * 60")])
    store.materialize("board@v2")
    found = store.detect("board@v2")
    (finding,) = found.findings
    assert (finding.kind, finding.subject) == ("unit_changed", "board@v2:delay")
    assert "minutes to seconds" in finding.text
    assert found.against == ("version board@v1",)
    assert not found.blocking


def test_a_window_is_compared_with_the_windows_of_its_season(store: fs.FeatureStore) -> None:
    board(range(24 * 8)).write_parquet("feed.parquet")
    store.apply([view()])
    days = [START + timedelta(days=day) for day in range(7)]
    store.materialize("board", end=days[1])
    for day in days[1:6]:
        store.materialize("board", start=day, end=day + timedelta(days=1))
    assert store.detect("board").findings == ()
    late = board(range(24 * 8)).filter((pl.col("seen_at") < days[6]) | (pl.col("flight") < 3))
    late.write_parquet("feed.parquet")
    store.materialize("board", start=days[6], end=days[6] + timedelta(days=1))
    found = store.detect("board")
    assert any("season" in name for name in found.against)
    assert "volume_dropped" in {finding.kind for finding in found.findings}


def test_checks_are_configured(store: fs.FeatureStore, tmp_path: Path) -> None:
    board(empty=True).write_parquet("feed.parquet")
    store.materialize("board")
    config = tmp_path / "featurestore.toml"
    for said, severity in (
        ('"board:remark"]\nnull_to_empty = "notice"', "notice"),
        ('board]\nnull_to_empty = "warning"', "warning"),
    ):
        config.write_text(f'store = "store"\n[checks.{said}\n')
        with fs.open_store(config) as own:
            (finding,) = own.detect("board").findings
            assert finding.severity == severity
    config.write_text('store = "store"\n[checks]\nnull_to_empty = "off"\nshifted = 0.9\n')
    with fs.open_store(config) as own:
        assert "null_to_empty" not in {finding.kind for finding in own.detect("board").findings}
    config.write_text('store = "store"\n[checks]\nnull_to_emtpy = "off"\n')
    with pytest.raises(ConfigError, match="null_to_empty"):
        fs.open_store(config)
