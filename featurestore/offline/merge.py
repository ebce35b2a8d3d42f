"""Merging: several sorted runs become one with the same rows, before their number slows reads down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import CorruptError
from featurestore.model.snapshot import Run
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.compute import output_columns, output_schema
from featurestore.offline.connection import connect, identifier, translated
from featurestore.offline.newest import positioned_rows
from featurestore.offline.runs import write_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from featurestore.model.definition import Definition
    from featurestore.model.settings import Settings

__all__ = ["merge_runs"]


def merge_runs(root: Path, definition: Definition, number: int, runs: Sequence[Run], settings: Settings) -> Run:
    """Return one run with the rows of several, in the stored order of rows that tie.

    It names the source data that the newest of them read; what each read is in the history of changes.

    Raises
    ------
    CorruptError
        If a file cannot be read.
    """
    columns = [(identifier(name), to_duckdb(type_)) for name, type_ in output_columns(definition)]
    order = [identifier(key) for key, _ in definition.keys]
    order += [identifier(name) for name in (definition.event_time,) if name is not None]
    order += [f"{identifier(name)} NULLS FIRST" for name in (definition.created_time,) if name is not None]
    names = ", ".join(name for name, _ in columns)
    values = ", ".join(f"CAST({name} AS {type_}) AS {name}" for name, type_ in columns)
    files = [file for run in runs for file in run.files]
    query = f'SELECT {values} FROM ({positioned_rows(root, files, names)}) ORDER BY {", ".join(order)}, "__position"'
    schema = output_schema(definition)
    with connect(root, settings) as connection, translated(f"the rows of {definition.view!r}", binding=CorruptError):
        rows = connection.sql(query).to_arrow_reader(settings.row_group_rows)
        merged = write_run(
            root,
            definition,
            number,
            (batch.cast(schema) for batch in rows),
            row_group_rows=settings.row_group_rows,
        )
    starts, ends = [run.start for run in runs], [run.end for run in runs]
    return Run(
        None if None in starts else min(start for start in starts if start is not None),
        None if None in ends else max(end for end in ends if end is not None),
        runs[-1].sources,
        merged,
    )
