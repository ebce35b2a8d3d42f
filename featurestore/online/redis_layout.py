"""How generations lie in Redis: the names of the keys, and the scripts that change more than one thing at once.

    {NAMESPACE}:generations       hash: generation id -> data set; what is visible, and nothing else is
    {NAMESPACE}:data              sorted set: every data set there is -> until when its writer holds it (server's time)
    NAMESPACE:{SET.BUCKET}:rows   hash: key -> row, and under the empty key a mark that all rows are there
    NAMESPACE:{SET.BUCKET}:pushed hash: key -> value of `overlay.py`, and the same mark; if the generation takes pushes
    NAMESPACE:{SET.0}:schema      JSON: number of rows, schema

A data set is `SET:BUCKETS`, SET a random word. What is in braces decides the slot in a cluster: all of a bucket lies on
one node, so that a command, or a script, has what it needs there. The mark is asked for with every read: a bucket that
was removed, evicted, or lost with its server is told from one that does not hold a key. Nothing has a time to live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import uuid4
from zlib import crc32

__all__ = ["COMPLETE", "LEASE", "MARK", "PUSH", "SEAL", "SWEEP", "UNFINISHED", "DataSet"]

MARK = b""
"""The key of the mark: keys of rows are never empty."""

UNFINISHED, COMPLETE = b"unfinished", b"complete"


@dataclass(frozen=True, slots=True)
class DataSet:
    """The rows of one generation under its names."""

    name: str
    buckets: int

    @classmethod
    def fresh(cls, buckets: int) -> Self:
        """Return one that nobody has."""
        return cls(uuid4().hex, buckets)

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Return the data set that `str` wrote."""
        name, buckets = text.decode().split(":")
        return cls(name, int(buckets))

    def __str__(self) -> str:
        return f"{self.name}:{self.buckets}"

    def key(self, namespace: str, bucket: int, part: str) -> str:
        """Return the name of one key."""
        return f"{namespace}:{{{self.name}.{bucket}}}:{part}"

    def bucket(self, key: bytes) -> int:
        """Return where a row lies."""
        return crc32(key) % self.buckets if self.buckets > 1 else 0


_NOW = "local time = redis.call('TIME') local now = time[1] + time[2] / 1000000\n"

LEASE = (
    _NOW
    + """
local held = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or ARGV[3])
if held <= now then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return 1
"""
)
"""data; data set, seconds, what counts where there is no lease: 0 if it was taken away. A lease that ended is dead."""

SEAL = (
    _NOW
    + """
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there == ARGV[2] then return 1 end
if there then return 0 end
if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or 0) <= now then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
)
"""generations, data; id, data set: 1 if it is visible now, 0 if the id is another's, -1 if the lease has ended."""

SWEEP = _NOW + "return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)"
"""data: the data sets that no writer holds. Those that are not visible now never will be."""

PUSH = """
if redis.call('HGET', KEYS[1], '') ~= 'complete' then return false end
local missed = {}
for i = 1, #ARGV, 3 do
    if (redis.call('HGET', KEYS[2], ARGV[i]) or '') == ARGV[i + 1] then
        redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
    else
        missed[#missed + 1] = ARGV[i]
    end
end
return missed
"""
"""rows, pushed; for each key: it, the value that was read, the new one. Returns the keys whose value was another."""
