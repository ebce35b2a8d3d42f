from featurestore.serving.v1 import serving_pb2 as _serving_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PushFeaturesRequest(_message.Message):
    __slots__ = ("source", "columns", "id")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source: str
    columns: _containers.RepeatedCompositeFieldContainer[PushColumn]
    id: str
    def __init__(self, source: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[PushColumn, _Mapping]]] = ..., id: _Optional[str] = ...) -> None: ...

class PushColumn(_message.Message):
    __slots__ = ("name", "type", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    values: _serving_pb2.Values
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., values: _Optional[_Union[_serving_pb2.Values, _Mapping]] = ...) -> None: ...

class PushFeaturesResponse(_message.Message):
    __slots__ = ("source", "id", "rows", "rejected", "versions", "known")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    source: str
    id: str
    rows: int
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedRow]
    versions: _containers.RepeatedCompositeFieldContainer[PushedVersion]
    known: bool
    def __init__(self, source: _Optional[str] = ..., id: _Optional[str] = ..., rows: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[RejectedRow, _Mapping]]] = ..., versions: _Optional[_Iterable[_Union[PushedVersion, _Mapping]]] = ..., known: _Optional[bool] = ...) -> None: ...

class RejectedRow(_message.Message):
    __slots__ = ("row", "field", "reason")
    ROW_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    row: int
    field: str
    reason: str
    def __init__(self, row: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PushedVersion(_message.Message):
    __slots__ = ("reference", "rows", "waits")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    reference: str
    rows: int
    waits: str
    def __init__(self, reference: _Optional[str] = ..., rows: _Optional[int] = ..., waits: _Optional[str] = ...) -> None: ...

class StreamFeaturesRequest(_message.Message):
    __slots__ = ("push",)
    PUSH_FIELD_NUMBER: _ClassVar[int]
    push: PushFeaturesRequest
    def __init__(self, push: _Optional[_Union[PushFeaturesRequest, _Mapping]] = ...) -> None: ...

class StreamFeaturesResponse(_message.Message):
    __slots__ = ("pushed", "failure")
    PUSHED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    pushed: PushFeaturesResponse
    failure: PushFailure
    def __init__(self, pushed: _Optional[_Union[PushFeaturesResponse, _Mapping]] = ..., failure: _Optional[_Union[PushFailure, _Mapping]] = ...) -> None: ...

class PushFailure(_message.Message):
    __slots__ = ("id", "error", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    error: str
    message: str
    def __init__(self, id: _Optional[str] = ..., error: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class DescribeSourceRequest(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: str
    def __init__(self, source: _Optional[str] = ...) -> None: ...

class DescribeSourceResponse(_message.Message):
    __slots__ = ("source", "columns", "required")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    source: str
    columns: _containers.RepeatedCompositeFieldContainer[_serving_pb2.NamedType]
    required: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[_serving_pb2.NamedType, _Mapping]]] = ..., required: _Optional[_Iterable[str]] = ...) -> None: ...
