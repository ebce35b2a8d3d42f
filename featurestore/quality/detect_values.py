"""Absent values: what stands for "nothing" has changed. The faults that cost a week, because no row is missing."""

from __future__ import annotations

from math import hypot, sqrt
from typing import TYPE_CHECKING

from featurestore.quality.detect_pair import SEASON
from featurestore.quality.words import percent, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.model.finding import Finding
    from featurestore.model.sketches import Scalar
    from featurestore.quality.detect_pair import Column

__all__ = ["absent_values", "constant", "emptied", "not_a_number", "spike", "type_changed"]

_RARE, _SAME, _BOTH = 0.1, 0.5, 1.2
"""What part of its share a value may have had before it appeared; the part of rows that are the same for a mix to
stay what it is; how far the value and the nulls must be from chance together where neither is alone."""

_STAND_INS = frozenset(
    sign * value
    for value in (0, 1, 9, 99, 999, 9999, 99999, 999999, 9.99, 99.9, 999.9, 2**31 - 1, 2**63 - 1)
    for sign in (1, -1)
)
"""Numbers that people write for what is not known."""

_NOTED = 0.15
"""By what part of its own share a value must rise or fall: a mix of rows that changed moves each share a little."""

_TIMES = 2.0
"""By how many times its own share a value must rise to be a spike."""

_OFTEN = 0.5
"""A share that a quiet stretch of time may well raise to all: of a season, no rain for a week is no constant."""

_ALONE = 0.5
"""What part of all rises must be one value's for it to be a spike, and no shift."""

_SURE = 1e-6
"""Chance below which many rows of one value are no accident."""


def type_changed(column: Column) -> Iterator[Finding]:
    """Find a column of another type: the type's text differs."""
    before, after = column.before.type, column.after.type
    if before and after and before != after:
        yield column.finding("type_changed", 1.0, f"was {before}, is {after}", before=before, after=after)


def absent_values(column: Column) -> Iterator[Finding]:
    """Find nulls that became empty texts or one value, the reverse, and nulls that rose or fell without such a cause.

    A value `v` (the empty text, NaN, or a frequent value) that rose by `d` of all rows came from nulls if nulls and `v`
    together stayed as many as they were: by chance, or within `d / 2`. Where the same rows are in both samples, what
    became of their nulls decides. Rises are tested by the likelihood ratio (`detect_pair.likelihood_root`).
    """
    exchanges = [*_exchanges(column)]
    if exchanges:
        yield max(exchanges, key=lambda finding: finding.amount)
        return
    nulls0, nulls1 = column.before.nulls, column.after.nulls
    moved = column.rise(nulls0, nulls1)
    if abs(column.z(nulls0, nulls1)) <= column.sides.critical or not column.beyond_new_rows(moved):
        return
    kind = "nulls_rose" if moved > 0 else "nulls_fell"
    if abs(moved) >= column.checks[kind].at:
        shares = column.before.share("nulls"), column.after.share("nulls")
        text = f"nulls went from {percent(shares[0])} to {percent(shares[1])} of rows"
        yield column.finding(kind, abs(moved), text, nulls_before=shares[0], nulls_after=shares[1])


def _exchanges(column: Column) -> Iterator[Finding]:
    nulls0, nulls1 = column.before.nulls, column.after.nulls
    for name, x0, x1 in _stand_ins(column):
        moved = column.rise(x0, x1)
        empty = name == "''"
        if moved > 0 and nulls0:
            kind, said = ("null_to_empty", "the empty string") if empty else ("null_to_sentinel", name)
            text = f"{percent(moved)} of rows went from null to {said}"
        elif moved < 0 and nulls1:
            kind, said = ("empty_to_null", "the empty string") if empty else ("sentinel_to_null", name)
            text = f"{percent(moved)} of rows went from {said} to null"
        else:
            continue
        if abs(moved) < column.checks[kind].at or not _exchanged(column, x0, x1, empty=empty):
            continue
        yield column.finding(
            kind, abs(moved), text, value=name, before=x0 / column.before.rows, after=x1 / column.after.rows,
            nulls_before=nulls0 / column.before.rows, nulls_after=nulls1 / column.after.rows,
        )  # fmt: skip


def _stand_ins(column: Column) -> Iterator[tuple[str, int, int]]:
    """Give what may stand for an absent value, with its rows before and after: no greater a move than is sure."""
    before, after = column.before, column.after
    if before.nans is not None:
        yield "NaN", before.nans, after.nans or 0
    if column.is_text:
        blanks = [(profile.empties or 0) + (profile.blanks or 0) for profile in (before, after)]
        yield "''", blanks[0], blanks[1]
    zero = [0] if column.is_number else []
    for value in dict.fromkeys((*zero, *column.counts("after"), *column.counts("before"))):
        if isinstance(value, str) and not value.strip():
            continue
        (least0, most0), (least1, most1) = column.bounds("before", value), column.bounds("after", value)
        if column.is_number and column.sides.shared > _SAME:  # what else is in its bin has not changed
            least0 = most0 = column.binned("before", value)
            least1 = most1 = column.binned("after", value)
        if not _plausible(column, value):
            continue
        if column.rise(most0, least1) > 0:
            yield _told(column, value), most0, least1
        elif column.rise(least0, most1) < 0:
            yield _told(column, value), least0, most1


def _plausible(column: Column, value: Scalar) -> bool:
    """Tell whether a value may stand for nulls.

    Of other rows, a number must be a usual stand-in, or out of the range before: far out, where a season may extend
    that range by itself.
    """
    if isinstance(value, str) or column.sides.shared > _SAME or value in _STAND_INS:
        return True
    least, greatest = column.before.least, column.before.greatest
    if isinstance(least, str) or isinstance(greatest, str) or least is None or greatest is None:
        return True
    width = (greatest - least) if column.sides.relation == SEASON else 0
    return not least - width <= value <= greatest + width


def _told(column: Column, value: object) -> str:
    if column.is_time and isinstance(value, int | float):
        from featurestore.model.times import from_micros  # noqa: PLC0415 - few columns come here

        micros = int(value) * (86_400_000_000 if column.after.type == "Date" else 1)
        return from_micros(micros).strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")
    return shown(value)


def _exchanged(column: Column, x0: int, x1: int, *, empty: bool) -> bool:
    """Tell whether a stand-in and nulls were exchanged, beyond chance.

    Of other rows than before, only a value that was not there, or is no longer: the mix of rows may move any other.
    """
    share0, share1 = x0 / column.before.rows, x1 / column.after.rows
    moved = abs(share1 - share0)
    appeared = min(share0, share1) < _RARE * max(share0, share1)
    same_rows = column.sides.shared > _SAME
    if not appeared and (not same_rows or moved < _NOTED * max(share0, share1)):
        return False
    nulls0, nulls1, critical = column.before.nulls, column.after.nulls, column.sides.critical
    sampled = sqrt(1.0 if empty else column.looked())
    of_value, of_nulls = column.z(x0, x1) * sampled, column.z(nulls0, nulls1)
    together = of_value * of_nulls < 0 and min(abs(of_value), abs(of_nulls)) > critical / 2
    if abs(of_value) <= critical and not (together and hypot(of_value, of_nulls) > _BOTH * critical):
        return False
    if not column.conserved(nulls0 + x0, nulls1 + x1, moved):
        return False
    # What nulls and the value did together is nearer to nothing than what nulls did alone: else values became it.
    nearer = abs(column.rise(nulls0 + x0, nulls1 + x1)) <= abs(column.rise(nulls0, nulls1))
    return nearer or (empty and appeared)


def emptied(column: Column) -> Iterator[Finding]:
    """Find empty or blank texts that rose, from values: where they came from nulls, `null_to_empty` explains it."""
    if not column.is_text:
        return
    x0, x1 = [(profile.empties or 0) + (profile.blanks or 0) for profile in (column.before, column.after)]
    if column.rose("emptied", x0, x1):
        shares = x0 / column.before.rows, x1 / column.after.rows
        text = f"empty strings went from {percent(shares[0])} to {percent(shares[1])} of rows"
        yield column.finding("emptied", column.rise(x0, x1), text, before=shares[0], after=shares[1])


def not_a_number(column: Column) -> Iterator[Finding]:
    """Find NaN and infinities that rose."""
    before, after = column.before, column.after
    if before.nans is None or after.nans is None:
        return
    x0, x1 = before.nans + (before.infinities or 0), after.nans + (after.infinities or 0)
    if column.rose("not_a_number", x0, x1):
        share = x1 / after.rows
        text = f"{percent(share)} of rows are NaN or infinite, {percent(x0 / before.rows)} were"
        yield column.finding("not_a_number", share, text, before=x0 / before.rows, after=share)


def constant(column: Column) -> Iterator[Finding]:
    """Find a column that varied and has one value: where its share before makes so many rows of it no accident."""
    before, after = column.before, column.after
    if before.distinct is None or after.distinct is None or before.distinct.count < 2 or after.distinct.count != 1:  # noqa: PLR2004 - more than one value, and one
        return
    ((value, _),) = after.top.values[:1] if after.top is not None and after.top.values else (("?", 0),)
    share = before.top.share(value) if before.top is not None else 0.0
    if column.sides.relation == SEASON and share > _OFTEN:
        return
    if share**after.values < _SURE:
        text = f"all {after.values:,} values are {_told(column, value)}; there were {before.distinct.count:,} values"
        yield column.finding("constant", 1.0, text, value=_told(column, value), distinct_before=before.distinct.count)


def spike(column: Column) -> Iterator[Finding]:
    """Find one number, time or rare text that became frequent; the value of the greatest rise is told."""
    counts0, counts1 = column.counts("before"), column.counts("after")
    rises = {value: column.rise(counts0.get(value, 0), count) for value, count in counts1.items()}
    if not rises or column.is_key:
        return
    value = max(rises, key=lambda item: rises[item])
    x0, x1 = counts0.get(value, 0), counts1[value]
    unlisted = column.before.top.error if column.before.top is not None else 0
    alone = rises[value] >= _ALONE * sum(rise for rise in rises.values() if rise > 0)
    if (
        alone
        and column.beyond_new_rows(rises[value])
        and column.rose("spike", max(x0, unlisted), x1)
        and rises[value] >= _TIMES * x0 / column.before.rows
    ):
        shares = x0 / column.before.rows, x1 / column.after.rows
        told = _told(column, value)
        text = f"{told} went from {percent(shares[0])} to {percent(shares[1])} of rows"
        yield column.finding("spike", rises[value], text, value=told, before=shares[0], after=shares[1])
