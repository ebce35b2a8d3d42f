"""Feature versions: immutable computations, numbered within their view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from featurestore.errors import NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from featurestore.model.definition import Definition
    from featurestore.model.reference import Reference

__all__ = ["CodeState", "FeatureVersion", "numbered", "pick"]


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


class Numbered(Protocol):
    """A version of anything: its number, and the fingerprint of its content."""

    @property
    def number(self) -> int:
        """Counted from 1."""
        ...

    @property
    def fingerprint(self) -> str:
        """64 hex digits."""
        ...


Version = TypeVar("Version", bound=Numbered)


def numbered(versions: Sequence[Version], name: str, number: int) -> Version:
    """Return the one of the `versions` of `name` with that number.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    for version in versions:
        if version.number == number:
            return version
    known = ", ".join(f"@v{version.number}" for version in versions)
    raise NotFoundError(f"{name!r} has no version v{number}. There is: {known}.")


def pick(versions: Sequence[Version], reference: Reference) -> Version | None:
    """Return the one of `versions` that a reference names, or None if it names none.

    Raises
    ------
    NotFoundError
        If none, or by its fingerprint several, fit.
    """
    name = reference.view
    if reference.version is not None:
        return numbered(versions, name, reference.version)
    if reference.fingerprint is None:
        return None
    matches = [version for version in versions if version.fingerprint.startswith(reference.fingerprint)]
    if len(matches) != 1:
        known = ", ".join(f"v{version.number} @{version.fingerprint[:8]}" for version in versions)
        what = "several versions" if matches else "no version"
        raise NotFoundError(f"{name}@{reference.fingerprint} fits {what} of {name!r}. There is: {known}.")
    return matches[0]
