"""Sorted runs: one file named by its content, nothing half-written, windows cut out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import CorruptError
from featurestore.model.definition import Computation, Definition, FeatureDefinition
from featurestore.model.snapshot import DataFile, Run
from featurestore.model.types import Embedding, Float64, Int64, String
from featurestore.offline import run_writer
from featurestore.offline.output import output_schema
from featurestore.offline.run_file import RunFile
from featurestore.offline.runs import cut_run, write_run

DEFINITION = Definition(
    view="v",
    entity="e",
    keys=(("k", String),),
    sources=(),
    computation=Computation("columns", "", ""),
    event_time="t",
    created_time="c",
    ttl=None,
    lookback=None,
    features=(FeatureDefinition("x", Float64), FeatureDefinition("e", Embedding(2)), FeatureDefinition("i", Int64)),
)
DIMENSION = Definition(
    "d", "e", (("k", String),), (), Computation("columns", "", ""), None, None, None, None,
    (FeatureDefinition("x", Float64),),
)  # fmt: skip


def table(times: list[int]) -> pa.Table:
    """Rows sorted by key and time: every key has all of the times."""
    keys = [key for key in ("a", "b") for _ in times]
    moments = sorted(times) * 2
    values = [None if moment % 3 == 0 else moment / 2 for moment in moments]
    vectors = [None if value is None else [value, 1.0] for value in values]
    columns: list[Any] = [keys, moments, moments, values, vectors, [2**53 + 1] * len(keys)]
    schema = output_schema(DEFINITION)
    return pa.table(
        {field.name: pa.array(column, field.type) for field, column in zip(schema, columns, strict=True)}, schema=schema
    )


def pieces(rows: pa.Table, seed: int) -> Iterator[pa.RecordBatch]:
    chance = random.Random(seed)
    start = 0
    while start < rows.num_rows:
        size = chance.randint(1, 400)
        yield from rows.slice(start, size).to_batches()
        start += size


def read(root: Path, files: tuple[DataFile, ...]) -> pa.Table:
    parts = [pq.read_table(root / file.path) for file in files]
    return pa.concat_tables(parts).cast(output_schema(DEFINITION)) if parts else table([])


def test_the_same_rows_give_the_same_bytes_however_they_arrive(tmp_path: Path) -> None:
    rows = table(list(range(1000)))
    found = {write_run(tmp_path, DEFINITION, 1, pieces(rows, seed), row_group_rows=300) for seed in range(4)}
    ((file,),) = found
    assert file.path == f"offline/v/v1/data/{file.sha256[:32]}.parquet"
    assert (file.rows, file.first, file.last) == (2000, 0, 999)
    assert file.bytes == (tmp_path / file.path).stat().st_size
    assert read(tmp_path, (file,)).equals(rows)
    metadata = pq.read_metadata(tmp_path / file.path)
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [300] * 6 + [200]
    assert [path.name for path in (tmp_path / "offline/v/v1/data").iterdir()] == [Path(file.path).name]


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_encodings_are_those_of_the_layout(tmp_path: Path, compression: str) -> None:
    (file,) = write_run(tmp_path, DEFINITION, 1, table(list(range(100))).to_batches(), compression=compression)
    group = pq.read_metadata(tmp_path / file.path).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "RLE_DICTIONARY" in columns["k"].encodings
    for name in ("t", "c"):
        assert ("DELTA_BINARY_PACKED" in columns[name].encodings) == (compression != "none")
    for name in ("x", "i", "e.list.element"):
        assert "RLE_DICTIONARY" not in columns[name].encodings
    codecs = {name: column.compression for name, column in columns.items()}
    assert codecs.pop("k") == ("LZ4" if compression == "none" else compression.upper())
    assert set(codecs.values()) == {"UNCOMPRESSED" if compression == "none" else compression.upper()}
    schema = pq.ParquetFile(tmp_path / file.path).schema_arrow
    assert not any(b"PARQUET:field_id" in (field.metadata or {}) for field in schema)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_file_is_cut_into_files_like_itself(tmp_path: Path, compression: str) -> None:
    rows = table(list(range(100)))
    files = write_run(tmp_path, DEFINITION, 1, rows.to_batches(), row_group_rows=16, compression=compression)
    (left,) = cut_run(tmp_path, Run(None, None, (), files), 40, None, row_group_rows=16)
    (part,) = left.files
    assert read(tmp_path, left.files).equals(table(list(range(40))))
    before, after = (pq.read_metadata(tmp_path / item.path).row_group(0) for item in (*files, part))
    assert [before.column(place).compression for place in range(6)] == [
        after.column(place).compression for place in range(6)
    ]
    assert RunFile(tmp_path / part.path, "v@v1").stretches.tolist() == [0, 40, 80]


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    assert write_run(tmp_path, DEFINITION, 1, []) == ()
    assert write_run(tmp_path, DEFINITION, 1, table([]).to_batches()) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from table(list(range(10_000))).to_batches()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path, DEFINITION, 1, failing(), row_group_rows=1_000)
    assert list((tmp_path / "offline/v/v1/data").iterdir()) == []


def test_progress_tells_the_rows_so_far(tmp_path: Path) -> None:
    told: list[int] = []
    batches = table([1, 2]).to_batches(max_chunksize=3)
    write_run(tmp_path, DEFINITION, 1, batches, progress=told.append)
    assert told == [3, 4]


def test_a_very_large_run_is_several_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_writer, "_FILE_ROWS", 100)
    rows = table(list(range(125)))
    files = write_run(tmp_path, DEFINITION, 1, rows.to_batches(), row_group_rows=50)
    assert [file.rows for file in files] == [100, 100, 50]
    assert [(file.first, file.last) for file in files] == [(0, 99), (0, 124), (75, 124)]
    assert read(tmp_path, files).equals(rows)


def test_a_dimension_has_no_first_and_last(tmp_path: Path) -> None:
    batch = pa.table({"k": ["a"], "x": [1.0]}).to_batches()[0]
    (file,) = write_run(tmp_path, DIMENSION, 3, [batch])
    assert (file.rows, file.first, file.last) == (1, None, None)
    assert cut_run(tmp_path, Run(None, None, (), (file,)), None, None, row_group_rows=50) == ()


# --- cutting a window out


@pytest.mark.parametrize(
    ("start", "end", "windows", "left"),
    [
        (None, None, [], []),
        (0, 30, [], []),
        (-5, 40, [], []),
        (30, 40, [(0, 30)], [range(10, 20)]),
        (None, 0, [(0, 30)], [range(10, 20)]),
        (15, None, [(0, 15)], [range(10, 15)]),
        (None, 15, [(15, 30)], [range(15, 20)]),
        (12, 18, [(0, 12), (18, 30)], [range(10, 12), range(18, 20)]),
        (5, 8, [(0, 5), (8, 30)], [range(0), range(10, 20)]),
        (0, 10, [(10, 30)], [range(10, 20)]),
        (20, 30, [(0, 20)], [range(10, 20)]),
        (10, 30, [(0, 10)], [range(0)]),
    ],
)
def test_a_window_is_cut_out(
    tmp_path: Path, start: int | None, end: int | None, windows: list[Any], left: list[range]
) -> None:
    files = write_run(tmp_path, DEFINITION, 1, table(list(range(10, 20))).to_batches())
    run = Run(0, 30, (), files, (("null key", 2),))
    kept = cut_run(tmp_path, run, start, end, row_group_rows=50)
    assert [(item.start, item.end) for item in kept] == windows
    assert [read(tmp_path, item.files) for item in kept] == [table(list(times)) for times in left]
    assert sum(count for item in kept for _, count in item.dropped) == (2 if kept else 0)
    for item in kept:
        assert [file.first for file in item.files] == ([left[kept.index(item)][0]] if item.files else [])
        if item.rows == run.rows:
            assert item.files == files


def test_an_open_run_keeps_its_open_ends(tmp_path: Path) -> None:
    files = write_run(tmp_path, DEFINITION, 1, table([1, 2, 3]).to_batches())
    kept = cut_run(tmp_path, Run(None, None, (), files), 2, 3, row_group_rows=50)
    assert [(item.start, item.end, item.rows) for item in kept] == [(None, 2, 2), (3, None, 2)]


def test_a_missing_file_is_a_corrupt_error(tmp_path: Path) -> None:
    files = write_run(tmp_path, DEFINITION, 1, table([1, 2]).to_batches())
    (tmp_path / files[0].path).unlink()
    with pytest.raises(CorruptError, match="restore it from a backup"):
        cut_run(tmp_path, Run(None, None, (), files), 2, None, row_group_rows=50)


def test_a_window_is_not_cut_out_of_what_another_program_wrote(tmp_path: Path) -> None:
    (file,) = write_run(tmp_path, DEFINITION, 1, table(list(range(10))).to_batches())
    foreign = pq.ParquetFile(tmp_path / file.path).read().replace_schema_metadata()
    pq.write_table(foreign, tmp_path / file.path)
    with pytest.raises(CorruptError, match="written by another program, so a window cannot be cut out of it"):
        cut_run(tmp_path, Run(None, None, (), (file,)), 2, 3, row_group_rows=50)


def test_what_is_cut_keeps_the_size_of_row_groups(tmp_path: Path) -> None:
    files = write_run(tmp_path, DEFINITION, 1, table(list(range(1000))).to_batches(), row_group_rows=100)
    (left,) = cut_run(tmp_path, Run(None, None, (), files), 500, None, row_group_rows=100)
    assert np.diff(RunFile(tmp_path / left.files[0].path, "v@v1").starts).tolist() == [100] * 10
