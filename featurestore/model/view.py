"""Feature views: a named computation from sources to features of an entity, as the user writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from featurestore.errors import DefinitionError, RequestError
from featurestore.model.contract import ON_VIOLATION, Contract, Expect
from featurestore.model.entity import Entity
from featurestore.model.names import check_name, fold
from featurestore.model.source import Source
from featurestore.model.times import parse_duration
from featurestore.model.types import FeatureType

__all__ = ["Feature", "FeatureView"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a feature view.

    Parameters
    ----------
    name
        Name of the output column.
    type
        Declared type; None takes the type that the computation gives.
    description
        For people; no part of the identity.
    default
        What a caller gets when no row is found or the newest one has expired; never in place of a null.
    expect
        What is promised of its values, held at every materialization; no part of the identity.
    reads
        Only for a view with a function: every `source.column` that the feature's value or rows depend on. Needed where
        the function's plan cannot be read (it calls Python code for values, or collects); without it such a feature
        counts as depending on every column. What the plan does show may not be left out. It belongs to the version.
    """

    name: str
    type: FeatureType | None = None
    description: str = field(default="", kw_only=True)
    default: Any = field(default=None, kw_only=True)
    expect: Expect | None = field(default=None, kw_only=True, hash=False)
    reads: Sequence[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name, "feature")
        if self.reads is not None:
            given = () if isinstance(self.reads, str) else tuple(self.reads)
            if not given or not all(isinstance(item, str) for item in given):
                message = f"feature {self.name!r} has reads={self.reads!r}: list columns, as in ['weather.temp']."
                raise DefinitionError(message)
            object.__setattr__(self, "reads", given)
        if not isinstance(self.expect, Expect | None):
            message = f"feature {self.name!r} has expect={self.expect!r}: write fs.Expect(...)."
            raise DefinitionError(message)
        if self.type is not None and not isinstance(self.type, FeatureType):
            message = (
                f"feature {self.name!r} has type {self.type!r}, which is none of ours: write fs.Float64 or another."
            )
            raise DefinitionError(message)


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A named computation: sources to features of an entity, over time.

    Parameters
    ----------
    name
        Name of the view.
    entity
        What its rows are about; the output holds a column for each of its keys.
    source, sources
        One source or several, read in the SQL or the function by their names.
    sql
        A DuckDB query over the sources. With neither `sql` nor `transform` the view is the source's columns.
    transform
        A self-contained function from `{source name: polars.LazyFrame}` to a `polars.LazyFrame`. Its text is stored
        and run from the store, so it may use modules and plain constants of its own file, nothing else from outside.
    event_time
        Output column that says from when a row holds. None makes a dimension: valid always, replaced whole.
    created_time
        Output column that says when a row became known; of rows with one event time the latest created wins.
    ttl
        A row older than this at the time asked for has expired (inclusive: exactly `ttl` old still counts).
    lookback
        How far before a window its computation reads its sources. None reads them wholly.
    features
        The features; None takes every output column that is no key and no time.
    on_violation
        What becomes of rows that break a contract, or in which a blocking change is found: `"block"` keeps them in
        quarantine, `"warn"` records it and goes on, `"off"` does not look. None is what the store's configuration
        says. No part of the identity.
    owner, description, tags
        For people; no part of the identity.
    """

    name: str
    entity: Entity = field(kw_only=True)
    source: Source | None = field(default=None, kw_only=True)
    sources: Sequence[Source] = field(default=(), kw_only=True)
    sql: str | None = field(default=None, kw_only=True)
    transform: Callable[[dict[str, Any]], Any] | None = field(default=None, kw_only=True)
    event_time: str | None = field(default=None, kw_only=True)
    created_time: str | None = field(default=None, kw_only=True)
    ttl: timedelta | None = field(default=None, kw_only=True)
    lookback: timedelta | None = field(default=None, kw_only=True)
    features: Sequence[Feature] | None = field(default=None, kw_only=True)
    on_violation: str | None = field(default=None, kw_only=True)
    owner: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name, "feature view")
        if not isinstance(self.entity, Entity):
            self._fail(f"has the entity {self.entity!r}", "write entity=fs.Entity(...)")
        if self.source is not None and self.sources:
            self._fail("has both source= and sources=", "give one of them")
        several = self.sources if isinstance(self.sources, Iterable) else ()
        sources = tuple(several) if self.source is None else (self.source,)
        if not sources or not all(isinstance(item, Source) for item in sources):
            self._fail("has no source", "write source=fs.ParquetSource(...) or sources=[...]")
        self._check_unique([item.name for item in sources], "sources")
        self._check_computation(len(sources))
        self._check_features()
        self._check_times()
        if self.on_violation is not None and self.on_violation not in ON_VIOLATION:
            self._fail(f"has on_violation={self.on_violation!r}", f"one of {', '.join(ON_VIOLATION)}")
        object.__setattr__(self, "sources", sources)
        object.__setattr__(self, "source", None)
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))

    @property
    def promise(self) -> Contract:
        """What its features promise, as one contract."""
        return Contract({item.name: item.expect for item in self.features or () if item.expect is not None})

    def _check_computation(self, sources: int) -> None:
        if self.sql is not None and self.transform is not None:
            self._fail("has both sql= and transform=", "give one of them")
        if self.sql is not None and not (isinstance(self.sql, str) and self.sql.strip()):
            self._fail(f"has sql={self.sql!r}", "write a query over its sources")
        if self.transform is not None and not callable(self.transform):
            self._fail(f"has transform={self.transform!r}", "give a function of relations")
        if self.sql is None and self.transform is None and sources > 1:
            self._fail("reads several sources without sql= or transform=", "say how they become one table")

    def _check_features(self) -> None:
        if self.features is None:
            return
        features = tuple(self.features) if isinstance(self.features, Iterable) else ()
        if not isinstance(self.features, Iterable) or not all(isinstance(item, Feature) for item in features):
            self._fail(f"has the features {self.features!r}", "write features=[fs.Feature('temp', fs.Float64), ...]")
        if not features:
            self._fail("has an empty list of features", "name at least one, or leave features= away to take all")
        self._check_unique([feature.name for feature in features], "features")
        declaring = next((feature.name for feature in features if feature.reads is not None), None)
        if declaring is not None and self.transform is None:
            self._fail(
                f"declares what {declaring!r} reads",
                "leave reads= away; without a function it is known from the view itself",
            )
        object.__setattr__(self, "features", features)

    def _check_times(self) -> None:
        for attribute in ("event_time", "created_time"):
            column = getattr(self, attribute)
            if column is not None and (not isinstance(column, str) or not column):
                self._fail(f"has {attribute}={column!r}", "name a column of its output")
        for attribute in ("ttl", "lookback"):
            value = getattr(self, attribute)
            if value is None:
                continue
            if self.event_time is None:
                self._fail(
                    f"has {attribute}= but no event_time=",
                    "a dimension is valid always; name its event time column",
                )
            try:
                value = parse_duration(value)
            except RequestError as error:
                self._fail(f"has {attribute}={value!r}", f"{error} A timedelta is fine too")
            if value < timedelta(0):
                self._fail(f"has the negative {attribute} {value}", "give a duration of zero or more")
            object.__setattr__(self, attribute, value)
        reserved = [
            *self.entity.keys,
            *(name for name in (self.event_time, self.created_time) if name is not None),
        ]
        self._check_unique(reserved, "key and time columns")
        for feature in self.features or ():
            if fold(feature.name) in {fold(name) for name in reserved}:
                self._fail(
                    f"lists {feature.name!r} as a feature",
                    "it is a key or a time column already; leave it away",
                )

    def _check_unique(self, names: Sequence[str], what: str) -> None:
        if len({fold(name) for name in names}) < len(names):
            self._fail(f"has two {what} of one name (case does not count): {', '.join(names)}", "rename one")

    def _fail(self, what: str, cure: str) -> None:
        message = f"feature view {self.name!r} {what}: {cure}."
        raise DefinitionError(message)
