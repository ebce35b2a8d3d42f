"""Blocks: cut at the same rows, in whatever pieces the rows come."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.offline import blocks
from featurestore.offline.blocks import cut, fitting_rows, row_width

TABLE = pa.table({"x": list(range(10)), "text": ["a", None] * 5})


@given(st.lists(st.integers(0, 10), max_size=5), st.integers(1, 12))
def test_blocks_are_the_same_whatever_the_pieces(cuts: list[int], size: int) -> None:
    edges = [0, *sorted(cuts), 10]
    pieces = [TABLE.slice(first, last - first) for first, last in pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ROWS", size)
        found = list(cut(pieces, TABLE.schema))
        assert found == list(cut([TABLE], TABLE.schema))
    assert [block.num_rows for block in found[:-1]] == [size] * (len(found) - 1)
    assert 0 < found[-1].num_rows <= size
    assert pa.concat_tables(found) == TABLE


def test_there_is_always_a_block() -> None:
    assert list(cut([], TABLE.schema)) == [TABLE.schema.empty_table()]
    assert list(cut([TABLE.slice(0, 0)], TABLE.schema)) == [TABLE.schema.empty_table()]


def test_blocks_of_wide_rows_have_fewer() -> None:
    assert fitting_rows(8) == blocks.BLOCK_ROWS
    assert fitting_rows(4096) == 1 << 16
    assert fitting_rows(1 << 40) == 1 << 12


@pytest.mark.parametrize(
    ("type_", "width"),
    [(pa.int64(), 8), (pa.bool_(), 1 / 8), (pa.list_(pa.float32(), 128), 512), (pa.string(), 64), (pa.null(), 64)],
    ids=str,
)
def test_a_type_tells_how_wide_its_values_are(type_: pa.DataType, width: float) -> None:
    assert row_width(type_) == width


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "column",
    [
        pa.array([LONG, None]),
        pa.array([LONG, None], pa.large_string()),
        pa.array([LONG, None], pa.string_view()),
        pa.array([LONG.encode(), None]),
        pa.array([LONG.encode(), None], pa.binary_view()),
        pa.array([[LONG], None]),
        pa.array([[1.0] * 1250, None], pa.large_list(pa.float64())),
        pa.array([[1.0] * 625, None], pa.list_(pa.float64(), 625)),
    ],
    ids=lambda column: str(column.type),
)
def test_the_values_tell_how_wide_text_and_lists_are(monkeypatch: pytest.MonkeyPatch, column: Any) -> None:  # noqa: ANN401 - an array
    monkeypatch.setattr(blocks, "_LEAST", 1)
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 50_000)  # ten rows of 5,000 bytes
    table = pa.table([pa.chunked_array([column] * 20)], names=["x"])
    assert [block.num_rows for block in cut([table], table.schema)] == [10] * 4
