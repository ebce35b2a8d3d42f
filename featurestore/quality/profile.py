"""Profiles of rows, computed as they pass: one look at each batch, in a bounded amount of memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.model.profile import SAMPLE, Profile
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.output import output_columns
from featurestore.offline.values import default_from_json
from featurestore.quality.profile_counts import DistinctCounter, HistogramCounter, VolumeCounter, counted
from featurestore.quality.profile_hashes import (
    KEPT_BITS,
    as_micros,
    as_numbers,
    combined,
    hash_column,
    hash_words,
    ordered,
)
from featurestore.quality.profile_lists import EmbeddingColumn, ListColumn
from featurestore.quality.profile_numbers import NumberColumn
from featurestore.quality.profile_texts import TextColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from featurestore.model.definition import Definition
    from featurestore.model.sketches import Scalar
    from featurestore.model.types import FeatureType
    from featurestore.quality.profile_hashes import Hashes

    Ints = npt.NDArray[np.int64]

__all__ = ["Profiler", "profile_table", "profiler_of"]

_BATCH_ROWS = 65_536
_PIECE_ROWS = 32_768
"""Rows that are looked at together: their numbers stay in the cache, and below what malloc maps anew each time."""

_SECOND = 1_000_000
_SHIFT = np.uint64(64 - KEPT_BITS)


class Profiler:
    """Computes the profile of batches.

    Parameters
    ----------
    columns
        Name and type of each column of the batches that is told.
    keys, event_time, created_time
        Which of them these are.
    defaults
        Column to its declared default.
    in_order
        Rows come sorted by key and event time, so that duplicates are neighbours. Otherwise eight bytes are kept for
        each row until the end.
    """

    def __init__(
        self,
        columns: Iterable[tuple[str, FeatureType]],
        *,
        keys: Sequence[str] = (),
        event_time: str | None = None,
        created_time: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        in_order: bool = False,
    ) -> None:
        declared = defaults or {}
        self._columns = {name: _column(name, type_, declared.get(name)) for name, type_ in columns}
        self._keys, self._event_time, self._created_time = tuple(keys), event_time, created_time
        self._rows = 0
        self._first: int | None = None
        self._last: int | None = None
        self._volume, self._lateness = VolumeCounter(), HistogramCounter()
        self._entities = DistinctCounter()
        self._duplicates = _Duplicates(in_order=in_order)
        self._sample = _Sample(list(self._columns))

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows; the batch may hold more columns."""
        for start in range(0, batch.num_rows, _PIECE_ROWS):
            self._add(batch.slice(start, _PIECE_ROWS))

    def _add(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        times = self._add_times(batch) if self._event_time is not None else None
        rows = self._add_keys(batch, times) if self._keys else None
        for name, column in self._columns.items():
            if isinstance(column, EmbeddingColumn):
                column.add(batch.column(name), rows)
            else:
                column.add(batch.column(name))

    def _add_times(self, batch: pa.RecordBatch) -> Ints:
        """Count event times; returns them, the null ones as the least number."""
        column = as_micros(batch.column(str(self._event_time)))
        present: Ints = column.drop_null().to_numpy(zero_copy_only=False)
        if len(present):
            least, greatest = int(present.min()), int(present.max())
            self._first = least if self._first is None else min(self._first, least)
            self._last = greatest if self._last is None else max(self._last, greatest)
            self._volume.add(present, least, greatest)
        times: Ints = column.fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
        if self._created_time is not None:
            created = as_micros(batch.column(self._created_time))
            known = created.is_valid().to_numpy(zero_copy_only=False) & column.is_valid().to_numpy(zero_copy_only=False)
            if known.any():
                late = (created.fill_null(0).to_numpy(zero_copy_only=False)[known] - times[known]) // _SECOND
                found, counts = counted(late, int(late.min()), int(late.max()))
                self._lateness.add_counted(ordered(found.astype(np.float64)), counts)
        return times

    def _add_keys(self, batch: pa.RecordBatch, times: Ints | None) -> Hashes:
        """Count keys and duplicates; returns the rows' hashes."""
        keys = combined([hash_column(batch.column(key)) for key in self._keys])
        self._entities.add(keys)
        rows = keys if times is None else hash_words(keys + times.view(np.uint64))
        self._duplicates.add(rows)
        self._sample.add(batch, rows)
        return rows

    def result(
        self,
        *,
        kind: str,
        name: str,
        id: str,  # noqa: A002 - as the field
        dropped: Iterable[tuple[str, int]] = (),
    ) -> Profile:
        """Return the profile; see `Profile` for what identifies it."""
        sampled = self._sample.rows()
        told: dict[str, tuple[Scalar | None, ...]] = {}
        for column_name, column in self._columns.items():
            told[column_name] = () if sampled is None else tuple(column.told(sampled.column(column_name)))
        return Profile(
            kind,
            name,
            id,
            self._rows,
            tuple(column.result(told[column_name]) for column_name, column in self._columns.items()),
            time.time_ns() // 1000,
            self._keys,
            self._event_time,
            self._first,
            self._last,
            self._volume.result(),
            None if self._created_time is None else self._lateness.result(),
            self._entities.result() if self._keys else None,
            self._duplicates.result() if self._keys else None,
            dropped=tuple(sorted(dropped)),
            sample=self._sample.hashes(),
        )


class _Duplicates:
    """Counts rows whose hash another row before them has."""

    def __init__(self, *, in_order: bool) -> None:
        self._in_order = in_order
        self._found = 0
        self._last: np.uint64 | None = None
        self._all: list[Hashes] = []

    def add(self, rows: Hashes) -> None:
        """Take the next rows."""
        if not self._in_order:
            self._all.append(rows)
            return
        self._found += int(np.count_nonzero(rows[1:] == rows[:-1])) + int(rows[0] == self._last)
        self._last = rows[-1]

    def result(self) -> int:
        """Return how many there are."""
        if not self._all:
            return self._found
        rows = np.concatenate(self._all)
        return len(rows) - len(np.unique(rows))


class _Sample:
    """Keeps the rows with the least hashes."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._below: np.uint64 | None = None
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._kept: pa.Table | None = None

    def add(self, batch: pa.RecordBatch, rows: Hashes) -> None:
        """Take the next rows."""
        near = np.arange(len(rows)) if self._below is None else np.flatnonzero(rows < self._below)
        if not len(near):
            return
        if len(near) > SAMPLE:
            near = near[np.argpartition(rows[near], SAMPLE)[: SAMPLE + 1]]
        hashes = np.concatenate([self._hashes, rows[near] >> _SHIFT])
        hashes, places = np.unique(hashes, return_index=True)
        self._hashes, places = hashes[:SAMPLE], places[:SAMPLE]
        if len(self._hashes) == SAMPLE:
            self._below = self._hashes[-1] << _SHIFT
        if not self._columns:
            return
        taken = pa.Table.from_batches([batch.take(near)]).select(self._columns)
        together = taken if self._kept is None else pa.concat_tables([self._kept, taken])
        self._kept = together.take(places).combine_chunks()

    def hashes(self) -> tuple[int, ...]:
        """Return the kept rows' hashes."""
        return tuple(self._hashes.tolist())

    def rows(self) -> pa.RecordBatch | None:
        """Return the kept rows, in order of their hashes."""
        return None if self._kept is None else next(iter(self._kept.combine_chunks().to_batches()))


def _column(
    name: str,
    type_: FeatureType,
    default: Any,  # noqa: ANN401 - a value of any type
) -> NumberColumn | TextColumn | ListColumn | EmbeddingColumn:
    if type_.kind == "List":
        return ListColumn(name, type_)
    if type_.kind == "Embedding":
        return EmbeddingColumn(name, type_)
    if type_.kind in {"String", "Bytes"}:
        return TextColumn(name, type_, default)
    number = None if default is None else float(as_numbers(pa.array([default], to_arrow(type_)))[0])
    return NumberColumn(name, type_, number)


def profiler_of(definition: Definition, *, in_order: bool = True) -> Profiler:
    """Return what profiles the rows of a feature version: keys, times and features."""
    return Profiler(
        output_columns(definition),
        keys=[key for key, _ in definition.keys],
        event_time=definition.event_time,
        created_time=definition.created_time,
        defaults={feature.name: default_from_json(feature.type, feature.default) for feature in definition.features},
        in_order=in_order,
    )


def profile_table(
    table: pa.Table,
    columns: Iterable[tuple[str, FeatureType]],
    *,
    kind: str = "frame",
    name: str = "",
    id: str = "",  # noqa: A002 - as the field
    keys: Sequence[str] = (),
    event_time: str | None = None,
    created_time: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Profile:
    """Return the profile of a table in memory.

    Parameters
    ----------
    columns
        Name and type of the columns that are told.
    kind, name, id
        What identifies the profile, see `Profile`.
    keys, event_time, created_time
        Names of the columns that tell rows apart, where there are; they need not be among `columns`.
    defaults
        Column to its declared default, in Python.
    """
    profiler = Profiler(columns, keys=keys, event_time=event_time, created_time=created_time, defaults=defaults)
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        profiler.add(batch)
    return profiler.result(kind=kind, name=name, id=id)
