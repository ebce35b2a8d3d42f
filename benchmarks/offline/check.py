"""Check before anything is timed: our frame against the oracle on a sample, every peer's against ours on every row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

import featurestore as fs
from benchmarks.offline.case import Case
from benchmarks.offline.generate import source
from benchmarks.offline.worker import answer_file
from benchmarks.offline.workloads import Workload
from featurestore.testing.oracle import OracleView, oracle_join

__all__ = ["check_oracle", "check_peer"]

SAMPLE = 100


def check_oracle(workload: Workload, case: Case, folder: Path, peer: str) -> int:
    """Hold that a random sample of our rows is what the oracle says, and return how many; it reads the sources."""
    frame = _answer(case, peer)
    assert frame.column_names == case.columns, frame.column_names
    assert frame.num_rows == case.spine_rows, frame.num_rows
    chosen = np.random.default_rng(7).choice(frame.num_rows, min(SAMPLE, frame.num_rows), replace=False)
    sample = frame.take(np.sort(chosen))
    with fs.open_store(case.store, read_only=True) as store:
        for view, stored in zip(workload.views, case.views, strict=True):
            definition = store.version(f"{view.name}@v1").definition
            columns = tuple((name, stored.output(name)) for name in stored.features)
            rows = _rows_by_key(source(view.table, folder), stored.keys, sample)
            for row in sample.to_pylist():
                seen = rows.get(_key(row, stored.keys), [])
                asked = {name: row[name] for name in case.spine_columns}
                oracle = OracleView(definition, seen, tuple((key, key) for key in stored.keys), columns)
                says = oracle_join([asked], [oracle]).values[0]
                gave = {name: row[name] for name in says}
                assert gave == says, f"{case.workload}: for {asked} the oracle says {says}, and we say {gave}"
    return sample.num_rows


def _rows_by_key(file: Path, keys: tuple[str, ...], sample: pa.Table) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Return the rows of the sample's keys: the oracle looks through all the rows that it is given."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("sample", sample)
        query = f"SELECT * FROM read_parquet('{file}') SEMI JOIN sample USING ({', '.join(keys)})"
        rows = connection.sql(query).to_arrow_table().to_pylist()
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(_key(row, keys), []).append(row)
    return found


def _key(row: dict[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)


def check_peer(case: Case, ours: str, peer: str) -> None:
    """Hold that a peer's answer is ours: the same rows in the same order, floats bit for bit, nulls where nulls are."""
    expected, found = _answer(case, ours), _answer(case, peer)
    assert found.column_names == expected.column_names, f"{peer} gives the columns {found.column_names}"
    assert found.num_rows == expected.num_rows, f"{peer} gives {found.num_rows:,} rows"
    for name in expected.column_names:
        one, other = expected.column(name), found.column(name)
        same = _bits(other.cast(one.type)).equals(_bits(one))
        assert same, f"{case.workload}: {peer} gives other values of {name}"


def _bits(column: Any) -> Any:  # noqa: ANN401 - a chunked array or an array
    """Return floats as the integers that have their bits, so that -0.0 is not 0.0 and NaN is NaN."""
    whole = column.combine_chunks()
    return whole.view(pa.int64()) if pa.types.is_float64(whole.type) else whole


def _answer(case: Case, peer: str) -> pa.Table:
    with pa.memory_map(str(answer_file(case, peer))) as file:
        return pa.ipc.open_file(file).read_all()
