"""`serve`: answer online reads on one address until told to stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from featurestore.errors import RequestError
from featurestore.serving.answering import WorkerOptions
from featurestore.serving.listener import Listener, bind
from featurestore.serving.supervisor import Supervisor
from featurestore.serving.worker import run, stop_signals

__all__ = ["DEFAULT_ADDRESS", "serve"]

DEFAULT_ADDRESS = "127.0.0.1:6566"

Ready = Callable[[str, tuple[int, ...]], None]


def serve(
    store_path: str | os.PathLike[str] | None = None,
    address: str = DEFAULT_ADDRESS,
    *,
    workers: int | None = 1,
    threads: int = 4,
    grace: float = 10.0,
    writable: bool = False,
    ready: Ready | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve a store until SIGTERM, SIGINT or `stop`; then drain and return.

    Parameters
    ----------
    store_path
        Folder or .toml of the store; None finds it as `open_store` does. Each worker opens it.
    address
        `host:port`; port 0 takes a free one.
    workers
        Processes on that port; None takes one per core. One runs in this process; several are fresh processes, and one
        that dies is replaced.
    threads
        Calls that each worker answers at once.
    grace
        Seconds that calls in flight have to end.
    writable
        Whether callers may change the store, through the methods that write. Otherwise it is opened read-only, and they
        are not there.
    ready
        Called once, when every worker serves, with the address (the port as a number) and the workers' process ids.
    stop
        For a caller that is not the main thread, which signals do not reach: set it to end.

    Raises
    ------
    RequestError
        If the address or the number of workers is none.
    UnavailableError
        If the address is taken.
    FeatureStoreError
        If the store cannot be opened.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    if workers < 1 or threads < 1:
        message = f"workers={workers}, threads={threads}: both are 1 or more."
        raise RequestError(message)
    listener = bind(address)
    path = None if store_path is None else os.fspath(store_path)
    options = WorkerOptions(path, listener.address, threads, grace, writable)
    stop = stop or threading.Event()
    try:
        with stop_signals(stop):
            if workers == 1:
                pids = (os.getpid(),)
                run(options, stop=stop, ready=None if ready is None else lambda: ready(listener.address, pids))
            else:
                _supervise(Supervisor(options, workers), listener, ready=ready, stop=stop)
    finally:
        listener.close()


def _supervise(supervisor: Supervisor, listener: Listener, *, ready: Ready | None, stop: threading.Event) -> None:
    supervisor.start()
    try:
        if ready is not None:
            ready(listener.address, supervisor.pids)
        supervisor.watch(stop)
    finally:
        supervisor.stop()
