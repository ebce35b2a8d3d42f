"""The as-of kernel: which stored row each spine row sees. NumPy on key ids and times; no I/O, no values.

Keys are dense ids in the order of the spine's distinct keys, times are microseconds since 1970 UTC. The spine becomes
`Needles`, sorted by (id, time) once; each stored file becomes `Rows`, sorted by (id, event time, created time, stored
order), so that the row a needle sees is the last one not after it: one `searchsorted` on id and time in one integer.
What several files find is merged needle by needle. Nothing here loops over rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from featurestore.offline.arrays import Flags, Ints

__all__ = ["NO_TIME", "Match", "Needles", "Rows", "arrange", "make_needles", "no_match", "search"]

NO_TIME = int(np.iinfo(np.int64).min)
"""Before every real time: a null created time, which loses every tie, and the event time of a dimension."""

_COMPOSITE_RANGE = 2**62


@dataclass(frozen=True, slots=True)
class Needles:
    """The spine rows that can match, sorted by (id, time): shape (n,) each.

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


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file; for a search sorted by (id, event time, created time, stored order), see `arrange`.

    Attributes
    ----------
    positions
        Position of each in the file.
    ids, times
        Key id, -1 where the spine does not hold the key, and event time (`NO_TIME` for a dimension: it holds always).
    created
        Created time, `NO_TIME` where null; None if the view has none.
    """

    positions: Ints
    ids: Ints
    times: Ints
    created: Ints | None


@dataclass(frozen=True, slots=True)
class Match:
    """What each needle sees so far: shape (n,) each, in the order of the needles.

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


def make_needles(ids: Ints, times: Ints, valid: Flags) -> Needles:
    """Sort the spine rows that can match.

    Parameters
    ----------
    ids
        Key id of each spine row, -1 where a key is null.
    times
        Time of each spine row.
    valid
        False where the time is null: such a row matches nothing, as one with a null key.
    """
    order = np.flatnonzero(valid & (ids >= 0))
    ids, times = ids[order], times[order]
    sort = _sort_needles(ids, times)
    return Needles(order[sort], ids[sort], times[sort])


def _sort_needles(ids: Ints, times: Ints) -> Ints:
    """Return the order by (id, time): of one integer where both fit in it, which sorts in half the time."""
    if len(ids) == 0:
        return np.empty(0, dtype=np.int64)
    first, last = int(times.min()), int(times.max())
    if (int(ids.max()) + 1) * (last - first + 1) >= _COMPOSITE_RANGE:
        return np.lexsort((times, ids))
    return np.argsort(ids * (last - first + 1) + (times - first), kind="stable")


def arrange(rows: Rows, seen: Flags | None = None) -> Rows:
    """Select rows that may match and put them in order.

    Parameters
    ----------
    rows
        In stored order; an id is -1 where the spine does not hold the key.
    seen
        False for rows that no needle must see; None sees all.
    """
    keep = rows.ids >= 0 if seen is None else seen & (rows.ids >= 0)
    if not keep.all():
        rows = _take(rows, keep)
    return rows if _is_sorted(rows) else _take(rows, _sort_order(rows))


def _is_sorted(rows: Rows) -> bool:
    """Tell whether rows are in order: files are written so, and then sorting them again would be the larger cost."""
    if len(rows.ids) == 0:
        return True
    ids, times, created = rows.ids, rows.times, rows.created
    same = ids[1:] == ids[:-1]
    if np.any(ids[1:] < ids[:-1]) or np.any(same & (times[1:] < times[:-1])):
        return False
    if created is None:
        return True
    ties = np.flatnonzero(same & (times[1:] == times[:-1]))
    return not np.any(created[ties + 1] < created[ties])


def _sort_order(rows: Rows) -> Ints:
    keys = (rows.times, rows.ids) if rows.created is None else (rows.created, rows.times, rows.ids)
    return np.lexsort(keys)  # stable: stored order decides what is still tied


def _take(rows: Rows, order: Ints | Flags) -> Rows:
    created = None if rows.created is None else rows.created[order]
    return Rows(rows.positions[order], rows.ids[order], rows.times[order], created)


def no_match(needles: Needles) -> Match:
    """Return the match before any file was searched."""
    none = np.full(len(needles.ids), -1, dtype=np.int64)
    time = np.full(len(needles.ids), NO_TIME, dtype=np.int64)
    return Match(none, none, time, time)


def search(match: Match, rows: Rows, needles: Needles, *, file: int, known: bool = False) -> Match:
    """Return `match` improved by one file.

    The newest event time wins, then the latest created time, then the later file: files come in order of writing.

    Parameters
    ----------
    file
        Index of the file, greater than those searched before.
    known
        Whether a needle sees only rows whose created time, too, is not after its own. Rows whose created time is null
        must have been left out of `rows`.
    """
    if len(rows.ids) == 0 or len(needles.ids) == 0:
        return match
    found = _latest_known(rows, needles) if known else _latest(rows, needles)
    hit = found >= 0
    times = np.where(hit, rows.times[found], NO_TIME)
    created = match.created if rows.created is None else np.where(hit, rows.created[found], NO_TIME)
    newer = times > match.times
    tied = times == match.times
    better = hit & ((match.file < 0) | newer | (tied & (created >= match.created)))
    return Match(
        np.where(better, file, match.file),
        np.where(better, rows.positions[found], match.row),
        np.where(better, times, match.times),
        np.where(better, created, match.created),
    )


def _latest(rows: Rows, needles: Needles) -> Ints:
    """Return for each needle the last of the rows with its id and a time not after its own, or -1.

    `(id, time)` becomes one integer, `id * span + time`, as times beyond the needles' range can be clipped to its
    ends. Where that does not fit in 63 bits, ids are searched in as many blocks as it takes.
    """
    first, last = int(needles.times.min()), int(needles.times.max())
    span = last - first + 2  # one more than the needles need: rows after all of them
    block = max(1, _COMPOSITE_RANGE // span)
    found = np.full(len(needles.ids), -1, dtype=np.int64)
    for start in range(0, int(needles.ids[-1]) + 1, block):
        low, high = np.searchsorted(rows.ids, [start, start + block])
        left, right = np.searchsorted(needles.ids, [start, start + block])
        if low == high or left == right:
            continue
        stored = np.clip(rows.times[low:high], first, last + 1)
        stored -= first  # in place: these are the largest arrays of all
        stored += (rows.ids[low:high] - start) * span
        wanted = (needles.ids[left:right] - start) * span + (needles.times[left:right] - first)
        found[left:right] = np.searchsorted(stored, wanted, side="right") + (low - 1)
    found[(found >= 0) & (rows.ids[found] != needles.ids)] = -1
    return found


def _latest_known(rows: Rows, needles: Needles) -> Ints:
    """Return what `_latest` does, for rows that a needle sees only from their created time on.

    A row is seen from the later of its two times. Sorted by that, the rows seen by a needle are a prefix of its id's,
    and the newest of them is the prefix's greatest rank: a running maximum, which never reaches into another id as
    ranks rise with ids.
    """
    if rows.created is None:
        message = "rows without created times cannot be seen as of a time"
        raise TypeError(message)
    seen_from = np.maximum(rows.times, rows.created)
    order = np.lexsort((seen_from, rows.ids))
    newest = np.maximum.accumulate(order)
    found = _latest(replace(rows, ids=rows.ids[order], times=seen_from[order]), needles)
    return np.where(found >= 0, newest[found], -1)
