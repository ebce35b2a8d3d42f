"""Answers for people: a table for a list, its fields for one value, and the text of a value that has one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["cell", "table", "write"]

_SHORT = 12
"""Digits of a digest that are shown; JSON holds them all."""

Column = tuple[str, Callable[[Any], object]]


def _field(name: str, title: str | None = None) -> Column:
    return title or name.replace("_", " "), lambda value: getattr(value, name)


def _micros(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def _detail(detail: Mapping[str, Any]) -> str:
    """Return what fits into a line of a change's details: no empty ones, digests cut."""
    return ", ".join(
        f"{name}={_cut(cell(value))}"
        for name, value in detail.items()
        if name not in _TIMES and value not in (None, "", False, {}, [])
    )


_TIMES = {"start", "end", "as_of"}


def _cut(text: str) -> str:
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{8,}\b", r"\1", text)


_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "FeatureVersion": (
        _field("reference", "version"),
        ("features", lambda value: [feature.name for feature in value.definition.features]),
        ("fingerprint", lambda value: value.fingerprint[:_SHORT]),
        _field("author"),
        _field("created_at", "applied"),
        ("retired", lambda value: value.retired or ""),
    ),
    "FeatureSetVersion": (
        _field("reference", "set"),
        ("features", lambda value: [str(reference) for reference in value.features]),
        ("fingerprint", lambda value: value.fingerprint[:_SHORT]),
        _field("author"),
        _field("created_at", "applied"),
    ),
    "Snapshot": (
        _field("id", "snapshot"),
        _field("reference", "version"),
        _field("rows"),
        ("newest row", lambda value: _micros(value.last)),
        ("sources", lambda value: [f"{read.source} {read.data_version[: _SHORT + 6]}" for read in value.sources]),
        _field("created_at", "made"),
        ("quarantine", lambda value: "" if value.quarantine is None else value.quarantine.state),
    ),
    "Run": (
        ("from", lambda value: _micros(value.start)),
        ("until", lambda value: _micros(value.end)),
        _field("rows"),
        ("files", lambda value: len(value.files)),
        ("sources", lambda value: [f"{read.source} {read.data_version[: _SHORT + 6]}" for read in value.sources]),
        ("dropped", lambda value: dict(value.dropped)),
    ),
    "Refreshed": (
        _field("reference", "version"),
        ("rows", lambda value: value.snapshot and value.snapshot.rows),
        _field("start", "from"),
        _field("end", "until"),
        _field("late", "late rows"),
        ("published", lambda value: "" if value.generation is None else f"{value.generation.rows:,} keys"),
        _field("skipped"),
    ),
    "Generation": (
        ("version", lambda value: f"{value.view}@v{value.version}"),
        _field("snapshot"),
        _field("rows", "keys"),
        ("rows up to", lambda value: _micros(value.as_of)),
        ("held", lambda value: "held" if value.held else ""),
        _field("at", "published"),
    ),
    "Activation": (
        _field("id"),
        _field("at"),
        ("pointer", lambda value: f"{value.view}:{value.feature}" if value.feature else value.view),
        ("scope", lambda value: value.endpoint or "default"),
        ("version", lambda value: f"v{value.version}"),
        _field("action"),
        _field("actor"),
        _field("reason"),
    ),
    "ModelVersion": (
        _field("reference", "model"),
        ("inputs", lambda value: value.lock.inputs or [name for name, _ in value.lock.columns]),
        ("reads", lambda value: [pin.reference for pin in value.lock.pins]),
        _field("frame"),
        ("lock", lambda value: value.lock.digest[:_SHORT]),
        _field("metrics"),
        _field("owner"),
        _field("uri"),
        ("commit", lambda value: value.code.commit and value.code.commit[:_SHORT]),
        _field("created_at", "registered"),
    ),
    "Deployment": (
        _field("endpoint"),
        _field("reference", "model"),
        _field("share"),
        _field("actor"),
        _field("at", "since"),
        _field("until"),
    ),
    "Change": (
        _field("id"),
        _field("at"),
        _field("kind"),
        _field("subject"),
        ("read", lambda value: "not read" if value.read is False else ""),
        _field("actor"),
        _field("reason"),
        ("detail", lambda value: _detail(value.detail)),
    ),
}
"""What is shown of a list of these, by class name; other classes show their public fields."""


def cell(value: object) -> str:  # noqa: PLR0911 - one line per kind of value
    """Return the text of one value in a table."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, (str, timedelta)):
        return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={cell(item)}" for key, item in value.items())
    if isinstance(value, Iterable):
        return ", ".join(cell(item) for item in value)
    return str(value)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a plain table; numbers stand to the right."""
    body = [list(row) for row in rows]
    result = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for position, title in enumerate(titles):
        column = [row[position] for row in body if row[position] is not None]
        number = bool(column) and all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in column)
        result.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in body:
        result.add_row(*(escape(cell(item)) for item in row))
    return result


def write(console: Console, value: object) -> None:
    """Write any answer."""
    if value is None:
        return
    if isinstance(value, Mapping):
        _write_fields(console, value)
    elif isinstance(value, (list, tuple)):
        _write_list(console, value)
    elif is_dataclass(value) and type(value).__name__ in _COLUMNS:
        columns = _COLUMNS[type(value).__name__]
        _write_fields(console, {title: get(value) for title, get in columns})
    elif is_dataclass(value) and "__str__" not in vars(type(value)):
        _write_fields(console, _public(value))
    else:
        console.print(escape(str(value)), soft_wrap=True)


def _public(value: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass
    return {
        item.name.replace("_", " "): getattr(value, item.name)
        for item in fields(value)
        if not item.name.startswith("_")
    }


def _write_list(console: Console, values: Sequence[object]) -> None:
    if not values:
        console.print("[dim]none[/]")
        return
    first = values[0]
    columns = _COLUMNS.get(type(first).__name__)
    if columns is not None:
        console.print(table([title for title, _ in columns], [[get(value) for _, get in columns] for value in values]))
    elif is_dataclass(first) and "__str__" not in vars(type(first)):
        rows = [_public(value) for value in values]
        console.print(table(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        for value in values:
            console.print(escape(cell(value)), soft_wrap=True)


def _write_fields(console: Console, values: Mapping[str, object]) -> None:
    """Write names and values; lists of things follow as tables of their own."""
    nested = {
        name: value
        for name, value in values.items()
        if isinstance(value, (list, tuple)) and value and is_dataclass(value[0])
    }
    plain = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    plain.add_column(style="dim")
    plain.add_column(overflow="fold")
    for name, value in values.items():
        if name not in nested and value not in (None, "", (), [], {}):
            plain.add_row(escape(str(name)), escape(cell(value)))
    if plain.row_count:
        console.print(plain)
    for name, value in nested.items():
        console.print(f"\n[bold]{escape(str(name))}[/]")
        _write_list(console, list(value) if isinstance(value, (list, tuple)) else [value])
