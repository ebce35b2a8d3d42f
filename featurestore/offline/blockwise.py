"""The join of a spine block by block: what is asked of every block, and the answers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from featurestore.model.settings import Settings
from featurestore.offline.arrays import empty, plain
from featurestore.offline.blocks import fitting_rows, row_width
from featurestore.offline.join import Join, ViewRead

if TYPE_CHECKING:
    from featurestore.offline.report import FrameReport

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What `join` is asked, whatever the spine: its parameters of the same names."""

    reads: tuple[ViewRead, ...]
    timestamp: str
    as_of: datetime | str | None
    at: datetime | None
    order: tuple[str, ...]
    settings: Settings

    def opened(self) -> Join:
        """Return the join, its files open, for as many blocks as there are.

        Raises
        ------
        CorruptError
            If a stored file is missing or unreadable.
        """
        return Join(
            self.reads,
            timestamp=self.timestamp,
            as_of=self.as_of,
            at=self.at,
            order=self.order,
            settings=self.settings,
        )

    def answered(self, spine: pa.Schema) -> pa.Schema:
        """Return the columns of the answer; what cannot be asked of such a spine is an error before work starts."""
        unread = replace(self, reads=tuple(replace(read, files=()) for read in self.reads))
        return unread.opened().run(empty(spine)).table.schema

    def answers(self, spine: pa.Schema, blocks: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, FrameReport]]:
        """Answer block by block; a block whose answer would be wide is answered in parts."""
        rows = fitting_rows(sum(row_width(field.type) for field in self.answered(spine)))
        return self.answers_of(block.slice(start, rows) for block in blocks for start in range(0, block.num_rows, rows))

    def answers_of(self, blocks: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, FrameReport]]:
        """Give the joined rows of each block as it is, and the report; files are opened once for all of them."""
        join = self.opened()
        for block in blocks:
            found = join.run(block)
            yield found.table, self._told(block, found.report)

    def _told(self, spine: pa.Table, report: FrameReport) -> FrameReport:
        keys = dict.fromkeys(column for read in self.reads for _, column in read.on)
        timed = self.at is None and self.timestamp in spine.column_names
        return replace(
            report,
            no_key=tuple((column, _nulls(spine, column)) for column in keys),
            no_time=_nulls(spine, self.timestamp) if timed else 0,
            at=self.at,
        )


def _nulls(spine: pa.Table, column: str) -> int:
    found = spine.column(column)
    return plain(found).null_count if isinstance(found.type, pa.DictionaryType) else found.null_count
