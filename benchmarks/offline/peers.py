"""Who answers: each a function that prepares a case and returns the call that is measured.

The call reads the spine and the views from their files and ends with an Arrow table in the order of the spine, or with
the Parquet file it wrote. Preparing (a connection, the text of a query) is not measured but for `first`. Libraries are
imported inside, so that a process loads only those of the peer it measures.

Where a view expires or ties, each peer does by hand what a careful user would: it keeps of tied rows the one created
last before it joins, and takes the values away afterwards, or says a tolerance, where the match is too old.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.offline.case import TIME, Case, StoredView
from benchmarks.offline.feast_peer import feast
from benchmarks.offline.floor import floor_decode, floor_read

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["PEERS", "Answer", "Peer"]

Answer = Callable[[], "pa.Table | Path | None"]
"""A table, the Parquet file that holds it, or nothing: a floor only reads."""

Peer = Callable[[Case], Answer]

ROW = "spine_row"


# ---------------------------------------------------------------------------------------------------------------- ours


def ours(case: Case) -> Answer:
    """Call what users call: it also archives the spine and records the frame."""
    import featurestore as fs

    store = fs.open_store(case.store)
    return lambda: store.get_training_frame(case.references, case.spine).to_arrow()


def ours_to_file(case: Case) -> Answer:
    """Stream from Parquet to Parquet."""
    import featurestore as fs

    store = fs.open_store(case.store)
    output = Path(case.scratch) / "featurestore.parquet"

    def run() -> Path:
        frame: Any = store.get_training_frame(case.references, case.spine)
        frame.write_parquet(output)
        return output

    return run


# -------------------------------------------------------------------------------------------------------------- DuckDB


def duckdb_asof(case: Case, *, semi: bool = False) -> Answer:
    """Join by hand with ASOF; `semi` keeps only rows of the spine's keys first."""
    connection, query = _connect(case), _query(case, semi=semi)
    return lambda: connection.sql(query).to_arrow_table()


def duckdb_to_file(case: Case) -> Answer:
    """Join by hand with ASOF, spilling to disk, from Parquet to Parquet."""
    connection, query = _connect(case), _query(case, semi=False)
    output = Path(case.scratch) / "duckdb.parquet"
    if case.cap is not None:  # the rest is for the libraries and for what DuckDB does not count
        connection.execute(f"SET memory_limit = '{case.cap * 6 // 10}B'")

    def run() -> Path:
        connection.execute(f"COPY ({query}) TO '{output}' (FORMAT parquet, COMPRESSION lz4_raw)")
        return output

    return run


def _connect(case: Case) -> duckdb.DuckDBPyConnection:
    import duckdb
    import pyarrow as pa

    assert pa.__version__  # loaded: the answer is handed over in it
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET temp_directory = '{case.scratch}/duckdb'")
    return connection


def _query(case: Case, *, semi: bool) -> str:
    columns = [f"spine.{name}" for name in case.spine_columns]
    joins = ""
    for view in case.views:
        match = " AND ".join(f"spine.{key} = {view.name}.{key}" for key in view.keys)
        match += f" AND spine.{TIME} >= {view.name}.time"
        joins += f"ASOF LEFT JOIN ({_rows(view, semi=semi)}) AS {view.name} ON {match}\n"
        columns += [f"{_value(view, feature)} AS {view.output(feature)}" for feature in view.features]
    return f"""
        WITH spine AS (SELECT * FROM read_parquet('{case.spine}', file_row_number = true))
        SELECT {", ".join(columns)} FROM spine {joins} ORDER BY spine.file_row_number
    """


def _rows(view: StoredView, *, semi: bool) -> str:
    keys = ", ".join(view.keys)
    rows = f"SELECT * FROM read_parquet({list(view.files)})"
    if semi:
        rows += f" WHERE ({keys}) IN (SELECT ({keys}) FROM spine)"
    if view.created:
        rows += f" QUALIFY row_number() OVER (PARTITION BY {keys}, time ORDER BY created DESC NULLS LAST) = 1"
    return rows


def _value(view: StoredView, feature: str) -> str:
    value = f"{view.name}.{feature}"
    if view.ttl is None:
        return value
    return f"CASE WHEN spine.{TIME} - to_seconds({view.ttl}) <= {view.name}.time THEN {value} END"


# -------------------------------------------------------------------------------------------------------------- Polars


def polars(case: Case) -> Answer:
    """Join lazily with `join_asof`; a single run is sorted within its keys already, so it is not sorted again."""
    import polars as pl
    import pyarrow as pa

    assert pa.__version__

    def run() -> pa.Table:
        frame = pl.scan_parquet(case.spine).with_row_index(ROW).sort(TIME)
        for view in case.views:
            frame = frame.join_asof(
                _polars_rows(view),
                left_on=TIME,
                right_on=view.output("time"),
                by=list(view.keys),
                tolerance=None if view.ttl is None else timedelta(seconds=view.ttl),
                check_sortedness=False,
            )
        return frame.sort(ROW).select(case.columns).collect().to_arrow()

    return run


def _polars_rows(view: StoredView) -> pl.LazyFrame:
    import polars as pl

    rows = pl.scan_parquet(list(view.files))
    if view.created:
        unique = [*view.keys, "time"]
        rows = rows.sort([*unique, "created"]).unique(unique, keep="last", maintain_order=True)
    elif view.runs > 1:
        rows = rows.sort("time")
    return rows.select([*view.keys, *(pl.col(name).alias(view.output(name)) for name in ("time", *view.features))])


# -------------------------------------------------------------------------------------------------------------- pandas


def pandas(case: Case) -> Answer:
    """Join with `merge_asof`, which wants both sides sorted by time."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    def run() -> pa.Table:
        frame = pd.read_parquet(case.spine)
        frame[ROW] = np.arange(len(frame))
        frame = frame.sort_values(TIME)
        for view in case.views:
            frame = pd.merge_asof(
                frame,
                _pandas_rows(view),
                left_on=TIME,
                right_on=view.output("time"),
                by=list(view.keys),
                tolerance=None if view.ttl is None else pd.Timedelta(seconds=view.ttl),
            )
        return pa.Table.from_pandas(frame.sort_values(ROW)[case.columns], preserve_index=False)

    return run


def _pandas_rows(view: StoredView) -> pd.DataFrame:
    import pandas as pd

    time = view.output("time")
    columns = [*view.keys, "time", *(["created"] if view.created else []), *view.features]
    rows: pd.DataFrame = pd.read_parquet(list(view.files), columns=columns)  # type: ignore[call-overload] # takes lists too
    if view.created:
        unique = [*view.keys, "time"]
        rows = rows.sort_values([*unique, "created"]).drop_duplicates(unique, keep="last").drop(columns="created")
    return rows.rename(columns={name: view.output(name) for name in ("time", *view.features)}).sort_values(time)


PEERS: Mapping[str, Peer] = {
    "featurestore": ours,
    "featurestore-file": ours_to_file,
    "duckdb": duckdb_asof,
    "duckdb-semi": partial(duckdb_asof, semi=True),
    "duckdb-file": duckdb_to_file,
    "polars": polars,
    "pandas": pandas,
    "feast": feast,
    "floor-decode": floor_decode,
    "floor-read": floor_read,
}
