"""How a generation comes to be in Redis, and how its memory is given back.

A writer holds a lease on its data set for as long as it lives, and the seal makes the generation visible only if the
lease never ended. So whatever is neither leased nor visible is garbage that nobody will come back for, and the next
writer sweeps it.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from featurestore.errors import ConfigError, ConflictError, ContractError, FeatureStoreError, UnavailableError
from featurestore.online.base import PUSHES, exists
from featurestore.online.chunks import TWICE, check_keys, chunks
from featurestore.online.redis_layout import COMPLETE, LEASE, MARK, SEAL, SWEEP, UNFINISHED, DataSet
from featurestore.online.redis_server import Command, RedisServer

__all__ = ["GENERATIONS", "RedisWriter"]

GENERATIONS, _DATA = "{{{}}}:generations", "{{{}}}:data"

_CLUSTER_BUCKETS = (
    64  # enough to spread over the nodes; a server of its own needs but one, which is the fastest to read
)
_CHUNK_BYTES = 8 << 20
_COMMAND_BYTES = 256 << 10  # a server does nothing else while it stores them
_DROPPED_AT_ONCE = 16
_ANY = 2**53  # later than any lease


class RedisWriter:
    """Writes, removes and sweeps the data sets of one namespace."""

    def __init__(self, server: RedisServer, namespace: str, lease: float) -> None:
        self._server = server
        self._namespace = namespace
        self._lease_seconds = lease
        self._generations = GENERATIONS.format(namespace)
        self._data = _DATA.format(namespace)

    def write(self, generation_id: str, schema: Mapping[str, Any], rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write one generation and return how many keys it holds; see `RedisStore.write`."""
        self._check_policy()
        self.sweep()
        if self._server.run([("HEXISTS", self._generations, generation_id)], "list generations")[0]:
            raise exists(generation_id)
        data = DataSet.fresh(_CLUSTER_BUCKETS if self._server.address.cluster else 1)
        with self._lease(data) as ended:
            try:
                self._mark(data, ["rows", "pushed"] if schema.get(PUSHES) else ["rows"], UNFINISHED)
                count = self._send_all(data, rows, ended)
                self._check(data, count)
                meta = json.dumps({"rows": count, "schema": dict(schema)})
                self._server.run([("SET", data.key(self._namespace, 0, "schema"), meta)], "write a generation")
                self._mark(data, ["rows", "pushed"] if schema.get(PUSHES) else ["rows"], COMPLETE)
                self._seal(generation_id, data)
            except BaseException:
                with suppress(FeatureStoreError):  # of what has failed already; the next writer sweeps it
                    self.remove(data)
                raise
        return count

    def remove(self, data: DataSet) -> None:
        """Remove a data set, a few keys at a time; the server frees large ones aside."""
        buckets = range(data.buckets)
        for start in range(0, data.buckets, _DROPPED_AT_ONCE):
            commands = [
                ("UNLINK", *(data.key(self._namespace, bucket, part) for part in ("rows", "pushed", "schema")))
                for bucket in buckets[start : start + _DROPPED_AT_ONCE]
            ]
            self._server.run(commands, "remove a generation")
        self._server.run([("ZREM", self._data, str(data))], "remove a generation")

    def sweep(self) -> None:
        """Remove what writers have left that died, or that could not finish a drop."""
        (found,) = self._server.run([("EVAL", SWEEP, 1, self._data)], "sweep")
        (visible,) = self._server.run([("HVALS", self._generations)], "sweep")  # only after the line above
        for one in sorted(set(found) - set(visible)):
            self.remove(DataSet.parse(one))

    def _check_policy(self) -> None:
        policy = self._server.evicts()
        if policy is not None:
            message = (
                f"the online store {self._server.address} would evict rows when its memory is full (maxmemory-policy "
                f"{policy}), and features would vanish unseen: set it to noeviction."
            )
            raise ConfigError(message)

    def _mark(self, data: DataSet, parts: Sequence[str], mark: bytes) -> None:
        commands = [
            ("HSET", data.key(self._namespace, bucket, part), MARK, mark)
            for bucket in range(data.buckets)
            for part in parts
        ]
        self._server.run(commands, "write a generation")

    def _send_all(self, data: DataSet, rows: Iterable[tuple[bytes, bytes]], ended: threading.Event) -> int:
        """Send rows, each chunk while the next one is made, and return how many."""
        count = 0
        with ThreadPoolExecutor(1) as sender:
            sending: Future[None] | None = None
            for chunk in chunks(rows, _CHUNK_BYTES):
                check_keys(key for key, _ in chunk)
                if sending is not None:
                    sending.result()
                if ended.is_set():
                    raise _too_late(self._lease_seconds)
                sending = sender.submit(self._send, data, chunk)
                count += len(chunk)
            if sending is not None:
                sending.result()
        return count

    def _send(self, data: DataSet, chunk: Sequence[tuple[bytes, bytes]]) -> None:
        fields: dict[int, list[bytes]] = defaultdict(list)
        for key, row in chunk:
            fields[data.bucket(key)] += (key, row)
        size = sum(len(row) for _, row in chunk)
        step = 2 * max(1, len(chunk) * _COMMAND_BYTES // max(size, _COMMAND_BYTES))
        commands: list[Command] = [
            ("HSET", data.key(self._namespace, bucket, "rows"), *items[start : start + step])
            for bucket, items in fields.items()
            for start in range(0, len(items), step)
        ]
        self._server.run(commands, "write a generation")

    def _check(self, data: DataSet, count: int) -> None:
        """See that the server holds what was sent."""
        keys = [data.key(self._namespace, bucket, "rows") for bucket in range(data.buckets)]
        marks = self._server.run([("HGET", key, MARK) for key in keys], "write a generation")
        if any(mark != UNFINISHED for mark in marks):
            message = (
                f"the online store {self._server.address} lost rows while they were written: it was restarted, or "
                "evicts (see its maxmemory-policy). Try again."
            )
            raise UnavailableError(message)
        if sum(self._server.run([("HLEN", key) for key in keys], "write a generation")) - data.buckets != count:
            raise ContractError(TWICE)

    def _seal(self, generation_id: str, data: DataSet) -> None:
        """Make a data set visible, whatever this writer missed meanwhile."""
        command = ("EVAL", SEAL, 2, self._generations, self._data, generation_id, str(data))
        (verdict,) = self._server.run([command], "write a generation")
        if verdict == 0:
            raise exists(generation_id)
        if verdict < 0:
            raise _too_late(self._lease_seconds)

    @contextmanager
    def _lease(self, data: DataSet) -> Iterator[threading.Event]:
        """Hold a data set, and give the event that says that it is held no longer."""
        command = ("EVAL", LEASE, 1, self._data, str(data), self._lease_seconds)
        self._server.run([(*command, _ANY)], "write a generation")
        done, ended = threading.Event(), threading.Event()

        def renew() -> None:
            while not done.wait(self._lease_seconds / 6):
                with suppress(UnavailableError):  # there is time for another try; the seal decides
                    if self._server.run([(*command, 0)], "write a generation") == [0]:
                        return ended.set()
            return None

        thread = threading.Thread(target=renew, name="online lease", daemon=True)
        thread.start()
        try:
            yield ended
        finally:
            done.set()
            thread.join()


def _too_late(seconds: float) -> ConflictError:
    return ConflictError(
        f"this writer of the online store showed no life for {seconds:g} seconds, so another took its rows for "
        "garbage: publish again."
    )
