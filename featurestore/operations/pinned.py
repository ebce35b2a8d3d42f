"""Pinned versions: what a training frame may be asked for by."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from featurestore.catalog import feature_sets, frames, models
from featurestore.errors import NotFoundError, RequestError
from featurestore.model.feature_set import FeatureSetVersion
from featurestore.model.names import fold
from featurestore.model.pins import PinSet
from featurestore.model.reference import Reference, parse_reference
from featurestore.model.snapshot import Snapshot
from featurestore.model.version import FeatureVersion
from featurestore.offline.frame import TrainingFrame
from featurestore.operations.feature_sets import one_set
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
        return _of_text(connection, os.fspath(value))
    return None


def _of_text(connection: Connection, text: str) -> PinSet | None:
    """Return the pins of a lock's path or of a model version; None if the text is a reference or a feature set."""
    if text.endswith(".lock"):
        return PinSet.load(text)
    if "@" not in text or ":" in text:
        return None
    try:
        model = models.find(connection, text)
    except NotFoundError:
        if _is_reference(text):
            return None
        raise
    if _is_set(connection, text):
        raise RequestError(
            f"{text!r} is a model version and a feature set: give the one you mean, store.lock({text!r}) or "
            f"store.feature_set({text!r})."
        )
    return _of_model(connection, model)


def _is_reference(text: str) -> bool:
    return "@v" in text or len(text.partition("@")[2]) >= 8  # noqa: PLR2004 - a fingerprint's shortest form


def _of_model(connection: Connection, model: models.ModelVersion) -> PinSet:
    """Return the pins of the frame that a model was trained on, whole: with the columns it does not read."""
    return frames.find(connection, model.frame).pins


def references_of(connection: Connection, value: object, *, require_pins: bool) -> list[object]:
    """Return the references that a list, a feature set or a mapping of view to version holds.

    Raises
    ------
    RequestError
        If the value is none of what pins versions, or a feature set without a version where pins are required.
    """
    if _is_set(connection, value):
        return list(one_set(connection, value, require_pins=require_pins).features)
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


def _is_set(connection: Connection, value: object) -> bool:
    """Return whether a value is a feature set, or the text that names one: no view has its name."""
    if isinstance(value, FeatureSetVersion):
        return True
    name = fold(value.partition("@")[0].strip()) if isinstance(value, str) else None
    return name in {fold(known) for known in feature_sets.names(connection)}


def _of_mapping(view: object, version: object) -> Reference:
    """Return the reference to all features of a view's version: a number, text, or what `apply` returned."""
    if isinstance(version, (str, int)):
        return parse_reference(f"{view}@{f'v{version}' if isinstance(version, int) else version.removeprefix('@')}")
    reference = as_reference(version)
    if fold(reference.view) != fold(str(view)):
        raise RequestError(f"{str(reference)!r} is no version of {view!r}: pin each view to a version of its own.")
    return reference
