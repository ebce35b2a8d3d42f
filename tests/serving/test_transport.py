"""Clients and the server over a real connection; behind it a store that has one answer."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from featurestore.errors import (
    ConflictError,
    DeadlineError,
    FeatureStoreError,
    LockMismatchError,
    NotFoundError,
    NotPublishedError,
    RequestError,
    UnavailableError,
)
from featurestore.model.pins import PinSet
from featurestore.serving.client import connect
from featurestore.serving.client_async import connect_async
from featurestore.serving.protocol import GET_FEATURES, SERVICE
from featurestore.serving.service import handler
from featurestore.serving.v1 import serving_pb2 as pb
from tests.serving.answers import ENTITIES, OneAnswer, same, served, weather_answer

HEALTH = health_pb2.HealthCheckRequest
SERVING = health_pb2.HealthCheckResponse.SERVING


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_a_request_reaches_the_store_and_its_answer_the_caller() -> None:
    store = OneAnswer()
    with served(store) as address, connect(address) as client:
        answer = client.get_features(["weather:temp"], entities=ENTITIES, at="2024-01-01", event_times=True)
    assert same(weather_answer(), answer, event_times=True)
    (asked,) = store.asked
    columns = asked.pop("entities")
    assert {name: pa.array(column).to_pylist() for name, column in columns.items()} == ENTITIES
    assert asked == {
        "features": ("weather:temp",),
        "model": None,
        "endpoint": None,
        "feature_set": None,
        "at": datetime(2024, 1, 1, tzinfo=UTC),
        "lock": None,
    }


def test_event_times_come_only_if_asked_for() -> None:
    with served(OneAnswer()) as address, connect(address) as client:
        assert same(weather_answer(), client.get_features("weather:temp", entities=ENTITIES), event_times=False)


def test_what_verbs_return_names_features_and_models() -> None:
    class Named:
        reference = "delay@1"

    store = OneAnswer()
    pins = PinSet((), ())
    with served(store) as address, connect(address) as client:
        client.get_features(model=Named(), endpoint="eta", entities=ENTITIES, lock=pins)
        client.get_features([Named()], entities=[])
        client.describe(model=Named())
    assert [asked["model"] for asked in store.asked] == ["delay@1", None, "delay@1"]
    assert store.asked[0]["endpoint"] == "eta"
    assert store.asked[0]["lock"] == pins.digest
    assert store.asked[1]["features"] == ("delay@1",)
    assert store.asked[1]["entities"] == {}


def test_a_lock_is_sent_as_its_digest_in_whichever_form(tmp_path: Path) -> None:
    pins = PinSet((), ())
    path = pins.save(tmp_path / "delay.lock")
    store = OneAnswer()
    with served(store) as address, connect(address) as client:
        for lock in (pins, path, str(path), pins.digest):
            client.get_features(model="delay@1", entities=ENTITIES, lock=lock)
        with pytest.raises(NotFoundError, match=r"no lock file 'nothing\.lock'"):
            client.get_features(model="delay@1", entities=ENTITIES, lock="nothing.lock")
    assert {asked["lock"] for asked in store.asked} == {pins.digest}


def test_no_features_at_all_is_refused_before_sending() -> None:
    with connect(free_address()) as client, pytest.raises(RequestError, match="name at least one"):
        client.get_features([], entities=ENTITIES)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("there is no view 'wether'. Did you mean 'weather'?"), grpc.StatusCode.NOT_FOUND),
        (RequestError("the entity column 'origin' is missing: add it."), grpc.StatusCode.INVALID_ARGUMENT),
        (NotPublishedError("publish it first: café."), grpc.StatusCode.FAILED_PRECONDITION),
        (LockMismatchError("another lock"), grpc.StatusCode.FAILED_PRECONDITION),
        (ConflictError("again"), grpc.StatusCode.ABORTED),
    ],
)
def test_the_stores_errors_arrive_as_themselves(error: FeatureStoreError, code: grpc.StatusCode) -> None:
    store = OneAnswer()
    store.error = error
    with served(store) as address, connect(address) as client:
        for call in (
            lambda: client.get_features(model="delay@1", entities=ENTITIES),
            lambda: client.describe(model="delay@1"),
        ):
            with pytest.raises(FeatureStoreError) as caught:
                call()
            assert type(caught.value) is type(error)
            assert str(caught.value) == str(error)
            assert isinstance(caught.value.__cause__, grpc.RpcError)
            assert caught.value.__cause__.code() is code


def test_a_defect_is_logged_and_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    store = OneAnswer()
    store.error = KeyError("secret")
    with (
        served(store) as address,
        connect(address) as client,
        caplog.at_level(logging.ERROR),
        pytest.raises(FeatureStoreError, match="its log tells why under") as caught,
    ):
        client.get_features(model="delay@1", entities=ENTITIES)
    assert "secret" not in str(caught.value)
    assert "INTERNAL" in str(caught.value)
    (record,) = (record for record in caplog.records if record.name.startswith("featurestore"))
    assert record.args is not None
    assert str(record.args[0]) in str(caught.value)  # type: ignore[index]  # positional
    assert record.exc_info is not None


def test_describe() -> None:
    with served(OneAnswer()) as address, connect(address) as client:
        description = client.describe(model="delay@1")
    assert description == OneAnswer().describe()


def test_a_deadline_is_an_error_of_its_own() -> None:
    store = OneAnswer()
    store.go_on.clear()
    with served(store) as address, connect(address, timeout=30) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineError, match="longer timeout"):
            client.get_features(model="delay@1", entities=ENTITIES, timeout=0.2)
        assert time.monotonic() - started < 5
        store.go_on.set()


def test_a_call_that_ended_in_the_queue_is_not_computed() -> None:
    store = OneAnswer()
    store.go_on.clear()
    with served(store, threads=1) as address, connect(address) as client:
        busy = threading.Thread(target=client.get_features, kwargs={"model": "a@1", "entities": ENTITIES})
        busy.start()
        assert store.entered.wait(10)
        with pytest.raises(DeadlineError):
            client.get_features(model="b@1", entities=ENTITIES, timeout=0.2)
        store.go_on.set()
        busy.join(10)
        client.get_features(model="c@1", entities=ENTITIES)
    assert [asked["model"] for asked in store.asked] == ["a@1", "c@1"]


def test_no_server_is_an_error_of_its_own() -> None:
    address = free_address()
    with connect(address) as client, pytest.raises(UnavailableError, match=f"{address}.*featurestore serve"):
        client.describe(model="delay@1")


def test_another_server_is_told_apart() -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connect(f"127.0.0.1:{port}") as client, pytest.raises(FeatureStoreError, match="no featurestore server"):
        client.describe(model="delay@1")
    server.stop(None).wait()


class Flaky(grpc.ServerInterceptor):
    """Is unavailable for a number of calls, and keeps what each carried."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.metadata: list[dict[str, str | bytes]] = []

    def intercept_service(self, continuation, details):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        self.metadata.append({item.key: item.value for item in details.invocation_metadata})
        if len(self.metadata) > self.failures:
            return continuation(details)

        def refuse(_message: object, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")

        return grpc.unary_unary_rpc_method_handler(refuse)


def flaky_server(flaky: Flaky) -> tuple[grpc.Server, str]:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1), interceptors=[flaky])
    server.add_generic_rpc_handlers((handler(OneAnswer()),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.mark.parametrize(("failures", "retries", "calls"), [(2, 2, 3), (2, 1, 2), (1, 0, 1)])
def test_only_an_unavailable_server_is_asked_again(failures: int, retries: int, calls: int) -> None:
    flaky = Flaky(failures)
    server, address = flaky_server(flaky)
    with connect(address, retries=retries) as client:
        if retries >= failures:
            client.describe(model="delay@1")
        else:
            with pytest.raises(UnavailableError):
                client.describe(model="delay@1")
    server.stop(None).wait()
    assert len(flaky.metadata) == calls


def test_retries_end_with_the_deadline() -> None:
    flaky = Flaky(1000)
    server, address = flaky_server(flaky)
    started = time.monotonic()
    with connect(address, retries=1000, timeout=0.5) as client, pytest.raises((UnavailableError, DeadlineError)):
        client.describe(model="delay@1")
    assert time.monotonic() - started < 5
    server.stop(None).wait()


def test_the_token_is_sent_with_every_call() -> None:
    flaky = Flaky(0)
    server, address = flaky_server(flaky)
    with connect(address, token="s3cret") as client:
        client.describe(model="delay@1")
        assert "s3cret" not in repr(client)
    server.stop(None).wait()
    assert flaky.metadata[0]["authorization"] == "Bearer s3cret"


def test_tls_takes_paths_and_says_which_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nothing\.pem' cannot be read"):
        connect("localhost:1", tls=tmp_path / "nothing.pem")
    with pytest.raises(RequestError, match="together"):
        connect("localhost:1", tls={"certificate": "a"})
    connect("localhost:1", tls=True).close()
    connect("localhost:1", tls=False).close()


def test_health_and_reflection() -> None:
    with served(OneAnswer()) as address, grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            assert health.Check(HEALTH(service=service)).status == SERVING
        with pytest.raises(grpc.RpcError):
            health.Check(HEALTH(service="nobody"))
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)]
        (found,) = reflection.ServerReflectionInfo(iter(asked))
        assert found.file_descriptor_response.file_descriptor_proto


def test_neither_watchers_nor_idle_streams_take_the_threads_that_answer() -> None:
    with served(OneAnswer(), threads=1) as address, grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watches = [health.Watch(HEALTH(service=SERVICE)) for _ in range(4)]
        assert [next(watch).status for watch in watches] == [SERVING] * 4
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        over = threading.Event()
        idle = [reflection.ServerReflectionInfo(iter(over.wait, True)) for _ in range(4)]
        with connect(address, timeout=10) as client:
            client.describe(model="delay@1")
        assert health.Check(HEALTH(service=SERVICE), timeout=10).status == SERVING
        over.set()
        for call in [*watches, *idle]:
            call.cancel()


def test_watchers_that_come_and_go_stop_nothing() -> None:
    with served(OneAnswer(), threads=1) as address, grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for _ in range(50):
            watches = [health.Watch(HEALTH(service=SERVICE)) for _ in range(4)]
            assert next(watches[0]).status == SERVING
            for watch in watches:
                watch.cancel()
        assert health.Check(HEALTH(), timeout=10).status == SERVING


def test_watchers_are_told_and_let_go_when_the_server_drains() -> None:
    with served(OneAnswer(), grace=20) as address:
        channel = grpc.insecure_channel(address)
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch, stranger = health.Watch(HEALTH()), health.Watch(HEALTH(service="nobody"))
        assert next(watch).status == SERVING
        assert next(stranger).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert [message.status for message in watch] == [health_pb2.HealthCheckResponse.NOT_SERVING]
    channel.close()


def test_bytes_that_are_no_message_harm_nobody() -> None:
    with served(OneAnswer()) as address, grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(GET_FEATURES)
        with pytest.raises(grpc.RpcError):
            call(b"\xff\xff\xff")
        answer = call(pb.GetFeaturesRequest(model="delay@1").SerializeToString())
        assert pb.GetFeaturesResponse.FromString(answer).rows == 4


def test_the_async_client_is_the_same_client() -> None:
    store = OneAnswer()

    async def ask(address: str) -> None:
        async with connect_async(address, timeout=10, retries=1) as client:
            answers = await asyncio.gather(
                *(client.get_features("weather:temp", entities=ENTITIES, event_times=True) for _ in range(8))
            )
            assert all(same(weather_answer(), answer, event_times=True) for answer in answers)
            assert await client.describe(model="delay@1") == store.describe()
            store.error = NotFoundError("no such model")
            with pytest.raises(NotFoundError, match="no such model"):
                await client.describe(model="delay@9")
            store.error = None
            store.go_on.clear()
            with pytest.raises(DeadlineError):
                await client.get_features("weather:temp", entities=ENTITIES, timeout=0.2)
            store.go_on.set()
            assert address in repr(client)

    with served(store) as address:
        asyncio.run(ask(address))

    async def ask_nobody() -> None:
        async with connect_async(free_address(), retries=1) as client:
            await client.describe(model="delay@1")

    with pytest.raises(UnavailableError):
        asyncio.run(ask_nobody())
