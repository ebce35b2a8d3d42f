"""Requests, answers and descriptions on the wire, and back: the domain itself knows no protobuf."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from featurestore.errors import CorruptError, DefinitionError, RequestError
from featurestore.model.description import Description
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.times import from_micros, to_micros
from featurestore.model.types import KEY_KINDS, FeatureType, Timestamp, parse_type
from featurestore.offline.arrow_types import from_arrow
from featurestore.online.arrays import fixed_values
from featurestore.online.keys import KeyValues
from featurestore.online.lookup import Asked
from featurestore.online.result import AnswerColumn, OnlineFeatures
from featurestore.serving.v1 import serving_pb2 as pb
from featurestore.serving.values import MalformedError, decode_values, encode_values, field, null_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

__all__ = [
    "ReadRequest",
    "decode_answer",
    "decode_description",
    "decode_request",
    "encode_answer",
    "encode_description",
    "encode_request",
]

_COLUMNS = pb.GetFeaturesResponse.COLUMNS_FIELD_NUMBER
_STATUSES = pb.FeatureColumn.STATUSES_FIELD_NUMBER
_VALUES = pb.FeatureColumn.VALUES_FIELD_NUMBER
_EVENT_TIMES = pb.FeatureColumn.EVENT_TIMES_FIELD_NUMBER

_PRESENT = STATUS_BY_CODE.index(Status.PRESENT)
_NOT_FOUND = STATUS_BY_CODE.index(Status.NOT_FOUND)
_EXPIRED = STATUS_BY_CODE.index(Status.EXPIRED)
_FIRST = pb.CELL_STATUS_PRESENT
"""A status's number on the wire is its code in `STATUS_BY_CODE` plus this: zero is kept for "unspecified"."""

_KEY_FIELDS = {
    "strings": "String",
    "int64s": "Int64",
    "int32s": "Int32",
    "binaries": "Bytes",
    "bools": "Bool",
}


class ReadRequest(NamedTuple):
    """What a `GetFeaturesRequest` asks for, in the store's terms."""

    asked: Asked
    entities: Mapping[str, KeyValues]
    at: datetime | None = None
    event_times: bool = False


# -------------------------------------------------------------------------------------------------------- requests


def encode_request(request: ReadRequest) -> pb.GetFeaturesRequest:
    """Return the message of a request."""
    message = pb.GetFeaturesRequest(
        features=request.asked.features or (),
        model=request.asked.model or "",
        endpoint=request.asked.endpoint or "",
        entities=[_encode_key(name, array) for name, array in request.entities.items()],
        lock_digest=request.asked.lock or "",
        include_event_times=request.event_times,
        feature_set=request.asked.feature_set or "",
    )
    if request.at is not None:
        message.at = to_micros(request.at)
    return message


def _encode_key(name: str, array: KeyValues) -> pb.KeyColumn:
    if isinstance(array, np.ndarray | list):
        array = pa.array(array)
    if pa.types.is_null(array.type):
        return pb.KeyColumn(name=name, values=pb.Values(nulls=null_bytes(array)))
    type_ = from_arrow(array.type, where=f"entity column {name!r}")
    return pb.KeyColumn(
        name=name, type=str(type_), values=pb.Values.FromString(encode_values(array, type_, nulls=True))
    )


def decode_request(message: pb.GetFeaturesRequest) -> ReadRequest:
    """Read a request.

    Raises
    ------
    RequestError
        If its columns are malformed, or its time is none that there is.
    """
    entities: dict[str, KeyValues] = {}
    for column in message.entities:
        if column.name in entities:
            text = f"entity column {column.name!r} is given twice: give each key once."
            raise RequestError(text)
        entities[column.name] = _decode_key(column)
    if len(entities) > 1 and len(set(map(len, entities.values()))) > 1:
        lengths = {name: len(array) for name, array in entities.items()}
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        text = (
            f"the entity columns differ in length ({told} rows): give one value for each row, null where there is none."
        )
        raise RequestError(text)
    return ReadRequest(
        Asked(
            tuple(message.features[:]) or None,
            message.model or None,
            message.endpoint or None,
            message.feature_set or None,
            message.lock_digest or None,
        ),
        entities,
        _decode_time(message.at) if message.HasField("at") else None,
        message.include_event_times,
    )


def _decode_time(micros: int) -> datetime:
    try:
        return from_micros(micros)
    except OverflowError:
        text = f"at={micros} is no time between the years 1 and 9999: send microseconds since 1970-01-01 UTC."
        raise RequestError(text) from None


def _decode_key(column: pb.KeyColumn) -> KeyValues:
    try:
        return _key_values(column)
    except (MalformedError, DefinitionError) as error:
        text = f"entity column {column.name!r} is malformed: {error}"
        raise RequestError(text) from error


def _key_values(column: pb.KeyColumn) -> KeyValues:
    values = column.values
    found = [name for name in [field_.name for field_, _ in values.ListFields()] if name in _KEY_FIELDS]
    if len(found) > 1:
        text = f"it sets {' and '.join(found)}: set the one field of its type."
        raise MalformedError(text)
    if found:
        type_ = column.type or _KEY_FIELDS[found[0]]
        if not values.nulls:  # what most requests ask by, without a detour over Arrow
            if type_ == "Int64" and found[0] == "int64s":
                return np.array(values.int64s[:], np.int64)
            if type_ == "String" and found[0] == "strings":
                return values.strings[:]
        return decode_values(values, _key_type(type_), len(getattr(values, found[0])))
    if values.nulls.strip(b"\1"):
        text = "`nulls` tells of values that are not there."
        raise MalformedError(text)
    return pa.nulls(len(values.nulls))  # nothing but nulls, or no rows: of any type


def _key_type(text: str) -> FeatureType:
    type_ = parse_type(text)
    if type_.kind not in KEY_KINDS:
        said = f"its type is {text}, a join key is one of {', '.join(sorted(KEY_KINDS))}."
        raise MalformedError(said)
    return type_


# --------------------------------------------------------------------------------------------------------- answers


def encode_answer(answer: OnlineFeatures, *, event_times: bool = False) -> bytes:
    """Return the serialized `GetFeaturesResponse` of an answer; `writer.encode_rows` does so for one still in rows.

    Parameters
    ----------
    event_times
        Whether to send the event times, where a column has them.
    """
    parts = [field(_COLUMNS, _encode_column(column, event_times=event_times)) for column in answer.answers]
    parts.append(pb.GetFeaturesResponse(rows=len(answer)).SerializeToString())
    return b"".join(parts)


def _encode_column(column: AnswerColumn, *, event_times: bool) -> bytes:
    type_ = from_arrow(column.values.type, where=f"column {column.name!r}")
    head = _column_head(
        column.name,
        column.view,
        column.feature,
        column.version,
        column.snapshot,
        column.activation,
        str(type_),
        has_default=_has_default(column),
    )
    statuses = (column.statuses + np.uint8(_FIRST)).astype(np.uint8, copy=False)
    parts = [head, field(_STATUSES, statuses.tobytes()), field(_VALUES, encode_values(column.values, type_))]
    if event_times and column.event_times is not None:
        parts.append(field(_EVENT_TIMES, fixed_values(column.event_times, Timestamp).tobytes()))
    return b"".join(parts)


@lru_cache(maxsize=8192)
def _column_head(  # noqa: PLR0917 - the cache's key
    name: str,
    view: str,
    feature: str,
    version: int,
    snapshot: str,
    activation: int | None,
    type_: str,
    *,
    has_default: bool,
) -> bytes:
    """Return the serialized part of a column that is the same in each answer."""
    return pb.FeatureColumn(
        name=name,
        view=view,
        feature=feature,
        version=version,
        snapshot=snapshot,
        activation=activation,
        type=type_,
        has_default=has_default,
    ).SerializeToString()


def _has_default(column: AnswerColumn) -> bool:
    """Tell whether missing cells hold a default, and that values and statuses agree: a null has no form on the wire."""
    if not column.values.null_count and (column.statuses == _PRESENT).all():
        return False
    missing = _missing(column.statuses)
    valid = column.values.is_valid().to_numpy(zero_copy_only=False)
    default = bool(valid[missing].any())
    if not np.array_equal(valid, (column.statuses == _PRESENT) | (missing & default)):
        text = f"column {column.name!r} holds values that contradict its statuses"
        raise ValueError(text)
    return default


def _missing(statuses: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.equal(statuses, _NOT_FOUND) | np.equal(statuses, _EXPIRED)


def decode_answer(message: pb.GetFeaturesResponse) -> OnlineFeatures:
    """Read an answer.

    Raises
    ------
    CorruptError
        If it does not follow the rules of the wire.
    """
    try:
        return OnlineFeatures([_decode_column(column, message.rows) for column in message.columns])
    except (MalformedError, DefinitionError) as error:
        text = f"the server's answer is malformed: {error} It may be newer than this client: update featurestore."
        raise CorruptError(text) from error


def _decode_column(column: pb.FeatureColumn, rows: int) -> AnswerColumn:
    statuses = np.frombuffer(column.statuses, np.uint8) - np.uint8(_FIRST)
    if len(statuses) != rows or (statuses >= len(STATUS_BY_CODE)).any():
        text = f"the statuses of column {column.name!r} are not one known state for each row."
        raise MalformedError(text)
    null = statuses != _PRESENT
    if column.has_default:
        null &= ~_missing(statuses)
    return AnswerColumn(
        name=column.name,
        version=column.version,
        view=column.view,
        feature=column.feature,
        snapshot=column.snapshot,
        activation=column.activation if column.HasField("activation") else None,
        values=decode_values(column.values, parse_type(column.type), rows, null=null),
        statuses=statuses,
        event_times=_decode_times(column, statuses == _NOT_FOUND),
    )


def _decode_times(column: pb.FeatureColumn, null: NDArray[np.bool_]) -> pa.Array[Any] | None:
    if not column.event_times:
        return None
    times = pb.Values(int64s=column.event_times)
    return decode_values(times, Timestamp, len(null), null=null)


# ---------------------------------------------------------------------------------------------------- descriptions


def encode_description(description: Description) -> pb.DescribeResponse:
    """Return the message of a description."""
    return pb.DescribeResponse(
        keys=_encode_types(description.keys),
        request=_encode_types(description.request),
        inputs=description.inputs,
        columns=[
            pb.ColumnDescription(name=name, reference=reference, type=type_)
            for name, reference, type_ in description.columns
        ],
        lock_digest=description.lock_digest or "",
        model=description.model or "",
        endpoint=description.endpoint or "",
        feature_set=description.feature_set or "",
    )


def _encode_types(pairs: Sequence[tuple[str, str]]) -> list[pb.NamedType]:
    return [pb.NamedType(name=name, type=type_) for name, type_ in pairs]


def decode_description(message: pb.DescribeResponse) -> Description:
    """Read a description."""
    return Description(
        keys=tuple((pair.name, pair.type) for pair in message.keys),
        request=tuple((pair.name, pair.type) for pair in message.request),
        inputs=tuple(message.inputs),
        columns=tuple((column.name, column.reference, column.type) for column in message.columns),
        lock_digest=message.lock_digest or None,
        model=message.model or None,
        endpoint=message.endpoint or None,
        feature_set=message.feature_set or None,
    )
