"""`serve`: answer online reads on one address until told to stop."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from featurestore.config import load_serving
from featurestore.model.serving import ServingSettings
from featurestore.serving.answering import WorkerOptions
from featurestore.serving.listener import bind
from featurestore.serving.monitoring import serve_metrics
from featurestore.serving.supervisor import Supervisor
from featurestore.serving.worker import stop_signals
from featurestore.store import open_store

__all__ = ["DEFAULT_ADDRESS", "serve"]

DEFAULT_ADDRESS = ServingSettings().address


Ready = Callable[[str, tuple[int, ...]], None]

_log = logging.getLogger(__name__)


def serve(
    store_path: str | os.PathLike[str] | None = None,
    address: str | None = None,
    *,
    ready: Ready | None = None,
    stop: threading.Event | None = None,
    **changes: object,
) -> None:
    """Serve a store until SIGTERM, SIGINT or `stop`; then drain and return.

    The workers are fresh processes, also if there is one; one that dies is replaced.

    Parameters
    ----------
    store_path
        Folder or .toml of the store; None finds it as `open_store` does. Each worker opens it.
    address
        `host:port`; port 0 takes a free one. None: as configured.
    ready
        Called once, when every worker serves, with the address (the port as a number) and the workers' process ids.
    stop
        For a caller that is not the main thread, which signals do not reach: set it to end.
    changes
        Fields of `ServingSettings`, which win over what is configured.

    Raises
    ------
    ConfigError
        If a setting is not allowed, or a file that it names cannot be used.
    RequestError
        If an address is none.
    UnavailableError
        If an address is taken.
    FeatureStoreError
        If the store cannot be opened.
    """
    settings = load_serving(store_path, changes | {"address": address})
    path = None if store_path is None else os.fspath(store_path)
    stop = stop or threading.Event()
    with ExitStack() as stack:
        listener = bind(settings.address)
        stack.callback(listener.close)
        stack.enter_context(stop_signals(stop))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="featurestore-serving-")))
        count = settings.workers or len(os.sched_getaffinity(0))
        supervisor = Supervisor(WorkerOptions(path, listener.address, settings), count, folder)
        stack.callback(supervisor.stop)
        supervisor.start()
        stack.enter_context(_metrics(path, settings, supervisor, folder))
        if ready is not None:
            ready(listener.address, supervisor.pids)
        supervisor.watch(stop)


@contextmanager
def _metrics(path: str | None, settings: ServingSettings, supervisor: Supervisor, folder: Path) -> Iterator[None]:
    if settings.metrics_address is None:
        yield
        return
    with (
        open_store(path, read_only=True) as store,
        serve_metrics(settings.metrics_address, folder, supervisor.processes, store.status) as address,
    ):
        _log.info("metrics are on http://%s/metrics", address)
        yield
