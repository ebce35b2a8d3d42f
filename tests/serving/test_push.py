"""Pushes over the wire: what the store says is what the client gets, in one call or a stream, tried again or not."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

import featurestore as fs
from featurestore.operations.push import Pusher
from featurestore.serving.client import connect
from featurestore.serving.client_async import connect_async
from featurestore.serving.push_codec import decode_columns
from featurestore.serving.push_service import ROLES, handler
from featurestore.serving.v1 import push_pb2 as pb
from featurestore.serving.v1.serving_pb2 import Values
from tests.serving.answers import served as served_here
from tests.serving.conftest import Serve, Served
from tests.serving.things import TYPES

SEEN = datetime.now(UTC) - timedelta(hours=1)
SCHEMA = {"k": fs.String, "seen": fs.Timestamp, **{name: type_ for name, (type_, _) in TYPES.items()}}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushing") / "store"
    key = fs.Entity("name", keys={"k": fs.String})
    with fs.open_store(folder) as store:
        counts = fs.PushSource("counts", schema={"k": fs.String, "seen": fs.Timestamp, "n": fs.Int64})
        things = fs.PushSource("every_type", schema=SCHEMA)
        sums = "select k, seen, sum(n) over (partition by k order by seen) as total from counts"
        store.apply(
            [
                fs.FeatureView("counted", entity=key, source=counts, event_time="seen"),
                fs.FeatureView("summed", entity=key, source=counts, event_time="seen", sql=sums),
                fs.FeatureView("things", entity=key, source=things, event_time="seen"),
            ]
        )
        for view in ("counted", "summed", "things"):
            store.materialize(view)
            store.publish(f"{view}@v1")
    return folder


@pytest.fixture(scope="module")
def written(serve: Serve, path: Path) -> Iterator[Served]:
    """A server that takes pushes."""
    with serve(path, writable=True, anonymous=["read", "write"]) as served:
        yield served


@pytest.fixture
def client(written: Served) -> Iterator[fs.Client]:
    with connect(written.address, timeout=60) as opened:
        yield opened


def count(key: str | None, number: object, **units: float) -> dict[str, object]:
    return {"k": key, "seen": SEEN + timedelta(**units), "n": number}


def kill(served: Served) -> None:
    for pid in served.pids:
        os.kill(pid, signal.SIGKILL)


def counted(client: fs.Client, *keys: str) -> list[Any]:
    return client.get_features("counted@v1:n", entities={"k": list(keys)}).to_dict()["counted__n"]


def test_a_push_is_online_when_it_is_reported(client: fs.Client) -> None:
    report = client.push("counts", [count("one", 1), count("two", 2)])
    assert (report.source, report.rows, report.rejected, report.repeated) == ("counts", 2, (), False)
    assert report.id
    assert {one.reference: (one.rows, bool(one.waits)) for one in report.versions} == {
        "counted@v1": (2, False),
        "summed@v1": (0, True),
    }
    assert counted(client, "one", "two") == [1, 2]


def test_rejected_rows_are_told_as_the_store_tells_them(client: fs.Client, path: Path) -> None:
    rows = [
        count("r", 1),
        count("r", "x"),
        count(None, 2),
        {"k": "r", "seen": SEEN},
        count(None, "y"),
        {"k": "s", "seen": None, "n": 1},
        count("s", 7),
    ]
    report = client.push("counts", rows)
    with fs.open_store(path) as store:
        expected = store.push("counts", rows)
    assert report.rejected == expected.rejected
    assert [(one.row, one.field) for one in report.rejected] == [(1, "n"), (2, "k"), (3, "n"), (4, "k"), (5, "seen")]
    assert (report.rows, report.versions) == (expected.rows, expected.versions)
    assert counted(client, "r", "s") == [1, 7]


def test_every_type_arrives(client: fs.Client) -> None:
    columns = {name: values for name, (_, values) in TYPES.items()}
    report = client.push("every_type", {"k": ["a", "b", "c"], "seen": [SEEN] * 3, **columns})
    assert (report.rows, report.rejected) == (3, ())
    answer = client.get_features("things@v1", entities={"k": ["a", "b", "c"]}).to_dict()
    assert {name.removeprefix("things__"): values for name, values in answer.items()} == columns


def test_errors_are_those_of_the_store(client: fs.Client) -> None:
    with pytest.raises(fs.NotFoundError, match="'counts'"):
        client.push("count", [])
    with pytest.raises(fs.ContractError, match="no column 'm'"):
        client.push("counts", [{**count("x", 1), "m": 1}])
    client.push("counts", [count("x", 1)], id="taken")
    with pytest.raises(fs.RequestError, match="id 'taken'"):
        client.push("counts", [count("x", 2)], id="taken")
    assert client.push("counts", [count("x", 1)], id="taken").repeated


def test_a_server_that_is_only_read_takes_no_pushes(serve: Serve, path: Path) -> None:
    with serve(path) as served, connect(served.address, timeout=60) as reader:
        with pytest.raises(fs.FeatureStoreError, match="UNIMPLEMENTED"):
            reader.push("counts", [])
        assert len(counted(reader, "one")) == 1


def test_a_stream_reports_each_batch_in_order(client: fs.Client) -> None:
    batches = [("counts", [count(f"s{number}", number)], f"stream {number}") for number in range(30)]
    reports = list(client.push_stream(batches))
    assert [report.id for report in reports] == [push_id for _, _, push_id in batches]
    assert counted(client, *(f"s{number}" for number in range(30))) == list(range(30))
    assert all(report.repeated for report in client.push_stream(batches))
    assert list(client.push_stream([])) == []


def test_a_batch_that_is_refused_ends_the_callers_stream_and_undoes_nothing(client: fs.Client) -> None:
    client.push("counts", [count("refused", 1)], id="used")
    batches: list[Any] = [
        ("counts", [count("b1", 1)]),
        ("counts", [count("refused", 2)], "used"),
        ("counts", [count("b2", 2)]),
    ]
    stream = client.push_stream(batches)
    assert next(stream).rows == 1
    with pytest.raises(fs.RequestError, match="id 'used'"):
        next(stream)
    assert counted(client, "b1", "refused") == [1, 1]


def test_what_the_callers_iterable_raises_comes_after_the_reports_of_what_was_sent(client: fs.Client) -> None:
    def batches() -> Iterator[Any]:
        yield "counts", [count("i1", 1)]
        yield "counts", [count("i2", 2)]
        message = "no more"
        raise ValueError(message)

    stream = client.push_stream(batches())
    assert [next(stream).rows, next(stream).rows] == [1, 1]
    with pytest.raises(ValueError, match="no more"):
        next(stream)
    assert counted(client, "i1", "i2") == [1, 2]


def test_a_stream_that_breaks_is_sent_again_from_where_it_was_not_answered(serve: Serve, path: Path) -> None:
    """The workers are killed in the middle, and others take their places."""
    with (
        serve(path, workers=2, writable=True, anonymous=["read", "write", "operate"]) as served,
        connect(served.address, timeout=60, retries=100) as pusher,
    ):
        go = threading.Event()

        def batches() -> Iterator[Any]:
            for number in range(60):
                if number == 30:
                    go.wait(60)
                yield "counts", [count("broken", number, seconds=number)], f"broken {number}"

        reports: list[Any] = []
        for report in pusher.push_stream(batches()):
            reports.append(report)
            if len(reports) == 20:
                kill(served)
                go.set()
        assert [report.id for report in reports] == [f"broken {number}" for number in range(60)]
        assert counted(pusher, "broken") == [59]
    with fs.open_store(path) as store:
        store.refresh("summed")
        answer = store.get_online_features(["summed@v1:total"], entities={"k": ["broken"]})
        assert answer.to_dict() == {"summed__total": [sum(range(60))]}


def test_asyncio_has_the_same_methods(written: Served) -> None:
    async def some() -> AsyncIterator[Any]:
        for number in range(5):
            await asyncio.sleep(0)
            yield "counts", [count(f"a{number}", number)]

    async def run() -> tuple[Any, list[Any], list[Any]]:
        async with connect_async(written.address, timeout=60) as client:
            one = await client.push("counts", [count("async", 1), count("async", "x")])
            streamed = [report async for report in client.push_stream(some())]
            listed = [report async for report in client.push_stream([("counts", [count("a9", 9)])])]
            with pytest.raises(fs.ContractError):
                await client.push("counts", [{"m": 1}])
            with pytest.raises(fs.ContractError):
                _ = [report async for report in client.push_stream([("counts", [{"m": 1}])])]
            return one, streamed, listed

    one, streamed, listed = asyncio.run(run())
    assert (one.rows, [(bad.row, bad.field) for bad in one.rejected]) == (1, [(1, "n")])
    assert [report.rows for report in [*streamed, *listed]] == [1] * 6
    with connect(written.address, timeout=60) as client:
        assert counted(client, "a0", "a4", "a9") == [0, 4, 9]


def test_asyncio_sends_a_broken_stream_again(serve: Serve, path: Path) -> None:
    async def run(served: Served) -> list[Any]:
        go = asyncio.Event()

        async def batches() -> AsyncIterator[Any]:
            for number in range(20):
                if number == 10:
                    await go.wait()
                yield "counts", [count("abroken", number, seconds=number)], f"abroken {number}"

        reports = []
        async with connect_async(served.address, timeout=60, retries=100) as client:
            async for report in client.push_stream(batches()):
                reports.append(report)
                if len(reports) == 5:
                    kill(served)
                    go.set()
        return reports

    with serve(path, workers=2, writable=True, anonymous=["read", "write", "operate"]) as served:
        reports = asyncio.run(run(served))
    assert [report.id for report in reports] == [f"abroken {number}" for number in range(20)]


def test_many_streams_at_once_keep_no_read_waiting(client: fs.Client, written: Served) -> None:
    hold = threading.Event()

    def batches(number: int) -> Iterator[Any]:
        yield "counts", [count(f"held {number}", number)]
        hold.wait(60)

    def stream(number: int) -> int:
        with connect(written.address, timeout=60) as one:
            return sum(report.rows for report in one.push_stream(batches(number)))

    with ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(stream, number) for number in range(8)]
        assert len(counted(client, "one")) == 1
        hold.set()
        assert [one.result(60) for one in streams] == [1] * 8


# ------------------------------------------------------------------------------------------------- the wire itself


def push_message(**columns: pb.PushColumn) -> pb.PushFeaturesRequest:
    return pb.PushFeaturesRequest(
        source="counts", columns=[pb.PushColumn(name=name, type=c.type, values=c.values) for name, c in columns.items()]
    )


def test_a_column_without_a_type_is_told_by_its_field() -> None:
    message = push_message(
        a=pb.PushColumn(values=Values(int64s=[1, 2], nulls=b"\0\1")),
        b=pb.PushColumn(values=Values(strings=["x", "y"])),
        c=pb.PushColumn(values=Values(nulls=b"\1\1")),
        d=pb.PushColumn(type="Timestamp", values=Values(int64s=[0, 1])),
    )
    columns = decode_columns(message)
    assert {name: str(array.type) for name, array in columns.items()} == {
        "a": "int64",
        "b": "string",
        "c": "null",
        "d": "timestamp[us, tz=UTC]",
    }
    assert columns["a"].to_pylist() == [1, None]


@pytest.mark.parametrize(
    "column",
    [
        pb.PushColumn(values=Values(int64s=[1], strings=["a"])),
        pb.PushColumn(values=Values(decimals=bytes(16))),
        pb.PushColumn(type="Number", values=Values(int64s=[1])),
        pb.PushColumn(type="String", values=Values(int64s=[1])),
        pb.PushColumn(type="Decimal(10, 2)", values=Values(decimals=bytes(15))),
        pb.PushColumn(type="List(Int64)", values=Values(offsets=[0, 9], items=Values(int64s=[1]))),
        pb.PushColumn(type="Int64", values=Values(int64s=[1], nulls=b"\0\0")),
        pb.PushColumn(type="Embedding(2)", values=Values(float32s=[1.0])),
    ],
    ids=range(8),
)
def test_a_malformed_column_is_refused_by_name(column: pb.PushColumn) -> None:
    with pytest.raises(fs.RequestError, match="column 'a'"):
        decode_columns(push_message(a=column))


def test_a_column_given_twice_is_refused() -> None:
    one = pb.PushColumn(name="a", values=Values(int64s=[1]))
    with pytest.raises(fs.RequestError, match="twice"):
        decode_columns(pb.PushFeaturesRequest(source="counts", columns=[one, one]))


def test_every_method_has_a_role(path: Path) -> None:
    methods = {
        f"/{service.full_name}/{method.name}"
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert set(ROLES) == methods
    with fs.open_store(path) as store:
        found = handler(store)
    for method in methods:
        details = type("Details", (), {"method": method, "invocation_metadata": ()})()
        assert isinstance(found.service(details), grpc.RpcMethodHandler)


def test_what_fails_unexpectedly_says_no_more_than_where_it_is_logged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        message = "a secret"
        raise RuntimeError(message)

    monkeypatch.setattr(Pusher, "push", fails)
    with (
        fs.open_store(path) as store,
        served_here(store, pushes=store, anonymous=("read", "write")) as address,
        connect(address, timeout=60) as one,
    ):
        with pytest.raises(fs.FeatureStoreError, match="its log tells why") as told:
            one.push("counts", [count("x", 1)])
        assert "secret" not in str(told.value)
        with pytest.raises(fs.FeatureStoreError, match="its log tells why"):
            list(one.push_stream([("counts", [count("x", 1)])]))
