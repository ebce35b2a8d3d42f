"""Publish to LMDB and to Redis, and Feast's materialize to Redis, over the same rows: seconds, memory, ratios.

    python -m benchmarks.online.bench_publish [--entities N] [--views N] [--features N] [--peers ...] [--json FILE]

Each measurement is a process of its own, of which the best run counts; its clock starts when the libraries are loaded
and the rows are at rest offline. What it wrote is read back and compared before a time counts. All write to one Redis
server, started here, that keeps nothing on disk. Feast has an environment of its own, made on first use.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import featurestore as fs
from benchmarks.offline.feast_peer import environment

BENCH = Path(".bench")
FEAST = "feast[duckdb,redis]==0.67.0"
SEEN = datetime(2026, 1, 1, tzinfo=UTC)
PEERS = ("lmdb", "redis", "feast")
BARS = {"lmdb": 40, "redis": 15}
CHECKED = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How much is published: `features` in each of `views`."""

    entities: int
    views: int
    features: int


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: wall seconds, and the most memory that the process held, in MiB."""

    seconds: float
    peak: float


def names(view: int, size: Size) -> list[str]:
    """Return the features of one view."""
    return [f"v{view}_f{number}" for number in range(size.features)]


def generate(folder: Path, size: Size) -> None:
    """Write the rows of every view, one a entity, as Parquet with microseconds."""
    draw = np.random.default_rng(1)
    keys: list[Any] = [
        pa.array(np.arange(size.entities)),
        pa.array(np.full(size.entities, int(SEEN.timestamp() * 1e6)), pa.timestamp("us", "UTC")),
    ]
    for view in range(size.views):
        values = [pa.array(draw.random(size.entities)) for _ in range(size.features)]
        pq.write_table(pa.table([*keys, *values], ["k", "ts", *names(view, size)]), folder / f"fv{view}.parquet")


def configure(folder: Path, peer: str, url: str, size: Size) -> Path:
    """Make a store with every view materialized and return its configuration."""
    toml = folder / f"{peer}.toml"
    toml.write_text(f'store = "{peer}"\nonline = "{"lmdb" if peer == "lmdb" else url}"\n', encoding="utf-8")
    entity = fs.Entity("user", keys={"k": fs.Int64})
    views = [
        fs.FeatureView(
            f"fv{view}",
            entity=entity,
            source=fs.ParquetSource(f"s{view}", path=str(folder / f"fv{view}.parquet")),
            event_time="ts",
        )
        for view in range(size.views)
    ]
    with fs.open_store(toml) as store:
        store.apply(views)
        for view in views:
            store.materialize(view.name)
    return toml


_OURS = """
import json, resource, sys, time
import duckdb, lmdb, pyarrow, redis, featurestore as fs
with fs.open_store(sys.argv[1]) as store:
    references = [f"fv{view}@v1" for view in range(int(sys.argv[2]))]
    start = time.perf_counter()
    for reference in references:
        store.publish(reference)
    seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def publish(toml: Path, size: Size) -> Run:
    """Publish every view once, in a process of its own."""
    return _run([sys.executable, "-c", _OURS, str(toml), str(size.views)])


def check(toml: Path, folder: Path, size: Size) -> None:
    """Compare online rows of entities drawn at random with the files, to the bit."""
    chosen = np.random.default_rng(2).integers(0, size.entities, min(CHECKED, size.entities))
    with fs.open_store(toml, read_only=True) as store:
        for view in range(size.views):
            answer = store.get_online_features(features=[f"fv{view}@v1"], entities={"k": [*chosen.tolist(), -1]})
            expected = pq.read_table(folder / f"fv{view}.parquet", columns=names(view, size)).take(chosen)
            for name in names(view, size):
                got = answer.to_dict()[f"fv{view}__{name}"]
                assert got == [*expected[name].to_pylist(), None], f"{toml.name}: {name} is not what was published"


def feast(folder: Path, url: str, size: Size) -> Run:
    """Materialize every view once with Feast, in a process of its own; it checks what it wrote."""
    python = environment(BENCH / "feast-redis", FEAST)
    script = Path(__file__).with_name("feast_publish.py")
    arguments = [str(folder), url, str(size.entities), str(size.views), str(size.features), SEEN.isoformat()]
    return _run([str(python.absolute()), "-P", str(script), *arguments])  # our modules are not beside Feast's


def _run(command: list[str]) -> Run:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed:\n{done.stderr[-2000:]}")
    return Run(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a Redis server that keeps nothing on disk and give its URL."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log)
    try:
        end = time.monotonic() + 30
        while time.monotonic() < end and socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def measure(size: Size, peers: list[str], runs: int) -> dict[str, Run]:
    """Return the best run of each peer."""
    BENCH.mkdir(exist_ok=True)
    if "feast" in peers:
        environment(BENCH / "feast-redis", FEAST)
    best: dict[str, Run] = {}
    with tempfile.TemporaryDirectory(prefix="publish-", dir=BENCH) as scratch:
        folder = Path(scratch).absolute()
        generate(folder, size)
        with redis_server(folder) as url:
            for peer in peers:
                if peer == "feast":
                    best[peer] = feast(folder, url, size)  # once: it takes minutes
                    sys.stderr.write(f"{peer}: {best[peer].seconds:.2f} s\n")
                    continue
                toml = configure(folder, peer, url, size)
                publish(toml, size)
                check(toml, folder, size)
                best[peer] = min((publish(toml, size) for _ in range(runs)), key=lambda run: run.seconds)
                check(toml, folder, size)
                sys.stderr.write(f"{peer}: {best[peer].seconds:.2f} s\n")
    return best


def report(best: dict[str, Run], size: Size) -> list[str]:
    """Return the lines of a table."""
    count = size.views * size.features
    lines = [f"publish {size.entities:,} entities x {count} features in {size.views} views", ""]
    lines.append(f"{'':8}{'seconds':>10}{'peak MiB':>10}{'Feast / it':>12}{'bar':>6}")
    for peer, run in best.items():
        ratio = f"{best['feast'].seconds / run.seconds:.1f}" if "feast" in best else "-"
        lines.append(f"{peer:8}{run.seconds:>10.2f}{run.peak:>10.0f}{ratio:>12}{BARS.get(peer, '-'):>6}")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--features", type=int, default=50, help="of each view")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    size = Size(options.entities, options.views, options.features)
    best = measure(size, options.peers, options.runs)
    print("\n".join(report(best, size)))
    if options.json is not None:
        found = {"size": asdict(size), "peers": {peer: asdict(run) for peer, run in best.items()}}
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
