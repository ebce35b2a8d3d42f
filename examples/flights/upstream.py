"""The systems upstream: they deliver what has happened up to a moment, and on one day they change without a word.

Each feed is a folder; each delivery appends a file and never touches an older one. The board's files are CSV, written
with Python's own writer. What goes wrong is one of its settings: from `csv.QUOTE_MINIMAL` to `csv.QUOTE_ALL`. Every
value stays what it was, except the remark that is not there: an empty field (null) becomes `""` (an empty text).
"""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

BEGINNING = datetime(2013, 1, 1, tzinfo=UTC)

_TIME_COLUMNS = {"board": "board_time", "arrivals": "arrived_at", "weather": "time_hour"}
_BOARD_COLUMNS = ("board_time", "origin", "dest", "carrier", "flight", "remark")


class Upstream:
    """Delivers the feeds into a folder, up to a moment at a time.

    Attributes
    ----------
    quotes_everything
        The incident. Set it, and the board's next files are written with every field quoted.
    delivered
        All rows before this moment have been delivered.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.quotes_everything = False
        self.delivered = BEGINNING
        self._database = database
        self._folder = folder
        for feed in (*_TIME_COLUMNS, "planes"):
            (folder / feed).mkdir(parents=True)
        database.execute(f"copy planes to '{folder / 'planes' / 'planes.parquet'}' (format parquet)")

    def deliver(self, until: datetime) -> dict[str, int]:
        """Append one file per feed with the rows that became known before `until`; return rows per feed."""
        rows = {feed: self._deliver(feed, until) for feed in _TIME_COLUMNS}
        self.delivered = until
        return rows

    def board_lines(self, since: datetime, count: int) -> list[str]:
        """Return the first lines of the board's first file from `since` on, as they are written."""
        files = sorted((self._folder / "board").iterdir())
        file = next(file for file in files if file.stem >= _stamp(since))
        return file.read_text(encoding="utf-8").splitlines()[1 : count + 1]

    def _deliver(self, feed: str, until: datetime) -> int:
        time_column = _TIME_COLUMNS[feed]
        file = self._folder / feed / _stamp(until)
        query = f"from {feed} where {time_column} >= $since and {time_column} < $until"
        window = {"since": self.delivered, "until": until}
        if feed == "board":
            fields = f"replace(strftime({time_column}, '%Y-%m-%dT%H:%M:%SZ') as {time_column})"
            rows = self._database.execute(f"select * {fields} {query}", window).fetchall()
            self._write_board(file.with_suffix(".csv"), rows)
            return len(rows)
        table: pl.DataFrame = self._database.sql(query, params=window).pl()
        table.write_parquet(file.with_suffix(".parquet"))
        return table.height

    def _write_board(self, file: Path, rows: Sequence[tuple[object, ...]]) -> None:
        with file.open("w", encoding="utf-8", newline="") as stream:
            quoting: Literal[0, 1] = csv.QUOTE_ALL if self.quotes_everything else csv.QUOTE_MINIMAL
            writer = csv.writer(stream, quoting=quoting, lineterminator="\n")
            writer.writerow(_BOARD_COLUMNS)
            writer.writerows(rows)


def _stamp(moment: datetime) -> str:
    """Return the name of the delivery made at a moment; names sort like their moments."""
    return f"{moment:%Y-%m-%dT%H%M}"
