"""Hypothesis strategies: feature versions, their rows, and spines, small enough that everything hard happens often.

Keys and times come from few values, so that keys repeat, times tie, TTLs are met to the microsecond, and corrections
arrive late or with no created time. Values are of every type, with the edges that lose bits elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as Number
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from featurestore.model.definition import Computation, Definition, FeatureDefinition, SourceDefinition
from featurestore.model.types import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Embedding,
    FeatureType,
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    String,
    Timestamp,
)
from featurestore.offline.values import default_to_json

__all__ = ["START", "definitions", "feature_types", "key_values", "moments", "rows", "spine_rows", "values"]

START = datetime(2013, 3, 10, tzinfo=UTC)
"""Where generated times begin: New York leaves winter time on this day."""

_HOURS = 8
_ZONES = (UTC, timezone(timedelta(hours=5, minutes=45)), ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin"))

_KEYS: Mapping[FeatureType, Sequence[Any]] = {
    Int32: (-(2**31), -1, 0, 7),
    Int64: (2**53, 2**53 + 1, -(2**63), 0, 5),
    String: ("", "JFK", "jfk", "Zürich", "\U0001f6eb", "z"),
    Bytes: (b"", b"\x00", b"\xff\x00", b"JFK"),
    Bool: (False, True),
    Date: (date(2013, 3, 10), date(1969, 12, 31), date(1, 1, 1)),
}


def feature_types() -> st.SearchStrategy[FeatureType]:
    """Return types that a feature may have."""
    scalars = [Int32, Int64, Float32, Float64, Bool, String, Bytes, Date, Timestamp]
    exact = [Decimal(10, 2), Decimal(38, 9), List(Int64), List(String), List(List(Float64)), Embedding(3)]
    return st.sampled_from([*scalars, *exact])


@cache
def moments() -> st.SearchStrategy[datetime]:
    """Return aware times on a coarse grid, and just before and after its points."""
    hours = st.sampled_from(range(_HOURS))
    nudges = st.sampled_from([0, 0, 0, 0, -1, 1])
    return st.builds(lambda hour, nudge: START + timedelta(hours=hour, microseconds=nudge), hours, nudges)


@cache
def values(type_: FeatureType) -> st.SearchStrategy[Any]:
    """Return values of a type as Arrow gives them to Python, without null."""
    simple: dict[str, st.SearchStrategy[Any]] = {
        "Int32": st.integers(-(2**31), 2**31 - 1),
        "Int64": st.sampled_from([2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]) | st.integers(-9, 9),
        "Float32": st.floats(width=32, allow_nan=False),
        "Float64": st.floats(allow_nan=False),
        "Bool": st.booleans(),
        "String": st.text(st.characters(codec="utf-8"), max_size=4),
        "Bytes": st.binary(max_size=4),
        "Date": st.dates(),
        "Timestamp": moments(),
    }
    if type_.kind == "Decimal":
        precision, scale = type_.parameters
        top = 10**precision - 1
        return st.integers(-top, top).map(lambda digits: Number((int(digits < 0), _digits(digits), -scale)))
    if type_.kind == "Embedding":
        length = type_.parameters[0]
        return st.lists(st.floats(width=32, allow_nan=False), min_size=length, max_size=length)
    if type_.item is not None:
        return st.lists(st.none() | values(type_.item), max_size=2)
    return simple[type_.kind]


def _digits(number: int) -> tuple[int, ...]:
    return tuple(map(int, str(abs(number))))


def key_values(type_: FeatureType, *, few: int = 2) -> st.SearchStrategy[Any]:
    """Return values of a key, without null: the first `few` of a handful that engines have been seen to confuse."""
    return st.sampled_from(_KEYS[type_][:few])


@st.composite
def _mostly(draw: st.DrawFn, some: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401 - whatever `some` gives, or None
    """Return a value, one time in eight null: left to itself, hypothesis takes null every other time."""
    return None if draw(st.sampled_from(range(8))) == 7 else draw(some)


@st.composite
def definitions(
    draw: st.DrawFn,
    *,
    view: str = "view",
    keys: Sequence[FeatureType] | None = None,
    created: bool | None = None,
    dimensions: bool = True,
) -> Definition:
    """Return a feature version.

    Parameters
    ----------
    view
        Its name.
    keys
        Types of its keys; None draws one to three.
    created
        Whether it has a created time; None draws.
    dimensions
        Whether it may have no event time.
    """
    if keys is None:
        count = draw(st.sampled_from([1, 1, 1, 2, 3]))
        keys = draw(st.lists(st.sampled_from(list(_KEYS)), min_size=count, max_size=count))
    dimension = dimensions and draw(st.integers(0, 5)) == 0
    has_created = draw(st.booleans()) if created is None else created
    ttls = [
        None,
        timedelta(hours=3),
        None,
        timedelta(hours=1),
        timedelta(hours=3),
        timedelta(0),
        timedelta(microseconds=1),
    ]
    types = draw(st.lists(feature_types(), min_size=1, max_size=3))
    return Definition(
        view=view,
        entity="entity",
        keys=tuple((f"key{place}", type_) for place, type_ in enumerate(keys)),
        sources=(SourceDefinition("source", "arrow", {}, ()),),
        computation=Computation("columns", "", ""),
        event_time=None if dimension else "event_time",
        created_time="created_time" if has_created else None,
        ttl=None if dimension else draw(st.sampled_from(ttls)),
        lookback=None,
        features=tuple(_feature(draw, f"f{place}_y", type_) for place, type_ in enumerate(types)),
    )


def _feature(draw: st.DrawFn, name: str, type_: FeatureType) -> FeatureDefinition:
    default = draw(st.none() | values(type_))
    if isinstance(default, list) and None in default:
        default = None
    return FeatureDefinition(name, type_, default_to_json(type_, default))


@st.composite
def rows(draw: st.DrawFn, definition: Definition, *, max_size: int = 8) -> list[dict[str, Any]]:
    """Return rows of a version in the order of materialization: ties, corrections, late and undated ones among them."""
    columns: dict[str, st.SearchStrategy[Any]] = {key: key_values(type_) for key, type_ in definition.keys}
    if definition.event_time is not None:
        columns[definition.event_time] = moments()
    for feature in definition.features:
        columns[feature.name] = _mostly(values(feature.type))
    least = draw(st.sampled_from([0, max_size // 2, max_size // 2]))
    drawn: list[dict[str, Any]] = draw(st.lists(st.fixed_dictionaries(columns), min_size=least, max_size=max_size))
    if definition.created_time is None:
        return drawn
    lateness = st.sampled_from([*(timedelta(hours=hours) for hours in (0, 1, 0, 3, -1, 0, 5)), None])
    for row in drawn:
        late = draw(lateness)
        since = row[definition.event_time] if definition.event_time is not None else draw(moments())
        row[definition.created_time] = None if late is None else since + late
    return drawn


@st.composite
def spine_rows(
    draw: st.DrawFn,
    keys: Sequence[tuple[str, FeatureType]],
    *,
    timestamp: str = "event_timestamp",
    max_size: int = 8,
    mixed: bool = True,
) -> list[dict[str, Any]]:
    """Return spine rows with null keys, keys that no view holds, null times, and duplicates.

    Parameters
    ----------
    keys
        `(spine column, type)`.
    timestamp
        The time column.
    mixed
        Whether times may be naive, of several zones, or ISO text, as long as they mean the moments drawn.
    """
    columns: dict[str, st.SearchStrategy[Any]] = {name: _spine_key(type_) for name, type_ in keys}
    times = st.builds(_written, moments(), st.sampled_from([None, *_ZONES]), st.booleans()) if mixed else moments()
    columns[timestamp] = _mostly(times)
    columns["label"] = st.none() | st.integers(0, 3)
    least = draw(st.sampled_from([max_size // 2, max_size // 2, 0]))
    drawn: list[dict[str, Any]] = draw(st.lists(st.fixed_dictionaries(columns), min_size=least, max_size=max_size))
    repeats = draw(st.lists(st.sampled_from(drawn), max_size=3)) if drawn else []
    return [*drawn, *(dict(row) for row in repeats)]


def _spine_key(type_: FeatureType) -> st.SearchStrategy[Any]:
    """Return mostly keys that views hold, sometimes others or null."""
    stored, others = list(_KEYS[type_][:2]), list(_KEYS[type_][2:5])
    return st.sampled_from([*stored, *stored, *stored, *stored, *others, None])


def _written(moment: datetime, zone: Any, text: bool) -> datetime | str:  # noqa: ANN401, FBT001 - drawn by position
    """Return a moment as somebody might write it: naive in UTC, aware in some zone, or as text."""
    found = moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)
    return found.isoformat() if text else found
