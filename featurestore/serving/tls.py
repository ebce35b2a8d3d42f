"""TLS: the server's certificate and the authorities of its clients', read again when their files change."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from featurestore.errors import ConfigError
from featurestore.serving.files import stamp

if TYPE_CHECKING:
    from featurestore.model.serving import ServingSettings

__all__ = ["server_credentials"]

_log = logging.getLogger(__name__)


def server_credentials(settings: ServingSettings) -> grpc.ServerCredentials | None:
    """Return the server's credentials, or None for plain text. New files count from the next connection on.

    Raises
    ------
    ConfigError
        If a file cannot be read, or holds no PEM.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    paths = [settings.tls_certificate, settings.tls_key]
    if settings.tls_client_ca is not None:
        paths.append(settings.tls_client_ca)
    stamps = [stamp(*paths)]

    def again() -> grpc.ServerCertificateConfiguration | None:
        found = stamp(*paths)
        if found == stamps[0]:
            return None
        stamps[0] = found
        try:
            fresh = _read(paths)
        except ConfigError as error:
            _log.error("%s The certificate read before stays in use.", error)
            return None
        _log.info("certificate read again from %s", paths[0])
        return fresh

    changed: Any = again  # the stubs do not know that None means unchanged
    return grpc.dynamic_ssl_server_credentials(
        _read(paths), changed, require_client_authentication=settings.tls_client_ca is not None
    )


def _read(paths: Sequence[str]) -> grpc.ServerCertificateConfiguration:
    read = []
    for path in paths:
        try:
            pem = Path(path).read_bytes()
        except OSError as error:
            message = f"{path!r} cannot be read ({error.strerror}): name a PEM file."
            raise ConfigError(message) from error
        if b"-----BEGIN " not in pem:
            message = f"{path!r} is no PEM file: it holds no '-----BEGIN ...-----'."
            raise ConfigError(message)
        read.append(pem)
    certificate, key, *authorities = read
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities[0] if authorities else None)
