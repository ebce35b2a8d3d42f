"""What a join is going to do, to be printed before it does it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BISECT", "DUCKDB", "JoinPlan", "ReadPlan"]

BISECT = "bisect"
"""The files lie as our writer leaves them: each spine row is found by bisection in its key's stretch."""

DUCKDB = "duckdb"
"""The general path: DuckDB sorts both sides."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How one feature version is read.

    Attributes
    ----------
    label, snapshot
        `"airport_weather@v1"`, and the id of its rows; empty if not known.
    on
        The spine's columns that are joined on.
    runs, files, rows, size
        What the snapshot holds; `size` in bytes.
    row_groups, kept
        Row groups of all files, and those of them that hold a key of the spine; others are not touched.
    strategy, why
        `"bisect"` or `"duckdb"`, and the reason.
    copied, decoded
        Features whose values are copied where they lie, and those that must be decoded.
    """

    label: str
    snapshot: str
    on: tuple[str, ...]
    runs: int
    files: int
    rows: int
    size: int
    row_groups: int
    kept: int
    strategy: str
    why: str
    copied: tuple[str, ...]
    decoded: tuple[str, ...]

    @property
    def pruned(self) -> int:
        """Row groups that are not touched."""
        return self.row_groups - self.kept

    def __str__(self) -> str:
        rows = f" snapshot {self.snapshot[:8]}" if self.snapshot else ""
        read = " and ".join(
            f"{len(names)} {_count(len(names), 'feature')} {how}"
            for names, how in ((self.copied, "copied in place"), (self.decoded, "decoded"))
            if names
        )
        files = f"{self.files} {_count(self.files, 'file')} of {self.runs} {_count(self.runs, 'run')}"
        lines = [
            f"{self.label}{rows} on {', '.join(self.on)}",
            f"  {self.rows:,} {_count(self.rows, 'row')}, {self.size / 1e6:,.1f} MB, {files}",
            f"  {self.strategy}: {self.why}",
            f"  row groups: {self.kept} read, {self.pruned} pruned; {read or 'no feature'}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """How a spine is joined; its text is for people.

    Attributes
    ----------
    rows
        Of the spine, or of the part of it that the plan was made for.
    sorts
        How often the spine is sorted: once for each set of columns joined on.
    threads
        That work side by side.
    reads
        In order.
    """

    rows: int
    sorts: int
    threads: int
    reads: tuple[ReadPlan, ...]

    def __str__(self) -> str:
        times = "once" if self.sorts == 1 else f"{self.sorts} times"
        head = (
            f"{self.rows:,} spine {_count(self.rows, 'row')}, sorted {times} for {len(self.reads)} "
            f"{_count(len(self.reads), 'read')}, {self.threads} {_count(self.threads, 'thread')}"
        )
        return "\n".join([head, *map(str, self.reads)])


def _count(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
