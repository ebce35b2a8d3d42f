"""The client: `connect(address)`, and a server's features as if the store were here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import grpc

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
    Batch,
    Outbox,
    Prepared,
    report_of,
    schema_of,
)
from featurestore.serving.v1 import push_pb2 as push_pb
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

    def push(
        self,
        source: str,
        rows: Any,  # noqa: ANN401 - a table of any library
        id: str | None = None,  # noqa: A002 - the public name
        *,
        timeout: float | None = None,
    ) -> Pushed:
        """Push rows to a push source; the report is that of `store.push`.

        Rows are made to fit the source's columns here, so that a row of mixed types is rejected and the others are
        not. A push without an id gets one, so its `retries` add nothing twice.

        Parameters
        ----------
        source
            Name of the push source.
        rows
            Columns, a list of dictionaries, or a pyarrow, Polars or pandas table.
        id
            Names this push: the same again, from any client, adds nothing and completes what was left undone.
        timeout
            Seconds for this call, instead of the client's.

        Raises
        ------
        NotFoundError, RequestError, ContractError
            As `store.push`.
        UnavailableError, DeadlineError
            If there is no server that is written to, or it takes too long.
        """
        prepared = self._prepared(source, rows, id, timeout)
        return prepared.report(self._call(self._push, prepared.message, timeout))

    def push_stream(self, batches: Iterable[Batch], *, timeout: float | None = None) -> Iterator[Pushed]:
        """Push batches over one connection, and give each one's report once it is durable, in order.

        A stream that breaks is opened again, as often in a row as the client's `retries`, and what was not answered is
        sent again.

        Parameters
        ----------
        batches
            `(source, rows)` or `(source, rows, id)`, taken as they are sent: a few before their reports come.
        timeout
            Seconds until the stream must have ended; None is no limit.

        Raises
        ------
        FeatureStoreError
            As `push`, at the batch that is refused; the reports given before hold.
        """
        outbox = Outbox(batches, self._prepared_batch)
        attempts = Attempts(self._retries, timeout)
        while True:
            call = self._push_stream(outbox.messages(), timeout=attempts.remaining(), metadata=self._metadata)
            try:
                for message in call:
                    yield report_of(outbox.answered(), message, self._address)
                    attempts.made = 0
                break
            except grpc.RpcError as error:
                failed = error_of(error, self._address)
                failed.__cause__ = error
            finally:
                call.cancel()
            time.sleep(attempts.pause_after(failed))
        if outbox.failure is not None:
            raise outbox.failure

    def _prepared_batch(self, batch: Batch) -> Prepared:
        source, rows, *push_id = batch
        return self._prepared(source, rows, push_id[0] if push_id else None, None)

    def _prepared(
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
        schema = self._schemas[source] = schema_of(self._call(self._describe_source, request, timeout))
        return Prepared.of(schema, source, rows, push_id)

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
