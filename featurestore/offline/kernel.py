"""The as-of kernel: which stored row each spine row sees. NumPy on key ids and times; no I/O, no values.

Keys are dense ids in the order of the spine's distinct keys, times are microseconds since 1970 UTC. The spine becomes
`Needles`, sorted by id once for all views joined on the same columns. Stored rows are sorted by (key, event
time, created time, stored order), and where each key's stretch of rows lies is known; so the row that a needle sees is
the last one of its stretch not after it, found by bisection of all needles at once. What several files find is merged
needle by needle. Nothing here loops over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featurestore.offline.arrays import NO_TIME

if TYPE_CHECKING:
    from featurestore.offline.arrays import Flags, Ints, Words

__all__ = ["Match", "Needles", "Stretches", "known_by", "last_not_after", "merge", "newest_known", "sort_rows"]

_WORD_BITS = 63


@dataclass(frozen=True, slots=True, eq=False)
class Needles:
    """The spine rows that can match, sorted by id: shape (n,) each.

    Attributes
    ----------
    order
        Position of each in the spine.
    ids, times
        Key id, and the time up to which rows are seen.
    """

    order: Ints
    ids: Ints
    times: Ints

    def part(self, start: int, end: int) -> Needles:
        """Return the needles from `start` to `end`."""
        return Needles(self.order[start:end], self.ids[start:end], self.times[start:end])


@dataclass(slots=True, eq=False)
class Match:
    """What each needle sees so far: shape (n,) each, in the order of the needles. Changed in place by `merge`.

    Attributes
    ----------
    file
        Index of the file, -1 where nothing was found.
    row
        Position in that file.
    times, created
        The row's event time, and its created time (`NO_TIME` where null or unknown).
    """

    file: Ints
    row: Ints
    times: Ints
    created: Ints

    @classmethod
    def none(cls, rows: int) -> Match:
        """Return the match before any file was searched."""
        return cls(
            np.full(rows, -1, dtype=np.int64),
            np.zeros(rows, dtype=np.int64),
            np.full(rows, NO_TIME, dtype=np.int64),
            np.full(rows, NO_TIME, dtype=np.int64),
        )


def sort_rows(ids: Ints, valid: Flags) -> Ints:
    """Return the spine rows that can match, as positions, sorted by id.

    Id and position are sorted as one integer where both fit in it, which takes a quarter of the time.

    Parameters
    ----------
    ids
        Key id of each spine row, -1 where a key is null.
    valid
        False where the time is null: such a row matches nothing, as one with a null key.
    """
    order = np.flatnonzero(valid & (ids >= 0))
    bits = max(1, (len(ids) - 1).bit_length())
    if len(order) and int(ids.max()) < 1 << (_WORD_BITS - bits):
        packed = (ids << bits) | np.arange(len(ids))
        order = np.sort(packed[order]) & ((1 << bits) - 1)
    else:
        order = order[np.argsort(ids[order], kind="stable")]
    return order


def last_not_after(times: Words, low: Ints, high: Ints, wanted: Ints) -> Ints:
    """Return for each needle the last row of its stretch whose time is not after the needle's, or `low - 1`.

    All needles take the same steps of descending powers of two, each of them where it stays in its stretch and does not
    pass its time.

    Parameters
    ----------
    times
        Times of all rows as 8-byte words, ascending within each stretch; at any address.
    low, high
        First row of each needle's stretch, and the row behind its last.
    wanted
        Time of each needle.
    """
    place = low - 1
    ahead, found = np.empty_like(place), np.empty(len(place), dtype=times.dtype)
    for step in reversed(range(int((high - low).max(initial=0)).bit_length())):
        np.add(place, 1 << step, out=ahead)
        np.take(times, ahead, out=found, mode="clip")
        forward = found.view(np.int64) <= wanted
        forward &= ahead < high
        place += forward.astype(np.int64) << step
    return place


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """The rows of some needles' stretches, listed one stretch after the other, and their times.

    Attributes
    ----------
    rows
        Position of each row listed.
    times, created
        Its event time, and its created time (`NO_TIME` where null).
    bounds
        Where each stretch begins in the list, and the end of the last.
    owner
        The stretch of each needle.
    """

    rows: Ints
    times: Ints
    created: Ints
    bounds: Ints
    owner: Ints

    @classmethod
    def list_rows(cls, low: Ints, high: Ints) -> tuple[Ints, Ints, Ints]:
        """Return rows, bounds and owners of needles' stretches, given ascending; equal neighbours are one."""
        fresh = np.ones(len(low), dtype=np.bool_)
        fresh[1:] = low[1:] != low[:-1]
        lengths = (high - low)[fresh]
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(low[fresh] - bounds[:-1], lengths) + np.arange(bounds[-1])
        return rows, bounds, np.cumsum(fresh) - 1

    def only(self, seen: Flags) -> Stretches:
        """Return the same stretches with some of their rows."""
        counts = np.concatenate([[0], np.cumsum(seen)])
        return Stretches(self.rows[seen], self.times[seen], self.created[seen], counts[self.bounds], self.owner)

    def last(self, times: Ints, wanted: Ints) -> Ints:
        """Return the place in the list of the last row of each needle's stretch not after it, -1 if none."""
        low, high = self.bounds[self.owner], self.bounds[self.owner + 1]
        found = last_not_after(times.view("V8"), low, high, wanted)
        return np.where(found >= low, found, -1)


def known_by(stretches: Stretches, wanted: Ints, moment: int) -> Ints:
    """Return the row that each needle sees of those created by `moment`, -1 if none. Null is not seen."""
    seen = stretches.only((stretches.created != NO_TIME) & (stretches.created <= moment))
    return _rows(seen, seen.last(seen.times, wanted))


def newest_known(stretches: Stretches, wanted: Ints) -> Ints:
    """Return the row that each needle sees of those created by its own time, too, -1 if none. Null is not seen.

    A row is seen from the later of its two times. Sorted by that, the rows seen by a needle are a prefix of its
    stretch, and the newest of them is the prefix's greatest place: a running maximum, which never reaches into another
    stretch as places rise with stretches.
    """
    seen = stretches.only(stretches.created != NO_TIME)
    since = np.maximum(seen.times, seen.created)
    owners = np.repeat(np.arange(len(seen.bounds) - 1), np.diff(seen.bounds))
    order = np.lexsort((since, owners))
    newest = np.maximum.accumulate(order)
    found = seen.last(since[order], wanted)
    return _rows(seen, np.where(found >= 0, np.take(newest, found, mode="clip"), -1) if len(newest) else found)


def _rows(stretches: Stretches, places: Ints) -> Ints:
    if len(stretches.rows) == 0:
        return np.full(len(places), -1, dtype=np.int64)
    return np.where(places >= 0, np.take(stretches.rows, places, mode="clip"), -1)


def merge(match: Match, places: Ints, file: int, found: Match) -> None:
    """Improve what some needles see by what another file, or another part of it, holds for them.

    The newest event time wins, then the latest created time, then the later file, then the later row.

    Parameters
    ----------
    places
        The needles, as positions in `match`.
    file
        Index of the file, in order of writing.
    found
        What it holds for each of them; `file` is -1 where nothing.
    """
    times, created, files = match.times[places], match.created[places], match.file[places]
    newer = (files < 0) | (found.times > times)
    tied = found.times == times
    later = (found.created > created) | ((found.created == created) & (file >= files))
    better = (found.file >= 0) & (newer | (tied & later))
    target = places[better]
    match.file[target] = file
    match.row[target] = found.row[better]
    match.times[target] = found.times[better]
    match.created[target] = found.created[better]
