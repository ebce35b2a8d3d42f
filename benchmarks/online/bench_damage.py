"""What it costs that damage is found: a checksum when a generation is opened, a look at its size at each read.

The alternative that was weighed is a checksum in each row. Prints microseconds and ratios, and one line of JSON.

    python -m benchmarks.online.bench_damage
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import timeit
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from unittest import mock

from featurestore.online import lmdb_store
from featurestore.online.lmdb_store import LmdbStore

ID = "bench/v1/1"
ROWS, ROW_BYTES, READ_ROWS = 50_000, 2_000, 100


def microseconds(function: Callable[[], object], number: int) -> float:
    """Return the least time of a call in five rounds."""
    return min(timeit.repeat(function, number=number, repeat=5)) / number * 1e6


def checksums(rows: Sequence[bytes]) -> list[int]:
    """Return the checksum of each row."""
    return [zlib.crc32(row) for row in rows]


def main() -> None:
    """Measure and print."""
    chance = random.Random(1)
    pairs = [(b"\x00" + number.to_bytes(8, "big"), chance.randbytes(ROW_BYTES)) for number in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        LmdbStore(Path(folder)).write(ID, {}, pairs)
        found = opening(Path(folder)) | reading(Path(folder), pairs)
    print(json.dumps(found))


def opening(folder: Path) -> dict[str, float]:
    """Measure the first read of a generation: a new one, and one whose checksum is compared."""

    def read() -> None:
        with LmdbStore(folder) as fresh:
            fresh.read(ID, [None])

    size = (folder / "online" / ID / "data.mdb").stat().st_size
    plain = microseconds(read, 20)
    with mock.patch.object(lmdb_store, "_FRESH", 0):
        checked = microseconds(read, 1)
    rate = size / (checked - plain) / 1e3
    print(f"first read by a process: {checked:,.0f} us, of a new generation {plain:,.0f} us; checksum {rate:.2f} GB/s")
    return {"bytes": size, "open_us": checked, "open_without_checksum_us": plain}


def reading(folder: Path, pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, float]:
    """Measure later reads, the look at the file's size in them, and a checksum of each row, which they do not have."""
    found: dict[str, float] = {}
    with LmdbStore(folder) as store:
        for rows in (1, READ_ROWS):
            keys = [key for key, _ in random.Random(2).sample(pairs, rows)]
            values = [value for value in store.read(ID, keys) if value is not None]
            assert len(values) == rows
            read = microseconds(partial(store.read, ID, keys), 2_000 // rows)
            descriptor = os.open(folder / "online" / ID / "data.mdb", os.O_RDONLY)
            look = microseconds(partial(os.lseek, descriptor, 0, os.SEEK_END), 2_000)
            os.close(descriptor)
            sums = microseconds(partial(checksums, values), 2_000 // rows)
            print(f"read of {rows} rows: {read:.1f} us, the look at the size {look / read:.1%} of it; ", end="")
            print(f"a checksum of each row would add {sums / read:.1%}")
            found |= {f"read_{rows}_us": read, f"look_{rows}_us": look, f"checksums_{rows}_us": sums}
    return found


if __name__ == "__main__":
    main()
