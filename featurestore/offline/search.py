"""Which stored row each spine row sees, through all files of a feature version: the kernel, file by file.

Files are searched from the newest event times to the oldest, and of a file only the stretches of the spine's keys, for
the spine rows that can still find something there: a window appended to a long history costs little. Nothing but times
is read, where they lie. Spine rows are searched in shards, which share nothing and run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featurestore.model.definition import Definition
from featurestore.offline.arrays import NO_TIME
from featurestore.offline.kernel import Match, Needles, Stretches, known_by, last_not_after, merge, newest_known
from featurestore.offline.keys import KeyIndex
from featurestore.offline.run_file import RunFile

if TYPE_CHECKING:
    from featurestore.offline.arrays import Flags, Ints

__all__ = ["AsOf", "Places", "Search"]


@dataclass(frozen=True, slots=True)
class AsOf:
    """Which rows are seen by when they were created: all, those created by `moment`, or by each spine row's time."""

    moment: int | None = None
    spine: bool = False

    @property
    def given(self) -> bool:
        """Whether any row is left out."""
        return self.spine or self.moment is not None


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the spine's keys are in a file.

    Attributes
    ----------
    first
        The least key id that the file holds.
    numbers
        The number of the key's stretch, for each id from there to the greatest that it holds; -1 where it has none.
    """

    first: int
    numbers: Ints

    @classmethod
    def find(cls, file: RunFile, index: KeyIndex) -> Places:
        """Look a spine's keys up in a file."""
        ids = index.find(file.keys)
        held = np.flatnonzero(ids >= 0)
        if len(held) == 0:
            return cls(0, np.empty(0, dtype=np.int64))
        first = int(ids[held[0]])
        numbers = np.full(int(ids[held[-1]]) + 1 - first, -1, dtype=np.int64)
        numbers[ids[held] - first] = held
        return cls(first, numbers)

    def of(self, ids: Ints) -> Ints:
        """Return the number of each key's stretch, -1 where the file does not hold it."""
        if len(self.numbers) == 0:
            return np.full(len(ids), -1, dtype=np.int64)
        places = ids - self.first
        inside = (places >= 0) & (places < len(self.numbers))
        return np.where(inside, np.take(self.numbers, places, mode="clip"), -1)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One feature version searched for one set of needles.

    Attributes
    ----------
    files, places
        Its files in order of writing, all of our layout, and where the spine's keys are in each.
    match
        What is found, `Match.none` to begin with: written by `shard`.
    """

    definition: Definition
    files: Sequence[RunFile]
    places: Sequence[Places]
    needles: Needles
    as_of: AsOf
    match: Match

    def shard(self, start: int, end: int) -> None:
        """Search for the needles from `start` to `end`."""
        needles = self.needles.part(start, end)
        newest = sorted(range(len(self.files)), key=lambda number: (self.files[number].last or 0, number), reverse=True)
        for number in newest:
            file = self.files[number]
            numbers = self.places[number].of(needles.ids)
            chosen = np.flatnonzero((numbers >= 0) & self._may_see(file, needles, start, end))
            if len(chosen):
                low, high = file.stretches[numbers[chosen]], file.stretches[numbers[chosen] + 1]
                for group, first, last in _by_group(file.starts, low, high):
                    part = slice(first, last)
                    places = chosen[part]
                    found = self._find(file, group, low[part], high[part], needles.times[places])
                    merge(self.match, places + start, number, found)

    def _may_see(self, file: RunFile, needles: Needles, start: int, end: int) -> Flags:
        """Tell which needles may see a row of a file that is not older than what they see already."""
        if file.first is None or file.last is None:
            return np.ones(len(needles.ids), dtype=np.bool_)
        open_ = (self.match.file[start:end] < 0) | (self.match.times[start:end] <= file.last)
        return open_ & (needles.times >= file.first)

    def _find(self, file: RunFile, group: int, low: Ints, high: Ints, wanted: Ints) -> Match:
        """Return what needles see in the part of their stretches that lies in one row group."""
        start, end = int(file.starts[group]), int(file.starts[group + 1])
        low, high = np.maximum(low, start) - start, np.minimum(high, end) - start
        event, created = self.definition.event_time, self.definition.created_time
        if self.as_of.given:
            found = self._find_known(file, group, low, high, wanted)
        elif event is None:
            found = high - 1
        else:
            found = last_not_after(file.times(group, event), low, high, wanted)
            found[found < low] = -1
        hit = np.flatnonzero(found >= 0)
        match = Match.none(len(found))
        match.file[hit] = 0
        match.row[hit] = found[hit] + start
        for name, column in ((event, match.times), (created, match.created)):
            if name is not None:
                column[hit] = file.micros(group, name, found[hit])
                file.release(group, name)
        return match

    def _find_known(self, file: RunFile, group: int, low: Ints, high: Ints, wanted: Ints) -> Ints:
        event, created = self.definition.event_time, self.definition.created_time
        rows, bounds, owner = Stretches.list_rows(low, high)
        times = np.full(len(rows), NO_TIME, dtype=np.int64) if event is None else file.micros(group, event, rows)
        known = times if created is None else file.micros(group, created, rows)  # `as_of` is given only with `created`
        stretches = Stretches(rows, times, known, bounds, owner)
        if self.as_of.moment is None:
            return newest_known(stretches, wanted)
        return known_by(stretches, wanted, self.as_of.moment)


def _by_group(starts: Ints, low: Ints, high: Ints) -> Iterator[tuple[int, int, int]]:
    """Give each row group that stretches, in ascending order, reach into; and the first and behind the last of them."""
    group = int(np.searchsorted(starts, low[0], side="right")) - 1
    while group < len(starts) - 1 and starts[group] < high[-1]:
        first = int(np.searchsorted(high, starts[group], side="right"))
        last = int(np.searchsorted(low, starts[group + 1], side="left"))
        if first < last:
            yield group, first, last
        group += 1
