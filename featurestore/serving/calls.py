"""What both clients share: arguments as messages, options as channels, statuses as errors."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import grpc

from featurestore.errors import FeatureStoreError, RequestError, UnavailableError
from featurestore.model.pins import PinSet
from featurestore.model.times import parse_time
from featurestore.online.lookup import Asked
from featurestore.serving.codec import ReadRequest, encode_request
from featurestore.serving.entities import Entities, key_columns
from featurestore.serving.protocol import LIMITS
from featurestore.serving.status import from_status
from featurestore.serving.v1 import serving_pb2 as pb

__all__ = [
    "CHANNEL_OPTIONS",
    "Attempts",
    "Tls",
    "credentials",
    "describe_message",
    "error_of",
    "metadata",
    "read_message",
]

CHANNEL_OPTIONS = [
    *LIMITS,
    ("grpc.enable_retries", 0),  # they are ours, so that the caller's number is the number
    ("grpc.initial_reconnect_backoff_ms", 50),  # gRPC waits a second, and fails every call (and retry) meanwhile
    ("grpc.max_reconnect_backoff_ms", 2000),
]
"""gRPC's options of a client."""

Tls = bool | str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None

_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


def read_message(
    features: str | Iterable[object] | None,
    *,
    model: object,
    endpoint: str | None,
    entities: Entities,
    at: datetime | date | str | None,
    lock: PinSet | str | os.PathLike[str] | None,
    event_times: bool,
) -> pb.GetFeaturesRequest:
    """Return the request for a lookup.

    Raises
    ------
    RequestError
        If the entities or the time cannot be read.
    NotFoundError, DefinitionError
        If `lock` is a path and no lock is there.
    """
    return encode_request(
        ReadRequest(
            Asked(_texts(features), None if model is None else _text(model), endpoint, None, _digest(lock)),
            key_columns(entities),
            None if at is None else parse_time(at, what="time (at=)"),
            event_times,
        )
    )


def describe_message(
    features: str | Iterable[object] | None, *, model: object, endpoint: str | None
) -> pb.DescribeRequest:
    """Return the request for a description."""
    return pb.DescribeRequest(
        features=_texts(features) or (), model="" if model is None else _text(model), endpoint=endpoint or ""
    )


def _texts(features: str | Iterable[object] | None) -> tuple[str, ...] | None:
    if features is None:
        return None
    texts = (features,) if isinstance(features, str) else tuple(_text(feature) for feature in features)
    if not texts:
        message = "features is empty: name at least one, for example features=['airport_weather@v1:temp']."
        raise RequestError(message)
    return texts


def _text(value: object) -> str:
    """Return a reference as text, also of what `apply` and `register_model` return."""
    return value if isinstance(value, str) else str(getattr(value, "reference", value))


def _digest(lock: PinSet | str | os.PathLike[str] | None) -> str | None:
    """Return a lock's digest: of pins, of the lock file at a path (a path object, or text in `.lock`), or as it is."""
    if isinstance(lock, os.PathLike) or (isinstance(lock, str) and lock.endswith(".lock")):
        lock = PinSet.load(lock)
    return lock.digest if isinstance(lock, PinSet) else lock


def credentials(tls: Tls) -> grpc.ChannelCredentials | None:
    """Return the channel's credentials, or None for plain text.

    Parameters
    ----------
    tls
        None or False: plain text. True: TLS, trusting the roots that gRPC ships. A path: TLS, trusting the authority in
        that PEM file. A mapping: `ca`, and `certificate` and `key` with which this client shows who it is; all paths.

    Raises
    ------
    RequestError
        If a mapping holds another name, or half of a certificate and key; or if a file cannot be read.
    """
    if tls is None or tls is False:
        return None
    if tls is True:
        return grpc.ssl_channel_credentials()
    paths = dict(tls) if isinstance(tls, Mapping) else {"ca": tls}
    if not paths.keys() <= {"ca", "certificate", "key"} or ("certificate" in paths) != ("key" in paths):
        message = f"tls has {', '.join(paths)}: it may hold 'ca', and 'certificate' and 'key' together, each a path."
        raise RequestError(message)
    try:
        pem = {name: Path(path).read_bytes() for name, path in paths.items()}
    except OSError as error:
        message = f"tls: {error.filename!r} cannot be read ({error.strerror}): name a PEM file."
        raise RequestError(message) from error
    return grpc.ssl_channel_credentials(pem.get("ca"), pem.get("key"), pem.get("certificate"))


def metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    """Return what each call carries: the bearer token."""
    return () if token is None else (("authorization", f"Bearer {token}"),)


def error_of(error: grpc.RpcError, address: str) -> FeatureStoreError:
    """Return the error that a failed call stands for."""
    call: Any = error  # a grpc.Call, or a grpc.aio.AioRpcError: the same three methods, without a common class
    return from_status(call.code(), call.details(), call.trailing_metadata(), address=address)


@dataclass(slots=True)
class Attempts:
    """How often and how long a call may be tried: `timeout` counts for all attempts together."""

    retries: int
    timeout: float | None
    made: int = 0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    def remaining(self) -> float | None:
        """Return the seconds left; None without a limit."""
        if self.timeout is None:
            return None
        return max(0.0, self.started + self.timeout - time.monotonic())

    def pause_after(self, error: FeatureStoreError) -> float:
        """Return the seconds to wait before the next attempt; raise `error` if there is none."""
        self.made += 1
        pause = min(_PAUSE_SECONDS * 2.0 ** (self.made - 1), _LONGEST_PAUSE_SECONDS)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients
        left = self.remaining()
        if not isinstance(error, UnavailableError) or self.made > self.retries or (left is not None and left <= pause):
            raise error
        return pause
