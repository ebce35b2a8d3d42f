"""Pinned versions: what a training frame may be asked for by."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from featurestore.catalog import frames, models
from featurestore.errors import NotFoundError, RequestError
from featurestore.model.names import fold
from featurestore.model.pins import PinSet
from featurestore.model.reference import Reference, parse_reference
from featurestore.model.snapshot import Snapshot
from featurestore.model.version import FeatureVersion
from featurestore.offline.frame import TrainingFrame
from featurestore.operations.resolve import as_reference

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["pins_of", "references_of"]


def pins_of(connection: Connection, value: object) -> PinSet | None:
    """Return the pins that a value stands for; None if it is a list or mapping of references."""
    if isinstance(value, TrainingFrame):
        return value.pins
    if isinstance(value, PinSet):
        return value
    if isinstance(value, models.ModelVersion):
        return _of_model(connection, value)
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if text.endswith(".lock"):
            return PinSet.load(text)
        if "@" in text and ":" not in text:
            try:
                return _of_model(connection, models.find(connection, text))
            except NotFoundError:
                if not _is_reference(text):
                    raise
    return None


def _is_reference(text: str) -> bool:
    return "@v" in text or len(text.partition("@")[2]) >= 8  # noqa: PLR2004 - a fingerprint's shortest form


def _of_model(connection: Connection, model: models.ModelVersion) -> PinSet:
    """Return the pins of the frame that a model was trained on, whole: with the columns it does not read."""
    return frames.find(connection, model.frame).pins


def references_of(value: object) -> list[object]:
    """Return the references that a list or a mapping of view to version holds.

    Raises
    ------
    RequestError
        If the value is none of what pins versions.
    """
    if isinstance(value, Mapping):
        return [_of_mapping(view, version) for view, version in value.items()]
    if isinstance(value, (str, Reference, FeatureVersion, Snapshot)):
        return [value]
    if isinstance(value, Iterable):
        return list(value)
    raise RequestError(
        f"{value!r} pins nothing: give references, a mapping of view to version, a PinSet, a model version "
        "or the path of a lock."
    )


def _of_mapping(view: object, version: object) -> Reference:
    """Return the reference to all features of a view's version: a number, text, or what `apply` returned."""
    if isinstance(version, (str, int)):
        return parse_reference(f"{view}@{f'v{version}' if isinstance(version, int) else version.removeprefix('@')}")
    reference = as_reference(version)
    if fold(reference.view) != fold(str(view)):
        raise RequestError(f"{str(reference)!r} is no version of {view!r}: pin each view to a version of its own.")
    return reference
