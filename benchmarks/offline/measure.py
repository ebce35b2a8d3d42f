"""Measure: start a worker, watch what memory it has of its own, and read what it says. Needs Linux."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.offline.case import Case
from benchmarks.offline.feast_peer import environment

__all__ = ["Bench", "FailedError", "Run", "evict"]

SAMPLE = 0.02  # seconds between two looks at a worker's memory
FEAST_FOLDER = Path(".bench/feast")


class FailedError(Exception):
    """A peer gave no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: wall seconds of the call, and bytes.

    Attributes
    ----------
    peak
        The most that the process held, with its libraries and the pages of files it mapped.
    added
        How much of that the call added.
    private
        The most that was the process's own: without files, which the system takes back when it needs the memory.
    """

    seconds: float
    peak: int
    added: int
    private: int


@dataclass(frozen=True, slots=True)
class Bench:
    """How workers are started.

    Attributes
    ----------
    warmup
        The case that each worker answers before its clock starts.
    timeout
        Seconds that a worker may take.
    """

    warmup: Case
    timeout: float

    def run(self, peer: str, mode: str, case: Case) -> Run:
        """Measure one answer.

        Raises
        ------
        FailedError
            If there is none: the peer failed, ran out of memory, or out of time.
        """
        command = [_python(peer), "-m", "benchmarks.offline.worker", peer, mode]
        command += [str(self.warmup.save()), str(case.save())]
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdout=said, stderr=errors)
            private = self._watch(process)
            said.seek(0)
            errors.seek(0)
            if process.returncode:
                raise FailedError(_reason(process.returncode, errors.read()))
            return Run(**json.loads(said.read().splitlines()[-1]), private=private)

    def _watch(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a worker and return the most memory that it had of its own."""
        most, end = 0, time.monotonic() + self.timeout
        while process.poll() is None:
            most = max(most, _private(process.pid))
            if time.monotonic() > end:
                process.kill()
                process.wait()
                raise FailedError(f"not done after {self.timeout:.0f} s")
            time.sleep(SAMPLE)
        return most


def evict(files: Iterable[str]) -> None:
    """Take files out of the page cache, so that the next to read them reads the disk."""
    os.sync()  # what is not written yet cannot be taken out
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _python(peer: str) -> str:
    if peer != "feast":
        return sys.executable
    try:
        return str(environment(FEAST_FOLDER).absolute())
    except (OSError, subprocess.CalledProcessError) as error:
        raise FailedError(str(error)) from error


def _private(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:  # it has just ended
        return 0
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found is not None else 0


def _reason(code: int, errors: str) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with {code}"
