"""A gRPC server over a store that is open: the service, health, reflection, and a graceful end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc

from featurestore.errors import UnavailableError
from featurestore.serving import control_service, push_service
from featurestore.serving.control_service import Operations
from featurestore.serving.health import Health, reflection_handler
from featurestore.serving.protocol import CONTROL, LIMITS, PUSH, SERVICE
from featurestore.serving.push_service import Pushes
from featurestore.serving.service import OnlineReads, handler

__all__ = ["WorkerOptions", "answer_from"]

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is told.

    Attributes
    ----------
    store_path
        Folder or .toml of the store; None finds it as `open_store` does.
    address
        `host:port`, with a port that the listener holds.
    threads
        Calls that are answered at once.
    grace
        Seconds that calls in flight have to end when the worker stops.
    writable
        Whether callers may change the store: it is opened for writing, and the methods that write are there.
    """

    store_path: str | None
    address: str
    threads: int
    grace: float
    writable: bool = False


def answer_from(
    store: OnlineReads,
    options: WorkerOptions,
    *,
    stop: threading.Event,
    ready: Callable[[], None] | None = None,
    operations: Operations | None = None,
    pushes: Pushes | None = None,
) -> None:
    """Serve until `stop` is set, then drain: refuse new calls and let those in flight end. The store stays open.

    Parameters
    ----------
    operations
        The store, where it answers operators too; None leaves `ControlService` away.
    pushes
        The store, where it takes pushed rows; None leaves `PushService` away.

    Raises
    ------
    UnavailableError
        If the address cannot be listened on.
    """
    handlers = [handler(store)]
    services = [SERVICE]
    if operations is not None:
        handlers.append(control_service.handler(operations, writable=options.writable))
        services.append(CONTROL)
    if pushes is not None:
        handlers.append(push_service.handler(pushes))
        services.append(PUSH)
    health = Health(*services)
    server = grpc.server(
        ThreadPoolExecutor(options.threads, thread_name_prefix="serve"),
        handlers=[*handlers, health.handler(), reflection_handler(*services)],
        options=[*LIMITS, ("grpc.so_reuseport", 1)],
        compression=grpc.Compression.NoCompression,
    )
    try:
        server.add_insecure_port(options.address)
    except RuntimeError as error:
        message = f"cannot listen on {options.address}: {error}"
        raise UnavailableError(message) from error
    server.start()
    try:
        if ready is not None:
            ready()
        while not stop.wait(_POLL_SECONDS):  # a signal that arrives just before a wait without end does not end it
            pass
    finally:
        health.drain()
        server.stop(options.grace).wait()
