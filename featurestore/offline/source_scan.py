"""Rows of a source as they are, in batches of feature types: what a computation reads, or an even sample of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.errors import DefinitionError
from featurestore.model.types import FeatureType, Float64
from featurestore.offline.arrow_types import from_duckdb, to_arrow, to_duckdb
from featurestore.offline.connection import connect, identifier, translated

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from featurestore.model.definition import SourceDefinition
    from featurestore.model.settings import Settings
    from featurestore.offline.sources import SourceReader

__all__ = ["SourceScan", "scan_source"]

_BATCH_ROWS = 65_536
_BEYOND_INT64 = ("UBIGINT", "HUGEINT", "UHUGEINT")


@dataclass(frozen=True, slots=True)
class SourceScan:
    """A source being read.

    Attributes
    ----------
    columns
        Name and type of the columns that a feature type holds; integers that may exceed 64 bits are read as Float64.
    rows
        All rows there are.
    sampled
        Whether the batches hold an even sample of them.
    batches
        The rows, once.
    """

    columns: tuple[tuple[str, FeatureType], ...]
    rows: int
    sampled: bool
    batches: Iterator[pa.RecordBatch]


@contextmanager
def scan_source(
    root: Path,
    settings: Settings,
    reader: SourceReader,
    source: SourceDefinition,
    *,
    where: tuple[str, datetime] | None = None,
    most: int,
) -> Iterator[SourceScan]:
    """Read the declared columns of a source: all rows if they are `most` or fewer, else an even sample of that size.

    The sample is of blocks of 2,048 rows, from the whole of the source, and the same each time.

    Parameters
    ----------
    where
        `(column, lower bound)`: leave out rows before it, as the computation does.

    Raises
    ------
    ContractError, SourceError
        As `SourceReader.register`.
    """
    columns = tuple((name, type_) for name, engine in source.columns if (type_ := _held(engine)) is not None)
    with connect(root, settings) as connection, translated(f"source {source.name!r}"):
        reader.register(connection, source, where=where)
        table = identifier(source.name)
        ((rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        sampled = rows > most
        sample = f" USING SAMPLE {100 * most / rows:.6f}% (system, 7)" if sampled else ""
        told = ", ".join(
            f"CAST({identifier(name)} AS {to_duckdb(type_)}) AS {identifier(name)}" for name, type_ in columns
        )
        if not columns:
            yield SourceScan(columns, rows, sampled, iter(()))
            return
        schema = pa.schema([(name, to_arrow(type_)) for name, type_ in columns])
        found = connection.sql(f"SELECT {told} FROM {table}{sample}").to_arrow_reader(_BATCH_ROWS)
        yield SourceScan(columns, rows, sampled, (batch.cast(schema) for batch in found))


def _held(engine: str) -> FeatureType | None:
    if engine in _BEYOND_INT64:
        return Float64
    try:
        return from_duckdb(engine, where="a column")
    except DefinitionError:
        return None
