"""Limits of a server: what is too much is refused at once and clearly, and what was let in is answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import featurestore as fs
from featurestore.serving.client import Client, connect
from featurestore.serving.protocol import GET_FEATURES
from featurestore.serving.v1 import serving_pb2 as pb
from tests.serving.answers import ENTITIES, OneAnswer, served

NEW: Any = health_pb2  # the stubs do not know `List` yet
REQUEST = pb.GetFeaturesRequest(features=["weather:temp"]).SerializeToString()


def ask(client: Client) -> int:
    return len(client.get_features("weather:temp", entities=ENTITIES))


def refused(client: Client) -> bool:
    try:
        client.get_features("weather:temp", entities=ENTITIES, timeout=2)
    except fs.OverloadedError as error:
        return "as many calls waiting" in str(error)
    except fs.DeadlineError:
        return False  # it was let in before the others
    return False


@contextmanager
def blocked(store: OneAnswer) -> Iterator[None]:
    """Let no call end within the block."""
    store.go_on.clear()
    try:
        yield
    finally:
        store.go_on.set()


def until(what: Any) -> None:  # noqa: ANN401 - a function without arguments
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_flood_is_refused_at_once_and_what_was_let_in_is_answered() -> None:
    store = OneAnswer()
    with served(store, threads=2, max_queue=3) as address, grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(GET_FEATURES)
        with blocked(store):
            sent = [call.future(REQUEST, timeout=60) for _ in range(40)]
            until(
                lambda: sum(one.done() for one in sent) >= 35 and len(store.asked) == 2
            )  # before any that was let in has ended
            refused = [one for one in sent if one.done()]
            for one in refused:
                assert one.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "try again" in one.details()
                assert int(dict(one.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
        let_in = [one for one in sent if one not in refused]
        assert 3 <= len(let_in) <= 5  # the queue, and what the threads had taken from it
        for one in let_in:
            assert pb.GetFeaturesResponse.FromString(one.result(60)).rows == 4
        assert len(store.asked) == len(let_in)  # nothing was computed for the others


def test_our_client_tries_again_when_the_server_has_too_much_to_do() -> None:
    store = OneAnswer()
    with (
        served(store, threads=1, max_queue=1) as address,
        ThreadPoolExecutor(2) as others,
        connect(address, timeout=60) as impatient,
        connect(address, timeout=60, retries=50) as patient,
    ):
        with blocked(store):
            waiting = [others.submit(ask, patient) for _ in range(2)]
            until(lambda: store.asked)
            until(lambda: refused(impatient))
            threading.Timer(0.3, store.go_on.set).start()
            assert ask(patient) == 4
        assert [one.result(60) for one in waiting] == [4, 4]


def test_health_answers_while_reads_are_refused() -> None:
    store = OneAnswer()
    with served(store, threads=1, max_queue=1) as address, grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        call: Any = channel.unary_unary(GET_FEATURES)
        with blocked(store):
            sent = [call.future(REQUEST, timeout=60) for _ in range(10)]
            until(lambda: sum(one.done() for one in sent) >= 8)
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            listed = health.List(NEW.HealthListRequest(), timeout=60)
            assert "" in listed.statuses


def test_a_call_whose_deadline_passed_in_the_queue_is_not_computed() -> None:
    store = OneAnswer()
    with served(store, threads=1) as address, grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(GET_FEATURES)
        with blocked(store):
            first = call.future(REQUEST, timeout=60)
            assert store.entered.wait(60)
            with pytest.raises(grpc.RpcError) as caught:
                call(REQUEST, timeout=0.2)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        first.result(60)
        call(REQUEST, timeout=60)
    assert len(store.asked) == 2


def test_rows_of_one_read_are_limited() -> None:
    store = OneAnswer()
    with served(store, max_entities=3) as address, connect(address, timeout=60) as client:
        client.get_features("weather:temp", entities={"origin": ["a"] * 3})
        with pytest.raises(fs.RequestError, match="has 4 rows, and the server answers 3"):
            client.get_features("weather:temp", entities={"origin": ["a"] * 4})
    assert len(store.asked) == 1


def test_the_size_of_messages_and_headers_is_limited() -> None:
    store = OneAnswer()
    with (
        served(store, max_request_bytes=2000, max_metadata_bytes=2000) as address,
        grpc.insecure_channel(address) as channel,
    ):
        call: Any = channel.unary_unary(GET_FEATURES)
        for arguments in ({"request": REQUEST + bytes(2000)}, {"request": REQUEST, "metadata": [("x", "y" * 4000)]}):
            with pytest.raises(grpc.RpcError) as caught:
                call(timeout=60, **arguments)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        call(REQUEST, timeout=60)
    assert len(store.asked) == 1


def test_an_answer_that_is_too_large_is_an_error_and_not_a_crash() -> None:
    from featurestore.online.result import OnlineFeatures
    from tests.serving.answers import weather_answer

    many = OnlineFeatures(weather_answer().answers * 50)
    with served(OneAnswer(many), max_answer_bytes=1024) as address, grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(GET_FEATURES)
        with pytest.raises(grpc.RpcError) as caught:
            call(REQUEST, timeout=60)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_callers_that_send_headers_and_no_message_stop_nobody_and_are_cut_off() -> None:
    store = OneAnswer()
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait(60)
        yield from ()

    with (
        served(store, threads=2, receive_seconds=5) as address,
        grpc.insecure_channel(address) as channel,
        connect(address, timeout=60) as client,
    ):
        half: Any = channel.stream_unary(GET_FEATURES)
        calls = [half.future(nothing(), timeout=120) for _ in range(20)]
        assert ask(client) == 4
        health: Any = channel.stream_unary("/grpc.health.v1.Health/Check")
        checks = [health.future(nothing(), timeout=120) for _ in range(20)]
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=60).status
        for one in (*calls, *checks):
            error: Any = one.exception(60)
            assert error.code() is grpc.StatusCode.CANCELLED
        ended.set()
        assert ask(client) == 4


def test_a_call_without_a_message_is_told_so() -> None:
    with served(OneAnswer()) as address, grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_unary(GET_FEATURES)
        with pytest.raises(grpc.RpcError) as caught:
            call(iter(()), timeout=60)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "exactly one" in str(caught.value.details())
