"""`client.control`: what operators ask of a server and change through it, with the store's own verbs and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from featurestore.errors import CorruptError
from featurestore.lineage.consumers import Consumers
from featurestore.lineage.history import ActiveVersion
from featurestore.lineage.status import Status
from featurestore.model.history import Activation, Generation
from featurestore.model.times import parse_time, to_micros
from featurestore.operations.context import Progress, silent
from featurestore.operations.rollback import Rollback
from featurestore.serving.calls import error_of, text_of_reference
from featurestore.serving.control_codec import decode
from featurestore.serving.protocol import CONTROL
from featurestore.serving.v1 import control_pb2 as pb

__all__ = ["AsyncControl", "Connection", "Control"]

Time = datetime | date | str | None
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Connection:
    """What a client lends its `control`.

    Attributes
    ----------
    channel
        A `grpc.Channel`, or a `grpc.aio.Channel`.
    address, timeout, metadata
        The client's. Nothing is tried again: a rollback that was answered by nobody may have happened.
    """

    channel: Any
    address: str
    timeout: float | None
    metadata: tuple[tuple[str, str], ...]

    def options(self, timeout: float | None) -> dict[str, Any]:
        """Return gRPC's options of one call."""
        return {"timeout": self.timeout if timeout is None else timeout, "metadata": self.metadata}


@dataclass(frozen=True, slots=True)
class _Call(Generic[Result]):
    """One call: the method, its request, and what its response (or the last of them) means."""

    method: str
    request: Any
    read: Callable[[Any], Result] = decode

    def on(self, channel: Any, kind: str = "unary_unary") -> Any:  # noqa: ANN401 - of either kind of channel
        """Return the method of a channel."""
        make = getattr(channel, kind)
        response = getattr(pb, f"{self.method}Response")
        return make(f"/{CONTROL}/{self.method}", type(self.request).SerializeToString, response.FromString)


def _moves(response: pb.ActivateResponse | pb.ListActivationsResponse) -> list[Activation]:
    return [decode(move) for move in response.activations]


def _micros(at: Time) -> int | None:
    return None if at is None else to_micros(parse_time(at, what="time (at=)"))


def _text(value: object) -> str:
    return "" if value is None else text_of_reference(value)


def _publish(reference: object, snapshot: object, at: Time) -> _Call[Generation]:
    identity = "" if snapshot is None else str(getattr(snapshot, "id", snapshot))
    request = pb.PublishRequest(version=_text(reference), snapshot=identity, at=_micros(at))
    return _Call("Publish", request, _published)


def _published(last: pb.PublishResponse | None) -> Generation:
    if last is None or not last.HasField("generation"):
        message = "the server ended the publish without a result: see its log, and what is online, with status()."
        raise CorruptError(message)
    generation: Generation = decode(last.generation)
    return generation


def _activate(references: Sequence[object], reason: str, endpoint: str | None) -> _Call[list[Activation]]:
    texts = [_text(reference) for reference in references]
    return _Call("Activate", pb.ActivateRequest(references=texts, reason=reason, endpoint=endpoint or ""), _moves)


def _rollback(
    pointer: object, to: object, endpoint: str | None, reason: str, *, dry_run: bool, expect: object
) -> _Call[Rollback]:
    return _Call(
        "Rollback",
        pb.RollbackRequest(
            pointer=_text(pointer),
            to=_version(to),
            endpoint=endpoint or "",
            reason=reason,
            dry_run=dry_run,
            expect=_version(expect),
        ),
    )


def _version(value: object) -> str:
    return f"v{value}" if type(value) is int else _text(value)


def _active_at(pointer: object, at: Time, endpoint: str | None) -> _Call[ActiveVersion]:
    return _Call("ActiveAt", pb.ActiveAtRequest(pointer=_text(pointer), at=_micros(at), endpoint=endpoint or ""))


def _activations(view: object) -> _Call[list[Activation]]:
    return _Call("ListActivations", pb.ListActivationsRequest(view=_text(view)), _moves)


def _consumers(node: object, *, live: bool) -> _Call[Consumers]:
    return _Call("Consumers", pb.ConsumersRequest(node=_text(node), live=live))


_STATUS: _Call[Status] = _Call("List", pb.ListRequest())


class Control:
    """A server's operator verbs; `client.control`.

    Every method raises what the store's raises, and `UnavailableError` or `DeadlineError` if no answer comes. Those
    that change something need a server that was started with `--writable`. A `timeout` counts in seconds; None is the
    client's.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def status(self, *, timeout: float | None = None) -> Status:
        """List every view with its versions, what is published and active; models; endpoints."""
        return self._call(_STATUS, timeout)

    def activations(self, view: object, *, timeout: float | None = None) -> list[Activation]:
        """Return every move of a view's pointers, oldest first."""
        return self._call(_activations(view), timeout)

    def consumers(self, node: object, *, live: bool = False, timeout: float | None = None) -> Consumers:
        """Return the models and endpoints that read a node, and the feature sets that name it."""
        return self._call(_consumers(node, live=live), timeout)

    def active_at(
        self, pointer: object, at: Time = None, endpoint: str | None = None, *, timeout: float | None = None
    ) -> ActiveVersion:
        """Return which version a pointer (`view`, `view:feature`) led to at a time."""
        return self._call(_active_at(pointer, at, endpoint), timeout)

    def publish(
        self,
        reference: object,
        snapshot: object = None,
        at: Time = None,
        *,
        progress: Progress = silent,
        timeout: float | None = None,
    ) -> Generation:
        """Put a version's newest rows online; meanwhile `progress(what, done, total)` is called.

        Leaving it early (a deadline, Ctrl-C) stops the publish: the rows online stay as they were, unless it was all
        but done.
        """
        call = _publish(reference, snapshot, at)
        held = self._connection
        stream = call.on(held.channel, "unary_stream")(call.request, **held.options(timeout))
        last = None
        try:
            for last in stream:
                _tell(progress, last)
        except grpc.RpcError as error:
            raise error_of(error, held.address) from error
        finally:
            stream.cancel()  # nothing to a call that has ended
        return call.read(last)

    def activate(
        self, *references: object, reason: str = "", endpoint: str | None = None, timeout: float | None = None
    ) -> list[Activation]:
        """Move pointers, several in one atomic change."""
        return self._call(_activate(references, reason, endpoint), timeout)

    def rollback(
        self,
        pointer: object,
        *,
        to: object = None,
        endpoint: str | None = None,
        reason: str = "",
        dry_run: bool = False,
        expect: object = None,
        timeout: float | None = None,
    ) -> Rollback:
        """Return the pointer of a view, or of one feature, to an earlier version; see `FeatureStore.rollback`."""
        call = _rollback(pointer, to, endpoint, reason, dry_run=dry_run, expect=expect)
        return self._call(call, timeout)

    def _call(self, call: _Call[Result], timeout: float | None) -> Result:
        held = self._connection
        try:
            response = call.on(held.channel)(call.request, **held.options(timeout))
        except grpc.RpcError as error:
            raise error_of(error, held.address) from error
        return call.read(response)


class AsyncControl:
    """The methods of `Control`, to be awaited."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def status(self, *, timeout: float | None = None) -> Status:
        """List views, models and endpoints, as `Control.status` does."""
        return await self._call(_STATUS, timeout)

    async def activations(self, view: object, *, timeout: float | None = None) -> list[Activation]:
        """Return every move of a view's pointers, oldest first."""
        return await self._call(_activations(view), timeout)

    async def consumers(self, node: object, *, live: bool = False, timeout: float | None = None) -> Consumers:
        """Return who reads a node, as `Control.consumers` does."""
        return await self._call(_consumers(node, live=live), timeout)

    async def active_at(
        self,
        pointer: object,
        at: Time = None,
        endpoint: str | None = None,
        *,
        timeout: float | None = None,
    ) -> ActiveVersion:
        """Return which version a pointer led to at a time."""
        return await self._call(_active_at(pointer, at, endpoint), timeout)

    async def publish(
        self,
        reference: object,
        snapshot: object = None,
        at: Time = None,
        *,
        progress: Progress = silent,
        timeout: float | None = None,
    ) -> Generation:
        """Put a version's newest rows online, as `Control.publish` does."""
        call = _publish(reference, snapshot, at)
        held = self._connection
        stream = call.on(held.channel, "unary_stream")(call.request, **held.options(timeout))
        last = None
        try:
            async for last in stream:
                _tell(progress, last)
        except grpc.RpcError as error:
            raise error_of(error, held.address) from error
        finally:
            stream.cancel()
        return call.read(last)

    async def activate(
        self,
        *references: object,
        reason: str = "",
        endpoint: str | None = None,
        timeout: float | None = None,
    ) -> list[Activation]:
        """Move pointers, several in one atomic change."""
        return await self._call(_activate(references, reason, endpoint), timeout)

    async def rollback(
        self,
        pointer: object,
        *,
        to: object = None,
        endpoint: str | None = None,
        reason: str = "",
        dry_run: bool = False,
        expect: object = None,
        timeout: float | None = None,
    ) -> Rollback:
        """Return a pointer to an earlier version, as `Control.rollback` does."""
        call = _rollback(pointer, to, endpoint, reason, dry_run=dry_run, expect=expect)
        return await self._call(call, timeout)

    async def _call(self, call: _Call[Result], timeout: float | None) -> Result:
        held = self._connection
        try:
            response = await call.on(held.channel)(call.request, **held.options(timeout))
        except grpc.RpcError as error:
            raise error_of(error, held.address) from error
        return call.read(response)


def _tell(progress: Progress, response: pb.PublishResponse) -> None:
    if response.HasField("progress"):
        told = response.progress
        progress(told.what, told.done, told.total if told.HasField("total") else None)
