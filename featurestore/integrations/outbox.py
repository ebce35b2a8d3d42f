"""The outbox: events wait as files in the store's folder until they are sent, in order, by one process at a time.

What is sent twice (a process died between the answer and the removal) carries the same run id and time.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from featurestore.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Outbox"]


class Outbox:
    """The waiting events of one store.

    Parameters
    ----------
    folder
        Made when the first event comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._refused = folder / "refused"

    def add(self, event: dict[str, Any]) -> None:
        """Let an event wait to be sent."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
        hidden = self._folder / f".{name}"
        hidden.write_text(json.dumps(event, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        hidden.rename(self._folder / name)

    def waiting(self) -> list[Path]:
        """Return the files of the events that wait, in order."""
        return sorted(self._folder.glob("[0-9]*.json")) if self._folder.is_dir() else []

    def refused(self) -> list[Path]:
        """Return the files of the events that the receiver has refused; each has its reason beside it, in `.txt`."""
        return sorted(self._refused.glob("*.json")) if self._refused.is_dir() else []

    def send(self, send: Callable[[bytes], None]) -> tuple[int, int]:
        """Send what waits, oldest first; return how many were sent, and how many refused.

        Raises
        ------
        UnavailableError
            As `send` raised it: the receiver cannot be reached. What was not sent waits on.
        """
        sent = refused = 0
        if not self._folder.is_dir():
            return sent, refused
        with self._alone():
            for path in self.waiting():
                try:
                    send(path.read_bytes())
                except RequestError as error:
                    refused += 1
                    self._refused.mkdir(exist_ok=True)
                    (self._refused / path.name).with_suffix(".txt").write_text(f"{error}\n", encoding="utf-8")
                    path.rename(self._refused / path.name)
                else:
                    sent += 1
                    path.unlink()
        return sent, refused

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold that no other process sends meanwhile: events arrive in order."""
        handle = os.open(self._folder / ".sending", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
