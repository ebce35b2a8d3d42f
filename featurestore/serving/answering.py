"""A gRPC server over a store that is open: the service, health, reflection, and a graceful end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from featurestore.errors import UnavailableError
from featurestore.serving.protocol import LIMITS, SERVICE
from featurestore.serving.service import OnlineReads, handler

__all__ = ["WorkerOptions", "answer_from"]


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
    """

    store_path: str | None
    address: str
    threads: int
    grace: float


def answer_from(
    store: OnlineReads, options: WorkerOptions, *, stop: threading.Event, ready: Callable[[], None] | None = None
) -> None:
    """Serve until `stop` is set, then drain: refuse new calls and let those in flight end. The store stays open.

    Raises
    ------
    UnavailableError
        If the address cannot be listened on.
    """
    server, checks = _server(store, options)
    server.start()
    try:
        if ready is not None:
            ready()
        stop.wait()
    finally:
        checks.enter_graceful_shutdown()
        server.stop(options.grace).wait()


def _server(store: OnlineReads, options: WorkerOptions) -> tuple[grpc.Server, health.HealthServicer]:
    server = grpc.server(
        ThreadPoolExecutor(options.threads, thread_name_prefix="serve"),
        options=[*LIMITS, ("grpc.so_reuseport", 1)],
        compression=grpc.Compression.NoCompression,
    )
    server.add_generic_rpc_handlers((handler(store),))
    # A watcher of health stays: it must not hold one of the few threads that answer.
    checks = health.HealthServicer(
        experimental_non_blocking=True,
        experimental_thread_pool=ThreadPoolExecutor(1, thread_name_prefix="health"),
    )
    for name in ("", SERVICE):
        checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        server.add_insecure_port(options.address)
    except RuntimeError as error:
        message = f"cannot listen on {options.address}: {error}"
        raise UnavailableError(message) from error
    return server, checks
