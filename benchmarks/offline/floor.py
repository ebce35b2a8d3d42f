"""The floor under any join of stored files: only to decode, or only to read, what must be read.

What must be read are the keys, the times and the features of every row group that may hold a key of the spine.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmarks.offline.case import Case

__all__ = ["floor_decode", "floor_read"]

THREADS = 2
BUFFER = 1 << 22  # bytes
BATCH = 1 << 18  # rows


@dataclass(frozen=True, slots=True)
class _Group:
    """One row group of one file that may match: its columns, and where their bytes lie."""

    file: str
    number: int
    rows: int
    columns: tuple[str, ...]
    chunks: tuple[tuple[int, int], ...]


def floor_decode(case: Case) -> Callable[[], None]:
    """Decode with pyarrow, two threads, some row groups at a time; nothing is kept."""
    import pyarrow.parquet as pq

    groups = list(_groups(case))

    def decode(share: list[_Group]) -> None:
        for file, members in groupby(share, lambda group: group.file):
            with pq.ParquetFile(file, memory_map=True) as parquet:
                for batch in _batches(members):
                    numbers = [group.number for group in batch]
                    parquet.read_row_groups(numbers, list(batch[0].columns), use_threads=False)

    def run() -> None:
        half = -(-len(groups) // THREADS)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(decode, [groups[:half], groups[half:]]))

    return run


def floor_read(case: Case) -> Callable[[], None]:
    """Read the same bytes one after another, as they are."""
    groups = list(_groups(case))
    buffer = memoryview(bytearray(BUFFER))

    def run() -> None:
        for file, members in groupby(groups, lambda group: group.file):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                for offset, size in (chunk for group in members for chunk in group.chunks):
                    for start in range(offset, offset + size, BUFFER):
                        os.preadv(descriptor, [buffer[: offset + size - start]], start)
            finally:
                os.close(descriptor)

    return run


def _batches(groups: Iterable[_Group]) -> Iterator[list[_Group]]:
    """Yield as many groups at once as hold `BATCH` rows, so that small ones do not cost a call each."""
    batch: list[_Group] = []
    for group in groups:
        if batch and sum(one.rows for one in batch) + group.rows > BATCH:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def _groups(case: Case) -> Iterator[_Group]:
    import pyarrow.parquet as pq

    for view in case.views:
        column: Any = pq.read_table(case.spine, columns=[view.keys[0]]).column(0)
        asked = sorted(column.unique().to_pylist())
        wanted = {*view.keys, "time", *view.features} | ({"created"} if view.created else set())
        for file in view.files:
            with pq.ParquetFile(file) as parquet:
                for number in range(parquet.num_row_groups):
                    group = parquet.metadata.row_group(number)
                    chunks = [group.column(place) for place in range(group.num_columns)]
                    key = next(chunk for chunk in chunks if chunk.path_in_schema == view.keys[0])
                    if _may_match(asked, key.statistics):
                        chosen = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] in wanted]
                        yield _Group(
                            file,
                            number,
                            group.num_rows,
                            tuple(sorted(wanted)),
                            tuple(_extent(chunk) for chunk in chosen),
                        )


def _may_match(asked: list[Any], statistics: Any) -> bool:  # noqa: ANN401 - pyarrow's Statistics or None
    if statistics is None or not statistics.has_min_max:
        return True
    return bisect_left(asked, statistics.min) < bisect_right(asked, statistics.max)


def _extent(chunk: Any) -> tuple[int, int]:  # noqa: ANN401 - pyarrow's ColumnChunkMetaData
    starts = [chunk.data_page_offset, *([chunk.dictionary_page_offset] if chunk.has_dictionary_page else [])]
    return min(starts), chunk.total_compressed_size
