"""Feature versions: immutable computations, numbered within their view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.model.definition import Definition

__all__ = ["CodeState", "FeatureVersion"]


@dataclass(frozen=True, slots=True)
class CodeState:
    """The git state in which something was made: commit (None outside a repository) and whether it was dirty."""

    commit: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, slots=True)
class FeatureVersion:
    """One version of a feature view: what is computed.

    Attributes
    ----------
    view, number
        `airport_weather`, `2`.
    fingerprint
        64 hex digits; the same in every store.
    definition
        Complete enough to run again.
    author, created_at, code
        Who applied it first, when, from which commit.
    retired, replacement
        Why it must not be used any more, and what to use instead; None while it may be used.
    """

    view: str
    number: int
    fingerprint: str
    definition: Definition
    author: str
    created_at: datetime
    code: CodeState
    retired: str | None = None
    replacement: str | None = None

    @property
    def reference(self) -> str:
        """`view@vN`."""
        return f"{self.view}@v{self.number}"

    def __str__(self) -> str:
        return self.reference
