"""Feast's materialize to Redis, in Feast's own environment; run by `bench_publish.py`, prints one line of JSON.

Fair to Feast: its duckdb store, the registry written before the clock starts, microsecond timestamps, usage off.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

os.environ["FEAST_USAGE"] = "False"

import pyarrow.parquet as pq
from feast import (  # type: ignore[import-not-found] # in an environment of its own
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.types import Float64  # type: ignore[import-not-found] # as above


def main(folder: Path, url: str, size: tuple[int, int, int], seen: datetime) -> None:
    """Materialize, check, and print seconds and MiB."""
    entities, views, features = size
    work = mkdtemp(prefix="feast-", dir=folder)
    host = url.removeprefix("redis://").partition("/")[0]
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark",
            provider="local",
            registry=f"{work}/registry.db",
            offline_store={"type": "duckdb"},
            online_store={"type": "redis", "connection_string": f"{host},db=1"},
            entity_key_serialization_version=3,
            repo_path=work,
        )
    )
    entity = Entity(name="user", join_keys=["k"], value_type=ValueType.INT64)
    known = [
        FeatureView(
            name=f"fv{view}",
            entities=[entity],
            ttl=timedelta(days=36_500),
            schema=[Field(name=f"v{view}_f{number}", dtype=Float64) for number in range(features)],
            source=FileSource(path=str(folder / f"fv{view}.parquet"), timestamp_field="ts"),
        )
        for view in range(views)
    ]
    store.apply([entity, *known])
    start = time.perf_counter()
    store.materialize(seen - timedelta(days=1), seen + timedelta(days=1))
    seconds = time.perf_counter() - start
    chosen = [0, entities // 2, entities - 1]
    answer = store.get_online_features(features=["fv0:v0_f0"], entity_rows=[{"k": one} for one in chosen]).to_dict()
    expected = pq.read_table(folder / "fv0.parquet", columns=["v0_f0"])["v0_f0"].take(chosen).to_pylist()
    if answer["v0_f0"] != expected:
        raise SystemExit(f"Feast wrote {answer['v0_f0']}, not {expected}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "peak": peak}) + "\n")


if __name__ == "__main__":
    folder_, url_, entities_, views_, features_, seen_ = sys.argv[1:]
    main(Path(folder_), url_, (int(entities_), int(views_), int(features_)), datetime.fromisoformat(seen_))
