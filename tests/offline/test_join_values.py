"""Values through the join: every type exactly, and the files they are read from."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.errors import ConfigError, CorruptError
from featurestore.model import types as fs
from featurestore.offline import gather
from featurestore.offline import join as join_module
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.run_file import RunFile
from tests.offline.join_support import at, define, foreign, join_all, read_of, rows, spine, temps

KEYS = ("JFK", None)


EDGES: list[tuple[fs.FeatureType, Any]] = [
    (fs.Int32, -(2**31)),
    (fs.Int64, 2**53 + 1),
    (fs.Float32, 0.1),
    (fs.Float64, 0.1),
    (fs.Bool, False),
    (fs.String, "Zürich \U0001f6eb"),
    (fs.String, ""),
    (fs.Bytes, b"\x00\xff"),
    (fs.Date, date(1, 1, 1)),
    (fs.Timestamp, datetime(2262, 4, 12, 1, 2, 3, 4, tzinfo=UTC)),
    (fs.Decimal(38, 9), Number("12345678901234567890123456789.123456789")),
    (fs.List(fs.Int64), [2**53 + 1, None]),
    (fs.List(fs.String), ["", None, "a"]),
    (fs.List(fs.String), []),
    (fs.List(fs.List(fs.Float64)), [[0.1], None, []]),
    (fs.Embedding(3), [0.5, -0.0, 1.5]),
]


@pytest.mark.parametrize(("type_", "value"), EDGES, ids=lambda item: str(item)[:20])
def test_types_survive_exactly_next_to_nulls(tmp_path: Path, type_: fs.FeatureType, value: object) -> None:
    stored = [{"origin": key, "time": at(1), "x": None if key == "b" else value} for key in "abcd"]
    read = read_of(tmp_path, define(features={"x": type_}), stored[:2], stored[2:])
    result = join_all({"origin": list("dxbca"), "t": [at(2)] * 5}, read)
    column = result.table.column("weather__x")
    exact = pa.scalar(value, column.type).as_py()
    assert column.to_pylist() == [exact, None, None, exact, exact]
    assert result.table.schema.field("weather__x").type == to_arrow(type_)


def test_int64_beyond_2_53_next_to_nulls(tmp_path: Path) -> None:
    big = 2**53 + 1
    definition = define(keys={"origin": fs.Int64}, features={"x": fs.Int64})
    stored = [{"origin": big - 1, "time": at(1), "x": None}, {"origin": big, "time": at(1), "x": big}]
    read = read_of(tmp_path, definition, stored)
    result = join_all({"origin": [big, None, big - 1, big + 1], "t": [at(2)] * 4}, read)
    assert result.table.column("weather__x").to_pylist() == [big, None, None, None]
    assert result.table.column("origin").to_pylist() == [big, None, big - 1, big + 1]


def test_lists_written_without_a_fixed_size_are_embeddings_again(tmp_path: Path) -> None:
    definition = define(features={"x": fs.Embedding(2)})
    path = tmp_path / "run.parquet"
    vectors = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32()))
    times = pa.array([at(1)] * 3, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"origin": ["a", "b", "c"], "time": times, "x": vectors}), path)
    read = join_module.ViewRead(definition, (path,), (("origin", "origin"),), (("x", "x"),), "weather@v1")
    result = join_all({"origin": ["c", "b", "a", "z"], "t": [at(2)] * 4}, read)
    assert result.table.column("x").type == pa.list_(pa.float32(), 2)
    assert result.table.column("x").to_pylist() == [[3.0, 4.0], None, [1.0, 2.0], None]


def test_nan_and_infinity_are_values(tmp_path: Path) -> None:
    read = read_of(tmp_path, define(defaults={"temp": 1.0}), rows((1, float("nan")), (2, float("inf"))))
    found = temps(join_all(spine(1, 2), read))
    assert np.isnan(found[0])
    assert found[1] == float("inf")


def test_text_beyond_2_gib_becomes_several_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "_TEXT_BYTES", 64)
    definition = define(features={"x": fs.String, "y": fs.Bytes})
    stored = [{"origin": "JFK", "time": at(n), "x": "é" * n, "y": b"z" * n} for n in range(20)]
    result = join_all(spine(*range(19, -1, -1)), read_of(tmp_path, definition, stored))
    assert result.table.column("weather__x").num_chunks > 1
    assert result.table.column("weather__x").to_pylist() == ["é" * n for n in range(19, -1, -1)]
    assert result.table.column("weather__y").to_pylist() == [b"z" * n for n in range(19, -1, -1)]


@pytest.mark.parametrize("type_", sorted(fs.KEY_KINDS))
def test_keys_of_every_type(tmp_path: Path, type_: str) -> None:
    values: dict[str, list[Any]] = {
        "Int32": [-5, 0, 2**31 - 1],
        "Int64": [-(2**63), 2**53, 2**53 + 1],
        "String": ["", "Z", "zürich"],
        "Bytes": [b"", b"\x00", b"\xff"],
        "Bool": [False, True],
        "Date": [date(1, 1, 1), date(2013, 7, 1)],
    }
    keys = values[type_]
    definition = define(keys={"origin": fs.parse_type(type_)}, features={"x": fs.Int64})
    stored = [{"origin": key, "time": at(hour), "x": place} for place, key in enumerate(keys) for hour in (1, 2, 3, 4)]
    read = read_of(tmp_path, definition, stored)
    given = pa.table({"origin": pa.array([*keys[::-1], None], to_arrow(fs.parse_type(type_)))})
    given = given.append_column("t", pa.array([at(2)] * (len(keys) + 1)))
    assert join_all(given, read).table.column("weather__x").to_pylist() == [*reversed(range(len(keys))), None]


# -------------------------------------------------------------------------------------------------------- the files


def test_files_out_of_order_are_read_correctly_too(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    stored = rows((3, 3.0), (1, 1.0)) + rows((1, 9.0), key="EWR") + rows((2, 2.0)) + rows((0, 8.0), key="AAA")
    pq.write_table(pa.Table.from_pylist(stored), path, row_group_size=2)
    read = join_module.ViewRead(define(), (path,), (("origin", "origin"),), (("temp", "weather__temp"),), "weather@v1")
    assert temps(join_all(spine(1, 2, 3), read)) == [1.0, 2.0, 3.0]
    assert temps(join_all(spine(1, key="EWR"), read)) == [9.0]


def test_row_groups_without_the_spines_keys_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [{"origin": f"k{n:03}", "time": at(1), "temp": str(n)} for n in range(300)]
    read = read_of(tmp_path, define(features={"temp": fs.String}), stored)
    asked: list[int] = []
    real = RunFile.decode

    def counted(file: RunFile, group: int, columns: Sequence[str]) -> pa.Table:
        asked.append(group)
        return real(file, group, columns)

    monkeypatch.setattr(RunFile, "decode", counted)
    given = {"origin": ["k290", "k005", "zzz"], "t": [at(2)] * 3}
    assert temps(join_all(given, read)) == ["290", "5", None]
    assert sorted(asked) == [1, 96]


def test_a_join_is_planned_before_it_runs(tmp_path: Path) -> None:
    features = {"temp": fs.Float64, "sky": fs.String}
    stored = [{"origin": f"k{n:03}", "time": at(1), "temp": float(n), "sky": ""} for n in range(300)]
    read = replace(read_of(tmp_path, define(features=features), stored), snapshot="1f3a9c42ffff")
    other = foreign(read, tmp_path / "foreign")
    table = pa.table({"origin": ["k290", "k005", "zzz"], "t": pa.array([at(2)] * 3)})
    join = join_module.Join([read, other], timestamp="t", as_of=None, order=[])
    plan = join.plan(table)
    assert (plan.rows, plan.sorts) == (3, 1)
    ours, theirs = plan.reads
    assert (ours.strategy, ours.rows, ours.row_groups, ours.kept, ours.pruned) == ("bisect", 300, 100, 2, 98)
    assert (ours.copied, ours.decoded) == (("temp",), ("sky",))
    assert (theirs.strategy, theirs.kept, theirs.decoded) == ("duckdb", 100, ("temp", "sky"))
    assert "0.parquet has no index" in theirs.why
    assert str(plan).splitlines()[:5] == [
        "3 spine rows, sorted once for 2 reads, 2 threads",
        "weather@v1 snapshot 1f3a9c42 on origin",
        f"  300 rows, {ours.size / 1e6:.1f} MB, 1 file of 1 run",
        "  bisect: rows are sorted by key and time, and indexed",
        "  row groups: 2 read, 98 pruned; 1 feature copied in place and 1 feature decoded",
    ]


def test_long_text_that_repeats_is_decoded_once(tmp_path: Path) -> None:
    stored = [{"origin": f"k{n:04}", "time": at(1), "temp": "x" * 300_000} for n in range(4_000)]
    read = read_of(tmp_path, define(features={"temp": fs.String}), stored, group=2_000)
    before = pa.total_allocated_bytes()
    pa.default_memory_pool().release_unused()
    result = join_all({"origin": ["k0001", "k3999", "zzz"], "t": [at(2)] * 3}, read)
    assert temps(result) == ["x" * 300_000, "x" * 300_000, None]
    assert pa.total_allocated_bytes() - before < 32 << 20


def test_times_far_apart_and_many_keys(tmp_path: Path) -> None:
    definition = define(keys={"origin": fs.Int64})
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    stored = [{"origin": n, "time": ends[n % 2], "temp": float(n)} for n in range(200)]
    read = read_of(tmp_path, definition, stored)
    given = {"origin": [*range(200), *range(200)], "t": [ends[0]] * 200 + [ends[1]] * 200}
    expected = [float(n) if n % 2 == 0 else None for n in range(200)] + [float(n) for n in range(200)]
    assert temps(join_all(given, read)) == expected


@pytest.mark.parametrize("strategy", [None, "duckdb"])
def test_a_missing_or_damaged_file_is_corrupt(tmp_path: Path, strategy: str | None) -> None:
    read = read_of(tmp_path, define(), rows((1, 1.0)))
    read.files[0].write_bytes(b"not Parquet")
    with pytest.raises(CorruptError, match=r".parquet of weather@v1 cannot be read"):
        join_all(spine(2), read, strategy=strategy)
    read.files[0].write_bytes(b"")
    with pytest.raises(CorruptError, match=r".parquet of weather@v1 cannot be read"):
        join_all(spine(2), read, strategy=strategy)
    read.files[0].unlink()
    with pytest.raises(CorruptError, match=r".parquet of weather@v1 is missing"):
        join_all(spine(2), read, strategy=strategy)
    other = read_of(tmp_path, define("other"), rows((1, 1.0)))
    lacking = define("other", features={"gone": fs.Float64})
    with pytest.raises(CorruptError, match=r"other@v1 cannot be read .it has no column 'gone'"):
        join_all(
            spine(2),
            join_module.ViewRead(lacking, other.files, other.on, (("gone", "x"),), "other@v1"),
            strategy=strategy,
        )


def test_too_many_open_files_are_not_told_as_corruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_of(tmp_path, define(), rows((1, 1.0)))

    def refused(*_: object, **__: object) -> object:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(mmap, "mmap", refused)
    with pytest.raises(ConfigError, match=r"cannot be opened: Too many open files. Allow more .*compact weather@v1"):
        join_all(spine(2), read)
