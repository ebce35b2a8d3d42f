"""DuckDB as the offline store uses it: bounded memory, UTC, no network, nothing taken from the caller's variables."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb

from featurestore.errors import ConfigError, ContractError, DefinitionError, FeatureStoreError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from featurestore.model.settings import Settings

__all__ = [
    "compare_time",
    "connect",
    "describe",
    "fails",
    "identifier",
    "is_query",
    "literal",
    "literals",
    "read_ahead",
    "scratch",
    "translated",
]

_MARK = "featurestore-contract: "

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_CONFIG = {
    "autoinstall_known_extensions": "false",  # nothing is fetched at run time
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # a table name in SQL is never a Python variable
}


def identifier(name: str) -> str:
    """Return `name` quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` quoted as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Return an SQL list of strings."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def fails(text: str) -> str:
    """Return an SQL expression that ends the query with a `ContractError`; `text` is an SQL expression of text."""
    return f"error({literal(_MARK)} || {text})"


def compare_time(column: str, type_: str, sign: str, moment: datetime) -> str:
    """Return the SQL comparison of a time column with a moment, such that Parquet's statistics can prune by it."""
    text = literal(moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" "))
    if type_ == "TIMESTAMP":
        return f"{identifier(column)} {sign} TIMESTAMP {text}"
    value = identifier(column) if type_ == "TIMESTAMP WITH TIME ZONE" else f"CAST({identifier(column)} AS TIMESTAMPTZ)"
    return f"{value} {sign} TIMESTAMPTZ {literal(moment.astimezone(UTC).isoformat(sep=' '))}"


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Give a folder name under `root/tmp`, not made yet; what is in it afterwards is removed."""
    folder = root.resolve() / "tmp" / f"work-{uuid4().hex}"
    with suppress(OSError):  # a store that is only read may lie on a disk that is, too
        folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def connect(root: Path, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB with the store's limits; what it spills lies in `root/tmp` and is removed.

    Its own limit is two thirds of `memory_limit`, so that the process stays below: DuckDB overshoots a little, and
    batches on their way, the writer's row group and the libraries take the rest. Sorts that spill are no slower for it.
    """
    with scratch(root) as folder, duckdb.connect(":memory:", config=dict(_CONFIG)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = '{_bytes(settings.memory_limit) * 2 // 3}B'")
        connection.execute(f"SET temp_directory = {literal(str(folder))}")
        # duckdb#23818: over CSV a TRY_CAST becomes a CAST that fails, and a cast to text gives the raw field.
        connection.execute("SET disabled_optimizers = 'type_pushdown'")
        if settings.threads:
            connection.execute(f"SET threads = {settings.threads}")
        yield connection


def _bytes(text: str) -> int:
    """Return the bytes of a size such as `2GB` (decimal) or `512 MiB`, as DuckDB reads it."""
    found = re.fullmatch(r"(?i)(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B", text.strip())
    if found is None:
        message = f"{text!r} is no size: write one such as '2GB' or '512MB'."
        raise ConfigError(message)
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _UNITS[found[2].upper()])


def read_ahead(
    connection: duckdb.DuckDBPyConnection, query: str, batch_rows: int
) -> Generator[pa.RecordBatch, None, None]:
    """Give the batches of a query's result, each read while the one before is put to use."""
    batches = connection.sql(query).to_arrow_reader(batch_rows)
    with ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(next, batches, None)
        try:
            while (batch := upcoming.result()) is not None:
                upcoming = reader.submit(next, batches, None)
                yield batch
        except BaseException:
            connection.interrupt()  # or a sort would go on to its end
            raise


def describe(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str]]:
    """Return `(column, type)` of what a query gives, without running it."""
    rows = connection.execute(f"DESCRIBE {query}").fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]


def is_query(text: str) -> bool:
    """Return whether `text` is exactly one query. What cannot be parsed counts as one: binding it tells why."""
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error:
        return True
    return len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT


@contextmanager
def translated(what: str, *, binding: type[FeatureStoreError] = DefinitionError) -> Iterator[None]:
    """Turn DuckDB's errors into ours; `what` says what was being done, for example `"view 'weather'"`.

    A value that does not convert is a ContractError, SQL that does not bind is a `binding`, everything else
    a SourceError.
    """
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        if _MARK in text:
            message = text.split(_MARK, 1)[1]
            raise ContractError(f"{what}: {message}") from None
        text = text.strip()
        if isinstance(error, duckdb.OutOfMemoryException):
            message = f"{what} needs more memory than memory_limit allows: raise it in the configuration. {text}"
            raise SourceError(message) from error
        if isinstance(error, (duckdb.ConversionException, duckdb.OutOfRangeException)):
            raise ContractError(f"{what}: {text}") from error
        if isinstance(error, (duckdb.ProgrammingError, duckdb.NotSupportedError)):
            raise binding(f"{what}: {text}") from error
        raise SourceError(f"{what}: {text}") from error
