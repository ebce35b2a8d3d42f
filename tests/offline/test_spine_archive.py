"""Archived spines: exactly the same table again, or an error that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from featurestore.errors import CorruptError, RequestError
from featurestore.model.pins import SpinePin
from featurestore.offline.spine_archive import archive_spine, load_spine

ARCHIVED: list[pa.DataType] = [
    *(pa.timestamp(unit, tz=zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "America/New_York")),
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null()),
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns"), pa.duration("s"), pa.duration("us")),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary(4), pa.binary_view()),
    *(pa.decimal128(38, 9), pa.decimal32(5, 2), pa.decimal256(60, 2)),
    *(pa.list_(pa.int64()), pa.large_list(pa.string()), pa.list_(pa.float32(), 3), pa.list_(pa.timestamp("s"))),
    *(pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]), pa.map_(pa.string(), pa.int8())),
    *(pa.dictionary(pa.uint32(), pa.large_string()), pa.dictionary(pa.int8(), pa.int64(), ordered=True)),
]


@pytest.mark.parametrize("type_", ARCHIVED, ids=str)
def test_an_archived_spine_comes_back_exactly(tmp_path: Path, type_: pa.DataType) -> None:
    for rows in (0, 3):
        table = pa.table({"x": pa.array([None] * rows, type_), "y": list(range(rows))})
        pin = archive_spine(tmp_path, table)
        assert pin.rows == rows
        assert pin.columns[0] == ("x", str(type_))
        found = load_spine(tmp_path, pin)
        assert found.schema == table.schema
        assert found == table


def test_categories_keep_their_order_and_those_that_are_not_used(tmp_path: Path) -> None:
    for values in (pa.array(["low", "mid", "high", "never"]), pa.array([30, 10, 20, 0])):
        first = pa.DictionaryArray.from_arrays(pa.array([2, None, 0], pa.int8()), values, ordered=True)
        second = pa.DictionaryArray.from_arrays(pa.array([1, 2], pa.int8()), values, ordered=True)
        table = pa.table([pa.chunked_array([first, second])], names=["x"])
        found: Any = load_spine(tmp_path, archive_spine(tmp_path, table)).column("x")
        assert found.to_pylist() == table.column("x").to_pylist()
        assert found.chunk(0).dictionary == values


def test_the_same_rows_are_the_same_file(tmp_path: Path) -> None:
    table = pa.table({"x": list(range(10)), "y": ["a", None] * 5})
    pin = archive_spine(tmp_path, table)
    file = tmp_path / "spines" / f"{pin.digest}.parquet"
    written = file.stat().st_mtime_ns
    chunked = pa.concat_tables([table.slice(0, 3), table.slice(3)]).replace_schema_metadata({"made": "otherwise"})
    assert archive_spine(tmp_path, chunked) == pin
    assert archive_spine(tmp_path / "other", table) == pin
    assert file.stat().st_mtime_ns == written
    assert [found.name for found in (tmp_path / "spines").iterdir()] == [file.name]
    assert archive_spine(tmp_path, table.slice(1)) != pin
    assert archive_spine(tmp_path, table.rename_columns(["x", "z"])) != pin


def test_nan_and_minus_zero_are_archived(tmp_path: Path) -> None:
    values = np.array([np.nan, -0.0, np.inf], dtype=np.float64)
    found = load_spine(tmp_path, archive_spine(tmp_path, pa.table({"x": pa.array(values)}))).column("x")
    assert found.null_count == 0
    assert found.to_numpy().tobytes() == values.tobytes()


@pytest.mark.parametrize("type_", [pa.month_day_nano_interval(), pa.run_end_encoded(pa.int32(), pa.string())], ids=str)
def test_what_cannot_be_archived(tmp_path: Path, type_: pa.DataType) -> None:
    table = pa.schema({"x": type_}).empty_table()
    with pytest.raises(RequestError, match="cannot be kept exactly"):
        archive_spine(tmp_path, table)
    assert list((tmp_path / "spines").iterdir()) == []


def test_an_archived_spine_that_was_altered(tmp_path: Path) -> None:
    pin = archive_spine(tmp_path, pa.table({"x": [1]}))
    with pytest.raises(CorruptError, match="the pins say 2 rows"):
        load_spine(tmp_path, SpinePin(pin.digest, 2, pin.columns))
    with pytest.raises(CorruptError, match="edited by hand"):
        load_spine(tmp_path, SpinePin(pin.digest, 1, (("x", "int32"),)))
    file = tmp_path / "spines" / f"{pin.digest}.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(CorruptError, match="was altered"):
        load_spine(tmp_path, pin)
    file.unlink()
    with pytest.raises(CorruptError, match="is missing"):
        load_spine(tmp_path, pin)
