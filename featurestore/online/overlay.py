"""Pushed rows over a generation: which of them are kept, and which row a read at some time sees.

    value := earliest pruned event time int64 (the largest int64 if none) | rows, by event time, one for each
    row   := size uint32 | created time int64 (the smallest int64 if none) | sequence int64 | the row of `codec.py`

All little endian; times are microseconds since 1970 UTC. A row's own first eight bytes are its event time.

The last event time wins. Of two rows with one event time the one created last wins, then the one pushed last, which
the sequence tells: the rule of the point-in-time join. So `merge` is commutative, associative and idempotent: pushes
may be repeated, and may reach several generations in any order.

Of each key the newest row that is not after `now` is kept, and all later ones, which wait for their time. An older row
is pruned, and the value remembers that there was one: a read at a time when it would have been the newest is refused,
since what it saw is no longer known.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from featurestore.errors import RequestError
from featurestore.model.times import from_micros

__all__ = ["beyond", "merge", "newest", "value"]

_NOTHING_PRUNED = 2**63 - 1
_NOT_CREATED = -(2**63)
_TIME = struct.Struct("<q")
_HEAD = struct.Struct("<Iqq")


class _Row(NamedTuple):
    """A kept row; ordered by what wins."""

    event_time: int
    created_time: int
    sequence: int
    row: bytes


def value(row: bytes, *, sequence: int, created_time: int | None = None) -> bytes:
    """Return the value that one pushed row makes.

    Parameters
    ----------
    row
        As encoded by `RowCodec`.
    sequence
        Orders pushes: of rows with one event time and one created time the greatest wins.
    created_time
        Microseconds since 1970 UTC; None if the row has none.
    """
    created = _NOT_CREATED if created_time is None else created_time
    return _pack(_NOTHING_PRUNED, [_Row(_event_time(row), created, sequence, row)])


def merge(held: bytes | None, pushed: bytes, now: int) -> bytes:
    """Return the value that holds what two values of one key hold.

    Parameters
    ----------
    held, pushed
        Two values; `held` may be None.
    now
        Microseconds since 1970 UTC: a row whose event time is after it waits, and those before are kept.
    """
    pruned, rows = _unpack(pushed)
    if held is not None:
        other, more = _unpack(held)
        pruned, rows = min(pruned, other), rows + more
    winners = {row.event_time: row for row in sorted(rows)}
    times = list(winners)
    gone = max(bisect_right(times, now) - 1, 0)
    if gone:
        pruned = min(pruned, times[0])
    return _pack(pruned, [winners[time] for time in times[gone:]])


def newest(rows: Sequence[bytes | None], values: Iterable[bytes | None], at: int) -> list[bytes | None]:
    """Return the newest row of each key not after a time: a generation's own, or a pushed one, which wins a tie.

    Parameters
    ----------
    rows
        The generation's rows, none of them after `at`; None where it has none.
    values
        The overlay's values of the same keys, as `OnlineStore.pushed` gives them.
    at
        Microseconds since 1970 UTC.

    Raises
    ------
    RequestError
        If a row was pushed and pruned that may have been the newest at that time.
    """
    return [row if held is None else _newest(row, held, at) for row, held in zip(rows, values, strict=True)]


def beyond(held: bytes, row: bytes | None, *, ties: bool) -> bytes | None:
    """Return what of a value a new generation still needs over its own row of that key; None if nothing.

    Parameters
    ----------
    row
        The generation's own row: pushed rows before it, or equal to it, are left away.
    ties
        Keep a pushed row of the same event time that differs: the generation was computed before it was pushed.
    """
    if row is None:
        return held
    pruned, rows = _unpack(held)
    own = _event_time(row)
    kept = [one for one in rows if one.event_time > own or (ties and one.event_time == own and one.row != row)]
    if len(kept) < len(rows):  # what was pruned came before the rows that are left away
        pruned = _NOTHING_PRUNED
    return _pack(pruned, kept) if kept else None


def _newest(row: bytes | None, held: bytes, at: int) -> bytes | None:
    pruned, rows = _unpack(held)
    visible = [one for one in rows if one.event_time <= at]
    if visible:
        return row if row is not None and _event_time(row) > visible[-1].event_time else visible[-1].row
    if pruned <= at:
        message = (
            f"a key is asked for at {from_micros(at).isoformat()}, and its newest row of that time was since replaced "
            f"by one pushed for {from_micros(rows[0].event_time).isoformat()}: ask at that time or later."
        )
        raise RequestError(message)
    return row


def _event_time(row: bytes) -> int:
    (time,) = _TIME.unpack_from(row)
    return int(time)


def _pack(pruned: int, rows: Iterable[_Row]) -> bytes:
    parts = [_TIME.pack(pruned)]
    for row in rows:
        parts += (_HEAD.pack(len(row.row), row.created_time, row.sequence), row.row)
    return b"".join(parts)


def _unpack(held: bytes) -> tuple[int, list[_Row]]:
    (pruned,) = _TIME.unpack_from(held)
    rows, position = [], _TIME.size
    while position < len(held):
        size, created, sequence = _HEAD.unpack_from(held, position)
        position += _HEAD.size
        row = held[position : position + size]
        rows.append(_Row(_event_time(row), created, sequence, row))
        position += size
    return pruned, rows
