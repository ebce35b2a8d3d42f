"""Rows given by callers: the tables of arrow sources, kept as Parquet named by content, and rows as tables.

Files are `sources/<name>/<sequence>-<digest>.parquet`, of which the newest counts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import ContractError, DefinitionError, RequestError, SourceError, nearest
from featurestore.model.pushed import PushSchema, RejectedRow
from featurestore.model.times import parse_time
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import from_arrow, to_arrow

__all__ = ["RowLog", "conform_rows", "read_table"]

_WIDER = {
    ("Int32", "Int64"),
    ("Int64", "Int32"),
    ("Int32", "Float64"),
    ("Int64", "Float64"),
    ("Int32", "Float32"),
    ("Int64", "Float32"),
    ("Float32", "Float64"),
    ("Float64", "Float32"),
    ("Date", "Timestamp"),
}
"""Kinds that may be given for a declared kind; Arrow's checked cast refuses values that do not fit."""


_ABSENT = object()
"""Stands for a value that a row does not have."""
_MISSING = "is missing: give every column, null if unknown."


class RowLog:
    """The kept tables of one arrow source.

    Parameters
    ----------
    root
        The store's folder.
    name
        The source's name.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / "sources" / name
        self._name = name

    def all(self) -> list[Path]:
        """Return all files, oldest first."""
        return sorted(self._folder.glob("*.parquet"))

    def newest(self) -> Path:
        """Return the newest file.

        Raises
        ------
        SourceError
            If there is none.
        """
        files = self.all()
        if not files:
            message = f"source {self._name!r} has no rows in this store: apply a view that holds its table."
            raise SourceError(message)
        return files[-1]

    def keep(self, table: pa.Table) -> None:
        """Write a table durably, unless the newest file holds the same rows."""
        for field in table.schema:
            if pa.types.is_duration(field.type) or pa.types.is_null(field.type):
                message = f"source {self._name!r}: column {field.name!r} has type {field.type}: cast it first."
                raise ContractError(message)
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{uuid4().hex}.tmp"
        try:
            with temporary.open("wb") as file:
                pq.write_table(table.combine_chunks(), file, compression="lz4", use_dictionary=False)
                file.flush()
                os.fsync(file.fileno())
            with temporary.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            self._name_file(temporary, digest)
        except pa.ArrowException as error:
            message = f"source {self._name!r}: its rows cannot be kept: {error}"
            raise ContractError(message) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _name_file(self, temporary: Path, digest: str) -> None:
        kept = self.all()
        if kept and kept[-1].stem.partition("-")[2] == digest:
            return
        sequence = int(kept[-1].stem.partition("-")[0]) + 1 if kept else 1
        while True:
            try:
                os.link(temporary, self._folder / f"{sequence:08d}-{digest}.parquet")
                break
            except FileExistsError:  # another process kept the same rows
                sequence += 1
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_table(source: str, rows: object) -> pa.Table:
    """Return rows given in Python as a table: of pyarrow, polars, pandas, columns, or a list of dictionaries.

    Raises
    ------
    SourceError
        If they are none of these, or do not make columns.
    """
    try:
        return _read_table(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        message = (
            f"source {source!r}: the rows, a {type(rows).__name__}, do not make a table: {error}. Give a pyarrow, "
            "polars or pandas table, columns by name, or a list of dictionaries."
        )
        raise SourceError(message) from error


def _read_table(rows: Any) -> pa.Table:  # noqa: ANN401 - of any library
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "iloc"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if hasattr(rows, "to_arrow"):
        rows = rows.to_arrow()
    elif isinstance(rows, Mapping):
        rows = dict(rows)
    elif isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        rows = _by_column(rows)
    return rows if isinstance(rows, pa.Table) else pa.table(rows)


def _by_column(rows: Sequence[Mapping[str, Any]], absent: object = None) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, absent) for row in rows] for name in names}


def conform_rows(source: str, schema: PushSchema, rows: object) -> tuple[pa.Table, list[RejectedRow]]:
    """Return pushed rows with exactly the columns and types of the source's schema, and those that do not fit.

    Returns
    -------
    table, rejected
        The rows that fit, in order, and one entry for each that does not, which names the first column at fault.

    Raises
    ------
    ContractError
        If a column is unknown, or the columns differ in length.
    """
    columns, count = _given_columns(source, schema.columns, rows)
    unknown = [name for name in columns if name not in schema.columns]
    if unknown:
        message = f"source {source!r} has no column {unknown[0]!r}.{nearest(str(unknown[0]), schema.columns)}"
        raise ContractError(message)
    rejected: dict[int, RejectedRow] = {}
    arrays = []
    for name, type_ in schema.columns.items():
        where = f"column {name!r} pushed to source {source!r}"
        array, wrong = _fitting(where, type_, columns.get(name), count)
        if name in schema.required and array.null_count:
            for row in np.flatnonzero(array.is_null().to_numpy()).tolist():
                wrong.setdefault(row, f"{where} is null, and it is a key or the event time of every version.")
        for row, reason in wrong.items():
            rejected.setdefault(row, RejectedRow(row, name, reason))
        arrays.append(array)
    table = pa.Table.from_arrays(arrays, names=list(schema.columns))
    if rejected:
        keep = np.ones(count, np.bool_)
        keep[list(rejected)] = False
        table = table.filter(pa.array(keep))
    return table, [rejected[row] for row in sorted(rejected)]


def _given_columns(source: str, schema: Mapping[str, FeatureType], rows: object) -> tuple[dict[str, Any], int]:
    """Return the columns given, each a list or an Arrow array, and how many rows they have."""
    columns: Mapping[str, Any]
    if isinstance(rows, Mapping):
        columns = rows
    elif isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        columns = _by_column(rows, _ABSENT) or {name: [] for name in schema}
    else:
        table = read_table(source, rows)
        columns = {name: table.column(name) for name in table.column_names}
    given = {name: _listed(values) for name, values in columns.items()}
    lengths = {len(values) for values in given.values()}
    if len(lengths) > 1:
        message = f"the columns pushed to source {source!r} differ in length: give one value for each row in each."
        raise ContractError(message)
    return given, lengths.pop() if lengths else 0


def _listed(values: Any) -> Any:  # noqa: ANN401 - any array in
    if isinstance(values, (pa.Array, pa.ChunkedArray, list)):
        return values
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _fitting(where: str, type_: FeatureType, values: Any, count: int) -> tuple[pa.ChunkedArray[Any], dict[int, str]]:  # noqa: ANN401 - a list or an Arrow array in
    """Return a column of exactly `type_`, null where a value does not fit, and why it does not, by row."""
    arrow: Any = to_arrow(type_)
    if values is None:
        return pa.chunked_array([pa.nulls(count, arrow)]), dict.fromkeys(range(count), f"{where} {_MISSING}")
    if not isinstance(values, list) and _mistyped(values, type_, where):
        present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False)).tolist()
        return pa.chunked_array([pa.nulls(count, arrow)]), dict.fromkeys(
            present, str(_wrong(where, type_, str(values.type)))
        )
    wrong: dict[int, str] = {}

    def pieces(start: int, end: int) -> list[pa.Array[Any]]:
        """Halve what does not fit until the values at fault are alone."""
        part = values[start:end]
        try:
            chunks: list[pa.Array[Any]] = _column(where, type_, part).chunks
        except ContractError as error:
            if end - start == 1:
                wrong[start] = f"{where} {_MISSING}" if part[0] is _ABSENT else str(error)
                return [pa.nulls(1, arrow)]
            middle = (start + end) // 2
            return pieces(start, middle) + pieces(middle, end)
        return chunks

    return pa.chunked_array(pieces(0, count), arrow), wrong


def _mistyped(values: pa.Array[Any] | pa.ChunkedArray[Any], type_: FeatureType, where: str) -> bool:
    """Return whether an Arrow column's type, not a value of it, is at fault."""
    if type_.kind in _TEXT_TIMES and pa.types.is_string(values.type):
        return False
    try:
        return not _fits(values.type, type_, where)
    except DefinitionError:
        return True


def _column(where: str, type_: FeatureType, values: Any) -> Any:  # noqa: ANN401 - an Arrow array or a list in
    """Return values as a chunked array of exactly `type_`; raises if one does not fit."""
    if type_.kind in _TEXT_TIMES and not isinstance(values, list) and pa.types.is_string(values.type):
        values = values.to_pylist()
    try:
        if isinstance(values, list):
            if type_.kind in _TEXT_TIMES:
                values = [_TEXT_TIMES[type_.kind](value) for value in values]
            values = pa.array(values)  # inferred: given the type, Arrow would cut 1.5 to 1
        column: Any = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
        if not _fits(column.type, type_, where):
            raise _wrong(where, type_, str(column.type))
        column = column.cast(to_arrow(type_))
    except (DefinitionError, RequestError, pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _wrong(where, type_, f"what is not: {error}") from error
    if type_.kind == "Embedding" and any(pc.list_flatten(chunk).null_count for chunk in column.chunks):
        raise _wrong(where, type_, "a null element")
    return column


_TEXT_TIMES: dict[str, Callable[[Any], Any]] = {
    "Timestamp": lambda value: None if value is None else parse_time(value),
    "Date": lambda value: date.fromisoformat(value) if isinstance(value, str) else value,
}


def _fits(found: pa.DataType, declared: FeatureType, where: str) -> bool:
    """Return whether values of an Arrow type may be given for a declared type; the checked cast then sees each."""
    if pa.types.is_null(found):
        return True
    item = FeatureType("Float32") if declared.kind == "Embedding" else declared.item
    if item is not None:
        inner = getattr(found, "value_type", None)
        return inner is not None and not isinstance(found, pa.DictionaryType) and _fits(inner, item, where)
    given = from_arrow(found, where=where)
    return given.kind == declared.kind or (given.kind, declared.kind) in _WIDER


def _wrong(where: str, type_: FeatureType, found: str) -> ContractError:
    return ContractError(f"{where} is declared {type_} and holds {found}.")
