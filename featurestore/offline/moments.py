"""The rows of one moment, told by number and digest: whether what a window computes again is what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.model.snapshot import Newest

__all__ = ["Moments"]


class Moments:
    """Takes note, of batches that pass, of the rows at one given moment and of those at the greatest.

    Parameters
    ----------
    event_time
        The column; None for a dimension, of which nothing is noted.
    start
        The given moment, microseconds since 1970 UTC.
    """

    def __init__(self, event_time: str | None, start: int | None) -> None:
        self._event_time = event_time
        self._first = None if start is None else _Noted(start)
        self._newest: _Noted | None = None

    def noted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give the batches on."""
        for batch in batches:
            if self._event_time is not None and batch.num_rows:
                self._note(batch, batch.column(self._event_time).cast(pa.int64()))
            yield batch

    @property
    def first(self) -> Newest | None:
        """The rows at the given moment; None if there is none."""
        return None if self._first is None or not self._first.rows else self._first.told()

    @property
    def newest(self) -> Newest | None:
        """The rows at the greatest event time so far; None if there was none."""
        return None if self._newest is None else self._newest.told()

    def _note(self, batch: pa.RecordBatch, times: Any) -> None:  # noqa: ANN401 - an int64 array
        bounds: Any = pc.min_max(times)
        greatest = bounds["max"].as_py()
        if self._newest is None or greatest > self._newest.at:
            self._newest = _Noted(greatest)
        for noted in (self._first, self._newest):
            if noted is not None and bounds["min"].as_py() <= noted.at <= greatest:
                noted.add(batch.filter(pc.equal(times, pa.scalar(noted.at))))


class _Noted:
    def __init__(self, at: int) -> None:
        self.at = at
        self.rows = 0
        self._total = np.uint64(0)

    def add(self, rows: pa.RecordBatch) -> None:
        hashes = pl.DataFrame(pl.from_arrow(rows)).hash_rows().to_numpy()
        self.rows += rows.num_rows
        self._total = np.sum(np.append(hashes, self._total), dtype=np.uint64)  # modulo 2^64, in whatever order

    def told(self) -> Newest:
        return Newest(self.at, self.rows, f"{int(self._total):016x}")
