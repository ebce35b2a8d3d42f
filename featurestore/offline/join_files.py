"""What the join reads of stored files: keys and times of the row groups that may matter, values of the rows that do.

Both passes read whole row groups and never a whole file's values at once. Rows of one key lie together, so keys are
compared with their neighbours and looked up once per stretch, not once per row; a file where they do not lie together
is read correctly too, only more slowly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import CorruptError
from featurestore.model.definition import Definition
from featurestore.offline.arrays import integers, take, whole
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.kernel import NO_TIME, Rows
from featurestore.offline.keys import KeyIndex

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Column, Ints

__all__ = ["read_rows", "take_values"]

_BATCH_BYTES = 256 << 20
_MOMENT = pa.timestamp("us", tz="UTC")


def read_rows(path: Path, definition: Definition, index: KeyIndex, *, label: str) -> Rows:
    """Return keys and times of a file's rows in stored order, without the row groups that hold none of the keys.

    Raises
    ------
    CorruptError
        If the file is missing or cannot be read.
    """
    keys = [key for key, _ in definition.keys]
    times = [name for name in (definition.event_time, definition.created_time) if name is not None]
    texts = [key for key, type_ in definition.keys if type_.kind in {"String", "Bytes"}]
    with _open(path, label, dictionaries=texts) as file:
        starts = _row_group_starts(file)
        groups = [group for group in range(len(starts) - 1) if _may_hold(file, group, keys[0], index)]
        table = file.read_row_groups(groups, columns=[*keys, *times])
    positions = [np.arange(starts[group], starts[group + 1]) for group in groups]
    ids = _find(table.select(keys), definition, index)
    event = np.full(len(ids), NO_TIME, dtype=np.int64)
    if definition.event_time is not None:
        event = _micros(table.column(definition.event_time))
        ids = np.where(event == NO_TIME, -1, ids) if table.column(definition.event_time).null_count else ids
    created = None if definition.created_time is None else _micros(table.column(definition.created_time))
    return Rows(np.concatenate([np.empty(0, dtype=np.int64), *positions]), ids, event, created)


def take_values(
    path: Path, rows: Ints, definition: Definition, features: Sequence[str], *, label: str
) -> dict[str, list[Array]]:
    """Return the features' values in the given rows of a file, in pieces.

    Parameters
    ----------
    rows
        Positions in the file, ascending.

    Raises
    ------
    CorruptError
        If the file is missing or cannot be read.
    """
    types = {item.name: to_arrow(item.type) for item in definition.features}
    pieces: dict[str, list[Array]] = {name: [] for name in features}
    with _open(path, label) as file:
        starts = _row_group_starts(file)
        owners = np.searchsorted(starts, rows, side="right") - 1
        for groups in _batches(file, np.unique(owners).tolist(), features):
            low, high = np.searchsorted(owners, [groups[0], groups[-1] + 1])
            sizes = [starts[group + 1] - starts[group] for group in groups]
            skipped = starts[groups] - np.cumsum([0, *sizes[:-1]])  # rows of the file before each that are not read
            local = rows[low:high] - skipped[np.searchsorted(groups, owners[low:high])]
            done = 0
            for batch in file.read_row_groups(groups, columns=list(features)).to_batches():
                first, last = np.searchsorted(local, [done, done + batch.num_rows])
                for name in features:
                    taken = take(batch.column(name), local[first:last] - done)
                    pieces[name].append(taken if taken.type == types[name] else taken.cast(types[name]))
                done += batch.num_rows
    return pieces


@contextmanager
def _open(path: Path, label: str, *, dictionaries: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, memory_map=True, read_dictionary=list(dictionaries)) as file:
            yield file
    except FileNotFoundError:
        message = f"the file {path} of {label} is missing: restore it from a backup, or materialize again."
        raise CorruptError(message) from None
    except (pa.ArrowException, OSError, KeyError) as error:
        message = f"the file {path} of {label} cannot be read ({error}): restore it from a backup."
        raise CorruptError(message) from error


def _row_group_starts(file: pq.ParquetFile) -> Ints:
    """Return the position of each row group's first row, and the number of rows at the end."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    return np.cumsum([0, *sizes], dtype=np.int64)


def _may_hold(file: pq.ParquetFile, group: int, key: str, index: KeyIndex) -> bool:
    """Tell from its statistics whether a row group may hold one of the spine's keys, by their first part."""
    row_group = file.metadata.row_group(group)
    for place in range(row_group.num_columns):
        column = row_group.column(place)
        if column.path_in_schema == key:
            statistics = column.statistics
            if statistics is None or not statistics.has_min_max:
                return True
            return index.overlaps(statistics.min, statistics.max)
    return True


def _batches(file: pq.ParquetFile, groups: Sequence[int], features: Sequence[str]) -> Iterator[list[int]]:
    """Group row groups so that what is decoded at once stays small; a single large one is read alone."""
    wanted = set(features)
    batch: list[int] = []
    size = 0
    for group in groups:
        row_group = file.metadata.row_group(group)
        columns = (row_group.column(place) for place in range(row_group.num_columns))
        more = sum(item.total_uncompressed_size for item in columns if item.path_in_schema.split(".")[0] in wanted)
        if batch and size + more > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(group)
        size += more
    if batch:
        yield batch


def _find(table: pa.Table, definition: Definition, index: KeyIndex) -> Ints:
    """Return the id of each row's key, looked up once for each stretch of rows with one key."""
    types = [to_arrow(type_) for _, type_ in definition.keys]
    heads: list[list[Array]] = [[pa.array([], type_)] for type_ in types]
    lengths = [np.empty(0, dtype=np.int64)]
    for batch in table.to_batches():
        first = _stretches(batch)
        lengths.append(np.diff(first, append=batch.num_rows))
        for head, column, type_ in zip(heads, batch.columns, types, strict=True):
            head.append(take(column, first).cast(type_))
    ids = index.find([pa.concat_arrays(head) for head in heads])
    return np.repeat(ids, np.concatenate(lengths))


def _stretches(batch: pa.RecordBatch) -> Ints:
    """Return the first row of each stretch of rows with equal keys."""
    if batch.num_rows == 0 or any(column.null_count for column in batch.columns):
        return np.arange(batch.num_rows)
    changes = np.zeros(batch.num_rows - 1, dtype=np.bool_)
    for column in batch.columns:
        codes = _codes(column)
        changes |= codes[1:] != codes[:-1]
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _codes(column: Array) -> Ints:
    """Return integers that are equal only where the keys are."""
    if isinstance(column, pa.DictionaryArray):
        column = column.indices
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _micros(column: Column) -> Ints:
    """Return microseconds since 1970 UTC, `NO_TIME` where null."""
    array = whole(column)
    return integers(array if array.type == _MOMENT else array.cast(_MOMENT), null=NO_TIME)
