"""Register: a model version, tied to the frame it was trained on, the code, and the columns it reads, in order."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from featurestore.catalog import frames, models
from featurestore.errors import RequestError, nearest
from featurestore.model.names import check_deployable_name
from featurestore.model.pins import PinSet
from featurestore.model.reference import ModelReference, parse_model_reference
from featurestore.model.version import CodeState
from featurestore.offline.frame import frame_id
from featurestore.operations.code import code_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from featurestore.operations.context import Context

__all__ = ["as_model", "model_lock", "register_model"]


def register_model(
    context: Context,
    name: str,
    *,
    version: str | int,
    frame: object,
    inputs: Sequence[str] | None = None,
    owner: str | None = None,
    uri: str | None = None,
    git_sha: str | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> models.ModelVersion:
    """Record a model version; it never changes afterwards.

    Parameters
    ----------
    frame
        The training frame, its record, its pins, the path of its lock, or its id.
    inputs
        The columns that the model reads, in order: features of the frame, and columns of the spine that the caller
        will bring himself. None takes all the frame's features.

    Raises
    ------
    RequestError
        If an input is no column of the frame, or a metric is not a plain value.
    ConflictError
        If the version is registered already.
    """
    check_deployable_name(name, "model")
    reference = parse_model_reference(f"{name}@{version}")
    with context.catalog.read() as connection:
        record = frames.find(connection, _identity(frame))
    lock = model_lock(record.pins, inputs)
    code = code_state() if git_sha is None else CodeState(git_sha, None)
    with context.catalog.write() as tx:
        return models.insert(
            tx,
            models.ModelVersion(
                reference.model,
                reference.version,
                record.id,
                lock,
                owner or tx.actor,
                None if uri is None else str(uri),
                _metrics(metrics or {}),
                tx.actor,
                code,
                datetime.now(UTC),
            ),
        )


def _identity(frame: object) -> object:
    if isinstance(frame, PinSet):
        return frame_id(frame)
    if isinstance(frame, (str, os.PathLike)) and os.fspath(frame).endswith(".lock"):
        return frame_id(PinSet.load(frame))
    return frame


def _metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics as JSON keeps them: NumPy's numbers become Python's."""
    try:
        plain = {str(name): value.item() if hasattr(value, "item") else value for name, value in metrics.items()}
        json.dumps(plain)
    except (AttributeError, TypeError, ValueError) as error:
        raise RequestError(
            f"the metrics cannot be kept ({error}): give a mapping of names to numbers, text, or lists of them."
        ) from None
    return plain


def model_lock(pins: PinSet, inputs: Sequence[str] | None) -> PinSet:
    """Return the lock of a model that reads `inputs` of a frame: only what it reads, in its order."""
    features = dict(pins.columns)
    spine = {} if pins.spine is None else dict(pins.spine.columns)
    names = list(features) if inputs is None else [inputs] if isinstance(inputs, str) else list(inputs)
    for name in names:
        if name not in features and name not in spine:
            raise RequestError(f"the frame has no column {name!r}.{nearest(str(name), [*features, *spine])}")
        if names.count(name) > 1:
            raise RequestError(f"the input {name!r} is named twice: the model reads each column once.")
    columns = tuple((name, features[name]) for name in names if name in features)
    if not columns:
        raise RequestError("none of the inputs is a feature of the frame: name those that the model reads.")
    read = {(reference.view, reference.version) for _, reference in columns}
    return replace(
        pins,
        columns=columns,
        pins=tuple(pin for pin in pins.pins if (pin.view, pin.version) in read),
        spine=None,
        inputs=tuple(names),
        request=tuple((name, spine[name]) for name in names if name not in features),
    )


def as_model(value: object) -> ModelReference:
    """Read a model version from text or from what `register_model` returned."""
    text = value if isinstance(value, str) else getattr(value, "reference", None)
    if not isinstance(text, str):
        raise RequestError(f"{value!r} is not a model version: write 'delay@1' or give what `register_model` returned.")
    return parse_model_reference(text)
