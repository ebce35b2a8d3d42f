"""Drawings of a graph: a tree as text, Mermaid, Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.lineage.text import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["dot", "mermaid", "tree"]

_DIGESTS = frozenset({"snapshot", "frame", "data"})


def label(node: str) -> str:
    """Return how a node, `kind/key`, is shown: digests by their first digits."""
    kind, _, key = node.partition("/")
    return f"{kind} {short(key) if kind in _DIGESTS else key}"


def tree(root: str, steps: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Return a tree from `root`; a node that has more below it is opened where it comes first, and marked later on.

    Parameters
    ----------
    root
        A node.
    steps
        For each node, `(kind of edge, next node)`.
    """
    lines = [label(root)]
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
        mark = "  (shown above)" if again else ""
        lines.append(f"{indent}{'└─' if last else '├─'} {label(reached)}  [{kind}]{mark}")
        if reached not in opened:
            opened.add(reached)
            left[reached] = len(steps.get(reached, ()))
            stack.append((reached, indent + ("   " if last else "│  "), iter(steps.get(reached, ()))))
    return "\n".join(lines)


def mermaid(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> str:
    """Return a Mermaid flow chart of `nodes` and of `(upstream, downstream, kind)`."""
    ids = {node: f"n{place}" for place, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f'  {ids[node]}["{label(node).replace(chr(34), "#quot;")}"]' for node in nodes]
    lines += [f"  {ids[near]} -->|{kind}| {ids[far]}" for near, far, kind in edges]
    return "\n".join(lines) + "\n"


def dot(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> str:
    """Return a Graphviz digraph of `nodes` and of `(upstream, downstream, kind)`."""
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quoted(node)} [label={_quoted(label(node))}];" for node in nodes]
    lines += [f"  {_quoted(near)} -> {_quoted(far)} [label={_quoted(kind)}];" for near, far, kind in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
