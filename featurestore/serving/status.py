"""Errors as gRPC statuses, and back: the same named error, with the same text, on both sides.

A status has too few codes to name our errors, so the class travels beside it, in the trailing metadata
`featurestore-error`. A client that does not know the name, or got the status from something in between, falls back on
the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from featurestore import errors
from featurestore.errors import (
    AuthenticationError,
    BlockedError,
    CollisionError,
    ConfigError,
    ConflictError,
    ContractError,
    CorruptError,
    DeadlineError,
    DefinitionError,
    FeatureStoreError,
    LockMismatchError,
    NotActiveError,
    NotFoundError,
    NotMaterializedError,
    NotPublishedError,
    OverloadedError,
    PermissionDeniedError,
    QuarantineError,
    ReadOnlyError,
    RequestError,
    SourceError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CODES", "HEADER", "code_of", "from_status", "header_of", "text_of"]

HEADER = "featurestore-error"
"""Trailing metadata that names the error's class."""

CODES: dict[type[FeatureStoreError], grpc.StatusCode] = {
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    NotActiveError: grpc.StatusCode.FAILED_PRECONDITION,
    NotMaterializedError: grpc.StatusCode.FAILED_PRECONDITION,
    NotPublishedError: grpc.StatusCode.FAILED_PRECONDITION,
    LockMismatchError: grpc.StatusCode.FAILED_PRECONDITION,
    ReadOnlyError: grpc.StatusCode.FAILED_PRECONDITION,
    QuarantineError: grpc.StatusCode.FAILED_PRECONDITION,
    BlockedError: grpc.StatusCode.FAILED_PRECONDITION,
    ContractError: grpc.StatusCode.FAILED_PRECONDITION,
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    CollisionError: grpc.StatusCode.INVALID_ARGUMENT,
    DefinitionError: grpc.StatusCode.INVALID_ARGUMENT,
    ConflictError: grpc.StatusCode.ABORTED,
    CorruptError: grpc.StatusCode.DATA_LOSS,
    AuthenticationError: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    ConfigError: grpc.StatusCode.INTERNAL,
    SourceError: grpc.StatusCode.INTERNAL,
    FeatureStoreError: grpc.StatusCode.INTERNAL,
}
"""The code of each error; a class that is not listed takes its nearest base's."""

_BY_CODE: dict[grpc.StatusCode, type[FeatureStoreError]] = {
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.INVALID_ARGUMENT: RequestError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.DATA_LOSS: CorruptError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,  # a server that ends cancels the calls that it has not begun
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
}
"""Without a name: what a code alone says."""

_ADVICE: dict[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAVAILABLE: "start it with 'featurestore serve', or check the address and tls=",
    grpc.StatusCode.CANCELLED: "it was ending, or had waited too long for the request",
    grpc.StatusCode.DEADLINE_EXCEEDED: "ask for fewer rows in a call, or give a longer timeout=",
    grpc.StatusCode.UNIMPLEMENTED: "it is no featurestore server, or an older one, or started without --writable",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "ask for fewer rows in a call, or more slowly",
    grpc.StatusCode.UNAUTHENTICATED: "give the token that the server expects: token=",
    grpc.StatusCode.PERMISSION_DENIED: "use a token that may make this call",
}

_MAX_TEXT = 4096
"""Bytes of a message, percent-encoded as headers are: gRPC peers take about 8 kB of metadata."""


def code_of(error: FeatureStoreError) -> grpc.StatusCode:
    """Return the status code of an error."""
    return next(CODES[base] for base in type(error).__mro__ if base in CODES)


def header_of(error: FeatureStoreError) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata that names an error's nearest public class."""
    name = next(base.__name__ for base in type(error).__mro__ if base.__name__ in errors.__all__)
    return ((HEADER, name),)


def text_of(error: FeatureStoreError) -> str:
    """Return the message of an error, cut where a header would grow too long."""
    text = str(error)
    size = 0
    for position, character in enumerate(text):
        size += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if size > _MAX_TEXT:
            return text[:position] + " ..."
    return text


def from_status(
    code: grpc.StatusCode, text: str | None, metadata: Iterable[tuple[str, str | bytes]] | None, *, address: str
) -> FeatureStoreError:
    """Return the error that a status stands for.

    Parameters
    ----------
    metadata
        The call's trailing metadata.
    address
        Whom the client called, for the text of errors that no server wrote.
    """
    name = next((value for key, value in metadata or () if key == HEADER), None)
    if isinstance(name, str) and name in errors.__all__:
        class_ = getattr(errors, name)
        if isinstance(class_, type) and issubclass(class_, FeatureStoreError):
            return class_(text or name)
    said = f"{code.name}: {text}" if text else code.name
    message = f"the feature server at {address} did not answer ({said}): {_ADVICE.get(code, 'see its log')}."
    return _BY_CODE.get(code, FeatureStoreError)(message)
