"""Feast, in a virtual environment of its own, which is made on first use; what it runs is `feast`.

Fair to Feast: its duckdb store, whose answers are right (the default one loses rows); microsecond timestamps; the same
tuned files; the registry written before the clock starts. Feast promises no order, so rows are numbered and sorted.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from benchmarks.offline.case import Case

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FEAST", "environment", "feast"]

FEAST = "feast[duckdb]==0.67.0"
ROW = "spine_row"


def environment(folder: Path, requirement: str = FEAST) -> Path:
    """Return the Python of an environment that has `requirement`, made in `folder` if it is not there.

    Raises
    ------
    OSError
        If it cannot be made: pip's last line says why.
    """
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
        done = subprocess.run(install, check=False, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise OSError(f"{requirement} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        ready.touch()
    return python


def feast(case: Case) -> Callable[[], pa.Table]:
    """Ask Feast's duckdb store."""
    import numpy as np
    import pandas as pd
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

    folder = mkdtemp(prefix="feast-", dir=case.scratch)
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark",
            provider="local",
            registry=f"{folder}/registry.db",
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": f"{folder}/online.db"},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    entity = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=view.name,
            entities=[entity],
            ttl=timedelta(seconds=view.ttl or 0),
            schema=[Field(name=name, dtype=Float64) for name in view.features],
            source=FileSource(path=view.files[0], timestamp_field="time"),
        )
        for view in case.views
    ]
    store.apply([entity, *views])
    references = [f"{view.name}:{name}" for view in case.views for name in view.features]

    def run() -> pa.Table:
        spine = pd.read_parquet(case.spine)
        spine[ROW] = np.arange(len(spine))
        job = store.get_historical_features(entity_df=spine, features=references, full_feature_names=True)
        answer: pa.Table = job.to_arrow()
        return answer.sort_by(ROW).select(case.columns)

    return run
