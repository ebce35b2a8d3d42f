"""Digests of files: read again whenever a file may have changed, and only then."""

from __future__ import annotations

import hashlib
import os
import time
from io import BufferedReader
from pathlib import Path

import pytest

from featurestore.offline.file_digests import FileDigests


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files read so far, by name."""
    names: list[str] = []
    asked = hashlib.file_digest

    def noted(file: BufferedReader, algorithm: str) -> object:
        names.append(Path(file.name).name)
        return asked(file, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    return names


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an hour later than it is, so that every file has been at rest."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, Path]]:
    """Three files."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_text(path.name)
    return [(path.name, path) for path in paths]


def change(path: Path, text: str) -> None:
    """Write a file until the system's clock tells that it was, and give it back the time it had before."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.usefixtures("later")
def test_what_did_not_change_is_not_read_again_by_another_process_either(
    tmp_path: Path, files: list[tuple[str, Path]], read: list[str]
) -> None:
    first = FileDigests(tmp_path / "store" / "digests.json").of_all(files)
    assert read == ["a", "b", "c"]
    other = FileDigests(tmp_path / "store" / "digests.json")
    assert (other.of_all(files), other.of_all(files[:2]) != first, read) == (first, True, ["a", "b", "c"])
    (tmp_path / "d").write_text("d")
    appended = other.of_all([*files, ("d", tmp_path / "d")])
    assert appended != first
    assert read == ["a", "b", "c", "d"]
    again = FileDigests(tmp_path / "store" / "digests.json")
    assert (again.of_all([*files, ("d", tmp_path / "d")]), read) == (appended, ["a", "b", "c", "d"])


@pytest.mark.usefixtures("later")
def test_a_change_that_keeps_size_and_time_is_noticed(
    tmp_path: Path, files: list[tuple[str, Path]], read: list[str]
) -> None:
    digests = FileDigests(tmp_path / "digests.json")
    first = digests.of_all(files)
    change(tmp_path / "b", "B")
    for reader in (digests, FileDigests(tmp_path / "digests.json")):
        assert reader.of_all(files) != first
    assert read == ["a", "b", "c", "b"]
    replaced = tmp_path / "new"
    replaced.write_text("b")
    os.utime(replaced, ns=((tmp_path / "b").stat().st_atime_ns, (tmp_path / "b").stat().st_mtime_ns))
    replaced.replace(tmp_path / "b")
    assert digests.of_all(files) == first
    assert read == ["a", "b", "c", "b", "b"]


def test_what_changed_a_moment_ago_is_read_again(
    tmp_path: Path, files: list[tuple[str, Path]], read: list[str]
) -> None:
    digests = FileDigests(tmp_path / "digests.json")
    assert digests.of_all(files) == digests.of_all(files)
    assert read == ["a", "b", "c"] * 2
    assert not (tmp_path / "digests.json").exists()


@pytest.mark.usefixtures("later")
def test_what_changes_while_it_is_read_is_read_again(
    tmp_path: Path, files: list[tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = FileDigests(tmp_path / "digests.json")
    asked = hashlib.file_digest

    def torn(file: BufferedReader, algorithm: str) -> object:
        found = asked(file, algorithm)
        if file.name.endswith("c"):
            change(tmp_path / "c", "C")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", torn)
        first = digests.of_all(files)
    assert digests.of_all(files) != first


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', '{"a": [[1], "x"]}', "\udcff"])
def test_a_broken_memory_is_no_memory(
    tmp_path: Path, files: list[tuple[str, Path]], read: list[str], text: str
) -> None:
    memory = tmp_path / "digests.json"
    memory.write_bytes(text.encode(errors="surrogateescape"))
    first = FileDigests(memory).of_all(files)
    assert (FileDigests(memory).of_all(files), read) == (first, ["a", "b", "c"])


@pytest.mark.usefixtures("later")
def test_without_a_place_to_write_one_object_remembers(
    tmp_path: Path, files: list[tuple[str, Path]], read: list[str]
) -> None:
    digests = FileDigests(tmp_path / "a" / "digests.json")  # `a` is a file
    assert digests.of_all(files) == digests.of_all(files)
    assert read == ["a", "b", "c"]


@pytest.mark.usefixtures("later")
def test_files_that_are_gone_are_forgotten(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    memory = tmp_path / "digests.json"
    FileDigests(memory).of_all(files)
    (tmp_path / "a").unlink()
    (tmp_path / "d").write_text("d")
    FileDigests(memory).of_all([("d", tmp_path / "d")])
    assert str(tmp_path / "a") not in memory.read_text()
    assert str(tmp_path / "b") in memory.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c", "d", "digests.json"]
