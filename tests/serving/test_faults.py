"""Faults with real processes: publishers killed at their worst moments, full disks, damaged files under a server."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import featurestore as fs
from featurestore.serving.client import Client, connect
from tests.serving.conftest import Serve, Served

ROWS = 2_000


def view(number: int) -> fs.FeatureView:
    """Return the version `number` of a view: its values are the keys times the number."""
    rows = {"k": list(range(ROWS)), "x": [number * key for key in range(ROWS)]}
    return fs.FeatureView(
        "v", entity=fs.Entity("thing", keys={"k": fs.Int64}), source=fs.ArrowSource(f"rows_{number}", table=rows)
    )


def fill(path: Path) -> None:
    with fs.open_store(path) as store:
        for number in (1, 2):
            store.apply(view(number))
            store.materialize(f"v@v{number}")
            store.publish(f"v@v{number}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fill(tmp_path / "store")
    return tmp_path / "store"


def generations(path: Path, number: int) -> list[Path]:
    """Return what lies on disk of a version, the newest last."""
    found = (path / "online" / "v" / f"v{number}").iterdir()
    return sorted(found, key=lambda folder: folder.stat().st_mtime_ns)


def garbage(path: Path) -> list[Path]:
    return [folder for folder in (path / "online" / ".building").iterdir() if folder.is_dir()]


def check(client: Client, number: int) -> None:
    """Hold that a version is answered."""
    answer = client.get_features(f"v@v{number}", entities={"k": [1, ROWS - 1, ROWS]})
    assert answer.to_dict() == {"v__x": [number, number * (ROWS - 1), None]}


def served(server: Served, number: int) -> None:
    """Hold that a version is answered on several connections, so by every worker."""
    for _ in range(6):
        with connect(server.address, timeout=60) as client:
            check(client, number)


@contextmanager
def readers(server: Served) -> Iterator[None]:
    """Read both versions from threads for as long as the block lasts: never an error, never a wrong value."""
    stop, failed = threading.Event(), list[BaseException]()

    def read(number: int) -> None:
        try:
            with connect(server.address, timeout=60) as client:
                while not stop.wait(0.002):
                    check(client, number)
        except (fs.FeatureStoreError, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in (1, 2, 1, 2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failed, failed


# ------------------------------------------------------------------------------------------------- killed publishers

PUBLISHER = """
import os, signal, sys
import featurestore as fs
from featurestore.catalog import generations
from featurestore.online import lmdb_store

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

match sys.argv[2]:
    case "while it builds":
        lmdb_store._checksum = die
    case "before the catalog names it":
        generations.add = die
    case "before the old one is dropped":
        lmdb_store.LmdbStore.drop = die
with fs.open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    while True:
        store.publish("v@v1")
"""


def publisher(path: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PUBLISHER, str(path), how], stdout=subprocess.PIPE, text=True)


def check_after_death(path: Path, server: Served) -> None:
    served(server, 1)
    with fs.open_store(path) as store:
        assert store.publish("v@v1").rows == ROWS
    assert garbage(path) == []
    assert len(generations(path, 1)) <= 2
    served(server, 1)


def test_a_publisher_killed_at_its_worst_moments_leaves_no_gap_and_no_garbage(serve: Serve, path: Path) -> None:
    with serve(path, workers=2) as server, readers(server):
        for how in ("while it builds", "before the catalog names it", "before the old one is dropped"):
            with publisher(path, how) as process:
                assert process.wait(60) == -signal.SIGKILL
            check_after_death(path, server)


def kill_at_random(serve: Serve, path: Path, rounds: int) -> None:
    chance = random.Random(7)
    with serve(path, workers=2) as server, readers(server):
        for _ in range(rounds):
            with publisher(path, "at any time") as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                time.sleep(chance.uniform(0, 0.5))
                process.kill()
            check_after_death(path, server)


def test_a_publisher_killed_at_any_time_leaves_no_gap_and_no_garbage(serve: Serve, path: Path) -> None:
    kill_at_random(serve, path, 3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_publishers_killed_at_any_time_leave_no_gap_and_no_garbage(serve: Serve, path: Path) -> None:
    kill_at_random(serve, path, 60)


def test_publishes_of_one_version_at_once_all_succeed(path: Path) -> None:
    program = """
import sys
import featurestore as fs
with fs.open_store(sys.argv[1]) as store:
    for _ in range(4):
        store.publish("v@v1")
"""
    started = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(2)]
    assert [process.wait(100) for process in started] == [0, 0]
    assert len(generations(path, 1)) == 2
    assert garbage(path) == []


# ----------------------------------------------------------------------------------------------------- a full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here (it takes root): {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def activate_many_times(store: fs.FeatureStore) -> None:
    for number in range(1_000):
        store.activate(f"v@v{1 + number % 2}", reason="x" * 2_000)


def test_a_full_disk_ends_the_publish_and_nothing_else(serve: Serve, disk: Path) -> None:
    path, ballast = disk / "store", disk / "ballast"
    fill(path)
    with serve(path, workers=2) as server, fs.open_store(path) as store, readers(server):
        before = generations(path, 1)
        for left in (40_000, 4_096, 0):
            ballast.unlink(missing_ok=True)
            ballast.write_bytes(b"x" * (shutil.disk_usage(disk).free - left))
            with pytest.raises(fs.ConfigError, match=r"cannot write the online generation .* then publish again"):
                store.publish("v@v1")
            assert generations(path, 1) == before
            assert garbage(path) == []
        with pytest.raises(fs.ConfigError, match=r"the catalog cannot be written .* make space"):
            activate_many_times(store)
        ballast.unlink()
        assert store.publish("v@v1").rows == ROWS
        store.activate("v@v2", reason="there is space again")
        served(server, 1)


def test_a_file_that_may_not_grow_ends_the_publish(serve: Serve, path: Path) -> None:
    program = """
import resource, sys
import featurestore as fs
with fs.open_store(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        store.publish("v@v1")
    except fs.ConfigError as error:
        print(error)
"""
    before = generations(path, 1)
    with serve(path, workers=2) as server:
        said = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
        assert "cannot write the online generation" in said.stdout
        assert generations(path, 1) == before
        check_after_death(path, server)


# --------------------------------------------------------------------------------------------------- damaged files


def flip(generation: Path) -> None:
    data = generation / "data.mdb"
    content = bytearray(data.read_bytes())
    for place in random.Random(3).sample(range(len(content)), 40):
        content[place] ^= 0xFF
    data.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda generation: os.truncate(generation / "data.mdb", 4096),
    "emptied": lambda generation: os.truncate(generation / "data.mdb", 0),
    "flipped bytes": flip,
    "zeros": lambda generation: (generation / "data.mdb").write_bytes(bytes((generation / "data.mdb").stat().st_size)),
    "no data": lambda generation: (generation / "data.mdb").unlink(),
    "no description": lambda generation: (generation / "generation.json").unlink(),
    "garbage for a description": lambda generation: (generation / "generation.json").write_bytes(b"\xff{]"),
    "gone": shutil.rmtree,
}


@contextmanager
def paused(server: Served) -> Iterator[None]:
    """Stop the workers for as long as the block lasts: none of them opens what is published and damaged meanwhile."""
    for pid in server.pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in server.pids:
            os.kill(pid, signal.SIGCONT)


def eventually(server: Served, ask: Callable[[Client], bool]) -> None:
    """Hold that something becomes true of every one of several connections; a server follows the catalog aside."""
    deadline = time.monotonic() + 60
    for _ in range(4):
        with connect(server.address, timeout=60) as client:
            while not ask(client):
                assert time.monotonic() < deadline
                time.sleep(0.02)


def is_damaged(client: Client) -> bool:
    """Tell whether v1 is told to be damaged, with advice, alone and beside v2."""
    for features in ("v@v1", ["v@v1", "v@v2"]):
        try:
            client.get_features(features, entities={"k": list(range(ROWS))})
        except fs.CorruptError as error:
            if "ublish the version again" not in str(error):
                raise
        else:
            return False
    return True


def is_well(client: Client) -> bool:
    try:
        check(client, 1)
    except fs.CorruptError:
        return False
    return True


def check_damaged(server: Served) -> None:
    """Hold that v1 is told to be damaged, that v2 is served, and that no worker has died."""
    eventually(server, is_damaged)
    served(server, 2)
    assert all(Path(f"/proc/{pid}").exists() for pid in server.pids), "a worker has died"


def test_a_damaged_version_is_told_and_the_others_are_served(serve: Serve, path: Path) -> None:
    with serve(path, workers=2) as server, fs.open_store(path) as store:
        served(server, 1)
        for damage in DAMAGES.values():
            with paused(server):
                store.publish("v@v1")
                damage(generations(path, 1)[-1])
            check_damaged(server)
        store.publish("v@v1")
        eventually(server, is_well)
        assert server.end() == 0


@pytest.mark.parametrize("damage", ["truncated", "emptied"])
def test_a_file_cut_under_a_running_server_ends_no_worker(serve: Serve, path: Path, damage: str) -> None:
    with serve(path, workers=2) as server, fs.open_store(path) as store:
        served(server, 1)  # every worker has it open
        DAMAGES[damage](generations(path, 1)[-1])
        check_damaged(server)
        store.publish("v@v1")
        eventually(server, is_well)
