"""Measure change detection: `python -m benchmarks.quality [--quick] [--json FILE]`.

Every kind of fault of `faults.py` is injected at several strengths and looked for by the default thresholds; so are 200
and more clean windows. Printed are, by kind of fault, how many were found with the cause named, at and above the share
of rows from which the bars demand it; by kind of finding, how many told the truth; and after how many snapshots a fault
that begins in one day was seen. The process ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.quality.measure import Measured, bars, clean, delays, faults, shifts

__all__ = ["main"]


def main() -> int:
    """Run, print and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds' worth of each part")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    options = parser.parse_args()
    found = Measured(
        tuple(faults(quick=options.quick)),
        tuple(shifts(quick=options.quick)),
        tuple(clean(quick=options.quick)),
        tuple(delays(quick=options.quick)),
    )
    _print(Console(width=140), found)
    held = bars(found)
    for name, (value, holds) in held.items():
        print(f"{'held  ' if holds else 'MISSED'}  {name}: {value}")
    if options.json is not None:
        document = {
            **found.to_json(),
            "bars": {name: {"value": value, "held": ok} for name, (value, ok) in held.items()},
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(ok for _, ok in held.values()) else 1


def _print(console: Console, found: Measured) -> None:
    grid = Grid("fault", "wanted", "bar from", "named at or above it", "named below it", "delay", title="faults")
    for row in found.by_fault():
        grid.add_row(*(str(value) for value in row))
    console.print(grid)
    grid = Grid("finding", "told", "true", "precision", title="findings, over all faults and clean windows")
    for row in found.by_finding():
        grid.add_row(*(str(value) for value in row))
    console.print(grid)
    grid = Grid("clean windows", "table", "windows", "with an alarm", title="false alarms")
    for row in found.by_window():
        grid.add_row(*(str(value) for value in row))
    console.print(grid)


if __name__ == "__main__":
    sys.exit(main())
