"""Quarantine: snapshots that nobody may publish or train on, why, and what ended it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurestore.model.violation import Violation

__all__ = ["Quarantine", "Reason"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was found in a snapshot's rows.

    Attributes
    ----------
    kind
        `"contract"`: a rule is broken; otherwise the kind of the change that was found.
    subject
        What it is about: `source/weather`, `weather.wind_speed`, `airport_weather@v1:temp`.
    text, cure
        What was found, and what to do next.
    detail
        The violation's or the finding's own fields, as JSON values.
    """

    kind: str
    subject: str
    text: str
    cure: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.text} {self.cure}".strip()

    @classmethod
    def of(cls, violation: Violation) -> Reason:
        """Return a broken rule as a reason."""
        kind, _, name = violation.subject.partition("/")
        joint = "." if kind == "source" else ":"
        subject = violation.subject if violation.column is None else f"{name}{joint}{violation.column}"
        detail = {
            "rule": violation.rule,
            "column": violation.column,
            "rows": violation.rows,
            "of": violation.of,
            "examples": list(violation.examples),
        }
        return cls("contract", subject, violation.text, violation.cure, detail)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "text": self.text,
            "cure": self.cure,
            "detail": dict(self.detail),
        }


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A snapshot's stay in quarantine.

    Attributes
    ----------
    reasons
        Why.
    below
        The snapshot that was the table's head then, on which it was built; None if there was none.
    contracts
        Subject to the version of the contract that its rows were held against.
    actor, at
        Who materialized it, and when.
    state
        `"waiting"`; `"approved"`, by a person; `"passed"`: the same rows were let through later, by a contract that
        allows them; `"superseded"`: rows of the same window that pass have taken its place.
    reason, released_by, released_at
        Why it was approved, by whom, when; or who replaced it.
    became
        The snapshot that holds its rows now, or those that have replaced them.
    """

    reasons: tuple[Reason, ...]
    below: str | None
    contracts: Mapping[str, str]
    actor: str
    at: datetime
    state: str = "waiting"
    reason: str = ""
    released_by: str | None = None
    released_at: datetime | None = None
    became: str | None = None

    @property
    def closed(self) -> bool:
        """Whether the snapshot may neither be published nor trained on."""
        return self.state in {"waiting", "superseded"}

    def __str__(self) -> str:
        if self.state == "waiting":
            return f"in quarantine: {self.reasons[0].text}" + (
                f" And {len(self.reasons) - 1} more." if len(self.reasons) > 1 else ""
            )
        return f"{self.state} by {self.released_by}" + (f": {self.reason}" if self.reason else "")
