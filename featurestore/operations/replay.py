"""Replay: what the offline join says of rows that were asked for online, from the same snapshot or from another.

The join is the one that makes training frames. A value is what a frame would hold, TTL and default applied. Its state
is read off the row that the join sees where neither counts: none is NOT_FOUND; one older than the TTL is EXPIRED;
otherwise the value is there or null. No code of the online store takes part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.catalog import generations, snapshots, versions
from featurestore.model.definition import Definition, FeatureDefinition
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.times import from_micros
from featurestore.model.types import Timestamp
from featurestore.offline.join import Join, ViewRead
from featurestore.operations.comparison import Cell, ColumnComparison, Example, judge

if TYPE_CHECKING:
    from featurestore.online.result import AnswerColumn
    from featurestore.operations.context import Context

__all__ = ["AT", "On", "Replay", "Replayed", "compare_column", "key_columns"]

On = tuple[tuple[str, str], ...]
"""`(entity key, request column)`, in key order."""

AT = "the time of the question"
"""The column of a replayed block that holds each row's `at`."""


def key_columns(definition: Definition, chosen: On) -> On:
    """Return the request column of every key: the one chosen by a reference's `on`, else that of the key's name."""
    return tuple((key, dict(chosen).get(key, key)) for key, _ in definition.keys)


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What the join says of a block.

    Attributes
    ----------
    values
        The columns, by feature.
    rows
        For each row its state and its event time; the state is PRESENT where a value may be null too.
    """

    values: Mapping[str, pa.ChunkedArray[Any]]
    rows: Sequence[tuple[Status, datetime | None]]


class Replay:
    """One snapshot of a version, joined with rows that were asked for, each at its own time.

    Parameters
    ----------
    view, version
        What is joined.
    snapshot
        Of which rows.
    on
        How the request's columns are the keys.
    features
        To be joined.
    """

    def __init__(
        self, context: Context, view: str, version: int, *, snapshot: str, on: On, features: Sequence[str]
    ) -> None:
        with context.catalog.read() as connection:
            joined = versions.find(connection, view, version)
            rows = snapshots.find(connection, snapshot)
            self._published = generations.published(connection, view, version)
        definition = joined.definition
        self.pushed = definition.reads_pushes
        """Whether rows may have been pushed over those published."""
        self._features, self._ttl = features, definition.ttl
        shown = FeatureDefinition(*definition.keys[0])
        times = [FeatureDefinition(definition.event_time, Timestamp)] if definition.event_time is not None else []
        read = ViewRead(
            definition,
            context.paths(rows),
            key_columns(definition, on),
            tuple((feature, f"value of {feature}") for feature in features),
            joined.reference,
            rows.id,
            len(rows.runs),
        )
        bare = replace(
            read,
            definition=replace(definition, ttl=None, features=(shown, *times)),
            columns=((shown.name, "its key"), *((item.name, "its time") for item in times)),
        )
        order = [output for _, output in (*read.columns, *bare.columns)]
        self._timed = bool(times)
        self._join = Join((read, bare), timestamp=AT, as_of=None, order=order, settings=context.settings)

    def as_of(self, snapshot: str) -> datetime | None:
        """Return the time for which a snapshot was published last; None if it was not, or has no event times."""
        as_of = self._published.get(snapshot)
        return None if as_of is None else from_micros(as_of)

    def see(self, block: pa.Table) -> Replayed:
        """Join a block of the request's columns and `AT`."""
        table = self._join.run(block).table
        keys = table.column("its key").to_pylist()
        times = table.column("its time").to_pylist() if self._timed else [None] * len(keys)
        values = {feature: table.column(f"value of {feature}") for feature in self._features}
        moments: list[Any] = block.column(AT).to_pylist()
        rows = zip(keys, times, moments, strict=True)
        return Replayed(values, [(self._status(key, time, moment), time) for key, time, moment in rows])

    def _status(self, key: object, time: datetime | None, moment: datetime) -> Status:
        if key is None:
            return Status.NOT_FOUND
        expired = time is not None and self._ttl is not None and moment - time > self._ttl
        return Status.EXPIRED if expired else Status.PRESENT


def compare_column(
    entities: Sequence[Mapping[str, Any]], seen: Replayed, answer: AnswerColumn, replay: Replay
) -> ColumnComparison:
    """Compare a column of an answer with the replay of its rows, cell by cell.

    Parameters
    ----------
    entities
        The request's columns, for the examples.
    """
    offline = seen.values[answer.feature]
    as_of = replay.as_of(answer.snapshot)

    def cells() -> Iterator[Example]:
        values = zip(offline.to_pylist(), answer.values.to_pylist(), answer.statuses.tolist(), strict=True)
        told = [time for _, time in seen.rows] if answer.event_times is None else answer.event_times.to_pylist()
        for entity, (status, time), online_time, (value, online_value, code) in zip(
            entities, seen.rows, told, values, strict=True
        ):
            null = status is Status.PRESENT and value is None
            joined = Cell(value, Status.NULL if null else status, time)
            looked_up = Cell(online_value, STATUS_BY_CODE[code], online_time)
            verdict = judge(joined, looked_up, as_of, pushed=replay.pushed)
            yield Example(verdict, entity, joined, looked_up)

    return ColumnComparison.of(
        cells(),
        name=answer.name,
        sources=((f"{answer.view}@v{answer.version}:{answer.feature}", answer.snapshot),),
        offline_type=str(offline.type),
        online_type=str(answer.values.type),
    )
