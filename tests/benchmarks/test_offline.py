"""The benchmarks of the join run, and would notice a wrong answer: a script that nobody runs rots."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.offline.case import Case
from benchmarks.offline.check import check_peer
from benchmarks.offline.measure import Run
from benchmarks.offline.peers import PEERS
from benchmarks.offline.results import Measured, Result, verdicts
from benchmarks.offline.worker import answer_file
from benchmarks.offline.workloads import SCALES, WORKLOADS, Bar, scaled

ROOT = Path(__file__).parents[2]


def test_the_command_checks_times_and_reports(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.offline", "--scale", "tiny", "--only", "ties", "--runs", "1"]
    command += ["--peers", "duckdb", "--keep", str(tmp_path), "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    (result,) = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert result["workload"] == "ties"
    assert result["rows_held_against_the_oracle"] == 100
    assert set(result["measured"]) == {"featurestore", "duckdb"}
    for measured in result["measured"].values():
        assert measured["failed"] is None
        runs = [measured["check"], *measured["warm"], measured["first"], measured["cold"]]
        assert all(run["seconds"] > 0 and run["peak"] >= run["private"] > 0 for run in runs)
    assert "bar  ties: seconds of duckdb / ours at least 3.00x" in done.stdout


@pytest.mark.parametrize("scale", SCALES)
def test_workloads_name_peers_and_workloads_that_there_are(scale: str) -> None:
    workloads = {one.name: scaled(one, scale) for one in WORKLOADS}
    assert len(workloads) == len(WORKLOADS)
    for workload in workloads.values():
        assert {workload.ours, *workload.peers} <= set(PEERS)
        for bar in workload.bars:
            other = workloads[bar.workload or workload.name]
            assert bar.peer in {other.ours, *other.peers}


def answers(tmp_path: Path, ours: pa.Array[Any], theirs: pa.Array[Any]) -> Case:
    case = Case("w", "store", "spine", ("x",), len(ours), (), str(tmp_path))
    for peer, column in (("ours", ours), ("theirs", theirs)):
        table = pa.table({"x": column})
        with pa.ipc.new_file(str(answer_file(case, peer)), table.schema) as writer:
            writer.write_table(table)
    return case


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([1.0, 2.0], [1.0, 2.0000000000000004]), ([0.0], [-0.0]), ([None], [0.0]), ([1.0, 2.0], [2.0, 1.0])],
)
def test_a_wrong_answer_is_noticed(tmp_path: Path, ours: list[float | None], theirs: list[float | None]) -> None:
    case = answers(tmp_path, pa.array(ours, pa.float64()), pa.array(theirs, pa.float64()))
    with pytest.raises(AssertionError, match="theirs gives other values of x"):
        check_peer(case, "ours", "theirs")


def test_an_equal_answer_of_another_type_is_equal(tmp_path: Path) -> None:
    texts = pa.array(["a", None], pa.string())
    check_peer(answers(tmp_path, texts, texts.cast(pa.large_string())), "ours", "theirs")


def test_a_bar_is_held_against_medians() -> None:
    workload = replace(WORKLOADS[0], bars=(Bar("duckdb", seconds=3, memory=3), Bar(workload="absent", seconds=1)))
    ours = Measured(warm=[Run(seconds, 100, 0, 0) for seconds in (1.0, 9.0, 1.0)])
    theirs = Measured(warm=[Run(3.0, 299, 0, 0)])
    result = Result(workload, measured={"featurestore": ours, "duckdb": theirs})
    found = list(verdicts(result, {workload.name: result}))
    assert [(verdict.ratio, verdict.met) for verdict in found] == [(3.0, True), (2.99, False), (None, False)]
