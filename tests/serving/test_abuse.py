"""Real server processes under abuse: garbage, mutations, floods of connections, clients that read nothing, kills."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

import featurestore as fs
from featurestore.model.times import to_micros
from featurestore.serving.client import connect
from featurestore.serving.protocol import DESCRIBE, GET_FEATURES
from featurestore.serving.v1 import serving_pb2 as pb
from tests.serving.conftest import Serve, Served
from tests.serving.test_server import alive, call_once, children, eventually
from tests.serving.things import AT

MEGABYTE = 1 << 20
ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""How a call may end, whatever is in its message: INTERNAL and UNKNOWN are defects of ours."""

VALID: dict[str, list[bytes]] = {
    GET_FEATURES: [
        pb.GetFeaturesRequest(
            features=["things@v1", "colours:colour on k=other"],
            entities=[
                pb.KeyColumn(name="k", values=pb.Values(strings=["a", "b", ""], nulls=b"\0\0\1")),
                pb.KeyColumn(name="other", values=pb.Values(strings=["a", "x", "é"])),
                pb.KeyColumn(name="n", type="Int64", values=pb.Values(int64s=[1, 2, 2**53 + 1])),
            ],
            at=to_micros(AT),
            include_event_times=True,
        ).SerializeToString(),
        pb.GetFeaturesRequest(model="price@1", lock_digest="ab" * 32).SerializeToString(),
        pb.GetFeaturesRequest(endpoint="shop", model="price@1").SerializeToString(),
    ],
    DESCRIBE: [pb.DescribeRequest(features=["things:f64"]).SerializeToString()],
    "/grpc.health.v1.Health/Check": [health_pb2.HealthCheckRequest(service="x").SerializeToString()],
}


def mutated(valid: bytes, chance: random.Random) -> bytes:
    """Return a message that is nearly valid: bytes changed, left out, doubled, or of another message."""
    data = bytearray(valid)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data) + 1)
        how = chance.randrange(4)
        if how == 0 and place < len(data):
            data[place] = chance.randrange(256)
        elif how == 1:
            del data[place : place + chance.randint(1, 6)]
        elif how == 2:
            data[place:place] = chance.randbytes(chance.randint(1, 6))
        else:
            data[place:place] = data[place : place + chance.randint(1, 20)]
    return bytes(data)


def messages(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(seed)
    for _ in range(count):
        method = chance.choice(list(VALID))
        if chance.random() < 0.3:
            yield method, chance.randbytes(chance.choice([0, 1, 2, 10, 200, 5000]))
        else:
            yield method, mutated(chance.choice(VALID[method]), chance)


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def one_worker(serve: Serve, store_path: Path) -> Iterator[Served]:
    with serve(store_path, workers=1) as server:
        yield server


def endings(address: str, sent: Iterator[tuple[str, bytes]]) -> set[grpc.StatusCode]:
    """Send messages as they are and return how the calls ended."""
    found = set()
    with grpc.insecure_channel(address) as channel:
        calls: dict[str, Any] = {method: channel.unary_unary(method) for method in VALID}
        for method, message in sent:
            try:
                calls[method](message, timeout=60)
                found.add(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                found.add(error.code())
    return found


def test_thousands_of_malformed_messages_change_nothing(one_worker: Served) -> None:
    (pid,) = one_worker.pids
    endings(one_worker.address, messages(0, 1000))  # whatever is made once is made now
    before = resident(pid)
    with ThreadPoolExecutor(4) as senders:
        found = set().union(*senders.map(lambda seed: endings(one_worker.address, messages(seed, 1500)), range(1, 5)))
    assert found <= ALLOWED, one_worker.log()
    assert grpc.StatusCode.INVALID_ARGUMENT in found
    assert resident(pid) < before + 64 * MEGABYTE
    assert alive(pid)
    with connect(one_worker.address, timeout=60) as client:
        call_once(client)
    assert "Traceback" not in one_worker.log()


def test_calls_of_methods_that_are_not_there(one_worker: Served) -> None:
    with grpc.insecure_channel(one_worker.address) as channel:
        for method in ("/x", "/a/b", "/featurestore.serving.v1.FeatureService/", "/" + "m" * 500):
            call: Any = channel.unary_unary(method)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=60)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_connections_without_number_that_say_nothing_or_garbage(one_worker: Served) -> None:
    host, port = one_worker.address.split(":")
    chance = random.Random(7)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    opened = []
    try:
        for number in range(300):
            connection = socket.create_connection((host, int(port)), timeout=60)
            opened.append(connection)
            said = (b"", chance.randbytes(300), preface, preface + chance.randbytes(300), b"GET / HTTP/1.1\r\n\r\n")
            with suppress(ConnectionError):  # the server may have had enough of it
                connection.sendall(said[number % len(said)])
            if number % 100 == 99:
                with connect(one_worker.address, timeout=60) as client:
                    call_once(client)
    finally:
        for connection in opened:
            connection.close()
    with connect(one_worker.address, timeout=60) as client:
        call_once(client)
    assert alive(one_worker.pids[0])


def test_a_client_that_reads_nothing_keeps_nobody_from_being_answered(one_worker: Served) -> None:
    keys = [f"k{number}" for number in range(10_000)]
    columns = [
        pb.KeyColumn(name="k", values=pb.Values(strings=keys)),
        pb.KeyColumn(name="n", values=pb.Values(int64s=[1] * len(keys))),
    ]
    large = pb.GetFeaturesRequest(features=["things@v1"], entities=columns).SerializeToString()
    (pid,) = one_worker.pids
    with stalled(one_worker.address) as (address, stop), grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(GET_FEATURES)
        assert call(VALID[GET_FEATURES][0], timeout=60)
        stop()
        sent = [call.future(large, timeout=3) for _ in range(20)]
        with connect(one_worker.address, timeout=60) as client:
            for _ in range(20):
                call_once(client)
        for one in sent:
            assert one.exception(60) is not None
    eventually(lambda: resident(pid) < 1024 * MEGABYTE)
    with connect(one_worker.address, timeout=60) as client:
        call_once(client)


class stalled:  # noqa: N801 - used as a function
    """A relay before a server; once it is stopped, what the server sends is no longer read."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._target = host, int(port)
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> tuple[str, Callable[[], None]]:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(self._listening)
        threading.Thread(target=self._accept, daemon=True).start()
        return f"127.0.0.1:{self._listening.getsockname()[1]}", self._flows.clear

    def __exit__(self, *_: object) -> None:
        self._flows.set()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        try:
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()
        except OSError:
            pass  # closed

    def _pump(self, source: socket.socket, target: socket.socket, stops: bool) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
                if stops:
                    self._flows.wait()
        except OSError:
            pass


# ------------------------------------------------------------------------------------------------------------ kills


def test_killed_workers_harm_no_request_of_another(serve: Serve, store_path: Path) -> None:
    """A connection lies on one worker: calls on those of the one that lives see no error while the other dies."""
    with serve(store_path, workers=2) as server:
        first, second = server.pids
        own = [("grpc.use_local_subchannel_pool", 1)]  # else all channels to one address are one connection
        channels = [grpc.insecure_channel(server.address, options=own) for _ in range(12)]
        calls: list[Any] = [channel.unary_unary(GET_FEATURES) for channel in channels]
        for call in calls:
            call(VALID[GET_FEATURES][0], timeout=60)
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        asked = [(call, call.future(VALID[GET_FEATURES][0], timeout=5)) for call in calls]
        survivors = [call for call, one in asked if one.exception(60) is None]  # a stopped worker does not answer
        os.kill(first, signal.SIGKILL)
        for _ in range(50):
            for call in survivors:
                call(VALID[GET_FEATURES][0], timeout=60)
        eventually(lambda: len(children(server.process.pid)) == 2)
        assert second in children(server.process.pid)
        for channel in channels:
            channel.close()


def test_the_only_worker_is_replaced(one_worker: Served) -> None:
    (pid,) = one_worker.pids
    os.kill(pid, signal.SIGKILL)
    with connect(one_worker.address, timeout=90, retries=1000) as client:
        call_once(client)
    assert not alive(pid)


def test_calls_in_flight_end_when_the_supervisor_is_killed(serve: Serve, store_path: Path) -> None:
    with serve(store_path, workers=1) as server, ThreadPoolExecutor(4) as callers:
        address, stop = server.address, threading.Event()

        def ask() -> int:
            answered = 0
            with connect(address, timeout=60) as client:
                while not stop.is_set():
                    try:
                        call_once(client)
                        answered += 1
                    except fs.UnavailableError:
                        break  # refused or gone, never half answered
            return answered

        asking = [callers.submit(ask) for _ in range(4)]
        eventually(lambda: all(one.running() for one in asking))
        server.process.kill()
        eventually(lambda: not any(alive(pid) for pid in server.pids), 60)
        stop.set()
        assert all(one.result(60) >= 0 for one in asking)


def test_a_drain_answers_what_is_in_flight_and_refuses_what_comes(serve: Serve, store_path: Path) -> None:
    with serve(store_path, workers=1, grace=25) as server, grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary(GET_FEATURES)
        keys = [f"k{number}" for number in range(2_000)]
        columns = [
            pb.KeyColumn(name="k", values=pb.Values(strings=keys)),
            pb.KeyColumn(name="n", values=pb.Values(int64s=[1] * len(keys))),
        ]
        request = pb.GetFeaturesRequest(features=["things@v1"], entities=columns).SerializeToString()
        call(request, timeout=60)
        sent = [call.future(request, timeout=60) for _ in range(8)]
        assert server.end() == 0
        for one in sent:
            error = one.exception(60)
            # gRPC cancels what had reached the server and not yet its Python: nothing was begun
            assert error is None or error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
