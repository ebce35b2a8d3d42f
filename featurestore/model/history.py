"""What has happened: activations (pointers), deployments, generations and changes, each a row that is never altered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["CLASSES", "Activation", "Change", "Deployment", "Generation"]

CLASSES = ("definition", "schema", "contract", "data", "activation", "model", "other")
"""What a change can be a change of."""

_CLASS_OF: Mapping[str, str] = MappingProxyType(
    {
        "applied": "definition",
        "retired": "definition",
        "acknowledged": "definition",
        "acknowledgement withdrawn": "definition",
        "schema changed": "schema",
        "contract": "contract",
        "materialized": "data",
        "compacted": "data",
        "published": "data",
        "pushed": "data",
        "data changed": "data",
        "values changed": "data",
        "ran": "data",
        "failed": "data",
        "aborted": "data",
        "erased": "data",
        "collected": "data",
        "removed": "data",
        "activated": "activation",
        "rolled back": "activation",
        "deployed": "activation",
        "undeployed": "activation",
        "trained": "model",
        "registered": "model",
    }
)
"""Kind of change to its class."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A pointer's move: from `seq` on, readers of this scope read `version` of `view` (or of one feature of it).

    Attributes
    ----------
    id
        Its place in the history; answers name it.
    view, feature
        What is pointed at; feature None is the whole view.
    endpoint
        The scope; None is the default one.
    version
        Number of the version.
    action
        `"activate"` or `"rollback"`.
    below
        The activation that a rollback returns to; None is the bottom.
    reason, actor, at
        Why, who, when (UTC).
    """

    id: int
    view: str
    feature: str | None
    endpoint: str | None
    version: int
    action: str
    below: int | None
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model version on an endpoint, from `at` until `until` (None: still)."""

    id: int
    endpoint: str
    model: str
    version: str
    share: float | None
    actor: str
    at: datetime
    until: datetime | None = None

    @property
    def reference(self) -> str:
        """`model@version`."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True)
class Generation:
    """A snapshot's newest rows in the online store.

    Attributes
    ----------
    id
        Its name in the online store: unique, never reused.
    view, version, snapshot
        Whose rows.
    as_of
        Rows up to this event time, microseconds since 1970 UTC, are in it; None for a dimension.
    rows
        Keys in it.
    held
        Published from a named snapshot: `refresh` leaves it until the next `publish`.
    at
        When it became visible.
    """

    id: str
    view: str
    version: int
    snapshot: str
    as_of: int | None
    rows: int
    held: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One state change, in the order in which they were committed.

    Attributes
    ----------
    id
        Sequence number.
    at
        Wall clock, UTC.
    kind
        `applied`, `materialized`, `published`, `activated`, `rolled back`, `registered`, `deployed`, `undeployed`,
        `retired`, `pushed`, `trained`, `data changed`, `schema changed`; `linked`, and of
        other systems `ran`, `failed`, `aborted`, `imported`.
    subject
        The graph node that changed, in its text form.
    actor, reason
        Who and why.
    detail
        Further JSON values, by kind.
    read
        False where the change is to a newer version that the node asked about does not read; None if not asked.
    """

    id: int
    at: datetime
    kind: str
    subject: str
    actor: str
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    read: bool | None = None

    @property
    def category(self) -> str:
        """What it is a change of: one of `CLASSES`."""
        return _CLASS_OF.get(self.kind, "other")
