"""Definitions out of Python files: `featurestore apply features/` takes the views and sets of the folder's modules.

A folder's parent, and the working folder, are on the import path, so that the modules of `features/` import each other
as `from features.entities import airport`. A package's files are imported by their full name.
"""

from __future__ import annotations

import importlib
import linecache
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import DefinitionError, NotFoundError
from featurestore.model.feature_set import FeatureSet
from featurestore.model.names import fold
from featurestore.model.view import FeatureView

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

__all__ = ["load_definitions", "module_files"]

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}

_imported: set[str] = set()
"""Modules that the last call imported: the next call imports their files anew."""


def load_definitions(paths: Sequence[str | Path]) -> list[FeatureView | FeatureSet]:
    """Return every feature view and set at the top level of the modules in `paths`, in the order of files and lines.

    Parameters
    ----------
    paths
        Python files, or folders, which are searched with their subfolders.

    Raises
    ------
    NotFoundError
        If a path does not exist.
    DefinitionError
        If a file cannot be imported (the message names file and line), none is found, or two different ones carry one
        name.
    """
    for name in _imported:
        sys.modules.pop(name, None)
    _imported.clear()
    found: dict[str, tuple[FeatureView | FeatureSet, Path]] = {}
    for path in paths:
        given = Path(path)
        for file in module_files(given):
            for definition in _definitions(_import(file, _import_root(given, file))):
                _add(found, definition, file)
    if not found:
        message = (
            f"no feature view and no feature set in {', '.join(str(path) for path in paths)}: "
            "assign one at the top level of a module, for example weather = fs.FeatureView(...)."
        )
        raise DefinitionError(message)
    return [definition for definition, _ in found.values()]


def module_files(path: str | Path) -> list[Path]:
    """Return a Python file, or those of a folder and its subfolders, sorted.

    Raises
    ------
    NotFoundError
        If there is no such file or folder.
    DefinitionError
        If the file is no Python file.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix != ".py":
            message = f"{str(path)!r} is not a Python file: name a .py file or a folder that holds some."
            raise DefinitionError(message)
        return [path.resolve()]
    if not path.is_dir():
        message = f"there is no file or folder {str(path)!r} (from {str(Path.cwd())!r})."
        raise NotFoundError(message)
    root = path.resolve()
    return sorted(
        file
        for file in root.rglob("*.py")
        if not any(part in _SKIPPED or part.startswith(".") for part in file.relative_to(root).parts)
    )


def _import_root(given: Path, file: Path) -> Path:
    """Return the folder that must be on the import path: a given folder's parent, above all enclosing packages."""
    top = given.resolve()
    above = top.is_file() or (top.name.isidentifier() and top != Path.cwd())
    root = top.parent if above else top
    while (root / "__init__.py").exists() and root.parent != root:
        root = root.parent
    return root if file.is_relative_to(root) else file.parent


def _import(file: Path, root: Path) -> ModuleType:
    parts = file.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
    if not all(part.isidentifier() for part in parts):
        message = f"{_shown(file)} cannot be imported, because {name!r} is no module name: use letters, digits and '_'."
        raise DefinitionError(message)
    before = set(sys.modules)
    with _on_path(root):
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise DefinitionError(_explain(error, file, root)) from error
        finally:
            _imported.update(found for found in set(sys.modules) - before if _is_users(found, root))
    origin = getattr(module, "__file__", None)
    if origin is None or Path(origin).resolve() != file:
        message = (
            f"{_shown(file)} cannot be imported as {name!r}: that name belongs to {origin or 'another module'}. "
            "Rename the file or its folder."
        )
        raise DefinitionError(message)
    return module


@contextmanager
def _on_path(root: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = list(dict.fromkeys([str(root), str(Path.cwd())]))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _is_users(name: str, root: Path) -> bool:
    """Whether a module is the user's own: a file or a namespace package below `root` or the working folder."""
    module = sys.modules[name]
    origin = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    if origin is None:
        return False
    path = Path(origin).resolve()
    inside = path.is_relative_to(root) or path.is_relative_to(Path.cwd())
    return inside and "site-packages" not in path.parts and name.partition(".")[0] != "featurestore"


def _explain(error: Exception, file: Path, root: Path) -> str:
    """Return the file, the line and the text of an error in a user's module."""
    where, line = file, None
    trace = error.__traceback__
    while trace is not None:  # the innermost line that the user wrote
        frame = Path(trace.tb_frame.f_code.co_filename)
        if frame == file or (frame.is_absolute() and frame.is_relative_to(root) and "site-packages" not in frame.parts):
            where, line = frame, trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        where, line = Path(error.filename), error.lineno
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    prefix = "" if isinstance(error, DefinitionError) else f"{type(error).__name__}: "
    message = f"{_shown(where)}{f':{line}' if line else ''}: {prefix}{text}"
    if line and (source := linecache.getline(str(where), line).strip()):
        message += f"\n    {source}"
    if isinstance(error, ModuleNotFoundError) and error.name and (file.parent / f"{error.name}.py").exists():
        package = ".".join(file.parent.relative_to(root).parts)
        message += (
            f"\nWrite `from {package}.{error.name} import ...`: the folder above {package!r} is on the import path."
        )
    return message


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _definitions(module: ModuleType) -> Iterator[FeatureView | FeatureSet]:
    yield from (value for value in vars(module).values() if isinstance(value, (FeatureView, FeatureSet)))


def _add(
    found: dict[str, tuple[FeatureView | FeatureSet, Path]], definition: FeatureView | FeatureSet, file: Path
) -> None:
    known = found.setdefault(fold(definition.name), (definition, file))
    if known[0] is not definition and not _same(known[0], definition):
        where = _shown(file) if known[1] == file else f"{_shown(known[1])} and {_shown(file)}"
        message = f"two different definitions are named {definition.name!r}, in {where}: rename one, or leave one away."
        raise DefinitionError(message)


def _same(left: FeatureView | FeatureSet, right: FeatureView | FeatureSet) -> bool:
    """Whether two definitions are one: a file may have been imported under two names."""
    if not (isinstance(left, FeatureView) and isinstance(right, FeatureView)):
        return left == right

    def bare(view: FeatureView) -> tuple[FeatureView, object]:
        code = getattr(view.transform, "__code__", None)
        place = None if code is None else (code.co_filename, code.co_firstlineno, code.co_code)
        return replace(view, transform=None, sql=view.sql or "-"), (place, view.sql)

    return bare(left) == bare(right)
