"""The point-in-time join against DuckDB's ASOF join, by hand over the same files: `python -m benchmarks.bench_join`.

One view of a million rows and five float features, written by `materialize`, and a spine of 100,000 rows. First both
must give the same table, row for row, and a sample of it what the oracle says; there are no ties, on which DuckDB's
answer would not be fixed. Then each runs three times, in turns, in a process of its own; the medians are printed.

- `frame`: `store.get_training_frame`, which also archives the spine and records the frame and its pins;
- `join`: the join inside it, alone;
- `asof`: DuckDB, with its default threads and memory, in the order of the spine as the others are.

All read the spine from one Parquet file, the rows from the files of one snapshot, and end with an Arrow table. Files
are in the page cache by then. Peak memory is the process's, with the libraries, which are the same in all of them and
are loaded before the clock starts. That leaves out what the first join of a process pays for: `pyarrow.dataset` and,
with it, pandas, which a spine in a file brings in. Medians of a busy machine move: fastest and slowest stand beside.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import featurestore as fs
from featurestore.offline.join import ViewRead, join
from featurestore.offline.spine import read_spine
from featurestore.testing.oracle import OracleView, oracle_join

DEVICES, READINGS = 10_000, 100  # rows of the view: one times the other
SPINE = 100_000
FEATURES = ("f0", "f1", "f2", "f3", "f4")
COLUMNS = tuple((name, f"readings__{name}") for name in FEATURES)
ON = (("device", "device"),)
SAMPLE = 100
RUNS = 3
START = datetime(2025, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")

Numbers = np.ndarray[Any, np.dtype[Any]]


# ----------------------------------------------------------------------------------------------------- what is joined


def build(folder: Path) -> None:
    """Write the source in random order, materialize it, and write the spine."""
    random = np.random.default_rng(7)
    device, hour = np.divmod(random.permutation(DEVICES * READINGS), READINGS)
    features = {
        name: pa.array(random.normal(size=len(device)), mask=random.random(len(device)) < 0.05) for name in FEATURES
    }
    times = _times(hour * 60 + random.integers(0, 60, len(device)))  # one reading an hour: no two at one time
    pq.write_table(pa.table({"device": _names(device), "time": times, **features}), folder / "readings.parquet")

    asked = random.integers(0, DEVICES * 102 // 100, SPINE)  # a few of devices that there are not
    moments = _times(random.integers(-60, READINGS * 60, SPINE))  # a few before the first reading
    label = pa.array(random.normal(size=SPINE))
    pq.write_table(
        pa.table({"device": _names(asked), "event_timestamp": moments, "label": label}), folder / "spine.parquet"
    )
    view = fs.FeatureView(
        "readings",
        entity=fs.Entity("device", keys={"device": fs.String}),
        source=fs.ParquetSource("raw", path=str(folder / "readings.parquet")),
        event_time="time",
    )
    with fs.open_store(folder / "store") as store:
        store.apply([view])
        assert store.materialize("readings").rows == DEVICES * READINGS


def _names(numbers: Numbers) -> pa.Array[Any]:
    return pa.array([f"device-{number:05}" for number in numbers.tolist()])


def _times(minutes: Numbers) -> pa.Array[Any]:
    first = int(START.timestamp()) * 1_000_000
    return pa.array(first + minutes.astype(np.int64) * 60_000_000, pa.int64()).cast(MOMENT)


# ------------------------------------------------------------------------------------------------------------ the peers


def prepare_frame(folder: Path) -> Callable[[], pa.Table]:
    """Return the public call."""
    import_module("featurestore.operations.train")  # the first call would load it
    store = fs.open_store(folder / "store")
    return lambda: store.get_training_frame(["readings@v1"], folder / "spine.parquet").to_arrow()


def prepare_join(folder: Path) -> Callable[[], pa.Table]:
    """Return the join alone."""
    definition, files = _stored(folder)
    read = ViewRead(definition, files, ON, COLUMNS, "readings@v1")
    needed = dict(definition.keys)

    def run() -> pa.Table:
        spine = read_spine(folder / "spine.parquet", timestamp="event_timestamp", needed=needed)
        order = [name for _, name in COLUMNS]
        return join(spine, [read], timestamp="event_timestamp", as_of=None, order=order).table

    return run


def prepare_asof(folder: Path) -> Callable[[], pa.Table]:
    """Return DuckDB's join by hand."""
    _, files = _stored(folder)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    values = ", ".join(f"seen.{feature} AS {name}" for feature, name in COLUMNS)
    query = f"""
        SELECT asked.device, asked.event_timestamp, asked.label, {values}
        FROM read_parquet('{folder / "spine.parquet"}', file_row_number = true) AS asked
        ASOF LEFT JOIN read_parquet({[str(file) for file in files]}) AS seen
            ON asked.device = seen.device AND asked.event_timestamp >= seen.time
        ORDER BY asked.file_row_number
    """
    return lambda: connection.sql(query).to_arrow_table()


def _stored(folder: Path) -> tuple[Any, tuple[Path, ...]]:
    with fs.open_store(folder / "store", read_only=True) as store:
        (snapshot,) = store.snapshots("readings@v1")
        return store.version("readings@v1").definition, tuple(store.root / file.path for file in snapshot.files)


PEERS: Mapping[str, Callable[[Path], Callable[[], pa.Table]]] = {
    "frame": prepare_frame,
    "join": prepare_join,
    "asof": prepare_asof,
}


# ------------------------------------------------------------------------------------------------------------ the steps


def check(folder: Path) -> dict[str, int]:
    """Hold that all peers give one table, and that it is what the oracle says."""
    source = pq.read_table(folder / "readings.parquet")
    assert source.group_by(["device", "time"]).aggregate([]).num_rows == source.num_rows, "there are ties"
    tables = {name: prepare(folder)() for name, prepare in PEERS.items()}
    ours = tables["frame"]
    assert ours.num_rows == SPINE
    for name, table in tables.items():
        assert table.column_names == ours.column_names, name
        assert table.cast(ours.schema).equals(ours), f"{name} gives another table"

    sample = ours.take(np.sort(np.random.default_rng(8).choice(SPINE, SAMPLE, replace=False)))
    rows = source.filter(pc.is_in(source.column("device"), sample.column("device").combine_chunks())).to_pylist()
    view = OracleView(_stored(folder)[0], rows, ON, COLUMNS)
    found = sample.to_pylist()
    asked = [{name: row[name] for name in ("device", "event_timestamp", "label")} for row in found]
    for row, says in zip(found, oracle_join(asked, [view]).values, strict=True):
        assert {name: row[name] for _, name in COLUMNS} == says, row
    matched = SPINE - sum(all(row[name] is None for _, name in COLUMNS) for row in ours.to_pylist())
    return {"rows": ours.num_rows, "matched": matched, "sample": SAMPLE}


def measure(prepare: Callable[[Path], Callable[[], pa.Table]], folder: Path) -> dict[str, float]:
    """Run once and return seconds, and peak memory in MiB: at the end, and how much of it the run added."""
    import_module("pyarrow.dataset")
    run = prepare(folder)
    before = _peak()
    started = time.perf_counter()
    table = run()
    seconds = time.perf_counter() - started
    assert table.num_rows == SPINE
    return {"seconds": seconds, "peak": _peak(), "added": _peak() - before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(name: str, folder: Path) -> dict[str, Any]:
    """Do one step in a process of its own and return what it says."""
    command = [sys.executable, "-m", "benchmarks.bench_join", name, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(folder: Path) -> None:
    """Build, check, time, and print."""
    step("build", folder)
    checked = step("check", folder)
    print(
        f"{DEVICES * READINGS:,} rows x {len(FEATURES)} features, spine of {SPINE:,} rows: all give one table "
        f"({checked['matched']:,} rows matched), {SAMPLE} rows of it held against the oracle"
    )
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PEERS}
    for _ in range(RUNS):
        for name in PEERS:  # in turns, so that a busy moment of the machine meets all of them
            runs[name].append(step(name, folder))
    results = {name: _summary(of) for name, of in runs.items()}
    peer = results["asof"]
    heads = ("seconds", "fastest", "slowest", "asof / it", "peak MiB", "asof / it", "added MiB")
    print("      " + "".join(f"{head:>11}" for head in heads))
    for name, result in results.items():
        print(
            f"{name:6}{result['seconds']:11.3f}{result['fastest']:11.3f}{result['slowest']:11.3f}"
            f"{peer['seconds'] / result['seconds']:10.2f}x{result['peak']:11.0f}{peer['peak'] / result['peak']:10.2f}x"
            f"{result['added']:11.0f}"
        )
    sizes = {
        "rows": DEVICES * READINGS,
        "features": len(FEATURES),
        "spine": SPINE,
        "runs": RUNS,
        "cores": os.cpu_count(),
    }
    versions = {"duckdb": duckdb.__version__, "pyarrow": pa.__version__, "numpy": np.__version__}
    print(json.dumps({"benchmark": "join", **sizes, "results": results, "versions": versions}))


def _summary(runs: list[dict[str, Any]]) -> dict[str, float]:
    seconds = [run["seconds"] for run in runs]
    medians = {key: round(median(run[key] for run in runs), 3) for key in ("seconds", "peak", "added")}
    return {**medians, "fastest": round(min(seconds), 3), "slowest": round(max(seconds), 3)}


def main(arguments: list[str]) -> None:
    """Run the whole, or one step: `STEP FOLDER`."""
    if not arguments:
        with tempfile.TemporaryDirectory(prefix="bench-join-") as temporary:
            compare(Path(temporary))
        return
    name, folder = arguments[0], Path(arguments[1])
    result: Mapping[str, Any] = {}
    if name == "build":
        build(folder)
    elif name == "check":
        result = check(folder)
    else:
        result = measure(PEERS[name], folder)
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
