"""Profiles of the tables, as materialization would make them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from benchmarks.quality import data
from featurestore.model.times import to_micros
from featurestore.offline.arrow_types import from_arrow, to_arrow
from featurestore.quality.profile import profile_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from featurestore.model.profile import Profile

__all__ = ["TABLES", "Table", "profile"]


@dataclass(frozen=True, slots=True)
class Table:
    """One table as a feature version's: its keys and times."""

    name: str
    load: Callable[[], pl.DataFrame]
    keys: tuple[str, ...]
    event_time: str | None = None
    created_time: str | None = None


TABLES = {
    table.name: table
    for table in (
        Table("flights", data.flights, ("origin", "carrier", "flight"), "time_hour", "departed"),
        Table("weather", data.weather, ("origin",), "time_hour"),
        Table("planes", data.planes, ("tailnum",)),
    )
}


def profile(table: Table, frame: pl.DataFrame, *, at: datetime | None = None) -> Profile:
    """Return the profile of a frame of the table, as it would be if it were read at `at` (naive UTC)."""
    arrow = frame.to_arrow()
    columns = [(field.name, from_arrow(field.type, where=field.name)) for field in arrow.schema]
    arrow = arrow.cast(pa.schema([pa.field(name, to_arrow(type_)) for name, type_ in columns]))
    made = profile_table(
        arrow, columns, kind="snapshot", name=f"{table.name}@v1", keys=table.keys, event_time=table.event_time,
        created_time=table.created_time,
    )  # fmt: skip
    if at is None and table.event_time is not None and frame.height:
        at = frame[table.event_time].max()  # type: ignore[assignment]  # a time column's greatest
    return made if at is None else replace(made, at=to_micros(at.replace(tzinfo=UTC)))
