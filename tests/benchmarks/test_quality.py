"""The benchmark of change detection runs, small, and holds its bars."""

from __future__ import annotations

import pytest

from benchmarks.quality.faults import FAULTS
from benchmarks.quality.measure import Measured, bars, clean, faults, shifts
from benchmarks.quality.windows import splits


def test_there_are_more_than_25_kinds_of_fault() -> None:
    assert len({fault.name for fault in FAULTS}) >= 25


@pytest.mark.parametrize("table", ["weather", "planes"])
def test_faults_of_the_small_tables_are_found_and_named(table: str) -> None:
    tried = [item for item in faults(quick=True, tables=(table,)) if item.demanded]
    assert len(tried) >= 7
    assert [item for item in tried if not item.named] == []


def test_random_splits_raise_no_alarm() -> None:
    assert [window for window in splits("planes", 5) if window.found] == []


@pytest.mark.slow
def test_every_bar_is_held_by_the_quick_version() -> None:
    found = Measured(tuple(faults(quick=True)), tuple(shifts(quick=True)), tuple(clean(quick=True)), ())
    assert {name: value for name, (value, holds) in bars(found).items() if not holds} == {}
