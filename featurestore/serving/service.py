"""The two methods of `FeatureService`, answered by a store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import grpc

from featurestore.errors import RequestError
from featurestore.online.lookup import Asked, RowAnswer
from featurestore.serving.codec import encode_answer, encode_description
from featurestore.serving.methods import unary
from featurestore.serving.protocol import SERVICE
from featurestore.serving.requests import Requests
from featurestore.serving.v1 import serving_pb2 as pb
from featurestore.serving.writer import encode_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.model.description import Description
    from featurestore.online.keys import KeyValues
    from featurestore.online.result import OnlineFeatures
    from featurestore.serving.answer_log import AnswerLog
    from featurestore.serving.meter import Meter

__all__ = ["OnlineReads", "handler"]


class OnlineReads(Protocol):
    """What the service needs of a store; `FeatureStore` has it. Called from several threads."""

    def read_online(
        self, asked: Asked, entities: Mapping[str, KeyValues], at: datetime | None = None
    ) -> RowAnswer | OnlineFeatures:
        """Look up the features of many rows."""
        ...

    def describe(
        self,
        features: Sequence[str] | None = None,
        *,
        model: str | None = None,
        endpoint: str | None = None,
        feature_set: str | None = None,
    ) -> Description:
        """Tell what a lookup would need and give."""
        ...


def handler(
    store: OnlineReads,
    *,
    meter: Meter | None = None,
    answer_log: AnswerLog | None = None,
    max_entities: int | None = None,
) -> grpc.GenericRpcHandler:
    """Return the handler of both methods; answers leave it as bytes, since the codec writes them itself.

    Parameters
    ----------
    meter
        Counts what is answered.
    answer_log
        Keeps a sample of it.
    max_entities
        Rows of one read; None: as many as a message holds.
    """
    requests = Requests()

    def get_features(data: bytes) -> bytes:
        request = requests.read(data)
        if max_entities is not None:
            _check_size(request.entities, max_entities)
        answer = store.read_online(request.asked, request.entities, request.at)
        if isinstance(answer, RowAnswer):
            if meter is not None:
                meter.read(answer)
            if answer_log is not None:
                answer_log.offer(request.asked, request.entities, answer)
            return encode_rows(answer, event_times=request.event_times)
        return encode_answer(answer, event_times=request.event_times)

    def describe(message: pb.DescribeRequest) -> bytes:
        description = store.describe(
            tuple(message.features) or None,
            model=message.model or None,
            endpoint=message.endpoint or None,
            feature_set=message.feature_set or None,
        )
        return encode_description(description).SerializeToString()

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "GetFeatures": unary(get_features, bytes),
            "Describe": unary(describe, pb.DescribeRequest.FromString),
        },
    )


def _check_size(entities: Mapping[str, KeyValues], most: int) -> None:
    for column in entities.values():
        if len(column) > most:
            text = f"the request has {len(column)} rows, and the server answers {most} in one call: send them in parts."
            raise RequestError(text)
        return  # they are all of one length
