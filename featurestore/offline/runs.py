"""Sorted runs at rest: Parquet files named by their content, written whole or not at all, and windows cut out of them.

How rows lie in them is `layout.py`'s, how they are written `run_writer.py`'s. The same rows give the same bytes: row
groups are cut by count, however rows arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import CorruptError
from featurestore.model.definition import Definition
from featurestore.model.snapshot import DataFile, Run
from featurestore.model.times import from_micros
from featurestore.offline.layout import LAYOUT, Layout
from featurestore.offline.output import output_schema
from featurestore.offline.run_writer import RunWriter

__all__ = ["GROUP_ROWS", "cut_run", "version_folder", "write_run"]

_BATCH_ROWS = 65_536
GROUP_ROWS = 1_048_576


def version_folder(view: str, number: int) -> str:
    """Return the folder of a version's rows, relative to the store's root."""
    return f"offline/{view}/v{number}"


def write_run(
    root: Path,
    definition: Definition,
    number: int,
    rows: Iterable[pa.RecordBatch],
    *,
    row_group_rows: int = GROUP_ROWS,
    compression: str = "none",
    progress: Callable[[int], object] | None = None,
) -> tuple[DataFile, ...]:
    """Write one sorted run of a version and return its files: none for no rows, one up to 8 million rows.

    Parameters
    ----------
    number
        The version's number.
    rows
        Batches in the version's columns and order, as `Engine.rows` gives them.
    row_group_rows
        Rows of a row group; fewer where rows are wide.
    compression
        Of columns whose values have one width: `"none"`, `"lz4"` or `"zstd"`.
    progress
        Called with the rows so far.

    Raises
    ------
    CorruptError
        If the rows do not come sorted.
    """
    keys = tuple(key for key, _ in definition.keys)
    layout = Layout(keys, definition.event_time, definition.created_time, compression)
    folder = version_folder(definition.view, number)
    done = 0
    with RunWriter(Path(root), folder, output_schema(definition), layout, row_group_rows) as writer:
        for batch in rows:
            writer.add(batch)
            done += batch.num_rows
            if progress is not None:
                progress(done)
        return writer.finish()


def cut_run(root: Path, run: Run, start: int | None, end: int | None, *, row_group_rows: int) -> tuple[Run, ...]:
    """Return what is left of a run without the event times in `[start, end)`: no, one or two runs.

    Files wholly outside stay as they are, files wholly inside are left out, others are rewritten as new files.

    Parameters
    ----------
    start, end
        Microseconds since 1970 UTC; None is open.

    Raises
    ------
    CorruptError
        If a file that must be rewritten is missing or cannot be read.
    """
    root = Path(root)
    if (start is not None and run.end is not None and run.end <= start) or (
        end is not None and run.start is not None and run.start >= end
    ):
        return (run,)
    left: list[Run] = []
    if start is not None and (run.start is None or run.start < start):
        left.append(replace(run, end=start, files=_part(root, run.files, None, start, row_group_rows)))
    if end is not None and (run.end is None or run.end > end):
        left.append(replace(run, start=end, files=_part(root, run.files, end, None, row_group_rows)))
    return (left[0], *(replace(item, dropped=()) for item in left[1:])) if left else ()


def _part(
    root: Path, files: Iterable[DataFile], start: int | None, end: int | None, row_group_rows: int
) -> tuple[DataFile, ...]:
    """Return the files of the rows with event times in `[start, end)`."""
    kept: list[DataFile] = []
    for file in files:
        if file.first is None or file.last is None:
            continue
        if (start is None or file.first >= start) and (end is None or file.last < end):
            kept.append(file)
        elif (start is None or file.last >= start) and (end is None or file.first < end):
            kept.extend(_rewrite(root, file, start, end, row_group_rows))
    return tuple(kept)


def _rewrite(
    root: Path, file: DataFile, start: int | None, end: int | None, row_group_rows: int
) -> tuple[DataFile, ...]:
    try:
        parquet = pq.ParquetFile(root / file.path)
    except (OSError, pa.ArrowException) as error:
        message = f"{root / file.path} is missing or no Parquet file: restore it from a backup. {error}"
        raise CorruptError(message) from error
    with parquet:
        kept = (parquet.schema_arrow.metadata or {}).get(LAYOUT)
        if kept is None:
            message = (
                f"{root / file.path} was written by another program, so a window cannot be cut out of it: materialize "
                "the whole, without start and end."
            )
            raise CorruptError(message)
        layout = Layout.from_bytes(kept)
        folder = file.path.rpartition("/data/")[0]
        with RunWriter(root, folder, parquet.schema_arrow, layout, row_group_rows) as writer:
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                times: Any = batch.column(str(layout.event_time))
                bounds = [
                    compare(times, pa.scalar(from_micros(bound), times.type))
                    for compare, bound in ((pc.greater_equal, start), (pc.less, end))
                    if bound is not None
                ]
                inside = bounds[0] if len(bounds) == 1 else pc.and_(*bounds)
                writer.add(batch.filter(inside))
            return writer.finish()
