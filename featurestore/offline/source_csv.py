"""CSV as a source: types are detected once, when a version is defined, and given to every read after that.

Detected dates and times are kept only in ISO form: whether `01/02/2013` is in January or February must not depend on
which rows come first. Other forms stay text, for the SQL to read with `strptime`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from featurestore.errors import DefinitionError
from featurestore.model.types import parse_type
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.connection import describe, fails, identifier, literal, literals

__all__ = ["csv_columns", "csv_query"]

_SAMPLE = 20_480
_DATE = r"\d{4}-\d{2}-\d{2}"
_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)"
_TIME = rf"{_DATE}([T ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d+)?)? ?{_ZONE}?)?"
_FINER = r"\.\d{6}\d*[1-9]"
_NO_NULL = "\ue000"  # DuckDB wants at least one text for null; this one is in nobody's file


def _reader(files: Sequence[Path], location: Mapping[str, Any], types: Mapping[str, str], *, more: str = "") -> str:
    nulls = list(location.get("nulls", [""])) or [_NO_NULL]
    typed = ", ".join(f"{literal(column)}: {literal(type_)}" for column, type_ in types.items())
    return (
        f"read_csv({literals(str(file) for file in files)}, header = true, union_by_name = true, quote = '\"', "
        f"escape = '\"', nullstr = {literals(nulls)}, allow_quoted_nulls = false, filename = false"
        + (f", types = {{{typed}}}" if typed else "")
        + f"{more})"
    )


def _is_time(type_: str) -> bool:
    return type_ == "DATE" or type_.startswith("TIMESTAMP")


def _form(field: str) -> str:
    """Return the SQL of the type that a column's text has: an ISO date or time, or else text."""
    date = f"regexp_full_match({field}, '{_DATE}') AND TRY_CAST({field} AS DATE) IS NOT NULL"
    time = f"regexp_full_match({field}, '{_TIME}') AND TRY_CAST({field} AS TIMESTAMPTZ) IS NOT NULL"
    zoned = f"regexp_matches({field}, ':.*{_ZONE}$')"
    return (
        f"CASE WHEN count({field}) = 0 THEN 'VARCHAR' WHEN bool_and({field} IS NULL OR ({date})) THEN 'DATE' "
        f"WHEN NOT bool_and({field} IS NULL OR ({time})) THEN 'VARCHAR' "
        f"WHEN bool_or({zoned}) THEN 'TIMESTAMP WITH TIME ZONE' ELSE 'TIMESTAMP' END"
    )


def csv_columns(
    connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], location: Mapping[str, Any]
) -> dict[str, str]:
    """Return column -> DuckDB type: what the source states, or else what its rows show."""
    stated = {column: to_duckdb(parse_type(text)) for column, text in location.get("types", {}).items()}
    found = dict(describe(connection, f"SELECT * FROM {_reader(files, location, {})}"))
    missing = sorted(set(stated) - set(found))
    if missing:
        message = f"source {name!r}: types= names {', '.join(missing)}, but the columns are {', '.join(found)}."
        raise DefinitionError(message)
    unsure = [column for column, type_ in found.items() if type_ == "VARCHAR" or _is_time(type_)]
    unsure = [column for column in unsure if column not in stated]
    if unsure:
        text = _reader(files, location, {}, more=", all_varchar = true")
        forms = ", ".join(_form(identifier(column)) for column in unsure)
        shown = connection.execute(f"SELECT {forms} FROM (SELECT * FROM {text} LIMIT {_SAMPLE})").fetchone() or ()
        found.update(zip(unsure, shown, strict=True))
    return {**found, **stated}


def csv_query(name: str, files: Sequence[Path], location: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> str:
    """Return a query of exactly `columns` with exactly their types.

    A value that is not of its column's type ends the query with an error that names file, column and value.
    """
    read = {column: "VARCHAR" if _is_time(type_) else type_ for column, type_ in columns}
    selected = ", ".join(
        f"{_iso(name, column, type_) if _is_time(type_) else identifier(column)} AS {identifier(column)}"
        for column, type_ in columns
    )
    reader = _reader(files, location, read).replace("filename = false", "filename = '__file'")
    return f"SELECT {selected or '1 AS nothing'} FROM {reader}"


def _iso(name: str, column: str, type_: str) -> str:
    field = identifier(column)
    start = f"column {column!r} of source {name!r} is declared {type_}, but a value is not: '"
    told = fails(f"{literal(start)} || {field} || ''' in ' || __file || '; write times as 2013-07-01T06:00:00'")
    finer = "" if type_ == "TIMESTAMP_NS" else f" AND NOT regexp_matches({field}, {literal(_FINER)})"
    return (
        f"CASE WHEN {field} IS NULL THEN NULL WHEN TRY_CAST({field} AS {type_}) IS NOT NULL{finer} "
        f"THEN TRY_CAST({field} AS {type_}) ELSE {told} END"
    )
