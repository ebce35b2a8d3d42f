"""What a model was served against what it was trained on: states, values, and the offline join of the same rows."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import featurestore as fs
from featurestore.cli.group import cli
from featurestore.errors import NotFoundError
from featurestore.model.status import Status
from featurestore.online.lookup import Asked
from featurestore.operations.comparison import Verdict
from featurestore.operations.skew import ColumnSkew, Skew
from featurestore.serving.answer_log import AnswerLog

START = datetime(2024, 1, 1, tzinfo=UTC)
STATIONS = 300
PUBLISHED = START + timedelta(days=10)
AT = PUBLISHED + timedelta(minutes=5)


def rows(days: Iterable[int], factor: float = 1.0) -> pa.Table:
    draw = np.random.default_rng(7)
    return pa.concat_tables(
        pa.table(
            {
                "k": pa.array(range(STATIONS), pa.int64()),
                "seen": pa.array([START + timedelta(days=day)] * STATIONS, pa.timestamp("us", "UTC")),
                "wind": pa.array(draw.normal(10, 3, STATIONS) * factor, mask=np.arange(STATIONS) % 20 == 0),
            }
        )
        for day in days
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the readings, and a store in which a model of them is live."""
    folder = tmp_path_factory.mktemp("skew")
    (folder / "readings").mkdir()
    pq.write_table(rows(range(10)), folder / "readings" / "0.parquet")
    view = fs.FeatureView(
        "weather",
        entity=fs.Entity("station", keys={"k": fs.Int64}),
        source=fs.ParquetSource("readings", path="readings/*.parquet"),
        event_time="seen",
        ttl=timedelta(days=5),
    )
    times = [START + timedelta(days=day, hours=1) for day in (2, 4, 6, 8)]
    spine = pa.table(
        {
            "k": pa.array([*range(STATIONS)] * 4, pa.int64()),
            "event_timestamp": pa.array([time for time in times for _ in range(STATIONS)], pa.timestamp("us", "UTC")),
        }
    )
    with contextlib.chdir(folder), fs.open_store("store") as store:
        store.apply([view])
        store.materialize("weather@v1")
        store.publish("weather@v1", at=PUBLISHED)
        frame = store.get_training_frame(["weather@v1"], spine)
        store.register_model("delay", version="1", frame=frame)
        store.deploy("delay@1", endpoint="eta")
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FeatureStore]:
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "world"))
    with fs.open_store("store") as store:
        yield store


def serve(store: fs.FeatureStore, keys: Iterable[int | None], at: datetime = AT, **asked: Any) -> None:  # noqa: ANN401
    """Answer as a server does that keeps everything, in calls of a hundred rows."""
    wanted = [*keys]
    log = AnswerLog(store.root, 1.0, most_bytes=1 << 30)
    question = Asked(**(asked or {"model": "delay@1"}))
    for start in range(0, len(wanted), 100):
        entities = {"k": pa.array(wanted[start : start + 100], pa.int64())}
        log.offer(question, entities, store.read_online(question, entities, at))
    log.close()
    assert log.written == len(wanted)


def wind(found: Skew) -> ColumnSkew:
    (column,) = found.columns
    assert column.name == "weather__wind"
    assert column.reference == "weather@v1:wind"
    return column


def verdicts(column: ColumnSkew) -> dict[Verdict, int]:
    assert column.replay is not None
    return {verdict: number for verdict, number in column.replay.counts.items() if number}


def test_a_model_that_is_served_what_it_was_trained_on(store: fs.FeatureStore) -> None:
    serve(store, range(STATIONS))
    found = store.skew("delay@1")
    column = wind(found)
    assert (found.rows, found.first, found.last) == (STATIONS, AT, AT)
    assert column.trained == column.served == {
        Status.PRESENT: 0.95, Status.NULL: 0.05, Status.NOT_FOUND: 0, Status.EXPIRED: 0
    }  # fmt: skip
    assert verdicts(column) == {Verdict.EQUAL: STATIONS}
    assert not found.skewed
    assert "as trained" in str(found)


def test_states_that_training_never_saw(store: fs.FeatureStore) -> None:
    serve(store, [*range(STATIONS), *[10_000] * 100])
    serve(store, range(STATIONS), AT + timedelta(days=30))
    column = wind(store.skew("delay@1"))
    assert column.served[Status.NOT_FOUND] == 100 / 700
    assert column.served[Status.EXPIRED] == 300 / 700
    assert set(column.states_moved) == {Status.PRESENT, Status.NULL, Status.NOT_FOUND, Status.EXPIRED}
    assert verdicts(column) == {Verdict.EQUAL: 700}  # offline says the same of these keys and times
    assert column.skewed


def test_values_that_training_never_saw_are_named(store: fs.FeatureStore) -> None:
    pq.write_table(rows([10], factor=3.6), "readings/1.parquet")
    store.materialize("weather@v1")
    store.publish("weather@v1", at=PUBLISHED + timedelta(days=1))
    serve(store, range(STATIONS), AT + timedelta(days=1))
    column = wind(store.skew("delay@1"))
    assert "unit_changed" in {finding.kind for finding in column.findings}
    assert column.states_moved == ()
    assert verdicts(column) == {Verdict.EQUAL: STATIONS}


def test_rows_that_came_late_are_told_apart_from_those_that_wait_for_a_publish(store: fs.FeatureStore) -> None:
    serve(store, range(STATIONS))
    late = rows([9]).slice(0, 30)
    moved = late.set_column(1, "seen", pa.array([PUBLISHED - timedelta(hours=1)] * 30, pa.timestamp("us", "UTC")))
    newer = rows([9]).slice(100, 50)
    newer = newer.set_column(1, "seen", pa.array([PUBLISHED + timedelta(minutes=1)] * 50, pa.timestamp("us", "UTC")))
    pq.write_table(pa.concat_tables([moved, newer]), "readings/1.parquet")
    store.materialize("weather@v1")
    found = store.skew("delay@1")
    assert verdicts(wind(found)) == {
        Verdict.DIFFERING: 30, Verdict.NEWER_OFFLINE: 50, Verdict.EQUAL: STATIONS - 80
    }  # fmt: skip
    assert found.skewed
    assert "differing at k=" in str(found)


def test_what_is_compared_is_chosen_by_time_and_endpoint(store: fs.FeatureStore) -> None:
    serve(store, range(10))
    serve(store, range(20), AT + timedelta(hours=1), endpoint="eta")
    assert store.skew("delay@1").rows == 30
    assert store.skew("delay@1", until=AT + timedelta(minutes=1)).rows == 10
    assert store.skew("delay@1", since=AT + timedelta(minutes=1)).rows == 20
    assert store.skew("delay@1", endpoint="eta").rows == 20
    with pytest.raises(NotFoundError, match="no answers to delay@1 are kept for that time by endpoint 'other'"):
        store.skew("delay@1", endpoint="other")
    with pytest.raises(NotFoundError, match="log_answers"):
        store.skew("delay@1", since=AT + timedelta(days=1))
    with pytest.raises(NotFoundError, match="delay@2"):
        store.skew("delay@2")


def test_the_command_says_so_by_its_exit_code(store: fs.FeatureStore) -> None:
    serve(store, range(STATIONS))
    same = CliRunner().invoke(cli, ["skew", "delay@1", "--store", "store", "--json"])
    assert same.exit_code == 0, same.output
    assert json.loads(same.stdout)["skewed"] is False
    serve(store, [10_000] * 100)
    other = CliRunner().invoke(cli, ["skew", "delay@1", "--store", "store"])
    assert other.exit_code == 1
    assert "SKEWED" in other.output
