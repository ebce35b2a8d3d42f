"""Show results: a table for people, a block for each workload; JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.offline.case import Case
from benchmarks.offline.results import Measured, Result, Verdict, verdicts

__all__ = ["LEGEND", "Report"]

LIBRARIES = ("featurestore", "duckdb", "polars", "pandas", "pyarrow", "numpy")
MIB = 2**20

LEGEND = """\
seconds: wall time of the call, median of the warm runs, fastest and slowest beside it; x: it / ours.
first: in a fresh process, with the imports.  cold: files not in the page cache.  Once each.
peak: the most the process held, with libraries and pages of mapped files; added: how much of it the call added;
private: the most that was its own.  MiB.  floor: what only reading, or reading and decoding, takes.
"""

COLUMNS = {
    "": 18,
    "seconds": 8,
    "range": 15,
    "x": 7,
    "first": 7,
    "cold": 7,
    "peak": 7,
    "x ": 6,
    "added": 7,
    "private": 7,
}


class Report:
    """Prints each result as it comes, and keeps the JSON file current."""

    def __init__(self, path: Path, scale: str, runs: int) -> None:
        self._path = path
        self._about = {
            "benchmark": "offline",
            "scale": scale,
            "runs": runs,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in LIBRARIES},
        }
        self._results: dict[str, Result] = {}
        self._console = Console(width=sum(COLUMNS.values()) + 3 * len(COLUMNS), highlight=False)

    def add(self, result: Result) -> None:
        """Print a result and write everything so far."""
        self._results[result.workload.name] = result
        self._console.print(f"\n[bold]{result.workload.name}[/]: {_about(result)}", soft_wrap=True)
        if result.measured:
            self._console.print(_table(result))
        for peer, measured in result.measured.items():
            if measured.failed is not None:
                self._console.print(f"  {peer}: {measured.failed}", markup=False, soft_wrap=True)
        self._print_bars(self._verdicts([result]))
        bars = [str(verdict) for verdict in self._verdicts(self._results.values())]
        document = {**self._about, "results": [one.to_json() for one in self._results.values()], "bars": bars}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def close(self) -> None:
        """Print the legend and all bars."""
        self._console.print(f"\n{LEGEND}", markup=False)
        self._print_bars(self._verdicts(self._results.values()))
        self._console.print(f"\nJSON: {self._path}", markup=False)

    def _verdicts(self, results: Iterable[Result]) -> list[Verdict]:
        return [verdict for result in results for verdict in verdicts(result, self._results)]

    def _print_bars(self, bars: Iterable[Verdict]) -> None:
        for bar in bars:
            style = "yellow" if bar.ratio is None else "green" if bar.met else "red"
            self._console.print(f"  bar  {bar}", style=style, markup=False)


def _about(result: Result) -> str:
    if result.case is None:
        return result.unavailable or "not made"
    if not result.sample:
        return f"{_shape(result.case)}\n  not checked: there is no answer of ours"
    checked = f"{result.sample} rows of ours equal to the oracle's, every row of the peers below equal to ours"
    return f"{_shape(result.case)}\n  {checked}"


def _shape(case: Case) -> str:
    features = "/".join(sorted({str(len(view.features)) for view in case.views}))
    runs = "/".join(sorted({str(view.runs) for view in case.views}))
    rows = max(view.rows for view in case.views)
    took = ", ".join(f"{step} {sum(view.built[step] for view in case.views):.1f} s" for step in case.views[0].built)
    return (
        f"{case.spine_rows:,} spine rows; {len(case.views)} view(s) of {rows:,} rows x {features} features, "
        f"sorted runs {runs}, {case.bytes / MIB:,.0f} MiB on disk"
        + (f"; memory capped at {case.cap / MIB:,.0f} MiB" if case.cap else "")
        + f"\n  took to make: {took}"
    )


def _table(result: Result) -> Table:
    table = Table(box=None, padding=(0, 1))
    for number, (name, width) in enumerate(COLUMNS.items()):
        table.add_column(name, width=width, justify="right" if number else "left")
    for peer, measured in result.measured.items():
        table.add_row(peer, *_cells(result, peer, measured))
    return table


def _cells(result: Result, peer: str, measured: Measured) -> Iterable[str]:
    if not measured.warm:
        return ["none"]
    seconds = [run.seconds for run in measured.warm]
    added, private = (max(getattr(run, name) for run in measured.warm) for name in ("added", "private"))
    return [
        f"{measured.seconds:.3f}",
        f"{min(seconds):.3f}-{max(seconds):.3f}",
        _times(result.ratio(peer, "seconds")),
        "" if measured.first is None else f"{measured.first.seconds:.3f}",
        "" if measured.cold is None else f"{measured.cold.seconds:.3f}",
        f"{measured.peak / MIB:,.0f}",
        _times(result.ratio(peer, "peak")),
        f"{added / MIB:,.0f}",
        f"{private / MIB:,.0f}",
    ]


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"
