"""A floor: what Redis itself gives for the same keys and as many bytes, by `redis-benchmark`; no types, no versions."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.online.load import CLIENT_CORE, FailedError, Load
from benchmarks.online.report import Report
from benchmarks.online.requests import draw
from benchmarks.online.servers import free_port, running
from benchmarks.online.workloads import Scale, Workload

__all__ = ["measure", "redis"]

ROW_BYTES = 400  # of 50 float64
ASKED = ("1x50", "100x50", "500x50")
IN_FLIGHT = 16


@contextmanager
def redis(*, core: str | None) -> Iterator[int]:
    """Run a Redis that keeps nothing on disk; yield its port."""
    if shutil.which("redis-server") is None:
        raise FailedError("redis-server is not installed: install the package redis-server")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(command, f"127.0.0.1:{port}", core=core):
        yield port


def measure(workloads: Mapping[str, Workload], _store: Path, scale: Scale, report: Report, *_: Any) -> None:  # noqa: ANN401 - as all peers
    """MGET as many rows as the workload asks for."""
    for name in ASKED:
        if name not in workloads:
            continue
        keys = draw(workloads[name], scale.entities, 1)[0]
        with redis(core="0") as port:
            _fill(port, keys)
            report.add(name, "redis MGET", _ask(port, [f"user:{key}" for key in keys.tolist()], scale.seconds))


def _fill(port: int, keys: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    lines = "".join(f"SET user:{key} {'x' * ROW_BYTES}\r\n" for key in keys.tolist())
    subprocess.run(["redis-cli", "-p", str(port), "--pipe"], input=lines, text=True, check=True, capture_output=True)


def _ask(port: int, keys: list[str], seconds: float) -> Load:
    def run(calls: int) -> dict[str, str]:
        command = [
            "taskset",
            "-c",
            CLIENT_CORE,
            "redis-benchmark",
            "-p",
            str(port),
            "-c",
            str(IN_FLIGHT),
            "-n",
            str(calls),
        ]
        done = subprocess.run([*command, "--csv", "MGET", *keys], capture_output=True, text=True, check=True)
        return next(iter(csv.DictReader(io.StringIO(done.stdout[done.stdout.index('"test"') :]))))

    rate = float(run(2000)["rps"])
    calls = max(int(rate * seconds / 2), 1000)
    said = run(calls)
    return Load(
        float(said["rps"]),
        float(said["p50_latency_ms"]),
        float(said["p99_latency_ms"]),
        float("nan"),
        float("nan"),
        calls,
    )
