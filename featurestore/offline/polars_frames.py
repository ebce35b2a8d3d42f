"""Polars at the edge of the engine: relations in as frames that scan, frames out as Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq

from featurestore.errors import ContractError, DefinitionError, nearest
from featurestore.offline.connection import describe, identifier

if TYPE_CHECKING:
    import duckdb

__all__ = ["describe_frame", "result_frame", "scan_relation", "write_frame"]

_BATCH_ROWS = 65_536


def scan_relation(connection: duckdb.DuckDBPyConnection, name: str, path: Path | None) -> pl.LazyFrame:
    """Return a frame over a relation: scanned from a Parquet file written to `path`, or in memory without one."""
    relation = connection.sql(f"SELECT * FROM {identifier(name)}")
    if path is None:
        return _frame(relation.to_arrow_table()).lazy()
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    schema = _frame(reader.schema.empty_table()).schema
    with pq.ParquetWriter(path, reader.schema, compression="lz4", use_dictionary=False) as writer:
        for batch in reader:
            writer.write_batch(batch)
    frame = pl.scan_parquet(path)
    found = frame.collect_schema()
    return frame.with_columns(pl.col(column).cast(type_) for column, type_ in schema.items() if found[column] != type_)


def _frame(table: Any) -> pl.DataFrame:  # noqa: ANN401 - an Arrow table
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(type(frame))
    return frame


def result_frame(name: str, function: Callable[[dict[str, Any]], Any], frames: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return what a function makes of its sources.

    Raises
    ------
    DefinitionError
        If it fails, or returns no frame.
    """
    try:
        result = function(dict(frames))
    except Exception as error:
        message = f"function {name!r} failed: {type(error).__name__}: {error}"
        raise DefinitionError(message) from error
    if isinstance(result, pl.DataFrame):
        return result.lazy()
    if isinstance(result, pl.LazyFrame):
        return result
    message = f"function {name!r} returned a {type(result).__name__}: return a polars.LazyFrame."
    raise DefinitionError(message)


def describe_frame(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.LazyFrame) -> list[tuple[str, str]]:
    """Return `(column, DuckDB type)` of a frame without collecting it."""
    try:
        empty = frame.collect_schema().to_frame().to_arrow()
    except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
        message = f"function {name!r} failed: {type(error).__name__}: {error}"
        raise DefinitionError(message) from error
    connection.register("__frame", empty)
    try:
        return describe(connection, 'SELECT * FROM "__frame"')
    finally:
        connection.unregister("__frame")


def write_frame(name: str, frame: pl.LazyFrame, columns: Sequence[str], path: Path) -> None:
    """Run a frame and write the named columns, in their order of rows.

    Raises
    ------
    ContractError
        If a column is missing, or the run fails.
    """
    try:
        found = frame.collect_schema().names()
        missing = [column for column in columns if column not in found]
        if not missing:
            frame.select(columns).sink_parquet(path, compression="uncompressed", maintain_order=True)
            return
    except Exception as error:
        message = f"function {name!r} failed: {type(error).__name__}: {error}"
        raise ContractError(message) from error
    message = f"function {name!r} gives no column {missing[0]!r}.{nearest(missing[0], found)}"
    raise ContractError(message)
