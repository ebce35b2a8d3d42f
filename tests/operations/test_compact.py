"""Compact: one run of many, with the same rows, the same winners, and nobody else touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import featurestore as fs
from featurestore.catalog import schema
from featurestore.model.definition import Definition
from featurestore.model.snapshot import DataFile
from featurestore.offline import merge
from featurestore.offline.runs import write_run
from tests.operations.conftest import AIRPORT, ViewMaker, hour, weather
from tests.operations.test_rows import rows


def materialize_in_windows(store: fs.FeatureStore, hours: int = 8) -> None:
    for start in range(0, 48, hours):
        store.materialize("airport_weather", start=hour(start), end=hour(start + hours))


@pytest.fixture
def many(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view(ttl=None)])
    materialize_in_windows(store)
    return store


def test_the_runs_become_one_with_the_same_rows(many: fs.FeatureStore) -> None:
    before = many.snapshots("airport_weather")[-1]
    after = many.compact("airport_weather@v1")
    assert (len(before.runs), len(after.runs)) == (6, 1)
    assert (after.runs[0].start, after.runs[0].end) == (before.runs[0].start, before.runs[-1].end)
    assert after.id != before.id
    assert after.iceberg_snapshot_id != before.iceberg_snapshot_id
    assert rows(many, after).equals(rows(many, before))
    assert rows(many, after).height == 96
    assert many.snapshots("airport_weather")[-1].id == after.id


def test_one_run_is_left_alone(many: fs.FeatureStore) -> None:
    first = many.compact("airport_weather")
    told = len(many.changes())
    assert many.compact("airport_weather") == first
    assert len(many.changes()) == told


def test_without_rows_there_is_nothing_to_compact(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    with pytest.raises(fs.NotMaterializedError, match="materialize airport_weather@v1"):
        store.compact("airport_weather")


def test_windows_without_rows_are_compacted_too(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    for start in (100, 110):
        store.materialize("airport_weather", start=hour(start), end=hour(start + 5))
    assert store.compact("airport_weather").rows == 0


def test_iceberg_shows_the_compacted_files_and_a_pin_its_own(many: fs.FeatureStore, spine: pl.DataFrame) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    frame = many.get_training_frame(["airport_weather@v1"], spine)
    after = many.compact("airport_weather")
    catalog = SqlCatalog("featurestore", uri=f"sqlite:///{many.root / 'iceberg.db'}", warehouse=str(many.root))
    table = catalog.load_table(("airport_weather", "v1"))
    assert str(table.metadata.current_snapshot_id) == after.iceberg_snapshot_id
    assert [task.file.file_path for task in table.scan().plan_files()] == [
        f"file://{many.root.resolve() / file.path}" for file in after.files
    ]
    pinned = [ref.snapshot_id for name, ref in table.refs().items() if name != "main"]
    assert [table.scan(snapshot_id=snapshot).to_arrow().num_rows for snapshot in pinned] == [96]
    assert frame.pins.pins[0].snapshot != after.id


def test_frames_and_what_is_published_stay_as_they_are(many: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = many.get_training_frame(["airport_weather@v1"], spine)
    many.publish("airport_weather@v1", at=hour(40))

    def served() -> list[object]:
        found = many.get_online_features(
            features=["airport_weather@v1:temp"], entities={"origin": ["JFK", "LGA"]}, at=hour(40)
        )
        return [found.to_dict(), [column.snapshot for column in found.columns]]

    before = served()
    many.compact("airport_weather")
    assert served() == before
    again = many.get_training_frame(frame.pins)
    assert again.id == frame.id
    assert again.to_arrow().equals(frame.to_arrow())
    anew = many.get_training_frame(["airport_weather@v1"], spine)
    assert anew.to_arrow().equals(frame.to_arrow())


def test_what_wins_a_tie_wins_it_afterwards(store: fs.FeatureStore, folder: Path) -> None:
    """Of rows with one time, the last in the computation's order; of created times the latest, and null loses."""
    known = [None, hour(9), hour(9), None, hour(3), hour(9)]
    for number in range(4):
        frame = pl.DataFrame(
            {
                "origin": ["JFK"] * 6,
                "time_hour": [hour(number)] * 6,
                "known": known,
                "temp": [float(10 * number + place) for place in range(6)],
            }
        )
        frame.write_parquet(folder / f"ties-{number}.parquet")
    ties = fs.FeatureView(
        "ties",
        entity=AIRPORT,
        source=fs.ParquetSource("ties", path="ties-*.parquet"),
        event_time="time_hour",
        created_time="known",
    )
    store.apply([ties])
    for number in (2, 0, 3, 1):
        store.materialize("ties", start=hour(number), end=hour(number + 1))
    spine = pl.DataFrame({"origin": ["JFK"] * 4, "event_timestamp": [hour(number) for number in range(4)]})
    frame = store.get_training_frame(["ties@v1"], spine).to_polars()
    assert frame["ties__temp"].to_list() == [5.0, 15.0, 25.0, 35.0]
    after = store.compact("ties")
    assert store.get_training_frame(["ties@v1"], spine).to_polars().equals(frame)
    stored = pl.concat(pl.read_parquet(store.root / file.path) for file in after.files)
    assert stored["temp"].to_list() == [10.0 * number + place for number in range(4) for place in (0, 3, 4, 1, 2, 5)]
    assert after.rows == 24


def test_history_tells_it_and_no_model_is_stale_for_it(many: fs.FeatureStore, spine: pl.DataFrame) -> None:
    frame = many.get_training_frame(["airport_weather@v1"], spine)
    many.register_model("delay", version=1, frame=frame)
    many.deploy("delay@1", endpoint="eta")
    after = many.compact("airport_weather")
    (change,) = [change for change in many.changes() if change.kind == "compacted"]
    assert (change.subject, change.detail["snapshot"]) == ("version/airport_weather@v1", after.id)
    assert (change.detail["runs"], change.detail["files"]) == (6, [6, 1])
    assert change.detail["before"] == frame.pins.pins[0].snapshot
    assert many.stale_models() == []
    weather(range(48, 50)).write_parquet("weather/1.parquet")
    many.materialize("airport_weather", start=hour(48), end=hour(50))
    (stale,) = many.stale_models()
    assert "1 newer snapshot" in stale.reasons[0].text


def test_a_refresh_goes_on_from_a_compacted_table(many: fs.FeatureStore, folder: Path) -> None:
    many.compact("airport_weather")
    weather(range(48, 50)).write_parquet(folder / "weather" / "1.parquet")
    (result,) = many.refresh(until=hour(60))
    assert result.snapshot is not None
    assert result.snapshot.rows == 100


def test_a_refresh_sees_data_that_only_an_older_window_was_computed_from(
    store: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    weather(range(48, 50)).write_parquet(folder / "weather" / "1.parquet")
    store.materialize("airport_weather", start=hour(10), end=hour(12))
    store.compact("airport_weather")
    (result,) = store.refresh(until=hour(60))
    assert result.snapshot is not None
    assert result.snapshot.rows == 100, "the compacted run claims no data that its end was not computed from"


Batches = Iterable[pa.RecordBatch]


def lossy(
    root: Path, definition: Definition, number: int, batches: Batches, **settings: object
) -> tuple[DataFile, ...]:
    return write_run(root, definition, number, (batch.slice(1) for batch in batches), **settings)  # type: ignore[arg-type]  # passed on


def altering(
    root: Path, definition: Definition, number: int, batches: Batches, **settings: object
) -> tuple[DataFile, ...]:
    def changed() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            temps = pa.nulls(batch.num_rows, pa.float64())
            yield batch.set_column(batch.schema.get_field_index("temp"), batch.schema.field("temp"), temps)

    return write_run(root, definition, number, changed(), **settings)  # type: ignore[arg-type]  # passed on


@pytest.mark.parametrize("writer", [lossy, altering], ids=["a row lost", "values lost"])
def test_a_merge_that_changes_rows_is_refused(
    many: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch, writer: object
) -> None:
    before = many.snapshots("airport_weather")
    monkeypatch.setattr(merge, "write_run", writer)
    with pytest.raises(fs.CorruptError, match="nothing was changed"):
        many.compact("airport_weather")
    assert many.snapshots("airport_weather") == before


def test_a_missing_file_is_told(many: fs.FeatureStore) -> None:
    head = many.snapshots("airport_weather")[-1]
    (many.root / head.files[2].path).unlink()
    with pytest.raises(fs.CorruptError, match="missing: restore it"):
        many.compact("airport_weather")
    assert many.snapshots("airport_weather")[-1].id == head.id


# --- processes

KILLED = """
import os, signal
import featurestore as fs
from featurestore.offline import merge, run_writer
from featurestore.operations import materialize

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

{where} = die
with fs.open_store("store") as store:
    store.compact("airport_weather@v1")
"""


@pytest.mark.parametrize("where", ["run_writer.RunWriter._name", "merge._contents", "materialize._commit"])
def test_killed_it_leaves_a_store_that_reads_the_same(
    many: fs.FeatureStore, folder: Path, spine: pl.DataFrame, where: str
) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    head = many.snapshots("airport_weather")[-1]
    frame = many.get_training_frame(["airport_weather@v1"], spine)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(where=where)], cwd=folder, env=environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert many.snapshots("airport_weather")[-1].id == head.id
    assert many.get_training_frame(["airport_weather@v1"], spine).to_arrow().equals(frame.to_arrow())

    weather(range(48, 50)).write_parquet(folder / "weather" / "1.parquet")
    many.materialize("airport_weather", start=hour(48), end=hour(50))
    catalog = SqlCatalog("featurestore", uri=f"sqlite:///{many.root / 'iceberg.db'}", warehouse=str(many.root))
    table = catalog.load_table(("airport_weather", "v1"))
    assert table.scan().to_arrow().num_rows == 100, "the next one sets Iceberg right"
    assert many.compact("airport_weather").rows == 100


AT_ONCE = """
import sys
import featurestore as fs
from tests.operations.conftest import hour
with fs.open_store("store") as store:
    for turn in range(4):
        if sys.argv[1] == "compact":
            store.compact("airport_weather@v1")
        else:
            store.materialize("airport_weather@v1", start=hour(turn * 12), end=hour(turn * 12 + 12))
"""


def test_compacting_while_others_materialize(many: fs.FeatureStore, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, what], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        for what in ("compact", "materialize")
    ]
    for process in started:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    head = many.snapshots("airport_weather")[-1]
    assert rows(many, head).select("origin", "time_hour", "temp", "wind").equals(weather().sort(pl.all()))


def test_the_catalog_keeps_what_the_newest_rows_were(many: fs.FeatureStore) -> None:
    head = many.compact("airport_weather")
    with many._context.catalog.read() as connection:
        runs = connection.execute(schema.snapshots.select().where(schema.snapshots.c.id == head.id)).one().runs
    newest = json.loads(json.dumps(runs))[0]["newest"]
    assert (newest["at"], newest["rows"]) == (head.last, 2)
