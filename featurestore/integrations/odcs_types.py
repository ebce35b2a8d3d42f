"""Column types in the standard's words: a logical type, a format, and the physical type's name."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from featurestore.errors import DefinitionError
from featurestore.model.types import (
    Bool,
    Bytes,
    Date,
    Decimal,
    FeatureType,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    Timestamp,
)
from featurestore.offline.arrow_types import from_duckdb, to_duckdb

if TYPE_CHECKING:
    from featurestore.integrations.yaml_lines import Place

__all__ = ["LOGICAL", "read_bound", "read_type", "read_value", "written_type"]

LOGICAL = ("string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean", "map", "vector")
_FORMATS = {
    **dict.fromkeys(("i8", "i16", "i32", "u8", "u16"), Int32),
    **dict.fromkeys(("i64", "u32", "u64"), Int64),
    "f32": Float32,
    "f64": Float64,
}
_PHYSICAL = {
    **dict.fromkeys(("INT", "INT4", "INTEGER"), Int32),
    **dict.fromkeys(("LONG", "INT8", "INT64", "BIGINT"), Int64),
    **dict.fromkeys(("REAL", "FLOAT4"), Float32),
    **dict.fromkeys(("DOUBLE PRECISION", "FLOAT8", "FLOAT64"), Float64),
    **dict.fromkeys(("TEXT", "STRING", "CHAR", "NVARCHAR", "BPCHAR"), String),
    **dict.fromkeys(("BOOL",), Bool),
    **dict.fromkeys(("BINARY", "VARBINARY", "BYTEA", "BYTES"), Bytes),
    **dict.fromkeys(("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "DATETIME", "TIMESTAMPTZ"), Timestamp),
}
"""Names that other systems give to types; DuckDB's own are read by `from_duckdb`."""
_BY_LOGICAL = {"string": String, "date": Date, "timestamp": Timestamp, "boolean": Bool}
_PARAMETERS = re.compile(r"(\w[\w ]*?)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")


def read_type(logical: str | None, physical: str | None, format_: str | None) -> FeatureType | None:
    """Return the type that a property has; None where the standard's words leave it open."""
    found = _physical(physical.strip().upper()) if physical else None
    if found is not None:
        return found
    if logical in {"integer", "number"}:
        return _FORMATS.get(format_ or "")
    return _BY_LOGICAL.get(logical or "")


def _physical(text: str) -> FeatureType | None:
    sized = _PARAMETERS.fullmatch(text)
    if sized is not None and sized[1] in {"DECIMAL", "NUMERIC", "NUMBER"}:
        return Decimal(int(sized[2]), int(sized[3] or 0))
    name = sized[1] if sized is not None else text
    if name in _PHYSICAL:
        return _PHYSICAL[name]
    try:
        return from_duckdb(name, where="a property")
    except DefinitionError:
        return None


def read_bound(place: Place, type_: FeatureType | None, logical: str | None) -> Any:  # noqa: ANN401 - as below
    """Return the least or greatest value of a column: a date, a time or a number."""
    times = logical in {"date", "timestamp"} or (type_ is not None and type_.kind in {"Date", "Timestamp"})
    return read_value(place, type_, logical) if times else place.number()


def read_value(place: Place, type_: FeatureType | None, logical: str | None) -> Any:  # noqa: ANN401 - of the column's type
    """Return a value of a column; a text that YAML takes for something else is said."""
    value = place.value
    if value is None or value == "":
        return value
    if logical == "string" or (type_ is not None and type_.kind == "String"):
        return place.text()
    if logical in {"integer", "number"}:
        return value if isinstance(value, str) else place.number()
    if logical in {"date", "timestamp"}:
        return _moment(place, dated=logical == "date")
    if isinstance(value, (dict, list)):
        place.fail("is no single value: write a text, a number or a date.")
    return value


def _moment(place: Place, *, dated: bool) -> date:
    """Return a date, or a time in UTC."""
    value = place.value
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, date):
        place.fail(f"is {value!r}: write a time as 2013-07-01 or 2013-07-01T06:00:00Z.")
    if dated:
        return found.date() if isinstance(found, datetime) else found
    if not isinstance(found, datetime):
        return datetime(found.year, found.month, found.day, tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def written_type(type_: FeatureType) -> dict[str, Any]:
    """Return the fields of a property that has a type: logicalType, physicalType, and logicalTypeOptions' format."""
    logical = {
        "Bool": "boolean",
        "String": "string",
        "Bytes": "string",
        "Date": "date",
        "Timestamp": "timestamp",
        "List": "array",
        "Embedding": "array",
        "Int32": "integer",
        "Int64": "integer",
    }.get(type_.kind, "number")
    found: dict[str, Any] = {"logicalType": logical, "physicalType": to_duckdb(type_)}
    formats = {"Int32": "i32", "Int64": "i64", "Float32": "f32", "Float64": "f64", "Bytes": "binary"}
    if type_.kind in formats:
        found["logicalTypeOptions"] = {"format": formats[type_.kind]}
    item = Float32 if type_.kind == "Embedding" else type_.item
    if item is not None:
        found["items"] = written_type(item)
    return found
