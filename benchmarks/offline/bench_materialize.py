"""Materialization at size: `python -m benchmarks.offline.bench_materialize [--rows N] [--folder FOLDER]`.

The source is Parquet of N rows in no order: an int64 key, a time, ten float64 features, a hundred rows a key.

- `materialize`: `store.materialize` with default settings, which also hashes source and files, and syncs the files;
- `copy`: DuckDB's `COPY (SELECT ... ORDER BY key, time) TO ... (FORMAT parquet)`, with the same limits;
- `compact`: `store.compact` of sixteen runs that share these rows, which reads all of them back to compare.
- `refresh`: one more day of N/100 rows, behind a history of 10, 30 and 100 days, each with a row of every key at one
  moment. The source is a folder with a file a day (`a file more`), the same with created times, so that rows which
  became known late are looked for (`created times`), or one file in no order, which is written anew (`rewritten`).

The last two only up to the default N.

First the results are checked: rows in order, as many, and the same by a digest over all columns. Each measurement is a
process of its own; peak memory is the process's, with the libraries, which are loaded before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

import featurestore as fs
from featurestore.model.settings import Settings

ROWS = 10_000_000
PER_KEY = 100
RUNS = 16
FEATURES = tuple(f"f{number}" for number in range(10))
COLUMNS = ("k", "t", *FEATURES)
START = "TIMESTAMPTZ '2024-01-01 00:00:00+00'"
DAYS = (10, 30, 100)
REST = 2.5  # seconds after which a file's digest is remembered; sources rest longer between two refreshes


LIBRARIES = (
    "featurestore.operations.compact",
    "featurestore.operations.refresh",
    "featurestore.offline.compute",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
)


def connect() -> duckdb.DuckDBPyConnection:
    """Return DuckDB with the limits of the store's defaults."""
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{Settings().memory_limit}'")
    connection.execute(f"SET threads = {os.cpu_count()}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def write_source(path: Path, rows: int, times: str) -> None:
    """Write `rows` rows in no order of keys; `times` gives a row's time from its number in its key."""
    keys = max(1, rows // PER_KEY)
    values = ", ".join(
        f"(hash(p * 16 + {number}) % 1000003) / 1000.0 AS {name}" for number, name in enumerate(FEATURES)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY (SELECT p % {keys} AS k, {times} AS t, {values} "
            f"FROM (SELECT (i * 7919 + 12345) % {rows} AS p, p // {keys} AS place FROM range({rows}) AS r(i))) "
            f"TO '{path}' (FORMAT parquet)"
        )


def write_days(path: Path, days: range, keys: int, *, created: bool = False) -> None:
    """Write a row of every key at one moment of each day; `created` adds when it became known, five minutes later."""
    values = ", ".join(f"(hash(i * 16 + {place}) % 1000003) / 1000.0 AS {name}" for place, name in enumerate(FEATURES))
    known = "t + to_minutes(5) AS c, " if created else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    with connect() as connection:
        connection.execute(
            f"COPY (SELECT k, t, {known}{values} FROM (SELECT i, i % {keys} AS k, "
            f"{START} + to_days(CAST(i // {keys} AS INTEGER)) AS t "
            f"FROM range({days.start * keys}, {days.stop * keys}) AS r(i)) "
            f"ORDER BY hash(i)) TO '{path}' (FORMAT parquet)"
        )


HOURLY = f"{START} + to_minutes(place * 60 + CAST(hash(p) % 60 AS BIGINT))"
"""Times an hour apart in each key, every one another minute: no two rows of a key at one."""


def view(folder: Path) -> fs.FeatureView:
    """Return the view of a folder's source: its columns as they are."""
    source = fs.ParquetSource("raw", path=str(folder / "source"))
    columns = pq.read_schema(next((folder / "source").glob("*.parquet"))).names
    return fs.FeatureView(
        "readings",
        entity=fs.Entity("key", keys={"k": fs.Int64}),
        source=source,
        event_time="t",
        created_time="c" if "c" in columns else None,
    )


def contents(files: list[str]) -> tuple[int, int]:
    """Return rows and a digest of all columns, in whatever order."""
    query = f"SELECT count(*), sum(hash({', '.join(COLUMNS)})::HUGEINT) FROM read_parquet({files})"
    with connect() as connection:
        rows, digest = connection.execute(query).fetchone() or (0, 0)
    return int(rows), int(digest)


def in_order(files: list[str]) -> bool:
    """Return whether each file's rows come sorted by key and time."""
    later = "lag(k) OVER (ORDER BY file_row_number) AS pk, lag(t) OVER (ORDER BY file_row_number) AS pt"
    with connect() as connection:
        for file in files:
            query = f"SELECT count(*) FROM (SELECT k, t, {later} FROM read_parquet('{file}', file_row_number = true)) "
            (wrong,) = connection.execute(f"{query} WHERE k < pk OR (k = pk AND t < pt)").fetchone() or (1,)
            if wrong:
                return False
    return True


# ------------------------------------------------------------------------------------------------------------ the steps


def stored(store: fs.FeatureStore) -> list[str]:
    """Return the files of the newest snapshot."""
    return [str(store.root / file.path) for file in store.snapshots("readings")[-1].files]


def measured(work: Any) -> dict[str, float]:  # noqa: ANN401 - anything to be called
    """Run once; return seconds, the processor's seconds, and the process's peak memory in MiB."""
    for library in LIBRARIES:
        import_module(library)
    before, started = processor_seconds(), time.perf_counter()
    work()
    seconds, processor = time.perf_counter() - started, processor_seconds() - before
    return {"seconds": seconds, "cpu": processor, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def processor_seconds() -> float:
    """Return what this process has used so far, in all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def step_materialize(folder: Path) -> dict[str, Any]:
    """Materialize whole."""
    with fs.open_store(folder / "store") as store:
        store.apply([view(folder)])
        result: dict[str, Any] = measured(lambda: store.materialize("readings"))
        return {**result, "bytes": sum(Path(file).stat().st_size for file in stored(store))}


def step_copy(folder: Path) -> dict[str, Any]:
    """Let DuckDB sort and write."""
    target = folder / "copy.parquet"
    with connect() as connection:
        connection.execute(f"SET temp_directory = '{folder / 'spill'}'")
        query = f"SELECT * FROM read_parquet('{folder / 'source'}/*.parquet') ORDER BY k, t"
        result: dict[str, Any] = measured(lambda: connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet)"))
    return {**result, "bytes": target.stat().st_size}


def step_check(folder: Path) -> dict[str, Any]:
    """Hold that what is stored is the source, in order."""
    with fs.open_store(folder / "store") as store:
        files = stored(store)
    source = [str(path) for path in sorted((folder / "source").glob("*.parquet"))]
    assert contents(files) == contents(source), "other rows are stored than the source holds"
    assert in_order(files), "rows are not stored in order"
    return {"rows": contents(files)[0]}


def step_windows(folder: Path) -> dict[str, Any]:
    """Store the source as sixteen runs, which are not merged on the way."""
    os.environ["FEATURESTORE_MAX_RUNS"] = str(RUNS + 1)
    bounds = [f"2024-01-0{1 + hour // 24}T{hour % 24:02}:00" for hour in range(0, PER_KEY, PER_KEY // RUNS)][:RUNS]
    with fs.open_store(folder / "store") as store:
        store.apply([view(folder)])
        for start, end in zip(bounds, [*bounds[1:], None], strict=True):
            store.materialize("readings", start=start, end=end)
        return {"runs": len(store.snapshots("readings")[-1].runs)}


def step_compact(folder: Path) -> dict[str, Any]:
    """Compact them."""
    with fs.open_store(folder / "store") as store:
        result: dict[str, Any] = measured(lambda: store.compact("readings"))
        return {**result, "runs": len(store.snapshots("readings")[-1].runs)}


def step_refresh(folder: Path) -> dict[str, Any]:
    """Refresh by one day."""
    with fs.open_store(folder / "store") as store:
        before = {file.path for file in store.snapshots("readings")[-1].files}
        result: dict[str, Any] = measured(lambda: store.refresh(until="2030-01-01"))
        files = store.snapshots("readings")[-1].files
        return {**result, "written": sum(file.bytes for file in files if file.path not in before)}


STEPS = {
    "materialize": step_materialize,
    "copy": step_copy,
    "check": step_check,
    "windows": step_windows,
    "compact": step_compact,
    "refresh": step_refresh,
}


def step(name: str, folder: Path) -> dict[str, Any]:
    """Do one step in a process of its own and return what it says."""
    command = [sys.executable, "-m", "benchmarks.offline.bench_materialize", "--step", name, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


# ------------------------------------------------------------------------------------------------------ the comparison


def whole(folder: Path, rows: int) -> dict[str, Any]:
    """Materialize and copy the same source; compact sixteen runs of it."""
    write_source(folder / "source" / "0.parquet", rows, HOURLY)
    results = {"materialize": step("materialize", folder)}
    step("check", folder)
    shutil.rmtree(folder / "store")
    results["copy"] = step("copy", folder)
    (folder / "copy.parquet").unlink()
    if rows <= ROWS:
        assert step("windows", folder)["runs"] == RUNS
        results["compact"] = step("compact", folder)
        assert results["compact"]["runs"] == 1
        step("check", folder)
        shutil.rmtree(folder / "store")
    shutil.rmtree(folder / "source")
    return results


def increments(folder: Path, rows: int) -> dict[str, Any]:
    """Refresh by a day of `rows / 100` rows, behind histories of some days."""
    return {
        f"refresh, {kind}, {days} days": increment(folder, kind, days, max(1, rows // max(DAYS)))
        for kind in ("a file more", "created times", "rewritten")
        for days in DAYS
    }


def increment(folder: Path, kind: str, days: int, keys: int) -> dict[str, Any]:
    """Refresh by one day behind some."""

    def written(first: int, last: int) -> None:
        if kind == "rewritten":
            write_days(folder / "source" / "0.parquet", range(last), keys)
        else:
            for day in range(first, last):
                path = folder / "source" / f"{day:03}.parquet"
                write_days(path, range(day, day + 1), keys, created=kind == "created times")
        time.sleep(REST)

    written(0, days)
    step("materialize", folder)
    written(days, days + 1)
    result = step("refresh", folder)
    step("check", folder)
    shutil.rmtree(folder / "store")
    shutil.rmtree(folder / "source")
    return result


def report(rows: int, results: dict[str, Any]) -> None:
    """Print the table and the line of JSON."""
    peer = results["copy"]
    print(f"{rows:,} rows x {len(COLUMNS)} columns, memory limit {Settings().memory_limit}, {os.cpu_count()} threads")
    heads = ("seconds", "Mrows/s", "it / copy", "cpu s", "peak MiB", "MiB written")
    print(f"{'':36}" + "".join(f"{head:>12}" for head in heads))
    for name, result in results.items():
        written = result.get("bytes", result.get("written"))
        whole_table = name in {"materialize", "copy", "compact"}
        rate = f"{rows / result['seconds'] / 1e6:.2f}" if whole_table else ""
        ratio = f"{result['seconds'] / peer['seconds']:.2f}x" if whole_table else ""
        size = "" if written is None else f"{written / 2**20:,.0f}"
        print(
            f"{name:36}{result['seconds']:12.2f}{rate:>12}{ratio:>12}{result['cpu']:12.1f}{result['peak']:12.0f}{size:>12}"
        )
    print(json.dumps({"benchmark": "materialize", "rows": rows, "cores": os.cpu_count(), "results": results}))


def main() -> None:
    """Run the whole, or one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--step", choices=STEPS, default=None)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps(STEPS[given.step](given.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-materialize-", dir=given.folder) as temporary:
        folder = Path(temporary)
        results = whole(folder, given.rows)
        if given.rows <= ROWS:
            results |= increments(folder, given.rows)
        report(given.rows, results)


if __name__ == "__main__":
    main()
