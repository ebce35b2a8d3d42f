"""References: the one grammar by which features, versions and models are named, and its one parser.

view@v2:feature            one feature of a version
view@1f3a9c42:feature      the same by eight or more hex digits of the version's fingerprint
view:feature               one feature, through a pointer
view@v2, view              all features
... on key=column,...      joined on other columns than the entity's key names
... as name                named `name` (one feature) or `name__feature` (all features)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.errors import CollisionError, DefinitionError
from featurestore.model.names import check_deployable_name, check_name, fold

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ModelReference", "Reference", "column_names", "parse_model_reference", "parse_reference"]

_GRAMMAR = re.compile(
    r"\s*(?P<view>[^\s@:]+)(?:@(?P<version>[^\s:]*))?(?::(?P<feature>\S+))?"
    r"(?:\s+on\s+(?P<on>.+?))?(?:\s+as\s+(?P<name>\S+))?\s*"
)
_NUMBER = re.compile(r"v([1-9][0-9]{0,8})")
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
_HELP = "write view@v2:feature, view:feature or view@v2, each with optional ' on key=column,...' and ' as name'"


@dataclass(frozen=True, slots=True)
class Reference:
    """One parsed reference.

    Attributes
    ----------
    view
        Name of the view.
    version
        Number of the version, if it was named by number.
    fingerprint
        Eight or more hex digits, if the version was named by fingerprint.
    feature
        Name of the feature; None means all features.
    on
        `(entity key, column of the request)` pairs, in the order written.
    name
        What ` as ` said.
    """

    view: str
    version: int | None = None
    fingerprint: str | None = None
    feature: str | None = None
    on: tuple[tuple[str, str], ...] = ()
    name: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the reference names its version."""
        return self.version is not None or self.fingerprint is not None

    def at(self, version: int) -> Reference:
        """Return the same reference pinned to a version's number."""
        return replace(self, version=version, fingerprint=None)

    def __str__(self) -> str:
        text = self.view
        if self.pinned:
            text += f"@{self.fingerprint or f'v{self.version}'}"
        if self.feature is not None:
            text += f":{self.feature}"
        if self.on:
            text += " on " + ",".join(f"{key}={column}" for key, column in self.on)
        if self.name is not None:
            text += f" as {self.name}"
        return text


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model version, `delay@3`."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


def parse_reference(text: str) -> Reference:
    """Read a reference.

    Raises
    ------
    DefinitionError
        If the text does not follow the grammar.
    """
    match = _GRAMMAR.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        message = f"{text!r} is not a reference: {_HELP}."
        raise DefinitionError(message)
    number = fingerprint = None
    version = match["version"]
    if version is not None:
        if found := _NUMBER.fullmatch(version):
            number = int(found[1])
        elif _FINGERPRINT.fullmatch(version):
            fingerprint = version
        else:
            message = (
                f"{version!r} in {text!r} is not a version: write @v2, "
                "or eight or more hex digits of the version's fingerprint."
            )
            raise DefinitionError(message)
    return Reference(
        check_name(match["view"], "view"),
        number,
        fingerprint,
        None if match["feature"] is None else check_name(match["feature"], "feature"),
        () if match["on"] is None else _parse_on(match["on"], text),
        None if match["name"] is None else _check_alias(match["name"]),
    )


def _check_alias(name: str) -> str:
    """Return an ` as ` name: an identifier; `__` is allowed, so that any column of a frame can be asked for."""
    for part in name.split("__"):
        check_name(part, "column (after ' as ')")
    return name


def _parse_on(text: str, whole: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in text.split(","):
        key, equals, column = (piece.strip() for piece in part.partition("="))
        if not (equals and column) or re.search(r"[\s=]", column):
            message = f"{part.strip()!r} in {whole!r} is not key=column: {_HELP}."
            raise DefinitionError(message)
        pairs.append((check_name(key, "join key"), column))
    if len({fold(key) for key, _ in pairs}) < len(pairs):
        message = f"{whole!r} joins one key on two columns: name each key once."
        raise DefinitionError(message)
    return tuple(pairs)


def parse_model_reference(text: str) -> ModelReference:
    """Read `model@version`.

    Raises
    ------
    DefinitionError
        If the text is not a model's name, `@` and a version of letters, digits, `_`, `-` or `.`.
    """
    name, at, version = text.partition("@") if isinstance(text, str) else ("", "", "")
    if not at or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", version):
        message = f"{text!r} is not a model version: write its name, '@' and the version, for example 'delay@3'."
        raise DefinitionError(message)
    return ModelReference(check_deployable_name(name, "model"), version)


def column_names(references: Sequence[Reference], versions: Sequence[int], taken: Sequence[str] = ()) -> list[str]:
    """Name the columns of one request, the same way offline and online.

    Parameters
    ----------
    references
        One per column, each with its `feature` set and ` as ` names already final.
    versions
        The version's number that each reference resolved to.
    taken
        Names that no feature may carry: the spine's own columns.

    Raises
    ------
    CollisionError
        If two columns, or a column and one of `taken`, would carry the same name (ignoring case).
    """
    counts: dict[tuple[str, str | None], int] = {}
    for reference in references:
        if reference.name is None:
            key = (reference.view, reference.feature)
            counts[key] = counts.get(key, 0) + 1
    names = []
    owner = {name.casefold(): "a column of the spine" for name in taken}
    for reference, version in zip(references, versions, strict=True):
        name = reference.name
        if name is None:
            name = f"{reference.view}__{reference.feature}"
            if reference.pinned and counts[reference.view, reference.feature] > 1:
                name += f"__v{version}"
        if other := owner.get(name.casefold()):
            message = f"{str(reference)!r} would give the column {name!r}, which {other} already has: add ' as name'."
            raise CollisionError(message)
        owner[name.casefold()] = repr(str(reference))
        names.append(name)
    return names
