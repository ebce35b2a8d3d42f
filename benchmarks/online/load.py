"""Load: h2load on one core with bodies prepared beforehand, the server on the other; Linux.

A call that fails in gRPC is a success in HTTP, so the bytes of all answers are counted and must be those of the
answers that were checked.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["CLIENT_CORE", "GRPC", "SERVER_CORE", "FailedError", "Load", "drive", "framed"]

SERVER_CORE, CLIENT_CORE = "0", "1"
CONNECTIONS, STREAMS = 4, 4
GRPC = ("content-type: application/grpc", "te: trailers")
"""The headers of a gRPC call."""
TICKS = os.sysconf("SC_CLK_TCK")


class FailedError(Exception):
    """A load that did not go as it should; the text says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load found: calls a second, milliseconds at percentiles, microseconds of the server's CPU a call."""

    rate: float
    p50: float
    p99: float
    p999: float
    cpu: float
    calls: int


def framed(message: bytes) -> bytes:
    """Return a gRPC message as it travels: no compression, its length, its bytes."""
    return b"\0" + struct.pack(">I", len(message)) + message


def drive(
    url: str,
    bodies: Sequence[bytes],
    *,
    seconds: float,
    pid: int,
    sizes: Sequence[int] | None = None,
    rate: float | None = None,
    headers: Sequence[str] = GRPC,
    options: Sequence[str] = (),
) -> Load:
    """Send each body for its part of the time, and return all of it as one load.

    Parameters
    ----------
    pid
        The server's process, whose CPU time counts, its children's too.
    sizes
        Bytes of the answer to each body, to hold that none was another; None for answers that vary.
    rate
        Calls a second that are begun whatever the answers do (open loop); None sends the next when one has come.
    """
    calls, spent, used = 0, 0.0, 0.0
    times: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    for number, body in enumerate(bodies):
        with tempfile.TemporaryDirectory(prefix="load-") as folder:
            data, log = Path(folder, "body"), Path(folder, "log")
            data.write_bytes(body)
            each = max(seconds / len(bodies), 1.0)
            before = _cpu(pid)
            said = _h2load(url, data, log, each, rate, headers, options)
            used += _cpu(pid) - before
            done = np.loadtxt(log, ndmin=2)
            _check(said, done, None if sizes is None else sizes[number])
            times.append(done[:, 2] / 1e3)
            calls += len(done)
            spent += _seconds(said)
    p50, p99, p999 = np.percentile(np.concatenate(times), [50, 99, 99.9])
    return Load(calls / spent, float(p50), float(p99), float(p999), used / calls * 1e6, calls)


def _h2load(
    url: str,
    body: Path,
    log: Path,
    seconds: float,
    rate: float | None,
    headers: Sequence[str],
    options: Sequence[str],
) -> str:
    streams = STREAMS if rate is None else 64
    command = [
        "taskset",
        "-c",
        CLIENT_CORE,
        "h2load",
        "-c",
        str(CONNECTIONS),
        "-m",
        str(streams),
        "-D",
        f"{seconds * 1000:.0f}ms",
    ]
    if rate is not None:
        command += ["--rps", f"{max(rate / CONNECTIONS, 1):.0f}"]
    command += ["-d", str(body), f"--log-file={log}", *options]
    command += [part for header in headers for part in ("-H", header)]
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(f"h2load: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _check(said: str, done: np.ndarray[tuple[int, ...], np.dtype[np.float64]], size: int | None) -> None:
    if not len(done) or (done[:, 1] != 200).any():
        raise FailedError(f"{int((done[:, 1] != 200).sum()) if len(done) else 'all'} calls failed: {said}")
    if size is None:
        return
    data = re.search(r"\((\d+)\) data", said)
    begun = len(done) * size
    if data is None or abs(int(data[1]) - begun) > CONNECTIONS * 64 * size:  # those in flight at the end
        raise FailedError(f"answers have not the bytes of those that were checked: {said}")


def _seconds(said: str) -> float:
    found = re.search(r"finished in ([\d.]+)(m?s)", said)
    if found is None:
        raise FailedError(f"h2load says not how long it took: {said}")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _cpu(pid: int) -> float:
    """Return the seconds of CPU that a process and its children have used."""
    total = 0.0
    for task in [pid, *_children(pid)]:
        try:
            fields = Path(f"/proc/{task}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text(encoding="ascii").split():
            found += [int(child), *_children(int(child))]
    return found
