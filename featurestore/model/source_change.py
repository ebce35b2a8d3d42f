"""Proposed changes of sources: one column dropped, retyped or renamed, or a whole schema as it will be."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from featurestore.errors import DefinitionError, NotFoundError, nearest
from featurestore.model.column_types import parse_column_type
from featurestore.model.names import check_name

__all__ = ["SourceChange", "SourceSchema"]


@dataclass(frozen=True, slots=True)
class SourceChange:
    """One column of a source that will not be what it was; made by `drop`, `retype` and `rename`.

    Attributes
    ----------
    action
        `"drop"`, `"retype"` or `"rename"`.
    source, column
        Which column.
    to
        Its type from then on (DuckDB's name for it), or its name; empty where it is dropped.
    """

    action: str
    source: str
    column: str
    to: str = ""

    @classmethod
    def drop(cls, column: str) -> SourceChange:
        """Return that `"weather.wind"` goes.

        Raises
        ------
        DefinitionError
            If that names no column of a source.
        """
        return cls("drop", *_split(column))

    @classmethod
    def retype(cls, column: str, type_: str) -> SourceChange:
        """Return that `"weather.wind"` gets a type: a feature type (`"String"`) or one of DuckDB's (`"varchar"`).

        Raises
        ------
        DefinitionError
            If that names no column of a source, or no type.
        """
        return cls("retype", *_split(column), parse_column_type(type_))

    @classmethod
    def rename(cls, column: str, name: str) -> SourceChange:
        """Return that `"weather.wind"` gets another name.

        Raises
        ------
        DefinitionError
            If that names no column of a source, or the new name is empty.
        """
        name = name.strip()
        if not name:
            raise DefinitionError(f"{column!r} is renamed to nothing: write SOURCE.COLUMN=NAME.")
        return cls("rename", *_split(column), name)

    def __str__(self) -> str:
        return f"{self.action} {self.source}.{self.column}" + (f" to {self.to}" if self.to else "")


@dataclass(frozen=True, slots=True)
class SourceSchema:
    """A source's columns as they will be: what it has now and is not among them will be gone.

    Parameters
    ----------
    source
        The source's name.
    columns
        Column to type, a feature type or one of DuckDB's.
    was
        Column to the name that it has now, where it is renamed.
    path
        The file that says so, for reports.
    """

    source: str
    columns: Mapping[str, str]
    was: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None

    def __post_init__(self) -> None:
        check_name(self.source, "source")
        typed = {name: parse_column_type(type_) for name, type_ in self.columns.items()}
        object.__setattr__(self, "columns", MappingProxyType(typed))
        object.__setattr__(self, "was", MappingProxyType(dict(self.was)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SourceSchema:
        """Read a schema file.

        It is one JSON object: `{"source": "weather", "columns": {"origin": "String", "temp": "Float64"}}`. `columns`
        may be a list of `{"name": "temp", "type": "Float64"}` instead, each with `"was"`, the name it has now, where
        it is renamed. Without `source`, the file's name up to the first dot is it. Other keys are left to other tools.

        Raises
        ------
        NotFoundError
            If there is no such file.
        DefinitionError
            If it is not of that form.
        """
        where = Path(path)
        try:
            document = json.loads(where.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotFoundError(f"there is no schema file {str(path)!r} (from {str(Path.cwd())!r}).") from None
        except (OSError, ValueError) as error:
            raise DefinitionError(f"the schema file {str(path)!r} cannot be read: {error}.") from error
        try:
            return _schema(cls, document, where)
        except DefinitionError as error:
            raise DefinitionError(f"{str(path)!r}: {error}") from None


def _schema(kind: type[SourceSchema], document: Any, path: Path) -> SourceSchema:  # noqa: ANN401 - JSON
    listed = document.get("columns") if isinstance(document, dict) else None
    if isinstance(listed, dict):
        listed = [{"name": name, "type": type_} for name, type_ in listed.items()]
    if not isinstance(listed, list) or not listed:
        raise DefinitionError('it has no columns: write {"source": "weather", "columns": {"temp": "Float64"}}.')
    columns: dict[str, str] = {}
    was: dict[str, str] = {}
    for item in listed:
        name, type_, before = (item.get(key) if isinstance(item, dict) else None for key in ("name", "type", "was"))
        if not isinstance(name, str) or not isinstance(type_, str) or not isinstance(before, str | None):
            raise DefinitionError(f'the column {item!r} is not written as {{"name": "temp", "type": "Float64"}}.')
        if name in columns:
            raise DefinitionError(f"it names the column {name!r} twice.")
        columns[name] = type_
        if before is not None:
            was[name] = before
    source = document.get("source", path.name.partition(".")[0])
    return kind(source, columns, was, str(path))


def _split(column: str) -> tuple[str, str]:
    source, dot, name = str(column).strip().partition(".")
    if not dot or not name:
        raise DefinitionError(f"{column!r} names no column of a source: write SOURCE.COLUMN, for example weather.temp.")
    check_name(source, "source")
    return source, name


def unknown_column(source: str, column: str, known: Mapping[str, str]) -> NotFoundError:
    """Return the error that says which column was meant."""
    return NotFoundError(f"source {source!r} has no column {column!r}.{nearest(column, known)}")
