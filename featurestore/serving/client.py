"""The client: `connect(address)`, and a server's features as if the store were here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import grpc

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
    from featurestore.serving.control import Control

__all__ = ["Client", "connect"]


def connect(
    address: str, *, timeout: float | None = None, retries: int = 0, token: str | None = None, tls: Tls = None
) -> Client:
    """Return a client of the server at `host:port`. It connects at its first call, and again when it must.

    Parameters
    ----------
    address
        `host:port`.
    timeout
        Seconds that a call may take, its retries included; None waits as long as the server lives.
    retries
        How often a call is tried again if the server cannot be reached. No other error is tried again.
    token
        Sent with each call as a bearer token.
    tls
        None: plain text. True: TLS with the roots that gRPC ships. A path: TLS with the authority in that PEM file. A
        mapping of paths: `ca`, and `certificate` and `key` for mutual TLS.
    """
    return Client(address, timeout=timeout, retries=retries, token=token, tls=tls)


class Client:
    """A server's features; the methods of a store that read online. Any thread may call; close it when done."""

    def __init__(
        self, address: str, *, timeout: float | None = None, retries: int = 0, token: str | None = None, tls: Tls = None
    ) -> None:
        secure = credentials(tls)
        self._address = address
        self._timeout = timeout
        self._retries = retries
        self._metadata = metadata(token)
        self._channel = (
            grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
            if secure is None
            else grpc.secure_channel(address, secure, options=CHANNEL_OPTIONS)
        )
        self._get_features = self._channel.unary_unary(
            GET_FEATURES, pb.GetFeaturesRequest.SerializeToString, pb.GetFeaturesResponse.FromString
        )
        self._describe = self._channel.unary_unary(
            DESCRIBE, pb.DescribeRequest.SerializeToString, pb.DescribeResponse.FromString
        )

    @cached_property
    def control(self) -> Control:
        """What operators ask and change: status, publish, activate, rollback, consumers, active_at."""
        # Its values are the store's, which whoever only reads features need not load.
        from featurestore.serving.control import Connection, Control  # noqa: PLC0415

        return Control(Connection(self._channel, self._address, self._timeout, self._metadata))

    def get_features(
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
        """Look up features; row i of the answer is row i of `entities`.

        Parameters
        ----------
        features
            References, pinned or not.
        model
            A model version, `"delay@1"`: exactly the feature versions in its lock.
        endpoint
            The versions that the endpoint's pointers name.
        feature_set
            A feature set, `"fraud@v1"`: the references that it names.
        entities
            Columns `{"origin": ["JFK"]}`, a list of dicts, or an Arrow, Polars or pandas table.
        at
            The time asked about; None is now.
        timeout
            Seconds for this call, instead of the client's.
        lock
            Pins, the path of a lock file or a lock's digest: the server refuses if the model's lock is another.
        event_times
            Whether the answer tells the event time of each row found.

        Raises
        ------
        NotFoundError, NotActiveError, NotPublishedError, RequestError, LockMismatchError
            As the store raises them, with the same text.
        UnavailableError, DeadlineError
            If there is no server, or it takes too long.
        """
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
        return decode_answer(self._call(self._get_features, message, timeout))

    def describe(
        self,
        features: str | Iterable[object] | None = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        feature_set: object = None,
        timeout: float | None = None,
    ) -> Description:
        """Tell what `get_features` needs and gives: keys, request columns, ordered inputs, columns, lock digest."""
        message = describe_message(features, model=model, endpoint=endpoint, feature_set=feature_set)
        return decode_description(self._call(self._describe, message, timeout))

    def _call(self, method: grpc.UnaryUnaryMultiCallable[Any, Any], message: Any, timeout: float | None) -> Any:  # noqa: ANN401 - messages of either method
        attempts = Attempts(self._retries, self._timeout if timeout is None else timeout)
        while True:
            try:
                return method(message, timeout=attempts.remaining(), metadata=self._metadata)
            except grpc.RpcError as error:
                failed = error_of(error, self._address)
                failed.__cause__ = error
            time.sleep(attempts.pause_after(failed))

    def close(self) -> None:
        """Close the connection. It may be closed twice."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._address}>"
