"""A sample of what was answered, kept as Parquet beside the calls, which never wait for it.

A call hands its answer over as it is, if it is drawn and there is room; a thread makes columns of it and writes them.
What finds no room is dropped and counted. A killed worker takes at most `KEPT_SECONDS` of its sample with it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, NamedTuple

import pyarrow as pa

from featurestore.errors import FeatureStoreError
from featurestore.offline.arrow_types import to_arrow
from featurestore.online.keys import KeyValues
from featurestore.online.lookup import Asked, ReadPlan, RowAnswer
from featurestore.online.served import ServedRows, folder_of, sweep

__all__ = ["KEPT_SECONDS", "AnswerLog"]

KEPT_SECONDS = 5.0
"""Seconds that rows are kept in memory at most before they are written."""

_ROWS_A_FILE = 20_000
_CALLS_WAITING = 512
_ROWS_WAITING = 50_000
_MOMENT = pa.timestamp("us", tz="UTC")

_log = logging.getLogger(__name__)


class _Call(NamedTuple):
    """An answer, and what it answers."""

    asked: Asked
    entities: Mapping[str, KeyValues]
    answer: RowAnswer


class AnswerLog:
    """Keeps a sample of the answers of one worker.

    Parameters
    ----------
    root
        The store's folder.
    share
        Of the calls, drawn at random.
    most_bytes
        Of all files together, of all workers; the oldest are removed.
    """

    def __init__(self, root: Path, share: float, *, most_bytes: int) -> None:
        self._root = root
        self._share = share
        self._most_bytes = most_bytes
        self._waiting: Queue[_Call | None] = Queue(_CALLS_WAITING)
        self._lock = threading.Lock()
        self._rows = 0
        self.written = 0
        """Rows in files."""
        self.dropped = 0
        """Rows that found no room, or could not be written."""
        self._thread = threading.Thread(target=self._work, name="answer log", daemon=True)
        self._thread.start()

    def offer(self, asked: Asked, entities: Mapping[str, KeyValues], answer: RowAnswer) -> None:
        """Keep an answer, if it is drawn and there is room; never waits."""
        if random.random() >= self._share:  # noqa: S311 - a sample, not a secret
            return
        rows = len(answer)
        with self._lock:
            if self._rows + rows <= _ROWS_WAITING:
                with suppress(Full):
                    self._waiting.put_nowait(_Call(asked, entities, answer))
                    self._rows += rows
                    return
            self.dropped += rows

    def close(self) -> None:
        """Write what is kept, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        kept: dict[tuple[Asked, ReadPlan], list[_Call]] = {}
        since = time.monotonic()
        going = True
        while going:
            left = since + KEPT_SECONDS - time.monotonic() if kept else None
            try:
                call = self._waiting.get(timeout=None if left is None else max(left, 0))
            except Empty:
                call = None
            else:
                going = call is not None
            if call is not None:
                if not kept:
                    since = time.monotonic()
                kept.setdefault((call.asked, call.answer.plan), []).append(call)
            if not going or self._due(kept, since):
                for calls in kept.values():
                    self._write(calls)
                kept = {}

    def _due(self, kept: Mapping[Any, list[_Call]], since: float) -> bool:
        rows = sum(len(call.answer) for calls in kept.values() for call in calls)
        return bool(kept) and (rows >= _ROWS_A_FILE or time.monotonic() - since >= KEPT_SECONDS)

    def _write(self, calls: list[_Call]) -> None:
        rows = sum(len(call.answer) for call in calls)
        try:
            plan = calls[0].answer.plan
            _served(calls).write(folder_of(self._root, model=plan.model, asked=calls[0].asked))
            sweep(self._root, self._most_bytes)
        except (OSError, pa.ArrowException, FeatureStoreError) as error:
            _log.error("answers cannot be kept: %s", error)
            written = 0
        else:
            written = rows
        with self._lock:
            self._rows -= rows
            self.written += written
            self.dropped += rows - written


def _served(calls: list[_Call]) -> ServedRows:
    """Return the rows of answers of one plan."""
    asked, plan = calls[0].asked, calls[0].answer.plan
    answers = [call.answer.features().answers for call in calls]
    at = [moment for call in calls for moment in [call.answer.at] * len(call.answer)]
    entities = {
        name: pa.concat_arrays([_array(call.entities[name], to_arrow(type_)) for call in calls])
        for name, type_ in plan.keys.items()
    }
    return ServedRows(
        plan.model,
        asked.endpoint,
        asked.feature_set,
        tuple(column.on for column in plan.columns),
        pa.array(at, pa.int64()).cast(_MOMENT),
        pa.table(entities),
        tuple(column[0].joined(column[1:]) for column in zip(*answers, strict=True)),
    )


def _array(values: KeyValues, type_: pa.DataType) -> pa.Array[Any]:
    array: pa.Array[Any] = pa.array(values)  # type: ignore[arg-type]  # every form of `KeyValues` is one that Arrow takes
    return array if array.type == type_ else array.cast(type_)
