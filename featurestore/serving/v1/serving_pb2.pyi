from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CellStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CELL_STATUS_UNSPECIFIED: _ClassVar[CellStatus]
    CELL_STATUS_PRESENT: _ClassVar[CellStatus]
    CELL_STATUS_NULL: _ClassVar[CellStatus]
    CELL_STATUS_NOT_FOUND: _ClassVar[CellStatus]
    CELL_STATUS_EXPIRED: _ClassVar[CellStatus]
CELL_STATUS_UNSPECIFIED: CellStatus
CELL_STATUS_PRESENT: CellStatus
CELL_STATUS_NULL: CellStatus
CELL_STATUS_NOT_FOUND: CellStatus
CELL_STATUS_EXPIRED: CellStatus

class GetFeaturesRequest(_message.Message):
    __slots__ = ("features", "model", "endpoint", "entities", "at", "lock_digest", "include_event_times", "feature_set")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LOCK_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EVENT_TIMES_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedScalarFieldContainer[str]
    model: str
    endpoint: str
    entities: _containers.RepeatedCompositeFieldContainer[KeyColumn]
    at: int
    lock_digest: str
    include_event_times: bool
    feature_set: str
    def __init__(self, features: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., endpoint: _Optional[str] = ..., entities: _Optional[_Iterable[_Union[KeyColumn, _Mapping]]] = ..., at: _Optional[int] = ..., lock_digest: _Optional[str] = ..., include_event_times: _Optional[bool] = ..., feature_set: _Optional[str] = ...) -> None: ...

class KeyColumn(_message.Message):
    __slots__ = ("name", "type", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    values: Values
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., values: _Optional[_Union[Values, _Mapping]] = ...) -> None: ...

class Values(_message.Message):
    __slots__ = ("float64s", "float32s", "int64s", "int32s", "bools", "strings", "binaries", "decimals", "offsets", "items", "nulls")
    FLOAT64S_FIELD_NUMBER: _ClassVar[int]
    FLOAT32S_FIELD_NUMBER: _ClassVar[int]
    INT64S_FIELD_NUMBER: _ClassVar[int]
    INT32S_FIELD_NUMBER: _ClassVar[int]
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    BINARIES_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    float64s: _containers.RepeatedScalarFieldContainer[float]
    float32s: _containers.RepeatedScalarFieldContainer[float]
    int64s: _containers.RepeatedScalarFieldContainer[int]
    int32s: _containers.RepeatedScalarFieldContainer[int]
    bools: _containers.RepeatedScalarFieldContainer[bool]
    strings: _containers.RepeatedScalarFieldContainer[str]
    binaries: _containers.RepeatedScalarFieldContainer[bytes]
    decimals: bytes
    offsets: _containers.RepeatedScalarFieldContainer[int]
    items: Values
    nulls: bytes
    def __init__(self, float64s: _Optional[_Iterable[float]] = ..., float32s: _Optional[_Iterable[float]] = ..., int64s: _Optional[_Iterable[int]] = ..., int32s: _Optional[_Iterable[int]] = ..., bools: _Optional[_Iterable[bool]] = ..., strings: _Optional[_Iterable[str]] = ..., binaries: _Optional[_Iterable[bytes]] = ..., decimals: _Optional[bytes] = ..., offsets: _Optional[_Iterable[int]] = ..., items: _Optional[_Union[Values, _Mapping]] = ..., nulls: _Optional[bytes] = ...) -> None: ...

class GetFeaturesResponse(_message.Message):
    __slots__ = ("columns", "rows")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedCompositeFieldContainer[FeatureColumn]
    rows: int
    def __init__(self, columns: _Optional[_Iterable[_Union[FeatureColumn, _Mapping]]] = ..., rows: _Optional[int] = ...) -> None: ...

class FeatureColumn(_message.Message):
    __slots__ = ("name", "view", "feature", "version", "snapshot", "activation", "type", "statuses", "values", "has_default", "event_times")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    HAS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIMES_FIELD_NUMBER: _ClassVar[int]
    name: str
    view: str
    feature: str
    version: int
    snapshot: str
    activation: int
    type: str
    statuses: bytes
    values: Values
    has_default: bool
    event_times: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., view: _Optional[str] = ..., feature: _Optional[str] = ..., version: _Optional[int] = ..., snapshot: _Optional[str] = ..., activation: _Optional[int] = ..., type: _Optional[str] = ..., statuses: _Optional[bytes] = ..., values: _Optional[_Union[Values, _Mapping]] = ..., has_default: _Optional[bool] = ..., event_times: _Optional[_Iterable[int]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("features", "model", "endpoint", "feature_set")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedScalarFieldContainer[str]
    model: str
    endpoint: str
    feature_set: str
    def __init__(self, features: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., endpoint: _Optional[str] = ..., feature_set: _Optional[str] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("keys", "request", "inputs", "columns", "lock_digest", "model", "endpoint", "feature_set")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    LOCK_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[NamedType]
    request: _containers.RepeatedCompositeFieldContainer[NamedType]
    inputs: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.RepeatedCompositeFieldContainer[ColumnDescription]
    lock_digest: str
    model: str
    endpoint: str
    feature_set: str
    def __init__(self, keys: _Optional[_Iterable[_Union[NamedType, _Mapping]]] = ..., request: _Optional[_Iterable[_Union[NamedType, _Mapping]]] = ..., inputs: _Optional[_Iterable[str]] = ..., columns: _Optional[_Iterable[_Union[ColumnDescription, _Mapping]]] = ..., lock_digest: _Optional[str] = ..., model: _Optional[str] = ..., endpoint: _Optional[str] = ..., feature_set: _Optional[str] = ...) -> None: ...

class NamedType(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class ColumnDescription(_message.Message):
    __slots__ = ("name", "reference", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    reference: str
    type: str
    def __init__(self, name: _Optional[str] = ..., reference: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...
