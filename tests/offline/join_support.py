"""What the tests of the join share: definitions by hand, Parquet runs written as materialization writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.model.definition import Computation, Definition, FeatureDefinition, SourceDefinition
from featurestore.model.types import FeatureType, Float64, String
from featurestore.offline.join import Join, JoinResult, ViewRead
from featurestore.offline.output import output_schema
from featurestore.offline.runs import write_run
from featurestore.offline.spine import read_spine

_NEVER = datetime.min.replace(tzinfo=UTC)


def at(hour: float, *, micros: int = 0) -> datetime:
    return datetime(2013, 7, 1, tzinfo=UTC) + timedelta(hours=hour, microseconds=micros)


def define(
    view: str = "weather",
    *,
    keys: Mapping[str, FeatureType] | None = None,
    features: Mapping[str, FeatureType] | None = None,
    defaults: Mapping[str, Any] | None = None,
    event_time: str | None = "time",
    created_time: str | None = None,
    ttl: timedelta | None = None,
) -> Definition:
    return Definition(
        view=view,
        entity="entity",
        keys=tuple((keys or {"origin": String}).items()),
        sources=(SourceDefinition("source", "arrow", {}, ()),),
        computation=Computation("columns", "", ""),
        event_time=event_time,
        created_time=created_time,
        ttl=ttl,
        lookback=None,
        features=tuple(
            FeatureDefinition(name, type_, (defaults or {}).get(name))
            for name, type_ in (features or {"temp": Float64}).items()
        ),
    )


def sorted_table(definition: Definition, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as materialization sorts them: by keys, event time, created time with nulls first, then as given."""
    keys = [key for key, _ in definition.keys]
    times = [name for name in (definition.event_time, definition.created_time) if name is not None]

    def order(row: Mapping[str, Any]) -> list[Any]:
        return [*(row[key] for key in keys), *(_NEVER if row[time] is None else row[time] for time in times)]

    ordered = sorted(rows, key=order)
    schema = output_schema(definition)
    columns = [pa.array([row[field.name] for row in ordered], field.type) for field in schema]
    return pa.table(columns, schema=schema)


def write_foreign(path: Path, table: pa.Table, *, group: int = 3) -> Path:
    """Write rows in the order given, as any program might: without our layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group)
    return path


def read_of(
    folder: Path,
    definition: Definition,
    *runs: Sequence[Mapping[str, Any]],
    on: Mapping[str, str] | None = None,
    prefix: str | None = None,
    group: int = 3,
    compression: str = "none",
) -> ViewRead:
    """Write runs and return the read of all the features, as `prefix__feature`."""
    name = definition.view if prefix is None else prefix
    tables = [sorted_table(definition, run) for run in runs]
    written = [
        write_run(folder / name, definition, 1, table.to_batches(), row_group_rows=group, compression=compression)
        for table in tables
    ]
    files = tuple(folder / name / file.path for run in written for file in run)
    pairs = tuple((key, (on or {}).get(key, key)) for key, _ in definition.keys)
    columns = tuple((item.name, f"{name}__{item.name}") for item in definition.features)
    return ViewRead(definition, files, pairs, columns, f"{definition.view}@v1")


def foreign(read: ViewRead, folder: Path) -> ViewRead:
    """The same read of files without our layout, whose rows lie in no order."""
    files = []
    for number, path in enumerate(read.files):
        table = pq.ParquetFile(path).read()
        order = np.random.default_rng(number).permutation(table.num_rows)
        files.append(write_foreign(folder / f"{number}.parquet", table.take(order).replace_schema_metadata()))
    return replace(read, files=tuple(files))


def join_all(
    spine: object,
    *reads: ViewRead,
    timestamp: str = "t",
    as_of: datetime | str | None = None,
    strategy: str | None = None,
) -> JoinResult:
    """Read a spine and join it, as training does."""
    needed = {column: dict(read.definition.keys)[key] for read in reads for key, column in read.on}
    timeless = all(read.definition.event_time is None for read in reads)
    table = read_spine(spine, timestamp=timestamp, needed=needed, timeless=timeless)
    order = [output for read in reads for _, output in read.columns]
    return Join(reads, timestamp=timestamp, as_of=as_of, order=order, strategy=strategy).run(table)


def rows(*pairs: tuple[float, Any], key: str = "JFK", **more: datetime | None) -> list[dict[str, Any]]:
    """Rows of one key: (hour, temp)."""
    return [{"origin": key, "time": at(hour), "temp": temp, **more} for hour, temp in pairs]


def spine(*hours: float, key: str = "JFK") -> dict[str, list[Any]]:
    return {"origin": [key] * len(hours), "t": [at(hour) for hour in hours]}


def temps(result: JoinResult, column: str = "weather__temp") -> list[Any]:
    return result.table.column(column).to_pylist()
