"""The store that is served, computed by its views' SQL from a column of ids: every value is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import featurestore as fs
from benchmarks.online.workloads import FLOATS, VECTOR, VIEWS

__all__ = ["make", "value"]

USER = fs.Entity("user", keys={"user": fs.Int64})
SEEN = datetime(2026, 1, 1, tzinfo=UTC)


def value(user: int, view: int, version: int, feature: int) -> float:
    """Return what a float feature holds."""
    return user * 1000.0 + view * FLOATS + feature + version / 4


def make(folder: Path, entities: int) -> Path:
    """Return the store's folder: views `floats0` ... in version 1, the first three in version 2, and `mixed`."""
    path = folder / f"store-{entities}"
    if (path / "made").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    ids = folder / f"ids-{entities}.parquet"
    seen = pa.array([SEEN] * entities, pa.timestamp("us", tz="UTC"))
    table = pa.table([pa.array(np.arange(entities)), seen], names=["user", "seen"])
    pq.write_table(table, ids)
    source = fs.ParquetSource("ids", path=str(ids))
    with fs.open_store(path) as store:
        store.apply([*(_floats(source, view, 1) for view in range(VIEWS)), _mixed(source)])
        _publish(store, [*(f"floats{view}@v1" for view in range(VIEWS)), "mixed@v1"])
        store.activate(*(f"floats{view}@v1" for view in range(VIEWS)), "mixed@v1", reason="benchmark")
        store.apply([_floats(source, view, 2) for view in range(3)])
        _publish(store, [f"floats{view}@v2" for view in range(3)])
    (path / "made").touch()
    return path


def _publish(store: fs.FeatureStore, references: Sequence[str]) -> None:
    for reference in references:
        store.materialize(reference)
        store.publish(reference)


def _floats(source: fs.ParquetSource, view: int, version: int) -> fs.FeatureView:
    columns = ", ".join(
        f"CAST(user * 1000 AS DOUBLE) + {view * FLOATS + feature + version / 4} AS f{feature}"
        for feature in range(FLOATS)
    )
    return fs.FeatureView(
        f"floats{view}",
        entity=USER,
        source=source,
        sql=f"SELECT user, seen, {columns} FROM ids",
        event_time="seen",
        ttl=timedelta(days=3650),
    )


def _mixed(source: fs.ParquetSource) -> fs.FeatureView:
    numbers = ", ".join(f"CAST(user + {feature} AS DOUBLE) AS f{feature}" for feature in range(20))
    vector = f"CAST(list_transform(range({VECTOR}), lambda i: i + user % 1000) AS FLOAT[{VECTOR}])"
    texts = "concat('name-', user) AS name, concat('town-', user % 997) AS town"
    return fs.FeatureView(
        "mixed",
        entity=USER,
        source=source,
        sql=f"SELECT user, seen, {numbers}, {texts}, {vector} AS vector FROM ids",
        event_time="seen",
        ttl=timedelta(days=3650),
    )
