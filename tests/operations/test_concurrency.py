"""Real processes that change one store at once end in a state that some serial order explains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from tests.operations.conftest import ViewMaker, hour

PROGRAM = """
import sys
from datetime import timedelta
import featurestore as fs
from tests.operations.conftest import AIRPORT, hour
who, what = int(sys.argv[1]), sys.argv[2]

def view(wind):
    source = fs.ParquetSource("weather", path="weather/*.parquet")
    return fs.FeatureView("airport_weather", entity=AIRPORT, source=source,
        sql=f"select origin, time_hour, temp, {wind} as wind from weather", event_time="time_hour")

with fs.open_store("store") as store:
    for turn in range(3):
        if what == "apply":
            store.apply([view(f"wind + {who * 10 + turn}")])
        elif what == "materialize":
            start = (who * 3 + turn) * 8
            store.materialize("airport_weather@v1", start=hour(start), end=hour(start + 8))
        elif what == "activate":
            store.activate(f"airport_weather@v{1 + (who + turn) % 2}", reason=f"{who}.{turn}")
"""


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite"
    return str(request.getfixturevalue("postgres_catalog"))


def run_at_once(folder: Path, what: str, processes: int = 2) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(who), what],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in range(processes)
    ]
    for process in started:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors


def test_applying_at_once(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view(ttl=None)])
    run_at_once(folder, "apply")
    versions = store.versions("airport_weather")
    assert [version.number for version in versions] == list(range(1, 8))
    assert len({version.fingerprint for version in versions}) == 7


def test_materializing_at_once(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view(ttl=None)])
    run_at_once(folder, "materialize")
    head = store.snapshots("airport_weather@v1")[-1]
    table = pl.concat(pl.DataFrame(pq.read_table(store.root / file.path)) for file in head.files)
    hours = table["time_hour"].unique().sort().to_list()
    assert head.rows == 96
    assert hours == [hour(number) for number in range(48)]


def test_activating_at_once(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view("wind + 1", ttl=None)])
    store.apply([view("wind + 2", ttl=None)])
    run_at_once(folder, "activate")
    moves = store.activations("airport_weather")
    for below, move in zip([None, *moves], moves, strict=False):
        assert move.below == (below and below.id), "each move saw the one before it"


def test_a_conflicting_commit_is_refused(store: fs.FeatureStore, view: ViewMaker) -> None:
    from featurestore.catalog import snapshots, versions

    store.apply([view()])
    store.materialize("airport_weather")
    catalog = store._context.catalog
    with pytest.raises(fs.ConflictError, match="materialized by another process"), catalog.write() as tx:
        snapshots.require_head(tx.connection, store.version("airport_weather"), None)
    with pytest.raises(fs.ConflictError, match="applied by another process"), catalog.write() as tx:
        versions.require_current(tx.connection, "airport_weather", None)


CRASH = """
import os, signal
import featurestore as fs
from featurestore.operations import materialize
materialize._commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with fs.open_store("store") as store:
    store.materialize("airport_weather@v1", start="2013-07-02", end="2013-07-03")
"""


def test_a_crash_between_iceberg_and_catalog_is_not_inherited(
    store: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    store.apply([view()])
    before = store.materialize("airport_weather", end=hour(24))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    crashed = subprocess.run([sys.executable, "-c", CRASH], cwd=folder, env=environment, check=False)
    assert crashed.returncode == -signal.SIGKILL
    assert [snapshot.id for snapshot in store.snapshots("airport_weather")] == [before.id]

    after = store.materialize("airport_weather", start=hour(24), end=hour(48))
    assert after.rows == 96
    catalog = SqlCatalog("featurestore", uri=f"sqlite:///{store.root / 'iceberg.db'}", warehouse=str(store.root))
    assert catalog.load_table(("airport_weather", "v1")).scan().to_arrow().num_rows == 96
