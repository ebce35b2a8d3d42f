"""Sources: where raw rows come from. What a source is lives here; how it is read, in `offline/sources.py`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar

from featurestore.errors import DefinitionError
from featurestore.model.contract import Contract
from featurestore.model.names import check_name, fold
from featurestore.model.types import FeatureType

__all__ = [
    "ArrowSource",
    "CsvSource",
    "DuckDBSource",
    "IcebergSource",
    "ParquetSource",
    "PushSource",
    "Source",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What all sources share.

    Parameters
    ----------
    name
        The name by which a view's SQL or function reads the source.
    description, owner
        For people; no part of any identity.
    contract
        What is promised of its rows, by whoever hands them over; no part of any identity either: it has versions of
        its own. None leaves the contract that the store knows of this source, if any.
    """

    kind: ClassVar[str]
    name: str = field(kw_only=False)
    description: str = ""
    owner: str = ""
    contract: Contract | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_name(self.name, "source")
        if not isinstance(self.contract, Contract | None):
            message = f"source {self.name!r} has contract={self.contract!r}: write fs.Contract(...)."
            raise DefinitionError(message)
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, item.name, MappingProxyType(dict(value)))
            elif isinstance(value, os.PathLike):
                object.__setattr__(self, item.name, os.fspath(value))

    def location(self) -> dict[str, Any]:
        """Return where and how the rows are read, as JSON values: part of the identity of every view that reads it."""
        return {
            item.name: _json(getattr(self, item.name))
            for item in fields(self)
            if item.name not in {"name", "description", "owner", "contract"}
        }


def _check_types(source: Source, types: object) -> None:
    if not isinstance(types, Mapping):
        message = f"source {source.name!r} has the columns {types!r}: write {{'temp': fs.Float64, ...}}."
        raise DefinitionError(message)
    for column, type_ in types.items():
        if not isinstance(type_, FeatureType):
            message = (
                f"column {column!r} of source {source.name!r} has type {type_!r}, which is none of ours: "
                "write fs.Float64 or another."
            )
            raise DefinitionError(message)


def _json(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return str(value) if isinstance(value, FeatureType) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetSource(Source):
    """Parquet files: `path` is a file, a glob or a folder. A relative path starts at the working folder."""

    kind: ClassVar[str] = "parquet"
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSource(Source):
    """CSV files with a header line.

    Parameters
    ----------
    path
        A file, a glob or a folder.
    nulls
        Unquoted texts that mean null; a quoted value is never null.
    types
        Column to feature type, where what DuckDB detects is not what is meant.
    """

    kind: ClassVar[str] = "csv"
    path: str
    nulls: tuple[str, ...] = ("",)
    types: Mapping[str, FeatureType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.nulls, str):
            object.__setattr__(self, "nulls", (self.nulls,))
        object.__setattr__(self, "nulls", tuple(self.nulls))
        super(CsvSource, self).__post_init__()
        _check_types(self, self.types)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergSource(Source):
    """An Iceberg table of another catalog.

    Parameters
    ----------
    catalog
        pyiceberg catalog properties (`{"type": "sql", "uri": ...}`), or the name of one that pyiceberg's own
        configuration holds.
    table
        `namespace.table`.
    snapshot_id
        Read this snapshot always; None reads the newest.
    """

    kind: ClassVar[str] = "iceberg"
    catalog: str | Mapping[str, str]
    table: str
    snapshot_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBSource(Source):
    """What a query returns from a DuckDB database file, opened read-only."""

    kind: ClassVar[str] = "duckdb"
    database: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowSource(Source):
    """Rows given in Python: a `pyarrow.Table` (or what `pyarrow.table` accepts), kept in the store by `apply`."""

    kind: ClassVar[str] = "arrow"
    table: Any = field(compare=False, repr=False)

    def location(self) -> dict[str, Any]:
        """Return nothing: the rows are in the store, under the source's name; they are data, not definition."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSource(Source):
    """Rows that callers push; kept in the store as a log.

    Parameters
    ----------
    schema
        Column to feature type.
    """

    kind: ClassVar[str] = "push"
    schema: Mapping[str, FeatureType]

    def __post_init__(self) -> None:
        super(PushSource, self).__post_init__()
        _check_types(self, self.schema)
        for column in self.schema:
            check_name(column, f"column of source {self.name!r}")
        if not self.schema or len({fold(column) for column in self.schema}) < len(self.schema):
            message = (
                f"the schema of source {self.name!r} has no columns, or two of one name (case does not count): "
                "write schema={'temp': fs.Float64, ...}."
            )
            raise DefinitionError(message)
