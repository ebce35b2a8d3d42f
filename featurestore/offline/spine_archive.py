"""Archived spines: one Parquet file each, named by the SHA-256 of its bytes, from which the same table comes back.

A spine is written and read block by block, one row group each, so that it may be larger than memory. The same rows are
the same file, in whatever pieces they came.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import CorruptError, RequestError
from featurestore.model.pins import SpinePin
from featurestore.offline.arrays import empty, whole
from featurestore.offline.blocks import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    from featurestore.offline.arrays import Array, Column

__all__ = ["ArchivedSpine", "archive_blocks", "archive_spine", "load_spine", "open_archived"]

_FOLDER = "spines"
_SCHEMA = b"featurestore:schema"


class ArchivedSpine:
    """An archived spine, read block by block.

    Attributes
    ----------
    pin
        What it is.
    schema
        Its columns with their exact Arrow types.
    rows
        How many.
    """

    def __init__(self, root: Path, pin: SpinePin) -> None:
        self.pin = pin
        self._file = _path(root, pin.digest)
        with pq.ParquetFile(self._file) as opened:
            self.schema, self.rows = _schema(opened), opened.metadata.num_rows

    def tables(self) -> Iterator[pa.Table]:
        """Give the rows in the blocks in which they were kept."""
        with pq.ParquetFile(self._file) as opened:
            for group in range(opened.num_row_groups):
                yield _unpack(opened.read_row_group(group), opened)


def open_archived(root: Path, pin: SpinePin) -> ArchivedSpine:
    """Return an archived spine, checked to be what was pinned.

    Raises
    ------
    CorruptError
        If the file is missing or is not what the pin says.
    """
    path = _path(root, pin.digest)
    if not path.exists():
        message = f"the archived spine {path} is missing: restore it from a backup, or train on a spine of your own."
        raise CorruptError(message)
    found = _sha256(path)
    if found != pin.digest:
        message = f"the archived spine {path} was altered (its SHA-256 is {found}): restore it from a backup."
        raise CorruptError(message)
    spine = ArchivedSpine(root, pin)
    if (spine.rows, _columns(spine.schema)) != (pin.rows, pin.columns):
        message = (
            f"the archived spine {path} holds {spine.rows} rows of {_columns(spine.schema)}, "
            f"the pins say {pin.rows} rows of {pin.columns}: the lock was edited by hand; restore it."
        )
        raise CorruptError(message)
    return spine


def archive_spine(root: Path, table: pa.Table) -> SpinePin:
    """Keep a spine under `root`, durably; the same rows again are the same file.

    Raises
    ------
    RequestError
        If a column has a type that cannot be kept exactly.
    """
    table = table.replace_schema_metadata(None).unify_dictionaries()
    return archive_blocks(root, table.schema, cut([table], table.schema))


def archive_blocks(root: Path, schema: pa.Schema, blocks: Iterable[pa.Table]) -> SpinePin:
    """Keep a spine that comes in the blocks of `cut`; dictionary columns have one dictionary throughout."""
    folder = root / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            rows = _write(schema, blocks, file)
            sha256 = _sha256(temporary)
            target = _path(root, sha256)
            if target.exists():
                temporary.unlink()
            else:
                os.fsync(file.fileno())
                temporary.chmod(0o644)
                temporary.replace(target)
                _sync_folder(folder)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return SpinePin(sha256, rows, _columns(schema))


def load_spine(root: Path, pin: SpinePin) -> pa.Table:
    """Return an archived spine whole; the errors are those of `open_archived`."""
    spine = open_archived(root, pin)
    return pa.concat_tables(list(spine.tables()) or [empty(spine.schema)])


def _path(root: Path, sha256: str) -> Path:
    return root / _FOLDER / f"{sha256}.parquet"


def _columns(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, str(field.type)) for field in schema)


def _write(schema: pa.Schema, blocks: Iterable[pa.Table], file: IO[bytes]) -> int:
    """Write the blocks and return how many rows they have; the first one brings the values of dictionary columns."""
    writer = None
    rows = 0
    try:
        _check(schema)
        for block in blocks:
            packed = _pack(block)
            if writer is None:
                writer = pq.ParquetWriter(file, packed.schema, compression="zstd", compression_level=1)
            writer.write_table(packed, row_group_size=max(1, packed.num_rows))
            rows += block.num_rows
    except pa.ArrowException as error:
        message = f"the spine has a column that cannot be kept exactly ({error}): cast it before you ask for a frame."
        raise RequestError(message) from error
    finally:
        if writer is not None:
            writer.close()
    file.flush()
    return rows


def _check(schema: pa.Schema) -> None:
    """Raise if not every type comes back from Parquet."""
    packed = _pack(empty(schema))
    sink = pa.BufferOutputStream()
    pq.write_table(packed, sink)
    with pq.ParquetFile(pa.BufferReader(sink.getvalue())) as opened:
        if not _unpack(opened.read(), opened).schema.equals(schema):
            message = f"{schema} would not come back"
            raise pa.ArrowNotImplementedError(message)


def _pack(table: pa.Table) -> pa.Table:
    """Return the table as Parquet can hold it exactly: of dictionary columns the indices, their values as metadata."""
    kept = {_SCHEMA: base64.b64encode(table.schema.serialize())}
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.DictionaryType):
            array: Any = whole(table.column(place))
            kept[_values_of(place)] = base64.b64encode(_to_ipc(array.dictionary))
            table = table.set_column(place, field.name, array.indices)
    return table.replace_schema_metadata(kept)


def _schema(opened: pq.ParquetFile) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode((opened.metadata.metadata or {})[_SCHEMA])))


def _unpack(table: pa.Table, opened: pq.ParquetFile) -> pa.Table:
    schema = _schema(opened)
    columns: list[Array | Column] = []
    for place, (column, field) in enumerate(zip(table.columns, schema, strict=True)):
        if isinstance(field.type, pa.DictionaryType):
            values = _from_ipc(base64.b64decode((opened.metadata.metadata or {})[_values_of(place)]))
            indices: Any = whole(column).cast(field.type.index_type)
            columns.append(pa.DictionaryArray.from_arrays(indices, values, ordered=field.type.ordered))
        else:
            columns.append(column.cast(field.type))  # Parquet has no seconds
    return pa.table(columns, schema=schema)


def _values_of(place: int) -> bytes:
    return f"featurestore:values:{place}".encode()


def _to_ipc(values: Array) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([values], names=["values"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _from_ipc(data: bytes) -> Array:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch().column(0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
