"""The Python client in a process of its own, on the load's core: any key at each call, one call after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

import featurestore as fs
from benchmarks.online.load import CLIENT_CORE, Load
from benchmarks.online.servers import ours
from benchmarks.online.workloads import Scale

__all__ = ["ask_at_random"]

ROWS = 100


def ask_at_random(store: Path, scale: Scale) -> Load:
    """Return the load of one connection, decoding included; no CPU of the server is told apart."""
    with ours(store) as (address, _):
        command = ["taskset", "-c", CLIENT_CORE, sys.executable, "-m", "benchmarks.online.client", address]
        done = subprocess.run(
            [*command, str(scale.entities), str(scale.seconds)], capture_output=True, text=True, check=True
        )
    return Load(**json.loads(done.stdout))


def main(address: str, entities: str, seconds: str) -> None:
    """Ask until the time is over and print what was found."""
    random = np.random.default_rng()
    times = []
    with fs.connect(address, timeout=60) as client:
        until = time.monotonic() + float(seconds)
        while time.monotonic() < until:
            keys = random.integers(0, int(entities), ROWS)
            begun = time.perf_counter()
            client.get_features(["floats0@v1"], entities={"user": keys})
            times.append((time.perf_counter() - begun) * 1e3)
    p50, p99, p999 = np.percentile(times, [50, 99, 99.9])
    load = Load(len(times) / float(seconds), p50, p99, p999, 0.0, len(times))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main(*sys.argv[1:])
