"""What can be wrong with a spine, in every form a spine comes in: each has one clear answer, the same in all forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from featurestore.offline import blocks
from tests.operations.conftest import AIRPORT, hour, weather

MOMENT = pa.timestamp("us", tz="UTC")


def _parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(table, folder / "spine.parquet", row_group_size=2)
    return folder / "spine.parquet"


def _files(table: pa.Table, folder: Path) -> Path:
    (folder / "spines").mkdir()
    for start in range(0, max(table.num_rows, 1), 2):
        pq.write_table(table.slice(start, 2), folder / "spines" / f"{start}.parquet")
    return folder / "spines"


FORMS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "polars": lambda table, _: pl.from_arrow(table),
    "polars lazy": lambda table, _: pl.from_arrow(table).lazy(),  # type: ignore[union-attr] # a table is a frame
    "pandas": lambda table, _: table.to_pandas(),
    "arrow table": lambda table, _: table,
    "arrow batch": lambda table, _: table.combine_chunks().to_batches()[0] if table.num_rows else table,
    "arrow reader": lambda table, _: table.to_reader(),
    "duckdb": lambda table, _: duckdb.connect().from_arrow(table),
    "parquet": _parquet,
    "parquet folder": _files,
    "list of dicts": lambda table, _: table.to_pylist(),
    "dict of columns": lambda table, _: table.to_pydict(),
}


@pytest.fixture(params=FORMS)
def given(request: pytest.FixtureRequest, folder: Path) -> Callable[[pa.Table], Any]:
    return lambda table: FORMS[request.param](table, folder)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fs.FeatureStore]:
    folder = tmp_path_factory.mktemp("faults")
    weather().write_parquet(folder / "weather.parquet")
    source = fs.ParquetSource("weather", path=str(folder / "weather.parquet"))
    with fs.open_store(folder / "store") as store:
        store.apply([fs.FeatureView("airport_weather", entity=AIRPORT, source=source, event_time="time_hour")])
        store.materialize("airport_weather")
        yield store


@pytest.fixture(autouse=True, params=[1 << 20, 2], ids=["one block", "blocks"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", request.param)


def spine(**changes: Any) -> pa.Table:  # noqa: ANN401 - columns
    columns = {
        "origin": pa.array(["JFK", "LGA", "JFK"]),
        "event_timestamp": pa.array([hour(1), hour(2), hour(3)], MOMENT),
        "delay": pa.array([1, 2, 3]),
    }
    return pa.table({name: column for name, column in {**columns, **changes}.items() if column is not None})


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        (spine(origin=None, orign=pa.array(["JFK"] * 3)), fs.RequestError, "no column 'origin'.* mean 'orign'"),
        (spine(origin=pa.array([1, 2, 3])), fs.RequestError, "column 'origin' .* expected String, found int64"),
        (
            spine(event_timestamp=pa.array(["2013-07-01", "2013-07-02T10:00", "yesterday"])),
            fs.RequestError,
            "row 2 of the spine: event_timestamp 'yesterday' is not a time: write ISO 8601",
        ),
        (spine(event_timestamp=pa.array([1, 2, 3])), fs.RequestError, "has type int64: give timestamps, dates or ISO"),
        (
            spine(event_timestamp=None, time_hour=pa.array([hour(1)] * 3, MOMENT)),
            fs.RequestError,
            "no time column 'event_timestamp'.* holds the time: timestamp=\"time_hour\"",
        ),
        (
            spine(airport_weather__temp=pa.array([1, 2, 3])),
            fs.CollisionError,
            "'airport_weather__temp', which the spine already has: add ' as name'",
        ),
    ],
    ids=["no key", "key type", "bad time", "number for a time", "other time", "collision"],
)
def test_a_fault_is_told_the_same_way_in_every_form(
    ready: fs.FeatureStore, given: Callable[[pa.Table], Any], table: pa.Table, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ready.get_training_frame(["airport_weather@v1"], given(table))


def test_what_matches_nothing_is_counted(ready: fs.FeatureStore, given: Callable[[pa.Table], Any]) -> None:
    table = spine(
        origin=pa.array(["JFK", None, "JFK"]), event_timestamp=pa.array([None, hour(2), None], MOMENT), delay=None
    )
    frame = ready.get_training_frame(["airport_weather@v1"], given(table))
    assert frame.to_arrow().column("airport_weather__temp").null_count == 3
    assert frame.report.warnings[:2] == (
        "2 rows of the spine have no time and match nothing.",
        "1 row of the spine has no 'origin' and matches nothing that is joined on it.",
    )


def test_all_times_and_keys_may_be_null(ready: fs.FeatureStore, given: Callable[[pa.Table], Any]) -> None:
    table = spine(origin=pa.nulls(3, pa.string()), event_timestamp=pa.nulls(3, MOMENT))
    frame = ready.get_training_frame(["airport_weather@v1"], given(table))
    assert (frame.report.no_time, frame.report.no_key) == (3, (("origin", 3),))
    assert frame.to_arrow().column("airport_weather__temp").null_count == 3


def test_a_spine_without_rows_makes_a_frame_without_rows(
    ready: fs.FeatureStore, given: Callable[[pa.Table], Any]
) -> None:
    frame = ready.get_training_frame(["airport_weather@v1"], given(spine().slice(0, 0)))
    assert (len(frame), frame.to_arrow().num_rows) == (0, 0)
    assert frame.feature_columns == ("airport_weather__temp", "airport_weather__wind")
    assert frame.report.warnings == ("no rows: the spine has none, or the view has none between start and end.",)


def test_a_good_spine_gives_the_same_values_in_every_form(
    ready: fs.FeatureStore, given: Callable[[pa.Table], Any]
) -> None:
    frame = ready.get_training_frame(["airport_weather@v1:temp"], given(spine()))
    assert frame.to_arrow().column("airport_weather__temp").to_pylist() == [20.25, 30.5, 20.75]
    assert frame.report.warnings == ()
