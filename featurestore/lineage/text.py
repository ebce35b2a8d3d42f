"""Plain text for people: small tables, short digests, times; the command line draws richer ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["count", "moment", "outline", "short", "some", "table"]

_DIGITS = 12
"""Digits of a digest that are shown; the fields hold them all."""


def moment(value: datetime | None) -> str:
    """Return a time to the second, or `-`."""
    return "-" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def short(value: str | None) -> str:
    """Return the first digits of a digest, keeping what stands before a colon (`files:9f2c...`), or `-`."""
    if not value:
        return "-"
    head, colon, tail = value.rpartition(":")
    return f"{head}{colon}{tail[:_DIGITS]}"


def count(number: int, noun: str) -> str:
    """Return `1 row` or `2 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def some(names: Sequence[str], limit: int = 4) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "  ") -> list[str]:
    """Return the lines of a table with aligned columns; no lines where there are no rows."""
    body = [[str(cell) for cell in row] for row in rows]
    if not body:
        return []
    whole = [list(titles), *body]
    widths = [max(len(row[place]) for row in whole) for place in range(len(titles))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in whole
    ]


def outline(title: str, *parts: Iterable[str]) -> str:
    """Return a title and the lines of each part that has any, with an empty line between two parts."""
    blocks = [lines for lines in map(list, parts) if lines]
    first, rest = (blocks[0], blocks[1:]) if blocks else ([], [])
    return "\n".join([title, *first, *(line for block in rest for line in ("", *block))])
