"""What the person in front of the terminal sees: acts with their time, questions next to their answers, tables."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table


class Screen:
    """Writes the story to the terminal and keeps the time of each act.

    Parameters
    ----------
    store
        The folder that commands ask.

    Attributes
    ----------
    console
        Where it goes.
    times
        `(act, seconds)` in order.
    """

    def __init__(self, store: Path) -> None:
        self._store = str(store)
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = 120
        self.times: list[tuple[str, float]] = []

    @contextmanager
    def act(self, title: str) -> Iterator[None]:
        """Head one act of the story and time it."""
        number = len(self.times) + 1
        self.console.print()
        self.console.print(Rule(f"[bold]{number}  {escape(title)}[/]", align="left", style="cyan"))
        started = time.perf_counter()
        yield
        self.times.append((title, time.perf_counter() - started))
        self.console.print(f"[dim]{self.times[-1][1]:.1f} s[/]", justify="right")

    def say(self, text: str) -> None:
        """Tell what happens; rich markup is allowed."""
        self.console.print(text)

    def call(self, code: str) -> None:
        """Show the call whose answer comes next."""
        self.console.print()
        self.console.print(Syntax(code, "python", theme="ansi_dark", background_color="default", word_wrap=True))

    def command(self, *arguments: str, lines: int | None = None, code: int = 0) -> None:
        """Run a command of the command line and show its answer, or the first lines of it; it must end with `code`."""
        self.console.print(f"\n[green]$[/] [bold]featurestore {escape(shlex.join(arguments))}[/]")
        environment = {**os.environ, "FEATURESTORE_STORE": self._store, "COLUMNS": str(self.console.width - 4)}
        command = [sys.executable, "-m", "featurestore", *arguments]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if run.returncode != code:
            ended = f"ended with {run.returncode}, not {code}"
            raise RuntimeError(f"featurestore {shlex.join(arguments)} {ended}:\n{run.stdout}\n{run.stderr}")
        answer = run.stdout.rstrip().splitlines()
        self.show("\n".join(answer[:lines]))
        if lines is not None and len(answer) > lines:
            self.say(f"    [dim]... and {len(answer) - lines} more lines[/]")
        if code:
            self.say(f"    [red]exit code {code}[/]")

    def show(self, text: object) -> None:
        """Show an answer as its own text, indented."""
        self.console.print(escape(indent(str(text), "    ")), soft_wrap=True)

    def diff(self, lines: Sequence[str]) -> None:
        """Show a difference between two texts."""
        for line in lines:
            style = {"+": "green", "-": "red"}.get(line[:1], "dim")
            self.console.print(f"    [{style}]{escape(line)}[/]")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show rows; the first column is text, the others stand to the right."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
        for position, column in enumerate(columns):
            table.add_column(column, justify="right" if position else "left")
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, 4)))

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        """Show a bar while the clock of the data runs."""
        columns = (TextColumn("    {task.description}"), BarColumn(30), MofNCompleteColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            progress.add_task("", total=total)
            yield progress
