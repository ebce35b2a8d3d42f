"""Changes under load: pointers that flip, publishes, a killed worker; beside h2load a client checks every answer.

The load is an open loop at a third of what the closed one reaches. Changes are made by a process on the load's core,
where the checking client runs too: what they take from each other is in the percentiles.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import featurestore as fs
from benchmarks.online.data import value
from benchmarks.online.load import CLIENT_CORE, FailedError, drive, framed
from benchmarks.online.report import Report
from benchmarks.online.requests import draw, message
from benchmarks.online.servers import ours
from benchmarks.online.workloads import Scale, Workload
from featurestore.serving.protocol import GET_FEATURES

__all__ = ["measure"]

VIEW_LIST = ("floats0", "floats1", "floats2")
ASKED = Workload("changes", 100, [f"{view}:f{feature}" for view in VIEW_LIST for feature in range(17)])
READY = "ready\n"
SHARE = 0.33
RATIO = 3.0


@dataclass(slots=True)
class Checked:
    """What the checking client saw."""

    calls: int = 0
    errors: int = 0
    mixed: int = 0
    wrong: int = 0
    states: int = 0


def measure(store: Path, scale: Scale, report: Report) -> None:
    """Measure a steady load, then the same while pointers flip, while a version is published, and after a kill."""
    bodies = [framed(message(ASKED.features, one)) for one in draw(ASKED, scale.entities, 2)]
    with ours(store) as (address, pid):
        url = f"http://{address}{GET_FEATURES}"
        rate = SHARE * drive(url, bodies, seconds=scale.seconds / 2, pid=pid).rate
        report.note("changes: calls a second that are begun", f"{rate:,.0f}, three views, 51 features, 100 rows")
        for name, change in (("steady", _nothing), ("flips", _flip), ("publishes", _publish)):
            with _checking(address, scale) as checked, _doing(change, store):
                report.add("changes", name, drive(url, bodies, seconds=2 * scale.seconds, pid=pid, rate=rate))
            _tell(report, name, checked)
    _kill(store, scale, report)


def _tell(report: Report, name: str, checked: Checked) -> None:
    loads = report.loads["changes"]
    report.note(f"changes, {name}: the checking client", asdict(checked))
    clean = not (checked.errors or checked.mixed or checked.wrong) and checked.calls > 0
    report.bar(f"changes, {name}: no error, no mixed answer, no wrong value in {checked.calls} answers", met=clean)
    if name != "steady":
        ratio = loads[name].p999 / loads["steady"].p999
        report.bar(f"changes, {name}: p99.9 {ratio:.1f}x of the steady one, {RATIO:g}x allowed", met=ratio <= RATIO)


# ----------------------------------------------------------------------------------------------------- what changes


@contextmanager
def _doing(change: Callable[[fs.FeatureStore, int], None], store: Path) -> Iterator[None]:
    """Make a change again and again in a process on the load's core."""
    command = ["taskset", "-c", CLIENT_CORE, "nice", sys.executable, "-m", "benchmarks.online.changes"]
    command += ["change", change.__name__, str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _await(process)
        try:
            yield
        finally:
            process.terminate()


def _await(process: subprocess.Popen[str]) -> None:
    """Wait until a process of `main` has begun."""
    if process.stdout is None or process.stdout.readline() != READY:
        raise FailedError("a process beside the load did not begin")


def _nothing(_store: fs.FeatureStore, _turn: int) -> None:
    time.sleep(1)


def _flip(store: fs.FeatureStore, turn: int) -> None:
    store.activate(*(f"{view}@v{turn % 2 + 1}" for view in VIEW_LIST), reason="flip")
    time.sleep(0.5)


def _publish(store: fs.FeatureStore, turn: int) -> None:
    store.publish(f"{VIEW_LIST[turn % 3]}@v1")


# ---------------------------------------------------------------------------------------------------- what is checked


@contextmanager
def _checking(address: str, scale: Scale) -> Iterator[Checked]:
    """Check answers in a process on the load's core until the block ends."""
    checked = Checked()
    command = ["taskset", "-c", CLIENT_CORE, sys.executable, "-m", "benchmarks.online.changes", "check", address]
    with subprocess.Popen([*command, str(scale.entities)], stdout=subprocess.PIPE, text=True) as process:
        _await(process)
        try:
            yield checked
        finally:
            process.terminate()
            said, _ = process.communicate()
            for name, number in json.loads(said).items():
                setattr(checked, name, number)


def check_answers(address: str, entities: int, stop: threading.Event) -> Checked:
    """Ask on and on; tell errors, answers of several states of the pointers, and values of another version."""
    checked, random, states = Checked(), np.random.default_rng(), set()
    with fs.connect(address, timeout=30) as client:
        while not stop.is_set():
            keys = random.integers(0, entities, 10)
            try:
                answer = client.get_features(ASKED.features, entities={"user": keys})
            except fs.FeatureStoreError as error:
                print(error, file=sys.stderr)
                checked.errors += 1
                continue
            checked.calls += 1
            state = {(column.view, column.version, column.activation, column.snapshot) for column in answer.columns}
            versions = {version for _, version, _, _ in state}
            checked.mixed += len(state) != len(VIEW_LIST) or len(versions) != 1
            states.add(frozenset(state))
            found = answer.to_dict()
            checked.wrong += any(
                found[column.name]
                != [value(key, int(column.view[6:]), column.version, int(column.feature[1:])) for key in keys.tolist()]
                for column in answer.columns
            )
            time.sleep(0.005)
    checked.states = len(states)
    return checked


# --------------------------------------------------------------------------------------------------- a worker's death


def _kill(store: Path, scale: Scale, report: Report) -> None:
    """Kill one of two workers under load; tell how long calls failed, with one try each and with retries."""
    with ours(store, workers=2) as (address, pid):
        workers = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
        failed, longest, calls = 0, 0.0, 0
        killed = False
        begun = time.monotonic()
        with fs.connect(address, timeout=10, retries=5) as client:
            while time.monotonic() - begun < scale.seconds:
                if not killed and time.monotonic() - begun > scale.seconds / 4:
                    os.kill(workers[0], signal.SIGKILL)
                    killed = True
                called = time.monotonic()
                try:
                    client.get_features(["floats0@v1"], entities={"user": [1]})
                except fs.FeatureStoreError:
                    failed += 1
                longest = max(longest, time.monotonic() - called)
                calls += 1
    report.note(
        "changes, a worker of two killed: calls, failed with retries=5, longest call",
        f"{calls}, {failed}, {longest * 1e3:.0f} ms",
    )
    report.bar("changes, a worker killed: no call fails that is tried again", met=failed == 0)


def main(what: str, *arguments: str) -> None:
    """Run as a process of its own until SIGTERM: make changes, or check."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if what == "check":
        address, entities = arguments
        print(READY, end="", flush=True)
        print(json.dumps(asdict(check_answers(address, int(entities), stop))))
        return
    name, path = arguments
    change = {one.__name__: one for one in (_nothing, _flip, _publish)}[name]
    with fs.open_store(path) as store:
        change(store, 0)  # with all imports
        print(READY, end="", flush=True)
        turn = 1
        while not stop.is_set():
            change(store, turn)
            turn += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
