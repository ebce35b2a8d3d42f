"""The contract of an online store: immutable generations of (key, row) pairs, each with an overlay of pushed rows.

A backend implements `OnlineStore` and passes `featurestore.testing.online.OnlineStoreSuite`. Keys are encoded by
`keys.py`, rows by `codec.py`, values of an overlay by `overlay.py`; to a store all are bytes.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from featurestore.errors import ConflictError, NotPublishedError, RequestError

__all__ = ["LONGEST_KEY", "PUSHES", "OnlineStore", "check_id", "exists", "missing"]

LONGEST_KEY = 481
"""What `keys.py` makes at most: a marker and 480 bytes."""

PUSHES = "pushes"
"""Name in a generation's schema: true if it has an overlay, so that reads of the others cost nothing more."""


class OnlineStore(ABC):
    """Generations of rows by key. Every method may be called from any thread."""

    @abstractmethod
    def write(self, generation_id: str, schema: Mapping[str, Any], rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write one generation and return how many keys it holds.

        It is durable when this returns, visible only then, and immutable from then on; if this raises, or the process
        dies, nothing is visible. Rows arrive in any order, each key once; memory is bounded however many there are.

        Parameters
        ----------
        generation_id
            Words of ASCII letters, digits, `_`, `-`, `.` separated by `/`, such as `airport_weather/v1/20-1f3a9c42`.
        schema
            A JSON object kept with the generation: `RowCodec.schema()`, and `PUSHES` if it takes pushed rows.
        rows
            `(key, row)`; a key is 1 to 481 bytes.

        Raises
        ------
        ConflictError
            If the generation exists.
        ContractError
            If two rows have one key, or a key is empty or too long.
        """

    @abstractmethod
    def read(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the row of each key, in order; None where there is none or the key is None.

        Raises
        ------
        NotPublishedError
            If there is no such generation.
        CorruptError
            If it cannot be read.
        """

    @abstractmethod
    def schema(self, generation_id: str) -> Mapping[str, Any]:
        """Return the schema that the generation was written with; raises as `read`."""

    def check(self, generation_id: str) -> None:
        """Hold all of a generation against what was recorded when it was written; raises as `read`.

        A backend that records nothing has nothing to compare: it says only whether the generation is there.
        """
        self.schema(generation_id)

    @abstractmethod
    def push(self, generation_id: str, values: Iterable[tuple[bytes, bytes]], now: int) -> int:
        """Merge pushed rows into a generation's overlay and return how many of the values changed something.

        Of each pair, the value that the overlay holds for the key becomes `overlay.merge(held, value, now)`. That is
        atomic for each key, whoever else pushes to it, and durable when this returns; a push that fails or dies
        half-way may have merged some keys and not others, and is made whole by doing it again.

        Parameters
        ----------
        values
            `(key, value)`; a value is made by `overlay.value`, or comes from the `overlay` of another generation. A
            key may come more than once.
        now
            Microseconds since 1970 UTC; see `overlay.merge`.

        Raises
        ------
        NotPublishedError
            If there is no such generation.
        ContractError
            If the generation takes no pushes.
        """

    @abstractmethod
    def pushed(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the overlay's value of each key, in order; None where nothing was pushed. Raises as `read`."""

    @abstractmethod
    def overlay(self, generation_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Give every key and value of a generation's overlay, streamed, in any order; raises as `read`.

        What is pushed meanwhile may be among them or not.
        """

    @abstractmethod
    def generations(self) -> list[str]:
        """Return the ids of all visible generations, sorted."""

    @abstractmethod
    def drop(self, generation_id: str) -> None:
        """Remove a generation and its overlay, for good; nothing happens if there is none.

        Reads that have begun end as if it were there. Another process that has it open may go on reading it.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what this object holds; the generations stay. It may be closed twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_ID = re.compile(r"[A-Za-z0-9_\-.]+(/[A-Za-z0-9_\-.]+)*")


def check_id(generation_id: str) -> str:
    """Return the id of a generation if it is one; RequestError if not."""
    if not _ID.fullmatch(generation_id) or any(word.startswith(".") for word in generation_id.split("/")):
        message = (
            f"{generation_id!r} is not the id of a generation: write words of ASCII letters, digits, '_', '-' and "
            "'.', separated by '/', none of which starts with '.'."
        )
        raise RequestError(message)
    return generation_id


def exists(generation_id: str) -> ConflictError:
    """Return the error of a second write of one id."""
    return ConflictError(f"the online generation {generation_id!r} exists, and generations never change: use a new id.")


def missing(generation_id: str, where: object) -> NotPublishedError:
    """Return the error of reading what is not there."""
    return NotPublishedError(
        f"the online store holds no generation {generation_id!r} ({where}): publish the version again."
    )
