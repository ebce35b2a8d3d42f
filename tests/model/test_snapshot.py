"""Snapshots: the id comes from content."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.model.snapshot import DataFile, Run, Snapshot, SourceRead, snapshot_id

FINGERPRINT = "1f3a9c42" * 8
FILE = DataFile("data/a/v1/1.parquet", "a" * 64, 100, 10, 0, 9)
RUN = Run(0, 10, (SourceRead("weather", "files:1"),), (FILE,), (("null key", 2),))
LATER = Run(10, None, (SourceRead("weather", "files:2"),), (replace(FILE, sha256="b" * 64, first=10, last=19),))

MICROS = st.none() | st.integers(-(2**62), 2**62)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COUNTS = st.integers(0, 2**62)
FILES = st.builds(DataFile, TEXT, TEXT, COUNTS, COUNTS, MICROS, MICROS)
RUNS = st.builds(
    Run,
    MICROS,
    MICROS,
    st.lists(st.builds(SourceRead, TEXT, TEXT), max_size=2).map(tuple),
    st.lists(FILES, max_size=3).map(tuple),
    st.lists(st.tuples(TEXT, COUNTS), max_size=2).map(tuple),
)


def snapshot(*runs: Run) -> Snapshot:
    return Snapshot(snapshot_id("a", FINGERPRINT, runs), "a", 1, runs, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.lists(RUNS, max_size=3))
def test_a_run_reads_back_from_json(runs: list[Run]) -> None:
    read = [Run.from_json(json.loads(json.dumps(run.to_json()))) for run in runs]
    assert read == runs
    assert snapshot_id("a", FINGERPRINT, read) == snapshot_id("a", FINGERPRINT, runs)


def test_the_id_is_the_same_in_every_release() -> None:
    identity = snapshot_id("a", FINGERPRINT, [RUN, LATER])
    assert identity == "c835a08c92caaa006f4665163b54aef4"
    assert len(identity) == 32
    assert identity == snapshot_id("a", FINGERPRINT, (RUN, LATER))


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [RUN],
        [LATER, RUN],
        [replace(RUN, start=None), LATER],
        [replace(RUN, end=11), LATER],
        [replace(RUN, sources=(SourceRead("weather", "files:3"),)), LATER],
        [replace(RUN, sources=(SourceRead("meteo", "files:1"),)), LATER],
        [replace(RUN, files=(replace(FILE, sha256="c" * 64),)), LATER],
        [replace(RUN, files=()), LATER],
        [replace(RUN, files=(FILE, FILE)), LATER],
    ],
)
def test_other_content_has_another_id(runs: list[Run]) -> None:
    assert snapshot_id("a", FINGERPRINT, runs) != snapshot_id("a", FINGERPRINT, [RUN, LATER])


def test_another_version_has_another_id() -> None:
    assert snapshot_id("a", "0" * 64, [RUN]) != snapshot_id("a", FINGERPRINT, [RUN])


def test_where_the_files_lie_does_not_matter() -> None:
    moved = replace(RUN, files=(replace(FILE, path="elsewhere/1.parquet"),))
    assert snapshot_id("a", FINGERPRINT, [moved]) == snapshot_id("a", FINGERPRINT, [RUN])


def test_what_a_snapshot_adds_up() -> None:
    dimension = replace(RUN, start=None, end=None, files=(replace(FILE, first=None, last=None),))
    both = snapshot(RUN, LATER)
    assert both.reference == "a@v1"
    assert both.rows == 20
    assert both.files == (*RUN.files, *LATER.files)
    assert both.last == 19
    assert snapshot(LATER, RUN).last == 19
    assert both.sources == (SourceRead("weather", "files:1"), SourceRead("weather", "files:2"))
    assert snapshot(RUN, replace(RUN, start=10, end=20)).sources == RUN.sources
    assert snapshot(dimension).last is None
    assert (snapshot().rows, snapshot().last, snapshot().files, snapshot().sources) == (0, None, (), ())


def test_another_view_of_the_same_computation_has_another_id() -> None:
    assert snapshot_id("b", FINGERPRINT, [RUN]) != snapshot_id("a", FINGERPRINT, [RUN])
