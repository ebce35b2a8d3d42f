"""Spines in Parquet files: read in pieces, so that they may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import RequestError, SourceError
from featurestore.offline.arrays import bare, empty
from featurestore.offline.source_files import find_files

__all__ = ["ParquetSpine"]

_PIECE = 1 << 16
_BUFFER = 1 << 20


class ParquetSpine:
    """The rows of a Parquet file, or of all the files of a folder or a glob in the order of their names.

    A column of dictionaries (categories) is read whole, for its values must be known before the first row is kept: such
    a spine has to fit into memory.

    Attributes
    ----------
    schema
        Its columns, without metadata.
    rows
        How many.

    Raises
    ------
    RequestError
        If there is no such file, one is not Parquet or cannot be read, or the files differ in their columns.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._files = [file for _, file in find_files("spine", path, "parquet")]
        except SourceError:
            message = (
                f"there is no Parquet file {path!r} to read the spine from: give a file, a folder or a glob (looked "
                f"from {Path.cwd()})."
            )
            raise RequestError(message) from None
        self.schema, self.rows = self._describe(self._files[0])
        for file in self._files[1:]:
            schema, rows = self._describe(file)
            if schema != self.schema:
                message = f"{str(file)!r} has other columns than {str(self._files[0])!r}, so they are not one spine."
                raise RequestError(message)
            self.rows += rows

    def tables(self) -> Iterator[pa.Table]:
        """Give the rows in order, in pieces; as one table where it has to be read whole."""
        if any(isinstance(field.type, pa.DictionaryType) for field in self.schema):
            yield self.read()
        else:
            yield from self._pieces()

    def read(self) -> pa.Table:
        """Return all rows."""
        pieces = list(self._pieces()) or [empty(self.schema)]
        return pa.concat_tables(pieces).unify_dictionaries()

    def _describe(self, file: Path) -> tuple[pa.Schema, int]:
        try:
            with pq.ParquetFile(file) as opened:
                return bare(opened.schema_arrow), opened.metadata.num_rows
        except pa.ArrowInvalid as error:
            message = (
                f"{str(file)!r} is not a Parquet file: give the path of one, or an Arrow table, a Polars or pandas "
                "DataFrame, a DuckDB relation, a list of dicts or a dict of columns."
            )
            raise RequestError(message) from error
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _pieces(self) -> Iterator[pa.Table]:
        for file in self._files:
            try:
                with pq.ParquetFile(file, buffer_size=_BUFFER) as opened:
                    for batch in opened.iter_batches(_PIECE):
                        yield pa.Table.from_batches([batch]).cast(self.schema)
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> RequestError:
        return RequestError(f"the spine {self._path!r} cannot be read: {error}")
