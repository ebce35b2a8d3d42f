"""Real servers in processes of their own, over a real store: the same answers, errors and pointers; ends and deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import featurestore as fs
from featurestore.serving.client import Client, connect
from featurestore.serving.client_async import connect_async
from featurestore.serving.listener import bind
from featurestore.serving.server import serve as serve_here
from tests.postgres_servers import postgres_process
from tests.serving.answers import OneAnswer, same, served
from tests.serving.conftest import Serve, Served
from tests.serving.things import AT, ENTITIES, TYPES, fill

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def store(store_path: Path) -> Iterator[fs.FeatureStore]:
    with fs.open_store(store_path, read_only=True) as opened:
        yield opened


def bare_environment() -> dict[str, str]:
    """Return this environment without coverage's hook, which has a signal handler of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_"))}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def eventually(what: Any, seconds: float = 20.0) -> None:  # noqa: ANN401 - a function without arguments
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def call_once(client: Client) -> None:
    client.get_features("things@v1:f64", entities=ENTITIES, at=AT)


# ------------------------------------------------------------------------------------------------------- answers

READS: list[dict[str, Any]] = [
    {"features": ["things"]},
    {"features": ["things@v1"]},
    {"features": [f"things:{name}" for name in reversed(TYPES)]},
    {"features": ["things@v1:f64", "things@v2:f64", "things:f64 on k=other as late", "colours:colour"]},
    {"model": "price@1"},
    {"endpoint": "shop"},
    {"endpoint": "shop", "model": "price@1"},
    {"feature_set": "both@v1"},
    {"feature_set": "both"},
]


def test_the_server_and_the_store_give_the_same_answers(server: Served, store: fs.FeatureStore) -> None:
    entities = ENTITIES | {"other": ["b", "a", None, "c", "a"]}

    async def ask(address: str) -> None:
        async with connect_async(address, timeout=60) as client:
            for read in READS:
                found = await client.get_features(**read, entities=used(read), at=AT, event_times=True)
                assert same(store.get_online_features(**read, entities=used(read), at=AT), found, event_times=True)
            assert await client.describe(endpoint="shop") == store.describe(endpoint="shop")

    def used(read: dict[str, Any]) -> dict[str, Any]:
        return entities if any("other" in text for text in read.get("features", ())) else ENTITIES

    with connect(server.address, timeout=60) as client:
        for read in READS:
            expected = store.get_online_features(**read, entities=used(read), at=AT)
            for event_times in (True, False):
                found = client.get_features(**read, entities=used(read), at=AT, event_times=event_times)
                assert same(expected, found, event_times=event_times)
        for asked in (
            {"model": "price@1"},
            {"endpoint": "shop"},
            {"features": ["things", "colours@v1"]},
            {"feature_set": "both"},
        ):
            assert client.describe(**asked) == store.describe(**asked)
        asyncio.run(ask(server.address))


def test_every_state_and_type_really_occurs(store: fs.FeatureStore) -> None:
    answer = store.get_online_features(["things"], entities=ENTITIES, at=AT)
    for name, (_, values) in TYPES.items():
        assert answer.statuses[f"things__{name}"] == ["PRESENT", "NULL", "EXPIRED", "NOT_FOUND", "NOT_FOUND"]
        assert answer.to_dict()[f"things__{name}"][0] == values[0]
    colours = store.get_online_features(["colours"], entities=ENTITIES, at=AT)
    assert colours.to_dict() == {"colours__colour": ["red", None, "grey", "grey", "grey"]}


WRONG: list[dict[str, Any]] = [
    {"features": ["thing:f64"]},
    {"features": ["things:f46"]},
    {"features": ["things@v9:f64"]},
    {"features": ["things@@:f64"]},
    {"features": ["things:f64", "things:f32 as things__f64"]},
    {"model": "price@9"},
    {"model": "price"},
    {"endpoint": "shpo"},
    {"features": ["things:f64"], "model": "price@1"},
    {"feature_set": "bot"},
    {"feature_set": "both@v2"},
    {"feature_set": "both", "endpoint": "shop"},
    {"feature_set": "both@v1", "lock": "ab" * 32},
    {},
    {"model": "price@1", "lock": "ab" * 32},
    {"features": ["things:f64"], "lock": "ab" * 32},
    {"features": ["things:f64"], "entities": {"k": ["a"]}},
    {"features": ["things:f64"], "entities": {"k": [1], "n": [1]}},
    {"features": ["things:f64"], "entities": {"k": ["a"], "n": ["1"]}},
    {"features": ["things:f64"], "entities": {"k": ["a"], "n": [1], "m": [1]}},
    {"features": ["things:f64"], "at": "2023-01-01"},
]


def plainly(error: BaseException) -> str:
    """Return an error's text, where a type of Python and the type as which it travelled are one."""
    return str(error).replace("(int64)", "(int)").replace("(string)", "(str)")


def test_the_server_and_the_store_give_the_same_errors(server: Served, store: fs.FeatureStore) -> None:
    with connect(server.address, timeout=60) as client:
        for wrong in WRONG:
            asked: dict[str, Any] = {"entities": ENTITIES, "at": AT} | wrong
            with pytest.raises(fs.FeatureStoreError) as here:
                store.get_online_features(**asked)
            with pytest.raises(fs.FeatureStoreError) as there:
                client.get_features(**asked)
            assert (type(there.value), plainly(there.value)) == (type(here.value), plainly(here.value))


def test_a_server_that_requires_pins_refuses_what_could_move(serve: Serve, store_path: Path, tmp_path: Path) -> None:
    (tmp_path / "strict.toml").write_text(f'store = "{store_path}"\nrequire_pins = true\n', encoding="utf-8")
    with serve(tmp_path / "strict.toml") as strict, connect(strict.address, timeout=60) as client:
        for pinned in ({"features": ["things@v1:f64"]}, {"model": "price@1"}):
            assert len(client.get_features(**pinned, entities=ENTITIES, at=AT)) == len(ENTITIES["k"])
        for moving in (
            {"features": ["things@v1:f64", "things:text"]},
            {"feature_set": "both"},
            {"feature_set": "both@v1"},
        ):
            with pytest.raises(fs.RequestError, match="this store requires pins") as refused:
                client.get_features(**moving, entities=ENTITIES, at=AT)
            call: Any = refused.value.__cause__
            assert call.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_lock_is_checked(server: Served, store: fs.FeatureStore) -> None:
    digest = store.describe(model="price@1").lock_digest
    with connect(server.address, timeout=60) as client:
        assert len(client.get_features(model="price@1", entities=ENTITIES, at=AT, lock=digest)) == len(ENTITIES["k"])
        with pytest.raises(fs.LockMismatchError):
            client.get_features(model="price@1", entities=ENTITIES, at=AT, lock="ab" * 32)


def test_no_rows_are_an_answer(server: Served) -> None:
    with connect(server.address, timeout=60) as client:
        rows: list[dict[str, list[None]]] = [{"k": [], "n": []}, {"k": [None], "n": [None]}]
        for entities in rows:
            answer = client.get_features(["things"], entities=entities, at=AT)
            assert len(answer) == len(entities["k"])
            assert answer.to_arrow().schema.field("things__vector").type.list_size == 2


def test_pointers_that_move_are_seen_by_every_worker(serve: Serve, tmp_path: Path) -> None:
    with fs.open_store(tmp_path / "store") as store:
        fill(store)
        with serve(tmp_path / "store", workers=2) as server:
            clients = [connect(server.address, timeout=60) for _ in range(6)]

            def versions() -> set[int]:
                answers = [client.get_features("things:f64", entities=ENTITIES, at=AT) for client in clients]
                return {answer.columns[0].version for answer in answers}

            assert versions() == {2}
            store.activate("things@v1", reason="back")
            eventually(lambda: versions() == {1})
            assert versions() == {1}
            pinned = clients[0].get_features(model="price@1", entities=ENTITIES, at=AT)
            assert pinned.columns[1].activation is None
            for client in clients:
                client.close()


def test_answers_go_on_while_the_catalogs_server_is_away(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_process() as database:
        monkeypatch.setenv("FEATURESTORE_CATALOG", database.database())
        with fs.open_store(tmp_path / "store") as store:
            fill(store)
            with serve(tmp_path / "store", workers=1) as server, connect(server.address, timeout=60) as client:

                def version() -> int | None:
                    return client.get_features("things:f64", entities=ENTITIES, at=AT).columns[0].version

                assert version() == 2
                database.stop()
                eventually(lambda: "the catalog cannot be read" in server.log())
                assert version() == 2
                database.start()
                store.activate("things@v1", reason="back")
                eventually(lambda: version() == 1)
                assert database.password not in server.log()


# -------------------------------------------------------------------------------------------------- ends and deaths


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (2, signal.SIGTERM), (1, signal.SIGINT)])
def test_a_signal_ends_the_server_and_frees_the_port(
    serve: Serve, store_path: Path, workers: int, number: signal.Signals
) -> None:
    with serve(store_path, workers=workers) as server:
        assert len(server.pids) == workers
        with connect(server.address, timeout=60) as client:
            call_once(client)
            assert server.end(number) == 0
            eventually(lambda: not any(alive(pid) for pid in server.pids))
            with pytest.raises(fs.UnavailableError):
                call_once(client)
    bind(server.address).close()


def test_calls_in_flight_end_before_the_server_does() -> None:
    store = OneAnswer()
    store.go_on.clear()
    answered: list[fs.FeatureStoreError | int] = []

    def ask(address: str) -> None:
        with connect(address, timeout=30) as client:
            answered.append(len(client.get_features("weather:temp", entities={"origin": ["JFK"]})))

    with served(store, grace=20) as address:
        asking = threading.Thread(target=ask, args=(address,))
        asking.start()
        assert store.entered.wait(10)
        threading.Timer(0.5, store.go_on.set).start()
    asking.join(10)
    assert answered == [4]


def test_a_dead_worker_is_replaced_and_the_others_go_on(serve: Serve, store_path: Path) -> None:
    with serve(store_path, workers=2) as server:
        first, second = server.pids
        os.kill(first, signal.SIGKILL)
        for _ in range(40):
            with connect(server.address, timeout=60, retries=3) as client:
                call_once(client)
        eventually(lambda: len(children(server.process.pid)) == 2 and first not in children(server.process.pid))
        assert second in children(server.process.pid)
        assert server.end() == 0


def children(pid: int) -> set[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in found if alive(int(child))}


def test_workers_do_not_outlive_their_supervisor(serve: Serve, store_path: Path) -> None:
    with serve(store_path, workers=2) as server:
        server.process.kill()
        eventually(lambda: not any(alive(pid) for pid in server.pids))


def test_health_over_real_workers(server: Served) -> None:
    with grpc.insecure_channel(server.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == SERVING


DRAINS = """
import sys, threading, time
from featurestore.serving.worker import stop_signals
stop = threading.Event()
with stop_signals(stop, patient=sys.argv[1] == "patient"):
    print("ready", flush=True)
    while not stop.wait(0.05):
        pass
    print("drains", flush=True)
    time.sleep(1)
    print("drained", flush=True)
"""


@pytest.mark.parametrize(("how", "code"), [("patient", 0), ("impatient", -signal.SIGTERM)])
def test_a_second_signal_ends_a_server_but_no_worker(how: str, code: int) -> None:
    command = [sys.executable, "-c", DRAINS, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=bare_environment()) as process:
        assert process.stdout is not None
        for line in ("ready\n", "drains\n"):
            assert process.stdout.readline() == line
            process.terminate()
        assert process.wait(30) == code


@pytest.mark.parametrize("workers", [1, 2])
def test_a_taken_port_is_an_error(server: Served, store_path: Path, workers: int) -> None:
    with pytest.raises(fs.UnavailableError, match="take another port"):
        serve_here(store_path, server.address, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_is_no_store_is_an_error(tmp_path: Path, workers: int) -> None:
    (tmp_path / "letter.txt").write_text("no store")
    with pytest.raises(fs.ConfigError, match="no feature store"):
        serve_here(tmp_path, "127.0.0.1:0", workers=workers)


def test_a_worker_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(fs.UnavailableError, match="said nothing"):
        serve_here(tmp_path / "store", "127.0.0.1:0", workers=2)


def test_numbers_of_workers_and_threads_are_checked(tmp_path: Path) -> None:
    wrongs: list[dict[str, Any]] = [{"workers": -1}, {"threads": 0}, {"therads": 1}]
    for wrong in wrongs:
        with pytest.raises(fs.ConfigError, match=r"threads|workers"):
            serve_here(tmp_path, **wrong)


def test_a_thread_can_serve_and_stop(store_path: Path) -> None:
    stop, addresses = threading.Event(), list[str]()
    ready = threading.Event()

    def on_ready(address: str, pids: tuple[int, ...]) -> None:
        assert os.getpid() not in pids
        addresses.append(address)
        ready.set()

    thread = threading.Thread(
        target=serve_here, args=(store_path, "127.0.0.1:0"), kwargs={"ready": on_ready, "stop": stop, "workers": 1}
    )
    thread.start()
    assert ready.wait(30)
    with connect(addresses[0], timeout=60) as client:
        call_once(client)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_client_loads_no_store() -> None:
    program = "import sys, featurestore as fs; fs.connect('localhost:1').close(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"duckdb", "polars", "lmdb", "sqlalchemy", "pandas", "sqlglot"} & set(loaded)
