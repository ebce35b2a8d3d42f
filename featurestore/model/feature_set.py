"""Feature sets: a name for a list of references, as the user writes it, and its versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from featurestore.errors import DefinitionError
from featurestore.model.definition import Metadata, digest
from featurestore.model.names import check_name
from featurestore.model.reference import Reference, parse_reference
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["FeatureSet", "FeatureSetVersion", "fingerprint_of"]


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """A name for a list of references, which one request then asks for together.

    Parameters
    ----------
    name
        Name of the set. Sets and feature views share their names: no two carry one.
    features
        References in the order of the answer's columns, each pinned (`view@v2:feature`) or through the default pointer
        (`view:feature`); text, or what `apply` returned.
    owner, description, tags
        For people; no part of the identity.
    """

    name: str
    features: Sequence[object] = field(kw_only=True)
    owner: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name, "feature set")
        if isinstance(self.features, str) or not isinstance(self.features, Iterable):
            self._fail(f"has the features {self.features!r}", "write features=['view@v1:feature', ...]")
        references = tuple(self._reference(value) for value in self.features)
        if not references:
            self._fail("has no features", "name at least one, for example features=['view@v1:feature']")
        object.__setattr__(self, "features", references)
        object.__setattr__(self, "owner", self.owner or "")
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references, parsed."""
        return tuple(self.features)  # type: ignore[arg-type]  # what __post_init__ made of them

    @property
    def metadata(self) -> Metadata:
        """What is said about the set without changing what it names."""
        return Metadata(self.owner, self.description, dict(self.tags))

    def _reference(self, value: object) -> Reference:
        if isinstance(value, Reference):
            return value
        try:
            return parse_reference(value if isinstance(value, str) else str(getattr(value, "reference", value)))
        except DefinitionError as error:
            raise DefinitionError(f"feature set {self.name!r}: {error}") from None

    def _fail(self, what: str, cure: str) -> None:
        raise DefinitionError(f"feature set {self.name!r} {what}: {cure}.")


@dataclass(frozen=True, slots=True)
class FeatureSetVersion:
    """One version of a feature set: which references, in which order. It never changes.

    Attributes
    ----------
    name, number
        `fraud`, `2`.
    fingerprint
        64 hex digits over the references in order, with their ` on ` and ` as `.
    features
        The references.
    author, created_at, code
        Who applied it first, when, from which commit.
    """

    name: str
    number: int
    fingerprint: str
    features: tuple[Reference, ...]
    author: str
    created_at: datetime
    code: CodeState

    @property
    def reference(self) -> str:
        """`name@vN`."""
        return f"{self.name}@v{self.number}"

    def __str__(self) -> str:
        return self.reference


def fingerprint_of(references: Sequence[Reference]) -> str:
    """Return the fingerprint of a set of these references."""
    return digest([str(reference) for reference in references])
