"""Operators over the wire: a real writable server, both clients, the store's own values; conflicts and actors."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

import featurestore as fs
from featurestore.model.history import Activation, Generation
from featurestore.serving.client import Client, connect
from featurestore.serving.client_async import connect_async
from featurestore.serving.control_codec import VALUES, decode, encode
from featurestore.serving.control_service import ROLES, handler
from featurestore.serving.protocol import CONTROL
from featurestore.serving.v1 import control_pb2 as pb
from tests.serving.conftest import Serve, Served
from tests.serving.things import AT, ENTITIES, fill


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("control") / "store"
    with fs.open_store(path) as store:
        fill(store)
    return path


@pytest.fixture(scope="module")
def operated(serve: Serve, path: Path) -> Iterator[Served]:
    with serve(path, workers=2, writable=True, anonymous=["read", "write", "operate"]) as served:
        yield served


@pytest.fixture
def client(operated: Served) -> Iterator[Client]:
    """A client, with `things@v1` and then `things@v2` active."""
    with connect(operated.address, timeout=60) as client:
        client.control.activate("things@v1", "colours@v1", reason="test")
        client.control.activate("things@v2", reason="test")
        read_everywhere(client, [2, 2, 2], "things:f64", "things:text", "things:flag")
        yield client


@pytest.fixture
def store(path: Path) -> Iterator[fs.FeatureStore]:
    with fs.open_store(path, read_only=True) as opened:
        yield opened


def versions(client: Client, *features: str, **selector: Any) -> list[int]:  # noqa: ANN401 - any selector
    answer = client.get_features(features or None, entities=ENTITIES, at=AT, **selector)
    return [column.version for column in answer.columns]


def read_everywhere(client: Client, expected: list[int], *features: str, **selector: Any) -> None:  # noqa: ANN401
    """Wait until every worker reads these versions: connections are spread over them."""
    deadline = time.monotonic() + 30
    others = [connect(client._address, timeout=60) for _ in range(6)]
    try:
        while any(versions(other, *features, **selector) != expected for other in (client, *others)):
            assert time.monotonic() < deadline, (versions(client, *features, **selector), expected)
            time.sleep(0.05)
    finally:
        for other in others:
            other.close()


# ---------------------------------------------------------------------------------------------- the same as the store


def test_questions_are_answered_as_the_store_answers_them(client: Client, store: fs.FeatureStore) -> None:
    control = client.control
    assert control.status() == store.status()
    assert control.activations("things") == store.activations("things")
    for node in ("things@v1:f64", "colours", "paint.colour", "price@1", store.version("things@v1")):
        assert control.consumers(node) == store.consumers(node)
    assert control.consumers("things@v2", live=True) == store.consumers("things@v2", live=True)
    now = datetime.now(UTC)
    for pointer, endpoint in (("things", None), ("things:f64", "shop"), ("colours", "shop")):
        assert control.active_at(pointer, now, endpoint) == store.active_at(pointer, now, endpoint)
    assert control.active_at("things", AT).answers == ()

    async def ask(address: str) -> None:
        async with connect_async(address, timeout=60) as other:
            assert await other.control.status() == store.status()
            assert await other.control.activations("things") == store.activations("things")
            assert await other.control.consumers("things@v1:f64") == store.consumers("things@v1:f64")
            assert await other.control.active_at("things", now) == store.active_at("things", now)

    asyncio.run(ask(client._address))


def test_every_message_has_the_fields_of_its_value() -> None:
    for message, make in VALUES.items():
        names = [field.name for field in message.DESCRIPTOR.fields]
        if hasattr(make, "__dataclass_fields__"):
            assert names == list(make.__dataclass_fields__), message


def test_absent_and_present_fields_survive() -> None:
    now = datetime(2024, 1, 1, 0, 0, 0, 1, UTC)
    for move in (
        Activation(7, "things", None, None, 2, "activate", None, "", "ann", now),
        Activation(2**60, "things", "f64", "shop", 1, "rollback", 3, "höher", "anonymous", now),
    ):
        assert decode(encode(move, pb.Activation)) == move
    for as_of in (None, 0, -1, 1_700_000_000_000_000):
        generation = Generation("things/v1/ab", "things", 1, "5" * 32, as_of, 0, True, now)
        assert decode(encode(generation, pb.Generation)) == generation
    late = pb.Activation(at=2**62)
    with pytest.raises(fs.CorruptError, match="none between the years"):
        decode(late)


def test_every_method_has_a_role_and_every_number_that_is_fixed_is_a_time() -> None:
    service = pb.DESCRIPTOR.services_by_name["ControlService"]
    assert set(ROLES) == {f"/{CONTROL}/{method.name}" for method in service.methods}
    fixed = {
        field.name
        for message in pb.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if field.type == FieldDescriptor.TYPE_SFIXED64
    }
    assert fixed == {"at", "since", "until", "as_of", "last", "materialized_at", "dropped_at"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda control: control.activations("thinks"), fs.NotFoundError, "Did you mean 'things'"),
        (lambda control: control.consumers("nobody.knows"), fs.NotFoundError, "there is no"),
        (lambda control: control.active_at("things@v1"), fs.DefinitionError, "names its version"),
        (lambda control: control.activate("things"), fs.RequestError, "names no version"),
        (lambda control: control.activate("things@v9"), fs.NotFoundError, "has no version v9"),
        (lambda control: control.rollback("things:f46", to="v1"), fs.NotFoundError, "Did you mean 'f64'"),
        (lambda control: control.publish("things@v7"), fs.NotFoundError, "has no version v7"),
        (lambda control: control.publish("things@v1", snapshot="00000000"), fs.NotFoundError, "there is no snapshot"),
    ],
)
def test_errors_are_the_stores(client: Client, call: Any, error: type[Exception], message: str) -> None:  # noqa: ANN401
    with pytest.raises(error, match=message):
        call(client.control)


# ------------------------------------------------------------------------------------------------------- changes


def test_publish_tells_of_its_progress_and_gives_the_generation(client: Client, store: fs.FeatureStore) -> None:
    told: list[tuple[str, int, int | None]] = []
    generation = client.control.publish(
        "things@v2", at=AT, progress=lambda what, done, total: told.append((what, done, total))
    )
    assert (generation.view, generation.version, generation.rows, generation.held) == ("things", 2, 3, False)
    assert told
    assert told[0][0] == "publish things@v2"
    (version,) = [item for item in store.status().views[1].versions if item.version == "things@v2"]
    assert version.published is not None
    assert version.published.snapshot == generation.snapshot
    held = client.control.publish("things@v2", snapshot=store.snapshots("things@v2")[0], at=AT)
    assert held.held

    async def again(address: str) -> Generation:
        async with connect_async(address, timeout=60) as other:
            return await other.control.publish("things@v2", at=AT, progress=lambda *_: None)

    assert asyncio.run(again(client._address)).id != generation.id


def test_several_views_move_in_one_change_and_every_worker_sees_it(client: Client) -> None:
    moves = client.control.activate("colours@v1", "things@v1", reason="together")
    assert [(move.view, move.version) for move in moves] == [("colours", 1), ("things", 1)]
    read_everywhere(client, [1], "things:f64")


def test_one_feature_is_rolled_back_over_the_wire_and_the_rest_stays(client: Client) -> None:
    assert versions(client, "things:f64", "things:text") == [2, 2]
    dry = client.control.rollback("things:f64", to="v1", reason="spikes", dry_run=True)
    assert (dry.before, dry.after, dry.activation) == ("things@v2", "things@v1", None)
    assert versions(client, "things:f64", "things:text") == [2, 2]

    done = client.control.rollback("things:f64", to=1, reason="spikes")
    assert done.activation is not None
    assert (done.activation.feature, done.activation.actor, done.activation.reason) == ("f64", "anonymous", "spikes")
    assert str(done).startswith("things:f64 on the default pointer reads things@v1 instead of things@v2")
    read_everywhere(client, [1, 2], "things:f64", "things:text")
    answer = client.get_features(["things:f64", "things:text"], entities=ENTITIES, at=AT)
    moved, stays = answer.columns
    assert (moved.version, moved.activation) == (1, done.activation.id)
    assert stays.version == 2


def test_one_endpoints_feature_is_rolled_back_and_its_model_stays(client: Client) -> None:
    client.control.activate("things@v2:f64", endpoint="shop", reason="newer")
    read_everywhere(client, [1, 2], endpoint="shop")
    assert versions(client, model="price@1") == [1, 1], "a lock never moves"
    dry = client.control.rollback("things:f64", to="v1", endpoint="shop", dry_run=True)
    assert dry.moved == (("shop", "price@1"),)
    client.control.rollback("things:f64", to="v1", endpoint="shop", reason="older")
    read_everywhere(client, [1, 1], endpoint="shop")
    assert client.control.active_at("things:f64", endpoint="shop").version == "things@v1"


def test_changes_are_recorded_as_their_callers(client: Client, store: fs.FeatureStore) -> None:
    client.control.activate("things@v1", reason="who was it")
    client.control.publish("things@v1", at=AT)
    newest = store.changes()[-2:]
    assert [(change.kind, change.actor) for change in newest] == [
        ("activated", "anonymous"),
        ("published", "anonymous"),
    ]
    assert newest[0].reason == "who was it"


def test_of_two_operators_who_roll_back_what_they_saw_one_is_told(client: Client) -> None:
    address = client._address
    barrier = threading.Barrier(4)

    def roll_back(_number: int) -> str:
        with connect(address, timeout=60) as own:
            barrier.wait(30)
            try:
                return own.control.rollback("things", expect="v2", reason="spikes").after
            except fs.ConflictError as error:
                call: Any = error.__cause__
                return f"{call.code().name}: {error}"

    with ThreadPoolExecutor(4) as pool:
        *conflicts, done = sorted(pool.map(roll_back, range(4)))
    assert done == "things@v1"
    assert all(text.startswith("ABORTED: 'things' reads things@v1 by now") for text in conflicts), conflicts
    read_everywhere(client, [1], "things:f64")


def test_operators_who_activate_at_once_leave_one_history_and_no_mixed_answer(
    client: Client, store: fs.FeatureStore
) -> None:
    address, before = client._address, len(store.activations("things"))
    stop = threading.Event()
    seen: list[tuple[int, ...]] = []

    def flip(number: int) -> None:
        with connect(address, timeout=60) as own:
            for turn in range(6):
                version = 1 + (number + turn) % 2
                own.control.activate(f"things@v{version}", f"things@v{version}:text", reason=f"{number}.{turn}")

    def read() -> None:
        with connect(address, timeout=60) as own:
            while not stop.is_set():
                seen.append(tuple(versions(own, "things:f64", "things:text", "things:flag", "things@v1:f64 as pinned")))

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(read)
        for flipping in [pool.submit(flip, number) for number in range(3)]:
            flipping.result(120)
        stop.set()
        reader.result(60)
    assert set(seen) <= {(1, 1, 1, 1), (2, 2, 2, 1)}, "together, and the pinned one never"
    history = store.activations("things")[before:]
    assert [move.id for move in history] == sorted(move.id for move in history)
    read_everywhere(client, [history[-1].version], "things:f64")


class LongPublish:
    """A store whose publish goes on until it is stopped by what it tells of its progress to."""

    def __init__(self) -> None:
        self.tell: Any = None
        self.stopped = threading.Event()

    def report_progress(self, progress: Any) -> None:  # noqa: ANN401 - a function
        self.tell = progress

    def publish(self, reference: object, *_: object) -> Generation:
        for done in range(10_000):
            try:
                self.tell(f"publish {reference}", done, None)
            except fs.UnavailableError:
                self.stopped.set()
                raise
            time.sleep(0.05)
        raise AssertionError


def test_a_publish_that_its_caller_leaves_is_stopped() -> None:
    store: Any = LongPublish()
    server = grpc.server(ThreadPoolExecutor(1), handlers=[handler(store, writable=True)])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        with connect(address, timeout=60) as client:

            def leave(what: str, done: int, total: int | None) -> None:
                assert (what, total) == ("publish things@v1", None)
                if done:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                client.control.publish("things@v1", progress=leave)
            assert store.stopped.wait(30)
            store.stopped.clear()
            with pytest.raises(fs.DeadlineError):
                client.control.publish("things@v1", timeout=0.5)
            assert store.stopped.wait(30)
    finally:
        server.stop(5).wait()


# ------------------------------------------------------------------------------------------------ a read-only server


def test_a_server_that_is_not_writable_answers_questions_only(server: Served) -> None:
    with connect(server.address, timeout=60) as client:
        assert client.control.status().views
        for change in (
            lambda: client.control.activate("things@v1"),
            lambda: client.control.rollback("things"),
            lambda: client.control.publish("things@v1"),
        ):
            with pytest.raises(fs.FeatureStoreError, match=r"UNIMPLEMENTED.*without --writable"):
                change()


def test_a_time_that_is_none_is_refused(operated: Served) -> None:
    with grpc.insecure_channel(operated.address) as channel:
        ask = channel.unary_unary(
            f"/{CONTROL}/ActiveAt", pb.ActiveAtRequest.SerializeToString, pb.ActiveAtResponse.FromString
        )
        with pytest.raises(grpc.RpcError) as refused:
            ask(pb.ActiveAtRequest(pointer="things", at=2**62), timeout=60)
        call: Any = refused.value
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
