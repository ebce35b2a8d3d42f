"""The point-in-time join: a spine and the stored rows of feature versions, as one table. The rules are DESIGN.md's.

First a plan, which opens the files and looks the spine's keys up in them; then, of each feature version, which row each
spine row sees; then the values of those rows. Files of our layout are searched and copied from where they lie; of other
files DuckDB says which rows are seen, and values are decoded.

A spine row with a null key or a null time matches nothing, in a dimension too: the rule makes no exception. Only where
all views are dimensions may the spine have no time column at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from featurestore.errors import RequestError
from featurestore.model.definition import Definition, FeatureDefinition
from featurestore.model.settings import Settings
from featurestore.model.times import parse_time, to_micros
from featurestore.offline.gather import Gather, is_copied, make_gather
from featurestore.offline.join_plan import BISECT, DUCKDB, JoinPlan, ReadPlan
from featurestore.offline.kernel import Match, Needles
from featurestore.offline.keyed_spine import KeyedSpine
from featurestore.offline.report import FrameReport, ReadReport
from featurestore.offline.run_file import RunFile
from featurestore.offline.search import AsOf, Places, Search
from featurestore.offline.search_duckdb import search_duckdb
from featurestore.offline.spine import constant_times, spine_times

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array, Column, Flags

__all__ = ["Join", "JoinResult", "ViewRead"]

T = TypeVar("T")
Columns: TypeAlias = "dict[str, Column]"

_ALL_TIME = to_micros(datetime.max.replace(tzinfo=UTC)) - to_micros(datetime.min.replace(tzinfo=UTC))
_SHARD = 131_072
"""Spine rows searched at once: their arrays fit in a core's cache."""


@dataclass(frozen=True, slots=True)
class ViewRead:
    """One feature version joined on one set of spine columns.

    Attributes
    ----------
    definition
        Of the version.
    files
        Its Parquet files in order of writing. Without any, every row is NOT_FOUND.
    on
        `(entity key, spine column)` for all keys of the entity, in their order.
    columns
        `(feature, output column)`.
    label
        `"airport_weather@v1"`, for reports and errors.
    snapshot, runs
        The id of its rows, and how many runs they are; for plans.
    """

    definition: Definition
    files: tuple[Path, ...]
    on: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    label: str
    snapshot: str = ""
    runs: int = 1

    @property
    def features(self) -> list[FeatureDefinition]:
        """The features asked for, each once."""
        wanted = {feature for feature, _ in self.columns}
        return [feature for feature in self.definition.features if feature.name in wanted]


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


class Join:
    """A join of feature versions, ready for one spine or for many parts of one: files are opened once.

    Parameters
    ----------
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
    settings
        Threads, and the memory of the general path.
    strategy
        `"duckdb"` takes the general path for every read; None chooses for each.

    Raises
    ------
    RequestError
        If `as_of` is given and a view has no created time.
    CorruptError
        If a stored file is missing or unreadable.
    """

    def __init__(
        self,
        reads: Sequence[ViewRead],
        *,
        timestamp: str,
        as_of: datetime | str | None,
        order: Sequence[str],
        at: datetime | None = None,
        settings: Settings | None = None,
        strategy: str | None = None,
    ) -> None:
        if as_of is not None and at is None:
            for read in reads:
                if read.definition.created_time is None:
                    message = (
                        f"as_of needs to know when a row became known, and {read.label} has no created_time: declare "
                        "one in its feature view, or ask without as_of."
                    )
                    raise RequestError(message)
        self._reads = tuple(_OpenRead(read, tuple(RunFile(path, read.label) for path in read.files)) for read in reads)
        self._timestamp = timestamp
        self._as_of = _as_of(as_of)
        self._at = at
        self._order = tuple(order)
        self._settings = settings or Settings()
        self._threads = self._settings.threads or os.cpu_count() or 1
        self._strategy = strategy

    def plan(self, spine: pa.Table) -> JoinPlan:
        """Say what `run` would do with a spine, from `read_spine`.

        Raises
        ------
        RequestError
            If the spine lacks what the join needs.
        """
        keyed = self._keyed(spine)
        reads = tuple(_plan_read(self._prepare(keyed, read)) for read in self._reads)
        return JoinPlan(spine.num_rows, keyed.sorts, self._threads, reads)

    def run(self, spine: pa.Table) -> JoinResult:
        """Join a spine, from `read_spine`; its columns come back untouched.

        Raises
        ------
        RequestError
            If the spine lacks what the join needs.
        CorruptError
            If a stored file cannot be read.
        """
        keyed = self._keyed(spine)
        searches = [self._prepare(keyed, read) for read in self._reads]
        columns: dict[str, Column] = {}
        reports = []
        tasks: list[Callable[[], Columns]] = []
        with ThreadPoolExecutor(self._threads) as pool:
            for search, match in zip(searches, self._search(pool, searches), strict=True):
                outcome = _outcome(search, match)
                reports.append(_report(keyed, search, match, outcome, self._as_of))
                gather = make_gather(spine.num_rows, search.read.files, search.needles, match, outcome.matched)
                tasks += _gather_tasks(search.read.view, gather, self._threads)
            for found in pool.map(_call, tasks):
                columns |= found
        fields = [*spine.schema, *(pa.field(name, columns[name].type) for name in self._order)]
        table = pa.table([*spine.columns, *(columns[name] for name in self._order)], schema=pa.schema(fields))
        return JoinResult(table, tuple(reports), self._order)

    def _keyed(self, spine: pa.Table) -> KeyedSpine:
        if self._at is not None:
            return KeyedSpine(spine, constant_times(spine.num_rows, self._at))
        timeless = all(read.view.definition.event_time is None for read in self._reads) and not self._as_of.spine
        if timeless and self._timestamp not in spine.column_names:
            return KeyedSpine(spine, None)
        return KeyedSpine(spine, spine_times(spine, self._timestamp))

    def _prepare(self, keyed: KeyedSpine, read: _OpenRead) -> _Prepared:
        """Look the spine's keys up in a read's files, and choose how it is searched."""
        types = dict(read.view.definition.keys)
        index = keyed.index(read.view.on, types)
        needles = keyed.needles(index, timed=self._as_of.spine or read.view.definition.event_time is not None)
        foreign = [file.path.name for file in read.files if file.layout is None]
        if self._strategy == DUCKDB:
            return _Prepared(read, needles, keyed.columns(read.view.on, types), None, "it was asked for")
        if foreign:
            why = f"{foreign[0]} has no index, so another program wrote it: its rows may lie in any order"
            return _Prepared(read, needles, keyed.columns(read.view.on, types), None, why)
        why = "rows are sorted by key and time, and indexed"
        return _Prepared(read, needles, [], [Places.find(file, index) for file in read.files], why)

    def _as_of_for(self, read: _OpenRead) -> AsOf:
        """Return which rows of a read are seen; where nobody knows when they were created, all are."""
        return AsOf() if read.view.definition.created_time is None else self._as_of

    def _search(self, pool: ThreadPoolExecutor, searches: Sequence[_Prepared]) -> list[Match]:
        """Return what each search finds; shards of all of them run side by side."""
        matches, tasks = [], []
        for item in searches:
            definition = item.read.view.definition
            as_of = self._as_of_for(item.read)
            if item.places is None:
                paths = [file.path for file in item.read.files]
                label, settings = item.read.view.label, self._settings
                matches.append(
                    search_duckdb(definition, paths, item.keys, item.needles, as_of, label=label, settings=settings)
                )
            else:
                count = len(item.needles.ids)
                search = Search(definition, item.read.files, item.places, item.needles, as_of, Match.none(count))
                tasks += [partial(search.shard, at, min(count, at + _SHARD)) for at in range(0, count, _SHARD)]
                matches.append(search.match)
        for _ in pool.map(_call, tasks):
            pass
        return matches


def _call(task: Callable[[], T]) -> T:
    return task()


def _as_of(value: datetime | str | None) -> AsOf:
    if value is None or value == "spine":
        return AsOf(spine=value == "spine")
    return AsOf(to_micros(parse_time(value, what="as_of")))


# --------------------------------------------------------------------------------------------------- what is searched


@dataclass(frozen=True, slots=True, eq=False)
class _OpenRead:
    view: ViewRead
    files: tuple[RunFile, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """One read with the spine's keys looked up: `places` for the kernel, or `keys` for DuckDB; and why."""

    read: _OpenRead
    needles: Needles
    keys: Sequence[Array]
    places: Sequence[Places] | None
    why: str


def _plan_read(search: _Prepared) -> ReadPlan:
    read, files = search.read.view, search.read.files
    kept = [file.groups for file in files]
    if search.places is not None:
        kept = [_groups_held(file, places) for file, places in zip(files, search.places, strict=True)]
    copied = [feature.name for feature in read.features if is_copied(feature, files)]
    return ReadPlan(
        read.label,
        read.snapshot,
        tuple(column for _, column in read.on),
        read.runs,
        len(files),
        sum(file.rows for file in files),
        sum(file.path.stat().st_size for file in files),
        sum(file.groups for file in files),
        sum(kept),
        DUCKDB if search.places is None else BISECT,
        search.why,
        tuple(copied),
        tuple(feature.name for feature in read.features if feature.name not in copied),
    )


def _groups_held(file: RunFile, places: Places) -> int:
    """Return how many row groups of a file hold a key of the spine."""
    held = places.numbers[places.numbers >= 0]
    first = np.searchsorted(file.starts, file.stretches[held], side="right") - 1
    last = np.searchsorted(file.starts, file.stretches[held + 1] - 1, side="right") - 1
    reached = np.zeros(file.groups + 1, dtype=np.int64)
    np.add.at(reached, first, 1)
    np.add.at(reached, last + 1, -1)
    return int(np.count_nonzero(np.cumsum(reached)[:-1]))


# ------------------------------------------------------------------------------------------------------- what is found


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """Which needles got a row, and which found one older than the TTL."""

    matched: Flags
    expired: Flags


def _outcome(search: _Prepared, match: Match) -> _Outcome:
    found = match.file >= 0
    ttl = search.read.view.definition.ttl
    if ttl is None:
        return _Outcome(found, np.zeros(len(found), dtype=np.bool_))
    longest = min(ttl // timedelta(microseconds=1), _ALL_TIME)  # so that no difference leaves 64 bits
    expired = found & (match.times < search.needles.times - longest)
    return _Outcome(found & ~expired, expired)


def _report(keyed: KeyedSpine, search: _Prepared, match: Match, outcome: _Outcome, as_of: AsOf) -> ReadReport:
    look_ahead = None
    if search.read.view.definition.created_time is not None and not as_of.given and keyed.times is not None:
        asked = keyed.times.micros[search.needles.order]
        look_ahead = int(np.count_nonzero(outcome.matched & (match.created > asked)))
    rows, used = keyed.spine.num_rows, int(np.count_nonzero(outcome.matched))
    old = int(np.count_nonzero(outcome.expired))
    return ReadReport(search.read.view.label, rows, used, rows - used - old, old, look_ahead)


def _gather_tasks(read: ViewRead, gather: Gather, threads: int) -> list[Callable[[], Columns]]:
    """Return the tasks that give a read's output columns: one a feature; those that must be decoded, one a thread."""
    decoded = [feature for feature in read.features if not gather.copies(feature)]
    copied = [feature for feature in read.features if feature not in decoded]
    shares = [share for share in (decoded[place::threads] for place in range(threads)) if share]

    def named(features: Sequence[FeatureDefinition], columns: Sequence[Column]) -> Columns:
        found = {feature.name: column for feature, column in zip(features, columns, strict=True)}
        return {output: found[feature] for feature, output in read.columns if feature in found}

    tasks: list[Callable[[], Columns]] = [
        lambda feature=feature: named([feature], [gather.copy(feature)])  # type: ignore[misc] # bound early, on purpose
        for feature in copied
    ]
    tasks += [
        lambda share=share: named(share, gather.decode(share))  # type: ignore[misc] # as above
        for share in shares
    ]
    return tasks
