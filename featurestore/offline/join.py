"""The point-in-time join: a spine and the stored rows of feature versions, as one table. The rules are DESIGN.md's.

Each stored file is read twice, as little as possible: first keys and times, of which the kernel says which row each
spine row sees; then the values, of the row groups that hold such a row and the columns asked for. Values are moved by
Arrow's `take` alone, so every type survives exactly.

A spine row with a null key or a null time matches nothing, in a dimension too: the rule makes no exception. Only where
all views are dimensions may the spine have no time column at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurestore.errors import RequestError
from featurestore.model.definition import Definition
from featurestore.model.times import parse_time, to_micros
from featurestore.offline.arrays import take
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.join_files import read_rows, take_values
from featurestore.offline.kernel import NO_TIME, Match, Needles, arrange, make_needles, no_match, search
from featurestore.offline.keys import KeyIndex, index_keys
from featurestore.offline.report import FrameReport, ReadReport
from featurestore.offline.spine import SpineTimes, constant_times, spine_key, spine_times
from featurestore.offline.values import default_from_json

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Column, Flags, Ints

__all__ = ["JoinResult", "ViewRead", "join"]

_TEXT_BYTES = 1 << 31


@dataclass(frozen=True, slots=True)
class ViewRead:
    """One feature version joined on one set of spine columns.

    Attributes
    ----------
    definition
        Of the version.
    files
        Its Parquet files in order of writing, each sorted by keys, event time, created time with nulls first, then
        stored order. None makes every row NOT_FOUND.
    on
        `(entity key, spine column)` for all keys of the entity, in their order.
    columns
        `(feature, output column)`.
    label
        `"airport_weather@v1"`, for reports and errors.
    """

    definition: Definition
    files: tuple[Path, ...]
    on: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    label: str


@dataclass(frozen=True, slots=True)
class JoinResult:
    """The joined table, spine columns first; a report per read; the names of the feature columns, in order."""

    table: pa.Table
    reports: tuple[ReadReport, ...]
    feature_columns: tuple[str, ...]

    @property
    def report(self) -> FrameReport:
        """The report of the whole: the reads', and the nulls of each feature column."""
        nulls = tuple((name, self.table.column(name).null_count) for name in self.feature_columns)
        return FrameReport(self.table.num_rows, self.reports, nulls)


def join(
    spine: pa.Table,
    reads: Sequence[ViewRead],
    *,
    timestamp: str,
    as_of: datetime | str | None,
    order: Sequence[str],
    at: datetime | None = None,
) -> JoinResult:
    """Join feature versions to a spine, each spine row as of its own time.

    Parameters
    ----------
    spine
        From `read_spine`; its columns come back untouched.
    reads
        What to join.
    timestamp
        The spine's time column.
    as_of
        None; a time: only rows created by then are seen; or `"spine"`: by each spine row's own time. A row whose
        created time is null is not seen then.
    order
        The output columns of all reads, in the order in which they follow the spine's.
    at
        The time of every row of a spine without times. `as_of` then leaves views without a created time as they are.

    Raises
    ------
    RequestError
        If `as_of` is given and a view has no created time, or the spine lacks what the join needs.
    CorruptError
        If a stored file is missing or unreadable.
    """
    request = _make_request(spine, reads, timestamp, as_of, at)
    columns: dict[str, Column] = {}
    reports = []
    for read in reads:
        values, report = _join_one(request, read)
        columns |= values
        reports.append(report)
    fields = [*spine.schema, *(pa.field(name, columns[name].type) for name in order)]
    table = pa.table([*spine.columns, *(columns[name] for name in order)], schema=pa.schema(fields))
    return JoinResult(table, tuple(reports), tuple(order))


# -------------------------------------------------------------------------------------------------------- request


@dataclass(slots=True)
class _Request:
    """What all reads share; indexes of the spine's keys are made once for each set of columns joined on."""

    spine: pa.Table
    times: SpineTimes | None
    as_of: int | None
    by_spine: bool
    indexes: dict[tuple[tuple[str, str], ...], KeyIndex]
    needles: dict[tuple[object, bool], Needles]

    def index(self, read: ViewRead) -> KeyIndex:
        types = dict(read.definition.keys)
        place = tuple((column, str(types[key])) for key, column in read.on)
        if place not in self.indexes:
            self.indexes[place] = index_keys([spine_key(self.spine, column, types[key]) for key, column in read.on])
        return self.indexes[place]

    def sorted_needles(self, index: KeyIndex, *, timed: bool) -> Needles:
        """Return the spine rows that can match; without `timed` every one of them sees rows of all times."""
        place = (id(index), timed)
        if place not in self.needles:
            rows = self.spine.num_rows
            valid = np.ones(rows, dtype=np.bool_) if self.times is None else self.times.valid
            times = self.times.micros if timed and self.times is not None else np.zeros(rows, dtype=np.int64)
            self.needles[place] = make_needles(index.ids, times, valid)
        return self.needles[place]


def _make_request(
    spine: pa.Table, reads: Sequence[ViewRead], timestamp: str, as_of: datetime | str | None, at: datetime | None
) -> _Request:
    if as_of is not None and at is None:
        for read in reads:
            if read.definition.created_time is None:
                message = (
                    f"as_of needs to know when a row became known, and {read.label} has no created_time: declare one "
                    "in its feature view, or ask without as_of."
                )
                raise RequestError(message)
    timeless = all(read.definition.event_time is None for read in reads) and as_of != "spine"
    if at is not None:
        times: SpineTimes | None = constant_times(spine.num_rows, at)
    else:
        times = None if timeless and timestamp not in spine.column_names else spine_times(spine, timestamp)
    if as_of is None or as_of == "spine":
        return _Request(spine, times, None, as_of == "spine", {}, {})
    return _Request(spine, times, to_micros(parse_time(as_of, what="as_of")), False, {}, {})  # noqa: FBT003


# ------------------------------------------------------------------------------------------------------- one read


def _join_one(request: _Request, read: ViewRead) -> tuple[dict[str, Column], ReadReport]:
    """Return the output columns of one read, and its report."""
    definition = read.definition
    index = request.index(read)
    needles = request.sorted_needles(index, timed=request.by_spine or definition.event_time is not None)
    match = no_match(needles)
    for place, file in enumerate(read.files):
        stored = read_rows(file, definition, index, label=read.label)
        rows = arrange(stored, _seen(request, stored.created))
        match = search(match, rows, needles, file=place, known=request.by_spine)
    found = match.file >= 0
    expired = found & _is_expired(needles, match, definition.ttl)
    matched = found & ~expired
    report = _report(request, read, needles, match, matched=matched, expired=expired)
    return _columns(request.spine.num_rows, read, needles, match, matched), report


def _seen(request: _Request, created: Ints | None) -> Flags | None:
    """Return which rows any spine row may see; None is all."""
    if created is None or (request.as_of is None and not request.by_spine):
        return None
    known: Flags = created != NO_TIME
    return known if request.as_of is None else known & (created <= request.as_of)


def _is_expired(needles: Needles, match: Match, ttl: timedelta | None) -> Flags:
    """Tell which matches are older than the TTL; exactly as old is not."""
    if ttl is None:
        return np.zeros(len(needles.ids), dtype=np.bool_)
    return match.times < needles.times - ttl // timedelta(microseconds=1)


def _report(
    request: _Request, read: ViewRead, needles: Needles, match: Match, *, matched: Flags, expired: Flags
) -> ReadReport:
    look_ahead = None
    if (
        read.definition.created_time is not None
        and request.as_of is None
        and not request.by_spine
        and request.times is not None
    ):
        look_ahead = int(np.count_nonzero(matched & (match.created > request.times.micros[needles.order])))
    rows, used, old = request.spine.num_rows, int(np.count_nonzero(matched)), int(np.count_nonzero(expired))
    return ReadReport(read.label, rows, used, rows - used - old, old, look_ahead)


def _columns(rows: int, read: ViewRead, needles: Needles, match: Match, matched: Flags) -> dict[str, Column]:
    """Return the output columns: matched values in the spine's order, each feature's default everywhere else."""
    definition = read.definition
    names = tuple(dict.fromkeys(feature for feature, _ in read.columns))
    pieces: dict[str, list[Array]] = {name: [] for name in names}
    places = np.full(rows, -1, dtype=np.int64)
    taken = 0
    for file in np.unique(match.file[matched]).tolist():
        chosen = np.flatnonzero(matched & (match.file == file))
        chosen = chosen[np.argsort(match.row[chosen], kind="stable")]  # the file is read from start to end
        stored, shares = np.unique(match.row[chosen], return_inverse=True)  # and each of its rows once
        for name, found in take_values(read.files[file], stored, definition, names, label=read.label).items():
            pieces[name] += found
        places[needles.order[chosen]] = taken + shares
        taken += len(stored)
    places[places < 0] = taken  # where the default stands
    columns = {}
    for feature in definition.features:
        if feature.name in names:
            default = pa.array([default_from_json(feature.type, feature.default)], to_arrow(feature.type))
            columns[feature.name] = _place(pa.chunked_array([*pieces[feature.name], default]), places)
    return {output: columns[name] for name, output in read.columns}


def _place(values: Column, places: Ints) -> Column:
    """Return `values` at `places`, as few arrays as can hold them: one of text or bytes ends at 2 GiB."""
    type_ = values.type
    if not (pa.types.is_string(type_) or pa.types.is_binary(type_)):
        return pa.chunked_array([take(pa.concat_arrays(values.chunks), places)])
    wide = values.cast(pa.large_string() if pa.types.is_string(type_) else pa.large_binary())
    whole = pa.concat_arrays(wide.chunks)

    def pieces(part: Ints) -> list[Array]:
        found = take(whole, part)
        if found.nbytes < _TEXT_BYTES or len(part) == 1:
            return [found.cast(type_)]
        half = len(part) // 2
        return [*pieces(part[:half]), *pieces(part[half:])]

    return pa.chunked_array(pieces(places), type_)
