"""Types of source columns: DuckDB's names for them, and whether every value of one is a value of another."""

from __future__ import annotations

import re

from featurestore.errors import DefinitionError, nearest
from featurestore.model.types import FeatureType, parse_type

__all__ = ["parse_column_type", "to_duckdb", "widens"]

_DUCKDB = {
    "Int32": "INTEGER",
    "Int64": "BIGINT",
    "Float32": "FLOAT",
    "Float64": "DOUBLE",
    "Bool": "BOOLEAN",
    "String": "VARCHAR",
    "Bytes": "BLOB",
    "Date": "DATE",
    "Timestamp": "TIMESTAMP WITH TIME ZONE",
}

_ALIASES = {
    "INT": "INTEGER",
    "INT4": "INTEGER",
    "INT8": "BIGINT",
    "LONG": "BIGINT",
    "INT2": "SMALLINT",
    "SHORT": "SMALLINT",
    "INT1": "TINYINT",
    "REAL": "FLOAT",
    "FLOAT4": "FLOAT",
    "FLOAT8": "DOUBLE",
    "BOOL": "BOOLEAN",
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "CHAR": "VARCHAR",
    "BYTEA": "BLOB",
    "BINARY": "BLOB",
    "VARBINARY": "BLOB",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
}

_INTEGERS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UHUGEINT": (0, 2**128 - 1),
}
_EXACT_INTEGERS = {"FLOAT": 2**24, "DOUBLE": 2**53}
"""Up to where a float holds every integer."""

_OTHERS = (
    "BIT",
    "DATE",
    "INTERVAL",
    "JSON",
    "TIME",
    "TIME WITH TIME ZONE",
    "TIMESTAMP",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "UUID",
)
_KNOWN = frozenset({*_DUCKDB.values(), *_INTEGERS, *_OTHERS})
_WIDER = {
    ("FLOAT", "DOUBLE"),
    ("DATE", "TIMESTAMP"),
    ("DATE", "TIMESTAMP_S"),
    ("DATE", "TIMESTAMP_MS"),
    ("TIMESTAMP_S", "TIMESTAMP_MS"),
    ("TIMESTAMP_S", "TIMESTAMP"),
    ("TIMESTAMP_MS", "TIMESTAMP"),
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_ARRAY = re.compile(r"(?P<item>.+)\[(?P<length>\d*)\]")
_NESTED = re.compile(r"(STRUCT|MAP|UNION|ENUM)\s*\(.+\)", re.DOTALL)


def to_duckdb(type_: FeatureType) -> str:
    """Return DuckDB's name of `type_`, as `DESCRIBE` prints it."""
    if type_.kind == "Decimal":
        return "DECIMAL({},{})".format(*type_.parameters)
    if type_.kind == "List" and type_.item is not None:
        return f"{to_duckdb(type_.item)}[]"
    if type_.kind == "Embedding":
        return f"FLOAT[{type_.parameters[0]}]"
    return _DUCKDB[type_.kind]


def parse_column_type(text: str) -> str:
    """Return DuckDB's name of a column's type, given as a feature type (`Float64`) or as DuckDB knows it (`double`).

    Raises
    ------
    DefinitionError
        If it is neither.
    """
    try:
        return to_duckdb(parse_type(text))
    except DefinitionError:
        pass
    upper = " ".join(str(text).upper().split())
    known = _ALIASES.get(upper, upper)
    if known in _KNOWN:
        return known
    array = _ARRAY.fullmatch(str(text).strip())
    if array is not None:
        return f"{parse_column_type(array['item'])}[{array['length']}]"
    decimal = _DECIMAL.fullmatch(upper)
    if decimal is not None:
        return to_duckdb(parse_type(f"Decimal({decimal[1]}, {decimal[2]})"))
    if _NESTED.fullmatch(upper):
        return str(text).strip()
    names = [*_DUCKDB, *sorted(_KNOWN), "Decimal(p, s)", "List(T)", "Embedding(n)"]
    raise DefinitionError(f"{text!r} is no type of a column.{nearest(str(text), names, limit=len(_DUCKDB))}")


def widens(before: str, after: str) -> bool:
    """Return whether every value of one DuckDB type is, unchanged, a value of another: nothing can be lost.

    >>> widens("INTEGER", "BIGINT"), widens("BIGINT", "INTEGER"), widens("BIGINT", "DOUBLE")
    (True, False, False)
    """
    if before == after or (before, after) in _WIDER:
        return True
    items = _ARRAY.fullmatch(before), _ARRAY.fullmatch(after)
    if items[0] is not None and items[1] is not None:
        same_length = not items[1]["length"] or items[0]["length"] == items[1]["length"]
        return same_length and widens(items[0]["item"], items[1]["item"])
    if before in _INTEGERS:
        low, high = _INTEGERS[before]
        if after in _INTEGERS:
            return _INTEGERS[after][0] <= low and high <= _INTEGERS[after][1]
        if after in _EXACT_INTEGERS:
            return -low <= _EXACT_INTEGERS[after] and high <= _EXACT_INTEGERS[after]
        digits = _digits(after)
        return digits is not None and max(-low, high) < 10 ** digits[0]
    old, new = _digits(before), _digits(after)
    return old is not None and new is not None and new[0] >= old[0] and new[1] >= old[1]


def _digits(type_: str) -> tuple[int, int] | None:
    """Return a decimal's digits before and after the point."""
    found = _DECIMAL.fullmatch(type_)
    return None if found is None else (int(found[1]) - int(found[2]), int(found[2]))
