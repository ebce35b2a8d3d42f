"""What people hold rows in, as one Arrow table: the formats of a spine, and nothing about joins."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.errors import RequestError
from featurestore.model.times import parse_time
from featurestore.offline.arrays import bare, nulls

if TYPE_CHECKING:
    import pandas as pd

    from featurestore.offline.arrays import Array, Column

__all__ = ["read_moment", "to_table"]

_MOMENT = pa.timestamp("us", tz="UTC")
_ACCEPTED = (
    "an Arrow table, a Polars or pandas DataFrame, a DuckDB relation, the path of a Parquet file, a list of dicts or "
    "a dict of columns"
)


def to_table(spine: object, *, timestamp: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the rows of `spine` as a table of its columns, without schema or field metadata.

    Parameters
    ----------
    spine
        See `read_spine`.
    timestamp
        The time column: Python values in it may be of mixed zones and kinds.
    types
        Key column to Arrow type, for Python columns that hold nothing from which a type could be told.

    Raises
    ------
    RequestError
        If it is none of the formats, or cannot be read.
    """
    try:
        table = _from_library(spine, timestamp, types)
        table = _from_python(spine, timestamp, types) if table is None else table
    except (pa.ArrowException, OSError) as error:
        message = f"the spine cannot be read: {error}"
        raise RequestError(message) from error
    return table.cast(bare(table.schema))


def _from_library(spine: Any, timestamp: str, types: Mapping[str, pa.DataType]) -> pa.Table | None:  # noqa: ANN401
    """Return the table that a frame of some library is, None if it is no such frame."""
    if _is(spine, "polars", "LazyFrame", "DataFrame"):
        return _from_polars(spine)
    if _is(spine, "pandas", "DataFrame"):
        return _from_pandas(spine, timestamp, types)
    if _is(spine, "duckdb", "DuckDBPyRelation"):
        return _from_duckdb(spine)
    if hasattr(spine, "__arrow_c_stream__") or isinstance(spine, pa.RecordBatch):
        return pa.table(spine)
    return None


def _from_python(spine: object, timestamp: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    if isinstance(spine, Mapping):
        return _from_columns(spine, timestamp, types)
    if isinstance(spine, Sequence) and all(isinstance(row, Mapping) for row in spine):
        return _from_rows(spine, timestamp, types)
    message = f"a spine cannot be made from {_describe(spine)}: give {_ACCEPTED}."
    raise RequestError(message)


def _is(value: object, module: str, *names: str) -> bool:
    """Tell whether `value` is of a class of a library, without importing it: who has such a value has done so."""
    library = sys.modules.get(module)
    return library is not None and isinstance(value, tuple(getattr(library, name) for name in names))


def _describe(value: object) -> str:
    if isinstance(value, Sequence):
        other = next((item for item in value if not isinstance(item, Mapping)), None)
        return f"a {type(value).__name__} that holds {other!r}"
    return f"a {type(value).__name__}"


def _from_polars(frame: Any) -> pa.Table:  # noqa: ANN401 - a Polars frame
    polars = sys.modules["polars"]
    try:
        if isinstance(frame, polars.LazyFrame):
            frame = frame.collect()
        table: pa.Table = frame.to_arrow()
    except polars.exceptions.PolarsError as error:
        message = f"the spine cannot be read from Polars: {error}"
        raise RequestError(message) from error
    return table


def _from_duckdb(relation: Any) -> pa.Table:  # noqa: ANN401 - a DuckDB relation
    duckdb = sys.modules["duckdb"]
    try:
        table: pa.Table = relation.to_arrow_table()
    except duckdb.Error as error:
        message = f"the spine cannot be read from DuckDB: {error}"
        raise RequestError(message) from error
    # The zone of such a column is the session's, so the process's: the same moments have one type everywhere.
    fields = [
        field.with_type(pa.timestamp(field.type.unit, tz="UTC"))
        if pa.types.is_timestamp(field.type) and field.type.tz is not None
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _from_pandas(frame: pd.DataFrame, timestamp: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    names = [str(name) for name in frame.columns]
    columns = []
    for place, name in enumerate(names):
        series = frame.iloc[:, place]
        if series.dtype == object:
            values = [None if missing else value for value, missing in zip(series, series.isna(), strict=True)]
            columns.append(_from_values(name, values, timestamp, types))
        else:
            columns.append(_array(name, series, from_pandas=True))
    return pa.table(columns, names=names)


def _from_rows(rows: Sequence[Mapping[str, Any]], timestamp: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not rows:
        names = [*types, *([] if timestamp in types else [timestamp])]
    return _from_columns({name: [row.get(name) for row in rows] for name in names}, timestamp, types)


def _from_columns(columns: Mapping[Any, Any], timestamp: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    if not columns:
        return _from_rows([], timestamp, types)
    arrays = {str(name): _column(str(name), values, timestamp, types) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        message = f"the columns of the spine have different lengths: {listed}."
        raise RequestError(message)
    return pa.table(list(arrays.values()), names=list(arrays))


def _column(name: str, values: Any, timestamp: str, types: Mapping[str, pa.DataType]) -> Array | Column:  # noqa: ANN401
    """Return one column of a dict."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if _is(values, "pandas", "Series", "Index"):
        return _from_pandas(values.to_frame(name), timestamp, types).column(0)
    if _is(values, "polars", "Series"):
        series: Array = values.to_arrow()
        return series
    if isinstance(values, np.ndarray) and values.dtype != object:
        return _array(name, values)
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        message = f"column {name!r} of the spine is {values!r}, not a column: give a list with one value per row."
        raise RequestError(message)
    return _from_values(name, list(values), timestamp, types)


def _from_values(name: str, values: list[Any], timestamp: str, types: Mapping[str, pa.DataType]) -> Array:
    """Return a column of Python values."""
    array = _from_moments(name, values) if name == timestamp else _array(name, values)
    if pa.types.is_null(array.type) and name in types:
        return nulls(len(values), types[name])
    return array


def _array(name: str, values: Any, *, from_pandas: bool = False) -> Array:  # noqa: ANN401
    try:
        array: Array = pa.array(values, from_pandas=from_pandas)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        message = f"column {name!r} of the spine does not hold values of one type: {error}"
        raise RequestError(message) from error
    return array


def _from_moments(name: str, values: list[Any]) -> Array:
    """Return the time column made of Python values.

    Values of one kind keep their form. Mixed kinds and mixed zones, which no Arrow type holds, become moments in UTC,
    each by its own zone.
    """
    kinds = {kind for kind in set(map(type, values)) if kind.__name__ not in {"NoneType", "NAType"}}
    if not kinds:
        return nulls(len(values), _MOMENT)
    if kinds in ({str}, {date}) or not any(issubclass(kind, (str, date, np.datetime64)) for kind in kinds):
        return _array(name, values)  # of the last kind none is a time, which `spine_times` says
    if kinds == {datetime}:
        zones = {value.tzinfo for value in values if value is not None}
        if len(zones) == 1 and zones <= {None, UTC}:
            return _array(name, values)
    return pa.array([_moment(name, row, value) for row, value in enumerate(values)], _MOMENT)


def _moment(name: str, row: int, value: Any) -> datetime | None:  # noqa: ANN401
    """Return one time of any kind, null for pandas' and NumPy's ways of saying so."""
    if value is None or type(value).__name__ in {"NaTType", "NAType"} or value != value:  # noqa: PLR0124 - NaN
        return None
    try:
        return read_moment(value, what=name)
    except RequestError as error:
        message = f"row {row} of the spine: {error}"
        raise RequestError(message) from None


def read_moment(value: object, *, what: str) -> datetime:
    """Return the aware datetime that a datetime, a date, a NumPy time or ISO 8601 text means.

    Raises
    ------
    RequestError
        If it means none, is finer than a microsecond, or is outside the years 1 to 9999.
    """
    if isinstance(value, np.datetime64):
        whole = value.astype("datetime64[us]")
        if whole != value:
            message = f"{what} {value} is finer than a microsecond, which would be lost: round it first."
            raise RequestError(message)
        value = whole.item()
    try:
        if isinstance(value, str):
            datetime.fromisoformat(value.strip())  # a duration back from now, which `parse_time` reads, is no time
        if isinstance(value, (str, date)):
            return parse_time(value, what=what)
    except ValueError:
        pass
    message = f"{what} {value!r} is not a time: write ISO 8601, for example '2013-07-01T06:00+02:00', or null."
    raise RequestError(message)
