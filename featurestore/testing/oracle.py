"""The oracle: the rules of the point-in-time join and of the online lookup, row by row in plain Python.

It is slow and says each rule once, in the order in which the rules apply. Every engine is held against it: where the
two differ, the engine is wrong or the rule is changed here first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from featurestore.model.definition import Definition
from featurestore.model.status import Status
from featurestore.model.times import parse_time
from featurestore.offline.values import default_from_json

__all__ = ["OracleResult", "OracleView", "oracle_join", "oracle_lookup", "pick"]

Row = Mapping[str, Any]

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OracleView:
    """One feature version joined on one set of spine columns.

    Attributes
    ----------
    definition
        Of the version.
    rows
        Its rows as dicts of Python values, times aware, in the order of materialization.
    on
        `(entity key, spine column)` for all keys.
    columns
        `(feature, output column)`.
    """

    definition: Definition
    rows: Sequence[Row]
    on: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OracleResult:
    """For each spine row, in order, the value and the status of each output column; for each view its look-ahead."""

    values: tuple[dict[str, Any], ...]
    statuses: tuple[dict[str, Status], ...]
    look_ahead: tuple[int | None, ...]


def pick(
    definition: Definition,
    rows: Sequence[Row],
    key: Sequence[Any],
    at: datetime | None,
    *,
    known_by: datetime | None = None,
) -> tuple[Status, Row | None]:
    """Return the one row of a version that a key sees at a time: PRESENT with it, NOT_FOUND, or EXPIRED.

    Parameters
    ----------
    key
        Values of the entity's keys, in order.
    at
        The time asked for; None only where time does not matter.
    known_by
        See only rows created by then.
    """
    event_time, created_time = definition.event_time, definition.created_time

    # A null key matches nothing, not even a null key.
    if any(part is None for part in key):
        return Status.NOT_FOUND, None
    candidates = [row for row in rows if [row[name] for name, _ in definition.keys] == list(key)]

    # Only rows with event_time <= at. A dimension holds always.
    if event_time is not None:
        candidates = [row for row in candidates if row[event_time] is not None and row[event_time] <= at]

    # as_of: only rows known by then; of a row whose created time is null nobody knows.
    if known_by is not None and created_time is not None:
        candidates = [row for row in candidates if row[created_time] is not None and row[created_time] <= known_by]
    if not candidates:
        return Status.NOT_FOUND, None

    # The newest event time; ties: the latest created time, null loses; then the row materialized last.
    best = candidates[0]
    for row in candidates[1:]:
        if _rank(definition, row) >= _rank(definition, best):
            best = row

    # TTL after the match, inclusive: an expired match never gives way to an older row.
    if event_time is not None and definition.ttl is not None and at is not None:
        age = at - best[event_time]
        if age > definition.ttl:
            return Status.EXPIRED, best
    return Status.PRESENT, best


def _rank(definition: Definition, row: Row) -> tuple[datetime, datetime]:
    event = _BEFORE_ALL if definition.event_time is None else row[definition.event_time]
    created = None if definition.created_time is None else row[definition.created_time]
    return event, _BEFORE_ALL if created is None else created


def _value(definition: Definition, feature: str, status: Status, row: Row | None) -> tuple[Any, Status]:
    """Return a feature's value and status: the row wins even if the value is null, defaults fill the rest."""
    if status is Status.PRESENT and row is not None:
        value = row[feature]
        return value, Status.NULL if value is None else Status.PRESENT
    declared = definition.feature(feature)
    return default_from_json(declared.type, declared.default) if declared is not None else None, status


def oracle_join(
    spine: Sequence[Row],
    views: Sequence[OracleView],
    *,
    timestamp: str = "event_timestamp",
    as_of: datetime | str | None = None,
) -> OracleResult:
    """Join offline: one output row for each spine row, in its order, duplicates kept.

    Parameters
    ----------
    spine
        Rows as dicts; times as datetimes, dates or ISO text. The time column may be missing where all views are
        dimensions.
    as_of
        None, a time, or `"spine"`: each spine row's own time.
    """
    values: list[dict[str, Any]] = [{} for _ in spine]
    statuses: list[dict[str, Status]] = [{} for _ in spine]
    look_ahead: list[int | None] = []
    for view in views:
        created_time = view.definition.created_time
        ahead = 0
        for place, spine_row in enumerate(spine):
            at = None if spine_row.get(timestamp) is None else parse_time(spine_row[timestamp])
            # A null event time matches nothing, in a dimension either; a spine without the column is another matter.
            if at is None and timestamp in spine_row:
                status, row = Status.NOT_FOUND, None
            else:
                known_by = at if as_of == "spine" else None if as_of is None else parse_time(as_of)
                key = [spine_row[column] for _, column in view.on]
                status, row = pick(view.definition, view.rows, key, at, known_by=known_by)
            if status is Status.PRESENT and row is not None and created_time is not None and at is not None:
                ahead += row[created_time] is not None and row[created_time] > at
            for feature, output in view.columns:
                values[place][output], statuses[place][output] = _value(view.definition, feature, status, row)
        timed = all(timestamp in row for row in spine)
        look_ahead.append(ahead if created_time is not None and as_of is None and timed else None)
    return OracleResult(tuple(values), tuple(statuses), tuple(look_ahead))


def oracle_lookup(
    definition: Definition, rows: Sequence[Row], key: Sequence[Any], at: datetime
) -> dict[str, tuple[Any, Status]]:
    """Look up online: the newest row not after `at`, its TTL counted from `at`; value and status of each feature."""
    status, row = pick(definition, rows, key, at)
    return {feature.name: _value(definition, feature.name, status, row) for feature in definition.features}
