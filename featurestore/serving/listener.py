"""One address, resolved and bound once, for every worker that will listen on it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from featurestore.errors import RequestError, UnavailableError

__all__ = ["Listener", "bind", "split_address"]

_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound address.

    Attributes
    ----------
    address
        `host:port`, the host as a number and the port never 0; what workers listen on.
    holder
        A socket that is bound to it and never listens. While it is open nobody else can take the port, and workers,
        which share it, can come and go.
    """

    address: str
    holder: socket.socket

    def close(self) -> None:
        """Let go of the port."""
        self.holder.close()


def split_address(address: str) -> tuple[str, int]:
    """Return the host, without brackets, and the port of `host:port`.

    Raises
    ------
    RequestError
        If the text is none.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _LARGEST_PORT:
        message = f"{address!r} is not an address: write HOST:PORT, for example 127.0.0.1:6566."
        raise RequestError(message)
    return host.strip("[]"), int(port)


def bind(address: str) -> Listener:
    """Bind `host:port`; port 0 takes a free one.

    The port is bound alone first and only then shared with the workers, so a second server on it is an error rather
    than half of the connections.

    Raises
    ------
    RequestError
        If the text is no `host:port`, or the host is none of this machine.
    UnavailableError
        If another process has the port.
    """
    host, port = split_address(address)
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        message = (
            f"the host of {address!r} is unknown ({error}): write one of this machine's, or 0.0.0.0 for all of them."
        )
        raise RequestError(message) from error
    family, _, _, _, target = min(infos, key=lambda info: info[0] != socket.AF_INET)  # localhost is 127.0.0.1 first
    holder = socket.socket(family, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(target)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # was for connections of a server that has ended
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        holder.close()
        message = f"cannot listen on {address} ({error.strerror}): stop what listens there, or take another port."
        raise UnavailableError(message) from error
    name, number = holder.getsockname()[:2]
    return Listener(f"[{name}]:{number}" if family == socket.AF_INET6 else f"{name}:{number}", holder)
