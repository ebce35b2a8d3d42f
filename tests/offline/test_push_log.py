"""The log of a push source: durable, ordered, each push once; what is folded is what readers see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import ConfigError, RequestError
from featurestore.offline import push_log
from featurestore.offline.push_log import Appended, PushLog


def table(*numbers: int) -> pa.Table:
    return pa.table({"i": pa.array(numbers, pa.int64())})


def folded(log: PushLog) -> list[Any]:
    return [number for file in log.files() for number in pq.read_table(file).column("i").to_pylist()]


@pytest.fixture
def log(tmp_path: Path) -> PushLog:
    return PushLog(tmp_path, "s")


def test_rows_are_read_once_they_are_folded_in_the_order_of_their_places(log: PushLog) -> None:
    assert (log.fold(), log.files()) == (0, [])
    empty = log.data_version()
    assert log.append(table(1, 2)) == Appended(0, repeated=False)
    assert log.append(table(1, 2)) == Appended(2, repeated=False)
    assert (folded(log), log.data_version()) == ([], empty)
    assert log.fold() == 4
    assert folded(log) == [1, 2, 1, 2]
    assert log.data_version() not in {empty, ""}
    assert log.fold() == 0
    assert log.append(table(3)) == Appended(4, repeated=False)
    assert log.append(table()).first == 5


def test_a_push_of_one_id_is_kept_once_also_after_it_was_folded(log: PushLog, tmp_path: Path) -> None:
    assert log.append(table(0)).first == 0
    first = log.append(table(1, 2), "a")
    for other in (log, PushLog(tmp_path, "s")):
        assert other.append(table(1, 2), "a") == Appended(first.first, repeated=True)
        log.fold()
    assert folded(log) == [0, 1, 2]
    with pytest.raises(RequestError, match="'a' was given to a push of other rows"):
        log.append(table(1, 3), "a")
    assert log.append(table(), "empty") == Appended(3, repeated=False)
    assert log.append(table(), "empty").repeated


def test_the_data_version_names_the_rows_not_the_files(tmp_path: Path) -> None:
    once, often = PushLog(tmp_path / "once", "s"), PushLog(tmp_path / "often", "s")
    for number in range(20):
        once.append(table(number))
        often.append(table(number))
        often.fold()
    once.fold()
    assert folded(often) == folded(once) == list(range(20))
    assert often.data_version() == once.data_version()


def test_many_small_pushes_leave_few_files_and_row_groups(log: PushLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):
        log.append(table(number))
        if number % 10 == 9:
            log.fold()
    assert folded(log) == list(range(200))
    assert len(log.files()) <= 6
    assert sum(pq.read_metadata(file).num_row_groups for file in log.files()) <= 6
    monkeypatch.setattr(push_log, "_READING_SECONDS", -1)
    log.append(table(200))
    log.fold()
    assert {path.name for path in log.files()} == {path.name for path in (log.files()[0].parent).glob("*.parquet")}


def test_a_file_that_no_longer_counts_stays_for_computations_that_read_it(log: PushLog) -> None:
    log.append(table(1))
    log.fold()
    (before,) = log.files()
    log.append(table(2))
    log.fold()
    assert before not in log.files()
    assert pq.read_table(before).column("i").to_pylist() == [1]


def test_rows_of_another_schema_are_kept_apart(log: PushLog) -> None:
    wider = pa.table({"i": [2], "x": ["new"]})
    for rows in (table(0), table(1), wider, wider):
        log.append(rows)
    assert log.fold() == 4
    assert [pq.read_metadata(file).num_rows for file in log.files()] == [2, 2]
    log.append(wider)
    log.fold()
    assert [row for file in log.files() for row in pq.read_table(file).to_pylist()] == [
        {"i": 0},
        {"i": 1},
        *[{"i": 2, "x": "new"}] * 3,
    ]


def test_threads_and_objects_that_push_and_fold_at_once_lose_nothing(tmp_path: Path) -> None:
    places: list[int] = []

    def push(start: int) -> None:
        log = PushLog(tmp_path, "s")
        for number in range(start, start + 40):
            places.append(log.append(table(number), f"id {number}").first)
            if number % 7 == 0:
                log.fold()
        log.close()

    threads = [threading.Thread(target=push, args=(start,)) for start in (0, 40, 80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = PushLog(tmp_path, "s")
    log.fold()
    assert sorted(folded(log)) == list(range(120))
    assert sorted(places) == list(range(120))


def test_a_pusher_killed_at_any_moment_leaves_whole_pushes_and_a_log_that_works(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from typing import Any
import pyarrow as pa
from featurestore.offline.push_log import PushLog
log = PushLog(Path(sys.argv[1]), "s")
for number in range(1_000_000):
    log.append(pa.table({"i": [number, number]}), f"id {number}")
    print(number, flush=True)
    if number % 5 == 0:
        log.fold()
"""
    said = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                said = max(said, int(line))
                if int(line) >= said and int(line) % 20 == 17:
                    break
            time.sleep(0.003)
            os.kill(child.pid, signal.SIGKILL)
    log = PushLog(tmp_path, "s")
    log.fold()
    numbers = folded(log)
    assert numbers == [number for number in range(len(numbers) // 2) for _ in range(2)]
    assert len(numbers) // 2 > said
    assert log.append(pa.table({"i": [said, said]}), f"id {said}").repeated


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path, log: PushLog) -> None:
    (tmp_path / "sources" / "s").mkdir(parents=True)
    (tmp_path / "sources" / "s" / "journal.db").write_bytes(b"no database" * 200)
    with pytest.raises(ConfigError, match="cannot write the log of source 's'"):
        log.append(table(1))


def test_a_log_that_the_first_push_is_just_making_is_an_empty_one(tmp_path: Path, log: PushLog) -> None:
    (tmp_path / "sources" / "s").mkdir(parents=True)
    (tmp_path / "sources" / "s" / "journal.db").touch()
    assert (log.fold(), log.files()) == (0, [])
    log.append(table(1))
    assert (log.fold(), folded(log)) == (1, [1])
