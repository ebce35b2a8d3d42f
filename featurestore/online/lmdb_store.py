"""The embedded online store: one immutable LMDB environment for each generation, opened by every process that reads it.

    root/online/<generation id>/data.mdb           keys and rows
                                generation.json    rows, bytes, schema; when written; checksums of both files
                                overlay/           what was pushed since, if it takes pushes (`lmdb_overlay.py`)
    root/online/.building/<random>/                what a writer builds, or a drop takes away; `lock` is held meanwhile

A generation is built aside, made durable, and becomes visible by one rename. Nobody ever writes to a visible one, but
for its overlay, so readers need no lock and no reader table, and a reader that has one open keeps it (its inode) when
it is dropped.

LMDB trusts what it maps: a damaged page or a file that has become short would end the process, not the read. So a
reader maps a generation only after its checksum was found right, and looks at the file's size in every millisecond that
it reads. Only what was written less than a minute ago, and not touched since, is taken as its writer has just read it
back: readers come to a new generation all at once, and should not stand still for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from weakref import WeakValueDictionary, finalize

import lmdb

from featurestore.errors import ConfigError, ContractError, CorruptError
from featurestore.online.base import PUSHES, OnlineStore, check_id, exists, missing
from featurestore.online.chunks import TWICE, check_keys, chunks
from featurestore.online.lmdb_overlay import LmdbOverlay, open_environment

__all__ = ["LmdbStore"]

_DATA, _META, _BUILDING = "data.mdb", "generation.json", ".building"
_MAP_BYTES = 1 << 40  # address space, not disk: the file grows as it is written
_CHUNK_BYTES = 64 << 20
_TRANSACTION_ROWS = 16_384  # each may dirty a page, which is held in memory until the commit
_FRESH = 60 * 10**9  # nanoseconds
_LOOK_SECONDS = 0.001  # a system call lets other threads run first, so not each of many reads at once makes one
_CHECKED_BYTES = 1 << 18  # read at once for the checksum: stays in a core's cache


class LmdbStore(OnlineStore):
    """Generations as LMDB environments under `root/online`.

    Parameters
    ----------
    root
        The store's folder. Nothing is made in it before the first `write`.
    """

    def __init__(self, root: Path) -> None:
        self._folder = Path(root) / "online"
        self._opened: dict[str, _Environment] = {}
        self._pid = os.getpid()

    def write(self, generation_id: str, schema: Mapping[str, Any], rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write one generation and return how many keys it holds (see `OnlineStore.write`)."""
        target = self._path(generation_id)
        if target.exists() or any((parent / _META).exists() for parent in target.parents):
            raise exists(generation_id)
        try:
            return self._write(target, generation_id, schema, rows)
        except (lmdb.Error, OSError) as error:
            message = (
                f"cannot write the online generation {generation_id!r} under {self._folder}: {error}. What was served "
                "until now still is: mend that (a full disk wants space), then publish again."
            )
            raise ConfigError(message) from error

    def read(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the row of each key, in order; None where there is none or the key is None."""
        opened = self._open(generation_id)
        if time.monotonic() - opened.looked > _LOOK_SECONDS and not opened.is_whole():
            raise _corrupt(generation_id, f"{_DATA} has become shorter than its {opened.size} bytes")
        try:
            with opened.environment.begin() as transaction:
                get = transaction.get
                return [None if key is None else get(key) for key in keys]
        except lmdb.Error as error:
            raise _corrupt(generation_id, str(error)) from error

    def schema(self, generation_id: str) -> Mapping[str, Any]:
        """Return the schema that the generation was written with."""
        return self._open(generation_id).schema

    def push(self, generation_id: str, values: Iterable[tuple[bytes, bytes]], now: int) -> int:
        """Merge pushed rows into a generation's overlay (see `OnlineStore.push`)."""
        opened = self._open(generation_id)
        if opened.overlay is None:
            message = f"the online generation {generation_id!r} takes no pushed rows: publish the version again."
            raise ContractError(message)
        try:
            return opened.overlay.push(values, now)
        except lmdb.Error as error:
            message = f"cannot push rows to the online generation {generation_id!r} under {self._folder}: {error}."
            raise ConfigError(message) from error

    def pushed(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the overlay's value of each key, in order; None where nothing was pushed."""
        opened = self._open(generation_id)
        if opened.overlay is None:
            return [None] * len(keys)
        try:
            return opened.overlay.read(keys)
        except lmdb.Error as error:
            raise _corrupt(generation_id, str(error)) from error

    def overlay(self, generation_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Give every key and value of a generation's overlay, in the order of the keys."""
        opened = self._open(generation_id)
        if opened.overlay is None:
            return
        try:
            yield from opened.overlay.items()
        except lmdb.Error as error:
            raise _corrupt(generation_id, str(error)) from error

    def check(self, generation_id: str) -> None:
        """Read all of a generation and compare its checksum with the one recorded (see `OnlineStore.check`)."""
        path = self._path(generation_id)
        with _told(path, generation_id):
            _checked(path, generation_id)

    def generations(self) -> list[str]:
        """Return the ids of all visible generations, sorted."""
        found = []
        for folder, below, files in os.walk(self._folder):
            if _META in files:
                found.append(Path(folder).relative_to(self._folder).as_posix())
            below[:] = [] if _META in files else [name for name in below if name != _BUILDING]
        return sorted(found)

    def drop(self, generation_id: str) -> None:
        """Remove a generation, for good; readers that have it open keep it until they let it go."""
        target = self._path(generation_id)
        self._opened.pop(generation_id, None)  # never closed by hand: a thread may be reading
        if not target.exists():
            return
        with self._building() as folder, suppress(FileNotFoundError):
            target.rename(folder / "dropped")
            _sync(target.parent)

    def close(self) -> None:
        """Release the environments; those that a thread is reading end with its read."""
        self._opened = {}

    def _write(
        self, target: Path, generation_id: str, schema: Mapping[str, Any], rows: Iterable[tuple[bytes, bytes]]
    ) -> int:
        with self._building() as folder:
            fresh = folder / "generation"
            fresh.mkdir()
            count = _build(fresh, rows)
            if schema.get(PUSHES):
                LmdbOverlay.create(fresh)
            status = (fresh / _DATA).stat()
            meta = {"rows": count, "bytes": status.st_size, "schema": dict(schema), "written": status.st_mtime_ns}
            meta["checksum"] = _checksum(fresh / _DATA)
            (fresh / _META).write_text(json.dumps(meta | {"seal": _seal(meta)}), encoding="utf-8")
            _sync(fresh / _META)
            _sync(fresh)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                fresh.rename(target)
            except OSError as error:
                if target.exists():
                    raise exists(generation_id) from error
                raise
            for parent in [*target.parents][: len(target.relative_to(self._folder).parts) + 1]:
                _sync(parent)
        return count

    def _path(self, generation_id: str) -> Path:
        return self._folder.joinpath(*check_id(generation_id).split("/"))

    def _open(self, generation_id: str) -> _Environment:
        if self._pid != os.getpid():  # a forked child opens its own
            self._opened, self._pid = {}, os.getpid()
        opened = self._opened.get(generation_id)
        if opened is None:
            opened = _open_environment(self._path(generation_id), generation_id)
            kept = {name: one for name, one in self._opened.items() if one.path.exists()}  # lets go what was dropped
            self._opened = {**kept, generation_id: opened}
        return opened

    @contextmanager
    def _building(self) -> Iterator[Path]:
        """Give a folder of one's own that is removed at the end, by the next writer if this one dies."""
        building = self._folder / _BUILDING
        building.mkdir(parents=True, exist_ok=True)
        folder = building / uuid.uuid4().hex
        with (building / "lock").open("wb") as everyone:
            fcntl.flock(everyone, fcntl.LOCK_EX)  # no sweep between the next two lines of another writer
            _sweep(building)
            folder.mkdir()
            lock = (folder / "lock").open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
        with lock:
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)


# ------------------------------------------------------------------------------------------------------- reading


class _Environment:
    """An open environment, what is recorded with it, and a descriptor and the size of its file."""

    __slots__ = ("__weakref__", "descriptor", "environment", "looked", "overlay", "path", "schema", "size")

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.path = path
        self.size: int = meta["bytes"]
        self.schema: Mapping[str, Any] = MappingProxyType(meta["schema"])
        self.environment = open_environment(path, map_size=self.size, readonly=True, lock=False)
        self.overlay = LmdbOverlay(path) if self.schema.get(PUSHES) else None
        self.descriptor = os.open(path / _DATA, os.O_RDONLY | os.O_CLOEXEC)
        finalize(self, os.close, self.descriptor)
        self.looked = 0.0

    def is_whole(self) -> bool:
        """Look whether the file has its size still: beyond its end a read would end the process."""
        whole = os.lseek(self.descriptor, 0, os.SEEK_END) >= self.size
        self.looked = time.monotonic() if whole else 0.0
        return whole

    def close(self) -> None:
        """Close both environments."""
        self.environment.close()
        if self.overlay is not None:
            self.overlay.environment.close()


class _Process:
    """What this process has open: LMDB allows one open of an environment in each process."""

    lock: ClassVar = threading.Lock()
    opened: ClassVar[WeakValueDictionary[tuple[int, int], _Environment]] = WeakValueDictionary()

    @classmethod
    def forget(cls) -> None:
        """Close in a forked child what it inherited: an environment is never used across a fork."""
        for inherited in cls.opened.values():
            inherited.close()
        cls.lock = threading.Lock()
        cls.opened = WeakValueDictionary()


os.register_at_fork(after_in_child=_Process.forget)


def _open_environment(path: Path, generation_id: str) -> _Environment:
    with _told(path, generation_id), _Process.lock:
        status = (path / _DATA).stat()
        opened = _Process.opened.get((status.st_dev, status.st_ino))
        if opened is None:
            opened = _Environment(path, _checked(path, generation_id, fresh=_FRESH))
            _Process.opened[status.st_dev, status.st_ino] = opened
    return opened


def _checked(path: Path, generation_id: str, *, fresh: int = 0) -> Mapping[str, Any]:
    """Return what is recorded with a generation if that and all rows are as written.

    Rows are not read if they were written less than `fresh` nanoseconds ago and the file was not touched since.
    """
    meta = json.loads((path / _META).read_text(encoding="utf-8"))
    if meta.pop("seal") != _seal(meta):
        raise _corrupt(generation_id, f"the bytes of {_META} are not those that were written")
    status = (path / _DATA).stat()
    new = status.st_mtime_ns == meta["written"] and time.time_ns() - status.st_mtime_ns < fresh
    if status.st_size != meta["bytes"] or not (new or _checksum(path / _DATA) == meta["checksum"]):
        raise _corrupt(generation_id, f"the bytes of {_DATA} are not those that were written")
    return dict(meta)


@contextmanager
def _told(path: Path, generation_id: str) -> Iterator[None]:
    """Tell what is wrong with the files of a generation."""
    try:
        yield
    except (OSError, lmdb.Error) as error:
        if not path.exists():  # never there, or dropped meanwhile
            raise missing(generation_id, path) from None
        raise _corrupt(generation_id, str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _corrupt(generation_id, f"{_META} cannot be read ({error})") from error


def _checksum(file: Path) -> int:
    """Return the CRC-32 of a file, read and not mapped: it may become shorter meanwhile."""
    found = 0
    chunk = memoryview(bytearray(_CHECKED_BYTES))
    with file.open("rb", buffering=0) as data:
        while size := data.readinto(chunk):
            found = zlib.crc32(chunk[:size], found)
    return found


def _seal(meta: Mapping[str, Any]) -> int:
    """Return the CRC-32 of what is recorded with a generation."""
    return zlib.crc32(json.dumps(meta, sort_keys=True).encode())


def _corrupt(generation_id: str, what: str) -> CorruptError:
    return CorruptError(
        f"the online generation {generation_id!r} is damaged: {what}. Publish the version again, which makes a new one."
    )


# ------------------------------------------------------------------------------------------------------- writing


def _build(folder: Path, rows: Iterable[tuple[bytes, bytes]]) -> int:
    """Write rows into a fresh environment, durably, and return how many.

    Chunks are sorted and appended while they follow each other, as they do when rows arrive in the order of their
    keys; a chunk that reaches back is put in sorted order, which walks the tree once.
    """
    appended = True
    count = 0
    with lmdb.open(str(folder), map_size=_MAP_BYTES, sync=False, lock=False) as environment:
        last = b""
        for chunk in chunks(rows, _CHUNK_BYTES):
            chunk.sort(key=_key)
            keys = {key for key, _ in chunk}
            check_keys(keys)
            if len(keys) < len(chunk):
                raise ContractError(TWICE)
            append = chunk[0][0] > last
            appended &= append
            for start in range(0, len(chunk), _TRANSACTION_ROWS):
                part = chunk[start : start + _TRANSACTION_ROWS]
                with environment.begin(write=True) as transaction:
                    _, added = transaction.cursor().putmulti(part, overwrite=False, append=append)
                if added != len(part):
                    raise ContractError(TWICE)
            count += len(chunk)
            last = max(last, chunk[-1][0])
        environment.sync(True)  # noqa: FBT003 - force
        if not appended:  # pages were split and freed
            _compact(environment, folder)
    _sync(folder / _DATA)
    return count


def _key(pair: tuple[bytes, bytes]) -> bytes:
    return pair[0]


def _compact(environment: lmdb.Environment, folder: Path) -> None:
    compact = folder / "compact"
    compact.mkdir()
    environment.copy(str(compact), compact=True)
    (compact / _DATA).replace(folder / _DATA)
    compact.rmdir()


def _sweep(building: Path) -> None:
    """Remove what writers that died have left: their locks are free."""
    for folder in building.iterdir():
        if not folder.is_dir():
            continue
        try:
            with (folder / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except FileNotFoundError:  # died before it took its lock
            pass
        shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
