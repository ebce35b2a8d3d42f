"""Long spines: read, kept, joined and written block by block, and the same in every way as spines in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from featurestore.offline import blocks, spine_parquet
from tests.operations.conftest import AIRPORT, ViewMaker, hour

ROWS = 23


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    monkeypatch.setattr(spine_parquet, "_PIECE", 3)


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view(features=[fs.Feature("temp", default=-1.0), fs.Feature("wind")])])
    store.materialize("airport_weather")
    return store


@pytest.fixture
def flights(folder: Path) -> pa.Table:
    table = pa.table(
        {
            "origin": pa.array([["JFK", "LGA", None, "EWR"][row % 4] for row in range(ROWS)], pa.large_string()),
            "event_timestamp": [None if row == 17 else hour(row) + timedelta(minutes=7) for row in range(ROWS)],
            "delay": pa.array([None if row % 3 == 0 else row for row in range(ROWS)], pa.int16()),
            "tags": pa.array([[str(row), None] * (row % 2) for row in range(ROWS)]),
        }
    )
    pq.write_table(table, folder / "flights.parquet", row_group_size=7)
    return table


def test_a_long_spine_gives_what_the_same_rows_in_memory_give(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path
) -> None:
    expected = ready.get_training_frame(["airport_weather@v1"], flights)
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    assert (frame.id, frame.pins) == (expected.id, expected.pins)
    assert (frame.schema, frame.columns, len(frame)) == (expected.schema, expected.columns, ROWS)
    path = frame.write_parquet(folder / "frame.parquet")
    assert path == folder / "frame.parquet"
    with pq.ParquetFile(path) as file:
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [5, 5, 5, 5, 3]
        assert file.schema_arrow == expected.schema
        assert file.read() == expected.to_arrow()
    assert frame.report == expected.report
    assert str(frame.report) == str(expected.report)
    assert pa.Table.from_batches(frame.batches()) == expected.to_arrow()
    assert frame.to_arrow() == expected.to_arrow()
    assert frame.to_polars().equals(expected.to_polars())
    assert frame.to_pandas().equals(expected.to_pandas())
    assert pq.read_table(expected.write_parquet(folder / "memory.parquet")) == expected.to_arrow()


def test_several_views_and_as_of_stream_alike(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    rows = [{"origin": "JFK", "at": hour(h), "made": hour(h + h % 3), "x": h, "text": f"t{h}"} for h in range(0, 30, 2)]
    pl.DataFrame(rows).write_parquet(folder / "late.parquet")
    late = fs.FeatureView(
        "late",
        entity=AIRPORT,
        source=fs.ParquetSource("late", path="late.parquet"),
        event_time="at",
        created_time="made",
        ttl=timedelta(hours=3),
    )
    ready.apply([late])
    ready.materialize("late")
    for references, as_of in (
        (["late@v1 as l", "airport_weather@v1", "late@v1:x as again"], None),
        (["late@v1"], "spine"),
        (["late@v1"], hour(9)),
    ):
        frame = ready.get_training_frame(references, folder / "flights.parquet", as_of=as_of)
        expected = ready.get_training_frame(references, flights, as_of=as_of)
        assert (frame.id, frame.report) == (expected.id, expected.report)
        assert pq.read_table(frame.write_parquet(folder / "frame.parquet")) == expected.to_arrow()
        assert 0 < expected.report.reads[0].matched < ROWS
        assert bool(expected.report.reads[0].look_ahead) == (as_of is None)


def test_the_report_alone_makes_a_pass_and_keeps_no_rows(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path
) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    report = frame.report
    assert report.rows == ROWS == report.reads[0].rows
    assert report.no_time == 1
    assert report.no_key == (("origin", 6),)
    assert frame.report is report
    assert "_table" not in vars(frame)
    assert report == ready.get_training_frame(["airport_weather@v1"], flights).report


def test_rows_that_are_kept_are_not_joined_again(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    expected = frame.to_arrow()
    for file in ready.snapshots("airport_weather")[0].files:
        (ready.root / file.path).unlink()
    assert pa.Table.from_batches(frame.batches()) == expected
    assert pq.read_table(frame.write_parquet(folder / "frame.parquet")).num_rows == flights.num_rows


def test_a_pinned_frame_on_a_long_spine_streams_too(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    first = ready.get_training_frame(["airport_weather@v1"], flights)
    first.pins.save(folder / "delay.lock")
    told: list[tuple[str, int, int | None]] = []
    ready.report_progress(lambda what, done, total: told.append((what, done, total)))
    again = ready.get_training_frame(str(folder / "delay.lock"))
    assert (again.id, told) == (first.id, [])
    assert pq.read_table(again.write_parquet(folder / "again.parquet")) == first.to_arrow()
    assert told == [("join", done, ROWS) for done in (5, 10, 15, 20, 23)]
    assert ready.frame(first.id).to_arrow() == first.to_arrow()


def test_progress_is_told_of_reading_and_joining(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    ready.report_progress(lambda what, done, total: told.append((what, done, total)))
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    assert told == [("read the spine", done, flights.num_rows) for done in (5, 10, 15, 20, 23)]
    told.clear()
    frame.write_parquet(folder / "frame.parquet")
    assert [done for what, done, _ in told if what == "join"] == [5, 10, 15, 20, 23]


def test_a_short_parquet_spine_is_joined_at_once(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    pq.write_table(flights.slice(0, 5), folder / "short.parquet")
    frame = ready.get_training_frame(["airport_weather@v1"], str(folder / "short.parquet"))
    for file in ready.snapshots("airport_weather")[0].files:
        (ready.root / file.path).unlink()
    assert frame.to_arrow().num_rows == 5


def test_wide_answers_are_joined_in_smaller_parts(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featurestore.offline.blockwise.fitting_rows", lambda _: 2)
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    assert [batch.num_rows for batch in frame.batches()] == [2, 2, 1] * 4 + [2, 1]
    assert frame.to_arrow() == ready.get_training_frame(["airport_weather@v1"], flights).to_arrow()


def test_a_dictionary_column_is_read_whole_and_comes_back(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path
) -> None:
    kinds: Any = pa.array([["b", "a", None, "c"][row % 4] for row in range(ROWS)]).dictionary_encode()
    given = flights.append_column("kind", kinds)
    pq.write_table(given, folder / "kinds.parquet", row_group_size=2)
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "kinds.parquet")
    assert frame.id == ready.get_training_frame(["airport_weather@v1"], given).id
    assert frame.schema.field("kind").type == kinds.type
    with pq.ParquetFile(frame.write_parquet(folder / "frame.parquet")) as file:
        assert file.schema_arrow == frame.schema
        assert file.read().to_pydict() == frame.to_arrow().to_pydict()
    assert frame.to_arrow().column("kind").to_pylist() == kinds.to_pylist()


def test_a_row_is_named_by_its_place_in_the_whole_spine(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path
) -> None:
    times = pa.array(["2013-07-01"] * 21 + ["yesterday"] * 2)
    pq.write_table(flights.set_column(1, "event_timestamp", times), folder / "bad.parquet")
    with pytest.raises(fs.RequestError, match="row 21 of the spine: event_timestamp 'yesterday' is not a time"):
        ready.get_training_frame(["airport_weather@v1"], folder / "bad.parquet")
    assert list((ready.root / "spines").glob("*")) == []


def test_what_a_request_lacks_is_said_before_a_row_is_read(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path
) -> None:
    path = folder / "flights.parquet"
    with pytest.raises(fs.RequestError, match="no created_time"):
        ready.get_training_frame(["airport_weather@v1"], path, as_of="spine")
    with pytest.raises(fs.CollisionError, match="'delay', which the spine already has"):
        ready.get_training_frame(["airport_weather@v1:temp as delay"], path)
    with pytest.raises(fs.RequestError, match="no column 'from'"):
        ready.get_training_frame(["airport_weather@v1 on origin=from"], path)
    assert not (ready.root / "spines").exists()
    assert flights.num_rows == ROWS


def test_a_store_that_is_only_read_streams_and_is_left_as_it_is(
    ready: fs.FeatureStore, flights: pa.Table, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "temporary"))
    with fs.open_store(ready.root, read_only=True) as store:
        frame = store.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
        (folder / "flights.parquet").unlink()
        path = frame.write_parquet(folder / "frame.parquet")
        assert not (store.root / "spines").exists()
        assert len(list((folder / "temporary").iterdir())) == 1
        identity = frame.id
        del frame
        assert list((folder / "temporary").iterdir()) == []
        bad = flights.set_column(0, "origin", pa.array(["JFK"] * ROWS)).set_column(
            1, "event_timestamp", pa.array([*range(ROWS)], pa.timestamp("ns"))
        )
        with pytest.raises(fs.RequestError, match="row 1 of the spine"):
            store.get_training_frame(["airport_weather@v1"], bad)
        assert list((folder / "temporary").iterdir()) == []
    expected = ready.get_training_frame(["airport_weather@v1"], flights)
    assert identity == expected.id
    assert pq.read_table(path) == expected.to_arrow()


# ------------------------------------------------------------------------------------------------------------ writing


def test_a_file_that_is_not_whole_is_not_there(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    target = folder / "out" / "frame.parquet"
    target.parent.mkdir()

    def broken(what: str, done: int, _: int | None) -> None:
        if (what, done) == ("join", 10):
            assert ".tmp" in {found.suffix for found in target.parent.iterdir()}
            raise KeyboardInterrupt

    ready.report_progress(broken)
    with pytest.raises(KeyboardInterrupt):
        frame.write_parquet(target)
    assert list(target.parent.iterdir()) == []
    target.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt):
        frame.write_parquet(target)
    assert target.read_bytes() == b"earlier"
    ready.report_progress(lambda *_: None)
    frame.write_parquet(str(target))
    assert list(target.parent.iterdir()) == [target]
    assert pq.read_table(target).num_rows == flights.num_rows


def test_a_place_where_nothing_can_be_written(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    for frame in (
        ready.get_training_frame(["airport_weather@v1"], flights),
        ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet"),
    ):
        with pytest.raises(fs.RequestError, match=r"missing/frame.parquet' cannot be written"):
            frame.write_parquet(folder / "missing" / "frame.parquet")


def test_a_frame_without_rows_is_written_too(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    pq.write_table(flights.slice(0, 0), folder / "none.parquet")
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "none.parquet")
    assert frame.id == ready.get_training_frame(["airport_weather@v1"], flights.slice(0, 0)).id
    table = pq.read_table(frame.write_parquet(folder / "frame.parquet"))
    assert (table.num_rows, table.schema) == (0, frame.schema)
    assert "no rows: the spine has none" in frame.report.warnings[0]
    assert list(frame.batches()) == []


def test_a_moved_store_still_has_its_frames(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    first = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    expected: Any = first.to_arrow()
    shutil.copytree(ready.root, folder / "copy")
    with fs.open_store(folder / "copy") as copy:
        assert copy.frame(first.id).to_arrow() == expected
    assert flights.num_rows == len(first)


def test_batches_can_be_left_early(ready: fs.FeatureStore, flights: pa.Table, folder: Path) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "flights.parquet")
    batches: Iterator[pa.RecordBatch] = frame.batches()
    assert next(batches).num_rows == 5
    assert frame.report.rows == ROWS == flights.num_rows
    assert sum(batch.num_rows for batch in frame.batches()) == ROWS
    assert isinstance(frame.to_polars(), pl.DataFrame)
