"""Pushed rows: the rules against an oracle that keeps every row that was ever pushed."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import RequestError
from featurestore.online import overlay
from featurestore.testing.online import row

Pushed = tuple[int, int | None, int, bytes]  # event time, created time, sequence, row

_TIMES = st.integers(-5, 12)
_PUSHES = st.lists(st.tuples(_TIMES, st.none() | st.integers(0, 3)), min_size=1, max_size=8).map(
    lambda drawn: [
        (time, created, sequence, row(time, b"row %d" % sequence)) for sequence, (time, created) in enumerate(drawn)
    ]
)


def values(pushes: list[Pushed]) -> list[bytes]:
    return [overlay.value(held, sequence=sequence, created_time=created) for _, created, sequence, held in pushes]


def merged(pushes: list[bytes], now: int) -> bytes:
    held = None
    for value in pushes:
        held = overlay.merge(held, value, now)
    assert held is not None
    return held


def expected(pushes: list[Pushed], own: bytes | None, at: int) -> bytes | None:
    """Return the newest row not after `at`, told from every row there ever was; a pushed one wins a tie."""
    seen = [(time, -1 if created is None else created, sequence, held) for time, created, sequence, held in pushes]
    seen = [one for one in seen if one[0] <= at]
    if own is not None:
        seen.append((int.from_bytes(own[:8], "little", signed=True), -2, -1, own))
    return max(seen)[3] if seen else None


@given(_PUSHES, _TIMES, st.integers(0, 10), st.integers(0, 10), st.randoms(use_true_random=False))
def test_a_read_is_the_oracles_row_or_is_refused(
    pushes: list[Pushed], own: int, now: int, later: int, draw: random.Random
) -> None:
    order = values(pushes)
    draw.shuffle(order)
    held = merged(order, now)
    for own_row in (None, row(own, b"own")):
        for at in range(max(own, -6), 14):
            try:
                found = overlay.newest([own_row], [held], at)
            except RequestError:
                assert at < now  # only a time before the push is ever refused
                assert any(time <= at for time, *_ in pushes)
                continue
            assert found == [expected(pushes, own_row, at)]
    again = overlay.merge(held, held, max(now, later))
    assert overlay.newest([None], [again], 13) == overlay.newest([None], [held], 13)


@given(_PUSHES, st.integers(0, 10), st.randoms(use_true_random=False))
def test_merging_is_commutative_associative_and_idempotent(pushes: list[Pushed], now: int, draw: random.Random) -> None:
    order = values(pushes)
    held = merged(order, now)
    draw.shuffle(order)
    assert merged([*order, *order], now) == held
    for cut in range(1, len(order)):
        assert overlay.merge(merged(order[:cut], now), merged(order[cut:], now), now) == held


@given(_PUSHES, _TIMES, st.integers(0, 10))
def test_what_a_new_generation_carries_reads_the_same_over_its_own_row(
    pushes: list[Pushed], own: int, now: int
) -> None:
    held, own_row = merged(values(pushes), now), row(own, b"own")
    carried = overlay.beyond(held, own_row, ties=True)
    for at in range(own, 14):
        try:
            before = overlay.newest([own_row], [held], at)
        except RequestError:
            continue
        assert overlay.newest([own_row], [carried], at) == before


def test_a_row_that_the_generation_holds_itself_is_not_carried() -> None:
    held = overlay.value(row(5, b"same"), sequence=1)
    assert overlay.beyond(held, None, ties=True) == held
    assert overlay.beyond(held, row(4, b"older"), ties=True) == held
    assert overlay.beyond(held, row(5, b"same"), ties=True) is None
    assert overlay.beyond(held, row(5, b"other"), ties=True) == held
    assert overlay.beyond(held, row(5, b"other"), ties=False) is None
    assert overlay.beyond(held, row(6, b"newer"), ties=True) is None


def test_a_time_whose_row_was_replaced_is_refused_by_name_of_the_later_one() -> None:
    held = merged([overlay.value(row(time), sequence=time) for time in (1_000_000, 3_000_000)], 5_000_000)
    assert overlay.newest([None], [held], 3_000_000) == [row(3_000_000)]
    assert overlay.newest([row(0)], [held], 999_999) == [row(0)]
    with pytest.raises(RequestError, match=r"1970-01-01T00:00:02.*1970-01-01T00:00:03"):
        overlay.newest([None], [held], 2_000_000)


def test_a_value_holds_a_row_for_each_time_that_may_still_be_asked_for() -> None:
    one = len(overlay.value(row(0), sequence=0))
    sizes = [
        len(merged([overlay.value(row(time), sequence=time) for time in order], now=3))
        for order in itertools.permutations(range(6))
    ]
    assert {(size - 8) // (one - 8) for size in sizes} == {3}
