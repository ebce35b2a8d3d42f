"""Transports: how one event leaves, by HTTP or into a file."""

from __future__ import annotations

import fcntl
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.errors import RequestError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.model.settings import OpenLineageSettings

__all__ = ["transport"]

_TRY_AGAIN = frozenset({
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
})  # fmt: skip
"""Answers that are about the configuration or the moment, not about the event."""


def transport(settings: OpenLineageSettings) -> Callable[[bytes], None]:
    """Return what sends one event; it raises UnavailableError to try again, RequestError if the event is refused."""
    return _to_file(Path(settings.file)) if settings.file is not None else _to_server(settings)


def _to_file(path: Path) -> Callable[[bytes], None]:
    def send(event: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # several stores may share one file
                file.write(event + b"\n")
        except OSError as error:
            raise UnavailableError(f"{str(path)!r} cannot be written: {error}.") from error

    return send


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, and carry the token to another server."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - urllib's arguments
        """Follow none."""


def _to_server(settings: OpenLineageSettings) -> Callable[[bytes], None]:
    url = f"{str(settings.url).rstrip('/')}/{settings.endpoint.lstrip('/')}"
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token}"
    opener = urllib.request.build_opener(_NoRedirects)

    def send(event: bytes) -> None:
        request = urllib.request.Request(url, event, headers, method="POST")  # noqa: S310 - the configuration holds it to http
        try:
            with opener.open(request, timeout=settings.timeout) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(500).decode("utf-8", "replace").strip()
            message = f"{url} answered {error.code} {error.reason}: {said}"
            lasting = HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR
            if lasting and error.code not in _TRY_AGAIN:
                raise RequestError(message) from error
            raise UnavailableError(message) from error
        except (OSError, ValueError) as error:  # no route, no answer in time, an answer that is no HTTP
            raise UnavailableError(f"{url} cannot be reached: {error}") from error

    return send
