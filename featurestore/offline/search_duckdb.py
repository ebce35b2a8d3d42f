"""Which stored row each spine row sees, by DuckDB: the general path, for files in any order and of any writer.

One query with the rules of the join. Of rows that tie the best is chosen before DuckDB's ASOF join sees them, since it
would take any. With `as_of="spine"` a row is seen from the later of its two times, and from then on the newest of all
rows seen so far: a running maximum over what ranks rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurestore.errors import CorruptError
from featurestore.model.definition import Definition
from featurestore.model.settings import Settings
from featurestore.offline.arrays import NO_TIME, integers, take, whole
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.connection import connect, identifier, literal, translated
from featurestore.offline.kernel import Match, Needles
from featurestore.offline.search import AsOf

if TYPE_CHECKING:
    from featurestore.offline.arrays import Array

__all__ = ["search_duckdb"]

_RANK = "{'event': event, 'created': created, 'file': file, 'row': row}"


def search_duckdb(
    definition: Definition,
    paths: Sequence[Path],
    keys: Sequence[Array],
    needles: Needles,
    as_of: AsOf,
    *,
    label: str,
    settings: Settings,
) -> Match:
    """Return what each needle sees in files.

    Parameters
    ----------
    paths
        Parquet files in order of writing.
    keys
        The spine's columns that are joined on, in the order of the entity's keys.

    Raises
    ------
    CorruptError
        If a file cannot be read.
    """
    match = Match.none(len(needles.ids))
    if not paths or not len(needles.ids):
        return match
    asked = {f"k{place}": take(column, needles.order) for place, column in enumerate(keys)}
    table = pa.table({**asked, "place": pa.array(np.arange(len(needles.ids))), "wanted": pa.array(needles.times)})
    with (
        TemporaryDirectory(prefix="featurestore-") as folder,
        connect(Path(folder), settings) as connection,
        translated(f"the stored rows of {label}", binding=CorruptError),
    ):
        connection.register("needles", table)
        found = connection.sql(_query(definition, paths, as_of)).to_arrow_table()
    columns: list[Any] = [integers(whole(found.column(name)), null=-1) for name in found.column_names]
    places, event, created, file, row = columns
    match.file[places], match.row[places] = file, row
    match.times[places], match.created[places] = event, created
    return match


def _query(definition: Definition, paths: Sequence[Path], as_of: AsOf) -> str:
    names = [f"k{place}" for place in range(len(definition.keys))]
    stored = " UNION ALL ".join(_stored(definition, path, number) for number, path in enumerate(paths))
    seen = "true" if not as_of.given else f"created <> {NO_TIME}"
    if as_of.moment is not None:
        seen += f" AND created <= {as_of.moment}"
    by = ", ".join(names)
    if as_of.spine:
        best = (
            f"SELECT {by}, since, any_value(best) AS best FROM (SELECT {by}, since, max({_RANK}) OVER "
            f"(PARTITION BY {by} ORDER BY since RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS best "
            f"FROM (SELECT *, greatest(event, created) AS since FROM seen)) GROUP BY {by}, since"
        )
    else:
        best = f"SELECT {by}, event AS since, max({_RANK}) AS best FROM seen GROUP BY {by}, event"
    on = " AND ".join(f"needles.{name} = best.{name}" for name in names)
    return (
        f"WITH seen AS (SELECT * FROM ({stored}) WHERE {seen}), best AS ({best}) "
        "SELECT needles.place, best.best.event, best.best.created, best.best.file, best.best.row "
        f"FROM needles ASOF JOIN best ON {on} AND needles.wanted >= best.since"
    )


def _stored(definition: Definition, path: Path, number: int) -> str:
    """Return a query of one file's keys, times as microseconds, and positions."""
    keys = [
        f"CAST({identifier(key)} AS {to_duckdb(type_)}) AS k{place}"
        for place, (key, type_) in enumerate(definition.keys)
    ]
    event, created = _micros(definition.event_time), _micros(definition.created_time)
    present = [f"{identifier(key)} IS NOT NULL" for key, _ in definition.keys]
    present += [f"{identifier(definition.event_time)} IS NOT NULL"] if definition.event_time is not None else []
    return (
        f"SELECT {', '.join(keys)}, {event} AS event, coalesce({created}, {NO_TIME}) AS created, "
        f"CAST({number} AS BIGINT) AS file, CAST(file_row_number AS BIGINT) AS row "
        f"FROM read_parquet({literal(str(path))}, file_row_number = true) WHERE {' AND '.join(present)}"
    )


def _micros(column: str | None) -> str:
    if column is None:
        return f"CAST({NO_TIME} AS BIGINT)"
    return f"epoch_us(CAST({identifier(column)} AS TIMESTAMP WITH TIME ZONE))"
