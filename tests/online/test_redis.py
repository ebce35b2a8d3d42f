"""Redis generations: the contract on one server and on a cluster, and what only a server can do to them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from featurestore.errors import ConfigError, ContractError, CorruptError, NotPublishedError, UnavailableError
from featurestore.online import redis_writer
from featurestore.online.address import Address
from featurestore.online.base import OnlineStore
from featurestore.online.opening import store_id
from featurestore.online.redis_store import RedisStore
from featurestore.testing.online import ID, PUSHED, SCHEMA, OnlineStoreSuite, pairs
from tests.redis_servers import RedisProcess, redis_process


class TestRedis(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, redis_server: RedisProcess) -> Callable[[], OnlineStore]:
        namespace = uuid.uuid4().hex
        return lambda: RedisStore(Address.parse(redis_server.url), namespace)


class TestRedisInSmallChunks(OnlineStoreSuite):
    """The same with chunks of a few rows, so that every test crosses chunks and commands."""

    @pytest.fixture
    def open_store(self, redis_server: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[[], OnlineStore]:
        monkeypatch.setattr(redis_writer, "_CHUNK_BYTES", 10_000)
        monkeypatch.setattr(redis_writer, "_COMMAND_BYTES", 1_000)
        namespace = uuid.uuid4().hex
        return lambda: RedisStore(Address.parse(redis_server.url), namespace)


class TestRedisCluster(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, redis_nodes: str) -> Callable[[], OnlineStore]:
        namespace = uuid.uuid4().hex
        return lambda: RedisStore(Address.parse(redis_nodes), namespace)


@pytest.mark.skipif(shutil.which("valkey-server") is None, reason="Debian 12 has no valkey-server")
class TestValkey(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Iterator[Callable[[], OnlineStore]]:
        with redis_process(tmp_path, program="valkey-server") as server:
            url = server.url.replace("redis", "valkey")
            yield lambda: RedisStore(Address.parse(url), "one")


@pytest.fixture
def open_store(redis_server: RedisProcess) -> Callable[[], RedisStore]:
    namespace = uuid.uuid4().hex
    return lambda: RedisStore(Address.parse(redis_server.url), namespace, lease=2)


_WRITER = """
import sys, time
from featurestore.online.address import Address
from featurestore.online.redis_store import RedisStore
from featurestore.testing.online import ID, SCHEMA, pairs
store = RedisStore(Address.parse(sys.argv[1]), sys.argv[2], lease=float(sys.argv[3]))
def rows():
    yield from pairs(100_000, size=400)
    print("half", flush=True)
    sys.stdin.readline()
print(store.write(ID, SCHEMA, rows()))
"""


def writer(url: str, namespace: str, lease: float) -> subprocess.Popen[str]:
    """Start a process that writes a generation and stops half-way until it is sent a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, url, namespace, str(lease)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def data_keys(url: str, namespace: str) -> list[bytes]:
    with Redis.from_url(url) as client:
        return sorted(client.scan_iter(f"{namespace}:*"))


def test_a_writer_killed_in_the_middle_leaves_nothing_visible_and_is_swept_away(redis_server: RedisProcess) -> None:
    namespace = uuid.uuid4().hex
    with writer(redis_server.url, namespace, lease=1) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    with RedisStore(Address.parse(redis_server.url), namespace) as store:
        assert store.generations() == []
        with pytest.raises(NotPublishedError):
            store.read(ID, [b"\x00a"])
        (left,) = data_keys(redis_server.url, namespace)
        time.sleep(1.1)  # what its lease had left
        assert store.write(ID, SCHEMA, pairs(10)) == 10
        assert left not in data_keys(redis_server.url, namespace)
        assert store.read(ID, [pairs(10)[3][0]]) == [pairs(10)[3][1]]


def test_a_slow_writer_is_not_swept_away(redis_server: RedisProcess) -> None:
    namespace = uuid.uuid4().hex
    store = RedisStore(Address.parse(redis_server.url), namespace)
    with store, writer(redis_server.url, namespace, lease=3) as process:
        time.sleep(4)  # longer than its lease, which it goes on renewing
        store.write("other/v1/1-a", SCHEMA, pairs(5))
        assert process.communicate("\n", timeout=30)[0] == "100000\n"
        assert store.generations() == [ID, "other/v1/1-a"]


def test_a_writer_that_slept_past_its_lease_is_told_and_shows_nothing(redis_server: RedisProcess) -> None:
    namespace = uuid.uuid4().hex
    with writer(redis_server.url, namespace, lease=1) as process:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.5)
        with RedisStore(Address.parse(redis_server.url), namespace) as store:
            store.write("other/v1/1-a", SCHEMA, pairs(5))  # sweeps
            os.kill(process.pid, signal.SIGCONT)
            process.communicate("\n", timeout=30)
            assert process.returncode == 1
            assert store.generations() == ["other/v1/1-a"]
            assert len(data_keys(redis_server.url, namespace)) == 2  # rows and schema of the other


def test_a_failed_or_dropped_generation_leaves_no_key(open_store: Callable[[], RedisStore]) -> None:
    with open_store() as store:
        store.write(ID, PUSHED, pairs(100))
        store.drop(ID)
        with pytest.raises(ContractError):
            store.write(ID, SCHEMA, [*pairs(10), *pairs(1)])
        found = store._server.client.keys(f"*{store._namespace}*")
        assert found == []


def test_a_reader_of_what_another_has_dropped_is_told(open_store: Callable[[], RedisStore]) -> None:
    with open_store() as reader, open_store() as other:
        other.write(ID, PUSHED, pairs(10))
        assert reader.read(ID, [pairs(1)[0][0]]) == [pairs(1)[0][1]]
        other.drop(ID)
        for attempt in (
            lambda: reader.read(ID, [pairs(1)[0][0]]),
            lambda: reader.pushed(ID, [b"\x00a"]),
            lambda: reader.push(ID, [(b"\x00a", b"12345678")], 0),
        ):
            with pytest.raises(NotPublishedError):
                attempt()
        assert reader._server.client.keys(f"{reader._namespace}:*") == []  # a late push brings nothing back


def test_rows_that_the_server_lost_are_not_taken_for_rows_that_were_never_there(
    open_store: Callable[[], RedisStore],
) -> None:
    with open_store() as store:
        store.write(ID, SCHEMA, pairs(10))
        (rows,) = store._server.client.keys(f"{store._namespace}:*:rows")
        held = store._server.client.dump(rows)
        assert store.read(ID, [b"\x00none"]) == [None]
        store._server.client.delete(rows)
        with pytest.raises(CorruptError, match="evicted"):
            store.read(ID, [b"\x00none"])
        store._server.client.restore(rows, 0, held)
        store._server.client.hdel(rows, pairs(10)[5][0])
        with pytest.raises(CorruptError, match="lost them"):  # one row of ten, seen when it is opened
            store.read(ID, [pairs(10)[0][0]])


def test_a_server_that_may_evict_rows_is_refused(tmp_path: Path) -> None:
    with (
        redis_process(tmp_path, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server,
        RedisStore(Address.parse(server.url), "one") as store,
    ):
        with pytest.raises(ConfigError, match=r"allkeys-lru.*noeviction"):
            store.write(ID, SCHEMA, pairs(10))
        assert data_keys(server.url, "one") == []


def test_a_full_server_says_so_shows_nothing_and_can_be_emptied(tmp_path: Path) -> None:
    with (
        redis_process(tmp_path, "--maxmemory", "20mb") as server,
        RedisStore(Address.parse(server.url), "one") as store,
    ):
        store.write("first/v1/1-a", SCHEMA, pairs(1_000, size=1_000))
        with pytest.raises(ConfigError, match="raise maxmemory"):
            store.write(ID, SCHEMA, pairs(100_000, size=1_000))
        assert store.generations() == ["first/v1/1-a"]
        assert len(data_keys(server.url, "one")) == 2
        store.write(ID, SCHEMA, pairs(1_000, size=1_000))
        with Redis.from_url(server.url) as client:
            client.config_set("maxmemory", "1mb")  # less than there is: it takes no more rows
            store.drop(ID)
            assert store.read("first/v1/1-a", [pairs(1)[0][0]]) == [pairs(1, size=1_000)[0][1]]
            store.drop("first/v1/1-a")
        assert data_keys(server.url, "one") == []


def test_a_server_that_was_restarted_serves_what_it_kept(tmp_path: Path) -> None:
    with (
        redis_process(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server,
        RedisStore(Address.parse(server.url), "one") as store,
    ):
        store.write(ID, SCHEMA, pairs(500))
        assert store.read(ID, [pairs(1)[0][0]]) == [pairs(1)[0][1]]
        server.kill()
        with pytest.raises(UnavailableError, match="try again"):
            store.read(ID, [pairs(1)[0][0]])
        server.start()
        assert store.read(ID, [key for key, _ in pairs(500)]) == [row for _, row in pairs(500)]


def test_a_server_that_forgot_everything_says_that_nothing_is_published(tmp_path: Path) -> None:
    with redis_process(tmp_path) as server, RedisStore(Address.parse(server.url), "one") as store:
        store.write(ID, SCHEMA, pairs(5))
        store.read(ID, [None])
        server.kill()
        server.start()
        with pytest.raises(NotPublishedError, match="publish the version again"):
            store.read(ID, [b"\x00a"])


def test_a_server_that_restarts_while_it_is_written_to_fails_the_write(tmp_path: Path) -> None:
    with redis_process(tmp_path) as server, RedisStore(Address.parse(server.url), "one") as store:

        def rows() -> Iterator[tuple[bytes, bytes]]:
            yield from pairs(10)
            server.kill()
            server.start()
            yield b"\x00last", b""

        with pytest.raises(UnavailableError, match="lost rows while they were written"):
            store.write(ID, SCHEMA, rows())
        assert store.generations() == []
        assert data_keys(server.url, "one") == []


def test_a_password_is_asked_for_and_never_told(tmp_path: Path) -> None:
    with redis_process(tmp_path) as server:
        with Redis.from_url(server.url) as client:
            client.config_set("requirepass", "sesame")
        url = server.url.replace("://", "://:sesame@")
        with RedisStore(Address.parse(url), "one") as store:
            assert store.write(ID, SCHEMA, pairs(5)) == 5
        for wrong in (url.replace("sesame", "salami"), server.url):
            with RedisStore(Address.parse(wrong), "one") as store, pytest.raises(ConfigError) as caught:
                store.generations()
            assert "password" in str(caught.value)
            assert "salami" not in str(caught.value) + repr(Address.parse(wrong))


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis+cluster://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_told_with_its_address(url: str) -> None:
    with RedisStore(Address.parse(url), "one") as store, pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        store.generations()


def test_a_forked_child_connects_for_itself(redis_server: RedisProcess) -> None:
    code = """
import os, sys
from featurestore.online.address import Address
from featurestore.online.redis_store import RedisStore
from featurestore.testing.online import ID, SCHEMA, pairs
store = RedisStore(Address.parse(sys.argv[1]), sys.argv[2])
keys, rows = map(list, zip(*pairs(200)))
store.write(ID, SCHEMA, pairs(200))
pid = os.fork()
right = all(store.read(ID, keys) == rows for _ in range(50))
if pid == 0:
    os._exit(0 if right else 1)
assert right and os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code, redis_server.url, uuid.uuid4().hex], check=True, timeout=60)


def test_a_stores_id_is_made_once_and_differs_from_others(tmp_path: Path) -> None:
    first = store_id(tmp_path / "a")
    assert store_id(tmp_path / "a") == first != store_id(tmp_path / "b")
    assert [path.name for path in (tmp_path / "a" / "online").iterdir()] == ["id"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lmdb", "lmdb"),
        ("redis://h:7/1", "redis://h:7/1"),
        ("rediss://me:secret@h/0?socket_timeout=3", "rediss://me:***@h/0"),
        ("valkey+cluster://:secret@h:1,g:2", "valkey+cluster://:***@h:1,g:2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    address = Address.parse(text)
    assert str(address) == shown
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    "text",
    ["", "rdis://:secret@h", "redis://", "redis://:6379", "redis://:12/secret@h", "redis://:se/cret@h:1", "redis://h/x",
     "redis://h:0", "redis+cluster://h:1,", "redis://:secret@h:port"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ConfigError, match="redis://HOST:PORT/DB") as caught:
        Address.parse(text)
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value).replace("sec", "")
