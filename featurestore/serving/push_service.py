"""The methods of `PushService`, answered by a store: one push, a stream of them, and what a source's columns are."""

from __future__ import annotations

import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from featurestore.errors import FeatureStoreError
from featurestore.serving.methods import internal, unary
from featurestore.serving.protocol import PUSH
from featurestore.serving.push_codec import decode_columns, encode_report
from featurestore.serving.status import header_of, text_of
from featurestore.serving.v1 import push_pb2 as pb
from featurestore.serving.v1.serving_pb2 import NamedType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.model.pushed import Pushed, PushSchema

__all__ = ["ROLES", "Pushes", "handler"]

ROLES = {f"/{PUSH}/{method}": "write" for method in ("PushFeatures", "StreamFeatures", "DescribeSource")}
"""The role that a caller of each method needs."""

_THREADS = 32
"""Of their own: a push waits for the disk, and a stream for its caller, and neither may keep reads waiting."""

_log = logging.getLogger(__name__)


class Pushes(Protocol):
    """What the service needs of a store; `FeatureStore` has it. Called from several threads."""

    def push(self, source: str, rows: Any, id: str | None = None) -> Pushed:  # noqa: A002, ANN401
        """Push rows."""
        ...

    def push_schema(self, source: str) -> PushSchema:
        """Tell what rows of a push source must be."""
        ...


def handler(store: Pushes) -> grpc.GenericRpcHandler:
    """Return the handler of the three methods."""

    def push(message: pb.PushFeaturesRequest) -> pb.PushFeaturesResponse:
        return encode_report(store.push(message.source, decode_columns(message), message.id or None))

    def push_one(message: pb.PushFeaturesRequest) -> bytes:
        return push(message).SerializeToString()

    def push_next(message: pb.StreamFeaturesRequest) -> pb.StreamFeaturesResponse:
        try:
            return pb.StreamFeaturesResponse(pushed=push(message.push))
        except FeatureStoreError as error:
            ((_, name),) = header_of(error)
            return pb.StreamFeaturesResponse(
                failure=pb.PushFailure(id=message.push.id, error=name, message=text_of(error))
            )

    def push_stream(messages: Iterator[pb.StreamFeaturesRequest], context: grpc.ServicerContext) -> Iterator[Any]:
        for message in messages:
            try:
                answer = push_next(message)
            except Exception:  # noqa: BLE001 - the boundary, as for unary methods
                reference = secrets.token_hex(4)
                _log.exception("call failed (%s)", reference)
                internal(context, reference)
            yield answer

    def describe(message: pb.DescribeSourceRequest) -> bytes:
        schema = store.push_schema(message.source)
        columns = [NamedType(name=name, type=str(type_)) for name, type_ in schema.columns.items()]
        return pb.DescribeSourceResponse(
            source=message.source, columns=columns, required=sorted(schema.required)
        ).SerializeToString()

    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="push")
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "PushFeatures": unary(push_one, pb.PushFeaturesRequest.FromString),
        "StreamFeatures": grpc.stream_stream_rpc_method_handler(
            push_stream, pb.StreamFeaturesRequest.FromString, pb.StreamFeaturesResponse.SerializeToString
        ),
        "DescribeSource": unary(describe, pb.DescribeSourceRequest.FromString),
    }
    for method in methods.values():
        behaviour: Any = method.unary_unary or method.stream_stream
        behaviour.experimental_thread_pool = pool  # by which gRPC finds it
    return grpc.method_handlers_generic_handler(PUSH, methods)
