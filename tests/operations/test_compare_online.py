"""Comparing online with offline: what is asked, and that every kind of difference is found, told and counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import featurestore as fs
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.online.result import AnswerColumn, OnlineFeatures
from featurestore.operations import compare_online
from featurestore.operations.comparison import OnlineComparison, Verdict
from tests.operations.conftest import AIRPORT, ViewMaker, hour, weather

AT = hour(47)


Change = Callable[[AnswerColumn], AnswerColumn]


class Between:
    """A client that stands between: it keeps what is asked, and changes what is answered."""

    def __init__(self, store: fs.FeatureStore, change: Change = lambda column: column, columns: int = 99) -> None:
        self.describe = store.describe
        self.asked: list[dict[str, Any]] = []
        self._store = store
        self._change = change
        self._columns = columns

    def get_features(
        self,
        features: Sequence[object],
        *,
        event_times: bool,
        entities: pa.Table,
        **read: Any,  # noqa: ANN401
    ) -> OnlineFeatures:
        assert event_times
        self.asked += entities.to_pylist()
        answer = self._store.get_online_features(features, entities=entities, **read)
        return OnlineFeatures([self._change(column) for column in answer.answers[: self._columns]])


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view()])
    store.apply([view("wind * 2", ttl=timedelta(0))])
    for reference in ("airport_weather@v1", "airport_weather@v2"):
        store.materialize(reference)
        store.publish(reference, at=AT)
    store.activate("airport_weather@v2")
    return store


def counts(comparison: OnlineComparison, column: int = 0) -> dict[Verdict, int]:
    return {verdict: number for verdict, number in comparison.columns[column].counts.items() if number}


def test_what_was_published_is_what_is_joined(ready: fs.FeatureStore) -> None:
    found = ready.compare_online(["airport_weather@v1", "airport_weather:wind"], at=AT)
    assert found.equal
    assert [column.name for column in found.columns] == [
        "airport_weather__temp",
        "airport_weather__wind__v1",
        "airport_weather__wind",
    ]
    for column in found.columns:
        assert column.counts[Verdict.EQUAL] == found.rows == 2 + 20 + 1
        assert column.statuses[Status.PRESENT] == 2
        assert column.examples == ()
    assert found.columns[2].sources[0][0] == "airport_weather@v2:wind"
    assert "23 rows x 3 columns" in str(found)
    assert "the same online and offline" in str(found)


def test_rows_of_the_callers_own_are_compared_in_blocks(
    ready: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_online, "_ROWS_A_READ", 2)
    done: list[tuple[str, int, int | None]] = []
    ready.report_progress(lambda what, rows, total: done.append((what, rows, total)))
    entities = pl.DataFrame({"origin": ["JFK", "LGA", None, "EWR", "JFK"]})
    found = ready.compare_online("airport_weather@v1", entities=entities, at=AT + timedelta(hours=7))
    assert found.equal
    assert (found.rows, counts(found)) == (5, {Verdict.EQUAL: 5})
    assert found.columns[0].statuses == {
        Status.PRESENT: 0,
        Status.NULL: 0,
        Status.NOT_FOUND: 2,
        Status.EXPIRED: 3,
    }
    assert done == [("compare", 2, 5), ("compare", 4, 5), ("compare", 5, 5)]
    none = ready.compare_online("airport_weather@v1", entities={"origin": []}, at=AT)
    assert none.equal
    assert "nothing was compared" in str(none)


def test_a_sample_is_drawn_by_its_seed(ready: fs.FeatureStore) -> None:
    def asked(seed: int) -> list[dict[str, Any]]:
        client = Between(ready)
        assert ready.compare_online("airport_weather@v1", at=AT, sample=1, seed=seed, client=client).equal
        return client.asked

    one = asked(0)
    assert one == asked(0)
    assert one != asked(1)
    assert sum(row["origin"] in {"JFK", "LGA"} for row in one) == 1
    assert sum(row["origin"] is None for row in one) == 1


def test_what_came_after_the_publish_is_told_apart(ready: fs.FeatureStore) -> None:
    ready.publish("airport_weather@v1", at=hour(40))
    found = ready.compare_online("airport_weather@v1:temp", at=AT)
    assert found.equal
    assert counts(found) == {Verdict.EQUAL: 21, Verdict.NEWER_OFFLINE: 2}
    example = found.columns[0].examples[0]
    assert (example.offline.event_time, example.online.event_time) == (hour(47), hour(40))
    assert "newer offline at origin=" in str(found)
    assert ready.compare_online("airport_weather@v1:temp", at=hour(40)).columns[0].counts[Verdict.EQUAL] == 23


def test_the_snapshot_that_is_served_is_what_is_joined(ready: fs.FeatureStore, folder: Path) -> None:
    first = ready.snapshots("airport_weather@v1")[0]
    later = weather(range(40, 50)).with_columns(pl.col("temp") + 100)
    later.write_parquet(folder / "weather" / "1.parquet")
    ready.materialize("airport_weather@v1")
    found = ready.compare_online("airport_weather@v1", at=AT)
    assert found.equal
    assert {snapshot for column in found.columns for _, snapshot in column.sources} == {first.id}


def test_a_model_and_its_endpoint(ready: fs.FeatureStore) -> None:
    spine = [{"origin": "JFK", "event_timestamp": AT, "label": 1}]
    ready.register_model("delay", version="1", frame=ready.get_training_frame(["airport_weather@v1"], spine))
    ready.deploy("delay@1", endpoint="eta")
    ready.rollback("airport_weather:wind", to="v2", endpoint="eta", reason="better")
    assert [column.sources[0][0] for column in ready.compare_online(model="delay@1", at=AT).columns] == [
        "airport_weather@v1:temp",
        "airport_weather@v1:wind",
    ]
    found = ready.compare_online(endpoint="eta", at=AT)
    assert found.equal
    assert found.columns[1].sources[0][0] == "airport_weather@v2:wind"


def test_several_views_on_columns_of_their_own(ready: fs.FeatureStore, folder: Path) -> None:
    pl.DataFrame({"origin": ["JFK", "SFO"], "lat": [40.6, None]}).write_parquet(folder / "airports.parquet")
    source = fs.ParquetSource("airports", path="airports.parquet")
    ready.apply([fs.FeatureView("airport", entity=AIRPORT, source=source)])
    ready.materialize("airport")
    ready.publish("airport@v1")
    found = ready.compare_online(["airport_weather@v1:temp", "airport@v1 on origin=dest as dest"], at=AT)
    assert found.equal
    assert found.columns[0].statuses[Status.PRESENT] >= 2
    assert found.columns[1].statuses[Status.NULL] >= 1
    assert found.rows == 2 + 2 + 20 + 2


# -------------------------------------------------------------------------------------------------- what is found


def altered(store: fs.FeatureStore, change: Change) -> OnlineComparison:
    """Compare answers that were changed on their way."""
    entities = {"origin": ["JFK", "LGA", "EWR"]}
    return store.compare_online("airport_weather@v1:temp", entities=entities, at=AT, client=Between(store, change))


def with_values(values: Sequence[float | None]) -> Change:
    return lambda column: replace(column, values=pa.array(values, pa.float64()))


def with_statuses(*statuses: Status) -> Change:
    codes = np.array([STATUS_BY_CODE.index(status) for status in statuses], np.uint8)
    return lambda column: replace(column, statuses=codes)


def with_times(*times: datetime | None) -> Change:
    return lambda column: replace(column, event_times=pa.array(times, pa.timestamp("us", "UTC")))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (with_values([31.75, np.nextafter(41.75, 0), None]), Verdict.DIFFERING),
        (with_values([31.75, None, None]), Verdict.DIFFERING),
        (with_statuses(Status.PRESENT, Status.NULL, Status.NOT_FOUND), Verdict.STATE_DIFFERS),
        (with_statuses(Status.PRESENT, Status.NOT_FOUND, Status.NOT_FOUND), Verdict.MISSING_ONLINE),
        (with_statuses(Status.PRESENT, Status.PRESENT, Status.EXPIRED), Verdict.EXTRA_ONLINE),
        (with_times(hour(47), hour(46), None), Verdict.DIFFERING),
    ],
    ids=["a bit", "a null", "a state", "missing", "extra", "another row"],
)
def test_a_difference_is_found(ready: fs.FeatureStore, change: Change, verdict: Verdict) -> None:
    found = altered(ready, change)
    assert not found.equal
    assert counts(found) == {Verdict.EQUAL: 2, verdict: 1}
    (example,) = found.columns[0].examples
    assert example.entity == {"origin": "EWR" if verdict is Verdict.EXTRA_ONLINE else "LGA"}
    assert "NOT the same online and offline" in str(found)
    assert f"{verdict} at origin=" in str(found)


def test_another_type_is_a_difference(ready: fs.FeatureStore) -> None:
    found = altered(ready, lambda column: replace(column, values=column.values.cast(pa.float32())))
    assert not found.equal
    assert counts(found) == {Verdict.EQUAL: 3}
    assert "airport_weather__temp: offline double, online float" in str(found)


def test_zeros_are_told_apart_and_every_nan_is_one(store: fs.FeatureStore, folder: Path) -> None:
    rows = {"origin": ["JFK", "LGA"], "x": [math.nan, 0.0], "xs": [[math.nan, None], [-0.0]]}
    pl.DataFrame(rows).write_parquet(folder / "odd.parquet")
    store.apply([fs.FeatureView("odd", entity=AIRPORT, source=fs.ParquetSource("odd", path="odd.parquet"))])
    store.materialize("odd")
    store.publish("odd@v1")
    assert store.compare_online("odd@v1").equal

    client = Between(store, with_values([math.nan, -0.0]))
    found = store.compare_online("odd@v1:x", entities={"origin": ["JFK", "LGA"]}, client=client)
    assert counts(found) == {Verdict.EQUAL: 1, Verdict.DIFFERING: 1}


def test_a_pointer_that_moves_meanwhile_is_a_conflict(ready: fs.FeatureStore) -> None:
    client = Between(ready, columns=1)
    with pytest.raises(fs.ConflictError, match="compare again"):
        ready.compare_online("airport_weather", at=AT, client=client)


def test_what_cannot_be_compared_is_said(ready: fs.FeatureStore, folder: Path, view: ViewMaker) -> None:
    with pytest.raises(fs.RequestError, match="one key or more"):
        ready.compare_online("airport_weather@v1", sample=0)
    with pytest.raises(fs.RequestError, match="is asked for at"):
        ready.compare_online("airport_weather@v1", at=hour(1))
    ready.apply([view("wind * 3")])
    ready.materialize("airport_weather@v3")
    with pytest.raises(fs.NotPublishedError, match="publish airport_weather@v3"):
        ready.compare_online("airport_weather@v3")
    for file in (folder / "store" / "offline").rglob("data/**/*.parquet"):
        file.unlink()
    with pytest.raises(fs.CorruptError, match="is missing"):
        ready.compare_online("airport_weather@v1", at=AT)
