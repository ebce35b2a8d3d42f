"""Contracts: what is promised of the rows at a boundary, by whoever hands them over.

A contract is no part of any fingerprint: it says what the rows are, not what is computed from them. Its versions are
numbered of their own; `model/contract_change.py` says whether one breaks the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn

from featurestore.errors import DefinitionError, RequestError
from featurestore.model.definition import digest
from featurestore.model.names import fold
from featurestore.model.times import parse_duration
from featurestore.model.types import FeatureType, parse_type

__all__ = ["ON_VIOLATION", "Contract", "Expect", "Freshness", "Volume", "shown"]

ON_VIOLATION = ("block", "warn", "off")
"""What a view does with rows that break a contract: keep them in quarantine, record it, or not look."""

_ORDERED = (int, float, Decimal, date)


@dataclass(frozen=True, slots=True)
class Expect:
    """What is promised of one column.

    Parameters
    ----------
    type
        Its type; None says nothing.
    nullable
        Whether a null may appear.
    absent
        What an absent value looks like: None for null, `""`, `"NA"`, `-1`, or several of them in a tuple. Whatever
        else stands for nothing is then a violation: a null where `""` was agreed, an empty or blank text, `"NA"` or a
        NaN where null was. `()`, the default, says nothing.
    absent_at_most
        Greatest share of the rows, 0 to 1, whose value is absent.
    allowed
        The values there are.
    pattern
        A regular expression (RE2) that the whole text matches.
    at_least, at_most
        Least and greatest value, both included: numbers, dates or times.
    shortest, longest
        Least and greatest number of characters.
    unique
        Whether no value appears twice.
    unit
        What its numbers count, for people and for comparison: `"degF"`, `"m/s"`.
    sensitive
        Show none of its values in a report.
    description
        For people.
    more
        What a standard's file says of the column beside this, as JSON values: kept, and given back on export.
    """

    type: FeatureType | None = None
    nullable: bool = field(default=True, kw_only=True)
    absent: Any = field(default=(), kw_only=True)
    absent_at_most: float | None = field(default=None, kw_only=True)
    allowed: Sequence[Any] | None = field(default=None, kw_only=True)
    pattern: str | None = field(default=None, kw_only=True)
    at_least: Any = field(default=None, kw_only=True)
    at_most: Any = field(default=None, kw_only=True)
    shortest: int | None = field(default=None, kw_only=True)
    longest: int | None = field(default=None, kw_only=True)
    unique: bool = field(default=False, kw_only=True)
    unit: str = field(default="", kw_only=True)
    sensitive: bool = field(default=False, kw_only=True)
    description: str = field(default="", kw_only=True)
    more: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False, hash=False, repr=False)

    def __post_init__(self) -> None:
        if self.type is not None and not isinstance(self.type, FeatureType):
            _fail(f"has type {self.type!r}, which is none of ours", "write fs.Float64 or another")
        for name in ("absent", "allowed"):
            object.__setattr__(self, name, _listed(getattr(self, name), name))
        object.__setattr__(self, "more", MappingProxyType(dict(self.more)))
        for name in ("at_least", "at_most"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, _ORDERED)):
                _fail(f"has {name}={value!r}", "give a number, a date or a time")
            if isinstance(value, datetime):
                object.__setattr__(self, name, _utc(value))
        if self.absent_at_most is not None and not 0 <= self.absent_at_most <= 1:
            _fail(f"has absent_at_most={self.absent_at_most!r}", "give a share of the rows, from 0 to 1")
        if self.pattern is not None and not isinstance(self.pattern, str):
            _fail(f"has pattern={self.pattern!r}", "give a regular expression as text")
        if _reversed(self.at_least, self.at_most) or _reversed(self.shortest, self.longest):
            _fail("has a range that holds nothing", "the least comes first")

    @property
    def rules(self) -> dict[str, Any]:
        """The rules that say something, by name."""
        plain = Expect()
        notes = {"description", "more", "sensitive"}
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in notes and getattr(self, item.name) != getattr(plain, item.name)
        }

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without what says nothing."""
        found = {name: _json(value) for name, value in self.rules.items()}
        notes = {"sensitive": self.sensitive, "description": self.description, "more": dict(self.more)}
        return found | {name: value for name, value in notes.items() if value}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Expect:
        """Read the JSON form."""
        read = {name: _value(item) for name, item in value.items() if name not in {"type", "more"}}
        type_ = value.get("type")
        return cls(None if type_ is None else parse_type(type_), **read, more=value.get("more", {}))


@dataclass(frozen=True, slots=True)
class Freshness:
    """The newest time in `column` is at most `within` before the moment of the check."""

    column: str
    within: timedelta

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", _duration(self.within, "within"))


@dataclass(frozen=True, slots=True)
class Volume:
    """How many rows there are.

    Parameters
    ----------
    at_least, at_most
        Bounds, both included; None is open.
    column, every
        Count for each window of this length of a time column, laid from 1970-01-01 UTC on, between the first row and
        the last: windows without any row count too, the first and the last do not, as they may be cut. Without them
        all rows are counted.
    """

    at_least: int | None = None
    at_most: int | None = None
    column: str | None = field(default=None, kw_only=True)
    every: timedelta | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if (self.column is None) != (self.every is None):
            _fail("has a volume with one of column= and every=", "give both, or neither to count all rows")
        if self.at_least is None and self.at_most is None:
            _fail("has a volume without bounds", "give at_least=, at_most= or both")
        if _reversed(self.at_least, self.at_most):
            _fail(f"has a volume of {self.at_least} to {self.at_most} rows", "the least comes first")
        if self.every is not None:
            object.__setattr__(self, "every", _duration(self.every, "every"))


@dataclass(frozen=True, slots=True)
class Contract:
    """What is promised of a source's rows.

    Parameters
    ----------
    columns
        Column to what is expected of it; a column named here must be there.
    key
        Columns that name one row together: none of them null, no two rows the same.
    freshness, volume
        How new the newest row is, and how many rows there are.
    closed
        Whether columns that are not named here are a violation.
    owner, description
        Who promises, and what is said for people.
    more
        What a standard's file says beside this, as JSON values: kept, and given back on export.
    """

    columns: Mapping[str, Expect] = field(default_factory=dict)
    key: Sequence[str] = field(default=(), kw_only=True)
    freshness: Freshness | None = field(default=None, kw_only=True)
    volume: Volume | None = field(default=None, kw_only=True)
    closed: bool = field(default=False, kw_only=True)
    owner: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    more: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.columns, Mapping):
            _fail(f"has the columns {self.columns!r}", "write {'temp': fs.Expect(fs.Float64), ...}")
        columns = {name: Expect(item) if isinstance(item, FeatureType) else item for name, item in self.columns.items()}
        for name, expected in columns.items():
            if not isinstance(name, str) or not isinstance(expected, Expect):
                _fail(f"expects {expected!r} of column {name!r}", "write fs.Expect(...)")
        key = (self.key,) if isinstance(self.key, str) else tuple(self.key)
        for names, what in ((list(columns), "columns"), (list(key), "key columns")):
            if len({fold(name) for name in names}) < len(names):
                _fail(f"has two {what} of one name (case does not count): {', '.join(names)}", "name each once")
        object.__setattr__(self, "columns", MappingProxyType(columns))
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "more", MappingProxyType(dict(self.more)))

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that a rule is about."""
        times = [item.column for item in (self.freshness, self.volume) if item is not None and item.column is not None]
        return tuple(dict.fromkeys([*self.columns, *self.key, *times]))

    @property
    def fingerprint(self) -> str:
        """Identity of the content: 64 hex digits over all of it."""
        return digest(self.to_json())

    def expects(self, column: str) -> Expect:
        """Return what is expected of a column; of one that is not named, nothing."""
        return self.columns.get(column) or Expect()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without what says nothing."""
        freshness, volume = self.freshness, self.volume
        every = None if volume is None or volume.every is None else volume.every.total_seconds()
        found: dict[str, Any] = {
            "columns": {name: expected.to_json() for name, expected in self.columns.items()},
            "key": list(self.key),
            "freshness": freshness and {"column": freshness.column, "within": freshness.within.total_seconds()},
            "volume": volume
            and {"at_least": volume.at_least, "at_most": volume.at_most, "column": volume.column, "every": every},
            "closed": self.closed,
            "owner": self.owner,
            "description": self.description,
            "more": dict(self.more),
        }
        return {name: value for name, value in found.items() if value}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Contract:
        """Read the JSON form."""
        read = dict(value)
        read["columns"] = {name: Expect.from_json(item) for name, item in value.get("columns", {}).items()}
        if fresh := read.get("freshness"):
            read["freshness"] = Freshness(fresh["column"], timedelta(seconds=fresh["within"]))
        if rows := read.get("volume"):
            every = None if rows["every"] is None else timedelta(seconds=rows["every"])
            read["volume"] = Volume(rows["at_least"], rows["at_most"], column=rows["column"], every=every)
        return cls(**read)


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return ", ".join(shown(item) for item in value) or "nothing"
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, str) else str(value)


def _listed(values: Any, name: str) -> tuple[Any, ...] | None:  # noqa: ANN401 - scalars of any type
    """Return one value, or several, as a tuple of scalars."""
    if values is None:
        return (None,) if name == "absent" else None
    several = values if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else (values,)
    found = tuple(_utc(item) if isinstance(item, datetime) else item for item in several)
    for item in found:
        if not isinstance(item, (str, bool, *_ORDERED)) and item is not None:
            _fail(f"has {name}={values!r}", "give texts, numbers, dates, times or None")
    return found


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _duration(value: timedelta | str, name: str) -> timedelta:
    try:
        found = parse_duration(value)
    except RequestError as error:
        _fail(f"has {name}={value!r}", f"{error} A timedelta is fine too")
    if found <= timedelta(0):
        _fail(f"has {name}={value!r}", "give a duration of more than zero")
    return found


def _reversed(least: Any, most: Any) -> bool:  # noqa: ANN401 - whatever can be ordered
    try:
        return least is not None and most is not None and least > most
    except TypeError:
        _fail(f"has a range from {least!r} to {most!r}", "give both ends one type")


def _json(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, FeatureType):
        return str(value)
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def _value(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        if kind == "decimal":
            return Decimal(text)
        return datetime.fromisoformat(text) if kind == "time" else date.fromisoformat(text)
    return value


def _fail(what: str, cure: str) -> NoReturn:
    raise DefinitionError(f"a contract {what}: {cure}.")
