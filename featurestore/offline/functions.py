"""Functions as computations: a live function becomes text that stands alone, and text becomes a function again.

The text is the function parsed and printed again, so comments and formatting do not count, without decorators,
annotations and docstrings. Names from outside are builtins, installed modules (recorded), or constants of the
function's own file, whose values stand above it in the text: changing a constant changes the definition. Nothing else
may come from outside, since the store could not run it once the code has moved on.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import math
import symtable
import sys
import textwrap
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NoReturn

from featurestore.errors import DefinitionError

__all__ = ["function_source", "load_function"]


def function_source(transform: Callable[..., Any]) -> tuple[str, str, dict[str, str]]:
    """Return name, self-contained text, and imports (name in the function -> `module` or `module:attribute`).

    Raises
    ------
    DefinitionError
        If it is no plain function, its source cannot be found, or it uses something else from outside.
    """
    if not isinstance(transform, FunctionType):
        shown = getattr(transform, "__qualname__", type(transform).__name__)
        _fail(shown, "is no plain function", "write `def name(relations): ...` at the top of a file")
    name = transform.__name__
    if name == "<lambda>":
        _fail(name, "has no name", "write `def name(relations): ...` instead of a lambda")
    if transform.__code__.co_freevars:
        outer = ", ".join(transform.__code__.co_freevars)
        _fail(name, f"uses {outer} of the function around it", "move that inside, or make it a constant of the file")
    tree = _parse(transform, name)
    imports: dict[str, str] = {}
    constants: dict[str, str] = {}
    imported = _imported_names(transform)
    for free in sorted(_free_names(ast.unparse(tree))):
        if free not in transform.__globals__:
            if not hasattr(builtins, free):
                _fail(name, f"uses {free!r}, which is not defined", "define it inside the function, or import it")
            continue
        value = transform.__globals__[free]
        path = _import_path(free, value, imported)
        if path is not None:
            if not _installed(path.partition(":")[0]):
                _fail(name, f"uses {free!r} of {path}, which is your own code", f"move {free!r} inside the function")
            imports[free] = path
        else:
            constants[free] = _constant(name, free, value)
    lines = [f"{free} = {text}" for free, text in sorted(constants.items())]
    return name, "\n".join([*lines, ast.unparse(tree)]), imports


def load_function(name: str, text: str, imports: Mapping[str, str]) -> Callable[[dict[str, Any]], Any]:
    """Return the function of a stored text.

    Raises
    ------
    DefinitionError
        If a module it imports is not installed, or the text does not define it.
    """
    namespace: dict[str, Any] = {"__name__": f"featurestore.stored.{name}"}
    for alias, path in imports.items():
        module, _, attribute = path.partition(":")
        try:
            value: Any = importlib.import_module(module)
            for part in attribute.split(".") if attribute else ():
                value = getattr(value, part)
        except (ImportError, AttributeError) as error:
            message = f"function {name!r} needs {path.replace(':', '.')}, which is not here: {error}. Install it."
            raise DefinitionError(message) from error
        namespace[alias] = value
    exec(compile(text, f"<function {name}>", "exec"), namespace)  # noqa: S102 - the owner of the store applied it
    function = namespace.get(name)
    if not callable(function):
        message = f"the stored text of function {name!r} does not define it."
        raise DefinitionError(message)
    return function  # type: ignore[no-any-return] # whatever the text defines under the name


def _fail(name: str, what: str, cure: str) -> NoReturn:
    message = f"function {name!r} {what}: {cure}, so that the store can run it alone."
    raise DefinitionError(message)


def _parse(function: FunctionType, name: str) -> ast.FunctionDef:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        _fail(name, "has no source that can be read", "write it in a file")
    if not isinstance(tree, ast.FunctionDef):
        _fail(name, "is no plain function", "write `def name(relations): ...`")
    tree.decorator_list = []
    stripped = _Strip().visit(tree)
    ast.fix_missing_locations(stripped)
    return tree


class _Strip(ast.NodeTransformer):
    """Take out what does not compute: annotations and docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        body = node.body
        if (
            isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        return ast.Pass() if node.value is None else ast.Assign(targets=[node.target], value=node.value)


def _free_names(text: str) -> set[str]:
    table = symtable.symtable(text, "<function>", "exec")
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and not symbol.is_assigned()}
    pending = list(table.get_children())
    while pending:
        scope = pending.pop()
        names.update(symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global())
        pending.extend(scope.get_children())
    return names - {symbol.get_name() for symbol in table.get_symbols() if symbol.is_namespace()}


def _imported_names(function: FunctionType) -> dict[str, str]:
    """Return what the import statements of the function's file bind: name -> `module` or `module:attribute`."""
    try:
        tree = ast.parse(Path(function.__code__.co_filename).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({item.asname or item.name: f"{node.module}:{item.name}" for item in node.names})
    return names


def _import_path(alias: str, value: object, imported: Mapping[str, str]) -> str | None:
    if isinstance(value, ModuleType):
        return value.__name__
    candidates = [imported.get(alias, "")]
    if callable(value):
        candidates.append(f"{getattr(value, '__module__', None) or ''}:{getattr(value, '__qualname__', '')}")
    for path in candidates:
        module, _, attribute = path.partition(":")
        try:
            found: Any = sys.modules[module]
            for part in attribute.split("."):
                found = getattr(found, part)
        except (KeyError, AttributeError):
            continue
        if found is value and not isinstance(value, (int, float, str, bytes, tuple, frozenset, date, timedelta)):
            return path
    return None


def _installed(module: str) -> bool:
    """Return whether a module comes with Python or an installed package, and so is no code of the user's own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return top != "__main__"
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return False
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any(part in {"site-packages", "dist-packages"} for place in places for part in Path(place).parts)


def _constant(name: str, free: str, value: object) -> str:
    text = _constant_text(value)
    if text is None:
        cure = f"move {free!r} inside the function"
        if isinstance(value, (list, dict, set)):
            cure += ", or make it a tuple, which nobody can change"
        _fail(name, f"uses {free!r} of its file, a {type(value).__name__}", cure)
    return text


def _constant_text(value: object) -> str | None:  # noqa: PLR0911 - a type each
    """Return an expression of a plain constant that needs no import; None if it is none."""
    if value is None or type(value) in {bool, int, str, bytes}:
        return repr(value)
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f"float('{value}')"
    module = "__import__('datetime')"
    if type(value) is timedelta:
        return f"{module}.timedelta({value.days}, {value.seconds}, {value.microseconds})"
    if type(value) is datetime and (value.tzinfo is None or value.tzinfo is UTC):
        zone = "" if value.tzinfo is None else f".replace(tzinfo={module}.timezone.utc)"
        return f"{module}.datetime.fromisoformat('{value.replace(tzinfo=None).isoformat()}'){zone}"
    if type(value) is date:
        return f"{module}.date({value.year}, {value.month}, {value.day})"
    if type(value) in {tuple, frozenset}:
        items = [_constant_text(item) for item in value]  # type: ignore[attr-defined] # both are iterable
        if None in items:
            return None
        texts = [str(item) for item in items]
        return (
            f"({', '.join(texts)}{',' * (len(texts) == 1)})"
            if type(value) is tuple
            else f"frozenset([{', '.join(sorted(texts))}])"
        )
    return None
