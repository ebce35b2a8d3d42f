"""Rows on their way into an online store, in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from featurestore.errors import ContractError
from featurestore.online.base import LONGEST_KEY

__all__ = ["TWICE", "check_keys", "chunks"]

TWICE = "two rows for the online store have one key: keep the newest row of each key."

_OVERHEAD = 150  # bytes that a (key, row) pair of Python objects costs beyond its contents


def chunks(rows: Iterable[tuple[bytes, bytes]], size: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """Give rows in lists that take about `size` bytes of memory each; none is empty."""
    chunk: list[tuple[bytes, bytes]] = []
    held = 0
    for pair in rows:
        chunk.append(pair)
        held += len(pair[0]) + len(pair[1]) + _OVERHEAD
        if held >= size:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def check_keys(keys: Iterable[bytes]) -> None:
    """Raise ContractError if a key cannot be kept, by any store."""
    lengths = set(map(len, keys))
    if 0 in lengths or max(lengths, default=1) > LONGEST_KEY:
        raise ContractError(f"a key of the online store has 1 to {LONGEST_KEY} bytes: encode it with `encode_keys`.")
