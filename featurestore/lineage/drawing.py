"""Drawings of a graph: a tree as text, Mermaid, Graphviz; what has ended is marked in each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from featurestore.lineage.text import short

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["dot", "mermaid", "tree"]

_DIGESTS = frozenset({"snapshot", "frame", "data", "spine"})
_NONE: Mapping[str, str] = MappingProxyType({})


def label(node: str) -> str:
    """Return how a node, `kind/key`, is shown: digests by their first digits."""
    kind, _, key = node.partition("/")
    return f"{kind} {short(key) if kind in _DIGESTS else key}"


def tree(root: str, steps: Mapping[str, Sequence[tuple[str, str]]], ended: Mapping[str, str] = _NONE) -> str:
    """Return a tree from `root`; a node that has more below it is opened where it comes first, and marked later on.

    Parameters
    ----------
    root
        A node.
    steps
        For each node, `(kind of edge, next node)`.
    ended
        How nodes ended, for those that have, or what else is to be said of them.
    """
    lines = [label(root) + _end(root, ended)]
    opened = {root}
    stack = [(root, "", iter(steps.get(root, ())))]
    left = {root: len(steps.get(root, ()))}
    while stack:
        node, indent, following = stack[-1]
        step = next(following, None)
        if step is None:
            stack.pop()
            continue
        kind, reached = step
        left[node] -= 1
        last = left[node] == 0
        again = reached in opened and bool(steps.get(reached))
        mark = _end(reached, ended) + ("  (shown above)" if again else "")
        lines.append(f"{indent}{'└─' if last else '├─'} {label(reached)}  [{kind}]{mark}")
        if reached not in opened:
            opened.add(reached)
            left[reached] = len(steps.get(reached, ()))
            stack.append((reached, indent + ("   " if last else "│  "), iter(steps.get(reached, ()))))
    return "\n".join(lines)


def _end(node: str, ended: Mapping[str, str]) -> str:
    return f"  ({ended[node]})" if node in ended else ""


def mermaid(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]], ended: Mapping[str, str] = _NONE) -> str:
    """Return a Mermaid flow chart of `nodes` and of `(upstream, downstream, kind)`; what has ended is dashed."""
    ids = {node: f"n{place}" for place, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f'  {ids[node]}["{_entities(label(node) + _end(node, ended))}"]' for node in nodes]
    lines += [f'  {ids[near]} -->|"{_entities(kind)}"| {ids[far]}' for near, far, kind in edges]
    if ended:
        lines.append("  classDef ended stroke-dasharray: 4 4,opacity: 0.6")
        lines += [f"  class {ids[node]} ended" for node in nodes if node in ended]
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Return a text without what would end a quoted label, or be taken for markup, in Mermaid."""
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("\n", " ")):
        text = text.replace(character, entity)
    return text


def dot(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]], ended: Mapping[str, str] = _NONE) -> str:
    """Return a Graphviz digraph of `nodes` and of `(upstream, downstream, kind)`; what has ended is dashed."""
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for node in nodes:
        style = ", style=dashed" if node in ended else ""
        lines.append(f"  {_quoted(node)} [label={_quoted(label(node) + _end(node, ended))}{style}];")
    lines += [f"  {_quoted(near)} -> {_quoted(far)} [label={_quoted(kind)}];" for near, far, kind in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
