"""Listening: who is told what the store does. What is told has happened: telling it neither undoes nor delays it."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.model.history import Change

__all__ = ["Listener", "Listeners", "Work"]


@dataclass(slots=True)
class Work:
    """One run of a verb.

    Attributes
    ----------
    verb
        `materialize`, `train`, `publish`; empty where a change was all there was to do.
    subject
        What it works on: `view@vN`, several joined by `+` for a training frame.
    id
        A UUID of this run.
    started_at, ended_at
        UTC.
    changes
        What it has committed so far.
    error
        Why it ended early.
    """

    verb: str
    subject: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    changes: list[Change] = field(default_factory=list)
    error: BaseException | None = None


class Listener(Protocol):
    """Told what the store does, in the thread that does it: it must not raise, and must not take long."""

    def started(self, work: Work) -> None:
        """Hear that work has begun."""
        ...

    def ended(self, work: Work) -> None:
        """Hear that work has ended, well or (`work.error`) not; or of a change that was no more than that."""
        ...

    def close(self) -> None:
        """Let go of what is held; the store is closed."""
        ...


_work: ContextVar[tuple[object, Work] | None] = ContextVar("featurestore_work", default=None)


class Listeners:
    """The listeners of one store."""

    def __init__(self) -> None:
        self._all: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Tell this one too, from now on."""
        self._all.append(listener)

    def close(self) -> None:
        """Close them."""
        for listener in self._all:
            listener.close()
        self._all.clear()

    @contextmanager
    def working(self, verb: str, subject: str) -> Iterator[None]:
        """Tell that the block is a run of a verb, and what came of it."""
        if not self._all:
            yield
            return
        work = Work(verb, subject)
        token = _work.set((self, work))
        for listener in self._all:
            listener.started(work)
        try:
            yield
        except BaseException as error:
            work.error = error
            raise
        finally:
            _work.reset(token)
            self._ended(work)

    def committed(self, changes: Sequence[Change]) -> None:
        """Take what was committed: by the work of this thread, or as changes that stand alone."""
        current = _work.get()
        if current is not None and current[0] is self:
            current[1].changes.extend(changes)
            return
        for change in changes if self._all else ():
            self._ended(Work("", change.subject, changes=[change]))

    def _ended(self, work: Work) -> None:
        work.ended_at = datetime.now(UTC)
        for listener in self._all:
            listener.ended(work)
