"""A join can be printed before it happens, and says of each view what is read, how and why."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import featurestore as fs
from featurestore.offline import blocks
from tests.operations.conftest import ViewMaker, hour

REFERENCES = ["airport_weather@v1:temp", "airport_weather@v2", "airport_weather@v1 on origin=dest as dest"]


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    for wind in ("wind", "wind * 2"):
        store.apply([view(wind)])
    store.materialize("airport_weather@v1", end=hour(24))
    store.materialize("airport_weather@v1", start=hour(24))
    store.materialize("airport_weather@v2")
    return store


@pytest.fixture
def flights() -> pl.DataFrame:
    return pl.DataFrame({"origin": ["JFK", "EWR"], "dest": ["LGA", "JFK"], "event_timestamp": [hour(5), hour(7)]})


def test_a_plan_says_what_is_read_of_each_view(ready: fs.FeatureStore, flights: pl.DataFrame) -> None:
    plan = ready.explain_training_frame(REFERENCES, flights)
    assert (plan.rows, plan.sorts) == (2, 2)  # by origin, and by dest
    first, second, dest = plan.reads
    assert (first.label, first.on, first.runs, first.files, first.rows) == (
        "airport_weather@v1",
        ("origin",),
        2,
        2,
        96,
    )
    assert (second.label, second.runs, second.rows, second.copied) == ("airport_weather@v2", 1, 96, ("temp", "wind"))
    assert (dest.label, dest.on) == ("airport_weather@v1", ("dest",))
    assert {read.strategy for read in plan.reads} == {"bisect"}
    assert first.snapshot == ready.snapshots("airport_weather@v1")[-1].id
    assert str(plan).count("rows are sorted by key and time, and indexed") == 3


def test_a_plan_joins_and_records_nothing(ready: fs.FeatureStore, flights: pl.DataFrame) -> None:
    ready.explain_training_frame(REFERENCES, flights)
    assert not ready.frames()
    assert not (ready.root / "spines").exists()
    with pytest.raises(fs.FeatureStoreError, match="no column 'dest'"):
        ready.explain_training_frame(REFERENCES, flights.drop("dest"))


def test_a_frame_has_its_plan(ready: fs.FeatureStore, flights: pl.DataFrame) -> None:
    frame = ready.get_training_frame(REFERENCES, flights)
    assert frame.plan == ready.explain_training_frame(REFERENCES, flights)
    assert ready.get_training_frame(frame.pins).plan == frame.plan


def test_row_groups_without_the_spines_keys_are_pruned(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    (store.root.parent / "store.toml").write_text('store = "store"\nrow_group_rows = 16\n')
    with fs.open_store(store.root.parent / "store.toml") as small:
        small.materialize("airport_weather")
        (read,) = small.explain_training_frame(
            ["airport_weather@v1"], {"origin": ["LGA"], "event_timestamp": [hour(1)]}
        ).reads
    assert (read.row_groups, read.kept, read.pruned) == (6, 3, 3)


def test_compressed_stores_decode_and_give_the_same_frames(
    store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame
) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    expected = store.get_training_frame(["airport_weather@v1"], spine)
    assert expected.plan.reads[0].decoded == ()
    for codec in ("lz4", "zstd"):
        path = store.root.parent / f"{codec}.toml"
        path.write_text(f'store = "{codec}"\ncompression = "{codec}"\n')
        with fs.open_store(path) as other:
            other.apply([view()])
            other.materialize("airport_weather")
            frame = other.get_training_frame(["airport_weather@v1"], spine)
            assert frame.plan.reads[0].decoded == ("temp", "wind")
            assert frame.to_arrow().equals(expected.to_arrow())


def test_the_plan_of_a_long_spine_is_that_of_its_first_block(
    ready: fs.FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 3)
    long = pl.DataFrame({"origin": ["JFK"] * 10, "event_timestamp": [hour(n) for n in range(10)]})
    long.write_parquet(folder / "long.parquet")
    plan = ready.explain_training_frame(["airport_weather@v1"], folder / "long.parquet")
    assert plan.rows == 3
    frame = ready.get_training_frame(["airport_weather@v1"], folder / "long.parquet")
    assert frame.plan == plan
    assert pa.Table.from_batches(list(frame.batches())).num_rows == 10
