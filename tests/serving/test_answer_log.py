"""A sample of the answers of a real server, as it is kept for `skew`."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featurestore as fs
from featurestore.config import load_serving
from featurestore.errors import ConfigError, CorruptError
from featurestore.online.lookup import Asked, RowAnswer
from featurestore.online.served import FOLDER, ServedRows, folder_of, served_files, sweep
from featurestore.serving import answer_log
from featurestore.serving.answer_log import AnswerLog
from featurestore.serving.client import connect
from tests.serving.conftest import Serve
from tests.serving.things import AT, ENTITIES, fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "store"
    with fs.open_store(path) as store:
        fill(store)
    return path


@pytest.fixture
def store_path(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "store"))


def everything(path: Path) -> list[ServedRows]:
    return [ServedRows.read(file) for file in sorted((path / FOLDER).rglob("*.parquet"))]


def test_a_server_keeps_what_it_answered_with_types_and_states(store_path: Path, serve: Serve) -> None:
    asked = ["things@v1", "colours"]
    with serve(store_path, workers=1, log_answers=1.0) as server, connect(server.address) as client:
        told = [client.get_features(asked, entities=ENTITIES, at=AT) for _ in range(3)]
        client.get_features(model="price@1", entities={"k": ["a"], "n": [1]}, at=AT)
        server.end()
    (rows,) = [one for one in everything(store_path) if one.model is None]
    (of_model,) = [ServedRows.read(file) for file in served_files(folder_of(store_path, model="price@1"))]
    assert rows.at.to_pylist() == [AT] * 15
    assert rows.entities.to_pydict() == {name: values * 3 for name, values in ENTITIES.items()}
    with fs.open_store(store_path, read_only=True) as store:
        expected = store.get_online_features(asked, entities=ENTITIES, at=AT)
    assert told[0].to_dict() == expected.to_dict()
    for kept, column in zip(rows.answers, expected.answers, strict=True):
        assert kept.values.type == column.values.type
        assert kept.values.to_pylist() == column.values.to_pylist() * 3
        assert kept.statuses.tolist() == column.statuses.tolist() * 3
        assert (kept.view, kept.version, kept.snapshot, kept.activation) == (
            column.view, column.version, column.snapshot, column.activation
        )  # fmt: skip
        times = None if column.event_times is None else column.event_times.to_pylist() * 3
        assert times == (None if kept.event_times is None else kept.event_times.to_pylist())
    assert [answer.name for answer in of_model.answers] == ["colours__colour", "things__f64"]
    assert of_model.on == ((("k", "k"),), (("k", "k"), ("n", "n")))


def test_nothing_is_kept_where_none_was_asked_for(store_path: Path, serve: Serve) -> None:
    with serve(store_path, workers=1) as server, connect(server.address) as client:
        client.get_features(["colours"], entities={"k": ["a"]}, at=AT)
        server.end()
    assert everything(store_path) == []


@pytest.fixture
def answer(store_path: Path) -> tuple[Asked, dict[str, Any], RowAnswer]:
    asked, entities = Asked(features=("colours@v1",)), {"k": ["a", "nobody"]}
    with fs.open_store(store_path, read_only=True) as store:
        return asked, entities, store.read_online(asked, entities, AT)


def test_what_finds_no_room_is_dropped_and_counted_and_no_call_waits(
    store_path: Path, answer: tuple[Asked, dict[str, Any], RowAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is held up as a full disk or a slow one would hold it."""
    held, begun = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        begun.set()
        held.wait(60)

    monkeypatch.setattr(answer_log, "sweep", slow)
    monkeypatch.setattr(answer_log, "_ROWS_A_FILE", 1)
    monkeypatch.setattr(answer_log, "_ROWS_WAITING", 10)
    log = AnswerLog(store_path, 1.0, most_bytes=1 << 20)
    log.offer(*answer)
    assert begun.wait(60)
    for _ in range(20):
        log.offer(*answer)
    held.set()
    log.close()
    assert (log.written, log.dropped) == (10, 32)
    assert sum(len(one.at) for one in everything(store_path)) == 10


def test_a_share_is_drawn_of_the_calls(store_path: Path, answer: tuple[Asked, dict[str, Any], RowAnswer]) -> None:
    log = AnswerLog(store_path, 0.5, most_bytes=1 << 20)
    for _ in range(400):
        log.offer(*answer)
    log.close()
    assert 0.3 < log.written / 800 < 0.7
    assert log.dropped == 0


def test_a_folder_that_cannot_be_written_costs_the_sample_alone(
    store_path: Path, answer: tuple[Asked, dict[str, Any], RowAnswer], caplog: pytest.LogCaptureFixture
) -> None:
    (store_path / FOLDER).write_text("in the way")
    log = AnswerLog(store_path, 1.0, most_bytes=1 << 20)
    with caplog.at_level(logging.ERROR):
        log.offer(*answer)
        log.close()
    assert (log.written, log.dropped) == (0, 2)
    assert "answers cannot be kept" in caplog.text


def test_the_oldest_files_go_first(store_path: Path, answer: tuple[Asked, dict[str, Any], RowAnswer]) -> None:
    for _ in range(3):
        log = AnswerLog(store_path, 1.0, most_bytes=1 << 30)
        log.offer(*answer)
        log.close()
    files = sorted((store_path / FOLDER).rglob("*.parquet"))
    assert len(files) == 3
    sweep(store_path, sum(file.stat().st_size for file in files) - 1)
    assert sorted((store_path / FOLDER).rglob("*.parquet")) == files[1:]


def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    for name, content in (("a.parquet", b"no parquet"), ("b.parquet", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorruptError, match=name):
            ServedRows.read(tmp_path / name)
    pq.write_table(pa.table({"at": [1]}), tmp_path / "c.parquet")
    with pytest.raises(CorruptError, match=r"c\.parquet"):
        ServedRows.read(tmp_path / "c.parquet")


@pytest.mark.parametrize(("name", "value"), [("log_answers", 1.5), ("log_answers", -0.1), ("log_answers_bytes", 10)])
def test_settings_out_of_range_are_refused(store_path: Path, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        load_serving(store_path, {name: value})
