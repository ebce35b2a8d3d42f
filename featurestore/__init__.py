"""featurestore: a version-aware feature store.

The public names. Each is imported from its module when it is first used, so that `import featurestore` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurestore.errors import (
        AuthenticationError,
        BlockedError,
        CollisionError,
        ConfigError,
        ConflictError,
        ContractError,
        CorruptError,
        DeadlineError,
        DefinitionError,
        FeatureStoreError,
        LockMismatchError,
        NotActiveError,
        NotFoundError,
        NotMaterializedError,
        NotPublishedError,
        OverloadedError,
        PermissionDeniedError,
        QuarantineError,
        ReadOnlyError,
        RequestError,
        SourceError,
        UnavailableError,
    )
    from featurestore.model.contract import Contract, Expect, Freshness, Volume
    from featurestore.model.entity import Entity
    from featurestore.model.feature_set import FeatureSet
    from featurestore.model.pins import PinSet
    from featurestore.model.source import (
        ArrowSource,
        CsvSource,
        DuckDBSource,
        IcebergSource,
        ParquetSource,
        PushSource,
    )
    from featurestore.model.source_change import SourceChange, SourceSchema
    from featurestore.model.status import Status
    from featurestore.model.types import (
        Bool,
        Bytes,
        Date,
        Decimal,
        Embedding,
        Float32,
        Float64,
        Int32,
        Int64,
        List,
        String,
        Timestamp,
    )
    from featurestore.model.view import Feature, FeatureView
    from featurestore.serving.client import Client, connect
    from featurestore.serving.client_async import AsyncClient, connect_async
    from featurestore.store import FeatureStore, open_store

__version__ = "0.1.0"

_HOMES = {
    "featurestore.errors": (
        "AuthenticationError BlockedError CollisionError ConfigError ConflictError ContractError CorruptError "
        "DeadlineError DefinitionError FeatureStoreError LockMismatchError NotActiveError NotFoundError "
        "NotMaterializedError NotPublishedError OverloadedError PermissionDeniedError QuarantineError ReadOnlyError "
        "RequestError SourceError UnavailableError"
    ),
    "featurestore.model.contract": "Contract Expect Freshness Volume",
    "featurestore.model.entity": "Entity",
    "featurestore.model.feature_set": "FeatureSet",
    "featurestore.model.pins": "PinSet",
    "featurestore.model.source": "ArrowSource CsvSource DuckDBSource IcebergSource ParquetSource PushSource",
    "featurestore.model.source_change": "SourceChange SourceSchema",
    "featurestore.model.status": "Status",
    "featurestore.model.types": ("Bool Bytes Date Decimal Embedding Float32 Float64 Int32 Int64 List String Timestamp"),
    "featurestore.model.view": "Feature FeatureView",
    "featurestore.serving.client": "Client connect",
    "featurestore.serving.client_async": "AsyncClient connect_async",
    "featurestore.store": "FeatureStore open_store",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ArrowSource",
    "AsyncClient",
    "AuthenticationError",
    "BlockedError",
    "Bool",
    "Bytes",
    "Client",
    "CollisionError",
    "ConfigError",
    "ConflictError",
    "Contract",
    "ContractError",
    "CorruptError",
    "CsvSource",
    "Date",
    "DeadlineError",
    "Decimal",
    "DefinitionError",
    "DuckDBSource",
    "Embedding",
    "Entity",
    "Expect",
    "Feature",
    "FeatureSet",
    "FeatureStore",
    "FeatureStoreError",
    "FeatureView",
    "Float32",
    "Float64",
    "Freshness",
    "IcebergSource",
    "Int32",
    "Int64",
    "List",
    "LockMismatchError",
    "NotActiveError",
    "NotFoundError",
    "NotMaterializedError",
    "NotPublishedError",
    "OverloadedError",
    "ParquetSource",
    "PermissionDeniedError",
    "PinSet",
    "PushSource",
    "QuarantineError",
    "ReadOnlyError",
    "RequestError",
    "SourceChange",
    "SourceError",
    "SourceSchema",
    "Status",
    "String",
    "Timestamp",
    "UnavailableError",
    "Volume",
    "__version__",
    "connect",
    "connect_async",
    "open_store",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOME:
        raise AttributeError(f"module 'featurestore' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
