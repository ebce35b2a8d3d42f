"""What a worker counts: plain numbers in memory, saved for the supervisor, who adds up all workers when asked.

Counting is on the path of every call, so it takes a lock, a bisection and an addition, and makes no object; text is
made where it is asked for. Once a second, and at its end, a worker writes its numbers to a file of its own, so a killed
worker takes at most that second with it.
"""

from __future__ import annotations

import json
import os
import threading
from bisect import bisect_left
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featurestore.model.status import STATUS_BY_CODE

if TYPE_CHECKING:
    from featurestore.online.lookup import ReadPlan, RowAnswer

__all__ = ["BOUNDS", "Latency", "Meter", "views_of_call"]

BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper ends of the latencies' buckets, seconds; one more bucket holds the rest."""

_MOST_LABELS = 256
_MOST_PLANS = 1024
_OTHER = "other"

views_of_call: ContextVar[str] = ContextVar("views_of_call", default="")
"""The views that the answer of this call is read from, joined by `+`: gRPC runs each call in a context of its own."""


class Latency:
    """A histogram: how many calls took how long."""

    __slots__ = ("_lock", "counts", "seconds")

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one call."""
        place = bisect_left(BOUNDS, seconds)
        with self._lock:
            self.counts[place] += 1
            self.seconds += seconds


class _Served:
    """What was answered from one feature version: rows, and cells by their status."""

    __slots__ = ("cells", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self.cells = [0] * len(STATUS_BY_CODE)


class Meter:
    """The numbers of one worker.

    Parameters
    ----------
    path
        Where they are saved; None: nowhere.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str, str], Latency] = {}
        self._served: dict[tuple[str, int], _Served] = {}
        self._plans: dict[ReadPlan, tuple[str, tuple[tuple[_Served, int], ...]]] = {}
        self._labels: set[str] = set()

    def latency(self, method: str, code: str, views: str = "") -> Latency:
        """Return the histogram of calls of a method that read certain views and ended with a code."""
        key = method, code, views
        found = self._calls.get(key)
        if found is None:
            with self._lock:
                found = self._calls.setdefault(key, Latency(self._lock))
        return found

    def read(self, answer: RowAnswer) -> None:
        """Count what an answer holds: rows of each feature version, and cells of each status."""
        views, served = self._plans.get(answer.plan) or self._worked_out(answer.plan)
        views_of_call.set(views)
        rows = len(answer)
        with self._lock:
            for part, (counts, columns) in zip(answer.parts, served, strict=True):
                counts.rows += rows
                if part.codes is None:
                    counts.cells[0] += rows * columns
                else:
                    for code, cells in enumerate(np.bincount(part.codes.ravel()).tolist()):
                        counts.cells[code] += cells

    def _worked_out(self, plan: ReadPlan) -> tuple[str, tuple[tuple[_Served, int], ...]]:
        views = "+".join(sorted({column.view for column in plan.columns}))
        with self._lock:
            if views not in self._labels and len(self._labels) >= _MOST_LABELS:
                views = _OTHER  # callers choose what they combine: it must not fill the memory of whoever watches
            self._labels.add(views)
            served = []
            for group in plan.groups:
                version = group.plans[0].view, group.plans[0].version
                served.append((self._served.setdefault(version, _Served()), len(group.plans)))
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            known = self._plans[plan] = views, tuple(served)
        return known

    def numbers(self, gauges: Mapping[str, float]) -> dict[str, Any]:
        """Return everything counted, as JSON values."""
        with self._lock:
            return {
                "calls": [[*key, [*one.counts], one.seconds] for key, one in self._calls.items()],
                "served": [[*key, one.rows, [*one.cells]] for key, one in self._served.items()],
                "gauges": dict(gauges),
            }

    def save(self, **gauges: float) -> None:
        """Write everything counted, and how things stand, to the file: at once, so that nobody reads half of it."""
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(self.numbers(gauges)), encoding="utf-8")
            fresh.replace(self._path)
