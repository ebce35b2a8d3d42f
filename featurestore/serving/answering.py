"""A gRPC server over a store that is open: its services behind one gate, health, reflection, and a graceful end."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from featurestore.errors import UnavailableError
from featurestore.model.serving import ServingSettings
from featurestore.serving import control_service, push_service
from featurestore.serving.access import Access
from featurestore.serving.answer_log import AnswerLog
from featurestore.serving.control_service import Operations
from featurestore.serving.gate import Gate
from featurestore.serving.health import Health, reflection_handler
from featurestore.serving.meter import Meter
from featurestore.serving.pool import CallPool
from featurestore.serving.protocol import CONTROL, PUSH, SERVICE
from featurestore.serving.push_service import Pushes
from featurestore.serving.service import OnlineReads, handler
from featurestore.serving.tls import server_credentials
from featurestore.serving.tracing import start_tracing

__all__ = ["WorkerOptions", "answer_from"]

_TEND_SECONDS = 0.1
_SAVE_SECONDS = 1.0
_MOST_THREADS = 256
"""Of one worker, while callers keep the others waiting."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is told.

    Attributes
    ----------
    store_path
        Folder or .toml of the store; None finds it as `open_store` does.
    address
        `host:port`, with a port that the listener holds.
    settings
        How it behaves; its address, number of workers and metrics' address are the supervisor's business.
    counters
        File for what it counts; None: nowhere.
    """

    store_path: str | None
    address: str
    settings: ServingSettings = field(default_factory=ServingSettings)
    counters: str | None = None

    @property
    def writable(self) -> bool:
        """Whether callers may change the store."""
        return self.settings.writable


def answer_from(
    store: OnlineReads,
    options: WorkerOptions,
    *,
    stop: threading.Event,
    ready: Callable[[], None] | None = None,
    operations: Operations | None = None,
    pushes: Pushes | None = None,
    answer_log: AnswerLog | None = None,
) -> None:
    """Serve until `stop` is set, then drain: refuse new calls and let those in flight end. The store stays open.

    Parameters
    ----------
    operations
        The store, where it answers operators too; None leaves `ControlService` away.
    pushes
        The store, where it takes pushed rows; None leaves `PushService` away.
    answer_log
        Keeps a sample of what is answered.

    Raises
    ------
    UnavailableError
        If the address cannot be listened on.
    ConfigError
        If the files of credentials or certificates cannot be used.
    """
    settings = options.settings
    access, meter, tracing = Access(settings), Meter(options.counters), start_tracing(settings)
    pool = CallPool(settings.threads, most=_MOST_THREADS, name="serve")
    handlers = [handler(store, meter=meter, answer_log=answer_log, max_entities=settings.max_entities)]
    services = [SERVICE]
    if operations is not None:
        handlers.append(control_service.handler(operations, writable=options.writable, identity=access.name))
        services.append(CONTROL)
    if pushes is not None:
        handlers.append(push_service.handler(pushes))
        services.append(PUSH)
    health = Health(*services)
    gate = Gate(
        [*handlers, health.handler(), reflection_handler(*services)],
        access=access,
        meter=meter,
        pool=pool,
        settings=settings,
        traced=None if tracing is None else tracing.traced,
    )
    server = grpc.server(
        pool, handlers=[gate], options=_grpc_options(settings), compression=grpc.Compression.NoCompression
    )
    try:
        _listen(server, options)
        server.start()
        if ready is not None:
            ready()
        saved = 0.0
        while not stop.wait(_TEND_SECONDS):  # a signal that arrives just before a wait without end does not end it
            pool.tend(settings.receive_seconds)
            health.tend(settings.receive_seconds)
            if time.monotonic() - saved >= _SAVE_SECONDS:
                saved = time.monotonic()
                access.refresh()
                meter.save(**_state(pool, answer_log))
    finally:
        health.drain()
        server.stop(settings.grace).wait()
        pool.shutdown()
        health.close()
        meter.save()
        if tracing is not None:
            tracing.close()


def _state(pool: CallPool, answer_log: AnswerLog | None) -> dict[str, float]:
    """Return how the worker stands; `monitoring.py` says what the names mean."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    resident = pages * resource.getpagesize()
    return {
        "calls_in_flight": pool.running,
        "calls_queued": pool.queued,
        "answer_rows_logged": answer_log.written if answer_log else 0,
        "answer_rows_dropped": answer_log.dropped if answer_log else 0,
        "worker_resident_bytes": resident,
    }


def _listen(server: grpc.Server, options: WorkerOptions) -> None:
    credentials = server_credentials(options.settings)
    try:
        if credentials is None:
            server.add_insecure_port(options.address)
        else:
            server.add_secure_port(options.address, credentials)
    except RuntimeError as error:
        message = f"cannot listen on {options.address}: {error}"
        raise UnavailableError(message) from error


def _grpc_options(settings: ServingSettings) -> list[tuple[str, int]]:
    """Return gRPC's options: what a connection and its calls may take, and when a connection is closed."""
    options = [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", settings.max_answer_bytes),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),  # the other is refused at random above it
        ("grpc.max_concurrent_streams", settings.max_streams),
        ("grpc.keepalive_time_ms", round(1000 * settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # clients that ping more often are cut off
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.server_handshake_timeout_ms", 20_000),
    ]
    if settings.max_connection_seconds:
        options.append(("grpc.max_connection_age_ms", round(1000 * settings.max_connection_seconds)))
        options.append(("grpc.max_connection_age_grace_ms", round(1000 * settings.grace)))
    return options
