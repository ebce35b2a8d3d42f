"""Archived spines: one Parquet file each, named by the SHA-256 of its bytes, from which the same table comes back."""

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
from featurestore.offline.arrays import whole

if TYPE_CHECKING:
    from typing import IO

    from featurestore.offline.arrays import Array, Column

__all__ = ["archive_spine", "load_spine"]

_FOLDER = "spines"
_ROW_GROUP = 1 << 20
_SCHEMA = b"featurestore:schema"


def archive_spine(root: Path, table: pa.Table) -> SpinePin:
    """Keep a spine under `root`, durably; the same rows again are the same file.

    Raises
    ------
    RequestError
        If a column has a type that cannot be kept exactly.
    """
    table = table.replace_schema_metadata(None).combine_chunks()
    folder = root / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            _write(table, file)
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
    return SpinePin(sha256, table.num_rows, _columns(table.schema))


def load_spine(root: Path, pin: SpinePin) -> pa.Table:
    """Return an archived spine with its exact Arrow types.

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
    table = _read(path)
    if (table.num_rows, _columns(table.schema)) != (pin.rows, pin.columns):
        message = (
            f"the archived spine {path} holds {table.num_rows} rows of {_columns(table.schema)}, "
            f"the pins say {pin.rows} rows of {pin.columns}: the lock was edited by hand; restore it."
        )
        raise CorruptError(message)
    return table


def _path(root: Path, sha256: str) -> Path:
    return root / _FOLDER / f"{sha256}.parquet"


def _columns(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, str(field.type)) for field in schema)


def _write(table: pa.Table, file: IO[bytes]) -> None:
    try:
        pq.write_table(_pack(table), file, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP)
        file.flush()
        if not _read(Path(file.name), rows=False).schema.equals(table.schema):
            message = f"{table.schema} would not come back"
            raise pa.ArrowNotImplementedError(message)
    except pa.ArrowException as error:
        message = f"the spine has a column that cannot be kept exactly ({error}): cast it before you ask for a frame."
        raise RequestError(message) from error


def _pack(table: pa.Table) -> pa.Table:
    """Return the table as Parquet can hold it exactly: of dictionary columns the indices, their values as metadata."""
    table = table.unify_dictionaries()
    kept = {_SCHEMA: base64.b64encode(table.schema.serialize())}
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.DictionaryType):
            array: Any = whole(table.column(place))
            kept[_values_of(place)] = base64.b64encode(_to_ipc(array.dictionary))
            table = table.set_column(place, field.name, array.indices)
    return table.replace_schema_metadata(kept)


def _read(path: Path, *, rows: bool = True) -> pa.Table:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata.metadata or {}
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(metadata[_SCHEMA])))
        table = file.read() if rows else file.schema_arrow.empty_table()
    columns: list[Array | Column] = []
    for place, (column, field) in enumerate(zip(table.columns, schema, strict=True)):
        if isinstance(field.type, pa.DictionaryType):
            values = _from_ipc(base64.b64decode(metadata[_values_of(place)]))
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
