"""Understand a view's SQL: its canonical form, its outputs, and which source columns each of them depends on.

Text in, frozen values out: nothing is read or run.

>>> analysis = analyse("select id, temp * 2 as double from weather where ok", {"weather": {
...     "id": "VARCHAR", "temp": "DOUBLE", "ok": "BOOLEAN"}}, always=["id"])
>>> [(use.column, use.kind) for use in analysis.uses["double"]]
[('ok', 'INDIRECT'), ('temp', 'DIRECT')]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from featurestore.errors import DefinitionError, nearest
from featurestore.lineage.canonical import ALGORITHM, canonical
from featurestore.lineage.dialect import parse, place
from featurestore.lineage.graph import Edge, Local, Select, Source, out, rows
from featurestore.lineage.queries import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from featurestore.lineage.graph import Graph, Node, Query

__all__ = ["ColumnUse", "SqlAnalysis", "analyse"]


@dataclass(frozen=True, slots=True, order=True)
class ColumnUse:
    """One source column that an output depends on.

    `kind` is `DIRECT` if its value flows into the output, also through an aggregate, a window function, a CASE
    condition or a FILTER; `INDIRECT` if it only acts: in WHERE, JOIN, GROUP BY, HAVING, QUALIFY, DISTINCT, LIMIT,
    a window's PARTITION BY and ORDER BY, any ORDER BY (it settles ties, and what order-sensitive aggregates see),
    EXISTS, or the comparison inside EXCEPT and INTERSECT. A column that does both is listed once, as `DIRECT`.
    """

    source: str
    column: str
    kind: str


@dataclass(frozen=True, slots=True)
class SqlAnalysis:
    """What a view's SQL means.

    Attributes
    ----------
    algorithm
        Names the canonical form. Texts of different algorithms cannot be compared.
    canonical
        Canonical text of the whole query. The order of its output columns does not count, their names do.
    outputs
        Output column names in order, as written (a bare column as its source spells it).
    canonical_of
        For each output, the canonical text of the query pruned to it and the `always` columns.
    reads
        For each source that is read, the columns that any output depends on, sorted. A source of which only the
        rows count (`count(*)`) has an empty entry.
    reads_of
        The same for each output with the `always` columns.
    uses
        For each output, the source columns it depends on, sorted; see `ColumnUse`.
    origin
        For each output that is one source column, unchanged all the way down: that (source, column). Filters,
        inner joins, the kept side of outer joins and plain GROUP BY keys keep an origin; expressions, casts,
        aggregates, set operations, grouping sets and the padded side of outer joins end it.
    """

    algorithm: str
    canonical: str
    outputs: tuple[str, ...]
    canonical_of: Mapping[str, str]
    reads: Mapping[str, tuple[str, ...]]
    reads_of: Mapping[str, Mapping[str, tuple[str, ...]]]
    uses: Mapping[str, tuple[ColumnUse, ...]]
    origin: Mapping[str, tuple[str, str]]


def analyse(sql: str, schemas: Mapping[str, Mapping[str, str]], *, always: Sequence[str] = ()) -> SqlAnalysis:
    """Analyse one SELECT in DuckDB's dialect.

    Parameters
    ----------
    sql
        The view's SQL.
    schemas
        The declared sources: name -> column -> DuckDB type. Names compare ignoring case.
    always
        Outputs that every pruned query keeps: join keys, event time, created time.

    Raises
    ------
    DefinitionError
        If the text is not one SELECT over the declared sources with named, distinct outputs, or if it would not
        compute the same rows again.
    """
    tree = parse(sql)
    try:
        query, graph = resolve(sql, tree, schemas)
        outputs = _outputs(sql, query)
        kept = [_index(name, outputs) for name in always]
        whole = sorted(range(len(outputs)), key=lambda index: outputs[index])
        live = _live(graph, query, whole)
        text = canonical(query, graph, whole, live)
        pruned = {index: _live(graph, query, [index, *kept]) for index in range(len(outputs))}
        texts = {
            outputs[index]: canonical(query, graph, list(dict.fromkeys([index, *kept])), nodes)
            for index, nodes in pruned.items()
        }
        origins = {name: _origin(query, index) for index, name in enumerate(outputs)}
    except RecursionError as error:
        raise DefinitionError("The SQL is nested too deeply to be read: split it into CTEs.") from error
    return SqlAnalysis(
        algorithm=ALGORITHM,
        canonical=text,
        outputs=outputs,
        canonical_of=MappingProxyType(texts),
        reads=_reads(live),
        reads_of=MappingProxyType({outputs[index]: _reads(nodes) for index, nodes in pruned.items()}),
        uses=MappingProxyType({name: _uses(graph, query, index) for index, name in enumerate(outputs)}),
        origin=MappingProxyType({name: origin for name, origin in origins.items() if origin is not None}),
    )


def _outputs(sql: str, query: Query) -> tuple[str, ...]:
    names: list[str] = []
    for position, name in enumerate(query.names, start=1):
        if name is None:
            node = query.items[position - 1].node if isinstance(query, Select) else None
            raise DefinitionError(
                f"Output {position}{place(sql, node)} has no name: add `as name`, it becomes the feature's name."
            )
        names.append(name)
    for folded, count in Counter(name.casefold() for name in names).items():
        if count > 1:
            spelt = next(name for name in names if name.casefold() == folded)
            raise DefinitionError(
                f"{count} outputs are called {spelt!r} (names ignore case): give each its own with `as name`, "
                "or leave one out (`* exclude (...)`)."
            )
    return tuple(names)


def _index(name: str, outputs: Sequence[str]) -> int:
    for index, known in enumerate(outputs):
        if known.casefold() == name.casefold():
            return index
    raise DefinitionError(f"The SQL has no output {name!r}, which the view needs.{nearest(name, outputs)}")


def _live(graph: Graph, query: Query, outputs: Iterable[int]) -> set[Node]:
    return graph.reach([rows(query), *(out(query, index) for index in outputs)])


def _reads(nodes: Iterable[Node]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, set[str]] = defaultdict(set)
    for query, kind, index in nodes:
        if isinstance(query, Source):
            columns = found[query.source]
            if kind == "out":
                columns.add(query.names[index] or "")
    return MappingProxyType({source: tuple(sorted(found[source])) for source in sorted(found)})


def _uses(graph: Graph, query: Query, index: int) -> tuple[ColumnUse, ...]:
    start = out(query, index)
    direct = graph.reach([start], least=Edge.FLOWS)
    return tuple(
        sorted(
            ColumnUse(node[0].source, node[0].names[node[2]] or "", "DIRECT" if node in direct else "INDIRECT")
            for node in graph.reach([start], least=Edge.ACTS)
            if isinstance(node[0], Source) and node[1] == "out"
        )
    )


def _origin(query: Query, index: int) -> tuple[str, str] | None:
    """Return the source column that an output is, if nothing on the way can change a value."""
    if isinstance(query, Source):
        return query.source, query.names[index] or ""
    if not isinstance(query, Select) or query.grouping_sets:
        return None
    binding = query.items[index].binding
    if not isinstance(binding, Local) or binding.fields or binding.relation.padded:
        return None
    if query.scope is not binding.relation.scope:  # a correlated reference
        return None
    return _origin(binding.relation.query, binding.index)
