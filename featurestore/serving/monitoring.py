"""Prometheus metrics of a server: the numbers of all its workers, dead ones too, added up when somebody asks."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from featurestore.errors import RequestError, UnavailableError
from featurestore.model.status import STATUS_BY_CODE
from featurestore.serving.listener import split_address
from featurestore.serving.meter import BOUNDS

if TYPE_CHECKING:
    from prometheus_client import Metric

    from featurestore.lineage.status import Status

__all__ = ["Processes", "serve_metrics"]


@dataclass(frozen=True, slots=True)
class Processes:
    """How a server's processes stand.

    Attributes
    ----------
    workers, restarts
        How many there are, and how many have been started in place of one that died.
    live
        The files to which those that are there write what they count.
    """

    workers: int
    restarts: int
    live: frozenset[str]


class _Numbers:
    """What all workers have counted, together."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self.seconds: Counter[tuple[str, str, str]] = Counter()
        self.rows: Counter[tuple[str, str]] = Counter()
        self.cells: Counter[tuple[str, str, str]] = Counter()
        self.gauges: Counter[str] = Counter()

    def add(self, counted: Mapping[str, Any], *, live: bool) -> None:
        """Add what `Meter.numbers` gave; how things stand counts only where the worker still lives."""
        for method, code, views, counts, seconds in counted["calls"]:
            key = method, code, views
            self.calls[key] = [one + other for one, other in zip(self.calls[key], counts, strict=True)]
            self.seconds[key] += seconds
        for view, version, rows, cells in counted["served"]:
            self.rows[view, f"v{version}"] += rows
            for status, count in zip(STATUS_BY_CODE, cells, strict=True):
                self.cells[view, f"v{version}", status.value] += count
        if live:
            self.gauges.update(counted["gauges"])


class _Server(Collector):
    """Gives the metrics of one server.

    Parameters
    ----------
    folder
        Where the workers write what they count.
    processes
        Tells how the processes stand.
    status
        Tells how fresh the store's versions are.
    """

    def __init__(self, folder: Path, processes: Callable[[], Processes], status: Callable[[], Status]) -> None:
        self._folder = folder
        self._processes = processes
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Read everything anew."""
        processes = self._processes()
        numbers = _Numbers()
        for path in self._folder.glob("*.json"):
            numbers.add(json.loads(path.read_text(encoding="utf-8")), live=str(path) in processes.live)
        yield from _counted(numbers)
        yield GaugeMetricFamily("featurestore_workers", "Worker processes.", processes.workers)
        yield CounterMetricFamily(
            "featurestore_worker_restarts", "Workers started in place of one that died.", processes.restarts
        )
        yield from _freshness(self._status())


def _counted(numbers: _Numbers) -> Iterator[Metric]:
    calls = HistogramMetricFamily(
        "featurestore_call_seconds",
        "Seconds from a call's message to the end of its answer; views are those that it read, joined by '+'.",
        labels=["method", "code", "views"],
    )
    for key, counts in numbers.calls.items():
        total, buckets = 0, []
        for bound, count in zip((*BOUNDS, float("inf")), counts, strict=True):
            total += count
            buckets.append((_text(bound), float(total)))
        calls.add_metric(key, buckets, numbers.seconds[key])
    yield calls
    rows = CounterMetricFamily(
        "featurestore_rows", "Rows answered from each feature version.", labels=["view", "version"]
    )
    for version, count in numbers.rows.items():
        rows.add_metric(version, count)
    yield rows
    cells = CounterMetricFamily(
        "featurestore_cells", "Values answered, by their status.", labels=["view", "version", "status"]
    )
    for cell, count in numbers.cells.items():
        cells.add_metric(cell, count)
    yield cells
    for name, text in _GAUGES.items():
        yield GaugeMetricFamily(f"featurestore_{name}", text, numbers.gauges[name])


def _text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


_GAUGES = {
    "calls_in_flight": "Calls that a thread is answering.",
    "calls_queued": "Calls that wait for a thread.",
    "answer_rows_logged": "Rows of answers that were kept for `skew`, since the worker started.",
    "answer_rows_dropped": "Rows of answers that were drawn for `skew` and found no room, since the worker started.",
    "worker_resident_bytes": "Memory of the workers; what they share counts for each.",
}


def _freshness(status: Status) -> Iterator[Metric]:
    now = datetime.now(UTC)
    published = GaugeMetricFamily(
        "featurestore_published_age_seconds",
        "Age of the time up to which a version's rows are online; where it has no event times, of the publish.",
        labels=["view", "version"],
    )
    newest = GaugeMetricFamily(
        "featurestore_newest_event_age_seconds",
        "Age of the newest event time that was materialized.",
        labels=["view", "version"],
    )
    for view in status.views:
        for version in view.versions:
            label = view.view, version.version.rpartition("@")[2]
            if version.published is not None:
                at = version.published.as_of or version.published.at
                published.add_metric(label, (now - at).total_seconds())
                if version.last is not None:
                    newest.add_metric(label, (now - version.last).total_seconds())
    yield published
    yield newest


@contextmanager
def serve_metrics(
    address: str, folder: Path, processes: Callable[[], Processes], status: Callable[[], Status]
) -> Iterator[str]:
    """Answer `GET /metrics` on an address within the block; yields the address, its port as a number.

    Raises
    ------
    RequestError
        If it is no `host:port`.
    UnavailableError
        If it is taken.
    """
    host, port = split_address(address)
    registry = CollectorRegistry()
    registry.register(_Server(folder, processes, status))
    try:
        server, thread = start_http_server(port, host or "0.0.0.0", registry)  # noqa: S104 - as the empty host says
    except OSError as error:
        message = f"metrics cannot be served on {address} ({error.strerror}): take another port."
        raise (UnavailableError if error.errno else RequestError)(message) from error
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
