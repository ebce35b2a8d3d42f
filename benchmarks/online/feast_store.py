"""Runs in Feast's environment: make a repository, materialize it to Redis, and write the request bodies.

`feast_store.py FOLDER REDIS_PORT ENTITIES BATCH...` prints a line of JSON: seconds that materializing took.

Fair to Feast: views that hold for ten years, microsecond timestamps, a duckdb offline store, one run for all views.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

VIEWS, FEATURES = 5, 50


def main(folder: str, port: str, entities: str, *batches: str) -> None:
    """Do all of it."""
    from feast import (  # type: ignore[import-not-found] # in an environment of its own
        Entity,
        FeatureStore,
        FeatureView,
        Field,
        FileSource,
        ValueType,
    )
    from feast.types import Float64  # type: ignore[import-not-found] # as above

    root, count = Path(folder), int(entities)
    (root / "data").mkdir(parents=True, exist_ok=True)
    (root / "feature_store.yaml").write_text(
        f"project: benchmark\nprovider: local\nregistry:\n  path: data/registry.db\n  cache_ttl_seconds: 600\n"
        f"offline_store:\n  type: duckdb\nonline_store:\n  type: redis\n"
        f'  connection_string: "127.0.0.1:{port},db=0"\nentity_key_serialization_version: 3\nauth:\n  type: no_auth\n',
        encoding="utf-8",
    )
    now = datetime.now(UTC).replace(microsecond=0)
    seen = pd.Series([pd.Timestamp(now - timedelta(hours=1))] * count).astype("datetime64[us, UTC]")
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    views = []
    for view in range(VIEWS):
        columns = {f"v{view}_f{feature}": np.arange(count) * 1000.0 + feature for feature in range(FEATURES)}
        path = root / "data" / f"floats{view}.parquet"
        pd.DataFrame({"user": np.arange(count), "seen": seen, **columns}).to_parquet(path, index=False)
        views.append(
            FeatureView(
                name=f"floats{view}",
                entities=[user],
                ttl=timedelta(days=3650),
                schema=[Field(name=name, dtype=Float64) for name in columns],
                source=FileSource(path=str(path), timestamp_field="seen"),
            )
        )
    store = FeatureStore(str(root))
    store.apply([user, *views])
    begun = time.perf_counter()
    store.materialize(now - timedelta(days=2), now)
    seconds = time.perf_counter() - begun
    references = [f"floats{view}:v{view}_f{feature}" for view in range(VIEWS) for feature in range(FEATURES)]
    for batch in map(int, batches):
        keys = np.random.default_rng(7).integers(0, count, batch).tolist()
        _write_bodies(root, references, keys)
    print("\n" + json.dumps({"seconds": seconds}))


def _write_bodies(root: Path, references: list[str], keys: list[int]) -> None:
    from feast.protos.feast.serving.ServingService_pb2 import (  # type: ignore[import-not-found]
        GetOnlineFeaturesRequest,
    )

    message = GetOnlineFeaturesRequest()
    message.features.val.extend(references)
    for key in keys:
        message.entities["user"].val.add().int64_val = key
    (root / f"grpc-{len(keys)}").write_bytes(message.SerializeToString())
    body = {"features": references, "entities": {"user": keys}}
    (root / f"http-{len(keys)}").write_text(json.dumps(body), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
