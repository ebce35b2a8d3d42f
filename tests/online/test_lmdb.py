"""LMDB generations: the contract, and what only a file system can do to them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.errors import ConfigError, ConflictError, CorruptError, NotPublishedError, RequestError
from featurestore.online import lmdb_overlay, lmdb_store, overlay
from featurestore.online.base import OnlineStore
from featurestore.online.lmdb_store import LmdbStore
from featurestore.testing.online import ID, NOW, PUSHED, SCHEMA, OnlineStoreSuite, pairs, row


class TestLmdb(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], OnlineStore]:
        return lambda: LmdbStore(tmp_path)


class TestLmdbInSmallChunks(OnlineStoreSuite):
    """The same with chunks of a few rows, so that every test crosses chunks."""

    @pytest.fixture
    def open_store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], OnlineStore]:
        monkeypatch.setattr(lmdb_overlay, "_TRANSACTION_ROWS", 3)
        monkeypatch.setattr(lmdb_store, "_CHUNK_BYTES", 10_000)
        return lambda: LmdbStore(tmp_path)


_HEADER = """
import sys, time
from pathlib import Path
from featurestore.online.lmdb_store import LmdbStore
from featurestore.testing.online import ID, SCHEMA, pairs
store = LmdbStore(Path(sys.argv[1]))
"""


def child(code: str, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HEADER + code, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def building(root: Path) -> list[Path]:
    return [path for path in (root / "online" / ".building").iterdir() if path.is_dir()]


def test_another_process_reads_what_one_wrote(tmp_path: Path) -> None:
    with child("store.write(ID, SCHEMA, pairs(1_000))", tmp_path) as writer:
        assert writer.wait(30) == 0
    with child(
        "key, row = pairs(1_000)[-1]; print(store.read(ID, [key]) == [row], store.generations())", tmp_path
    ) as one:
        assert one.communicate(timeout=30)[0] == f"True {[ID]}\n"


def test_a_writer_killed_in_the_middle_leaves_nothing_visible_and_is_swept_away(tmp_path: Path) -> None:
    code = """
def rows():
    yield from pairs(200_000, size=400)
    print("half", flush=True)
    time.sleep(60)
store.write(ID, SCHEMA, rows())
"""
    with child(code, tmp_path) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait(30) == -signal.SIGKILL
    store = LmdbStore(tmp_path)
    assert store.generations() == []
    with pytest.raises(NotPublishedError):
        store.read(ID, [b"\x00a"])
    assert len(building(tmp_path)) == 1
    assert store.write(ID, SCHEMA, pairs(10)) == 10
    assert building(tmp_path) == []
    assert store.generations() == [ID]


def test_a_writer_at_work_is_not_swept_away(tmp_path: Path) -> None:
    code = """
def rows():
    yield from pairs(10)
    print("half", flush=True)
    sys.stdin.readline()
print(store.write(ID, SCHEMA, rows()))
"""
    store = LmdbStore(tmp_path)
    with child(code, tmp_path) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        store.write("other/v1/1-a", SCHEMA, pairs(5))
        assert len(building(tmp_path)) == 1
        assert writer.communicate("\n", timeout=30)[0] == "10\n"
    assert store.generations() == [ID, "other/v1/1-a"]


def test_readers_in_another_process_keep_a_dropped_generation(tmp_path: Path) -> None:
    code = """
keys, rows = map(list, zip(*pairs(1_000)))
assert store.read(ID, keys) == rows
print("open", flush=True)
sys.stdin.readline()
print(all(store.read(ID, keys) == rows for _ in range(100)), flush=True)
"""
    store = LmdbStore(tmp_path)
    store.write(ID, SCHEMA, pairs(1_000))
    with child(code, tmp_path) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        store.drop(ID)
        assert reader.communicate("\n", timeout=30)[0] == "True\n"
    assert store.generations() == []


def test_threads_that_read_while_it_is_dropped_get_rows_or_are_told(tmp_path: Path) -> None:
    rows = dict(pairs(2_000))
    for _ in range(15):
        writer, readers = LmdbStore(tmp_path), [LmdbStore(tmp_path) for _ in range(3)]
        writer.write(ID, SCHEMA, rows.items())
        outcomes: list[object] = []

        def read(store: LmdbStore, outcomes: list[object] = outcomes) -> None:
            try:
                while True:
                    asked = random.sample(sorted(rows), 20)
                    answered = store.read(ID, asked)
                    if answered != [rows[key] for key in asked]:
                        outcomes.append(answered)
                    store.close()  # open it again each time: the hardest case
            except NotPublishedError:
                outcomes.append("told")

        threads = [threading.Thread(target=read, args=(store,)) for store in readers]
        for thread in threads:
            thread.start()
        writer.drop(ID)
        for thread in threads:
            thread.join(30)
        assert outcomes == ["told"] * 3


def test_what_was_dropped_elsewhere_is_let_go_when_the_next_is_opened(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    store.write(ID, SCHEMA, pairs(10))
    store.write("other/v1/1-a", SCHEMA, pairs(10))
    store.read(ID, [None])
    LmdbStore(tmp_path).drop(ID)
    assert list(store._opened) == [ID]
    store.read("other/v1/1-a", [None])
    assert list(store._opened) == ["other/v1/1-a"]


def test_one_process_opens_an_environment_once(tmp_path: Path) -> None:
    first, second = LmdbStore(tmp_path), LmdbStore(tmp_path)
    first.write(ID, SCHEMA, pairs(10))
    first.read(ID, [None])
    second.read(ID, [None])
    assert first._opened[ID] is second._opened[ID]


def test_a_forked_child_opens_its_own(tmp_path: Path) -> None:
    code = """
import os
store.write(ID, SCHEMA, pairs(10))
key, row = pairs(10)[3]
assert store.read(ID, [key]) == [row]
inherited = store._opened[ID]
pid = os.fork()
if pid == 0:
    os._exit(0 if store.read(ID, [key]) == [row] and store._opened[ID] is not inherited else 1)
assert os.waitpid(pid, 0)[1] == 0
assert store.read(ID, [key]) == [row]
"""
    with child(code, tmp_path) as process:
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    "damage", ["truncated", "garbage", "no data", "no meta", "bad meta", "half meta", "fewer rows"]
)
def test_damage_is_told_with_advice(tmp_path: Path, damage: str) -> None:
    LmdbStore(tmp_path).write(ID, SCHEMA, pairs(1_000))
    folder = tmp_path / "online" / ID
    data, meta = folder / "data.mdb", folder / "generation.json"
    match damage:
        case "truncated":
            os.truncate(data, data.stat().st_size - 4096)
        case "garbage":
            data.write_bytes(b"x" * data.stat().st_size)
        case "no data":
            data.unlink()
        case "no meta":
            meta.unlink()
        case "bad meta":
            meta.write_text("{")
        case "half meta":
            meta.write_text("{}")
        case _:
            meta.write_text(meta.read_text().replace('"rows": 1000', '"rows": 1001'))
    with pytest.raises(CorruptError, match=r"[Pp]ublish the version again"):
        LmdbStore(tmp_path).read(ID, [b"\x00a"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["data.mdb", "data.mdb", "generation.json"]),
    place=st.integers(0, 2**32),
    bit=st.integers(0, 7),
)
def test_any_bit_that_flips_is_told_or_harmless(tmp_path: Path, file: str, place: int, bit: int) -> None:
    store = LmdbStore(tmp_path / uuid.uuid4().hex)
    rows = dict(pairs(300, size=100))
    store.write(ID, SCHEMA, rows.items())
    path = store._folder / ID / file
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**7))  # clocks of file systems have ticks
    try:
        assert store.read(ID, list(rows)) == list(rows.values())
        assert file == "generation.json"  # a space that became another
        assert store.schema(ID) == SCHEMA
    except CorruptError:
        pass


def test_rows_are_read_through_unless_they_are_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LmdbStore(tmp_path).write(ID, SCHEMA, pairs(10))
    data = tmp_path / "online" / ID / "data.mdb"
    checked: list[Path] = []
    checksum = lmdb_store._checksum

    def counted(file: Path) -> int:
        checked.append(file)
        return checksum(file)

    monkeypatch.setattr(lmdb_store, "_checksum", counted)

    def read() -> int:
        with LmdbStore(tmp_path) as store:
            store.read(ID, [None])
        return len(checked)

    assert read() == 0
    os.utime(data, ns=(0, data.stat().st_mtime_ns + 1))  # touched
    assert read() == 1
    LmdbStore(tmp_path).check(ID)
    assert len(checked) == 2
    store = LmdbStore(tmp_path)
    store.write("other/v1/1-a", SCHEMA, pairs(10))
    assert len(checked) == 3
    monkeypatch.setattr(lmdb_store, "_FRESH", 0)  # old
    store.read("other/v1/1-a", [None])
    assert len(checked) == 4


def test_a_file_that_becomes_shorter_under_a_reader_ends_the_read_and_not_the_process(tmp_path: Path) -> None:
    code = """
keys, rows = map(list, zip(*pairs(5_000)))
assert store.read(ID, keys) == rows
print("open", flush=True)
sys.stdin.readline()
try:
    store.read(ID, keys)
except Exception as error:
    print(type(error).__name__, flush=True)
"""
    LmdbStore(tmp_path).write(ID, SCHEMA, pairs(5_000))
    with child(code, tmp_path) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        os.truncate(tmp_path / "online" / ID / "data.mdb", 8192)
        assert reader.communicate("\n", timeout=30)[0] == "CorruptError\n"
        assert reader.returncode == 0


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../b", "a//b", "a/", ".building/x", "a b", "ä"])
def test_an_id_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="not the id"):
        LmdbStore(tmp_path).write(name, SCHEMA, [])
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_store, "_MAP_BYTES", 1 << 16)
    store = LmdbStore(tmp_path)
    with pytest.raises(ConfigError, match="cannot write the online generation"):
        store.write(ID, SCHEMA, pairs(10_000))
    assert store.generations() == []
    assert building(tmp_path) == []


def test_generations_do_not_nest(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    store.write(ID, SCHEMA, [])
    for name in (f"{ID}/x", "airport_weather/v1"):
        with pytest.raises(ConflictError):
            store.write(name, SCHEMA, [])


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_the_file_is_as_large_as_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(lmdb_store, "_CHUNK_BYTES", 1_000_000)
    rows = pairs(50_000, size=200)
    if order == "shuffled":
        random.Random(1).shuffle(rows)
    LmdbStore(tmp_path).write(ID, SCHEMA, rows)
    size = (tmp_path / "online" / ID / "data.mdb").stat().st_size
    assert size < 50_000 * 209 * (1.25 if order == "sorted" else 2.2)
    assert sorted(path.name for path in (tmp_path / "online" / ID).iterdir()) == ["data.mdb", "generation.json"]


# ------------------------------------------------------------------------------------------------------ pushed rows


def test_what_one_process_pushed_another_reads_at_once(tmp_path: Path) -> None:
    with LmdbStore(tmp_path) as store:
        store.write(ID, PUSHED, [])
        key, value = b"\x00a", overlay.value(row(NOW), sequence=1)
        assert store.pushed(ID, [key]) == [None]
        code = f"store.push(ID, [({key!r}, {value!r})], {NOW})"
        with child(code, tmp_path) as one:
            assert one.wait(30) == 0
        assert store.pushed(ID, [key]) == [value]


def test_a_pusher_killed_at_any_moment_leaves_whole_values_and_a_free_overlay(tmp_path: Path) -> None:
    with LmdbStore(tmp_path) as store:
        store.write(ID, PUSHED, [])
        code = """
from featurestore.online import overlay
from featurestore.testing.online import NOW, row
for number in range(1_000_000):
    store.push(ID, [(b"\\x00" + bytes([key]), overlay.value(row(NOW - 1_000_000 + number), sequence=number))
                    for key in range(50)], NOW)
    print(number, flush=True)
"""
        for _ in range(3):
            with child(code, tmp_path) as pusher:
                assert pusher.stdout is not None
                for line in pusher.stdout:
                    if int(line) >= 10:
                        break
                os.kill(pusher.pid, signal.SIGKILL)
            values = {key: value for key, value in store.overlay(ID) if key != b"\x00mine"}
            assert len(values) == 50
            assert len(set(values.values())) == 1  # each push is one transaction
            (newest,) = {overlay.newest([None], [value], NOW)[0] for value in values.values()}
            assert newest is not None
            assert int.from_bytes(newest[:8], "little") >= NOW - 1_000_000 + 10
            assert store.push(ID, [(b"\x00mine", overlay.value(row(NOW), sequence=1))], NOW) in {0, 1}


def test_a_forked_child_opens_its_own_overlay(tmp_path: Path) -> None:
    code = """
import os
from featurestore.online import overlay
from featurestore.testing.online import NOW, PUSHED, row
store.write(ID, PUSHED, [])
value = overlay.value(row(NOW), sequence=1)
store.push(ID, [(b"a", value)], NOW)
child = os.fork()
if not child:
    store.push(ID, [(b"b", value)], NOW)
    os._exit(0 if store.pushed(ID, [b"a", b"b"]) == [value, value] else 1)
print(os.waitpid(child, 0)[1], store.pushed(ID, [b"a", b"b"]) == [value, value])
"""
    with child(code, tmp_path) as one:
        assert one.communicate(timeout=60)[0] == "0 True\n"


@pytest.mark.parametrize("damage", [b"", b"no environment" * 1_000])
def test_a_damaged_overlay_is_told(tmp_path: Path, damage: bytes) -> None:
    with LmdbStore(tmp_path) as store:
        store.write(ID, PUSHED, [])
    (tmp_path / "online" / ID / "overlay" / "data.mdb").write_bytes(damage)
    with LmdbStore(tmp_path) as store, pytest.raises(CorruptError, match="damaged"):
        store.read(ID, [b"\x00a"])


def test_an_overlay_cut_short_is_told_before_it_is_read(tmp_path: Path) -> None:
    with LmdbStore(tmp_path) as store:
        store.write(ID, PUSHED, [])
        store.push(ID, [(key, overlay.value(row(NOW), sequence=1)) for key, _ in pairs(2_000)], NOW)
    file = tmp_path / "online" / ID / "overlay" / "data.mdb"
    os.truncate(file, file.stat().st_size // 2)
    with LmdbStore(tmp_path) as store, pytest.raises(CorruptError, match="damaged"):
        store.pushed(ID, [b"\x00a"])


def test_a_full_disk_is_told_and_leaves_what_was_pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_overlay, "_MAP_BYTES", 1 << 18)
    value = overlay.value(row(NOW, b"x" * 1_000), sequence=1)
    with LmdbStore(tmp_path) as store:
        store.write(ID, PUSHED, [])
        store.push(ID, [(b"\x00first", value)], NOW)
        with pytest.raises(ConfigError, match="cannot push rows"):
            store.push(ID, [(key, value) for key, _ in pairs(2_000)], NOW)
        assert store.pushed(ID, [b"\x00first"]) == [value]
        assert list(store.overlay(ID)) == [(b"\x00first", value)]
