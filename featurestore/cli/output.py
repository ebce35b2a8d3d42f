"""What a verb prints: an answer for people, or one JSON document; everything else goes to standard error."""

from __future__ import annotations

import json as jsonlib
import math
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import click

from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Output", "as_json", "moment"]

_PROPERTIES = ("reference", "rows", "fingerprint", "version")
"""Computed attributes that a reader of a value expects beside its fields."""

_MICROS = {"Generation": {"as_of"}, "DataFile": {"first", "last"}, "Run": {"start", "end"}, "Snapshot": {"last"}}
"""Fields that hold microseconds since 1970 UTC, by the class they are in."""

_STORED = {"Definition", *_MICROS}
"""Classes whose own JSON form is the catalog's, with durations and times in microseconds, and not for people."""

_WIDE = 200
"""Columns of the page where there is no terminal: tables are not folded for a pipe."""


def moment(value: datetime) -> str:
    """Return the ISO text of an aware time, with `Z` for UTC."""
    return value.isoformat().replace("+00:00", "Z")


def as_json(value: object) -> Any:  # noqa: ANN401 - JSON values
    """Return the JSON form of anything that a verb answers.

    Dataclasses become objects of their public fields, times ISO text with `Z`, durations seconds, decimals text, bytes
    base64; a float that JSON cannot hold becomes `"NaN"`, `"Infinity"` or `"-Infinity"`.
    """
    for kinds, convert in _FORMS:
        if isinstance(value, kinds):
            return convert(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    return _foreign(value)


def _float(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _object(value: Any) -> Any:  # noqa: ANN401 - any dataclass
    kind = type(value)
    own = getattr(value, "to_json", None)
    if own is not None and kind.__name__ not in _STORED:
        document = {**own()}
    elif kind.__name__ in {"FeatureType", "Reference", "ModelReference"}:  # values with a text form of their own
        return str(value)
    else:
        document = {item.name: getattr(value, item.name) for item in fields(value) if not item.name.startswith("_")}
    for name in (*_PROPERTIES, *(("digest",) if kind.__name__ == "PinSet" else ())):
        if isinstance(getattr(kind, name, None), property):
            document[name] = getattr(value, name)
    if kind.__name__ == "Change":
        document["detail"] = _times(value.detail)
        document["class"] = value.category
    for name in _MICROS.get(kind.__name__, ()):
        micros = document.get(name, getattr(value, name))
        document[name] = from_micros(micros) if isinstance(micros, int) else micros
    return as_json(document)


def _times(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change's details with the microseconds of windows as times."""
    return {
        name: from_micros(item) if name in {"start", "end", "as_of"} and isinstance(item, int) else item
        for name, item in detail.items()
    }


def _foreign(value: object) -> Any:  # noqa: ANN401 - JSON values
    """Return the form of a value of another library: NumPy scalars and Arrow values know their Python form."""
    for method in ("item", "as_py", "to_dict"):
        convert = getattr(value, method, None)
        if callable(convert):
            return as_json(convert())
    return str(value)


_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: as_json(value.value)),
    ((type(None), bool, int, str), lambda value: value),
    (float, _float),
    (datetime, moment),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    (Decimal, str),
    ((bytes, bytearray, memoryview), lambda value: b64encode(value).decode()),
    (PathLike, fspath),
    (Mapping, lambda value: {str(key): as_json(item) for key, item in value.items()}),
    ((set, frozenset), lambda value: [as_json(item) for item in sorted(value, key=str)]),
    ((list, tuple), lambda value: [as_json(item) for item in value]),
)
"""Kind of value to its JSON form; the first that fits counts (a datetime is a date too)."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where the answer of one verb goes.

    Attributes
    ----------
    json
        Whether standard output holds one JSON document and nothing else.
    """

    json: bool = False

    def answer(self, value: object, *, people: Callable[[Console], None] | str | None = None) -> None:
        """Give the verb's answer.

        Parameters
        ----------
        value
            The answer; with `--json` this is printed.
        people
            A text, or what writes the answer for people; None writes `value` as a text or a table.
        """
        if self.json:
            self.document(as_json(value))
            return
        if isinstance(people, str):
            click.echo(people)
            return
        from featurestore.cli.tables import write

        console = self.console()
        if people is None:
            write(console, value)
        else:
            people(console)

    def document(self, value: object) -> None:
        """Print a JSON value."""
        click.echo(jsonlib.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))

    def log(self, text: str) -> None:
        """Say something beside the answer, on standard error."""
        click.echo(text, err=True)

    def fail(self, error: Exception) -> None:
        """Say why the verb was refused or failed."""
        if self.json:
            self.document({"error": {"type": type(error).__name__, "message": str(error)}})
        self.log(f"error: {error}")

    def console(self, *, stderr: bool = False) -> Console:
        """Return where rich writes."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() else _WIDE
        return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)
