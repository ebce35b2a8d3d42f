"""A small real store, and real server processes over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import pytest

import featurestore as fs
from tests.serving.things import fill


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a store that tests only read."""
    path = tmp_path_factory.mktemp("serving") / "store"
    with fs.open_store(path) as store:
        fill(store)
    return path


@dataclass(slots=True)
class Served:
    """A server process: its address, the workers' process ids, and the process to be ended."""

    address: str
    pids: list[int]
    process: subprocess.Popen[str]
    log: Callable[[], str] = str
    """What it has said on standard error."""

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal the server and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


Serve = Callable[..., AbstractContextManager[Served]]


_PROGRAM = """
import json, sys
from featurestore.serving.server import serve
def ready(address, pids):
    print(json.dumps([address, pids]), flush=True)
serve(sys.argv[1], ready=ready, **json.loads(sys.argv[2]))
"""


@pytest.fixture(scope="session")
def server(serve: Serve, store_path: Path) -> Iterator[Served]:
    """A server for tests that only read from it."""
    with serve(store_path, workers=2) as served:
        yield served


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Start a server of a store in a process of its own; it ends with the `with` block."""
    folder = tmp_path_factory.mktemp("logs")

    @contextmanager
    def start(path: Path, **options: object) -> Iterator[Served]:
        options = {"address": "127.0.0.1:0"} | options
        command = [sys.executable, "-c", _PROGRAM, str(path), json.dumps(options)]
        with (
            TemporaryFile("w+", dir=folder) as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                log.seek(0)
                assert line, log.read()
                address, pids = json.loads(line)

                def said() -> str:
                    return os.pread(log.fileno(), 1 << 24, 0).decode()

                yield Served(address, pids, process, said)
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait(30)

    return start
