"""Where a definition stands in its file: the line of a view, and of one feature in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.cli.modules import module_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Place", "Places"]


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, relative to the working folder where it lies below it."""

    file: str
    line: int


class Places:
    """The lines at which views are defined in Python files.

    A definition is found by its text, `FeatureView("name", ...)`: one made in a loop, with a name that is computed, is
    not found.

    Parameters
    ----------
    paths
        Files and folders, as `plan` takes them.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths

    @cached_property
    def _calls(self) -> dict[str, tuple[str, ast.Call]]:
        found: dict[str, tuple[str, ast.Call]] = {}
        for path in self._paths:
            for file in module_files(path):
                for name, call in _definitions(file.read_text(encoding="utf-8"), str(file)):
                    found.setdefault(name.casefold(), (_shown(file), call))
        return found

    def of(self, view: str, feature: str = "") -> Place | None:
        """Return where a view is defined, or where its feature is named first in that definition."""
        known = self._calls.get(view.casefold())
        if known is None:
            return None
        file, call = known
        lines = [node.lineno for node in ast.walk(call) if isinstance(node, ast.Constant) and node.value == feature]
        return Place(file, min(lines, default=call.lineno))


def _definitions(text: str, file: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(text, file)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in {"FeatureView", "FeatureSet"}:
            continue
        named = next((item.value for item in node.keywords if item.arg == "name"), node.args[0] if node.args else None)
        if isinstance(named, ast.Constant) and isinstance(named.value, str):
            yield named.value, node


def _shown(file: Path) -> str:
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else str(file)
