"""The online store for many machines: generations in Redis or Valkey, one server or a cluster.

What lies where is told in `redis_layout.py`, how a generation comes to be in `redis_writer.py`. A read is one round
trip for any number of keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from featurestore.errors import ContractError, CorruptError, FeatureStoreError
from featurestore.online.address import Address
from featurestore.online.base import PUSHES, OnlineStore, check_id, missing
from featurestore.online.chunks import check_keys
from featurestore.online.overlay import merge
from featurestore.online.redis_layout import COMPLETE, MARK, PUSH, DataSet
from featurestore.online.redis_server import RedisServer
from featurestore.online.redis_writer import GENERATIONS, RedisWriter

__all__ = ["RedisStore"]

_KEPT = 512
_PUSHED_KEYS, _PUSHED_BYTES = 1_000, 1 << 20
_SCANNED = 500


@dataclass(frozen=True, slots=True)
class _Opened:
    """A generation as this process knows it."""

    data: DataSet
    schema: Mapping[str, Any]


class RedisStore(OnlineStore):
    """Generations in Redis, under one namespace.

    Parameters
    ----------
    address
        The server, or nodes of the cluster.
    namespace
        Begins every key: stores with different ones do not see each other.
    lease
        Seconds after which what a writer has left that shows no more life is taken for garbage.
    """

    def __init__(self, address: Address, namespace: str, *, lease: float = 30.0) -> None:
        self._server = RedisServer(address)
        self._namespace = namespace
        self._writer = RedisWriter(self._server, namespace, lease)
        self._opened: dict[str, _Opened] = {}

    def write(self, generation_id: str, schema: Mapping[str, Any], rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write one generation and return how many keys it holds (see `OnlineStore.write`).

        It is as durable as the server makes what it acknowledges: see its `appendonly` and `appendfsync`.

        Raises
        ------
        ConfigError
            Also if the server may evict rows.
        """
        return self._writer.write(check_id(generation_id), schema, rows)

    def read(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the row of each key, in order; None where there is none or the key is None."""
        return self._get(generation_id, self._open(generation_id).data, "rows", keys)

    def schema(self, generation_id: str) -> Mapping[str, Any]:
        """Return the schema that the generation was written with."""
        return self._open(generation_id).schema

    def generations(self) -> list[str]:
        """Return the ids of all visible generations, sorted."""
        (found,) = self._server.run([("HKEYS", self._generations)], "list generations")
        return sorted(one.decode() for one in found)

    def drop(self, generation_id: str) -> None:
        """Remove a generation, for good; its memory is given back by the server, aside and in steps."""
        self._opened.pop(generation_id, None)
        (held,) = self._server.run([("HGET", self._generations, check_id(generation_id))], "drop a generation")
        if held is not None:
            self._server.run([("HDEL", self._generations, generation_id)], "drop a generation")
            self._writer.remove(DataSet.parse(held))
        self._writer.sweep()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    # ------------------------------------------------------------------------------------------- pushed rows

    def push(self, generation_id: str, values: Iterable[tuple[bytes, bytes]], now: int) -> int:
        """Merge pushed rows into a generation's overlay (see `OnlineStore.push`)."""
        opened = self._open(generation_id)
        if not opened.schema.get(PUSHES):
            message = f"the online generation {generation_id!r} takes no pushed rows: publish the version again."
            raise ContractError(message)
        return sum(self._merge(generation_id, opened.data, pending, now) for pending in _distinct(values))

    def pushed(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the overlay's value of each key, in order; None where nothing was pushed."""
        opened = self._open(generation_id)
        if not opened.schema.get(PUSHES):
            return [None] * len(keys)
        return self._get(generation_id, opened.data, "pushed", keys)

    def overlay(self, generation_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Give every key and value of a generation's overlay, in no order."""
        opened = self._open(generation_id)
        if not opened.schema.get(PUSHES):
            return
        for bucket in range(opened.data.buckets):
            key, cursor = opened.data.key(self._namespace, bucket, "pushed"), None
            while cursor != 0:
                command = ("HSCAN", key, cursor or 0, "COUNT", _SCANNED)
                ((cursor, found),) = self._server.run([command], "read pushed rows")
                yield from ((name, value) for name, value in found.items() if name != MARK)

    def _merge(self, generation_id: str, data: DataSet, pending: dict[bytes, bytes], now: int) -> int:
        """Merge values of distinct keys and return how many changed something.

        What was read is compared when it is replaced; who finds it changed reads again.
        """
        changed = 0
        while pending:
            keys = list(pending)
            updates: dict[int, list[bytes]] = {}
            for key, held in zip(keys, self._get(generation_id, data, "pushed", keys), strict=True):
                merged = merge(held, pending[key], now)
                if merged != held:
                    updates.setdefault(data.bucket(key), []).extend((key, held or b"", merged))
            commands = [
                ("EVAL", PUSH, 2, *(data.key(self._namespace, bucket, part) for part in ("rows", "pushed")), *triples)
                for bucket, triples in updates.items()
            ]
            missed: set[bytes] = set()
            for reply in self._server.run(commands, "push rows") if commands else ():
                if reply is None:
                    raise self._lost(generation_id)
                missed.update(reply)
            changed += sum(map(len, updates.values())) // 3 - len(missed)
            pending = {key: pending[key] for key in missed}
        return changed

    # ------------------------------------------------------------------------------------------- reading

    @property
    def _generations(self) -> str:
        return GENERATIONS.format(self._namespace)

    def _open(self, generation_id: str) -> _Opened:
        opened = self._opened.get(generation_id)
        if opened is None:
            opened = self._look(generation_id)
            if len(self._opened) >= _KEPT:  # those dropped by others are never asked for again
                self._opened = {}
            self._opened[generation_id] = opened
        return opened

    def _look(self, generation_id: str) -> _Opened:
        """Return a visible generation, all of whose rows are there."""
        (held,) = self._server.run([("HGET", self._generations, generation_id)], "find a generation")
        if held is None:
            raise missing(generation_id, self._server.address)
        data = DataSet.parse(held)
        commands = [("HLEN", data.key(self._namespace, bucket, "rows")) for bucket in range(data.buckets)]
        told, *lengths = self._server.run(
            [("GET", data.key(self._namespace, 0, "schema")), *commands], "find a generation"
        )
        if told is None:
            raise self._lost(generation_id)
        meta = json.loads(told)
        if sum(lengths) - data.buckets != meta["rows"]:
            raise self._lost(generation_id)
        return _Opened(data, MappingProxyType(meta["schema"]))

    def _get(self, generation_id: str, data: DataSet, part: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return what the hashes of one part hold for keys."""
        places: dict[int, list[int]] = {}
        for position, key in enumerate(keys):
            if key is not None:
                places.setdefault(data.bucket(key), []).append(position)
        answer: list[bytes | None] = [None] * len(keys)
        if not places:
            return answer
        commands = [
            ("HMGET", data.key(self._namespace, bucket, part), MARK, *(keys[position] for position in positions))
            for bucket, positions in places.items()
        ]
        replies = self._server.run(commands, "read rows")
        for positions, (mark, *found) in zip(places.values(), replies, strict=True):
            if mark != COMPLETE:
                raise self._lost(generation_id)
            for position, row in zip(positions, found, strict=True):
                answer[position] = row
        return answer

    def _lost(self, generation_id: str) -> FeatureStoreError:
        """Return the error of rows that are not where they were: dropped, or lost by the server."""
        self._opened.pop(generation_id, None)
        (there,) = self._server.run([("HEXISTS", self._generations, generation_id)], "find a generation")
        if not there:
            return missing(generation_id, self._server.address)
        return CorruptError(
            f"rows of the online generation {generation_id!r} are gone from {self._server.address}: it has evicted "
            "them (see its maxmemory-policy), or lost them when it was restarted. Publish the version again."
        )


def _distinct(values: Iterable[tuple[bytes, bytes]]) -> Iterator[dict[bytes, bytes]]:
    """Give values in portions of bounded size, in each of which a key comes once."""
    portion: dict[bytes, bytes] = {}
    size = 0
    for key, value in values:
        check_keys([key])
        if key in portion or len(portion) >= _PUSHED_KEYS or size >= _PUSHED_BYTES:
            yield portion
            portion, size = {}, 0
        portion[key] = value
        size += len(value)
    if portion:
        yield portion
