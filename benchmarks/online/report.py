"""Show results: a line as each comes, the bars at the end; JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks.online.load import Load
from benchmarks.online.workloads import Bar

__all__ = ["OURS", "Report"]

OURS = "featurestore"
LIBRARIES = ("featurestore", "grpcio", "protobuf", "lmdb", "numpy", "redis")
HEAD = f"{'workload':18}{'who':26}{'calls/s':>10}{'p50 ms':>9}{'p99':>9}{'p99.9':>9}{'us CPU':>8}{'ours x':>9}"


@dataclass(slots=True)
class Report:
    """Keeps what was measured, prints it, and writes the JSON file after each line."""

    path: Path
    about: dict[str, object]
    loads: dict[str, dict[str, Load]] = field(default_factory=dict)
    bars: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    @classmethod
    def begin(cls, path: Path, scale: str) -> Report:
        """Return an empty report, and print the head of its table."""
        click.echo(HEAD)
        versions = {name: version(name) for name in LIBRARIES if _installed(name)}
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "versions": versions}
        return cls(path, {"benchmark": "online", "scale": scale, **machine})

    def add(self, workload: str, who: str, load: Load) -> None:
        """Add one load."""
        loads = self.loads.setdefault(workload, {})
        loads[who] = load
        ours = loads.get(OURS)
        ratio = "" if ours is None or who == OURS else f"{ours.rate / load.rate:.2f}"
        click.echo(
            f"{workload:18}{who:26}{load.rate:10,.0f}{load.p50:9.2f}{load.p99:9.2f}{load.p999:9.2f}{load.cpu:8.0f}{ratio:>9}"
        )
        self._write()

    def note(self, name: str, what: object) -> None:
        """Add a fact that is no load."""
        self.facts[name] = what
        click.echo(f"{name}: {what}")
        self._write()

    def judge(self, workload: str, bars: Sequence[Bar]) -> None:
        """Print how a workload stands to its bars."""
        loads = self.loads.get(workload, {})
        for bar in bars:
            ours, other = loads.get(OURS), loads.get(bar.peer)
            if ours is None or other is None:
                self._bar(f"{workload} against {bar.peer}: not measured")
                continue
            if bar.rate is not None:
                got = ours.rate / other.rate
                self.bar(f"{workload}: {got:.2f} of {bar.peer}'s rate, {bar.rate:g} asked", met=got >= bar.rate)
            at = loads.get(f"{OURS} at {bar.peer}'s rate")
            if bar.p99 is not None and at is not None:
                got = other.p99 / at.p99
                text = f"{workload}: {bar.peer}'s p99 is {got:.1f}x ours at the rate it reaches, {bar.p99:g} asked"
                self.bar(text, met=got >= bar.p99)

    def bar(self, text: str, *, met: bool) -> None:
        """Add a bar that is no ratio of two loads."""
        self._bar(f"{text}: {'met' if met else 'NOT met'}")

    def close(self) -> None:
        """Print all bars."""
        click.echo("\n" + "\n".join(f"bar  {bar}" for bar in self.bars))
        click.echo(f"\nJSON: {self.path}")

    def _bar(self, text: str) -> None:
        self.bars.append(text)
        click.echo(f"bar  {text}")
        self._write()

    def _write(self) -> None:
        loads = {name: {who: asdict(load) for who, load in found.items()} for name, found in self.loads.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {**self.about, "loads": loads, "facts": self.facts, "bars": self.bars}
        self.path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _installed(name: str) -> bool:
    try:
        version(name)
    except ImportError:
        return False
    return True
