"""The point-in-time join beside its peers: `python -m benchmarks.offline`.

For each workload (`workloads.py`): make its rows (`generate.py`), let everybody answer once and check the answers
(`check.py`), then measure in turns, each in a process of its own (`worker.py`, `measure.py`), and show (`report.py`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.offline.case import Case
from benchmarks.offline.check import check_oracle, check_peer
from benchmarks.offline.generate import UnavailableError, make
from benchmarks.offline.measure import Bench, FailedError, evict
from benchmarks.offline.report import Report
from benchmarks.offline.results import Measured, Result
from benchmarks.offline.worker import answer_file
from benchmarks.offline.workloads import SCALES, WARMUP, WORKLOADS, Workload, scaled

SLOW = 60.0  # seconds: who takes longer is measured once
FLOOR = "floor-"


def measure(workload: Workload, folder: Path, bench: Bench, runs: int) -> Result:
    """Make, check, and time one workload."""
    _say(f"{workload.name}: making it")
    try:
        case = make(workload, folder)
    except UnavailableError as error:
        return Result(workload, unavailable=str(error))
    result = Result(workload, case, {peer: Measured() for peer in (workload.ours, *workload.peers)})
    _check(result, folder, bench)
    if runs == 0:
        for measured in result.measured.values():
            measured.warm = [] if measured.check is None or measured.failed else [measured.check]
        return result
    for number in range(runs):  # in turns, so that a busy moment of the machine meets all of them
        _turn(result, bench, case, "warm", number)
    _turn(result, bench, case, "first", 0)
    _turn(result, bench, case, "cold", 0)
    return result


def _check(result: Result, folder: Path, bench: Bench) -> None:
    """Let everybody answer once: a wrong answer of ours ends the benchmark, one of a peer's leaves the peer out."""
    workload, case = result.workload, result.case
    assert case is not None
    for peer, measured in result.measured.items():
        _say(f"{workload.name}: checking {peer}")
        try:
            measured.check = bench.run(peer, "check", case)
        except FailedError as error:
            measured.failed = str(error)
            continue
        if peer == workload.ours:
            result.sample = check_oracle(workload, case, folder, peer)
        elif not peer.startswith(FLOOR) and answer_file(case, workload.ours).exists():
            try:
                check_peer(case, workload.ours, peer)
            except AssertionError as error:
                measured.failed = str(error)
    for peer in result.measured:
        answer_file(case, peer).unlink(missing_ok=True)


def _turn(result: Result, bench: Bench, case: Case, kind: str, number: int) -> None:
    """Measure everybody once, in one state of caches."""
    for peer, measured in result.measured.items():
        slow = measured.check is not None and measured.check.seconds > SLOW and (kind != "warm" or number > 0)
        first = kind == "first" and (peer.startswith(FLOOR) or case.cap is not None)  # says nothing of them
        if measured.failed is not None or slow or first:
            continue
        _say(f"{result.workload.name}: measuring {peer}, {kind} {number + 1}")
        if kind == "cold":
            evict(case.files)
        try:
            run = bench.run(peer, "first" if kind == "first" else "warm", case)
        except FailedError as error:
            measured.failed = str(error)
            continue
        if kind == "warm":
            measured.warm.append(run)
        else:
            setattr(measured, kind, run)


def _say(what: str) -> None:
    click.echo(what, err=True)


def _chosen(only: str | None, peers: str | None, scale: str) -> Sequence[Workload]:
    names = None if only is None else only.split(",")
    known = {part for workload in WORKLOADS for part in (workload.name, workload.name.partition("-")[0])}
    unknown = sorted(set(names or ()) - known)
    if unknown:
        raise click.BadParameter(f"there is no workload {unknown[0]!r}: {', '.join(sorted(known))}.")
    workloads = [one for one in WORKLOADS if names is None or {one.name, one.name.partition("-")[0]} & set(names)]
    return [_asked(scaled(workload, scale), peers) for workload in workloads]


def _asked(workload: Workload, peers: str | None) -> Workload:
    if peers is None:
        return workload
    return replace(workload, peers=tuple(peer for peer in workload.peers if peer in peers.split(",")))


@click.command(help=__doc__)
@click.option("--only", help="Workloads, or groups of them, separated by commas.")
@click.option("--peers", help="Measure only these beside ours, separated by commas.")
@click.option("--scale", type=click.Choice(list(SCALES)), default="full", show_default=True)
@click.option(
    "--runs",
    type=click.IntRange(min=0),
    help="Warm runs of each: 3 at full scale, otherwise 0, which shows the times of the checked answers.",
)
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds that one run may take.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make the data here, and use what is there already.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Where results go; .bench/offline-SCALE.json.")
def main(
    *,
    only: str | None,
    peers: str | None,
    scale: str,
    runs: int | None,
    timeout: float,
    keep: Path | None,
    path: Path | None,
) -> None:
    """Measure what is asked for."""
    workloads = _chosen(only, peers, scale)
    if runs is None:
        runs = 3 if scale == "full" else 0
    report = Report(path or Path(".bench") / f"offline-{scale}.json", scale, runs)
    with nullcontext(str(keep)) if keep is not None else tempfile.TemporaryDirectory(prefix="bench-offline-") as place:
        folder = Path(place).absolute() / scale
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(make(WARMUP, folder), timeout)
        for workload in workloads:
            report.add(measure(workload, folder, bench, runs))
    report.close()


if __name__ == "__main__":
    sys.exit(main())
