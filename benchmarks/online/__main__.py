"""The server beside its floors and peers: `python -m benchmarks.online`.

Our server has one worker on core 0, with tokens checked and metrics served; the load comes from core 1. For each
workload (`workloads.py`) every body's answer is checked cell by cell, then the load is driven: ours and the floor in
turns, the peers after them. Needs Linux, h2load (package nghttp2-client), and for the peers redis-server; Feast gets an
environment of its own under `.bench`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import click
import grpc
import numpy as np

from benchmarks.online import changes, feast_peer, redis_floor
from benchmarks.online.client import ask_at_random
from benchmarks.online.data import make
from benchmarks.online.echo import METHOD as ECHO
from benchmarks.online.load import GRPC, FailedError, Load, drive, framed
from benchmarks.online.report import OURS, Report
from benchmarks.online.requests import check, draw, message
from benchmarks.online.servers import credentials, echo, free_port, ours
from benchmarks.online.workloads import SCALES, WORKLOADS, Scale, Workload
from featurestore.serving.protocol import GET_FEATURES, LIMITS

TURNS = 3
"""How often ours and the floor take turns: the median of each counts, so that a busy moment meets both."""


def measure(workload: Workload, store: Path, scale: Scale, report: Report) -> None:
    """Check one workload, then drive ours and the floor in turns."""
    keys = draw(workload, scale.entities, scale.bodies)
    bodies = [message(workload.features, one) for one in keys]
    sizes: list[int] = []
    tokens, token = credentials(store.parent)
    headers = [*GRPC, f"authorization: Bearer {token}"]
    with ours(store, tokens=str(tokens)) as (address, _), grpc.insecure_channel(address, options=LIMITS) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GET_FEATURES)
        for body, one in zip(bodies, keys, strict=True):
            answer = call(body, metadata=(("authorization", f"Bearer {token}"),))
            check(answer, one)
            sizes.append(len(answer))
    found: dict[str, list[Load]] = {OURS: [], "echo": []}
    for _ in range(TURNS):
        with ours(store, tokens=str(tokens), metrics_address=f"127.0.0.1:{free_port()}") as (address, pid):
            found[OURS].append(_drive(f"http://{address}{GET_FEATURES}", bodies, pid, scale, sizes, headers))
        with echo(int(np.mean(sizes))) as (address, pid):
            found["echo"].append(_drive(f"http://{address}{ECHO}", bodies, pid, scale, None, GRPC))
    for who, loads in found.items():
        middle = median(load.rate for load in loads)
        report.add(workload.name, who, min(loads, key=lambda load: abs(load.rate - middle)))


def _drive(
    url: str, bodies: Sequence[bytes], pid: int, scale: Scale, sizes: Sequence[int] | None, headers: Sequence[str]
) -> Load:
    whole = [framed(body) for body in bodies]
    drive(url, whole[:1], seconds=1, pid=pid, headers=headers)  # warm
    return drive(url, whole, seconds=scale.seconds / 2, pid=pid, sizes=sizes, headers=headers)


def at_rates(workload: Workload, store: Path, scale: Scale, report: Report, rates: Iterable[tuple[str, float]]) -> None:
    """Drive ours in an open loop: percentiles at a rate of calls that are begun whatever the answers do."""
    bodies = [framed(message(workload.features, one)) for one in draw(workload, scale.entities, scale.bodies)]
    with ours(store) as (address, pid):
        url = f"http://{address}{GET_FEATURES}"
        drive(url, bodies[:1], seconds=1, pid=pid)
        for name, rate in rates:
            report.add(workload.name, name, drive(url, bodies, seconds=scale.seconds, pid=pid, rate=rate))


def _chosen(only: str | None) -> list[Workload]:
    names = None if only is None else only.split(",")
    known = [workload.name for workload in WORKLOADS]
    unknown = sorted(set(names or ()) - {*known, "changes"})
    if unknown:
        raise click.BadParameter(f"there is no workload {unknown[0]!r}: {', '.join([*known, 'changes'])}.")
    return [workload for workload in WORKLOADS if names is None or workload.name in names]


@click.command(help=__doc__)
@click.option("--only", help="Workloads, separated by commas; 'changes' is the one of flips, publishes and kills.")
@click.option("--scale", "name", type=click.Choice(list(SCALES)), default="full", show_default=True)
@click.option(
    "--peers", default="feast,redis", show_default=True, help="Peers to measure, separated by commas; '' for none."
)
@click.option("--entities", type=int, help="Instead of the scale's.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    default=Path(".bench/online"),
    show_default=True,
    help="Where stores are made, and used again.",
)
@click.option("--json", "path", type=click.Path(path_type=Path), help="Where results go; .bench/online-SCALE.json.")
def main(*, only: str | None, name: str, peers: str, entities: int | None, keep: Path, path: Path | None) -> None:
    """Measure what is asked for."""
    scale = SCALES[name] if entities is None else replace(SCALES[name], entities=entities)
    workloads = _chosen(only)
    click.echo(f"making the store of {scale.entities:,} entities", err=True)
    store = make(keep.absolute(), scale.entities)
    report = Report.begin(path or Path(f".bench/online-{name}.json"), name)
    for workload in workloads:
        measure(workload, store, scale, report)
    named = {workload.name: workload for workload in workloads}
    if "100x50" in named:
        closed = report.loads["100x50"][OURS].rate
        at_rates(
            named["100x50"],
            store,
            scale,
            report,
            [(f"open loop, {share:.0%}", closed * share) for share in (0.3, 0.6, 0.8)],
        )
        report.add("100x50", "Python client, any keys", ask_at_random(store, scale))
    for peer, run in (("redis", redis_floor.measure), ("feast", feast_peer.measure)):
        if peer in peers.split(","):
            try:
                run(named, store, scale, report, keep.absolute(), at_rates)
            except FailedError as error:
                report.note(peer, f"not measured: {error}")
    if only is None or "changes" in only.split(","):
        changes.measure(store, scale, report)
    for workload in workloads:
        report.judge(workload.name, workload.bars)
    report.close()


if __name__ == "__main__":
    sys.exit(main())
