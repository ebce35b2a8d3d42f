"""Definitions: a feature view with everything resolved, complete enough to run again, and its identity.

A `Definition` is what a feature version is made of. `fingerprint` covers what can change a value; owner, description
and tags are `Metadata`. Both have one JSON form, used by the catalog and by the fingerprint alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from featurestore.model.types import FeatureType, parse_type

__all__ = [
    "ALGORITHM",
    "Computation",
    "Definition",
    "FeatureDefinition",
    "Metadata",
    "SourceDefinition",
    "digest",
]

ALGORITHM = "fs1"
"""Named in every fingerprint, so that a change of the rules below is never taken for a change of a definition."""

JSON = dict[str, Any]


def digest(value: object) -> str:
    """Return the SHA-256, in hex, of a JSON value's canonical text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SourceDefinition:
    """A source as a version reads it.

    Attributes
    ----------
    name, kind, location
        As written in the source; `location` holds JSON values.
    columns
        `(column, type as the source's engine names it)` of the columns read, sorted by name.
    """

    name: str
    kind: str
    location: Mapping[str, Any]
    columns: tuple[tuple[str, str], ...]

    def to_json(self) -> JSON:
        """Return the JSON form."""
        return {
            "name": self.name,
            "kind": self.kind,
            "location": dict(self.location),
            "columns": [list(pair) for pair in self.columns],
        }

    @classmethod
    def from_json(cls, value: JSON) -> SourceDefinition:
        """Read the JSON form."""
        columns = tuple((name, type_) for name, type_ in value["columns"])
        return cls(value["name"], value["kind"], value["location"], columns)


@dataclass(frozen=True, slots=True)
class Computation:
    """How sources become rows.

    Attributes
    ----------
    kind
        `"sql"`, `"function"` or `"columns"`.
    text
        What runs: the SQL as written, or the function's normalised source; empty for `"columns"`.
    canonical
        What is compared.
    name
        The function's name.
    imports
        Name in the function to module, for a function.
    """

    kind: str
    text: str
    canonical: str
    name: str = ""
    imports: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JSON:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "text": self.text,
            "canonical": self.canonical,
            "name": self.name,
            "imports": dict(self.imports),
        }


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One feature of a version.

    Attributes
    ----------
    name, type
        Output column and its type.
    default
        JSON form of the default (see `offline/values.py`), or None.
    identity
        Canonical text of the feature's own computation: its expression and all it passes through.
    reads
        `(source, column, "DIRECT" | "INDIRECT")`, sorted: what the feature depends on.
    exact
        Whether `reads` is known; False means "every column", because the computation cannot be read.
    basis
        How it is known, `"derived"` or `"declared"`; or why it is not.
    description
        For people.
    """

    name: str
    type: FeatureType
    default: Any = None
    identity: str = ""
    reads: tuple[tuple[str, str, str], ...] = ()
    exact: bool = True
    description: str = ""
    basis: str = "derived"

    def to_json(self) -> JSON:
        """Return the JSON form."""
        return {
            "name": self.name,
            "type": str(self.type),
            "default": self.default,
            "identity": self.identity,
            "reads": [list(use) for use in self.reads],
            "exact": self.exact,
            "description": self.description,
            "basis": self.basis,
        }

    @classmethod
    def from_json(cls, value: JSON) -> FeatureDefinition:
        """Read the JSON form."""
        reads = tuple((source, column, kind) for source, column, kind in value["reads"])
        return cls(**{**value, "type": parse_type(value["type"]), "reads": reads})


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is said about a view without changing what it computes; sets have no `on_violation`."""

    owner: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    on_violation: str | None = None

    def to_json(self) -> JSON:
        """Return the JSON form."""
        return {"owner": self.owner, "description": self.description, "tags": dict(self.tags)}


@dataclass(frozen=True, slots=True)
class Definition:
    """A feature view resolved against its sources.

    Attributes
    ----------
    view, entity
        Names.
    keys
        `(key, type)` in order.
    sources, computation, event_time, created_time, ttl, lookback, features
        As in `FeatureView`, resolved.
    window_source
        `(source, column)` that the event time is, unchanged, so that a window can limit what is read; or None.
    """

    view: str
    entity: str
    keys: tuple[tuple[str, FeatureType], ...]
    sources: tuple[SourceDefinition, ...]
    computation: Computation
    event_time: str | None
    created_time: str | None
    ttl: timedelta | None
    lookback: timedelta | None
    features: tuple[FeatureDefinition, ...]
    window_source: tuple[str, str] | None = None

    @property
    def fingerprint(self) -> str:
        """Identity of the computation: 64 hex digits over all that can change a value."""
        declared = {item.name: [list(use) for use in item.reads] for item in self.features if item.basis == "declared"}
        return digest(
            {
                **self._frame(),
                **({"declared": declared} if declared else {}),
                "sources": [source.to_json() for source in sorted(self.sources, key=lambda source: source.name)],
                "computation": [
                    self.computation.kind,
                    self.computation.canonical,
                    dict(self.computation.imports),
                ],
                "features": [[item.name, str(item.type), item.default] for item in self.features],
            }
        )

    @property
    def reads_pushes(self) -> bool:
        """Whether a source is pushed to."""
        return any(source.kind == "push" for source in self.sources)

    def feature_fingerprint(self, feature: FeatureDefinition) -> str:
        """Return the identity of one feature: equal in two versions only if its values are."""
        # What a function reads is told by the Polars that is installed, or by its author: no ground to call equal.
        told = feature.exact and self.computation.kind != "function"
        read = {(source, column) for source, column, _ in feature.reads}
        return digest(
            {
                **self._frame(),
                "sources": [
                    {
                        **source.to_json(),
                        "columns": [
                            list(pair) for pair in source.columns if not told or (source.name, pair[0]) in read
                        ],
                    }
                    for source in sorted(self.sources, key=lambda source: source.name)
                ],
                "computation": [self.computation.kind, feature.identity, dict(self.computation.imports)],
                "feature": [feature.name, str(feature.type), feature.default],
            }
        )

    def _frame(self) -> JSON:
        return {
            "algorithm": ALGORITHM,
            "keys": [[key, str(type_)] for key, type_ in self.keys],
            "event_time": self.event_time,
            "created_time": self.created_time,
            "ttl": _micros(self.ttl),
            "lookback": _micros(self.lookback),
        }

    def feature(self, name: str) -> FeatureDefinition | None:
        """Return the feature of that name, or None."""
        return next((feature for feature in self.features if feature.name == name), None)

    def to_json(self) -> JSON:
        """Return the JSON form, from which `from_json` makes an equal definition."""
        return {
            **self._frame(),
            "view": self.view,
            "entity": self.entity,
            "sources": [source.to_json() for source in self.sources],
            "computation": self.computation.to_json(),
            "features": [feature.to_json() for feature in self.features],
            "window_source": None if self.window_source is None else list(self.window_source),
        }

    @classmethod
    def from_json(cls, value: JSON) -> Definition:
        """Read the JSON form."""
        window = value["window_source"]
        return cls(
            value["view"],
            value["entity"],
            tuple((key, parse_type(type_)) for key, type_ in value["keys"]),
            tuple(SourceDefinition.from_json(source) for source in value["sources"]),
            Computation(**value["computation"]),
            value["event_time"],
            value["created_time"],
            _duration(value["ttl"]),
            _duration(value["lookback"]),
            tuple(FeatureDefinition.from_json(feature) for feature in value["features"]),
            None if window is None else (window[0], window[1]),
        )


def _micros(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // timedelta(microseconds=1)


def _duration(micros: int | None) -> timedelta | None:
    return None if micros is None else timedelta(microseconds=micros)
