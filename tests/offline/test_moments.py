"""The digest of the rows at one moment: the same however they arrive, another for other rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.model.snapshot import Newest
from featurestore.offline.moments import Moments

TABLE = pa.table(
    {
        "k": pa.array(["a", "b", "c", "d", "e", None]),
        "t": pa.array([5, 7, 7, 5, 7, 6], pa.timestamp("us", "UTC")),
        "n": pa.array([1, 2**53 + 1, None, 4, 5, 6]),
        "e": pa.array([[1.0, 2.0]] * 5 + [None], pa.list_(pa.float32(), 2)),
        "d": pa.array([Decimal("1.10")] * 6, pa.decimal128(9, 2)),
        "l": pa.array([["x"], [], None, [None], ["y"], []], pa.list_(pa.string())),
        "b": pa.array([b"\0", b"", None, b"1", b"2", b"3"]),
        "on": pa.array([date(2013, 1, 1)] * 6),
    }
)


def noted(table: pa.Table, rows: int, start: int | None = 5) -> tuple[Newest | None, Newest | None]:
    moments = Moments("t", start)
    batches = list(moments.noted(table.to_batches(max_chunksize=rows)))
    assert pa.Table.from_batches(batches, table.schema).equals(table)
    return moments.first, moments.newest


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_it_does_not_depend_on_batches(rows: int) -> None:
    first, newest = noted(TABLE, rows)
    assert (first, newest) == noted(TABLE, 3)
    assert first is not None
    assert newest is not None
    assert (first.at, first.rows, newest.at, newest.rows) == (5, 2, 7, 3)


@pytest.mark.parametrize("column", TABLE.column_names)
def test_it_sees_every_column(column: str) -> None:
    if column == "t":
        other = pa.array([datetime(2013, 1, 1, tzinfo=UTC)] * 6, pa.timestamp("us", "UTC"))
    else:
        other = pa.nulls(6, TABLE.schema.field(column).type)
    changed = TABLE.set_column(TABLE.column_names.index(column), TABLE.schema.field(column), other)
    assert noted(changed, 6)[1] != noted(TABLE, 6)[1]


def test_a_row_twice_is_not_a_row_once() -> None:
    twice = pa.concat_tables([TABLE, TABLE.slice(1, 1)])
    assert noted(twice, 2)[1] != noted(TABLE, 2)[1]


def test_there_may_be_nothing_to_note() -> None:
    assert noted(TABLE, 6, start=4)[0] is None
    assert noted(TABLE, 6, start=None)[0] is None
    assert noted(TABLE.slice(0, 0), 6) == (None, None)
    moments = Moments(None, None)
    assert len(list(moments.noted(TABLE.to_batches()))) == 1
    assert (moments.first, moments.newest) == (None, None)
