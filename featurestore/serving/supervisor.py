"""Several workers on one port: started, watched, replaced when they die, and stopped together."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from featurestore import errors
from featurestore.errors import FeatureStoreError, UnavailableError
from featurestore.serving.answering import WorkerOptions
from featurestore.serving.monitoring import Processes
from featurestore.serving.worker import command

__all__ = ["Supervisor"]

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_KILL_AFTER_GRACE_SECONDS = 5.0
_SHORT_LIFE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Worker:
    """A running worker, when it was started, and how often in a row it died young."""

    process: subprocess.Popen[bytes]
    report: int
    started: float
    counters: str
    failures: int = 0


class Supervisor:
    """Keeps a number of workers alive.

    Parameters
    ----------
    options
        What each worker is told.
    workers
        How many there are.
    folder
        Where each worker has a file for what it counts; those of dead ones stay.
    """

    def __init__(self, options: WorkerOptions, workers: int, folder: Path) -> None:
        self._options = options
        self._count = workers
        self._folder = folder
        self._workers: list[_Worker] = []
        self._started = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers."""
        return tuple(worker.process.pid for worker in self._workers)

    def processes(self) -> Processes:
        """Tell how the workers stand. Any thread may ask."""
        live = frozenset(worker.counters for worker in list(self._workers))
        return Processes(len(live), max(0, self._started - self._count), live)

    def start(self) -> None:
        """Start all workers and return when each of them serves.

        Raises
        ------
        FeatureStoreError
            The error for which a worker could not start, of its own class.
        """
        try:
            for _ in range(self._count):
                self._workers.append(self._spawn())
            for worker in self._workers:
                _await_ready(worker)
        except BaseException:
            self.stop()
            raise

    def watch(self, stop: threading.Event) -> None:
        """Replace workers that die, until `stop` is set. One that keeps dying young is replaced ever more slowly."""
        while not stop.wait(_POLL_SECONDS):
            for position, worker in enumerate(self._workers):
                code = worker.process.poll()
                if code is None:
                    continue
                age = time.monotonic() - worker.started
                failures = worker.failures + 1 if age < _SHORT_LIFE_SECONDS else 0
                if failures and age < min(2.0**failures / 4, _LONGEST_PAUSE_SECONDS):
                    continue  # looked at again at the next turn
                _log.error("worker %d ended with code %d: starting another", worker.process.pid, code)
                _release(worker)
                self._workers[position] = self._spawn(failures)

    def stop(self) -> None:
        """End all workers: ask, wait for the grace period, then kill those that have not drained."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        deadline = time.monotonic() + self._options.settings.grace + _KILL_AFTER_GRACE_SECONDS
        for worker in self._workers:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.error("worker %d did not drain: killed", worker.process.pid)
                worker.process.kill()
                worker.process.wait()
            _release(worker)
        self._workers.clear()

    def _spawn(self, failures: int = 0) -> _Worker:
        self._started += 1
        counters = str(self._folder / f"{self._started}.json")
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command(replace(self._options, counters=counters), writing),
                stdin=subprocess.PIPE,
                pass_fds=(writing,),
                process_group=0,  # Ctrl-C is for the supervisor, which then tells them
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return _Worker(process, reading, time.monotonic(), counters, failures)


def _release(worker: _Worker) -> None:
    os.close(worker.report)
    if worker.process.stdin is not None:
        worker.process.stdin.close()


def _await_ready(worker: _Worker) -> None:
    """Wait for a worker's first line; raise the error that it tells, if it is not `ready`."""
    said = b""
    deadline = worker.started + _START_SECONDS
    while not said.endswith(b"\n"):
        readable, _, _ = select.select([worker.report], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(worker.report, 65536) if readable else b""
        if not chunk:
            how = "ended" if readable else f"was not ready after {_START_SECONDS:g} s"
            message = f"worker {worker.process.pid} {how} and said nothing: its standard error tells why."
            raise UnavailableError(message)
        said += chunk
    report = json.loads(said)
    if report["state"] != "ready":
        class_ = getattr(errors, report["error"], FeatureStoreError)
        raise class_(report["text"])
