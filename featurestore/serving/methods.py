"""What every method does around its answer: nothing for a caller who has gone, and every error leaves as a status."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from featurestore.errors import FeatureStoreError
from featurestore.serving.status import code_of, header_of, text_of

__all__ = ["fail", "internal", "unary"]

_log = logging.getLogger(__name__)


def unary(answer: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> grpc.RpcMethodHandler[Any, bytes]:
    """Return a unary method: nothing is computed for a caller who has gone; every exception leaves as a status."""

    def call(message: Any, context: grpc.ServicerContext) -> bytes:  # noqa: ANN401 - a message of any method
        if not context.is_active():  # waited in the queue until its deadline, or was cancelled there
            context.abort(grpc.StatusCode.CANCELLED, "the call had ended before the server came to it.")
        try:
            return answer(message)
        except FeatureStoreError as error:
            fail(context, error)
        except Exception:  # noqa: BLE001 - the boundary: logged whole, and raised to the caller as a status
            reference = secrets.token_hex(4)
            _log.exception("call failed (%s)", reference)
            internal(context, reference)

    return grpc.unary_unary_rpc_method_handler(call, request_deserializer=read)


def fail(context: grpc.ServicerContext, error: FeatureStoreError) -> NoReturn:
    """End a call with the status of an error."""
    context.set_trailing_metadata(header_of(error))
    context.abort(code_of(error), text_of(error))


def internal(context: grpc.ServicerContext, reference: str) -> NoReturn:
    """End a call for a failure of ours, which the log holds under `reference`."""
    text = f"the server failed; its log tells why under {reference}. The same call will probably fail again."
    context.abort(grpc.StatusCode.INTERNAL, text)
