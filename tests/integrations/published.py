"""OpenLineage's published classes, made from its JSON schemas, as a check of events: every key known, none missing."""

from __future__ import annotations

import importlib
import pkgutil
import types
import uuid
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
from openlineage.client import generated
from openlineage.client.generated import base


def _classes() -> dict[str, type]:
    """Return the published classes by the URL of their schema."""
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        loaded = importlib.import_module(f"{generated.__name__}.{module.name}")
        for value in vars(loaded).values():
            if isinstance(value, type) and attr.has(value) and "_get_schema" in vars(value):
                found[value._get_schema()] = value  # type: ignore[attr-defined]  # looked for just above
    return found


CLASSES = _classes()


def check_event(event: dict[str, Any]) -> None:
    """Hold that a run event is what OpenLineage publishes."""
    assert event["schemaURL"] == base.RunEvent._get_schema()
    uuid.UUID(event["run"]["runId"])
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    _check(event, base.RunEvent, "event")


def _check(value: Any, kind: Any, where: str) -> None:  # noqa: ANN401 - JSON values
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        wanted = [each for each in get_args(kind) if each is not type(None)]
        assert value is not None, f"{where} is null: leave it out"
        _check(value, wanted[0], where)
    elif origin is list:
        assert isinstance(value, list), where
        for place, item in enumerate(value):
            _check(item, get_args(kind)[0], f"{where}[{place}]")
    elif origin is dict:
        assert isinstance(value, dict), where
        for key, item in value.items():
            _check(item, get_args(kind)[1], f"{where}.{key}")
    elif isinstance(kind, type) and issubclass(kind, Enum):
        kind(value)
    elif attr.has(kind):
        _check_class(value, kind, where)
    elif kind is not Any:
        assert isinstance(value, kind), f"{where} is {value!r}, not {kind}"


def _check_class(value: dict[str, Any], kind: Any, where: str) -> None:  # noqa: ANN401 - an attrs class
    if issubclass(kind, base.BaseFacet):
        assert value["_schemaURL"] in CLASSES, f"{where} follows {value['_schemaURL']}, which is not published"
        found = CLASSES[value["_schemaURL"]]
        assert issubclass(found, kind), f"{where} is a {found}, not a {kind}"
        kind = found
    hints = get_type_hints(kind)
    known = {field.name: field for field in attr.fields(kind)}
    for name, item in value.items():
        assert name in known, f"{where} has the unknown key {name!r}"
        _check(item, hints[name], f"{where}.{name}")
    for name, field in known.items():
        assert field.default is not attr.NOTHING or name in value, f"{where} lacks {name!r}"
