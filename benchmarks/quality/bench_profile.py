"""What profiling costs a materialization: `python -m benchmarks.quality.bench_profile [--rows N] [--pairs N]`.

The source is Parquet of N rows in no order: an int64 key, a hundred rows a key, a time, and ten features. Of
`numbers` they are float64 of a million values each; `mixed` has six float64 (of them one with a tenth nulls, one of
three hundred values), an int64 of a thousand, a bool, a text of twenty, and a text of which there are as many as
keys. The view is the source's columns as they are; that of `sql` selects those of `mixed`, so that the source is read
once more for its profile.

`store.materialize` runs with default settings and with `profiles` off, in turn, each time in a process and a store of
its own; what is compared is each pair, told is the median of the ratios. The profile is of the rows written and of
the source columns read.

First the results are checked: with and without, the same files are written, and what the profile counts is what DuckDB
counts in the source. Peak memory is the process's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

import featurestore as fs
from featurestore.model.profile import Profile
from featurestore.model.settings import Settings

ROWS = 10_000_000
PAIRS = 5
PER_KEY = 100
BAR = 1.25
START = "TIMESTAMPTZ '2024-01-01 00:00:00+00'"
LIBRARIES = (
    "featurestore.operations.materialize",
    "featurestore.offline.compute",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
)
NUMBERS = {f"f{place}": f"(hash(p * 16 + {place}) % 1000003) / 1000.0" for place in range(10)}
MIXED = {
    **{f"f{place}": f"(hash(p * 16 + {place}) % 1000003) / 1000.0" for place in range(4)},
    "gaps": "CASE WHEN hash(p * 16 + 4) % 10 > 0 THEN (hash(p * 16 + 5) % 1000003) / 1000.0 END",
    "steps": "(hash(p * 16 + 6) % 300) / 4.0",
    "count": "CAST(hash(p * 16 + 7) % 1000 AS BIGINT)",
    "flag": "hash(p * 16 + 8) % 3 = 0",
    "carrier": "'carrier ' || CAST(hash(p * 16 + 9) % 20 AS VARCHAR)",
    "tail": "'N' || CAST(hash(p % {keys}) AS VARCHAR)",
}
SHAPES = {"numbers": NUMBERS, "mixed": MIXED, "sql": MIXED}


def write_source(path: Path, rows: int, shape: str) -> None:
    """Write `rows` rows in no order of keys."""
    keys = max(1, rows // PER_KEY)
    values = ", ".join(f'{value.format(keys=keys)} AS "{name}"' for name, value in SHAPES[shape].items())
    times = f"{START} + to_minutes(place * 60 + CAST(hash(p) % 60 AS BIGINT))"
    path.parent.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{Settings().memory_limit}'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY (SELECT p % {keys} AS k, {times} AS t, {values} "
            f"FROM (SELECT (i * 7919 + 12345) % {rows} AS p, p // {keys} AS place FROM range({rows}) AS r(i))) "
            f"TO '{path}' (FORMAT parquet)"
        )


def step(folder: Path, shape: str) -> dict[str, Any]:
    """Materialize once, in this process, as the environment says."""
    for library in LIBRARIES:
        import_module(library)
    shutil.rmtree(folder / "store", ignore_errors=True)
    source = fs.ParquetSource("raw", path=str(folder / "source" / "*.parquet"))
    sql = None if shape != "sql" else f"select k, t, {', '.join(map(repr, SHAPES[shape]))} from raw".replace("'", '"')
    entity = fs.Entity("key", keys={"k": fs.Int64})
    view = fs.FeatureView("readings", entity=entity, source=source, sql=sql, event_time="t")
    with fs.open_store(folder / "store") as store:
        store.apply([view])
        before, started = processor_seconds(), time.perf_counter()
        snapshot = store.materialize("readings")
        seconds, processor = time.perf_counter() - started, processor_seconds() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        result = {"seconds": seconds, "cpu": processor, "peak": peak, "snapshot": snapshot.id}
        if os.environ["FEATURESTORE_PROFILES"] == "true":
            result["profile"] = store.profile(snapshot).to_json()
            result["source"] = store.profile("source/raw").to_json()
    return result


def processor_seconds() -> float:
    """Return what this process has used so far, in all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def materialized(folder: Path, shape: str, *, profiles: bool) -> dict[str, Any]:
    """Materialize in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.quality.bench_profile", "--shape", shape, "--step", str(folder)]
    environment = {**os.environ, "FEATURESTORE_PROFILES": str(profiles).lower()}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check(folder: Path, shape: str, profile: Profile) -> int:
    """Hold that a profile counts what DuckDB counts in the source; return its size in bytes as it is kept."""
    texts = {"carrier", "tail"}
    with duckdb.connect() as connection:
        for name in SHAPES[shape]:
            column = profile.column(name)
            assert column is not None
            assert column.distinct is not None
            query = (
                f'SELECT count(*), count(*) - count("{name}"), min("{name}"), max("{name}"), count(DISTINCT "{name}") '
                f"FROM read_parquet('{folder}/source/*.parquet')"
            )
            rows, nulls, least, greatest, distinct = connection.execute(query).fetchall()[0]
            assert (column.rows, column.nulls, column.least, column.greatest) == (rows, nulls, least, greatest), name
            assert abs(column.distinct.count - distinct) <= 0.15 * distinct, name
            if name in texts or name == "flag":
                continue
            assert column.moments is not None
            assert column.histogram is not None
            query = (
                f'SELECT avg("{name}"), stddev_samp("{name}"), quantile_cont("{name}", 0.9) '
                f"FROM read_parquet('{folder}/source/*.parquet')"
            )
            mean, deviation, ninth = connection.execute(query).fetchall()[0]
            assert abs(column.moments.mean - mean) <= 1e-9 * abs(mean), name
            assert abs(column.moments.deviation - deviation) <= 1e-6 * deviation, name
            assert abs(column.histogram.quantile(0.9) - ninth) <= 0.02 * deviation, name
    return len(zlib.compress(json.dumps(profile.to_json(), separators=(",", ":")).encode()))


def compare(folder: Path, rows: int, pairs: int, shape: str) -> dict[str, Any]:
    """Measure pairs of one shape."""
    write_source(folder / "source" / "0.parquet", rows, shape)
    found: dict[str, list[dict[str, Any]]] = {"without": [], "with": []}
    size = 0
    for pair in range(pairs + 1):  # the first warms the page cache, and is checked
        order = ("without", "with") if pair % 2 else ("with", "without")
        both = {name: materialized(folder, shape, profiles=name == "with") for name in order}
        assert both["with"]["snapshot"] == both["without"]["snapshot"], "profiling changed what is written"
        profile, source = (Profile.from_json(both["with"].pop(name)) for name in ("profile", "source"))
        if not pair:
            size = check(folder, shape, profile)
            if source.looked is None:
                check(folder, shape, source)
            continue
        for name, result in both.items():
            found[name].append(result)
    shutil.rmtree(folder / "source")
    shutil.rmtree(folder / "store")
    ratios = {
        what: [a[what] / b[what] for a, b in zip(found["with"], found["without"], strict=True)]
        for what in ("seconds", "cpu")
    }
    told = {
        name: {what: statistics.median(result[what] for result in results) for what in ("seconds", "cpu", "peak")}
        for name, results in found.items()
    }
    return {
        **told,
        "ratio": statistics.median(ratios["seconds"]),
        "ratios": [round(ratio, 3) for ratio in sorted(ratios["seconds"])],
        "cpu_ratio": statistics.median(ratios["cpu"]),
        "bytes_per_column": size / (len(SHAPES[shape]) + 2),
    }


def main() -> None:
    """Compare all shapes, or materialize once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--shape", choices=SHAPES, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--step", type=Path, default=None)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps(step(given.step, given.shape)))
        return
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-profile-", dir=given.folder) as temporary:
        for shape in SHAPES if given.shape is None else [given.shape]:
            results[shape] = compare(Path(temporary), given.rows, given.pairs, shape)
    print(f"{given.rows:,} rows x 10 features, {given.pairs} pairs, {os.cpu_count()} cores")
    heads = ("without s", "with s", "ratio", "cpu ratio", "peak without", "peak with", "bytes a column")
    print(f"{'':10}" + "".join(f"{head:>15}" for head in heads))
    for shape, result in results.items():
        without, profiled = result["without"], result["with"]
        cells = [f"{without['seconds']:.2f}", f"{profiled['seconds']:.2f}", f"{result['ratio']:.2f}x"]
        cells += [f"{result['cpu_ratio']:.2f}x", f"{without['peak']:.0f} MiB", f"{profiled['peak']:.0f} MiB"]
        cells.append(f"{result['bytes_per_column']:,.0f}")
        print(f"{shape:10}" + "".join(f"{cell:>15}" for cell in cells))
        held = "yes" if result["ratio"] <= BAR else "no"
        print(f"{'':10}ratios of the pairs {result['ratios']}; at most {BAR}x: {held}")
    print(json.dumps({"benchmark": "profile", "rows": given.rows, "cores": os.cpu_count(), "results": results}))


if __name__ == "__main__":
    main()
