"""Real Redis servers, and a real cluster, on free ports of this machine."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis, RedisCluster
from redis.exceptions import ConnectionError as NotThereError
from redis.exceptions import RedisClusterException, RedisError

from tests.system_packages import need

__all__ = ["RedisProcess", "redis_cluster", "redis_process"]

_PATIENCE = 60.0
_SLOTS = 16384
_NODES = 3


@dataclass(slots=True)
class RedisProcess:
    """A server of one's own: where it is, and how it is ended and started again."""

    port: int
    folder: Path
    options: Sequence[str]
    program: str = "redis-server"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [need(self.program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log)
        end = time.monotonic() + _PATIENCE
        with Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except NotThereError:
                    assert self.process.poll() is None, (self.folder / "log").read_text()
                    assert time.monotonic() < end, (self.folder / "log").read_text()
                    time.sleep(0.02)
                else:
                    return

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_PATIENCE)


@contextmanager
def redis_process(folder: Path, *options: str, program: str = "redis-server") -> Iterator[RedisProcess]:
    """Start a server that keeps nothing on disk, unless options say so; it ends with the `with` block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisProcess(_free_port(), folder, ["--save", "", "--appendonly", "no", *options], program)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def redis_cluster(folder: Path) -> Iterator[str]:
    """Start a cluster of three nodes without replicas and give its URL."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "30000"]
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(redis_process(folder / str(number), *options, "--cluster-port", str(_free_port())))
            for number in range(_NODES)
        ]
        clients = [stack.enter_context(Redis(port=node.port)) for node in nodes]
        for number, client in enumerate(clients):
            share = range(number * _SLOTS // _NODES, (number + 1) * _SLOTS // _NODES)
            client.execute_command("CLUSTER ADDSLOTSRANGE", share[0], share[-1])
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        first = nodes[0]
        bus = first.options[first.options.index("--cluster-port") + 1]
        for client in clients[1:]:
            client.execute_command("CLUSTER MEET", "127.0.0.1", first.port, bus)
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        end = time.monotonic() + _PATIENCE
        while not all(_is_ready(node.port) for node in nodes):
            assert time.monotonic() < end, "the nodes do not find each other"
            time.sleep(0.05)
        yield url


def _is_ready(port: int) -> bool:
    with Redis(port=port) as client:
        info = client.execute_command("CLUSTER INFO")
        ok = info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == _NODES
    if not ok:
        return False
    try:
        with RedisCluster(host="127.0.0.1", port=port) as cluster:
            return len(cluster.get_primaries()) == _NODES
    except (RedisClusterException, RedisError):
        return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
