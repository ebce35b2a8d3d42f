"""Make what a workload asks for: sources and spines by DuckDB, seeded by hashes, and the store by `materialize`.

Everything lies in one folder and is made once: sources by their table's name, views by the store's settings and their
own name. After a change to the layout of stored files, delete the folder's `store*` and keep its sources.

Rows are numbered; a row's number gives its entity, its place among that entity's rows and, hashed, its values. Each
entity has one row in each of equally long slots of time, so that no two rows tie unless the table doubles them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

import featurestore as fs
from benchmarks.offline.case import TIME, Case, StoredView
from benchmarks.offline.workloads import Table, View, Workload
from featurestore.model.types import FeatureType

__all__ = ["UnavailableError", "make", "source"]

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 180
SPAN = DAYS * 86_400_000  # milliseconds
LEAST_CAP = 512 * 2**20  # bytes: the libraries alone take up some hundred millions

KEYS: Mapping[str, tuple[FeatureType, str]] = {
    "user": (fs.Int64, "CAST(hash(entity) >> 1 AS BIGINT)"),  # as ids of other systems are: not dense, above 2^53
    "merchant": (fs.String, "printf('merchant-%08d', entity)"),
    "region": (fs.String, "printf('region-%02d', entity % 50)"),
    "device": (fs.Int64, "entity // 50"),
}


class UnavailableError(Exception):
    """The workload needs what this featurestore does not have."""


def make(workload: Workload, folder: Path) -> Case:
    """Return the workload, made in `folder` as far as it is not there yet.

    Raises
    ------
    UnavailableError
        If the store refuses the workload's settings or has no compaction.
    """
    store = _store(workload.settings, folder)
    views = tuple(_view(view, store, folder) for view in workload.views)
    _check_compression(workload, views)
    spine = _spine(workload, folder)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    stored = pq.ParquetFile(spine)
    cap = None if workload.cap is None else max(int(workload.cap * sum(view.bytes for view in views)), LEAST_CAP)
    if cap is not None:
        store = _toml(folder / f"capped-{cap}.toml", {"store": store.name, "memory_limit": f"{cap * 6 // 10}B"})
    return Case(
        workload.name,
        str(store),
        str(spine),
        tuple(stored.schema_arrow.names),
        stored.metadata.num_rows,
        views,
        str(scratch),
        cap,
    )


# ------------------------------------------------------------------------------------------------------------- sources


def source(table: Table, folder: Path) -> Path:
    """Return the Parquet file of a table's rows."""
    path = folder / "sources" / f"{table.name}.parquet"
    if table.hot:
        few = _few(table)
        rows = f"""
            SELECT row,
                if(row % 2 = 0, row // 2 % {few}, {few} + row // 2 % {table.entities - few}) AS entity,
                if(row % 2 = 0, row // 2 // {few}, row // 2 // {table.entities - few}) AS place,
                if(row % 2 = 0, {_slot(table.rows / 2 / few)}, {_slot(table.rows / 2 / (table.entities - few))}) AS slot
            FROM range({table.rows}) AS numbers(row)
        """
    else:
        rows = f"""
            SELECT row, row % {table.entities} AS entity, row // {table.entities} AS place,
                {_slot(table.rows / table.entities)} AS slot
            FROM range({table.rows}) AS numbers(row)
        """
    times = f"{_moment('place * slot + hash(row) % slot')} AS time"
    copies = "SELECT 0 AS copy"
    if table.doubled:
        known = "to_hours(CAST(1 + hash(row, 'late') % 47 + copy * 72 AS INTEGER))"
        times += f", {_moment('place * slot + hash(row) % slot')} + {known} AS created"
        copies += " UNION ALL SELECT 1"
    query = f"""
        SELECT {_keys(table.keys)}, {times}, {", ".join(_values(table))}
        FROM ({rows}) CROSS JOIN ({copies})
        WHERE copy = 0 OR hash(row, 'doubled') % 1000 < {round(table.doubled * 1000)}
    """
    return _copy(query, path)


def _few(table: Table) -> int:
    """Return how many entities hold half of a hot table's rows."""
    return max(table.entities // 100, 1)


def _slot(rows: float) -> int:
    """Return how many milliseconds each of an entity's rows has for itself."""
    return int(SPAN / -(-rows // 1))


def _moment(milliseconds: str) -> str:
    return f"make_timestamptz({int(START.timestamp()) * 1_000_000} + CAST({milliseconds} AS BIGINT) * 1000)"


def _keys(keys: tuple[str, ...]) -> str:
    return ", ".join(f"{KEYS[key][1]} AS {key}" for key in keys)


def _values(table: Table) -> list[str]:
    """Return the features: of ten, four are continuous, four have two decimals, two are counts; three have nulls."""
    values = []
    for number in range(table.features):
        share = f"CAST(hash(row, copy, {number}) >> 11 AS DOUBLE) / 9007199254740992"
        value = (share, f"round({share} * 1000, 2)", f"floor({share} * 100)")[number % 10 // 4]
        if number % 4 == 1:
            value = f"if(hash(row, copy, 'null', {number}) % 20 = 0, NULL, {value})"
        values.append(f"{value} AS f{number}")
    if table.embedding:
        item = "CAST(hash(row, place) >> 40 AS FLOAT) / 16777216"
        values.append(f"list_transform(range({table.embedding}), lambda place: {item}) AS embedding")
    return values


def _spine(workload: Workload, folder: Path) -> Path:
    """Return the spine: a few of its entities are unknown, a few of its times lie before the first row."""
    wanted: dict[tuple[str, ...], Table] = {}
    for view in workload.views:
        wanted.setdefault(view.table.keys, view.table)
    columns = []
    for keys, table in wanted.items():
        entity = f"hash(row, '{keys[0]}') % {max(table.entities * 102 // 100, table.entities + 1)}"
        if workload.among is not None:
            entity = f"hash(hash(row, '{keys[0]}') % {workload.among}, 'among') % {table.entities}"
        elif table.hot:
            entity = f"if(row % 2 = 0, hash(row, 'hot') % {_few(table)}, {entity})"
        columns += [f"{KEYS[key][1].replace('entity', f'CAST({entity} AS BIGINT)')} AS {key}" for key in keys]
    when = _moment(f"CAST(hash(row, 'time') % {SPAN * 104 // 100} AS BIGINT) - {SPAN * 2 // 100}")
    label = "CAST(hash(row, 'label') % 2 AS DOUBLE) AS label"
    query = f"SELECT {', '.join(columns)}, {when} AS {TIME}, {label} FROM range({workload.spine}) AS numbers(row)"
    tables = "-".join(table.name for table in wanted.values())
    about = "" if workload.among is None else f"-of-{workload.among}"
    return _copy(query, folder / "spines" / f"{tables}-{workload.spine}{about}.parquet")


def _copy(query: str, path: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({query}) TO '{partial}' (FORMAT parquet, COMPRESSION lz4_raw)")
        partial.rename(path)
    return path


# -------------------------------------------------------------------------------------------------------------- stores


def _store(settings: Mapping[str, str | int], folder: Path) -> Path:
    """Return the store with these settings: its folder, or the .toml that holds them."""
    if not settings:
        return folder / "store"
    name = "-".join(["store", *(f"{key}-{value}" for key, value in settings.items())])
    path = _toml(folder / f"{name}.toml", {"store": name, **settings})
    try:
        fs.open_store(path).close()
    except fs.FeatureStoreError as error:
        raise UnavailableError(f"the store refuses {dict(settings)}: {str(error).partition('. ')[0]}.") from error
    return path


def _toml(path: Path, values: Mapping[str, str | int]) -> Path:
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()), encoding="utf-8")
    return path


def _view(view: View, store: Path, folder: Path) -> StoredView:
    """Return a view, materialized as it says."""
    done = folder / "built" / f"{store.stem}-{view.name}.json"
    with fs.open_store(store) as opened:
        if not done.exists() or not (opened.root / "offline" / view.name).exists():
            seconds = _build(opened, view, source(view.table, folder))
            done.parent.mkdir(exist_ok=True)
            done.write_text(json.dumps(seconds), encoding="utf-8")
        snapshot = opened.snapshots(f"{view.name}@v1")[-1]
        return StoredView(
            view.name,
            view.table.keys,
            tuple(feature.name for feature in opened.version(f"{view.name}@v1").definition.features),
            None if view.ttl is None else int(view.ttl.total_seconds()),
            view.table.doubled > 0,
            tuple(str(opened.root / file.path) for file in snapshot.files),
            len(snapshot.runs),
            snapshot.rows,
            sum(file.bytes for file in snapshot.files),
            json.loads(done.read_text(encoding="utf-8")),
        )


def _check_compression(workload: Workload, views: tuple[StoredView, ...]) -> None:
    """Hold that the files are compressed as asked: a setting that reaches no file would compare a codec with itself."""
    asked = workload.settings.get("compression")
    for view in views if asked is not None else ():
        group = pq.read_metadata(view.files[0]).row_group(0)
        chunks = {chunk.path_in_schema: chunk for chunk in map(group.column, range(group.num_columns))}
        found = chunks[view.features[0]].compression.lower().replace("uncompressed", "none")
        if found != asked:
            raise UnavailableError(f"the store takes the setting compression = {asked!r}, and writes {found}.")


def _build(store: fs.FeatureStore, view: View, rows: Path) -> dict[str, float]:
    """Materialize a view and return how many seconds each step took."""
    table = view.table
    compact = getattr(store, "compact", None)
    if view.compacted and compact is None:
        raise UnavailableError("this featurestore has no store.compact.")
    features = [fs.Feature(f"f{number}", fs.Float64) for number in range(table.features)]
    if table.embedding:
        features.append(fs.Feature("embedding", fs.Embedding(table.embedding)))
    definition = fs.FeatureView(
        view.name,
        entity=fs.Entity("_".join(table.keys) + "_entity", keys={key: KEYS[key][0] for key in table.keys}),
        source=fs.ParquetSource(table.name, path=str(rows)),
        event_time="time",
        created_time="created" if table.doubled else None,
        ttl=view.ttl,
        features=features,
    )
    store.apply([definition])
    started = time.perf_counter()
    if view.windows == 1:
        store.materialize(view.name)
    else:
        length = timedelta(days=DAYS) / view.windows
        for window in range(view.windows):
            store.materialize(view.name, start=START + window * length, end=START + (window + 1) * length)
    materialized = time.perf_counter()
    seconds = {"materialize": materialized - started}
    if view.compacted and compact is not None:
        compact(f"{view.name}@v1")
        seconds["compact"] = time.perf_counter() - materialized
    return {**seconds, "pin": _pin(store, view, rows)}


def _pin(store: fs.FeatureStore, view: View, rows: Path) -> float:
    """Return the seconds of a snapshot's first frame, of one row: it marks the snapshot as pinned, once and for all."""
    with pq.ParquetFile(rows) as parquet:
        asked = next(parquet.iter_batches(batch_size=1, columns=[*view.table.keys, "time"]))
    started = time.perf_counter()
    store.get_training_frame([f"{view.name}@v1"], asked, timestamp="time")
    return time.perf_counter() - started
