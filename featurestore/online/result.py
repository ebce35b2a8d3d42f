"""The answer to a lookup: columns with their values, statuses and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.model.status import STATUS_BY_CODE, Status

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["AnswerColumn", "AnsweredFeature", "OnlineFeatures"]

_SHOWN_ROWS, _SHOWN_COLUMNS, _SHOWN_WIDTH = 10, 6, 28


@dataclass(frozen=True, slots=True)
class AnsweredFeature:
    """Where a column of an answer came from.

    Attributes
    ----------
    name
        The column's name.
    view, version, feature
        `view@vN:feature`.
    snapshot
        Which rows of that version.
    activation
        The pointer's move that chose the version; None if it was pinned.
    """

    name: str
    view: str
    version: int
    feature: str
    snapshot: str
    activation: int | None

    @property
    def reference(self) -> str:
        """`view@vN:feature`."""
        return f"{self.view}@v{self.version}:{self.feature}"


@dataclass(frozen=True, slots=True, eq=False)
class AnswerColumn:
    """One column of an answer, what `OnlineFeatures` is made of.

    Attributes
    ----------
    name, version, view, feature, snapshot, activation
        As in `AnsweredFeature`.
    values
        Shape `(n,)`, defaults filled in.
    statuses
        Shape `(n,)`, uint8: positions in `STATUS_BY_CODE`.
    event_times
        Shape `(n,)`, of the rows that were found, expired ones too; None for a dimension or if not asked for.
    """

    name: str
    version: int
    view: str
    feature: str
    snapshot: str
    activation: int | None
    values: pa.Array[Any]
    statuses: np.ndarray[Any, np.dtype[np.uint8]]
    event_times: pa.Array[Any] | None = None

    def filtered(self, kept: pa.Array[Any]) -> AnswerColumn:
        """Return the column with some of its rows: those where `kept`, booleans of shape `(n,)`, is true."""
        return replace(
            self,
            values=self.values.filter(kept),
            statuses=self.statuses[kept.to_numpy(zero_copy_only=False)],
            event_times=None if self.event_times is None else self.event_times.filter(kept),
        )

    def joined(self, others: Sequence[AnswerColumn]) -> AnswerColumn:
        """Return the column with the rows of others behind its own, which were read from the same snapshot."""
        columns = (self, *others)
        times = [one.event_times for one in columns if one.event_times is not None]
        return replace(
            self,
            values=pa.concat_arrays([one.values for one in columns]),
            statuses=np.concatenate([one.statuses for one in columns]),
            event_times=pa.concat_arrays(times) if times else None,
        )


class OnlineFeatures:
    """Features of entities, in the order of the request; the same from a store and from a client.

    Parameters
    ----------
    columns
        In the order of the request, all of one length.
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[AnswerColumn]) -> None:
        self._columns = tuple(columns)
        lengths = {len(one) for column in self._columns for one in (column.values, column.statuses)}
        if len(lengths) > 1:
            message = f"the columns of one answer have different lengths: {sorted(lengths)}"
            raise ValueError(message)

    @property
    def columns(self) -> tuple[AnsweredFeature, ...]:
        """Where each column came from: name, view, version, feature, snapshot, activation."""
        return tuple(
            AnsweredFeature(one.name, one.view, one.version, one.feature, one.snapshot, one.activation)
            for one in self._columns
        )

    @property
    def answers(self) -> tuple[AnswerColumn, ...]:
        """The columns as they were given, for code that sends them on."""
        return self._columns

    @property
    def statuses(self) -> dict[str, list[Status]]:
        """The state of every value, by column name."""
        return {one.name: [STATUS_BY_CODE[code] for code in one.statuses.tolist()] for one in self._columns}

    @property
    def event_times(self) -> dict[str, list[Any]]:
        """The event time of the row behind every value (UTC; None without a row), of the columns that have one."""
        return {one.name: one.event_times.to_pylist() for one in self._columns if one.event_times is not None}

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the values as lists by column name; the keys are not included."""
        return {one.name: one.values.to_pylist() for one in self._columns}

    def to_arrow(self) -> pa.Table:
        """Return the values as an Arrow table."""
        return pa.table([one.values for one in self._columns], names=[one.name for one in self._columns])

    def to_polars(self) -> pl.DataFrame:
        """Return the values as a Polars frame."""
        import polars as pl  # noqa: PLC0415 - a server that answers over the wire needs no polars

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """Return the values as a pandas frame with nullable dtypes: a null makes no integer a float."""
        import pandas as pd  # noqa: PLC0415 - optional

        dtypes: dict[pa.DataType, Any] = {
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.float32(): pd.Float32Dtype(),
            pa.float64(): pd.Float64Dtype(),
            pa.bool_(): pd.BooleanDtype(),
            pa.string(): pd.StringDtype(),
            pa.large_string(): pd.StringDtype(),
        }
        return self.to_arrow().to_pandas(types_mapper=dtypes.get)

    def __len__(self) -> int:
        return len(self._columns[0].values) if self._columns else 0

    def __repr__(self) -> str:
        shown = self._columns[:_SHOWN_COLUMNS]
        count = min(len(self), _SHOWN_ROWS)
        table = [[_clipped(one.name), *(_cell(one, row) for row in range(count))] for one in shown]
        widths = [max(map(len, column)) for column in table]
        lines = [
            "  ".join(column[row].ljust(width) for column, width in zip(table, widths, strict=True)).rstrip()
            for row in range(count + 1)
        ]
        if len(self) > count:
            lines.append(f"... {len(self) - count} more rows")
        if len(self._columns) > len(shown):
            lines.append(f"... {len(self._columns) - len(shown)} more columns")
        sources = ", ".join(dict.fromkeys(f"{one.view}@v{one.version}" for one in self._columns))
        head = f"OnlineFeatures: {len(self)} rows x {len(self._columns)} columns from {sources or 'nothing'}"
        return "\n".join([head, *lines]).rstrip()


def _cell(column: AnswerColumn, row: int) -> str:
    status = STATUS_BY_CODE[int(column.statuses[row])]
    value = column.values[row].as_py()
    if status is Status.PRESENT:
        return _clipped(str(value))
    return f"{_clipped(str(value))} ({status})" if value is not None else str(status)


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 3] + "..."
