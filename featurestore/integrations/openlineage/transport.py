"""Transports: how one event leaves, by HTTP or into a file."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UnavailableError
from featurestore.integrations.post import poster

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.model.settings import OpenLineageSettings

__all__ = ["transport"]


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


def _to_server(settings: OpenLineageSettings) -> Callable[[bytes], None]:
    url = f"{str(settings.url).rstrip('/')}/{settings.endpoint.lstrip('/')}"
    return poster(url, token=settings.token, timeout=settings.timeout)
