"""Frozen values to and from plain JSON, by their annotations: what has its default is left out, so forms stay small."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from math import isfinite
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:  # noqa: ANN401 - any value of the model in
    """Return a value as dictionaries, lists, texts and numbers; a float that JSON lacks as `{"float": "nan"}`."""
    if is_dataclass(value):
        return {
            field.name: to_plain(found)
            for field in fields(value)
            if (found := getattr(value, field.name)) != field.default
        }
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return {"float": repr(value)}
    return value


def from_plain(kind: type[T], value: Any) -> T:  # noqa: ANN401 - JSON in
    """Return the dataclass that `to_plain` gave the form of; keys that it does not know are left out."""
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    return kind(**{name: _read(hints[name], item) for name, item in value.items() if name in hints})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:  # noqa: ANN401 - an annotation and JSON in
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return from_plain(next(kind for kind in _options(hint) if isinstance(kind, type) and is_dataclass(kind)), value)
    if isinstance(value, list):
        items = get_args(next(option for option in _options(hint) if get_origin(option) is tuple))
        if items[-1] is Ellipsis:
            return tuple(_read(items[0], item) for item in value)
        return tuple(_read(item_hint, item) for item_hint, item in zip(items, value, strict=True))
    return value


def _options(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation in
    return get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
