"""Health and reflection, on threads of their own: neither watchers nor idle streams hold a thread that answers reads.

Health is written here because the servicer of grpcio-health-checking 1.85.1 sends to watchers while it holds the lock
that their ends need on the server's event thread: a client that watches and cancels can stop the whole server for good.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from featurestore.serving.pool import CallPool

__all__ = ["HEALTH", "Health", "reflection_handler"]

HEALTH: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_new: Any = health_pb2  # the stubs do not know `List` yet

_THREADS = 2
_MOST_THREADS = 64
_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
_NOT_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
_UNKNOWN = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)

_Send = Callable[[Any], None]
"""Sends a message, and waits until it is gone; None ends the stream."""


class _InPool:
    """A method that runs in a pool of its own, which gRPC finds by the attribute's name."""

    def __init__(self, method: Callable[..., Any], pool: ThreadPoolExecutor, *, streams: bool = False) -> None:
        self._method = method
        self.experimental_thread_pool = pool
        self.experimental_non_blocking = streams  # the method gets a function that sends, and may return before the end

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - of any method
        return self._method(*arguments)


class Health:
    """`grpc.health.v1.Health`: every service is SERVING until `drain`, and NOT_SERVING from then on.

    Parameters
    ----------
    services
        Names of the services; the empty one, the server as a whole, is known too.
    """

    def __init__(self, *services: str) -> None:
        self._services = {"", *services}
        self._pool = CallPool(_THREADS, most=_MOST_THREADS, name="health")
        self._lock = threading.Lock()  # nothing is sent under it
        self._watchers: set[_Send] = set()
        self._draining = False

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler of all methods."""
        read = health_pb2.HealthCheckRequest.FromString
        write = health_pb2.HealthCheckResponse.SerializeToString
        check = grpc.unary_unary_rpc_method_handler(_InPool(self._check, self._pool), read, write)
        watch = grpc.unary_stream_rpc_method_handler(_InPool(self._watch, self._pool, streams=True), read, write)
        every = grpc.unary_unary_rpc_method_handler(
            _InPool(self._list, self._pool),
            _new.HealthListRequest.FromString,
            _new.HealthListResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(HEALTH, {"Check": check, "List": every, "Watch": watch})

    def tend(self, receive_seconds: float) -> None:
        """See `CallPool.tend`: who sends half a question must not keep others from asking."""
        self._pool.tend(receive_seconds)

    def drain(self) -> None:
        """Tell every watcher, and whoever asks from now on, that nothing is served any more; end the watches."""
        with self._lock:
            self._draining = True
            watchers, self._watchers = self._watchers, set()
        for send in watchers:
            self._pool.submit(_end, send)

    def close(self) -> None:
        """End the threads, once the server has stopped."""
        self._pool.shutdown()

    def _check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._services:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r} here.")
        return _NOT_SERVING if self._draining else _SERVING

    def _list(self, _request: object, _context: object) -> Any:  # noqa: ANN401 - a message of `_new`
        state = _NOT_SERVING if self._draining else _SERVING
        return _new.HealthListResponse(statuses=dict.fromkeys(self._services, state))

    def _watch(self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext, send: _Send) -> None:
        send(_SERVING if request.service in self._services else _UNKNOWN)
        with self._lock:
            draining = self._draining
            self._watchers.add(send)
        if draining or not context.add_callback(lambda: self._forget(send)):
            self._forget(send)
            _end(send)

    def _forget(self, send: _Send) -> None:
        with self._lock:
            self._watchers.discard(send)


def _end(send: _Send) -> None:
    send(_NOT_SERVING)
    send(None)


def reflection_handler(*services: str) -> grpc.GenericRpcHandler:
    """Return the handler of `grpc.reflection.v1alpha.ServerReflection`."""
    servicer = reflection.ReflectionServicer((*services, HEALTH, reflection.SERVICE_NAME))
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="reflection")
    method = grpc.stream_stream_rpc_method_handler(
        _InPool(servicer.ServerReflectionInfo, pool),
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, {"ServerReflectionInfo": method})
