"""Entities: what a row is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from featurestore.errors import DefinitionError
from featurestore.model.names import check_name, fold
from featurestore.model.types import KEY_KINDS, FeatureType

__all__ = ["Entity"]


@dataclass(frozen=True, slots=True)
class Entity:
    """What a row is about: a name and typed join keys.

    Parameters
    ----------
    name
        Name of the entity.
    keys
        Join keys in order, name to type; several make a composite key. A key's type is Int32, Int64, String, Bytes,
        Bool or Date.
    description
        For people; no part of any identity.

    Raises
    ------
    DefinitionError
        If a name is not allowed, there is no key, or a key's type cannot be compared exactly.
    """

    name: str
    keys: Mapping[str, FeatureType]
    description: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "entity")
        if not isinstance(self.keys, Mapping) or not self.keys:
            message = f"entity {self.name!r} has no keys: write keys={{'origin': fs.String}}."
            raise DefinitionError(message)
        for key, type_ in self.keys.items():
            check_name(key, "join key")
            if not isinstance(type_, FeatureType) or type_.kind not in KEY_KINDS:
                message = (
                    f"key {key!r} of entity {self.name!r} has type {type_}: a join key is one of "
                    f"{', '.join(sorted(KEY_KINDS))}."
                )
                raise DefinitionError(message)
        if len({fold(key) for key in self.keys}) < len(self.keys):
            message = f"entity {self.name!r} has two keys whose names differ only in case: rename one."
            raise DefinitionError(message)
        object.__setattr__(self, "keys", MappingProxyType(dict(self.keys)))
