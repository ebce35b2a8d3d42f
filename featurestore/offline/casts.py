"""Checked casts: SQL that turns a computed value into its declared type, or ends the query naming the value."""

from __future__ import annotations

from featurestore.errors import DefinitionError
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import from_duckdb, to_duckdb
from featurestore.offline.connection import fails, identifier, literal

__all__ = ["checked"]

_INEXACT = frozenset({"Float32", "Float64"})
_NUMBERS = frozenset({"Int32", "Int64", "Float32", "Float64", "Bool", "Decimal"})
_TIMES = frozenset({"Date", "Timestamp"})
_NO_WAY = "false"
_BOUNDS = {
    "DATE": "DATE '0001-01-01' AND DATE '9999-12-31'",
    "TIMESTAMP": "TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
}
"""The years that Python and Iceberg know; infinite times lie outside too."""


def checked(column: str, found: str, declared: FeatureType, *, view: str) -> str:
    """Return an SQL expression that gives `column` in its declared type.

    Numbers, times and lists are cast where the value survives; floats may round to a narrower float or to a decimal's
    scale. A value that does not survive (an overflow, a fraction, lost nanoseconds, text for a number, a vector of
    another length or with null elements) ends the query with an error that names column, types and the value.

    Parameters
    ----------
    found
        The type that the computation gives, as DuckDB names it.
    view
        Name of the feature view, for the error.
    """
    value, target = identifier(column), to_duckdb(declared)
    condition = _survives(value, found, declared)
    if condition is None:
        return value if found == target else f"CAST({value} AS {target})"
    told = f"column {column!r} of feature view {view!r} is declared {declared}, its computation gives {found}, and "
    cure = f" is no {declared}: cast or filter it in the computation, or declare another type."
    return (
        f"CASE WHEN {value} IS NULL THEN NULL WHEN {condition} THEN TRY_CAST({value} AS {target}) "
        f"ELSE {fails(f'{literal(told)} || left(CAST({value} AS VARCHAR), 100) || {literal(cure)}')} END"
    )


def _survives(value: str, found: str, declared: FeatureType) -> str | None:  # noqa: PLR0911 - a rule each
    """Return the SQL condition under which a value survives the cast; None if it always does."""
    target = to_duckdb(declared)
    try:
        given = from_duckdb(found, where="")
    except DefinitionError:
        return None if found.strip('"') == "NULL" else _NO_WAY
    if declared.kind == "Embedding":
        if given.kind not in {"List", "Embedding"} or _leaf(given).kind not in _NUMBERS:
            return _NO_WAY
        length = declared.parameters[0]
        return (
            f"len({value}) = {length} AND list_count({value}) = {length} AND TRY_CAST({value} AS {target}) IS NOT NULL"
        )
    if declared.kind in _TIMES and given.kind in _TIMES:
        same = given == declared and found != "TIMESTAMP_NS"
        bounds = _BOUNDS.get(found)
        within = f"isfinite({value})" if bounds is None else f"{value} BETWEEN {bounds}"
        return within if same else f"{within} AND {_round_trip(value, found, target)}"
    if found == target or (given == declared and declared.kind in {"String", "Bytes"}):
        return None
    inner, wanted = _leaf(given).kind, _leaf(declared).kind
    if _depth(given) != _depth(declared):
        return _NO_WAY
    if inner in _INEXACT and wanted in _INEXACT | {"Decimal"}:
        return f"TRY_CAST({value} AS {target}) IS NOT NULL"
    if (inner in _NUMBERS and wanted in _NUMBERS) or (inner in _TIMES and wanted in _TIMES):
        return _round_trip(value, found, target)
    return None if inner == wanted else _NO_WAY


def _round_trip(value: str, found: str, target: str) -> str:
    return f"coalesce(TRY_CAST(TRY_CAST({value} AS {target}) AS {found}) = {value}, false)"


def _leaf(type_: FeatureType) -> FeatureType:
    if type_.kind == "Embedding":
        return FeatureType("Float32")
    return type_ if type_.item is None else _leaf(type_.item)


def _depth(type_: FeatureType) -> int:
    if type_.kind == "Embedding":
        return 1
    return 0 if type_.item is None else 1 + _depth(type_.item)
