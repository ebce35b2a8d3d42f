"""Rows that live in the store: the tables of arrow sources and the logs of push sources, as Parquet named by content.

Files are `sources/<name>/<sequence>-<digest>.parquet`. Of an arrow source the newest counts, of a push source all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import ContractError, DefinitionError, RequestError, SourceError, nearest
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


class RowLog:
    """The kept rows of one source.

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

    def keep(self, table: pa.Table, *, append: bool) -> None:
        """Write rows durably.

        Parameters
        ----------
        append
            Write even if the newest file holds the same rows: a push of the same rows is a second push.
        """
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
            self._name_file(temporary, digest, append=append)
        except pa.ArrowException as error:
            message = f"source {self._name!r}: its rows cannot be kept: {error}"
            raise ContractError(message) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _name_file(self, temporary: Path, digest: str, *, append: bool) -> None:
        kept = self.all()
        if not append and kept and kept[-1].stem.partition("-")[2] == digest:
            return
        sequence = int(kept[-1].stem.partition("-")[0]) + 1 if kept else 1
        while True:
            try:
                os.link(temporary, self._folder / f"{sequence:08d}-{digest}.parquet")
                break
            except FileExistsError:  # another process pushed the same rows
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


def _by_column(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def conform_rows(source: str, schema: Mapping[str, FeatureType], rows: object) -> pa.Table:
    """Return pushed rows with exactly the columns and types of the source's schema.

    Raises
    ------
    ContractError
        If a column is missing, unknown, or holds what its type does not.
    """
    if isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        rows = _by_column(rows) or {name: [] for name in schema}
    columns: Mapping[str, Any]
    if isinstance(rows, Mapping):
        columns = rows
    else:
        table = read_table(source, rows)
        columns = {name: table.column(name) for name in table.column_names}
    unknown = [name for name in columns if name not in schema]
    if unknown:
        message = f"source {source!r} has no column {unknown[0]!r}.{nearest(str(unknown[0]), schema)}"
        raise ContractError(message)
    missing = [name for name in schema if name not in columns]
    if missing:
        message = f"the rows pushed to source {source!r} lack {', '.join(missing)}: give every column, null if unknown."
        raise ContractError(message)
    arrays = {name: _column(source, name, type_, columns[name]) for name, type_ in schema.items()}
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        message = f"the columns pushed to source {source!r} differ in length: give one value for each row in each."
        raise ContractError(message)
    return pa.Table.from_arrays(list(arrays.values()), names=list(arrays))


def _column(source: str, name: str, type_: FeatureType, values: Any) -> Any:  # noqa: ANN401 - any array in
    """Return values as a chunked array of exactly `type_`."""
    where = f"column {name!r} pushed to source {source!r}"
    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = values.tolist() if hasattr(values, "tolist") else list(values)
    elif type_.kind in _TEXT_TIMES and pa.types.is_string(values.type):
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
