"""YAML read with the line of everything in it, so that what is wrong can be told by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from featurestore.errors import ConfigError, DefinitionError, nearest

__all__ = ["Place", "read_yaml"]

Path = tuple[str | int, ...]


class Place:
    """A value of a document, and where it stands.

    Attributes
    ----------
    value
        As YAML means it: a dict, a list, a text, a number, a date, True, False or None.
    """

    def __init__(self, file: str, value: Any, path: Path, lines: Mapping[Path, int]) -> None:  # noqa: ANN401 - of any type
        self._file, self._path, self._lines = file, path, lines
        self.value = value

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def where(self) -> str:
        """`weather.yaml:12: schema[0].name`."""
        line = next(
            self._lines[self._path[:end]] for end in range(len(self._path), -1, -1) if self._path[:end] in self._lines
        )
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self._path).lstrip(".")
        return f"{self._file}:{line}: {text}" if text else f"{self._file}:{line}"

    def fail(self, rule: str) -> NoReturn:
        """Say that the value breaks a rule."""
        raise DefinitionError(f"{self.where} {rule}")

    def get(self, key: str) -> Place:
        """Return the value of a key; the value None where there is none."""
        self.fields()
        return Place(self._file, self.value.get(key), (*self._path, key), self._lines)

    def fields(self) -> dict[str, Any]:
        """Return a mapping."""
        if not isinstance(self.value, dict):
            self.fail(f"is {_told(self.value)}: write fields, name: value.")
        return self.value

    def items(self) -> Iterator[Place]:
        """Give the items of a list; none where there is no list."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fail(f"is {_told(self.value)}: write a list, each item after a dash.")
        for number, item in enumerate(self.value):
            yield Place(self._file, item, (*self._path, number), self._lines)

    def text(self, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        if self.value is None and default is not None:
            return default
        if isinstance(self.value, (bool, int, float)) or hasattr(self.value, "isoformat"):
            self.fail(f"is a text, and YAML reads what is written as {_told(self.value)}: put it in quotes.")
        if not isinstance(self.value, str) or not self.value:
            self.fail("is missing: write a text." if self.value is None else f"is {_told(self.value)}: write a text.")
        return self.value

    def flag(self) -> bool:
        """Return true or false; false where there is nothing."""
        if self.value is not None and not isinstance(self.value, bool):
            self.fail(f"is {_told(self.value)}: write true or false.")
        return bool(self.value)

    def number(self) -> int | float | None:
        """Return a number, or None where there is nothing."""
        if self.value is not None and (isinstance(self.value, bool) or not isinstance(self.value, (int, float))):
            self.fail(f"is {_told(self.value)}: write a number.")
        return self.value

    def whole(self) -> int | None:
        """Return a whole number of zero or more, or None where there is nothing."""
        number = self.number()
        if number is not None and (not isinstance(number, int) or number < 0):
            self.fail(f"is {number}: write a whole number of zero or more.")
        return number if isinstance(number, int) else None

    def one_of(self, known: Sequence[str]) -> str | None:
        """Return one of a few texts, or None where there is nothing."""
        if self.value is None:
            return None
        if self.value not in known:
            self.fail(f"is {_told(self.value)}.{nearest(str(self.value), known, limit=len(known))}")
        return str(self.value)


def read_yaml(text: str, file: str) -> Place:
    """Read one YAML document.

    Raises
    ------
    DefinitionError
        If it is no YAML, or a key stands twice; the message names the line.
    ConfigError
        If PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise ConfigError("YAML needs PyYAML: pip install 'featurestore[odcs]'.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise DefinitionError(f"{file}:{line}: this is no YAML: {error.problem or error}.") from error
    except yaml.YAMLError as error:
        raise DefinitionError(f"{file}: this is no YAML: {error}.") from error
    if node is None:
        raise DefinitionError(f"{file}:1: the document is empty.")
    lines: dict[Path, int] = {}
    _note(node, (), file, lines)
    return Place(file, yaml.safe_load(text), (), lines)


def _note(node: Any, path: Path, file: str, lines: dict[Path, int]) -> None:  # noqa: ANN401 - a node of PyYAML
    lines[path] = node.start_mark.line + 1
    if node.id == "mapping":
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise DefinitionError(
                    f"{file}:{key.start_mark.line + 1}: the key {key.value!r} stands twice: keep one."
                )
            seen.add(key.value)
            _note(value, (*path, key.value), file, lines)
            lines[*path, key.value] = key.start_mark.line + 1
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            _note(value, (*path, number), file, lines)


def _told(value: Any) -> str:  # noqa: ANN401 - of any type
    if value is None:
        return "empty"
    kinds = {dict: "a mapping", list: "a list", bool: str(value).lower()}
    return kinds.get(type(value)) or repr(value if isinstance(value, (str, int, float)) else str(value))
