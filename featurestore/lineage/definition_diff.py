"""How two definitions of a view differ: their SQL laid out alike, and for one feature in words."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from sqlglot import exp

from featurestore.errors import DefinitionError
from featurestore.lineage.dialect import Faithful, parse
from featurestore.lineage.text import some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.model.definition import Definition, FeatureDefinition

__all__ = ["feature_note", "text_diff"]

_SHOWN = 80
"""Characters of an expression that are told in a note."""


def text_diff(before: Definition, after: Definition, labels: tuple[str, str]) -> str:
    """Return a unified diff of two computations; empty where they are the same.

    SQL is laid out alike before it is compared, so that line breaks, spaces and the case of keywords do not show. Where
    nothing else differs there, and yet the definitions do, the texts as written are compared.
    """
    left, right = before.computation, after.computation
    if (left.kind, left.canonical) == (right.kind, right.canonical):
        return ""
    old, new = _laid_out(left.text), _laid_out(right.text)
    if {left.kind, right.kind} != {"sql"} or old == new:
        old, new = left.text, right.text
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), *labels, lineterm=""))


def _laid_out(text: str) -> str:
    try:
        return parse(text).sql(dialect=Faithful, pretty=True, normalize_functions=False)
    except DefinitionError:
        return text  # of a source as it is, a function, or what an earlier release could read


def feature_note(before: Definition, after: Definition, old: FeatureDefinition, new: FeatureDefinition) -> str:
    """Return in words how one feature's computation differs; empty where it does not.

    Parameters
    ----------
    before, after
        Definitions that hold the feature as `old` and as `new`.
    """
    return "; ".join([*_settings(before, after, old, new), *_computed(before, after, old, new), *_reads(old, new)])


def _settings(before: Definition, after: Definition, old: FeatureDefinition, new: FeatureDefinition) -> Iterator[str]:
    if old.type != new.type:
        yield f"its type {old.type} -> {new.type}"
    if old.default != new.default:
        yield f"its default {old.default} -> {new.default}"
    for name in ("keys", "event_time", "created_time", "ttl", "lookback"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name.replace('_', ' ')} of the view"
    types = {(source.name, column): kind for source in before.sources for column, kind in source.columns}
    read = {(source, column) for source, column, _ in new.reads}
    for source in after.sources:
        for column, kind in source.columns:
            was = types.get((source.name, column), kind)
            if was != kind and (source.name, column) in read:
                yield f"{source.name}.{column} was {was}, is {kind}"


def _computed(before: Definition, after: Definition, old: FeatureDefinition, new: FeatureDefinition) -> Iterator[str]:
    if old.identity == new.identity:
        return
    kinds = before.computation.kind, after.computation.kind
    if kinds[0] != kinds[1]:
        yield f"computed by {kinds[0]} -> by {kinds[1]}"
    elif kinds[0] == "function":
        yield "its function"
    elif kinds[0] == "sql":
        left, right = _expression(before, old.name), _expression(after, new.name)
        if left is None or right is None:
            yield "its query"
        elif left != right:
            yield f"{_short(left)} -> {_short(right)}"
        else:
            yield "what its rows pass through"


def _expression(definition: Definition, name: str) -> str | None:
    """Return the expression of one output, where the query ends in a SELECT that writes it out."""
    try:
        tree: exp.Expr = parse(definition.computation.text)
    except DefinitionError:
        return None
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    for entry in tree.expressions if isinstance(tree, exp.Select) else []:
        if entry.alias_or_name.casefold() == name.casefold():
            value = entry.this if isinstance(entry, exp.Alias) else entry
            return str(value.sql(dialect=Faithful, normalize_functions=False))
    return None


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _reads(old: FeatureDefinition, new: FeatureDefinition) -> Iterator[str]:
    if old.exact != new.exact:
        yield "what it reads is known now" if new.exact else "it depends on every column now"
    if not (old.exact and new.exact):
        return
    left, right = ({f"{source}.{column}": kind for source, column, kind in item.reads} for item in (old, new))
    for what, names in (
        ("reads also", [name for name in right if name not in left]),
        ("reads no longer", [name for name in left if name not in right]),
        ("takes the value of", [name for name in right if right[name] == "DIRECT" and left.get(name) == "INDIRECT"]),
        ("only acts now:", [name for name in right if right[name] == "INDIRECT" and left.get(name) == "DIRECT"]),
    ):
        if names:
            yield f"{what} {some(names)}"
