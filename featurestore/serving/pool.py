"""Threads that answer calls: a few, and more only while callers keep some of them waiting for their bytes.

gRPC's Python server gives a call to a thread as soon as its headers are there, and the thread then waits for the
message. With a fixed number of threads, as many callers who send headers and nothing else would stop a server. Here a
thread that waits for a caller does not count: another takes its place, and a caller who takes too long is cut off.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import grpc

__all__ = ["CallPool"]

_SLOW_SECONDS = 0.05

_log = logging.getLogger(__name__)


class CallPool(ThreadPoolExecutor):
    """An executor for gRPC's server alone: nobody asks how a task ended, so there are no futures.

    Parameters
    ----------
    threads
        Tasks that run at once, those aside that wait for their callers.
    most
        Threads at most.
    name
        Of the threads.
    """

    def __init__(self, threads: int, *, most: int, name: str) -> None:  # the parent's state is not used
        self._tasks: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._wanted = threads
        self._most = most
        self._name = name
        self._running = 0
        self._lock = threading.Lock()
        self._busy: dict[int, bool] = {}
        self._waiting: dict[grpc.ServicerContext, float] = {}
        self._resize(threads)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Any:  # noqa: ANN401 - gRPC's tasks
        """Run a task when a thread is free."""
        self._tasks.put((fn, args))

    @property
    def queued(self) -> int:
        """Tasks that no thread has begun."""
        return self._tasks.qsize()

    @property
    def running(self) -> int:
        """Tasks that a thread has begun."""
        return sum(list(self._busy.values()))

    def first(self, messages: Iterator[Any], context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any message
        """Return a call's first message, or None if it ended without one; the thread waits for the caller."""
        self._waiting[context] = time.monotonic()
        try:
            return next(messages, None)
        finally:
            del self._waiting[context]

    def tend(self, receive_seconds: float) -> None:
        """Cut off callers who take longer than this to send what they announced; replace threads that wait for others.

        To be called every few tens of milliseconds.
        """
        now = time.monotonic()
        slow = 0
        for context, since in list(self._waiting.items()):
            if now - since > receive_seconds:
                context.cancel()
            slow += now - since > _SLOW_SECONDS
        self._resize(min(self._wanted + slow, self._most))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the parent's
        """End the threads once the tasks before have been run."""
        self._resize(0)

    def _resize(self, threads: int) -> None:
        with self._lock:
            while self._running < threads:
                self._running += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            while self._running > threads:
                self._running -= 1
                self._tasks.put(None)  # whichever thread takes it ends

    def _work(self) -> None:
        busy, me = self._busy, threading.get_ident()
        while (task := self._tasks.get()) is not None:
            busy[me] = True
            function, arguments = task
            try:
                function(*arguments)
            except Exception:  # noqa: BLE001 - a thread that ended would be missing for good
                _log.exception("a call's thread failed")
            busy[me] = False
            del task, function, arguments  # a call's memory is not kept until the next one comes
        busy.pop(me, None)
