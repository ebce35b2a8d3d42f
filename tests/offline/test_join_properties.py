"""The join against the oracle: whatever hypothesis thinks of, every strategy gives the oracle's rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.model.definition import Definition
from featurestore.model.status import Status
from featurestore.offline.join import JoinResult, ViewRead
from featurestore.testing.oracle import OracleResult, OracleView, oracle_join
from featurestore.testing.strategies import START, definitions, rows, spine_rows
from tests.offline.join_support import foreign, join_all, read_of

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A spine, one or two views of the same entity with one to four runs each, an as_of, and how files are written."""

    spine: Rows
    views: list[tuple[Definition, list[Rows]]]
    as_of: datetime | str | None
    group: int
    compression: str


@st.composite
def cases(draw: st.DrawFn) -> Case:
    times = [START + timedelta(hours=3), START + timedelta(hours=6)]
    as_of = draw(st.sampled_from([None, "spine", times[0], None, "spine", times[1]]))
    created = None if as_of is None else True
    first = draw(definitions(view="first", created=created))
    views = [first]
    if draw(st.booleans()):
        views.append(draw(definitions(view="second", keys=[type_ for _, type_ in first.keys], created=created)))
    runs = [(view, [draw(rows(view)) for _ in range(draw(st.sampled_from([2, 1, 3, 4])))]) for view in views]
    group = draw(st.sampled_from([3, 1, 2, 100]))
    compression = draw(st.sampled_from(["none", "none", "none", "lz4", "zstd"]))
    return Case(draw(spine_rows(list(first.keys), timestamp="t")), runs, as_of, group, compression)


@pytest.fixture(scope="module", autouse=True)
def _quick_disk() -> Iterator[None]:
    """Let files be written without waiting for the disk, thousands of times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


def check(case: Case) -> None:
    oracles = []
    with tempfile.TemporaryDirectory() as folder:
        reads = []
        for definition, runs in case.views:
            read = read_of(Path(folder), definition, *runs, group=case.group, compression=case.compression)
            reads.append(read)
            oracles.append(OracleView(definition, [row for run in runs for row in run], read.on, read.columns))
        expected = oracle_join(case.spine, oracles, timestamp="t", as_of=case.as_of)
        compare(case, join_all(case.spine, *reads, as_of=case.as_of), reads, expected)
        compare(case, join_all(case.spine, *reads, as_of=case.as_of, strategy="duckdb"), reads, expected)
        if not any(ties(definition, run) for definition, runs in case.views for run in runs):
            others = [foreign(read, Path(folder) / f"foreign{place}") for place, read in enumerate(reads)]
            compare(case, join_all(case.spine, *others, as_of=case.as_of), others, expected)


def ties(definition: Definition, run: Rows) -> bool:
    """Whether stored order decides between rows, which a file in another order does not keep."""
    names = [*(key for key, _ in definition.keys), definition.event_time, definition.created_time]
    ranks = [tuple(row[name] for name in names if name is not None) for row in run]
    return len(set(ranks)) < len(ranks)


def compare(case: Case, result: JoinResult, reads: list[ViewRead], expected: OracleResult) -> None:
    assert result.table.select(result.feature_columns).to_pylist() == list(expected.values)
    assert [report.look_ahead for report in result.reports] == list(expected.look_ahead)
    for report, read in zip(result.reports, reads, strict=True):
        column = read.columns[0][1]
        statuses = [row[column] for row in expected.statuses]
        assert report.rows == len(case.spine)
        assert report.not_found == statuses.count(Status.NOT_FOUND)
        assert report.expired == statuses.count(Status.EXPIRED)
        assert report.matched == statuses.count(Status.PRESENT) + statuses.count(Status.NULL)


@pytest.mark.timeout(600)
@given(cases())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_strategy_agrees_with_the_oracle(case: Case) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(cases())
@settings(max_examples=2500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_strategy_agrees_with_the_oracle_at_length(case: Case) -> None:
    check(case)
