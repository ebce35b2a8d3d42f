"""Materialize and refresh: rows, windows, late data, and what a failure leaves."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from io import BufferedReader
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from featurestore.model.snapshot import Snapshot
from tests.operations.conftest import AIRPORT, START, ViewMaker, hour, weather


def rows(store: fs.FeatureStore, snapshot: Snapshot) -> pl.DataFrame:
    return pl.concat(pl.DataFrame(pq.read_table(store.root / file.path)) for file in snapshot.files).sort(pl.all())


def test_a_full_materialization_holds_every_row(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    snapshot = store.materialize("airport_weather")
    assert snapshot.rows == 96
    assert rows(store, snapshot).select("origin", "time_hour", "temp", "wind").equals(weather().sort(pl.all()))
    assert snapshot.iceberg_snapshot_id is not None
    assert snapshot.sources[0].data_version.startswith("files:")


def test_the_same_window_again_replaces(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    full = store.materialize("airport_weather")
    window = store.materialize("airport_weather", start=hour(10), end=hour(20))
    assert window.rows == 96
    again = store.materialize("airport_weather", start=hour(10), end=hour(20))
    assert again.id == window.id
    assert rows(store, window).equals(rows(store, full))


def test_windows_may_come_in_any_order_and_overlap(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    for start, end in ((30, 48), (0, 12)):
        store.materialize("airport_weather", start=hour(start), end=hour(end))
    snapshot = store.materialize("airport_weather", start=hour(8), end=hour(35))
    assert rows(store, snapshot).select("origin", "time_hour", "temp", "wind").equals(weather().sort(pl.all()))


def test_an_incremental_rolling_mean_equals_the_full_one(store: fs.FeatureStore, view: ViewMaker) -> None:
    rolling = view(
        sql="""select origin, time_hour, avg(temp) over (
                   partition by origin order by time_hour range between interval 5 hours preceding and current row
               ) as temp_6h from weather""",
        lookback=timedelta(hours=5),
    )
    store.apply([rolling])
    pieces = [store.materialize("airport_weather", start=hour(start), end=hour(start + 7)) for start in range(0, 48, 7)]
    incremental = rows(store, pieces[-1])
    assert rows(store, store.materialize("airport_weather")).equals(incremental)


def test_refresh_goes_on_from_where_it_stopped(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view()])
    store.materialize("airport_weather", end=hour(24))
    (result,) = store.refresh(until=hour(36))
    assert result.start == hour(23)
    assert result.snapshot is not None
    assert result.snapshot.rows == 72
    (result,) = store.refresh(until=hour(36))
    assert result.skipped == "its sources have not changed"
    weather(range(48, 60)).write_parquet(folder / "weather" / "1.parquet")
    (result,) = store.refresh(until=hour(100))
    assert result.snapshot is not None
    assert rows(store, result.snapshot).select("time_hour").unique().height == 60


def test_a_refresh_reads_no_old_file_whole_to_see_what_changed(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, digest = time.time_ns, hashlib.file_digest
    hashed: list[str] = []

    def noted(file: BufferedReader, algorithm: str) -> object:
        if Path(file.name).parent == folder / "weather":
            hashed.append(Path(file.name).name)
        return digest(file, algorithm)

    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)  # files have been at rest for an hour
    monkeypatch.setattr(hashlib, "file_digest", noted)
    store.apply([view()])
    store.materialize("airport_weather")
    weather(range(48, 60)).write_parquet(folder / "weather" / "1.parquet")
    with fs.open_store(store.root) as other:
        (result,) = other.refresh(until=hour(100))
        (again,) = other.refresh(until=hour(100))
    assert hashed == ["0.parquet", "1.parquet"]
    assert result.snapshot is not None
    assert result.snapshot.rows == 120
    assert again.skipped == "its sources have not changed"
    weather(range(1, 61)).write_parquet(folder / "weather" / "0.parquet")
    with fs.open_store(store.root) as other:
        (result,) = other.refresh(until=hour(200))
    assert hashed == ["0.parquet", "1.parquet", "0.parquet"]
    assert result.skipped == ""


def test_late_and_corrected_rows_are_kept_and_win(store: fs.FeatureStore, folder: Path) -> None:
    def write(name: str, created: int, temp: float, event: int) -> None:
        frame = pl.DataFrame({"origin": ["JFK"], "time_hour": [hour(event)], "known": [hour(created)], "temp": [temp]})
        (folder / "late").mkdir(exist_ok=True)
        frame.write_parquet(folder / "late" / f"{name}.parquet")

    late = fs.FeatureView(
        "late",
        entity=AIRPORT,
        source=fs.ParquetSource("late", path="late/*.parquet"),
        event_time="time_hour",
        created_time="known",
    )
    write("0", created=1, temp=1.0, event=1)
    write("1", created=9, temp=9.0, event=9)
    store.apply([late])
    store.materialize("late")
    write("2", created=12, temp=2.0, event=1)
    (result,) = store.refresh(until=hour(20))
    assert (result.late, result.start) == (1, hour(1))
    assert result.snapshot is not None
    assert result.snapshot.rows == 3
    spine = pl.DataFrame({"origin": ["JFK", "JFK"], "event_timestamp": [hour(2), hour(10)]})
    frame = store.get_training_frame(["late@v1"], spine)
    assert frame.to_polars()["late__temp"].to_list() == [2.0, 9.0]
    assert frame.report.reads[0].look_ahead == 1
    honest = store.get_training_frame(["late@v1"], spine, as_of="spine")
    assert honest.to_polars()["late__temp"].to_list() == [1.0, 9.0]


def test_rows_without_key_or_time_are_counted(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    odd = pl.DataFrame(
        {"origin": [None, "JFK"], "time_hour": [hour(1), None], "temp": [1.0, 2.0], "wind": [1.0, 2.0]},
        schema_overrides={"time_hour": pl.Datetime("us", "UTC"), "origin": pl.String},
    )
    odd.write_parquet(folder / "weather" / "odd.parquet")
    store.apply([view()])
    snapshot = store.materialize("airport_weather")
    assert snapshot.rows == 96
    assert sum(count for _, count in snapshot.runs[0].dropped) == 2


def test_a_bad_row_registers_nothing(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view(sql="select origin, time_hour, (temp * 1e9)::bigint::int as temp from weather")])
    with pytest.raises(fs.ContractError, match="temp"):
        store.materialize("airport_weather")
    assert store.snapshots("airport_weather") == []
    assert not list((folder / "store" / "offline").rglob("*.parquet"))


def test_a_column_that_vanished_upstream_is_an_error_that_names_it(
    store: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    store.apply([view()])
    before = store.materialize("airport_weather")
    weather().drop("wind").write_parquet(folder / "weather" / "0.parquet")
    with pytest.raises(fs.ContractError, match="wind"):
        store.materialize("airport_weather")
    assert [snapshot.id for snapshot in store.snapshots("airport_weather")] == [before.id]


def test_a_dimension_is_replaced_whole(store: fs.FeatureStore, folder: Path) -> None:
    pl.DataFrame({"origin": ["JFK", "LGA"], "lat": [40.6, 40.7]}).write_parquet(folder / "airports.parquet")
    airports = fs.FeatureView("airports", entity=AIRPORT, source=fs.ParquetSource("airports", path="airports.parquet"))
    store.apply([airports])
    with pytest.raises(fs.RequestError, match="dimension"):
        store.materialize("airports", start=START)
    assert store.materialize("airports").rows == 2
    pl.DataFrame({"origin": ["JFK"], "lat": [41.0]}).write_parquet(folder / "airports.parquet")
    assert store.materialize("airports").rows == 1


def test_arrow_and_push_sources_keep_rows_in_the_store(store: fs.FeatureStore) -> None:
    table = weather().to_arrow()
    arrow = fs.FeatureView(
        "given", entity=AIRPORT, source=fs.ArrowSource("given_rows", table=table), event_time="time_hour"
    )
    schema = {"origin": fs.String, "at": fs.Timestamp, "clicks": fs.Int64}
    pushed = fs.FeatureView("pushed", entity=AIRPORT, source=fs.PushSource("clicks", schema=schema), event_time="at")
    store.apply([arrow, pushed])
    assert store.materialize("given").rows == 96
    assert store.materialize("pushed").rows == 0
    store.push("clicks", [{"origin": "JFK", "at": hour(1), "clicks": 2**53 + 1}])
    store.push("clicks", [{"origin": "JFK", "at": hour(2), "clicks": 3}])
    assert store.materialize("pushed").rows == 2
    with pytest.raises(fs.ContractError, match="click"):
        store.push("clicks", [{"origin": "JFK", "at": hour(2), "click": 3}])


def test_empty_windows_are_errors(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    with pytest.raises(fs.RequestError, match="empty"):
        store.materialize("airport_weather", start=hour(2), end=hour(2))


def test_many_windows_are_merged_and_hold_the_same_rows(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    windows = [(0, 24), *((start, start + 1) for start in range(24, 48))]
    snapshots = [store.materialize("airport_weather", start=hour(start), end=hour(end)) for start, end in windows]
    assert max(len(snapshot.runs) for snapshot in snapshots) < 12
    assert rows(store, snapshots[-1]).select("origin", "time_hour", "temp", "wind").equals(weather().sort(pl.all()))
    assert snapshots[-1].rows == 96
    early = rows(store, snapshots[3])
    assert early.height == 54, "the files of an older snapshot are still there"


def test_new_data_is_told_once_for_all_versions_that_read_it(
    store: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    for wind in ("wind", "wind * 2"):
        store.apply([view(wind)])
        store.materialize("airport_weather")
    weather(range(48, 50)).write_parquet(folder / "weather" / "1.parquet")
    store.materialize("airport_weather@v1")
    store.materialize("airport_weather@v2")
    assert [change.subject for change in store.changes() if change.kind == "data changed"] == ["source/weather"]


def test_a_refresh_leaves_the_files_before_it_alone(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view()])
    full = store.materialize("airport_weather")
    weather(range(48, 60)).write_parquet(folder / "weather" / "1.parquet")
    (result,) = store.refresh(until=hour(100))
    assert result.snapshot is not None
    assert result.start == hour(47)
    assert result.snapshot.runs[0].files == full.files
    assert result.snapshot.runs[1].start == full.last + 1  # type: ignore[operator]  # there are rows
    assert rows(store, result.snapshot).equals(rows(store, store.materialize("airport_weather")))


def test_a_refresh_again_and_again_never_doubles(store: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    for number in range(5):
        weather(range(48 + number, 49 + number)).write_parquet(folder / "weather" / f"{number + 1}.parquet")
        for until in (hour(60), hour(60 + number)):
            store.refresh(until=until)
    (result,) = store.refresh(until=hour(90))
    assert result.snapshot is not None
    assert (
        rows(store, result.snapshot)
        .select("origin", "time_hour", "temp", "wind")
        .equals(weather(range(53)).sort(pl.all()))
    )


@pytest.mark.parametrize("what", ["another row", "another value", "a row less"])
def test_rows_that_changed_at_the_last_moment_are_replaced(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, what: str
) -> None:
    store.apply([view()])
    store.materialize("airport_weather")
    late = weather(range(49))
    last = pl.col("time_hour") == hour(47)
    if what == "another row":
        late = pl.concat([late, late.filter(last).with_columns(origin=pl.lit("EWR"))])
    elif what == "another value":
        late = late.with_columns(wind=pl.when(last).then(None).otherwise(pl.col("wind")))
    else:
        late = late.filter(~last | (pl.col("origin") == "JFK"))
    late.write_parquet(folder / "weather" / "0.parquet")
    (result,) = store.refresh(until=hour(60))
    assert result.snapshot is not None
    assert rows(store, result.snapshot).select("origin", "time_hour", "temp", "wind").equals(late.sort(pl.all()))


def test_a_moment_that_another_window_replaced_is_not_taken_for_the_first(
    store: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    """The first run noted what it wrote there; what counts is what is stored now."""
    store.apply([view()])
    store.materialize("airport_weather")
    weather(range(48)).with_columns(temp=pl.lit(1.0)).write_parquet(folder / "weather" / "0.parquet")
    store.materialize("airport_weather", start=hour(47), end=hour(48))
    weather(range(49)).write_parquet(folder / "weather" / "0.parquet")
    (result,) = store.refresh(until=hour(60))
    assert result.snapshot is not None
    assert (
        rows(store, result.snapshot)
        .select("origin", "time_hour", "temp", "wind")
        .equals(weather(range(49)).sort(pl.all()))
    )
