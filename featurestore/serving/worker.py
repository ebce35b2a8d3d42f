"""One serving process: it opens the store, answers from it, and ends when told or when its parent is gone.

`python -m featurestore.serving.worker` is what the supervisor starts. It is a fresh interpreter, never a fork: gRPC and
LMDB must be opened in the process that uses them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurestore.config import load
from featurestore.errors import FeatureStoreError
from featurestore.model.serving import ServingSettings
from featurestore.serving.answer_log import AnswerLog
from featurestore.serving.answering import WorkerOptions, answer_from
from featurestore.serving.logs import log_to_stderr
from featurestore.store import FeatureStore

__all__ = ["command", "run", "stop_signals"]

FOLLOW_SECONDS = 0.05
"""Seconds between two looks at the catalog: how old what a worker answers from may be, resolving it anew aside."""


def run(options: WorkerOptions, *, stop: threading.Event, ready: Callable[[], None] | None = None) -> None:
    """Serve until `stop` is set, then drain: refuse new calls, let those in flight end, close the store.

    Raises
    ------
    UnavailableError
        If the address cannot be listened on.
    FeatureStoreError
        If the store cannot be opened.
    """
    pa.array([0])  # which imports pandas, where there is one: now, and not while the first caller waits
    root, settings = load(options.store_path, create=False)
    with (
        FeatureStore(root, settings, read_only=not options.writable) as store,
        store.following(FOLLOW_SECONDS),
        _answer_log(root, options.settings) as answer_log,
    ):
        pushes = store if options.writable else None
        answer_from(store, options, stop=stop, ready=ready, operations=store, pushes=pushes, answer_log=answer_log)


@contextmanager
def _answer_log(root: Path, settings: ServingSettings) -> Iterator[AnswerLog | None]:
    """Keep answers within the block, if any are to be kept."""
    if not settings.log_answers:
        yield None
        return
    answer_log = AnswerLog(root, settings.log_answers, most_bytes=settings.log_answers_bytes)
    try:
        yield answer_log
    finally:
        answer_log.close()


@contextmanager
def stop_signals(stop: threading.Event, *, patient: bool = False) -> Iterator[None]:
    """Set `stop` at SIGTERM or SIGINT. Does nothing outside the main thread, which alone hears signals.

    Parameters
    ----------
    stop
        What to set.
    patient
        False: a second signal does what it did before, so that a person can end what will not drain. True: it changes
        nothing, for a worker, which may hear of one end from the terminal, the init system and its supervisor.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        while before:
            number, previous = before.popitem()
            signal.signal(number, previous)

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()
        if not patient:
            restore()

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()


# ------------------------------------------------------------------------------------------------- as a process


def command(options: WorkerOptions, report_to: int) -> list[str]:
    """Return the command line of a worker that reports through the file descriptor `report_to`."""
    return [sys.executable, "-m", __name__, json.dumps(asdict(options)), str(report_to)]


def main(arguments: list[str]) -> int:
    """Run as the supervisor's child: say `ready`, or why not, in one line of JSON; stop when standard input ends."""
    options = _options(json.loads(arguments[0]))
    log_to_stderr(options.settings.log_format)
    stop = threading.Event()
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    with os.fdopen(int(arguments[1]), "w", encoding="utf-8") as report:

        def say(**said: str) -> None:
            print(json.dumps(said), file=report, flush=True)

        try:
            with stop_signals(stop, patient=True):
                run(options, stop=stop, ready=lambda: say(state="ready"))
        except FeatureStoreError as error:
            say(state="failed", error=type(error).__name__, text=str(error))
            return 1
    return 0


def _options(told: dict[str, Any]) -> WorkerOptions:
    settings = told.pop("settings")
    if settings["anonymous"] is not None:
        settings["anonymous"] = tuple(settings["anonymous"])
    return WorkerOptions(**told, settings=ServingSettings(**settings))


def _stop_with_parent(stop: threading.Event) -> None:
    """Set `stop` when the supervisor is gone: it holds the other end of standard input and writes nothing to it."""
    while os.read(0, 1024):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
