"""Who may call what: the role of every method, and whether a call's credentials have it.

A call is asked for one thing, its bearer token. The hash of a token is compared once, in constant time; from then on
the header itself is looked up, until the file changes or the token expires. Why credentials were refused is not told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import grpc

from featurestore.errors import ConfigError
from featurestore.serving import control_service, protocol, push_service
from featurestore.serving.files import stamp
from featurestore.serving.tokens import Credentials, Identity, read_credentials

if TYPE_CHECKING:
    from featurestore.model.serving import ServingSettings

__all__ = ["ANONYMOUS", "OPEN", "ROLES", "STRICTEST", "Access", "role_of"]

OPEN = ""
"""The role that every caller has."""

STRICTEST = "operate"
"""What a method needs that the table does not name: one that was forgotten is closed, not open."""

ROLES: dict[str, str] = {
    protocol.GET_FEATURES: "read",
    protocol.DESCRIBE: "read",
    "/grpc.health.v1.Health/Check": OPEN,
    "/grpc.health.v1.Health/List": OPEN,
    "/grpc.health.v1.Health/Watch": OPEN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "read",
    **control_service.ROLES,
    **push_service.ROLES,
}
"""Method to the role that it needs."""

ANONYMOUS = "anonymous"
"""The name of a caller that showed nothing."""

_HEADER = "authorization"
_SCHEME = "bearer "
_MOST_KEPT = 4096

_log = logging.getLogger(__name__)


def role_of(method: str) -> str:
    """Return the role that a method needs."""
    return ROLES.get(method, STRICTEST)


class Access:
    """Answers whether a call may be made. Any thread may ask.

    Parameters
    ----------
    settings
        Name the file of credentials, what anonymous callers may do, and whether clients show certificates.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not well formed.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self._path = settings.tokens
        self._anonymous = Identity(ANONYMOUS, frozenset((OPEN, *settings.anonymous_roles)))
        self._stamp = stamp(self._path)
        self._credentials = Credentials() if self._path is None else read_credentials(self._path)
        self._verified: dict[str, Identity] = {}
        self.by_certificate = settings.tls_client_ca is not None
        """Whether a caller without a token is known by its certificate, which is asked in the call itself."""

    def refresh(self) -> None:
        """Read the file again if it has changed. One that cannot be read leaves things as they are, and is logged."""
        found = stamp(self._path)
        if self._path is None or found == self._stamp:
            return
        self._stamp = found
        try:
            self._credentials = read_credentials(self._path)
        except ConfigError as error:
            _log.error("%s The credentials read before stay in force.", error)
            return
        self._verified = {}  # a new one: what a thread adds to the old one is never looked at again
        _log.info("credentials read again from %s", self._path)

    def refuses(self, metadata: Iterable[tuple[str, Any]], role: str) -> grpc.StatusCode | None:
        """Return with which status a call is refused, by its headers alone; None if it is not.

        Where callers show certificates, one without a token passes here: `peer` decides.
        """
        header = self._header(metadata)
        if header is None:
            if role in self._anonymous.roles or self.by_certificate:
                return None
            return grpc.StatusCode.UNAUTHENTICATED
        identity = self._verified.get(header) or self._verify(header)
        if identity is None or identity.expires <= time.time():
            return grpc.StatusCode.UNAUTHENTICATED
        return None if role in identity.roles else grpc.StatusCode.PERMISSION_DENIED

    def refuses_peer(self, context: grpc.ServicerContext, role: str) -> grpc.StatusCode | None:
        """Return with which status a call is refused by the caller's certificate; None if it is not, or has a token."""
        if self._header(context.invocation_metadata()) is not None:
            return None
        identity = self._credentials.of_subjects(_subjects(context))
        if role in self._anonymous.roles or (identity and role in identity.roles and identity.expires > time.time()):
            return None
        return grpc.StatusCode.PERMISSION_DENIED

    def name(self, context: grpc.ServicerContext) -> str:
        """Return the name of whoever makes a call that was let in: the actor of what it changes."""
        header = self._header(context.invocation_metadata())
        if header is not None:
            identity = self._verified.get(header) or self._verify(header)
        else:
            identity = self._credentials.of_subjects(_subjects(context)) if self.by_certificate else None
        return (identity or self._anonymous).name

    def _header(self, metadata: Iterable[tuple[str, Any]] | None) -> str | None:
        if self._path is not None:  # without a file there is no token to compare with
            for key, value in metadata or ():
                if key == _HEADER:
                    return value if isinstance(value, str) else ""
        return None

    def _verify(self, header: str) -> Identity | None:
        verified = self._verified
        scheme, token = header[: len(_SCHEME)], header[len(_SCHEME) :]
        identity = self._credentials.of_token(token) if scheme.lower() == _SCHEME else None
        if identity is not None:
            if len(verified) >= _MOST_KEPT:
                verified.clear()
            verified[header] = Identity(identity.name, identity.roles | {OPEN}, identity.expires)
        return identity


def _subjects(context: grpc.ServicerContext) -> list[str]:
    """Return the names in a caller's certificate that its authority vouched for."""
    shown: Any = context.auth_context()
    keys = ("x509_common_name", "x509_subject_alternative_name")
    return [name.decode("utf-8", "replace") for key in keys for name in shown.get(key, ())]
