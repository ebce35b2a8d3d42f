"""Keys on the command line: `--key origin=JFK,LGA` becomes a column of the key's own type."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from featurestore.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from featurestore.model.types import FeatureType

__all__ = ["parse_keys", "typed"]


def parse_keys(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the columns that `KEY=V,...` texts name; a key that is named twice goes on where it stopped."""
    columns: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals):
            message = f"{text!r} is not KEY=VALUE,..., for example --key origin=JFK,LGA"
            raise click.UsageError(message)
        columns.setdefault(name.strip(), []).extend(_values(values, text))
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        message = f"the keys have different numbers of values ({shown}); give one of each for every row"
        raise click.UsageError(message)
    return columns


def _values(values: str, text: str) -> list[Any]:
    if not values.startswith("["):
        return list(values.split(","))
    try:
        parsed = json.loads(values)
    except json.JSONDecodeError as error:
        message = f"{text!r} starts a JSON list but is none: {error}"
        raise click.UsageError(message) from error
    return list(parsed)


def typed(columns: Mapping[str, Sequence[Any]], keys: Mapping[str, FeatureType | str]) -> dict[str, list[Any]]:
    """Return the columns with their texts read as what each key's type is; other values stay as they are.

    Raises
    ------
    RequestError
        If a text is no value of the key's type.
    """
    return {
        name: [_convert(value, name, str(keys.get(name, "String"))) for value in column]
        for name, column in columns.items()
    }


_BOOLS = {"true": True, "false": False, "1": True, "0": False}

_READERS: Mapping[str, Callable[[str], Any]] = {
    "Int32": int,
    "Int64": int,
    "Bool": lambda text: _BOOLS[text.lower()],
    "Date": date.fromisoformat,
    "Bytes": str.encode,
    "String": str,
}


def _convert(value: Any, name: str, kind: str) -> Any:  # noqa: ANN401 - any key
    if not isinstance(value, str):
        return value
    try:
        return _READERS.get(kind, str)(value)
    except (KeyError, ValueError):
        message = f"{value!r} is no {kind}, which the key {name!r} is."
        raise RequestError(message) from None
