"""What both clients share to push: rows made to fit the source here, and batches that wait for their answers."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import grpc
import numpy as np

from featurestore.model.pushed import Pushed, PushSchema, RejectedRow
from featurestore.model.types import parse_type
from featurestore.offline.source_rows import conform_rows
from featurestore.serving.protocol import PUSH
from featurestore.serving.push_codec import decode_report, encode_push
from featurestore.serving.status import HEADER, from_status
from featurestore.serving.v1 import push_pb2 as pb

__all__ = [
    "DESCRIBE_SOURCE",
    "PUSH_FEATURES",
    "STREAM_FEATURES",
    "AsyncOutbox",
    "Batch",
    "Outbox",
    "Prepared",
    "report_of",
    "schema_of",
]

PUSH_FEATURES, STREAM_FEATURES, DESCRIBE_SOURCE = (
    f"/{PUSH}/{method}" for method in ("PushFeatures", "StreamFeatures", "DescribeSource")
)

Batch = tuple[str, Any] | tuple[str, Any, str]
"""Source and rows of one push, and its id if the caller has one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A push that is ready to be sent, and the rows that were rejected before: columns on the wire are of one type."""

    message: pb.PushFeaturesRequest
    rejected: tuple[RejectedRow, ...]

    @classmethod
    def of(cls, schema: PushSchema, source: str, rows: object, push_id: str | None) -> Prepared:
        """Make rows fit the source's columns; without an id the push gets one, so that it may be tried again.

        Raises
        ------
        ContractError
            If a column is unknown, or the columns differ in length.
        """
        table, rejected = conform_rows(source, schema, rows)
        return cls(encode_push(source, table, schema.columns, push_id or uuid4().hex), tuple(rejected))

    def report(self, message: pb.PushFeaturesResponse) -> Pushed:
        """Return the report, with rows counted as the caller gave them."""
        report = decode_report(message)
        if not self.rejected:
            return report
        here = {one.row for one in self.rejected}
        total = report.rows + len(report.rejected) + len(here)
        given = np.setdiff1d(np.arange(total), list(here))
        there = [replace(one, row=int(given[one.row])) for one in report.rejected]
        return replace(report, rejected=tuple(sorted([*self.rejected, *there], key=lambda one: one.row)))


def schema_of(message: pb.DescribeSourceResponse) -> PushSchema:
    """Read what rows of a source must be."""
    columns = {column.name: parse_type(column.type) for column in message.columns}
    return PushSchema(columns, frozenset(message.required))


def report_of(prepared: Prepared, message: pb.StreamFeaturesResponse, address: str) -> Pushed:
    """Return the report of a batch.

    Raises
    ------
    FeatureStoreError
        If the server refused it as a whole: the error that the server names.
    """
    if message.HasField("failure"):
        failure = message.failure
        raise from_status(grpc.StatusCode.UNKNOWN, failure.message, [(HEADER, failure.error)], address=address)
    return prepared.report(message.pushed)


class Outbox:
    """The batches of a stream: what was sent and not answered is sent again when the stream is opened anew.

    Parameters
    ----------
    batches
        Taken one by one, as the stream takes them.
    prepare
        Makes a batch ready.
    """

    def __init__(self, batches: Iterable[Batch], prepare: Callable[[Batch], Prepared]) -> None:
        self._batches = iter(batches)
        self._prepare = prepare
        self._unanswered: deque[Prepared] = deque()
        self._answered = 0
        self._ended = False
        self._state = threading.Lock()
        self._pulling = threading.Lock()  # held while the caller's iterable makes us wait, when answers still arrive
        self.failure: Exception | None = None

    def messages(self) -> Iterator[pb.StreamFeaturesRequest]:
        """Give the messages of one stream; gRPC takes them in a thread of its own."""
        position = self._answered
        while True:
            prepared = self._at(position)
            if prepared is None:
                with self._pulling:
                    prepared = self._at(position) or self._pulled()
            if prepared is None:
                return
            yield pb.StreamFeaturesRequest(push=prepared.message)
            position += 1

    def answered(self) -> Prepared:
        """Return the batch that was sent first of those not answered, and count it as answered."""
        with self._state:
            self._answered += 1
            return self._unanswered.popleft()

    def _at(self, position: int) -> Prepared | None:
        with self._state:
            offset = position - self._answered
            return self._unanswered[offset] if offset < len(self._unanswered) else None

    def _pulled(self) -> Prepared | None:
        """Return the caller's next batch; None if there is none, or it cannot be sent."""
        if self._ended:
            return None
        try:
            prepared = self._prepare(next(self._batches))
        except StopIteration:
            self._ended = True
            return None
        except Exception as error:  # noqa: BLE001 - raised to the caller once what was sent is answered
            self._ended, self.failure = True, error
            return None
        with self._state:
            self._unanswered.append(prepared)
        return prepared


class AsyncOutbox:
    """`Outbox` for asyncio; `batches` may be an asynchronous iterable too."""

    def __init__(
        self, batches: Iterable[Batch] | AsyncIterable[Batch], prepare: Callable[[Batch], Awaitable[Prepared]]
    ) -> None:
        self._batches = batches.__aiter__() if isinstance(batches, AsyncIterable) else _awaited(batches)
        self._prepare = prepare
        self._unanswered: deque[Prepared] = deque()
        self._answered = 0
        self._ended = False
        self._pull: asyncio.Future[None] | None = None
        self.failure: Exception | None = None

    async def messages(self) -> AsyncIterator[pb.StreamFeaturesRequest]:
        """Give the messages of one stream."""
        position = self._answered
        while True:
            while position - self._answered >= len(self._unanswered):
                if self._ended:
                    return
                if self._pull is None or self._pull.done():
                    self._pull = asyncio.ensure_future(self._pulled())
                await asyncio.shield(self._pull)  # a stream that breaks takes no batch with it
            yield pb.StreamFeaturesRequest(push=self._unanswered[position - self._answered].message)
            position += 1

    def answered(self) -> Prepared:
        """Return the batch that was sent first of those not answered, and count it as answered."""
        self._answered += 1
        return self._unanswered.popleft()

    async def _pulled(self) -> None:
        try:
            self._unanswered.append(await self._prepare(await self._batches.__anext__()))
        except StopAsyncIteration:
            self._ended = True
        except Exception as error:  # noqa: BLE001 - as in `Outbox`
            self._ended, self.failure = True, error


async def _awaited(batches: Iterable[Batch]) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch
