"""The two methods of `FeatureService`, answered by a store. Errors become statuses here, and nowhere else."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import grpc

from featurestore.errors import FeatureStoreError
from featurestore.online.lookup import Asked, RowAnswer
from featurestore.serving.codec import decode_request, encode_answer, encode_description
from featurestore.serving.protocol import SERVICE
from featurestore.serving.status import code_of, header_of, text_of
from featurestore.serving.v1 import serving_pb2 as pb
from featurestore.serving.writer import encode_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from featurestore.model.description import Description
    from featurestore.online.keys import KeyValues
    from featurestore.online.result import OnlineFeatures

__all__ = ["OnlineReads", "handler"]

_log = logging.getLogger(__name__)


class OnlineReads(Protocol):
    """What the service needs of a store; `FeatureStore` has it. Called from several threads."""

    def read_online(
        self, asked: Asked, entities: Mapping[str, KeyValues], at: datetime | None = None
    ) -> RowAnswer | OnlineFeatures:
        """Look up the features of many rows."""
        ...

    def describe(
        self, features: Sequence[str] | None = None, *, model: str | None = None, endpoint: str | None = None
    ) -> Description:
        """Tell what a lookup would need and give."""
        ...


def handler(store: OnlineReads) -> grpc.GenericRpcHandler:
    """Return the handler of both methods; answers leave it as bytes, since the codec writes them itself."""

    def get_features(message: pb.GetFeaturesRequest) -> bytes:
        request = decode_request(message)
        answer = store.read_online(request.asked, request.entities, request.at)
        if isinstance(answer, RowAnswer):
            return encode_rows(answer, event_times=request.event_times)
        return encode_answer(answer, event_times=request.event_times)

    def describe(message: pb.DescribeRequest) -> bytes:
        description = store.describe(
            tuple(message.features) or None, model=message.model or None, endpoint=message.endpoint or None
        )
        return encode_description(description).SerializeToString()

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "GetFeatures": _unary(get_features, pb.GetFeaturesRequest.FromString),
            "Describe": _unary(describe, pb.DescribeRequest.FromString),
        },
    )


def _unary(answer: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> grpc.RpcMethodHandler[Any, bytes]:
    """Return a unary method: nothing is computed for a caller who has gone; every exception leaves as a status."""

    def call(message: Any, context: grpc.ServicerContext) -> bytes:  # noqa: ANN401 - a message of either method
        if not context.is_active():  # waited in the queue until its deadline, or was cancelled there
            context.abort(grpc.StatusCode.CANCELLED, "the call had ended before the server came to it.")
        try:
            return answer(message)
        except FeatureStoreError as error:
            context.set_trailing_metadata(header_of(error))
            context.abort(code_of(error), text_of(error))
        except Exception:  # noqa: BLE001 - the boundary: logged whole, and raised to the caller as a status
            reference = secrets.token_hex(4)
            _log.exception("call failed (%s)", reference)
            _internal(context, reference)

    return grpc.unary_unary_rpc_method_handler(call, request_deserializer=read)


def _internal(context: grpc.ServicerContext, reference: str) -> NoReturn:
    text = f"the server failed; its log tells why under {reference}. The same call will probably fail again."
    context.abort(grpc.StatusCode.INTERNAL, text)
