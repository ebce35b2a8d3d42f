"""Merging: several sorted runs become one with the same rows, before their number slows reads down.

That the rows are the same is read back, not assumed: their number, and the sum of a hash of each over all its columns.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from featurestore.errors import CorruptError
from featurestore.model.snapshot import Run
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.connection import connect, identifier, literals, read_ahead, translated
from featurestore.offline.newest import positioned_rows
from featurestore.offline.output import output_columns, output_schema
from featurestore.offline.runs import write_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import duckdb

    from featurestore.model.definition import Definition
    from featurestore.model.settings import Settings
    from featurestore.model.snapshot import DataFile

__all__ = ["merge_runs"]

_BATCH_ROWS = 65_536


def merge_runs(
    root: Path,
    definition: Definition,
    number: int,
    runs: Sequence[Run],
    settings: Settings,
    *,
    progress: Callable[[int], object] | None = None,
) -> Run:
    """Return one run with the rows of several, in the stored order of rows that tie.

    It names the source data that the run which reaches furthest read, since from there a refresh goes on; what each
    read is in the history of changes.

    Raises
    ------
    CorruptError
        If a file cannot be read, or what was written does not hold the same rows; the runs are as they were.
    """
    schema = output_schema(definition)
    files = [file for run in runs for file in run.files]
    missing = [file.path for file in files if not (root / file.path).is_file()]
    if missing:
        message = f"{root / missing[0]} is missing: restore it from a backup, or materialize again."
        raise CorruptError(message)
    with connect(root, settings) as connection, translated(f"the rows of {definition.view!r}", binding=CorruptError):
        # The order is asked for: to keep that of the files, too, would hold more of them in memory than there may be.
        connection.execute("SET preserve_insertion_order = false")
        batches = read_ahead(connection, _sorted(root, definition, files), _BATCH_ROWS) if files else ()
        merged = write_run(
            root,
            definition,
            number,
            (batch.cast(schema) for batch in batches),
            row_group_rows=settings.row_group_rows,
            compression=settings.compression,
            progress=progress,
        )
        before, after = (_contents(connection, root, definition, part) for part in (files, merged))
    if before != after:
        message = (
            f"merging {len(files)} files of {definition.view}@v{number} gave other rows ({after[0]} with digest "
            f"{after[1]:x} instead of {before[0]} with {before[1]:x}), so nothing was changed. Check the disk; if "
            "it is sound, report this: the files are in the store's folder."
        )
        raise CorruptError(message)
    return _spanning(runs, merged)


def _sorted(root: Path, definition: Definition, files: Sequence[DataFile]) -> str:
    columns = [(identifier(name), to_duckdb(type_)) for name, type_ in output_columns(definition)]
    order = [identifier(key) for key, _ in definition.keys]
    order += [identifier(name) for name in (definition.event_time,) if name is not None]
    order += [f"{identifier(name)} NULLS FIRST" for name in (definition.created_time,) if name is not None]
    names = ", ".join(name for name, _ in columns)
    values = ", ".join(f"CAST({name} AS {type_}) AS {name}" for name, type_ in columns)
    return f'SELECT {values} FROM ({positioned_rows(root, files, names)}) ORDER BY {", ".join(order)}, "__position"'


def _contents(
    connection: duckdb.DuckDBPyConnection, root: Path, definition: Definition, files: Sequence[DataFile]
) -> tuple[int, int]:
    """Return the number of rows of files, and the sum of their hashes: the same in whatever order, and with nulls."""
    if not files:
        return 0, 0
    paths = literals(str(root / file.path) for file in files)
    columns = ", ".join(identifier(name) for name, _ in output_columns(definition))
    query = f"SELECT count(*), coalesce(sum(CAST(hash({columns}) AS HUGEINT)), 0) FROM read_parquet({paths})"
    rows, digest = connection.execute(query).fetchone() or (0, 0)
    return int(rows), int(digest)


def _spanning(runs: Sequence[Run], files: tuple[DataFile, ...]) -> Run:
    """Return the run of the merged files: its window spans those of all."""
    starts = [run.start for run in runs if run.start is not None]
    furthest = max(runs, key=lambda run: math.inf if run.end is None else run.end)
    dropped: Counter[str] = Counter()
    for run in runs:
        dropped.update(dict(run.dropped))
    last = max((file.last for file in files if file.last is not None), default=None)
    newest = [run.newest for run in runs if any(file.last == last for file in run.files)]
    return Run(
        min(starts) if len(starts) == len(runs) else None,
        furthest.end,
        furthest.sources,
        files,
        tuple(sorted(dropped.items())),
        newest[0] if len(newest) == 1 else None,
    )
