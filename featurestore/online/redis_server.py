"""A Redis or Valkey server, or a cluster of them: its connections, and its failures as our errors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from redis import Redis, RedisCluster, exceptions
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode
from redis.connection import parse_url
from redis.retry import Retry

from featurestore.errors import ConfigError, FeatureStoreError, UnavailableError
from featurestore.online.address import Address

__all__ = ["Command", "RedisServer"]

Command = tuple[Any, ...]

_TRIES, _FIRST_PAUSE, _LONGEST_PAUSE = 3, 0.02, 0.5  # seconds; for a connection that was closed meanwhile
_SHOWN_ERROR = 300  # characters; a server's error may repeat what was sent

_FAILURES: Sequence[tuple[tuple[type[Exception], ...], type[FeatureStoreError], str]] = (
    (
        (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError),
        ConfigError,
        "check the user and the password of 'online', and what the server allows that user",
    ),
    (
        (exceptions.OutOfMemoryError,),
        ConfigError,
        "its memory is used up: raise maxmemory, or keep fewer generations (keep_generations)",
    ),
    ((exceptions.ReadOnlyError,), ConfigError, "it is a replica: name its primary in 'online'"),
    (
        (
            exceptions.ConnectionError,
            exceptions.TimeoutError,
            exceptions.ClusterDownError,
            exceptions.MasterDownError,
            exceptions.TryAgainError,
            exceptions.SlotNotCoveredError,
            exceptions.RedisClusterException,
        ),
        UnavailableError,
        "see that it runs and can be reached, and try again",
    ),
    ((exceptions.RedisError,), ConfigError, "see its log"),
)
"""What the client raises, what it is to our callers, and what they can do; the first that fits counts."""


class RedisServer:
    """A server or a cluster, connected to when it is first asked, by each process for itself.

    Raises
    ------
    UnavailableError
        From any method, if it cannot be reached.
    ConfigError
        From any method, if it refuses: the login, for want of memory, because it is a replica.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._held: tuple[int, Any] | None = None

    @property
    def client(self) -> Any:  # noqa: ANN401 - one of two classes without a common one
        """The client of this process: its pool of connections is safe for threads, and never crosses a fork."""
        held = self._held
        if held is None or held[0] != os.getpid():
            held = self._held = (os.getpid(), self._connected())
        return held[1]

    def _connected(self) -> Redis | RedisCluster:
        retry = Retry(ExponentialBackoff(_LONGEST_PAUSE, _FIRST_PAUSE), _TRIES, (exceptions.ConnectionError,))
        if not self.address.cluster:
            return Redis.from_url(self.address.urls[0], retry=retry)
        options = [parse_url(url) for url in self.address.urls]
        nodes = [ClusterNode(one.get("host", "localhost"), one.get("port", 6379)) for one in options]
        if options[0].pop("connection_class", None) is not None:
            options[0]["ssl"] = True
        shared = {name: value for name, value in options[0].items() if name not in {"host", "port", "db"}}
        return RedisCluster(startup_nodes=nodes, retry=retry, **shared)

    def run(self, commands: Sequence[Command], what: str) -> list[Any]:
        """Return the replies to commands, sent together: one round trip, to all nodes concerned.

        Parameters
        ----------
        what
            Said in an error, for example `"read rows"`.
        """
        try:
            if len(commands) == 1:
                return [self.client.execute_command(*commands[0])]
            pipeline = self.client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        except (exceptions.RedisError, exceptions.RedisClusterException) as error:
            raise self._error(error, what) from error
        for reply in replies:
            if isinstance(reply, Exception):
                raise self._error(reply, what) from reply
        return replies

    def evicts(self) -> str | None:
        """Return the name of the policy by which a node removes any key when its memory is full; None if none does."""
        try:
            if self.address.cluster:
                nodes = self.client.info("memory", target_nodes=RedisCluster.PRIMARIES)
                found = list(nodes.values()) if "maxmemory" not in nodes else [nodes]
            else:
                found = [self.client.info("memory")]
        except (exceptions.RedisError, exceptions.RedisClusterException) as error:
            raise self._error(error, "look at its memory") from error
        policies = [str(one.get("maxmemory_policy", "")) for one in found if one.get("maxmemory")]
        return next((policy for policy in policies if policy.startswith("allkeys")), None)

    def close(self) -> None:
        """Close the connections; the next call opens others."""
        held, self._held = self._held, None
        if held is not None and held[0] == os.getpid():
            held[1].close()

    def _error(self, error: Exception, what: str) -> FeatureStoreError:
        kind, advice = next((kind, advice) for known, kind, advice in _FAILURES if isinstance(error, known))
        said = str(error)
        said = said if len(said) <= _SHOWN_ERROR else f"{said[:_SHOWN_ERROR]}..."
        return kind(f"the online store {self.address} cannot {what}: {said.rstrip('.')}; {advice}.")
