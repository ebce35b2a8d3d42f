"""Feature types in the terms of the engines: Arrow and DuckDB, both ways.

| feature type   | Arrow                     | DuckDB                     |
|----------------|---------------------------|----------------------------|
| Int32, Int64   | int32, int64              | INTEGER, BIGINT            |
| Float32/64     | float, double             | FLOAT, DOUBLE              |
| Bool           | bool                      | BOOLEAN                    |
| String, Bytes  | string, binary            | VARCHAR, BLOB              |
| Date           | date32                    | DATE                       |
| Timestamp      | timestamp[us, UTC]        | TIMESTAMP WITH TIME ZONE   |
| Decimal(p, s)  | decimal128(p, s)          | DECIMAL(p,s)               |
| List(T)        | list<T>                   | T[]                        |
| Embedding(n)   | fixed_size_list<float>[n] | FLOAT[n]                   |

The way back is wider: what an engine computes is taken into the nearest feature type that holds it, and the values are
checked when they are cast. A type that no feature type holds is an error which names the cast to write.
"""

from __future__ import annotations

import re

import pyarrow as pa

from featurestore.errors import DefinitionError
from featurestore.model.column_types import to_duckdb
from featurestore.model.types import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Embedding,
    FeatureType,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    String,
    Timestamp,
)

__all__ = ["from_arrow", "from_duckdb", "to_arrow", "to_duckdb"]

_MAX_PRECISION = 38

_ARROW: dict[str, pa.DataType] = {
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "String": pa.string(),
    "Bytes": pa.binary(),
    "Date": pa.date32(),
    "Timestamp": pa.timestamp("us", tz="UTC"),
}

_FROM_DUCKDB = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "INTEGER"), Int32),
    **dict.fromkeys(("UINTEGER", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"), Int64),
    "FLOAT": Float32,
    "DOUBLE": Float64,
    "BOOLEAN": Bool,
    **dict.fromkeys(("VARCHAR", "UUID", "JSON"), String),
    "BLOB": Bytes,
    "DATE": Date,
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"),
        Timestamp,
    ),
}

_FROM_ARROW: dict[pa.DataType, FeatureType] = {
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()), Int32),
    **dict.fromkeys((pa.uint32(), pa.int64(), pa.uint64()), Int64),
    **dict.fromkeys((pa.float16(), pa.float32()), Float32),
    pa.float64(): Float64,
    pa.bool_(): Bool,
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), String),
    **dict.fromkeys((pa.binary(), pa.large_binary(), pa.binary_view()), Bytes),
    **dict.fromkeys((pa.date32(), pa.date64()), Date),
}

_LISTS = (pa.ListType, pa.LargeListType, pa.FixedSizeListType, pa.ListViewType, pa.LargeListViewType)

_ARRAY = re.compile(r"(?P<item>.*)\[(?P<length>\d*)\]")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def to_arrow(type_: FeatureType) -> pa.DataType:
    """Return the one Arrow type in which values of `type_` are held."""
    if type_.kind == "Decimal":
        return pa.decimal128(*type_.parameters)
    if type_.kind == "List" and type_.item is not None:
        return pa.list_(to_arrow(type_.item))
    if type_.kind == "Embedding":
        return pa.list_(pa.float32(), type_.parameters[0])
    return _ARROW[type_.kind]


def from_arrow(type_: pa.DataType, *, where: str) -> FeatureType:
    """Return the feature type that holds values of an Arrow type.

    Parameters
    ----------
    where
        What has the type, for the error: `"column 'x' of view 'v'"`.

    Raises
    ------
    DefinitionError
        If no feature type holds them.
    """
    known = _FROM_ARROW.get(type_)
    if known is not None:
        return known
    found: FeatureType | None = None
    if pa.types.is_timestamp(type_):
        found = Timestamp
    elif isinstance(type_, pa.DictionaryType):
        found = from_arrow(type_.value_type, where=where)
    elif pa.types.is_decimal(type_) and 0 <= type_.scale <= type_.precision <= _MAX_PRECISION:
        found = Decimal(type_.precision, type_.scale)
    elif pa.types.is_fixed_size_binary(type_):
        found = Bytes
    elif isinstance(type_, pa.FixedSizeListType) and type_.value_type == pa.float32() and type_.list_size > 0:
        found = Embedding(type_.list_size)
    elif isinstance(type_, _LISTS):
        item = from_arrow(type_.value_type, where=where)
        found = None if item.kind == "Embedding" else List(item)
    if found is None:
        raise _unknown(str(type_), where)
    return found


def from_duckdb(text: str, *, where: str) -> FeatureType:
    """Return the feature type that holds values of a DuckDB type, given as `DESCRIBE` prints it.

    Parameters
    ----------
    where
        What has the type, for the error: `"column 'x' of view 'v'"`.

    Raises
    ------
    DefinitionError
        If no feature type holds them.
    """
    text = text.strip()
    known = _FROM_DUCKDB.get(text.upper())
    if known is not None:
        return known
    array = _ARRAY.fullmatch(text)
    if array is not None:
        if array["length"] and array["item"].upper() == "FLOAT":
            return Embedding(int(array["length"]))
        item = from_duckdb(array["item"], where=where)
        if item.kind != "Embedding":
            return List(item)
        raise _unknown(text, where)
    decimal = _DECIMAL.fullmatch(text.upper())
    if decimal is not None:
        return Decimal(int(decimal[1]), int(decimal[2]))
    if text.upper().startswith("ENUM("):
        return String
    raise _unknown(text, where)


def _unknown(found: str, where: str) -> DefinitionError:
    base = found.strip('"').upper()
    if base == "NULL":
        cure = "every value is null, so its type is not known: cast it, for example NULL::DOUBLE"
    elif base.startswith(("STRUCT", "MAP", "UNION", "VARIANT")):
        cure = "take the fields you need as columns of their own, or cast it to text: column::JSON::VARCHAR"
    elif base.startswith("TIME"):
        cure = "cast it to a number, for example epoch_us(column), or to text: column::VARCHAR"
    elif base.startswith(("INTERVAL", "DURATION", "MONTH_DAY_NANO")):
        cure = "cast it to a number, for example epoch(column), which gives seconds"
    elif base.endswith("]"):
        cure = "vectors cannot be nested: cast it to a list of lists, column::FLOAT[][]"
    else:
        cure = "cast it to a type that a feature can have, for example column::VARCHAR or column::DOUBLE"
    return DefinitionError(f"{where} has type {found}, which no feature type holds: {cure}.")
