"""Training frames: the joined table, the pins that give it again, and the report of the join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.errors import ConfigError
from featurestore.model.pins import PinSet
from featurestore.offline.report import FrameReport

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["TrainingFrame", "frame_id"]


def frame_id(pins: PinSet) -> str:
    """Return the id of the frame that pins fix: 32 hex digits over everything that is pinned."""
    return pins.digest[:32]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrainingFrame:
    """A training frame: the spine's columns, then the features', one row for each row of the spine, in its order.

    Attributes
    ----------
    table
        The joined rows, as `to_arrow` returns them.
    pins
        Feature versions, snapshots and spine: `get_training_frame(frame.pins)` gives the same rows again.
    feature_columns
        The names of the feature columns, in order.
    report
        What the join says about the frame.
    id
        32 hex digits, derived from the pins: the same content has the same id.
    """

    table: pa.Table
    pins: PinSet
    feature_columns: tuple[str, ...]
    report: FrameReport
    id: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(self.table.column_names)

    def __len__(self) -> int:
        return self.table.num_rows

    def __repr__(self) -> str:
        return f"TrainingFrame({self.id[:8]}: {len(self):,} rows, {len(self.feature_columns)} feature columns)"

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        return self.table

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a Polars frame."""
        import polars as pl  # noqa: PLC0415 - heavy, and not every frame is read with it

        frame = pl.from_arrow(self.table)
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
            for name, column in zip(self.table.column_names, self.table.columns, strict=True)
        }
        return pd.DataFrame(series, index=pd.RangeIndex(len(self)), columns=list(series))


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
