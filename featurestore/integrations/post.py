"""Posting JSON over HTTP: what an answer means for the one document that was sent."""

from __future__ import annotations

import urllib.error
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from featurestore.errors import RequestError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["poster"]

_TRY_AGAIN = frozenset({
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
})  # fmt: skip
"""Answers that are about the configuration or the moment, not about the document."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, and carry the token to another server."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - urllib's arguments
        """Follow none."""


def poster(url: str, *, token: str | None, timeout: float) -> Callable[[bytes], None]:
    """Return what posts one JSON document.

    It raises UnavailableError where it should be tried again, and RequestError where the document is refused.

    Parameters
    ----------
    token
        Sent as a bearer token.
    timeout
        Seconds that one request may take.
    """
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    opener = urllib.request.build_opener(_NoRedirects)

    def send(document: bytes) -> None:
        request = urllib.request.Request(url, document, headers, method="POST")  # noqa: S310 - the configuration holds it to http
        try:
            with opener.open(request, timeout=timeout) as answer:
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
