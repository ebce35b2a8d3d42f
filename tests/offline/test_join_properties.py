"""The join against the oracle: whatever hypothesis thinks of, both give the same rows."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.model.status import Status
from featurestore.offline.join import ViewRead
from featurestore.testing.oracle import OracleView, oracle_join
from featurestore.testing.strategies import START, definitions, rows, spine_rows
from tests.offline.join_support import join_all, read_of


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[Any, list[list[dict[str, Any]]]]], Any]:
    """A spine, one or two views of the same entity with one to four runs each, and an as_of."""
    times = [START + timedelta(hours=3), START + timedelta(hours=6)]
    as_of = draw(st.sampled_from([None, "spine", times[0], None, "spine", times[1]]))
    created = None if as_of is None else True
    first = draw(definitions(view="first", created=created))
    views = [first]
    if draw(st.booleans()):
        views.append(draw(definitions(view="second", keys=[type_ for _, type_ in first.keys], created=created)))
    runs = [(view, [draw(rows(view)) for _ in range(draw(st.sampled_from([2, 1, 3, 4])))]) for view in views]
    return draw(spine_rows(list(first.keys), timestamp="t")), runs, as_of


def check(case: tuple[list[dict[str, Any]], list[tuple[Any, list[list[dict[str, Any]]]]], Any]) -> None:
    spine, views, as_of = case
    reads: list[ViewRead] = []
    oracles = []
    with tempfile.TemporaryDirectory() as folder:
        for definition, runs in views:
            read = read_of(Path(folder), definition, *runs)
            reads.append(read)
            oracles.append(OracleView(definition, [row for run in runs for row in run], read.on, read.columns))
        result = join_all(spine, *reads, as_of=as_of)
    expected = oracle_join(spine, oracles, timestamp="t", as_of=as_of)
    assert result.table.select(result.feature_columns).to_pylist() == list(expected.values)
    assert [report.look_ahead for report in result.reports] == list(expected.look_ahead)
    for report, read in zip(result.reports, reads, strict=True):
        column = read.columns[0][1]
        statuses = [row[column] for row in expected.statuses]
        assert report.rows == len(spine)
        assert report.not_found == statuses.count(Status.NOT_FOUND)
        assert report.expired == statuses.count(Status.EXPIRED)
        assert report.matched == statuses.count(Status.PRESENT) + statuses.count(Status.NULL)


@pytest.mark.timeout(600)
@given(cases())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_join_agrees_with_the_oracle(
    case: tuple[list[dict[str, Any]], list[tuple[Any, list[list[dict[str, Any]]]]], Any],
) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(cases())
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_join_agrees_with_the_oracle_at_length(
    case: tuple[list[dict[str, Any]], list[tuple[Any, list[list[dict[str, Any]]]]], Any],
) -> None:
    check(case)
