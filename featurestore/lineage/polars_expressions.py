"""What a Polars expression reads, from its serialized form. What is not known here is not guessed."""

from __future__ import annotations

import io
import json
import warnings
from typing import TYPE_CHECKING, Any

import polars as pl

from featurestore.errors import FeatureStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Json",
    "Reads",
    "UnreadablePlanError",
    "acting",
    "expression_reads",
    "expressions",
    "flowing",
    "keeps_height",
    "selected",
]

Json = Any
Reads = dict[str, bool]
"""Column to whether its value flows (True) or only acts (False)."""

# Nodes with their parts: those whose value flows, and those that only act. All other arguments are settings.
_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "BinaryExpr": (("left", "right"), ()),
    "Cast": (("expr",), ()),
    "Eval": (("expr", "evaluation"), ()),
    "Explode": (("input",), ()),
    "Filter": (("input", "by"), ()),
    "Gather": (("expr", "idx"), ()),
    "Over": (("function",), ("partition_by", "order_by")),
    "RenameAlias": (("expr",), ()),
    "Rolling": (("function",), ("index_column",)),
    "Slice": (("input", "offset", "length"), ()),
    "Sort": (("expr",), ()),
    "SortBy": (("expr",), ("by",)),
    "Ternary": (("predicate", "truthy", "falsy"), ()),
}
_WRAPPED = frozenset({"Agg", "Alias", "AnonymousFunction", "Column", "Function", "KeepName", "Literal", "Selector"})
_LEAVES = frozenset({"Element", "Len"})
_CODE = 24  # a list of so many small numbers is pickled code or data, not settings


class UnreadablePlanError(FeatureStoreError):
    """A plan holds something whose reads are not known; the message ends the sentence 'cannot be read: ...'."""


def _kind(node: Json) -> str | None:
    """Return the kind of an expression; None if it is none."""
    if isinstance(node, str):
        return node if node in _LEAVES else None
    if isinstance(node, dict) and len(node) == 1:
        (kind,) = node
        return kind if kind in _PARTS or kind in _WRAPPED else None
    return None


def flowing(*parts: Mapping[Any, bool]) -> dict[Any, bool]:
    """Return all that `parts` read; what flows in one of them flows."""
    found: dict[Any, bool] = {}
    for part in parts:
        for column, flows in part.items():
            found[column] = found.get(column, False) or flows
    return found


def acting(*parts: Mapping[Any, bool]) -> dict[Any, bool]:
    """Return all that `parts` read, as what only acts."""
    return {column: False for part in parts for column in part}


def expression_reads(node: Json) -> Reads:
    """Return the columns that one expression without selectors reads.

    Raises
    ------
    UnreadablePlanError
        If it holds Python code, or a kind of node that is not known.
    """
    kind = _kind(node)
    if kind is None:
        name = next(iter(node)) if isinstance(node, dict) and node else node
        raise UnreadablePlanError(f"it uses the expression {name!r}")
    if kind in _LEAVES or kind == "Literal":
        return {}
    body = node[kind]
    if kind == "Column":
        return {body: True}
    if kind == "AnonymousFunction":
        raise UnreadablePlanError("it calls Python code for its values (map_elements, map_batches)")
    if kind == "Function":
        if _holds_code(body["function"]):
            raise UnreadablePlanError("it calls Python code for its values")
        return flowing(*(expression_reads(argument) for argument in body["input"]))
    if kind == "Agg":
        return _aggregate_reads(body)
    if kind in {"Alias", "KeepName"}:
        return expression_reads(body[0] if kind == "Alias" else body)
    flows, acts = _PARTS[kind]
    return flowing(
        *(expression_reads(part) for part in _parts(body, flows)),
        acting(*(expression_reads(part) for part in _parts(body, acts))),
    )


def _parts(body: Json, names: tuple[str, ...]) -> Iterator[Json]:
    for name in names:
        value = body.get(name)
        if isinstance(value, list) and name == "order_by":  # [expression, options]
            yield value[0]
        elif isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def _aggregate_reads(body: Json) -> Reads:
    """Read `{"Sum": expression}`, `{"Std": [expression, 1]}`, `{"Max": {"input": expression, ...}}`."""
    (arguments,) = body.values()
    candidates = [arguments]
    if _kind(arguments) is None:
        candidates = list(arguments.values()) if isinstance(arguments, dict) else arguments
    found = [part for part in candidates if _kind(part) is not None]
    if not found or any(isinstance(part, (dict, list)) for part in candidates if _kind(part) is None):
        raise UnreadablePlanError(f"it uses the aggregate {next(iter(body))!r}")
    return flowing(*(expression_reads(part) for part in found))


def _holds_code(value: Json) -> bool:
    if isinstance(value, list):
        numbers = len(value) > _CODE and all(isinstance(item, int) for item in value)
        return numbers or any(map(_holds_code, value))
    if isinstance(value, dict):
        return any(key.startswith(("Ffi", "Opaque")) or _holds_code(part) for key, part in value.items())
    return False


def keeps_height(node: Json) -> bool:
    """Tell whether an expression has as many values as there are rows, or one for all, whatever the data."""
    kind = _kind(node)
    if kind in {"Column", "Literal"}:
        return True
    if kind == "Over":
        return bool(node[kind].get("mapping") == "GroupsToRows")
    parts: list[Json] = []
    if kind in {"Alias", "KeepName"}:
        parts = [node[kind][0] if kind == "Alias" else node[kind]]
    elif kind == "Eval":  # of each list, within its row
        parts = [node[kind]["expr"]]
    elif kind in {"BinaryExpr", "Cast", "RenameAlias", "Ternary"}:
        parts = list(_parts(node[kind], _PARTS[kind][0]))
    if parts:
        return all(keeps_height(part) for part in parts)
    try:
        meta = _expression(node).meta
        return bool(meta.is_length_preserving() or meta.is_scalar())
    except pl.exceptions.PolarsError:
        return False


def _expression(node: Json) -> pl.Expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JSON is called deprecated; where it is gone, functions cannot be read
        return pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")


def selected(selector: Json, schema: pl.Schema) -> list[str]:
    """Return the columns that a selector means."""
    return pl.LazyFrame(schema=schema).select(_expression({"Selector": selector})).collect_schema().names()


def _selectors(node: Json) -> Iterator[Json]:
    if _kind(node) == "Selector":
        yield node["Selector"]
    elif isinstance(node, dict) and _kind(node) != "Literal":
        for part in node.values():
            yield from _selectors(part)
    elif isinstance(node, list):
        for part in node:
            yield from _selectors(part)


def _replaced(node: Json, names: list[str]) -> Json:
    """Return `node` with its selectors replaced by columns: one each, or (as arguments of a function) all."""
    if _kind(node) == "Selector":
        return {"Column": names[0]}
    if isinstance(node, dict):
        return {key: _replaced(part, names) for key, part in node.items()}
    if isinstance(node, list):
        every = [{"Column": name} for name in names]
        return [
            new
            for part in node
            for new in (every if _kind(part) == "Selector" else [_replaced(part, names)])
        ]  # fmt: skip
    return node


def expressions(nodes: list[Json], schema: pl.Schema) -> Iterator[tuple[str, Json]]:
    """Yield `(name, expression)` for each output of `nodes` over columns of `schema`, selectors replaced.

    Where it is not plain which selected column goes where, each output reads all of them.
    """
    for node in nodes:
        outputs = pl.LazyFrame(schema=schema).select(_expression(node)).collect_schema().names()
        found = list(_selectors(node))
        chosen = [selected(selector, schema) for selector in found]
        alike = all(selector == found[0] for selector in found)
        if not found:
            yield outputs[0], node
        elif alike and len(outputs) == len(chosen[0]):
            yield from ((output, _replaced(node, [name])) for output, name in zip(outputs, chosen[0], strict=True))
        else:
            names = list(dict.fromkeys(name for part in chosen for name in part))
            every = {"Function": {"input": [{"Column": name} for name in names], "function": "Coalesce"}}
            rest = _replaced(node, names) if names else every
            both = {"Function": {"input": [every, rest], "function": "Coalesce"}}
            yield from ((output, both) for output in outputs)
