"""Training frames: the joined rows, the pins that give them again, and the report of the join."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import ConfigError, RequestError
from featurestore.model.pins import PinSet
from featurestore.offline.blocks import BLOCK_ROWS
from featurestore.offline.join_plan import JoinPlan
from featurestore.offline.report import FrameReport

if TYPE_CHECKING:
    import os

    import pandas as pd
    import polars as pl

__all__ = ["Blocks", "TrainingFrame", "frame_id"]

Blocks = Callable[[], Iterator[tuple[pa.Table, FrameReport]]]
"""Gives the joined rows from the first one on, block by block, each with the report of its part."""


def frame_id(pins: PinSet) -> str:
    """Return the id of the frame that pins fix: 32 hex digits over everything that is pinned."""
    return pins.digest[:32]


@dataclass(frozen=True, eq=False, repr=False)
class TrainingFrame:
    """A training frame: the spine's columns, then the features', one row for each row of the spine, in its order.

    The rows of a frame on a long spine (a Parquet file of more rows than fit into a block) are joined when they are
    asked for, every time: `write_parquet` and `batches` never hold more than a block of them. `to_arrow` and what is
    made of it hold them all, and keep them.

    Attributes
    ----------
    schema
        The columns and their Arrow types.
    pins
        Feature versions, snapshots and spine: `get_training_frame(frame.pins)` gives the same rows again.
    feature_columns
        The names of the feature columns, in order.
    id
        32 hex digits, derived from the pins: the same content has the same id.
    """

    schema: pa.Schema
    pins: PinSet
    feature_columns: tuple[str, ...]
    id: str
    blocks: Blocks
    planned: Callable[[], JoinPlan]

    @cached_property
    def plan(self) -> JoinPlan:
        """How the rows are joined; of a frame on a long spine, how those of its first block are."""
        return self.planned()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(self.schema.names)

    @cached_property
    def report(self) -> FrameReport:
        """What the join says about the frame; joins the rows if nothing has yet."""
        deque(self._tables(), maxlen=0)
        report: FrameReport = self.__dict__["report"]
        return report

    @cached_property
    def _table(self) -> pa.Table:
        return pa.concat_tables(list(self._tables()))

    def __len__(self) -> int:
        return 0 if self.pins.spine is None else self.pins.spine.rows

    def __repr__(self) -> str:
        return f"TrainingFrame({self.id[:8]}: {len(self):,} rows, {len(self.feature_columns)} feature columns)"

    def _tables(self) -> Iterator[pa.Table]:
        """Give the rows block by block, and remember the report once all have been seen."""
        total = None
        for table, report in self.blocks():
            total = report if total is None else total + report
            yield table
        self.__dict__.setdefault("report", total)

    def _pieces(self) -> Iterator[pa.Table]:
        """Give the rows in tables of no more than a block, those that are kept if they are."""
        for table in [self._table] if "_table" in self.__dict__ else self._tables():
            for start in range(0, table.num_rows, BLOCK_ROWS):
                yield table.slice(start, BLOCK_ROWS)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows as record batches, in order, without holding more than a block of a long frame."""
        for table in self._pieces():
            yield from table.to_batches()

    def write_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows to a Parquet file, without holding more than a block of a long frame; return its path.

        The file is there when all rows are: it is written under another name beside it and renamed at the end, and
        takes the place of a file of that name.

        Raises
        ------
        RequestError
            If the file cannot be written.
        """
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
        try:
            with pq.ParquetWriter(temporary, self.schema) as writer:
                for table in self._pieces():
                    writer.write_table(table)
            temporary.replace(target)
        except OSError as error:
            message = f"{str(target)!r} cannot be written: {error}."
            raise RequestError(message) from error
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        return self._table

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a Polars frame."""
        import polars as pl  # noqa: PLC0415 - heavy, and not every frame is read with it

        frame = pl.from_arrow(self._table)
        if not isinstance(frame, pl.DataFrame):
            message = "a table became no Polars frame"
            raise TypeError(message)
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas frame, exactly: nullable dtypes, Python objects for decimals and lists.

        Integers beside nulls are `Int64` and never floats; text is `string`, booleans are `boolean`; timestamps keep
        their unit and zone; an embedding is a float32 array.

        Raises
        ------
        ConfigError
            If pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ImportError:
            message = "pandas is not installed: pip install 'featurestore[pandas]', or use to_polars() or to_arrow()."
            raise ConfigError(message) from None
        dtypes = _nullable_dtypes(pd)
        series = {
            name: pd.Series(column.to_pylist(), dtype=object)
            if _is_listed(column.type)
            else column.to_pandas(types_mapper=dtypes.get)
            for name, column in zip(self._table.column_names, self._table.columns, strict=True)
        }
        return pd.DataFrame(series, index=pd.RangeIndex(self._table.num_rows), columns=list(series))


def _nullable_dtypes(pd: Any) -> dict[pa.DataType, Any]:  # noqa: ANN401 - the pandas module
    return {
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.uint8(): pd.UInt8Dtype(),
        pa.uint16(): pd.UInt16Dtype(),
        pa.uint32(): pd.UInt32Dtype(),
        pa.uint64(): pd.UInt64Dtype(),
        pa.float32(): pd.Float32Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
        pa.large_string(): pd.StringDtype(),
        pa.string_view(): pd.StringDtype(),
    }


def _is_listed(type_: pa.DataType) -> bool:
    """Tell whether pandas would round what a nested value holds: a list with a null would become floats."""
    return pa.types.is_nested(type_) and not pa.types.is_fixed_size_list(type_)
