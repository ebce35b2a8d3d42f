"""Pushes and their reports on the wire, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.errors import DefinitionError, RequestError
from featurestore.model.pushed import Pushed, PushedVersion, RejectedRow
from featurestore.model.types import FeatureType, parse_type
from featurestore.serving.v1 import push_pb2 as push_pb
from featurestore.serving.v1 import serving_pb2 as pb
from featurestore.serving.values import MalformedError, decode_values, encode_values

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["decode_columns", "decode_report", "encode_push", "encode_report"]

_TYPE_OF_FIELD = {
    "float64s": "Float64",
    "float32s": "Float32",
    "int64s": "Int64",
    "int32s": "Int32",
    "bools": "Bool",
    "strings": "String",
    "binaries": "Bytes",
}
_DECIMAL_BYTES = 16


def encode_push(
    source: str, table: pa.Table, schema: Mapping[str, FeatureType], push_id: str
) -> push_pb.PushFeaturesRequest:
    """Return the message of a push of rows that have exactly the types of the source's columns."""
    columns = []
    for name, type_ in schema.items():
        array: Any = table.column(name).combine_chunks()
        values = pb.Values.FromString(encode_values(array, type_, nulls=True))
        columns.append(push_pb.PushColumn(name=name, type=str(type_), values=values))
    return push_pb.PushFeaturesRequest(source=source, columns=columns, id=push_id)


def decode_columns(message: push_pb.PushFeaturesRequest) -> dict[str, pa.Array[Any]]:
    """Return the columns of a push.

    Raises
    ------
    RequestError
        If one is given twice, or is malformed.
    """
    columns: dict[str, pa.Array[Any]] = {}
    for column in message.columns:
        if column.name in columns:
            text = f"column {column.name!r} is given twice: give each column of the source once."
            raise RequestError(text)
        try:
            columns[column.name] = _decode_column(column)
        except (MalformedError, DefinitionError) as error:
            text = f"column {column.name!r} pushed to source {message.source!r} is malformed: {error}"
            raise RequestError(text) from error
    return columns


def _decode_column(column: push_pb.PushColumn) -> pa.Array[Any]:
    values = column.values
    fields = [field.name for field, _ in values.ListFields() if field.name != "nulls"]
    if not fields:
        return pa.nulls(len(values.nulls))  # nothing but nulls, or no rows: of any type
    if not column.type and (len(fields) > 1 or fields[0] not in _TYPE_OF_FIELD):
        text = f"it sets {' and '.join(fields)} and names no type: name the type of the column."
        raise MalformedError(text)
    type_ = parse_type(column.type or _TYPE_OF_FIELD[fields[0]])
    return decode_values(values, type_, _rows(values, type_))


def _rows(values: pb.Values, type_: FeatureType) -> int:
    """Return how many values the field of a type holds."""
    if type_.item is not None:
        return max(len(values.offsets) - 1, 0)
    if type_.kind == "Embedding":
        return len(values.float32s) // type_.parameters[0]
    if type_.kind == "Decimal":
        return len(values.decimals) // _DECIMAL_BYTES
    return max(len(getattr(values, name)) for name in _TYPE_OF_FIELD)


def encode_report(report: Pushed) -> push_pb.PushFeaturesResponse:
    """Return the message of a report."""
    return push_pb.PushFeaturesResponse(
        source=report.source,
        id=report.id or "",
        rows=report.rows,
        rejected=[push_pb.RejectedRow(row=one.row, field=one.field, reason=one.reason) for one in report.rejected],
        versions=[
            push_pb.PushedVersion(reference=one.reference, rows=one.rows, waits=one.waits) for one in report.versions
        ],
        known=report.repeated,
    )


def decode_report(message: push_pb.PushFeaturesResponse) -> Pushed:
    """Read a report."""
    return Pushed(
        message.source,
        message.rows,
        tuple(RejectedRow(one.row, one.field, one.reason) for one in message.rejected),
        tuple(PushedVersion(one.reference, one.rows, one.waits) for one in message.versions),
        message.id or None,
        message.known,
    )
