"""Show what was measured: a line as it comes, and how each question grows at the end; JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles

import click

__all__ = ["Report"]

HEAD = f"{'database':10}{'views':>6}  {'question':52}{'p50 ms':>10}{'p99 ms':>10}{'calls':>7}  bar"


@dataclass(slots=True)
class Report:
    """Keeps what was measured, prints it, and writes the JSON file after each line."""

    path: Path
    about: dict[str, object]
    lines: list[dict[str, object]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    @classmethod
    def begin(cls, path: Path) -> Report:
        """Return an empty report, and print the head of its table."""
        click.echo(HEAD)
        versions = {name: version(name) for name in ("featurestore", "SQLAlchemy", "sqlglot", "psycopg")}
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "versions": versions}
        return cls(path, {"benchmark": "lineage", **machine})

    def add(self, database: str, views: int, question: str, times: list[float], bar: float | None) -> None:
        """Add one question's times, in milliseconds; the bar is of the 99th percentile."""
        cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
        p50, p99 = cuts[49], cuts[98]
        held = "" if bar is None else f"{'holds' if p99 < bar else 'MISSED'} {bar:,.0f}"
        click.echo(f"{database:10}{views:6}  {question:52}{p50:10.2f}{p99:10.2f}{len(times):7}  {held}")
        line = {"database": database, "views": views, "question": question, "p50_ms": p50, "p99_ms": p99}
        self.lines.append({**line, "calls": len(times), "bar_ms": bar})
        self._write()

    def note(self, name: str, what: object) -> None:
        """Add a fact that is no time."""
        self.facts[name] = what
        click.echo(f"{name}: {what}")
        self._write()

    def end(self) -> None:
        """Print how each question's median grows with the catalog."""
        grown: dict[tuple[object, object], list[str]] = defaultdict(list)
        for line in self.lines:
            grown[line["database"], line["question"]].append(f"{line['p50_ms']:10.2f}")
        click.echo("\nmedian ms, from the smallest catalog to the largest")
        for (database, question), medians in grown.items():
            click.echo(f"{database!s:10}{question!s:54}{''.join(medians)}")

    def _write(self) -> None:
        self.path.write_text(json.dumps({**self.about, "facts": self.facts, "lines": self.lines}, indent=1))
