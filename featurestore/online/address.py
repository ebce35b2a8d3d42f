"""Where online rows lie, as a configuration writes it; a password in it is never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from featurestore.errors import ConfigError, nearest

__all__ = ["LMDB", "Address"]

LMDB = "lmdb"
_FORMS = "Write 'lmdb', 'redis://HOST:PORT/DB', 'rediss://...' for TLS, 'redis+cluster://HOST:PORT,HOST:PORT', or 'unix://PATH'"
_DATABASE = re.compile(r"(/\d*)?")
_SCHEMES = {
    "redis": ("redis", False),
    "rediss": ("rediss", False),
    "unix": ("unix", False),
    "redis+cluster": ("redis", True),
    "rediss+cluster": ("rediss", True),
}
"""Scheme to that of the client's URL, and whether it names a cluster; `valkey` may stand for `redis`."""


@dataclass(frozen=True, slots=True)
class Address:
    """An online store's address.

    Attributes
    ----------
    shown
        The address without password and options, to be told to people.
    cluster
        Whether it names nodes of a cluster.
    urls
        What a Redis client connects to: one URL, of a cluster one for each node named; none for LMDB.
    """

    shown: str
    cluster: bool = False
    urls: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `online` in a configuration says.

        Raises
        ------
        ConfigError
            If it is no such address; the message holds no part of it but the scheme.
        """
        if text == LMDB:
            return cls(LMDB)
        scheme, separator, _ = text.partition("://")
        known = _SCHEMES.get(scheme.replace("valkey", "redis", 1))
        if not separator or known is None:
            named = (
                f" names the unknown scheme {scheme!r}.{nearest(scheme, _SCHEMES)}" if separator else " is no address."
            )
            raise ConfigError(f"the setting 'online'{named} {_FORMS}.")
        plain, cluster = known
        try:
            parts = urlsplit(text)
            login, at, hosts = parts.netloc.rpartition("@")
            nodes = hosts.split(",") if cluster else [hosts]
            tail = parts.path + (f"?{parts.query}" if parts.query else "")
            urls = tuple(f"{plain}://{login}{at}{node}{tail}" for node in nodes)
            wrong = plain != "unix" and not (_DATABASE.fullmatch(parts.path) and all(map(_is_host, urls)))
        except ValueError:  # its text may hold a part of the password
            wrong, urls, hosts, login, parts = True, (), "", "", urlsplit("")
        if wrong:
            raise ConfigError(
                f"the setting 'online' has no host, or a port or a database that is no number. {_FORMS}; a password "
                "that holds one of / : @ ? # % is written percent-encoded."
            )
        user = login.partition(":")[0]
        return cls(f"{scheme}://{f'{user}:***@' if login else ''}{hosts}{parts.path}", cluster, urls)

    def __str__(self) -> str:
        return self.shown


def _is_host(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and parts.port != 0
