"""`ControlService`, answered by a store: what operators ask and change, on threads that no read waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import local
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.message import Message

from featurestore.catalog.database import acting_as
from featurestore.errors import RequestError, UnavailableError
from featurestore.model.times import from_micros
from featurestore.serving.control_codec import encode
from featurestore.serving.methods import unary
from featurestore.serving.protocol import CONTROL
from featurestore.serving.v1 import control_pb2 as pb

if TYPE_CHECKING:
    from featurestore.lineage.consumers import Consumers
    from featurestore.lineage.history import ActiveVersion
    from featurestore.lineage.status import Status
    from featurestore.model.history import Activation, Generation
    from featurestore.operations.context import Progress
    from featurestore.operations.rollback import Rollback

__all__ = ["ROLES", "Operations", "handler"]

ROLES: dict[str, str] = {
    f"/{CONTROL}/{method}": role
    for role, methods in {
        "read": ("List", "ListActivations", "Consumers", "ActiveAt"),
        "operate": ("Publish", "Activate", "Rollback"),
    }.items()
    for method in methods
}
"""What a caller must be allowed, by the full name of the method."""

ANONYMOUS = "anonymous"
"""Who acts where callers do not say who they are."""

_THREADS = 4
_PROGRESS_SECONDS = 0.2
"""Between two messages of progress."""

_Send = Callable[["pb.PublishResponse | None"], None]
_Identity = Callable[[grpc.ServicerContext], str]


class Operations(Protocol):
    """What the service needs of a store; `FeatureStore` has it. Called from several threads."""

    def status(self) -> Status:
        """Return the state of every view, model and endpoint."""
        ...

    def activations(self, view: object) -> list[Activation]:
        """Return every move of a view's pointers."""
        ...

    def consumers(self, node: object, *, live: bool = False) -> Consumers:
        """Return who reads a node."""
        ...

    def active_at(self, pointer: object, at: datetime | None = None, endpoint: str | None = None) -> ActiveVersion:
        """Return which version was active."""
        ...

    def publish(self, reference: object, snapshot: str | None = None, at: datetime | None = None) -> Generation:
        """Put a version's newest rows online."""
        ...

    def activate(self, *references: object, reason: str = "", endpoint: str | None = None) -> Sequence[Activation]:
        """Move pointers."""
        ...

    def rollback(
        self,
        pointer: object,
        *,
        to: object = None,
        endpoint: str | None = None,
        reason: str = "",
        dry_run: bool = False,
        expect: object = None,
    ) -> Rollback:
        """Return a pointer to an earlier version."""
        ...

    def report_progress(self, progress: Progress) -> None:
        """Say where long work reports."""
        ...


def handler(
    store: Operations, *, writable: bool, identity: _Identity = lambda _context: ANONYMOUS
) -> grpc.GenericRpcHandler:
    """Return the handler of all methods; those that change something only where the store is `writable`.

    Parameters
    ----------
    identity
        Who makes a call: the actor of what it changes.
    """
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="control")
    methods: dict[str, Callable[[Any], bytes]] = {
        "List": lambda _: _bytes(store.status(), pb.ListResponse),
        "ListActivations": lambda asked: _activations(store.activations(asked.view), pb.ListActivationsResponse),
        "Consumers": lambda asked: _bytes(store.consumers(asked.node, live=asked.live), pb.ConsumersResponse),
        "ActiveAt": lambda asked: _bytes(
            store.active_at(asked.pointer, _time(asked), asked.endpoint or None), pb.ActiveAtResponse
        ),
    }
    if writable:
        methods |= {
            "Activate": lambda asked: _activations(
                store.activate(*asked.references, reason=asked.reason, endpoint=asked.endpoint or None),
                pb.ActivateResponse,
            ),
            "Rollback": lambda asked: _bytes(_rollback(store, asked), pb.RollbackResponse),
        }
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(_Method(_guarded(answer), pool, identity), _request(name).FromString)
        for name, answer in methods.items()
    }
    if writable:
        publisher = _Publisher(store)
        handlers["Publish"] = grpc.unary_stream_rpc_method_handler(
            _Method(publisher, pool, identity, streams=True),
            pb.PublishRequest.FromString,
            pb.PublishResponse.SerializeToString,
        )
    return grpc.method_handlers_generic_handler(CONTROL, handlers)


class _Method:
    """A method in a pool of its own (gRPC finds it by the attribute's name), whose changes are its caller's."""

    def __init__(
        self, method: Callable[..., Any], pool: ThreadPoolExecutor, identity: _Identity, *, streams: bool = False
    ) -> None:
        self._method = method
        self._identity = identity
        self.experimental_thread_pool = pool
        self.experimental_non_blocking = streams  # the method gets a function that sends

    def __call__(self, message: Any, context: grpc.ServicerContext, *send: _Send) -> Any:  # noqa: ANN401 - of any method
        with acting_as(self._identity(context)):
            return self._method(message, context, *send)


class _Publisher:
    """Publishes, and tells each caller of the progress of his own publish: one runs in a thread."""

    def __init__(self, store: Operations) -> None:
        self._store = store
        self._here = local()
        store.report_progress(self._report)

    def __call__(self, asked: pb.PublishRequest, context: grpc.ServicerContext, send: _Send) -> None:
        def publish(_asked: pb.PublishRequest) -> bytes:
            generation = self._store.publish(asked.version, asked.snapshot or None, _time(asked))
            send(pb.PublishResponse(generation=encode(generation, pb.Generation)))
            send(None)
            return b""

        self._here.tell = _teller(context, send)
        try:
            _guarded(publish)(asked, context)
        finally:
            del self._here.tell

    def _report(self, what: str, done: int, total: int | None) -> None:
        tell = getattr(self._here, "tell", None)
        if tell is not None:
            tell(what, done, total)


def _teller(context: grpc.ServicerContext, send: _Send) -> Progress:
    """Return what sends a publish's progress, now and then, and ends a publish that nobody waits for."""
    last = 0.0

    def tell(what: str, done: int, total: int | None) -> None:
        nonlocal last
        if not context.is_active():
            message = "the caller has gone: nothing was published."
            raise UnavailableError(message)
        if time.monotonic() - last >= _PROGRESS_SECONDS:
            send(pb.PublishResponse(progress=pb.PublishProgress(what=what, done=done, total=total)))
            last = time.monotonic()

    return tell


def _guarded(answer: Callable[[Any], bytes]) -> Callable[[Any, grpc.ServicerContext], bytes]:
    """Return the behaviour of a unary method: whatever `answer` raises leaves as a status."""
    behaviour: Any = unary(answer, bytes).unary_unary
    return behaviour  # type: ignore[no-any-return]  # gRPC's types allow for none


def _request(method: str) -> Any:  # noqa: ANN401 - the class of the method's request
    return getattr(pb, f"{method}Request")


def _bytes(value: object, message: type[Message]) -> bytes:
    return encode(value, message).SerializeToString()


def _activations(moves: Sequence[Activation], message: type[pb.ActivateResponse | pb.ListActivationsResponse]) -> bytes:
    return message(activations=[encode(move, pb.Activation) for move in moves]).SerializeToString()


def _rollback(store: Operations, asked: pb.RollbackRequest) -> Rollback:
    return store.rollback(
        asked.pointer,
        to=asked.to or None,
        endpoint=asked.endpoint or None,
        reason=asked.reason,
        dry_run=asked.dry_run,
        expect=asked.expect or None,
    )


def _time(asked: pb.ActiveAtRequest | pb.PublishRequest) -> datetime | None:
    if not asked.HasField("at"):
        return None
    try:
        return from_micros(asked.at)
    except OverflowError:
        message = f"at={asked.at} is no time between the years 1 and 9999: send microseconds since 1970-01-01 UTC."
        raise RequestError(message) from None
