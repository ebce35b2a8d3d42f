from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("views", "models", "endpoints", "sets")
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    SETS_FIELD_NUMBER: _ClassVar[int]
    views: _containers.RepeatedCompositeFieldContainer[ViewStatus]
    models: _containers.RepeatedCompositeFieldContainer[ModelStatus]
    endpoints: _containers.RepeatedCompositeFieldContainer[EndpointStatus]
    sets: _containers.RepeatedCompositeFieldContainer[SetStatus]
    def __init__(self, views: _Optional[_Iterable[_Union[ViewStatus, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[ModelStatus, _Mapping]]] = ..., endpoints: _Optional[_Iterable[_Union[EndpointStatus, _Mapping]]] = ..., sets: _Optional[_Iterable[_Union[SetStatus, _Mapping]]] = ...) -> None: ...

class SetStatus(_message.Message):
    __slots__ = ("feature_set", "owner", "features")
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    feature_set: str
    owner: str
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, feature_set: _Optional[str] = ..., owner: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class ViewStatus(_message.Message):
    __slots__ = ("view", "owner", "current", "active", "moved", "versions")
    VIEW_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    view: str
    owner: str
    current: str
    active: str
    moved: _containers.RepeatedCompositeFieldContainer[MovedPointer]
    versions: _containers.RepeatedCompositeFieldContainer[VersionStatus]
    def __init__(self, view: _Optional[str] = ..., owner: _Optional[str] = ..., current: _Optional[str] = ..., active: _Optional[str] = ..., moved: _Optional[_Iterable[_Union[MovedPointer, _Mapping]]] = ..., versions: _Optional[_Iterable[_Union[VersionStatus, _Mapping]]] = ...) -> None: ...

class VersionStatus(_message.Message):
    __slots__ = ("version", "retired", "snapshot", "rows", "last", "materialized_at", "published", "behind", "endpoints", "quarantined")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    MATERIALIZED_AT_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    version: str
    retired: str
    snapshot: str
    rows: int
    last: int
    materialized_at: int
    published: Published
    behind: bool
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    quarantined: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., retired: _Optional[str] = ..., snapshot: _Optional[str] = ..., rows: _Optional[int] = ..., last: _Optional[int] = ..., materialized_at: _Optional[int] = ..., published: _Optional[_Union[Published, _Mapping]] = ..., behind: _Optional[bool] = ..., endpoints: _Optional[_Iterable[str]] = ..., quarantined: _Optional[_Iterable[str]] = ...) -> None: ...

class Published(_message.Message):
    __slots__ = ("snapshot", "as_of", "rows", "held", "at")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    snapshot: str
    as_of: int
    rows: int
    held: bool
    at: int
    def __init__(self, snapshot: _Optional[str] = ..., as_of: _Optional[int] = ..., rows: _Optional[int] = ..., held: _Optional[bool] = ..., at: _Optional[int] = ...) -> None: ...

class MovedPointer(_message.Message):
    __slots__ = ("pointer", "version", "instead_of", "activation", "at", "actor", "reason")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTEAD_OF_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    version: str
    instead_of: str
    activation: int
    at: int
    actor: str
    reason: str
    def __init__(self, pointer: _Optional[str] = ..., version: _Optional[str] = ..., instead_of: _Optional[str] = ..., activation: _Optional[int] = ..., at: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ModelStatus(_message.Message):
    __slots__ = ("model", "owner", "endpoints")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    model: str
    owner: str
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., owner: _Optional[str] = ..., endpoints: _Optional[_Iterable[str]] = ...) -> None: ...

class EndpointStatus(_message.Message):
    __slots__ = ("endpoint", "models", "moved")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    models: _containers.RepeatedCompositeFieldContainer[LiveModel]
    moved: _containers.RepeatedCompositeFieldContainer[MovedPointer]
    def __init__(self, endpoint: _Optional[str] = ..., models: _Optional[_Iterable[_Union[LiveModel, _Mapping]]] = ..., moved: _Optional[_Iterable[_Union[MovedPointer, _Mapping]]] = ...) -> None: ...

class LiveModel(_message.Message):
    __slots__ = ("model", "share")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    model: str
    share: float
    def __init__(self, model: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class ListActivationsRequest(_message.Message):
    __slots__ = ("view",)
    VIEW_FIELD_NUMBER: _ClassVar[int]
    view: str
    def __init__(self, view: _Optional[str] = ...) -> None: ...

class ListActivationsResponse(_message.Message):
    __slots__ = ("activations",)
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    activations: _containers.RepeatedCompositeFieldContainer[Activation]
    def __init__(self, activations: _Optional[_Iterable[_Union[Activation, _Mapping]]] = ...) -> None: ...

class Activation(_message.Message):
    __slots__ = ("id", "view", "feature", "endpoint", "version", "action", "below", "reason", "actor", "at")
    ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    view: str
    feature: str
    endpoint: str
    version: int
    action: str
    below: int
    reason: str
    actor: str
    at: int
    def __init__(self, id: _Optional[int] = ..., view: _Optional[str] = ..., feature: _Optional[str] = ..., endpoint: _Optional[str] = ..., version: _Optional[int] = ..., action: _Optional[str] = ..., below: _Optional[int] = ..., reason: _Optional[str] = ..., actor: _Optional[str] = ..., at: _Optional[int] = ...) -> None: ...

class ConsumersRequest(_message.Message):
    __slots__ = ("node", "live")
    NODE_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    node: str
    live: bool
    def __init__(self, node: _Optional[str] = ..., live: _Optional[bool] = ...) -> None: ...

class ConsumersResponse(_message.Message):
    __slots__ = ("node", "models", "endpoints", "sets", "defaults", "frames", "online", "ended")
    NODE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    SETS_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    node: Node
    models: _containers.RepeatedCompositeFieldContainer[ModelUse]
    endpoints: _containers.RepeatedCompositeFieldContainer[EndpointUse]
    sets: _containers.RepeatedCompositeFieldContainer[SetUse]
    defaults: _containers.RepeatedCompositeFieldContainer[DefaultUse]
    frames: _containers.RepeatedScalarFieldContainer[str]
    online: _containers.RepeatedCompositeFieldContainer[OnlineRows]
    ended: Ending
    def __init__(self, node: _Optional[_Union[Node, _Mapping]] = ..., models: _Optional[_Iterable[_Union[ModelUse, _Mapping]]] = ..., endpoints: _Optional[_Iterable[_Union[EndpointUse, _Mapping]]] = ..., sets: _Optional[_Iterable[_Union[SetUse, _Mapping]]] = ..., defaults: _Optional[_Iterable[_Union[DefaultUse, _Mapping]]] = ..., frames: _Optional[_Iterable[str]] = ..., online: _Optional[_Iterable[_Union[OnlineRows, _Mapping]]] = ..., ended: _Optional[_Union[Ending, _Mapping]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("kind", "key")
    KIND_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    kind: str
    key: str
    def __init__(self, kind: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class ModelUse(_message.Message):
    __slots__ = ("model", "owner", "reads", "endpoints", "formerly")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    FORMERLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    owner: str
    reads: _containers.RepeatedCompositeFieldContainer[FeatureUse]
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    formerly: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., owner: _Optional[str] = ..., reads: _Optional[_Iterable[_Union[FeatureUse, _Mapping]]] = ..., endpoints: _Optional[_Iterable[str]] = ..., formerly: _Optional[_Iterable[str]] = ...) -> None: ...

class FeatureUse(_message.Message):
    __slots__ = ("feature", "how", "exact")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    feature: str
    how: str
    exact: bool
    def __init__(self, feature: _Optional[str] = ..., how: _Optional[str] = ..., exact: _Optional[bool] = ...) -> None: ...

class EndpointUse(_message.Message):
    __slots__ = ("endpoint", "model", "reads", "version", "activation", "features")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    model: str
    reads: str
    version: str
    activation: int
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, endpoint: _Optional[str] = ..., model: _Optional[str] = ..., reads: _Optional[str] = ..., version: _Optional[str] = ..., activation: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class SetUse(_message.Message):
    __slots__ = ("feature_set", "names")
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    feature_set: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, feature_set: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class DefaultUse(_message.Message):
    __slots__ = ("pointer", "version", "activation", "features")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    version: str
    activation: int
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pointer: _Optional[str] = ..., version: _Optional[str] = ..., activation: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class OnlineRows(_message.Message):
    __slots__ = ("version", "snapshot", "since", "until", "as_of", "held", "dropped_at")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DROPPED_AT_FIELD_NUMBER: _ClassVar[int]
    version: str
    snapshot: str
    since: int
    until: int
    as_of: int
    held: bool
    dropped_at: int
    def __init__(self, version: _Optional[str] = ..., snapshot: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ..., as_of: _Optional[int] = ..., held: _Optional[bool] = ..., dropped_at: _Optional[int] = ...) -> None: ...

class Ending(_message.Message):
    __slots__ = ("what", "at", "actor", "reason", "instead")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    INSTEAD_FIELD_NUMBER: _ClassVar[int]
    what: str
    at: int
    actor: str
    reason: str
    instead: str
    def __init__(self, what: _Optional[str] = ..., at: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., instead: _Optional[str] = ...) -> None: ...

class ActiveAtRequest(_message.Message):
    __slots__ = ("pointer", "at", "endpoint")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    at: int
    endpoint: str
    def __init__(self, pointer: _Optional[str] = ..., at: _Optional[int] = ..., endpoint: _Optional[str] = ...) -> None: ...

class ActiveAtResponse(_message.Message):
    __slots__ = ("pointer", "at", "endpoint", "answers")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    at: int
    endpoint: str
    answers: _containers.RepeatedCompositeFieldContainer[ActiveAnswer]
    def __init__(self, pointer: _Optional[str] = ..., at: _Optional[int] = ..., endpoint: _Optional[str] = ..., answers: _Optional[_Iterable[_Union[ActiveAnswer, _Mapping]]] = ...) -> None: ...

class ActiveAnswer(_message.Message):
    __slots__ = ("model", "features", "version", "by", "activation", "since", "actor", "reason", "until", "rows", "ended")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    model: str
    features: _containers.RepeatedScalarFieldContainer[str]
    version: str
    by: str
    activation: int
    since: int
    actor: str
    reason: str
    until: int
    rows: OnlineRows
    ended: Ending
    def __init__(self, model: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., by: _Optional[str] = ..., activation: _Optional[int] = ..., since: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., until: _Optional[int] = ..., rows: _Optional[_Union[OnlineRows, _Mapping]] = ..., ended: _Optional[_Union[Ending, _Mapping]] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("version", "snapshot", "at")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    version: str
    snapshot: str
    at: int
    def __init__(self, version: _Optional[str] = ..., snapshot: _Optional[str] = ..., at: _Optional[int] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("progress", "generation")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    progress: PublishProgress
    generation: Generation
    def __init__(self, progress: _Optional[_Union[PublishProgress, _Mapping]] = ..., generation: _Optional[_Union[Generation, _Mapping]] = ...) -> None: ...

class PublishProgress(_message.Message):
    __slots__ = ("what", "done", "total")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    what: str
    done: int
    total: int
    def __init__(self, what: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Generation(_message.Message):
    __slots__ = ("id", "view", "version", "snapshot", "as_of", "rows", "held", "at")
    ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    view: str
    version: int
    snapshot: str
    as_of: int
    rows: int
    held: bool
    at: int
    def __init__(self, id: _Optional[str] = ..., view: _Optional[str] = ..., version: _Optional[int] = ..., snapshot: _Optional[str] = ..., as_of: _Optional[int] = ..., rows: _Optional[int] = ..., held: _Optional[bool] = ..., at: _Optional[int] = ...) -> None: ...

class ActivateRequest(_message.Message):
    __slots__ = ("references", "reason", "endpoint")
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    references: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    endpoint: str
    def __init__(self, references: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., endpoint: _Optional[str] = ...) -> None: ...

class ActivateResponse(_message.Message):
    __slots__ = ("activations",)
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    activations: _containers.RepeatedCompositeFieldContainer[Activation]
    def __init__(self, activations: _Optional[_Iterable[_Union[Activation, _Mapping]]] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("pointer", "to", "endpoint", "reason", "dry_run", "expect")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    to: str
    endpoint: str
    reason: str
    dry_run: bool
    expect: str
    def __init__(self, pointer: _Optional[str] = ..., to: _Optional[str] = ..., endpoint: _Optional[str] = ..., reason: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expect: _Optional[str] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("pointer", "endpoint", "before", "after", "moved", "untouched", "activation")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    UNTOUCHED_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    endpoint: str
    before: str
    after: str
    moved: _containers.RepeatedCompositeFieldContainer[Reader]
    untouched: _containers.RepeatedCompositeFieldContainer[Reader]
    activation: Activation
    def __init__(self, pointer: _Optional[str] = ..., endpoint: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., moved: _Optional[_Iterable[_Union[Reader, _Mapping]]] = ..., untouched: _Optional[_Iterable[_Union[Reader, _Mapping]]] = ..., activation: _Optional[_Union[Activation, _Mapping]] = ...) -> None: ...

class Reader(_message.Message):
    __slots__ = ("endpoint", "model")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    model: str
    def __init__(self, endpoint: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...
