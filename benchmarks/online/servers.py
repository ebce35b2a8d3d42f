"""Servers under load: started on a free port of this machine and pinned to one core, ended when the block is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc

from benchmarks.online.load import SERVER_CORE, FailedError
from featurestore.serving.tokens import new_token

__all__ = ["credentials", "echo", "free_port", "ours", "running"]

START_SECONDS = 120.0
_OURS = """
import json, sys
from featurestore.serving.server import serve
serve(sys.argv[1], sys.argv[2], ready=lambda address, pids: print(address, flush=True), **json.loads(sys.argv[3]))
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str],
    address: str,
    *,
    core: str | None = SERVER_CORE,
    cwd: Path | None = None,
) -> Iterator[int]:
    """Run a server; yield its process id when it accepts connections."""
    pinned = ["taskset", "-c", core, *command] if core is not None else [*command]
    with subprocess.Popen(pinned, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(address, process)
            yield process.pid
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.rpartition(":")
    until = time.monotonic() + START_SECONDS
    with socket.socket() as probe:
        while probe.connect_ex((host, int(port))) != 0:
            if process.poll() is not None or time.monotonic() > until:
                raise FailedError(f"no server at {address} (exit code {process.poll()})")
            time.sleep(0.1)


def credentials(folder: Path) -> tuple[Path, str]:
    """Return a file of tokens for a server, and a token in it that may read."""
    path = folder / f"tokens-{os.getpid()}.toml"
    return path, new_token(path, f"reader-{time.monotonic_ns()}", ["read"])


@contextmanager
def ours(store: Path, *, workers: int = 1, **options: object) -> Iterator[tuple[str, int]]:
    """Serve a store, with settings as `serve` takes them; yield the address and the process id."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-c", _OURS, str(store), address, json.dumps({"workers": workers, **options})]
    with running(command, address) as pid:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(60)
        yield address, pid


@contextmanager
def echo(size: int, *, threads: int = 4) -> Iterator[tuple[str, int]]:
    """Serve answers of `size` bytes, by grpcio alone."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        sys.executable,
        str(Path(__file__).with_name("echo.py")),
        address.rpartition(":")[2],
        str(size),
        str(threads),
    ]
    with running(command, address) as pid:
        yield address, pid
