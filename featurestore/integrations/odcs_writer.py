"""Contracts written as the standard's documents."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from featurestore.errors import ConfigError
from featurestore.integrations.odcs_types import written_type

if TYPE_CHECKING:
    from featurestore.model.contract import Contract, Expect, Volume

__all__ = ["written"]

_API = "v3.1.0"
_NAMESPACE = uuid.UUID("5f0c8c0e-6d53-4b8e-9a8d-1f7f2f1a6f0e")
_LENGTHS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def written(contracts: Mapping[str, tuple[Contract, int | None]]) -> str:
    """Return the document of contracts by name, each with its version's number or None."""
    try:
        import yaml
    except ImportError as error:
        raise ConfigError("YAML needs PyYAML: pip install 'featurestore[odcs]'.") from error
    (first, number) = next(iter(contracts.values()))
    said = dict(first.more.get("document", {}))
    name = next(iter(contracts))
    document: dict[str, Any] = {
        "apiVersion": said.pop("apiVersion", _API),
        "kind": "DataContract",
        "id": said.pop("id", str(uuid.uuid5(_NAMESPACE, ",".join(contracts)))),
        "name": said.pop("name", name),
        "version": said.pop("version", "1") if number is None else str(number),
        "status": said.pop("status", "active"),
    }
    said.pop("version", None)
    about = {"purpose": first.description or None, **said.pop("description", {})}
    team = said.pop("team", {})
    levels = list(said.pop("slaProperties", []))
    levels += [_level(key, contract) for key, (contract, _) in contracts.items() if contract.freshness is not None]
    parts = {
        "description": _said(about),
        "team": {"name": first.owner, **team} if first.owner else team,
        "schema": [_object(key, contract) for key, (contract, _) in contracts.items()],
        "slaProperties": levels,
    }
    document |= {key: value for key, value in parts.items() if value}
    return yaml.safe_dump(document | said, sort_keys=False, allow_unicode=True, width=120)


def _object(name: str, contract: Contract) -> dict[str, Any]:
    said = dict(contract.more.get("object", {}))
    customs = [{"property": "closed", "value": True}] if contract.closed else []
    unlisted = [key for key in contract.key if key not in contract.columns]
    quality = list(said.pop("quality", []))
    if contract.volume is not None:
        quality.append(_volume(contract.volume))
    if unlisted:
        text = "These columns name one row together."
        quality.append(
            {
                "metric": "duplicateValues",
                "mustBe": 0,
                "arguments": {"properties": list(contract.key)},
                "description": text,
            }
        )
    key = () if unlisted else contract.key
    parts = {
        "properties": [_property(column, expected, key) for column, expected in contract.columns.items()],
        "quality": quality,
        "customProperties": customs + said.pop("customProperties", []),
    }
    return {"name": name, "logicalType": "object", **said, **{part: value for part, value in parts.items() if value}}


def _property(column: str, expected: Expect, key: tuple[str, ...] | Any) -> dict[str, Any]:  # noqa: ANN401 - a sequence of names
    said = dict(expected.more)
    found: dict[str, Any] = {"name": said.pop("name", column)}
    if "physicalName" in said:
        found["physicalName"] = said.pop("physicalName")
    typed = {} if expected.type is None else written_type(expected.type)
    options = {**said.pop("logicalTypeOptions", {}), **typed.pop("logicalTypeOptions", {}), **_options(expected)}
    logical = typed.get("logicalType") or said.get("logicalType")
    if logical is None:  # the published schema takes a property without one for a map, which must tell its values
        text = any(isinstance(item, str) for item in (expected.pattern, *expected.absent, *(expected.allowed or ())))
        text = text or expected.longest is not None or expected.shortest is not None
        typed["logicalType"] = "string" if text else "number" if options else "object"
    if column in key:
        found |= {"primaryKey": True, "primaryKeyPosition": 1 + list(key).index(column)}
    flags = {"required": not expected.nullable, "unique": expected.unique}
    found |= typed | {name: value for name, value in flags.items() if value}
    if expected.sensitive and "classification" not in said:
        found["classification"] = "restricted"
    customs = [{"property": "unit", "value": expected.unit}] if expected.unit else []
    parts = {
        "description": expected.description,
        "logicalTypeOptions": options,
        "quality": _quality(expected) + said.pop("quality", []),
        "customProperties": customs + said.pop("customProperties", []),
    }
    return found | {name: value for name, value in parts.items() if value} | said


def _options(expected: Expect) -> dict[str, Any]:
    pairs = {
        "pattern": expected.pattern,
        "minLength": expected.shortest,
        "maxLength": expected.longest,
        "minimum": _value(expected.at_least),
        "maximum": _value(expected.at_most),
    }
    return _said(pairs)


def _quality(expected: Expect) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    most = {"mustBeLessOrEqualTo": _percent(expected.absent_at_most), "unit": "percent"}
    if expected.absent:
        text = "An absent value looks like one of these, and like nothing else."
        forms = [_value(item) for item in expected.absent]
        rules.append({"metric": "missingValues", "arguments": {"missingValues": forms}, **most, "description": text})
    elif expected.absent_at_most is not None:
        rules.append({"metric": "nullValues", **most})
    if expected.allowed is not None:
        values = [_value(item) for item in expected.allowed]
        rules.append({"metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0})
    return rules


def _volume(volume: Volume) -> dict[str, Any]:
    least, most = volume.at_least, volume.at_most
    rule: dict[str, Any] = {"metric": "rowCount"}
    if least is not None and most is not None:
        rule |= {"mustBe": least} if least == most else {"mustBeBetween": [least, most]}
    else:
        rule |= {"mustBeLessOrEqualTo": most} if least is None else {"mustBeGreaterOrEqualTo": least}
    if volume.column is not None and volume.every is not None:
        number, unit = _length(volume.every)
        rule["customProperties"] = [
            {"property": "windowColumn", "value": volume.column},
            {"property": "window", "value": f"{number}{unit}"},
        ]
    return rule


def _level(name: str, contract: Contract) -> dict[str, Any]:
    freshness = contract.freshness
    if freshness is None:
        raise AssertionError(name)
    number, unit = _length(freshness.within)
    return {"property": "freshness", "value": number, "unit": unit, "element": f"{name}.{freshness.column}"}


def _length(value: timedelta) -> tuple[int, str]:
    seconds = value // timedelta(seconds=1)
    return next((seconds // length, unit) for unit, length in _LENGTHS if seconds % length == 0)


def _percent(share: float | None) -> float | int:
    percent = round(100 * (1 if share is None else share), 10)
    return int(percent) if percent == int(percent) else percent


def _value(value: Any) -> Any:  # noqa: ANN401 - a scalar of any type
    if isinstance(value, Decimal):
        return float(value) if value % 1 else int(value)
    return value.isoformat() if isinstance(value, date) else value


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
