"""The overlay of an LMDB generation: a small environment beside its immutable one, which pushes of any process change.

    <generation>/overlay/data.mdb    key -> value of `overlay.py`
                         lock.mdb    LMDB's own: one writer at a time, whatever dies, and a table of readers

A push is one transaction for some thousands of keys, synchronous, so what it returned is on disk and whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb

from featurestore.online.chunks import check_keys
from featurestore.online.overlay import merge

__all__ = ["LmdbOverlay", "open_environment"]

_FOLDER, _DATA = "overlay", "data.mdb"
_MAP_BYTES = 1 << 36  # address space, not disk; the same in every process, so that none meets a larger file
_READERS = 2048
_SPARE_TRANSACTIONS = 16
_TRANSACTION_ROWS = 4_096
_CLOSING_SECONDS = 5.0


def open_environment(path: Path, **options: Any) -> lmdb.Environment:  # noqa: ANN401 - those of `lmdb.open`
    """Open an environment of which this process may at this moment be letting go: LMDB allows one open a process."""
    deadline = time.monotonic() + _CLOSING_SECONDS
    while True:
        try:
            return lmdb.open(str(path), create=False, **options)
        except lmdb.Error as error:
            if "already open" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.001)


class LmdbOverlay:
    """The overlay of the generation in a folder, open in this process.

    Raises
    ------
    lmdb.Error
        From any method, if LMDB fails.
    """

    def __init__(self, generation: Path) -> None:
        folder = generation / _FOLDER
        found = (folder / _DATA).stat().st_size
        if not found:  # in an empty file LMDB would begin anew
            raise _cut_short(found)
        self.environment = open_environment(
            folder,
            map_size=_MAP_BYTES,
            max_readers=_READERS,
            max_spare_txns=_SPARE_TRANSACTIONS,
            readonly=not os.access(folder / _DATA, os.W_OK),
        )
        self.environment.reader_check()  # what died in a read would keep its pages
        needed = (self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"]
        if (folder / _DATA).stat().st_size < needed:  # to read beyond a mapped file's end would kill the process
            raise _cut_short(found)

    @staticmethod
    def create(generation: Path) -> None:
        """Make an empty overlay, durably, for a generation that is being built."""
        with lmdb.open(str(generation / _FOLDER), map_size=_MAP_BYTES, max_readers=_READERS) as environment:
            environment.sync(True)  # noqa: FBT003 - force

    def push(self, values: Iterable[tuple[bytes, bytes]], now: int) -> int:
        """Merge values and return how many changed something (see `OnlineStore.push`)."""
        pending = iter(values)
        changed = 0
        while chunk := list(islice(pending, _TRANSACTION_ROWS)):
            check_keys(key for key, _ in chunk)
            with self.environment.begin(write=True) as transaction:
                for key, value in chunk:
                    held = transaction.get(key)
                    merged = merge(held, value, now)
                    if merged != held:
                        transaction.put(key, merged)
                        changed += 1
        return changed

    def read(self, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the value of each key, in order."""
        with self.environment.begin() as transaction:
            get = transaction.get
            return [None if key is None else get(key) for key in keys]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Give every key and value; no transaction stays open while the caller works."""
        last = b""
        while True:
            with self.environment.begin() as transaction, transaction.cursor() as cursor:
                there = cursor.set_range(last + b"\x00") if last else cursor.first()
                chunk = list(islice(cursor, _TRANSACTION_ROWS)) if there else []
            if not chunk:
                return
            yield from chunk
            last = chunk[-1][0]


def _cut_short(size: int) -> lmdb.Error:
    return lmdb.CorruptedError(f"{_FOLDER}/{_DATA} is cut short, at {size} bytes")
