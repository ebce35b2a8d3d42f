"""The values that operators' verbs answer with, as messages of control.proto, and back.

A message has the fields of its value, by the same names (of a tuple: by position), so one rule converts them all: an
absent field is None, a repeated one a tuple, an sfixed64 a time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from featurestore.catalog.graph import Asset
from featurestore.errors import CorruptError
from featurestore.lineage.consumers import Consumers, EndpointUse, FeatureUse, ModelUse, SetUse
from featurestore.lineage.endings import Ending
from featurestore.lineage.history import ActiveAnswer, ActiveVersion
from featurestore.lineage.served import OnlineRows
from featurestore.lineage.status import (
    EndpointStatus,
    MovedPointer,
    Published,
    SetStatus,
    Status,
    VersionStatus,
    ViewStatus,
)
from featurestore.lineage.uses import DefaultUse
from featurestore.model.history import Activation, Generation
from featurestore.model.times import from_micros, to_micros
from featurestore.operations.rollback import Rollback
from featurestore.serving.v1 import control_pb2 as pb

__all__ = ["VALUES", "decode", "encode"]

AnyMessage = TypeVar("AnyMessage", bound=Message)


def _tuple(**fields: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of any fields
    return tuple(fields.values())


def _generation(*, as_of: datetime | None, **fields: Any) -> Generation:  # noqa: ANN401 - as the message has them
    return Generation(as_of=None if as_of is None else to_micros(as_of), **fields)


VALUES: dict[type[Message], Callable[..., Any]] = {
    pb.ListResponse: Status,
    pb.ViewStatus: ViewStatus,
    pb.VersionStatus: VersionStatus,
    pb.Published: Published,
    pb.MovedPointer: MovedPointer,
    pb.ModelStatus: _tuple,
    pb.EndpointStatus: EndpointStatus,
    pb.LiveModel: _tuple,
    pb.SetStatus: SetStatus,
    pb.Activation: Activation,
    pb.ConsumersResponse: Consumers,
    pb.Node: Asset,
    pb.ModelUse: ModelUse,
    pb.FeatureUse: FeatureUse,
    pb.EndpointUse: EndpointUse,
    pb.SetUse: SetUse,
    pb.DefaultUse: DefaultUse,
    pb.OnlineRows: OnlineRows,
    pb.Ending: Ending,
    pb.ActiveAtResponse: ActiveVersion,
    pb.ActiveAnswer: ActiveAnswer,
    pb.Generation: _generation,
    pb.RollbackResponse: Rollback,
    pb.Reader: _tuple,
}
"""Message to what makes its value of the message's fields."""

_BY_NAME = {message.DESCRIPTOR.full_name: make for message, make in VALUES.items()}


def encode(value: object, message: type[AnyMessage]) -> AnyMessage:
    """Return the message of a value."""
    encoded = message()
    _fill(encoded, value)
    return encoded


def _fill(message: Message, value: object) -> None:
    fields: Any = message.DESCRIPTOR.fields
    parts = value if isinstance(value, tuple) else [getattr(value, field.name) for field in fields]
    for field, part in zip(fields, parts, strict=True):
        if part is None:
            continue
        if field.is_repeated:
            target = getattr(message, field.name)
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                for item in part:
                    _fill(target.add(), item)
            else:
                target.extend(part)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            nested = getattr(message, field.name)
            nested.SetInParent()
            _fill(nested, part)
        else:
            setattr(message, field.name, to_micros(part) if isinstance(part, datetime) else part)


def decode(message: Message) -> Any:  # noqa: ANN401 - the value of any message in `VALUES`
    """Return the value of a message.

    Raises
    ------
    CorruptError
        If a time is none that there is.
    """
    fields = {field.name: _decode_field(message, field) for field in message.DESCRIPTOR.fields}
    return _BY_NAME[message.DESCRIPTOR.full_name](**fields)


def _decode_field(message: Message, field: Any) -> Any:  # noqa: ANN401 - a descriptor, of any field
    found = getattr(message, field.name)
    if field.is_repeated:
        return tuple(map(decode, found)) if field.type == FieldDescriptor.TYPE_MESSAGE else tuple(found)
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return decode(found)
    if field.type == FieldDescriptor.TYPE_SFIXED64:
        try:
            return from_micros(found)
        except OverflowError as error:
            text = f"the server's answer holds the time {found}, which is none between the years 1 and 9999."
            raise CorruptError(text) from error
    return found
