"""Spines: the rows to be trained on, as the caller gives them, and what the join needs of them.

`open_spine` takes what people hold rows in; the rows, one Arrow table or block by block out of Parquet, have the
caller's own columns and are checked against the request. The join reads two things beside them, derived from those
columns alone so that an archived spine gives the same: `spine_times` (microseconds since 1970 UTC) and `spine_key`
(cast exactly). Rows count from 0.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import RequestError, nearest
from featurestore.model.times import to_micros
from featurestore.offline.arrays import empty, integers, is_text, nulls, plain, valid
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.spine_formats import read_moment, to_table
from featurestore.offline.spine_parquet import ParquetSpine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from featurestore.model.types import FeatureType
    from featurestore.offline.arrays import Array, Flags, Ints

__all__ = [
    "SpineTimes",
    "check_columns",
    "checked",
    "constant_times",
    "open_spine",
    "read_spine",
    "spine_key",
    "spine_times",
    "time_columns",
]

_DAY = 86_400_000_000
_FIRST = to_micros(datetime.min.replace(tzinfo=UTC))
_LAST = to_micros(datetime.max.replace(tzinfo=UTC))
_STORED = {32: pa.int32(), 64: pa.int64()}
_PER_MICROSECOND = {"us": 1, "ms": 1_000, "s": 1_000_000}


@dataclass(frozen=True, slots=True)
class SpineTimes:
    """The times of a spine's rows: shape (rows,) each.

    Attributes
    ----------
    micros
        Microseconds since 1970 UTC; 0 where `valid` is False.
    valid
        False where the time is null.
    """

    micros: Ints
    valid: Flags


class _RowError(RequestError):
    """One row of a spine is wrong; `text` follows its number."""

    def __init__(self, row: int, text: str) -> None:
        super().__init__(f"row {row} of the spine{text}")
        self.row = row
        self.text = text


def open_spine(spine: object, *, timestamp: str, needed: Mapping[str, FeatureType]) -> pa.Table | ParquetSpine:
    """Return the rows of a spine as a table, or as the Parquet files they are in; nothing is checked yet.

    Parameters
    ----------
    spine, timestamp, needed
        See `read_spine`.

    Raises
    ------
    RequestError
        If it is none of the formats, or cannot be read.
    """
    if isinstance(spine, (str, os.PathLike)):
        return ParquetSpine(os.fspath(spine))
    return to_table(spine, timestamp=timestamp, types={name: to_arrow(type_) for name, type_ in needed.items()})


def read_spine(spine: object, *, timestamp: str, needed: Mapping[str, FeatureType], timeless: bool = False) -> pa.Table:
    """Read a spine and check that the request can be answered from it.

    Parameters
    ----------
    spine
        An Arrow table, batch or batch reader, a Polars DataFrame or LazyFrame, a pandas DataFrame (its index is not
        read), a DuckDB relation, the path of a Parquet file (or a folder or glob of such), a list of dicts, or a dict
        of columns.
    timestamp
        The time column. Naive times are UTC, aware ones are converted row by row, ISO text is parsed, a date is its
        midnight; null is allowed and matches nothing.
    needed
        Column to type of the join key it holds.
    timeless
        Whether the time column may be missing: every view of the request is a dimension.

    Returns
    -------
    The caller's columns and rows, in order, with their own types and values, and without metadata.

    Raises
    ------
    RequestError
        If it cannot be read, a column is missing, or a key or a time is not what it should be. The text names the
        column and, where it is one value, the row.
    """
    opened = open_spine(spine, timestamp=timestamp, needed=needed)
    table = opened.read() if isinstance(opened, ParquetSpine) else opened
    timed = timestamp in table.column_names or not timeless
    check_columns(table.schema, timestamp=timestamp if timed else None, needed=needed)
    for _ in checked([table], timestamp=timestamp if timed else None, needed=needed):
        pass
    return table


def check_columns(schema: pa.Schema, *, timestamp: str | None, needed: Mapping[str, FeatureType]) -> None:
    """Check the columns of a spine, before any row is read; `timestamp` is None where no time is needed.

    Raises
    ------
    RequestError
        If a column is missing, is there twice or has a wrong type.
    """
    doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubled:
        message = f"the spine has several columns of the name {doubled[0]!r}: rename all but one."
        raise RequestError(message)
    _check_rows(empty(schema), timestamp, needed)


def checked(
    tables: Iterable[pa.Table], *, timestamp: str | None, needed: Mapping[str, FeatureType]
) -> Iterator[pa.Table]:
    """Give the tables on, each after its keys and times were checked; rows count from the first table's first.

    Raises
    ------
    RequestError
        If a key or a time is not what it should be. The text names the column and the row.
    """
    first = 0
    for table in tables:
        try:
            _check_rows(table, timestamp, needed)
        except _RowError as error:
            raise _RowError(first + error.row, error.text) from None
        first += table.num_rows
        yield table


def _check_rows(table: pa.Table, timestamp: str | None, needed: Mapping[str, FeatureType]) -> None:
    for column, type_ in needed.items():
        spine_key(table, column, type_)
    if timestamp is not None:
        spine_times(table, timestamp)


# ---------------------------------------------------------------------------------------------------------- times


def spine_times(table: pa.Table, timestamp: str) -> SpineTimes:
    """Return the times of a spine's rows.

    Raises
    ------
    RequestError
        If there is no such column, it holds no times, or a time is unreadable, finer than a microsecond or out of
        range.
    """
    if timestamp not in table.column_names:
        raise RequestError(_no_times(table.schema, timestamp))
    column = plain(table.column(timestamp))
    known = valid(column)
    if pa.types.is_null(column.type):
        return SpineTimes(np.zeros(len(column), dtype=np.int64), known)
    if pa.types.is_timestamp(column.type):
        micros = _from_timestamps(column, timestamp)
    elif pa.types.is_date(column.type):
        days = integers(column.cast(pa.date32()).cast(pa.int32()), null=0)
        _check_range(days, _FIRST // _DAY, _LAST // _DAY, column, timestamp)
        micros = days * _DAY
    elif is_text(column.type):
        micros = _from_text(column, timestamp)
    else:
        message = (
            f"the spine's time column {timestamp!r} has type {column.type}: give timestamps, dates or ISO 8601 text "
            "(a number does not say its unit: convert it first)."
        )
        raise RequestError(message)
    return SpineTimes(micros, known)


def constant_times(rows: int, at: datetime) -> SpineTimes:
    """Return the times of a spine without a time column: one moment for all rows."""
    return SpineTimes(np.full(rows, to_micros(at), dtype=np.int64), np.ones(rows, dtype=np.bool_))


def time_columns(schema: pa.Schema) -> list[str]:
    """Return the columns whose type is that of a time: timestamps and dates, also as dictionaries."""
    return [field.name for field in schema if _is_time(field.type)]


def _is_time(type_: pa.DataType) -> bool:
    if isinstance(type_, pa.DictionaryType):
        return _is_time(type_.value_type)
    return pa.types.is_timestamp(type_) or pa.types.is_date(type_)


def _no_times(schema: pa.Schema, timestamp: str) -> str:
    found = " or ".join(f'timestamp="{name}"' for name in time_columns(schema))
    cure = (
        f"Say which column holds the time: {found}."
        if found
        else "Say which column holds the time with timestamp=... (a pandas index is no column: use reset_index())."
    )
    return f"the spine has no time column {timestamp!r}.{nearest(timestamp, schema.names)} {cure}"


def _from_timestamps(column: Array, timestamp: str) -> Ints:
    """Return microseconds of any unit; the values are UTC already, with a zone or without."""
    stored = integers(column, null=0)
    if column.type.unit == "ns":
        rest = stored % 1_000
        lost = np.flatnonzero(rest)
        if len(lost):
            _fail(timestamp, int(lost[0]), column, "is finer than a microsecond, which would be lost: round it first")
        micros = stored // 1_000
    else:
        per = _PER_MICROSECOND[column.type.unit]
        _check_range(stored, -(-_FIRST // per), _LAST // per, column, timestamp)
        micros = stored * per
    return micros


def _check_range(values: Ints, first: int, last: int, column: Array, timestamp: str) -> None:
    outside = np.flatnonzero((values < first) | (values > last))
    if len(outside):
        _fail(timestamp, int(outside[0]), column, "is outside the years 1 to 9999: use null for an unknown time")


def _from_text(column: Array, timestamp: str) -> Ints:
    """Parse ISO 8601 text, each distinct text once; Arrow reads the common forms, Python all of them."""
    encoded = column.cast(pa.large_string()).dictionary_encode()
    texts = encoded.dictionary
    micros: Ints | None = None
    for zone in (None, "UTC"):
        try:
            micros = integers(texts.cast(pa.timestamp("us", tz=zone)), null=0)
            break
        except pa.ArrowInvalid:  # another form, mixed forms, or no time: told apart below
            continue
    if micros is None:
        micros = np.zeros(len(texts), dtype=np.int64)
        for place, text in enumerate(map(str, texts.to_pylist())):  # in order of first appearance
            try:
                micros[place] = to_micros(read_moment(text, what=timestamp))
            except RequestError as error:
                row = pc.index(encoded.indices, pa.scalar(place, encoded.indices.type)).as_py()
                raise _RowError(row, f": {error}") from None
    return np.append(micros, 0)[integers(encoded.indices, null=-1)]


def _fail(timestamp: str, row: int, column: Array, reason: str) -> NoReturn:
    try:
        shown = str(column[row].as_py())
    except (OverflowError, ValueError):  # no Python value: out of range, or nanoseconds without pandas
        shown = f"{column.slice(row, 1).view(_STORED[column.type.bit_width])[0]} ({column.type})"
    raise _RowError(row, f": {timestamp} {shown} {reason}.")


# ----------------------------------------------------------------------------------------------------------- keys


def spine_key(table: pa.Table, column: str, type_: FeatureType) -> Array:
    """Return a join key's column, cast exactly to the key's type.

    Integers of any width, text or bytes of any Arrow layout, dates, and dictionaries of them are cast; nothing is
    parsed, rounded or cut.

    Raises
    ------
    RequestError
        If there is no such column, it has another type, or a value does not fit.
    """
    if column not in table.column_names:
        message = (
            f"the spine has no column {column!r}, which the join needs as a key of type {type_}."
            f"{nearest(column, table.column_names)} To join on another column, write ' on key=column' after the "
            "reference."
        )
        raise RequestError(message)
    found = plain(table.column(column))
    target = to_arrow(type_)
    if pa.types.is_null(found.type):
        return nulls(len(found), target)
    if not _holds(found.type, type_.kind):
        raise RequestError(_wrong_type(column, type_, table.schema.field(column).type, found.type))
    try:
        return found.cast(target)
    except pa.ArrowInvalid:
        row = _first_misfit(found, target)
        text = (
            f" has {column} = {found[row].as_py()}, which does not fit the key's type: expected {type_}, found "
            f"{found.type}. Use null for an unknown key."
        )
        raise _RowError(row, text) from None


def _holds(found: pa.DataType, kind: str) -> bool:
    """Tell whether an Arrow type holds the same kind of values as a key's type."""
    match kind:
        case "Int32" | "Int64":
            return pa.types.is_integer(found)
        case "String":
            return is_text(found)
        case "Bytes":
            return (
                pa.types.is_binary(found)
                or pa.types.is_large_binary(found)
                or pa.types.is_binary_view(found)
                or pa.types.is_fixed_size_binary(found)
            )
        case "Bool":
            return pa.types.is_boolean(found)
        case _:
            return pa.types.is_date(found)


def _wrong_type(column: str, type_: FeatureType, found: pa.DataType, plain: pa.DataType) -> str:
    integer = type_.kind in {"Int32", "Int64"}
    if integer and pa.types.is_floating(plain):
        cure = (
            "floats cannot hold every integer exactly. pandas makes integers beside nulls into floats: "
            f"read the column as nullable integers, or convert it with astype('{type_.kind}')"
        )
    elif integer and is_text(plain):
        cure = "text is not parsed: convert it to integers, or declare the entity's key as fs.String"
    elif type_.kind == "String":
        cure = "a number and its text are different keys: convert it to text, or declare the key with the type it has"
    else:
        cure = "convert the column, or declare the entity's key with the type it has"
    return f"column {column!r} of the spine does not fit the key's type: expected {type_}, found {found}. {cure}."


def _first_misfit(found: Array, target: pa.DataType) -> int:
    """Return the first row whose value the target cannot hold, by bisection: a cast of the rows before it works."""
    low, high = 0, len(found)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            found.slice(low, middle - low).cast(target)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low
