"""How far a long verb has come: a bar with rows and rate on a terminal, log lines elsewhere; always standard error."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.cli.output import Output

__all__ = ["Report", "progress"]

_SECONDS_BETWEEN_LINES = 5.0


class Report(Protocol):
    """What a verb of the store calls: `done` of `total` (None: not known) rows of the step `event`."""

    def __call__(self, event: str, done: int, total: int | None = None, /) -> None:
        """Take note."""


@contextmanager
def progress(output: Output) -> Iterator[Report]:
    """Yield the callback that shows the progress of one verb."""
    if sys.stderr.isatty() and not output.json:
        with _bars(output) as report:
            yield report
    else:
        lines = _Lines(output)
        yield lines
        lines.close()


@contextmanager
def _bars(output: Output) -> Iterator[Report]:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(30),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.fields[rate]}", style="dim"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=output.console(stderr=True)) as bars:

        def report(event: str, done: int, total: int | None = None, /) -> None:
            if event not in tasks:
                for earlier in tasks.values():
                    bars.stop_task(earlier)
                tasks[event] = bars.add_task(event, total=total, rate="")
            task = bars.tasks[tasks[event]]
            bars.update(task.id, completed=done, total=total, rate=_rate(done, task.elapsed or 0.0))

        yield report
        for task in bars.tasks:
            bars.update(task.id, total=max(task.completed, 1), completed=max(task.completed, 1))


def _rate(done: int, seconds: float) -> str:
    return f"{done / seconds:,.0f} rows/s" if seconds > 0.1 else ""  # noqa: PLR2004 - before that it is noise


class _Lines:
    """A line when a step starts, every few seconds, and when it has ended."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._event = ""
        self._started = self._said = 0.0
        self._done = 0

    def __call__(self, event: str, done: int, total: int | None = None, /) -> None:
        now = time.monotonic()
        if event != self._event:
            self.close()
            self._event, self._started, self._said = event, now, now
            self._output.log(event)
        self._done = done
        if now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            of = f" of {total:,}" if total else ""
            self._output.log(f"{event}: {done:,}{of} rows, {_rate(done, now - self._started)}".rstrip(", "))

    def close(self) -> None:
        """Say how the step ended."""
        if self._event and self._done:
            seconds = time.monotonic() - self._started
            self._output.log(f"{self._event}: {self._done:,} rows in {seconds:.1f} s")
        self._event, self._done = "", 0
