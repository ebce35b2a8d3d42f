"""The client for asyncio: `connect_async(address)`, the same methods to be awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from featurestore.model.description import Description
from featurestore.model.pins import PinSet
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
