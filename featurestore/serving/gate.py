"""The one way in: every call of every service passes here, whoever wrote its handler.

gRPC asks for a method's handler as soon as a call's headers are there. That is where credentials and the length of the
queue are looked at, so a call that is refused costs no thread and its message is never read. What is let in is taken
as bytes, parsed on its own thread, timed, counted, and, if it changes something, recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.protobuf.message import DecodeError

from featurestore.errors import AuthenticationError, FeatureStoreError, OverloadedError, PermissionDeniedError
from featurestore.serving.access import OPEN, role_of
from featurestore.serving.meter import views_of_call
from featurestore.serving.methods import fail
from featurestore.serving.pool import CallPool
from featurestore.serving.status import code_of, header_of, text_of

if TYPE_CHECKING:
    from featurestore.model.serving import ServingSettings
    from featurestore.serving.access import Access
    from featurestore.serving.meter import Latency, Meter

__all__ = ["AUDIT", "Gate"]

AUDIT = logging.getLogger("featurestore.audit")
"""A line for every call that may change something."""

_calls = logging.getLogger("featurestore.access")

_RETRY_MILLISECONDS = 100
_PUSHBACK = "grpc-retry-pushback-ms"

Behaviour = Callable[..., Any]
"""A method as gRPC calls it: with a message (or an iterator of them), a context, and for some a function that sends."""


@dataclass(frozen=True, slots=True)
class _Door:
    """One method: the role it needs, where its calls wait, and its handler, wrapped."""

    role: str
    pool: CallPool | None
    handler: grpc.RpcMethodHandler[Any, Any]


class Gate(grpc.GenericRpcHandler):
    """The handler of all methods of some handlers.

    Parameters
    ----------
    handlers
        Of the services.
    access
        Says who may call what.
    meter
        Counts.
    pool
        The server's own; methods that bring another keep it.
    settings
        Limits, and whether every call is logged.
    traced
        Makes of a method's behaviour one that is traced; None traces nothing.
    """

    def __init__(
        self,
        handlers: Iterable[grpc.GenericRpcHandler],
        *,
        access: Access,
        meter: Meter,
        pool: CallPool,
        settings: ServingSettings,
        traced: Callable[[Behaviour, str], Behaviour] | None = None,
    ) -> None:
        self._handlers = tuple(handlers)
        self._access = access
        self._meter = meter
        self._pool = pool
        self._most_queued = settings.max_queue
        self._access_log = settings.access_log
        self._traced = traced
        self._doors: dict[str, _Door] = {}
        self._refusals: dict[tuple[grpc.StatusCode, str], grpc.RpcMethodHandler[Any, Any]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a call: the method's, or one that refuses it; None if there is no such method."""
        method = handler_call_details.method
        door = self._doors.get(method) or self._find(handler_call_details)
        if door is None:
            return None
        if door.role:
            refused = self._access.refuses(handler_call_details.invocation_metadata, door.role)
            if refused is None and door.pool is not None and door.pool.queued >= self._most_queued:
                refused = grpc.StatusCode.RESOURCE_EXHAUSTED
            if refused is not None:
                self._meter.latency(method, refused.name).observe(0.0)
                return self._refusal(refused, door.role)
        return door.handler

    def _find(self, details: grpc.HandlerCallDetails) -> _Door | None:
        for handler in self._handlers:
            found = handler.service(details)
            if found is not None:
                door = self._doors[details.method] = self._door(details.method, found)
                return door
        return None

    def _door(self, method: str, inner: grpc.RpcMethodHandler[Any, Any]) -> _Door:
        """Return a method's door. Its handler streams requests, even if there is one: that one is then taken here."""
        given: Any = inner  # gRPC's types do not name the attributes
        kind = f"{'stream' if given.request_streaming else 'unary'}_{'stream' if given.response_streaming else 'unary'}"
        behaviour = getattr(given, kind)
        own = getattr(behaviour, "experimental_thread_pool", None)
        pool = own if isinstance(own, CallPool) else self._pool
        sends = getattr(behaviour, "experimental_non_blocking", False)
        role = role_of(method)
        if self._traced is not None and role != OPEN:
            behaviour = self._traced(behaviour, method)
        take = _taker(given.request_deserializer, pool, streams=given.request_streaming)
        wrap = self._timed_stream if given.response_streaming and not sends else self._timed
        timed: Any = wrap(method, role, take, behaviour)
        if own is not None:
            timed.experimental_thread_pool = own
        timed.experimental_non_blocking = sends
        make = (
            grpc.stream_stream_rpc_method_handler if given.response_streaming else grpc.stream_unary_rpc_method_handler
        )
        handler: Any = make(timed, response_serializer=given.response_serializer)
        return _Door(role, None if own is not None and own is not pool else pool, handler)

    def _timed(self, method: str, role: str, take: Behaviour, behaviour: Behaviour) -> Behaviour:
        observed, guard = self._observer(method, role), self._guard(role)

        def call(messages: Iterator[bytes], context: grpc.ServicerContext, *send: Any) -> Any:  # noqa: ANN401
            with observed(context) as timer:
                if guard is not None:
                    guard(context)
                message = take(messages, context)
                timer.start()
                return behaviour(message, context, *send)

        return call

    def _timed_stream(self, method: str, role: str, take: Behaviour, behaviour: Behaviour) -> Behaviour:
        observed, guard = self._observer(method, role), self._guard(role)

        def call(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
            with observed(context) as timer:
                if guard is not None:
                    guard(context)
                message = take(messages, context)
                timer.start()
                yield from behaviour(message, context)

        return call

    def _observer(self, method: str, role: str) -> Callable[[grpc.ServicerContext], _Observed]:
        latency, record = self._meter.latency, self._recorder(method, role)
        return lambda context: _Observed(method, context, latency, record)

    def _guard(self, role: str) -> Callable[[grpc.ServicerContext], None] | None:
        """Return what ends a call whose caller's certificate does not do; None where callers show none."""
        if not self._access.by_certificate or role == OPEN:
            return None

        def guard(context: grpc.ServicerContext) -> None:
            refused = self._access.refuses_peer(context, role)
            if refused is not None:
                fail(context, _error(refused, role))

        return guard

    def _recorder(self, method: str, role: str) -> Callable[[str, float, grpc.ServicerContext], None] | None:
        """Return what logs a call once it has ended; None for what is not logged."""
        changes = role not in {OPEN, "read"}
        if not changes and not self._access_log:
            return None
        log = AUDIT if changes else _calls

        def record(code: str, seconds: float, context: grpc.ServicerContext) -> None:
            caller = self._access.name(context)
            fields = {"method": method, "caller": caller, "peer": context.peer(), "code": code, "seconds": seconds}
            log.info("%s by %s from %s: %s in %.4f s", method, caller, fields["peer"], code, seconds, extra=fields)

        return record

    def _refusal(self, code: grpc.StatusCode, role: str) -> grpc.RpcMethodHandler[Any, Any]:
        key = code, role
        found = self._refusals.get(key)
        if found is None:
            refuse: Any = _Refuse(_error(code, role))
            found = self._refusals[key] = grpc.stream_unary_rpc_method_handler(refuse)
        return found


class _Observed:
    """One call, from when its message is there until its end: counted, and recorded if it is to be."""

    __slots__ = ("_context", "_latency", "_method", "_record", "_started")

    def __init__(
        self,
        method: str,
        context: grpc.ServicerContext,
        latency: Callable[[str, str, str], Latency],
        record: Callable[[str, float, grpc.ServicerContext], None] | None,
    ) -> None:
        self._method = method
        self._context = context
        self._latency = latency
        self._record = record

    def start(self) -> None:
        """Count from now on: until here the server waited for the caller."""
        self._started = perf_counter()

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        seconds = perf_counter() - self._started
        code = "OK" if error is None else _code(error, self._context)
        self._latency(self._method, code, views_of_call.get()).observe(seconds)
        if self._record is not None:
            self._record(code, seconds, self._context)


class _Here(ThreadPoolExecutor):
    """Runs a task where it is submitted. For what waits for nobody."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Any:  # noqa: ANN401 - gRPC's tasks
        fn(*args)


class _Refuse:
    """Ends a call at once, on the server's own thread, without a look at its message."""

    experimental_thread_pool = _Here(1)
    experimental_non_blocking = False

    def __init__(self, error: FeatureStoreError) -> None:
        self._code, self._text = code_of(error), text_of(error)
        hint = ((_PUSHBACK, str(_RETRY_MILLISECONDS)),) if isinstance(error, OverloadedError) else ()
        self._trailing = (*header_of(error), *hint)

    def __call__(self, _messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata(self._trailing)
        context.abort(self._code, self._text)


def _error(code: grpc.StatusCode, role: str) -> FeatureStoreError:
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return AuthenticationError(
            "the call's credentials are missing, wrong or expired: send a token that the server knows (token=...)."
        )
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return PermissionDeniedError(
            f"this call needs the role {role!r}: use credentials that have it, or ask the server's operator for it."
        )
    return OverloadedError(
        f"the server has as many calls waiting as it takes: try again in {_RETRY_MILLISECONDS} ms, and more slowly."
    )


def _taker(read: Callable[[bytes], Any] | None, pool: CallPool, *, streams: bool) -> Behaviour:
    """Return what takes a call's message, or the iterator of its messages, parsed."""
    if streams:
        return lambda messages, _context: messages if read is None else map(read, messages)
    wait, parse = pool.first, read or bytes

    def take(messages: Iterator[bytes], context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - a message
        data = wait(messages, context)
        if data is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a message: send exactly one.")
        try:
            return parse(data)
        except DecodeError:
            text = "the message is not what this method takes: make it with code generated from the server's .proto."
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)

    return take


def _code(error: BaseException, context: Any) -> str:  # noqa: ANN401 - gRPC's types leave `code` out
    code = context.code()
    if code is not None:
        return str(code.name)
    return "CANCELLED" if isinstance(error, grpc.RpcError) else "UNKNOWN"
