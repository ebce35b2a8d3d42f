"""Pins: feature versions, snapshots and the spine that fix a training frame; the lock file is their text form."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.errors import DefinitionError, NotFoundError, RequestError
from featurestore.model.definition import digest
from featurestore.model.reference import Reference, parse_reference
from featurestore.model.times import parse_time

if TYPE_CHECKING:
    import os

__all__ = ["DEFAULT_TIMESTAMP", "Pin", "PinSet", "SpinePin"]

DEFAULT_TIMESTAMP = "event_timestamp"
"""The spine's time column where none is named."""

_FORMAT = 1
_HEADER = "# A featurestore lock: the exact feature versions and rows. Commit it beside the model; do not edit it.\n"


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned feature version: the computation, and (unless only versions are pinned) the rows."""

    view: str
    version: int
    fingerprint: str
    snapshot: str | None = None

    @property
    def reference(self) -> str:
        """`view@vN`."""
        return f"{self.view}@v{self.version}"


@dataclass(frozen=True, slots=True)
class SpinePin:
    """The archived spine: SHA-256 of its Parquet file, rows, and its columns `(name, Arrow type as text)` in order."""

    digest: str
    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PinSet:
    """What fixes a training frame.

    Attributes
    ----------
    columns
        `(column of the frame, reference)` in order; each reference names its version by number and one feature.
    pins
        One per feature version read.
    timestamp
        The spine's time column; the spine may have none where `at` is set or every view is a dimension.
    as_of
        None, `"spine"`, or the time as of which rows are seen.
    spine
        The archived spine, or None.
    inputs
        For the lock of a model: the columns it reads, in order.
    request
        For the lock of a model: `(name, Arrow type)` of those inputs that the caller brings himself.
    at
        The moment as of which every row of a spine without times is asked; None if the spine has times, or no view
        asks for one.
    """

    columns: tuple[tuple[str, Reference], ...]
    pins: tuple[Pin, ...]
    timestamp: str = DEFAULT_TIMESTAMP
    as_of: datetime | str | None = None
    spine: SpinePin | None = None
    inputs: tuple[str, ...] = field(default=())
    request: tuple[tuple[str, str], ...] = field(default=())
    at: datetime | None = None

    @property
    def versions(self) -> PinSet:
        """The same feature versions without snapshots and spine: new rows, same code."""
        pins = tuple(replace(pin, snapshot=None) for pin in self.pins)
        return replace(self, pins=pins, spine=None, as_of=None, at=None)

    @property
    def digest(self) -> str:
        """64 hex digits over everything that is pinned, the order of columns included."""
        value = self.to_json()
        ordered = [list(value["columns"].items()), list(value.get("request", {}).items())]
        if self.spine is not None:
            ordered.append(list(self.spine.columns))
        return digest([value, ordered])

    def pin(self, view: str, version: int) -> Pin:
        """Return the pin of a version that the columns name."""
        for pin in self.pins:
            if pin.view == view and pin.version == version:
                return pin
        message = f"the lock reads {view}@v{version} but pins no such version: it was edited by hand; save it again."
        raise NotFoundError(message)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which is also the shape of the lock file."""
        head: dict[str, Any] = {"format": _FORMAT, "timestamp": self.timestamp}
        if self.as_of is not None:
            head["as_of"] = self.as_of if isinstance(self.as_of, str) else self.as_of.isoformat()
        if self.at is not None:
            head["at"] = self.at.isoformat()
        if self.inputs:
            head["inputs"] = list(self.inputs)
        value: dict[str, Any] = {**head, "versions": {}, "columns": {}}
        for pin in self.pins:
            value["versions"][pin.reference] = {"fingerprint": pin.fingerprint}
            if pin.snapshot is not None:
                value["versions"][pin.reference]["snapshot"] = pin.snapshot
        for name, reference in self.columns:
            value["columns"][name] = str(reference)
        if self.request:
            value["request"] = dict(self.request)
        if self.spine is not None:
            value["spine"] = {
                "digest": self.spine.digest,
                "rows": self.spine.rows,
                "columns": dict(self.spine.columns),
            }
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "the lock") -> PinSet:
        """Read the JSON form; `where` names it in errors.

        Raises
        ------
        DefinitionError
            If something is missing or not well formed.
        """
        try:
            if value.get("format") != _FORMAT:
                message = (
                    f"{where} has format {value.get('format')!r}, this release reads format {_FORMAT}: save it again."
                )
                raise DefinitionError(message)
            spine = value.get("spine")
            return cls(
                tuple((name, _column(text)) for name, text in value["columns"].items()),
                tuple(_pin(text, pinned) for text, pinned in value["versions"].items()),
                _text(value["timestamp"]),
                _as_of(value.get("as_of")),
                None
                if spine is None
                else SpinePin(_text(spine["digest"]), _count(spine["rows"]), _types(spine["columns"])),
                _names(value.get("inputs", [])),
                _types(value.get("request", {})),
                _at(value.get("at")),
            )
        except (KeyError, TypeError, AttributeError, ValueError, RequestError) as error:
            message = f"{where} is not well formed ({error!r}): restore it from version control or save it again."
            raise DefinitionError(message) from error

    def dumps(self) -> str:
        """Return the lock file's text: TOML, a line per column and version, so that a review shows what moved."""
        return _HEADER + _toml(self.to_json())

    @classmethod
    def loads(cls, text: str, where: str = "the lock") -> PinSet:
        """Read the text of a lock file.

        Raises
        ------
        DefinitionError
            If the text is no lock.
        """
        try:
            value = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            message = f"{where} is not valid TOML ({error}): restore it from version control or save it again."
            raise DefinitionError(message) from error
        return cls.from_json(value, where)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the lock file and return its path."""
        target = Path(path)
        target.write_text(self.dumps(), encoding="utf-8")
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PinSet:
        """Read a lock file.

        Raises
        ------
        NotFoundError
            If there is no such file.
        DefinitionError
            If it is no lock.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            message = f"there is no lock file {str(path)!r}: save one with frame.pins.save(...)."
            raise NotFoundError(message) from None
        except UnicodeDecodeError as error:
            message = f"{path} is not UTF-8 text ({error}): restore it from version control or save it again."
            raise DefinitionError(message) from error
        return cls.loads(text, str(path))


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is not text"
        raise TypeError(message)
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = f"{value!r} is not a number of rows"
        raise TypeError(message)
    return value


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        message = f"{value!r} is not a list of columns"
        raise TypeError(message)
    return tuple(_text(name) for name in value)


def _types(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(type_)) for name, type_ in value.items())


def _reference(text: str) -> Reference:
    try:
        return parse_reference(text)
    except DefinitionError as error:
        raise ValueError(str(error)) from error


def _column(text: str) -> Reference:
    reference = _reference(text)
    if reference.version is None or reference.feature is None:
        message = f"{text!r} is not view@vN:feature"
        raise ValueError(message)
    return reference


def _pin(text: str, pinned: Mapping[str, Any]) -> Pin:
    reference = _reference(text)
    if reference.version is None or reference != Reference(reference.view, reference.version):
        message = f"{text!r} is not view@vN"
        raise ValueError(message)
    snapshot = pinned.get("snapshot")
    return Pin(
        reference.view,
        reference.version,
        _text(pinned["fingerprint"]),
        None if snapshot is None else _text(snapshot),
    )


def _as_of(value: datetime | str | None) -> datetime | str | None:
    if value is None or value == "spine":
        return value
    if isinstance(value, str):
        value = datetime.fromisoformat(value)  # no lock is fixed by a duration back from now
    return parse_time(value)


def _at(value: str | None) -> datetime | None:
    return None if value is None else parse_time(datetime.fromisoformat(_text(value)))


def _toml(value: Mapping[str, Any]) -> str:
    """Return `value` as TOML: strings, integers, lists of strings, and tables of those or of inline tables."""
    plain = [f"{_key(name)} = {_literal(item)}" for name, item in value.items() if not isinstance(item, Mapping)]
    tables = [
        "\n".join([f"\n[{_key(name)}]", *(f"{_key(key)} = {_literal(inner)}" for key, inner in item.items())])
        for name, item in value.items()
        if isinstance(item, Mapping)
    ]
    return "\n".join([*plain, *tables]) + "\n"


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else _literal(name)


def _literal(value: Any) -> str:  # noqa: ANN401 - JSON values
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + "".join(f"\n  {_literal(item)}," for item in value) + "\n]" if value else "[]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
