"""The engine: runs a definition's computation over its sources, and gives the output's rows sorted and checked.

SQL runs in DuckDB. A function gets Polars frames that scan what DuckDB read, and its result goes back through Parquet,
so that neither has to fit in memory. The output is restricted to the window, cast with checks, and sorted by keys,
event time, created time (null first) and the computation's own row order.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import ContractError, DefinitionError, nearest
from featurestore.model.definition import Computation, Definition
from featurestore.model.settings import Settings
from featurestore.model.times import from_micros
from featurestore.model.types import FeatureType, Timestamp
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.casts import checked
from featurestore.offline.connection import (
    compare_time,
    connect,
    describe,
    identifier,
    is_query,
    literal,
    literals,
    read_ahead,
    scratch,
    translated,
)
from featurestore.offline.functions import function_source, load_function
from featurestore.offline.output import output_columns, output_schema
from featurestore.offline.polars_frames import describe_frame, result_frame, scan_relation, write_frame
from featurestore.offline.sources import SourceReader

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from featurestore.model.snapshot import DataFile

__all__ = ["Engine", "Rows", "function_source", "source_window"]

_COMPUTED = "__computed"
_ORDINAL = "__ordinal"


class Rows:
    """The rows of one run, to be used as a context and iterated once.

    Attributes
    ----------
    schema
        Arrow schema of the batches.
    dropped
        Rows left out so far: reason (`null key`, `null event time`) -> count. Complete once iterated.
    """

    def __init__(self, engine: Engine, definition: Definition, window: Window, batch_rows: int, given: Given) -> None:
        self.schema = output_schema(definition)
        self.dropped: dict[str, int] = {}
        self._engine = engine
        self._definition = definition
        self._window = window
        self._batch_rows = batch_rows
        self._given = given
        self._stack = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        with self._stack:
            self._connection = self._stack.enter_context(connect(self._engine.root, self._engine.settings))
            folder = self._stack.enter_context(scratch(self._engine.root))
            self._engine.compute(self._connection, self._definition, self._window[0], folder, self._given)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._connection is None:
            message = "rows are read inside `with engine.rows(...) as rows`"
            raise RuntimeError(message)
        definition = self._definition
        with translated(f"feature view {definition.view!r}", binding=ContractError):
            query = _sorted_query(self._connection, definition, self._window)
            for batch in read_ahead(self._connection, query, self._batch_rows):
                kept = self._reachable(batch)
                if kept.num_rows:
                    yield kept.cast(self.schema)

    def _reachable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        keyless: Any = None
        for key, _ in self._definition.keys:
            null = batch.column(key).is_null()
            keyless = null if keyless is None else pc.or_(keyless, null)
        unreachable = keyless
        self._count("null key", pc.sum(keyless).as_py())
        if self._definition.event_time is not None:
            timeless = batch.column(self._definition.event_time).is_null()
            self._count("null event time", pc.sum(pc.and_not(timeless, keyless)).as_py())
            unreachable = pc.or_(keyless, timeless)
        return batch.filter(pc.invert(unreachable)) if pc.any(unreachable).as_py() else batch

    def _count(self, reason: str, rows: int | None) -> None:
        if rows:
            self.dropped[reason] = self.dropped.get(reason, 0) + rows


class Engine:
    """Runs computations.

    Parameters
    ----------
    root
        The store's folder; what does not fit in memory is spilled below its `tmp`.
    settings
        Memory limit and threads.
    reader
        Reads the sources.
    """

    def __init__(self, root: Path, settings: Settings, reader: SourceReader) -> None:
        self.root = Path(root)
        self.settings = settings
        self._reader = reader
        self._probe = ExitStack()
        self._probed: duckdb.DuckDBPyConnection | None = None
        self._probing = threading.Lock()

    def close(self) -> None:
        """Close the connection that `describe` keeps between calls."""
        with self._probing:
            self._probed = None
            self._probe.close()

    def describe(self, computation: Computation, schemas: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
        """Return `(column, DuckDB type)` of what a computation gives, found by running it over empty sources.

        Parameters
        ----------
        schemas
            Source name -> column -> DuckDB type.

        Raises
        ------
        DefinitionError
            If it does not run, or two columns of its output have one name.
        """
        if computation.kind == "columns":
            ((_, columns),) = schemas.items()
            return list(columns.items())
        if computation.kind == "function":
            with connect(self.root, self.settings) as connection, translated("the function"):
                for source, columns in schemas.items():
                    _create_empty(connection, source, columns)
                found = _describe_function(connection, computation, list(schemas))
        else:
            found = self._describe_query(computation.text, schemas)
        names = [column.casefold() for column, _ in found]
        twice = [column for column, _ in found if names.count(column.casefold()) > 1]
        if twice:
            message = f"the computation gives two columns named {twice[0]!r}: give each its own name with AS."
            raise DefinitionError(message)
        return found

    def _describe_query(self, text: str, schemas: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
        """Describe SQL by a connection that is kept for the next: opening one takes longer than describing."""
        with self._probing, translated("the SQL"):
            if not is_query(text):
                message = "the SQL is not one query: write a single SELECT."
                raise DefinitionError(message)
            if self._probed is None:
                self._probed = self._probe.enter_context(connect(self.root, self.settings))
            try:
                for source, columns in schemas.items():
                    _create_empty(self._probed, source, columns)
                return describe(self._probed, text.strip().rstrip(";"))
            finally:
                for source in schemas:
                    self._probed.execute(f"DROP VIEW IF EXISTS temp.{identifier(source)}")

    def frame_schemas(self, schemas: Mapping[str, Mapping[str, str]]) -> dict[str, pl.Schema]:
        """Return the schemas of the frames that a function gets: source name -> column -> Polars type."""
        with connect(self.root, self.settings) as connection:
            for source, columns in schemas.items():
                _create_empty(connection, source, columns)
            return {source: scan_relation(connection, source, None).collect_schema() for source in schemas}

    def rows(
        self,
        definition: Definition,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        batch_rows: int = 65_536,
        given: Given = MappingProxyType({}),
    ) -> Rows:
        """Return the rows whose event time lies in `[start, end)`, as a context that streams sorted batches.

        Parameters
        ----------
        given
            Source name to rows that are read in place of the source's own.

        Raises
        ------
        ContractError
            On entering or iterating, if a source or the output differs from what the definition declares.
        SourceError
            If a source cannot be read.
        """
        return Rows(self, definition, (start, end), batch_rows, given)

    def is_row_local(self, definition: Definition) -> bool:
        """Return whether each row of the output comes from one row of one source, and from nothing else.

        So it is where no function runs, and DuckDB's plan of the query only projects and filters.
        """
        if definition.computation.kind == "function" or len(definition.sources) > 1:
            return False
        if definition.computation.kind == "columns":
            return True
        (source,) = definition.sources
        with connect(self.root, self.settings) as connection, translated(f"feature view {definition.view!r}"):
            _create_empty(connection, source.name, dict(source.columns) or {"nothing": "INTEGER"})
            connection.execute("SET explain_output = 'all'")
            query = definition.computation.text.strip().rstrip(";")
            plans = dict(connection.execute(f"EXPLAIN (FORMAT json) {query}").fetchall())
        return _operators(json.loads(plans["logical_plan"])) <= _ROW_LOCAL

    def late_rows(
        self, definition: Definition, *, before: datetime, files: Sequence[DataFile]
    ) -> tuple[datetime | None, int]:
        """Return the earliest event time before `before` of rows that the files do not hold yet, and their number.

        Rows count as held if a row with the same keys, event time and created time is; where a push source is read,
        only if all else is the same too, since a pushed row may correct an earlier one.
        """
        if definition.event_time is None or not files:
            return None, 0
        outputs = dict(output_columns(definition))
        if not definition.reads_pushes:
            outputs = {name: outputs[name] for name in list(outputs)[: len(outputs) - len(definition.features)]}
        names = ", ".join(identifier(name) for name in outputs)
        columns = ", ".join(
            f"CAST({identifier(name)} AS {to_duckdb(type_)}) AS {identifier(name)}" for name, type_ in outputs.items()
        )
        paths = literals(str(self.root / file.path) for file in files)
        event = identifier(definition.event_time)
        with (
            connect(self.root, self.settings) as connection,
            scratch(self.root) as folder,
            translated(f"feature view {definition.view!r}", binding=ContractError),
        ):
            self.compute(connection, definition, None, folder)
            present = " AND ".join(f"{identifier(key)} IS NOT NULL" for key, _ in definition.keys)
            checked_rows = _checked_query(connection, definition, (None, before), outputs)
            computed = f"SELECT {names} FROM ({checked_rows}) WHERE {present} AND {event} IS NOT NULL"
            earlier = compare_time(definition.event_time, to_duckdb(Timestamp), "<", before)
            held = f"SELECT {columns} FROM read_parquet({paths}) WHERE {earlier}"
            days = _differing_days(connection, definition.event_time, names, computed, held)
            if not days:
                return None, 0
            among = f"WHERE {_day(event)} IN ({', '.join(map(str, days))})"
            query = (
                f"SELECT min(epoch_us({event})), count(*) "
                f"FROM (SELECT * FROM ({computed}) {among} EXCEPT SELECT * FROM ({held}) {among})"
            )
            earliest, count = connection.execute(query).fetchone() or (None, 0)
        return (None if earliest is None else from_micros(earliest)), int(count)

    def compute(
        self,
        connection: duckdb.DuckDBPyConnection,
        definition: Definition,
        start: datetime | None,
        folder: Path,
        given: Given = MappingProxyType({}),
    ) -> None:
        """Make the computation's output readable as `__computed` on a connection.

        With `__ordinal`, the order of rows, where it can be read; otherwise they have to be counted, one after another.
        """
        computation = definition.computation
        place = _ORDINAL if computation.kind == "columns" else None
        for source in definition.sources:
            if source.name in given:
                self._reader.register_rows(connection, source, given[source.name])
                continue
            where = source_window(definition, source.name, start)
            self._reader.register(connection, source, where=where, place=place)
        what = f"the computation of feature view {definition.view!r}"
        with translated(what, binding=ContractError):
            if computation.kind == "columns":
                (source,) = definition.sources
                query = f"SELECT * FROM {identifier(source.name)}"
            elif computation.kind == "function":
                path = self._run_function(connection, definition, folder)
                query = f"SELECT *, file_row_number AS {_ORDINAL} FROM read_parquet({literal(str(path))})"
            else:
                query = computation.text.strip().rstrip(";")
            connection.execute(f"CREATE TEMP VIEW {_COMPUTED} AS {query}\n")

    @staticmethod
    def _run_function(connection: duckdb.DuckDBPyConnection, definition: Definition, folder: Path) -> Path:
        computation = definition.computation
        function = load_function(computation.name, computation.text, computation.imports)
        folder.mkdir(parents=True, exist_ok=True)
        frames = {
            source.name: scan_relation(connection, source.name, folder / f"{source.name}.parquet")
            for source in definition.sources
        }
        frame = result_frame(computation.name, function, frames)
        wanted = [name for name, _ in output_columns(definition)]
        path = folder / "__computed.parquet"
        write_frame(computation.name, frame, wanted, path)
        return path


def _differing_days(
    connection: duckdb.DuckDBPyConnection, event_time: str, columns: str, computed: str, held: str
) -> list[int]:
    """Return the days of computed rows that are not exactly those held, told by number and sum of hashes.

    Rows are compared one by one only on these: to look each row of all history up would hold all of them in memory.
    """
    told = f"{_day(identifier(event_time))} AS day, count(*) AS number, sum(CAST(hash({columns}) AS HUGEINT)) AS total"
    there, here = (f"(SELECT {told} FROM ({query}) GROUP BY day)" for query in (computed, held))
    found = connection.execute(f"SELECT day FROM (SELECT * FROM {there} EXCEPT SELECT * FROM {here}) ORDER BY day")
    return [int(day) for (day,) in found.fetchall()]


def _day(time: str) -> str:
    return f"epoch_us({time}) // 86400000000"


Window = tuple[datetime | None, datetime | None]
Given = Mapping[str, pa.Table]

_ROW_LOCAL = {"PROJECTION", "FILTER", "CTE", "CTE_SCAN", "DUMMY_SCAN"}


def _operators(plan: list[dict[str, Any]]) -> set[str]:
    """Return the names of a plan's operators; those of an empty source are among `_ROW_LOCAL`."""
    return {name for node in plan for name in ({node["name"]} | _operators(node.get("children", [])))}


def _create_empty(connection: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str]) -> None:
    empty = ", ".join(f"CAST(NULL AS {type_}) AS {identifier(column)}" for column, type_ in columns.items())
    connection.execute(f"CREATE TEMP VIEW {identifier(source)} AS SELECT {empty} WHERE false")


def source_window(definition: Definition, source: str, start: datetime | None) -> tuple[str, datetime] | None:
    """Return from where on a source is read: only where a lookback is declared and the column is known."""
    if start is None or definition.lookback is None:
        return None
    if definition.window_source is not None:
        read, column = definition.window_source
        return (column, start - definition.lookback) if read == source else None
    if definition.computation.kind == "function":
        columns = next(dict(item.columns) for item in definition.sources if item.name == source)
        if columns.get(definition.event_time or "", "").startswith(("TIMESTAMP", "DATE")):
            return definition.event_time or "", start - definition.lookback
    return None


def _describe_function(
    connection: duckdb.DuckDBPyConnection, computation: Computation, sources: Sequence[str]
) -> list[tuple[str, str]]:
    function = load_function(computation.name, computation.text, computation.imports)
    frames = {source: scan_relation(connection, source, None) for source in sources}
    frame = result_frame(computation.name, function, frames)
    return describe_frame(connection, computation.name, frame)


def _checked_query(
    connection: duckdb.DuckDBPyConnection, definition: Definition, window: Window, columns: Mapping[str, FeatureType]
) -> str:
    """Return the query of checked columns and the ordinal, restricted to the window; null event times stay in."""
    found = dict(describe(connection, f"SELECT * FROM {_COMPUTED}"))
    missing = [name for name in columns if name not in found]
    if missing:
        message = (
            f"the computation of feature view {definition.view!r} gives no column {missing[0]!r}."
            f"{nearest(missing[0], found)}"
        )
        raise ContractError(message)
    values = {name: checked(name, found[name], type_, view=definition.view) for name, type_ in columns.items()}
    conditions = []
    if definition.event_time is not None:
        event = definition.event_time
        bounds = [(bound, sign) for bound, sign in zip(window, (">=", "<"), strict=True) if bound is not None]
        if found[event].startswith(("TIMESTAMP", "DATE")):
            conditions = [compare_time(event, found[event], sign, bound) for bound, sign in bounds]
        else:
            conditions = [f"{values[event]} IS NOT NULL" for _ in bounds]  # which says that it is no time
        if conditions:
            conditions = [f"({' AND '.join(conditions)} OR {identifier(definition.event_time)} IS NULL)"]
    where = f" WHERE {conditions[0]}" if conditions else ""
    selected = ", ".join(f"{value} AS {identifier(name)}" for name, value in values.items())
    known = definition.computation.kind != "sql" and _ORDINAL in found
    counted = "" if known else f", row_number() OVER () AS {_ORDINAL}"
    return f"SELECT {selected}, {_ORDINAL} FROM (SELECT *{counted} FROM {_COMPUTED}{where})"


def _sorted_query(connection: duckdb.DuckDBPyConnection, definition: Definition, window: Window) -> str:
    inner = _checked_query(connection, definition, window, dict(output_columns(definition)))
    order = [identifier(key) for key, _ in definition.keys]
    order += [identifier(definition.event_time)] if definition.event_time is not None else []
    order += [f"{identifier(definition.created_time)} NULLS FIRST"] if definition.created_time is not None else []
    names = ", ".join(identifier(name) for name, _ in output_columns(definition))
    return f"SELECT {names} FROM ({inner}) ORDER BY {', '.join([*order, _ORDINAL])}"
