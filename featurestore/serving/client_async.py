"""The client for asyncio: `connect_async(address)`, the same methods to be awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from featurestore.errors import ContractError
from featurestore.model.description import Description
from featurestore.model.pins import PinSet
from featurestore.model.pushed import Pushed, PushSchema
from featurestore.online.result import OnlineFeatures
from featurestore.serving.calls import (
    CHANNEL_OPTIONS,
    Attempts,
    Tls,
    credentials,
    describe_message,
    error_of,
    metadata,
    read_message,
)
from featurestore.serving.codec import decode_answer, decode_description
from featurestore.serving.entities import Entities
from featurestore.serving.protocol import DESCRIBE, GET_FEATURES
from featurestore.serving.pushing import (
    DESCRIBE_SOURCE,
    PUSH_FEATURES,
    STREAM_FEATURES,
    AsyncOutbox,
    Batch,
    Prepared,
    report_of,
    schema_of,
)
from featurestore.serving.v1 import push_pb2 as push_pb
from featurestore.serving.v1 import serving_pb2 as pb

if TYPE_CHECKING:
    from featurestore.serving.control import AsyncControl

__all__ = ["AsyncClient", "connect_async"]


def connect_async(
    address: str, *, timeout: float | None = None, retries: int = 0, token: str | None = None, tls: Tls = None
) -> AsyncClient:
    """Return a client for asyncio; call it where an event loop runs. The arguments are those of `connect`."""
    return AsyncClient(address, timeout=timeout, retries=retries, token=token, tls=tls)


class AsyncClient:
    """A server's features, awaited; `async with` closes it. It belongs to the event loop in which it was made."""

    def __init__(
        self, address: str, *, timeout: float | None = None, retries: int = 0, token: str | None = None, tls: Tls = None
    ) -> None:
        secure = credentials(tls)
        self._address = address
        self._timeout = timeout
        self._retries = retries
        self._metadata = metadata(token)
        self._channel = (
            grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
            if secure is None
            else grpc.aio.secure_channel(address, secure, options=CHANNEL_OPTIONS)
        )
        self._get_features = self._channel.unary_unary(
            GET_FEATURES, pb.GetFeaturesRequest.SerializeToString, pb.GetFeaturesResponse.FromString
        )
        self._push = self._channel.unary_unary(
            PUSH_FEATURES, push_pb.PushFeaturesRequest.SerializeToString, push_pb.PushFeaturesResponse.FromString
        )
        self._describe_source = self._channel.unary_unary(
            DESCRIBE_SOURCE, push_pb.DescribeSourceRequest.SerializeToString, push_pb.DescribeSourceResponse.FromString
        )
        self._push_stream = self._channel.stream_stream(
            STREAM_FEATURES,
            push_pb.StreamFeaturesRequest.SerializeToString,
            push_pb.StreamFeaturesResponse.FromString,
        )
        self._schemas: dict[str, PushSchema] = {}
        self._describe = self._channel.unary_unary(
            DESCRIBE, pb.DescribeRequest.SerializeToString, pb.DescribeResponse.FromString
        )

    @cached_property
    def control(self) -> AsyncControl:
        """What operators ask and change, as `Client.control`; awaited."""
        from featurestore.serving.control import AsyncControl, Connection  # noqa: PLC0415 - as in `Client.control`

        return AsyncControl(Connection(self._channel, self._address, self._timeout, self._metadata))

    async def get_features(
        self,
        features: str | Iterable[object] | None = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        feature_set: object = None,
        entities: Entities,
        at: datetime | date | str | None = None,
        timeout: float | None = None,
        lock: PinSet | str | os.PathLike[str] | None = None,
        event_times: bool = False,
    ) -> OnlineFeatures:
        """Look up features, as `Client.get_features` does."""
        message = read_message(
            features,
            model=model,
            endpoint=endpoint,
            feature_set=feature_set,
            entities=entities,
            at=at,
            lock=lock,
            event_times=event_times,
        )
        return decode_answer(await self._call(self._get_features, message, timeout))

    async def describe(
        self,
        features: str | Iterable[object] | None = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        feature_set: object = None,
        timeout: float | None = None,
    ) -> Description:
        """Tell what `get_features` needs and gives, as `Client.describe` does."""
        message = describe_message(features, model=model, endpoint=endpoint, feature_set=feature_set)
        return decode_description(await self._call(self._describe, message, timeout))

    async def push(
        self,
        source: str,
        rows: Any,  # noqa: ANN401 - a table of any library
        id: str | None = None,  # noqa: A002 - the public name
        *,
        timeout: float | None = None,
    ) -> Pushed:
        """Push rows to a push source, as `Client.push` does."""
        prepared = await self._prepared(source, rows, id, timeout)
        return prepared.report(await self._call(self._push, prepared.message, timeout))

    async def push_stream(
        self,
        batches: Iterable[Batch] | AsyncIterable[Batch],
        *,
        timeout: float | None = None,
    ) -> AsyncIterator[Pushed]:
        """Push batches and give each one's report, as `Client.push_stream` does; `batches` may be asynchronous."""
        outbox = AsyncOutbox(batches, self._prepared_batch)
        attempts = Attempts(self._retries, timeout)
        while True:
            call = self._push_stream(outbox.messages(), timeout=attempts.remaining(), metadata=self._metadata)
            try:
                async for message in call:
                    yield report_of(outbox.answered(), message, self._address)
                    attempts.made = 0
                break
            except grpc.RpcError as error:
                failed = error_of(error, self._address)
                failed.__cause__ = error
            finally:
                call.cancel()
            await asyncio.sleep(attempts.pause_after(failed))
        if outbox.failure is not None:
            raise outbox.failure

    async def _prepared_batch(self, batch: Batch) -> Prepared:
        source, rows, *push_id = batch
        return await self._prepared(source, rows, push_id[0] if push_id else None, None)

    async def _prepared(
        self,
        source: str,
        rows: Any,  # noqa: ANN401 - a table of any library
        push_id: str | None,
        timeout: float | None,
    ) -> Prepared:
        schema = self._schemas.get(source)
        if schema is not None:
            with suppress(ContractError):  # the source may have other columns by now
                return Prepared.of(schema, source, rows, push_id)
        request = push_pb.DescribeSourceRequest(source=source)
        schema = self._schemas[source] = schema_of(await self._call(self._describe_source, request, timeout))
        return Prepared.of(schema, source, rows, push_id)

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Any, Any],
        message: Any,  # noqa: ANN401 - messages of either method
        timeout: float | None,
    ) -> Any:  # noqa: ANN401
        attempts = Attempts(self._retries, self._timeout if timeout is None else timeout)
        while True:
            try:
                return await method(message, timeout=attempts.remaining(), metadata=self._metadata)
            except grpc.RpcError as error:
                failed = error_of(error, self._address)
                failed.__cause__ = error
            await asyncio.sleep(attempts.pause_after(failed))

    async def close(self) -> None:
        """Close the connection. It may be closed twice."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self._address}>"
