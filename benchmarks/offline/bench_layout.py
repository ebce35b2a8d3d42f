"""What a layout costs and gives: `python -m benchmarks.offline.bench_layout [--rows N]`.

The same rows (a key, a time, ten floats, three of them with nulls) are written in several layouts, and joined to two
spines: a dense one, a tenth as long as the view, and a sparse one of a thousand keys. All layouts must give the same
frames first. Then each is joined in turn, everything in one process with warm files, and the medians are printed:

- `none`, `lz4`, `zstd`: what numbers are compressed with; compressed ones are decoded, plain ones copied in place;
- rows of a row group;
- `decode`: Parquet's reader alone, of all columns of all row groups with all cores. It is what a join that decodes has
  to pay before it begins.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.model.definition import Computation, Definition, FeatureDefinition
from featurestore.model.types import Float64, Int64
from featurestore.offline.join import Join, ViewRead
from featurestore.offline.output import output_schema
from featurestore.offline.runs import write_run

PER_KEY = 100
FEATURES = tuple(f"f{number}" for number in range(10))
LAYOUTS = tuple((codec, group) for codec in ("none", "lz4", "zstd") for group in (131_072, 1_048_576))
RUNS = 5
MOMENT = pa.timestamp("us", tz="UTC")
DAYS = 30 * 86_400_000_000

DEFINITION = Definition(
    view="readings",
    entity="device",
    keys=(("device", Int64),),
    sources=(),
    computation=Computation("columns", "", ""),
    event_time="time",
    created_time=None,
    ttl=None,
    lookback=None,
    features=tuple(FeatureDefinition(name, Float64) for name in FEATURES),
)


def make(rows: int) -> tuple[pa.Table, Mapping[str, pa.Table]]:
    """Return the view's rows, sorted, and the spines."""
    random = np.random.default_rng(11)
    keys = rows // PER_KEY
    device = np.sort(random.integers(0, keys, rows))
    moments = random.integers(0, DAYS, rows)
    moments = moments[np.argsort(device * DAYS + moments)]
    nulls = {name: random.random(rows) < 0.05 for name in FEATURES[::4]}
    values = {name: pa.array(random.normal(size=rows), mask=nulls.get(name)) for name in FEATURES}
    schema = output_schema(DEFINITION)
    columns: dict[str, Any] = {"device": pa.array(device), "time": pa.array(moments).cast(MOMENT), **values}
    view = pa.table([columns[field.name] for field in schema], schema=schema)
    few = random.choice(keys, 1_000)
    asked: dict[str, Any] = {
        "dense": random.integers(0, keys * 105 // 100, rows // 10),
        "sparse": few[random.integers(0, 1_000, 10_000)],
    }
    spines = {
        name: pa.table({"device": device, "t": pa.array(random.integers(0, DAYS, len(device))).cast(MOMENT)})
        for name, device in asked.items()
    }
    return view, spines


def write(folder: Path, view: pa.Table, codec: str, group: int) -> ViewRead:
    """Write the rows in one layout."""
    root = folder / f"{codec}-{group}"
    files = write_run(root, DEFINITION, 1, view.to_batches(), row_group_rows=group, compression=codec)
    paths = tuple(root / file.path for file in files)
    return ViewRead(DEFINITION, paths, (("device", "device"),), tuple((name, name) for name in FEATURES), "readings@v1")


def joined(read: ViewRead, spine: pa.Table) -> pa.Table:
    """Join, as a new request does: files are opened first."""
    return Join([read], timestamp="t", as_of=None, order=FEATURES).run(spine).table


def decoded(read: ViewRead) -> None:
    """Decode everything."""
    for path in read.files:
        with pq.ParquetFile(path, memory_map=True) as file:
            file.read()


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of one run."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    """Write, check, time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    view, spines = make(rows)
    with tempfile.TemporaryDirectory(prefix="bench-layout-") as temporary:
        reads = {layout: write(Path(temporary), view, *layout) for layout in LAYOUTS}
        expected = {name: joined(reads[LAYOUTS[0]], spine) for name, spine in spines.items()}
        for read in reads.values():
            for name, spine in spines.items():
                assert joined(read, spine).equals(expected[name]), (read.files, name)
        times: dict[Any, dict[str, list[float]]] = {layout: {} for layout in LAYOUTS}
        for _ in range(RUNS):
            for layout, read in reads.items():  # in turns, so that a busy moment of the machine meets all of them
                for name, spine in spines.items():
                    times[layout].setdefault(name, []).append(timed(lambda read=read, spine=spine: joined(read, spine)))  # type: ignore[misc] # bound early
                times[layout].setdefault("decode", []).append(timed(lambda read=read: decoded(read)))  # type: ignore[misc] # as above
        sizes = {layout: sum(path.stat().st_size for path in read.files) / 1e6 for layout, read in reads.items()}
    results = []
    print(f"{rows:,} rows x {len(FEATURES)} features; all layouts give the same frames\n")
    print(f"{'layout':24}{'MB':>8}{'dense s':>10}{'sparse s':>10}{'decode s':>10}")
    for layout, found in times.items():
        middle = {name: round(median(seconds), 4) for name, seconds in found.items()}
        results.append({"compression": layout[0], "group": layout[1], "mb": round(sizes[layout], 1), **middle})
        numbers = "".join(f"{middle[name]:10.3f}" for name in ("dense", "sparse", "decode"))
        print(f"{layout[0]:5}{layout[1]:>12,} rows  {sizes[layout]:8.0f}{numbers}")
    print(json.dumps({"benchmark": "layout", "rows": rows, "results": results}))


if __name__ == "__main__":
    main()
