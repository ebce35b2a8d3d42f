"""Column lineage of a Polars function, from the lazy plan it makes.

The function runs over frames without rows and its plan is read, node by node. Where it collects a frame to decide what
to do, calls Python code for its values, or makes a plan with something that is not known here, nothing is guessed: the
answer is that it cannot be read, and why. The plan's JSON form belongs to the installed Polars; tests/lineage holds
this reader against it by moving data.
"""

from __future__ import annotations

import io
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from featurestore.errors import DefinitionError
from featurestore.lineage.polars_expressions import (
    Json,
    Reads,
    UnreadablePlanError,
    acting,
    expression_reads,
    expressions,
    flowing,
    keeps_height,
    selected,
)

__all__ = ["UnreadablePlanError", "function_uses"]

Use = tuple[str, str]
Uses = dict[Use, bool]
Function = Callable[[dict[str, pl.LazyFrame]], Any]


def function_uses(function: Function, schemas: Mapping[str, pl.Schema]) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """Return, for each output of a function, `(source, column, "DIRECT" | "INDIRECT")`, sorted; see `ColumnUse`.

    Raises
    ------
    UnreadablePlanError
        If its plan cannot be read; the message says why.
    """
    _require_lazy(function, schemas)
    # Frames of different heights tell the sources apart in the plan, where they have no names.
    frames = {name: _nulls(schema, at).lazy() for at, (name, schema) in enumerate(schemas.items(), start=1)}
    result = function(dict(frames))
    if not isinstance(result, pl.LazyFrame):
        raise UnreadablePlanError("it returns a DataFrame: return a LazyFrame")
    sources = {_key(_plan(frame)): name for name, frame in frames.items()}
    try:
        frame = _Reader(sources).frame(_plan(result))
    except (KeyError, ValueError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        raise UnreadablePlanError(f"its plan has a form that is not known ({type(error).__name__}: {error})") from error
    return {
        name: tuple(
            sorted(
                (*use, "DIRECT" if flows else "INDIRECT") for use, flows in flowing(uses, acting(frame.rows)).items()
            )
        )
        for name, uses in frame.columns.items()
    }


def _require_lazy(function: Function, schemas: Mapping[str, pl.Schema]) -> None:
    """Run a function over sources that tell when they are collected: what was seen of rows is not in the plan."""
    collected: list[str] = []
    try:
        function({name: _untouchable(name, schema, collected) for name, schema in schemas.items()})
    except Exception as error:
        if not collected:
            raise UnreadablePlanError(f"it fails where there are no rows ({type(error).__name__}: {error})") from error
    if collected:
        raise UnreadablePlanError(f"it collects {collected[0]!r} itself instead of returning a lazy plan")


def _untouchable(name: str, schema: pl.Schema, collected: list[str]) -> pl.LazyFrame:
    def rows(*_: object) -> Iterator[pl.DataFrame]:
        collected.append(name)
        raise DefinitionError(f"{name} has no rows yet.")
        yield pl.DataFrame(schema=schema)

    return register_io_source(rows, schema=schema)


def _nulls(schema: pl.Schema, height: int) -> pl.DataFrame:
    return pl.DataFrame({name: pl.Series([None] * height, dtype=kind) for name, kind in schema.items()}, schema=schema)


def _plan(frame: pl.LazyFrame) -> Json:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JSON is called deprecated; where it is gone, functions cannot be read
        try:
            return json.loads(frame.serialize(format="json"))
        except Exception as error:  # whatever cannot be pickled
            raise UnreadablePlanError("it holds Python code that cannot be stored") from error


def _key(scan: Json) -> str:
    """Return what tells a source's scan from other frames in memory."""
    return json.dumps(scan["DataFrameScan"]["df"])


def _schema(node: Json) -> pl.Schema:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.LazyFrame.deserialize(io.StringIO(json.dumps(node)), format="json").collect_schema()


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the columns of a plan's node read, and what decides which rows it has, and in which order."""

    schema: pl.Schema
    columns: dict[str, Uses]
    rows: Uses = field(default_factory=dict)

    def uses(self, reads: Reads) -> Uses:
        """Return what an expression over these columns uses."""
        return flowing(*(self.columns[name] if flows else acting(self.columns[name]) for name, flows in reads.items()))

    def of(self, nodes: list[Json]) -> Uses:
        """Return all that expressions use, as what acts."""
        found = [self.uses(expression_reads(node)) for _, node in expressions(nodes, self.schema)]
        return acting(*found)


class _Reader:
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._kinds: dict[str, Callable[[Json, pl.Schema], tuple[dict[str, Uses], Uses]]] = {
            "Cache": self._pass,
            "DataFrameScan": self._scan,
            "Distinct": self._distinct,
            "Filter": self._filter,
            "GroupBy": self._group,
            "HConcat": self._beside,
            "HStack": self._with_columns,
            "Join": self._join,
            "MapFunction": self._map,
            "MergeSorted": self._merge,
            "Select": self._select,
            "Slice": self._pass,
            "Sort": self._sort,
            "Union": self._union,
        }

    def frame(self, node: Json) -> _Frame:
        """Return what a node's columns and rows use."""
        (kind,) = node
        if kind not in self._kinds:
            raise UnreadablePlanError(f"its plan holds {kind!r}")
        schema = _schema(node)
        columns, rows = self._kinds[kind](node[kind] if kind != "DataFrameScan" else node, schema)
        if set(columns) != set(schema):
            raise UnreadablePlanError(f"the columns of {kind!r} in its plan are others than were thought")
        return _Frame(schema, {name: columns[name] for name in schema}, rows)

    def _scan(self, node: Json, schema: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        source = self._sources.get(_key(node))  # any other frame in memory was written out in the function
        return {name: {} if source is None else {(source, name): True} for name in schema}, {}

    def _pass(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        inner = self.frame(body["input"])
        return inner.columns, inner.rows

    def _filter(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        inner = self.frame(body["input"])
        return inner.columns, flowing(inner.rows, inner.of([body["predicate"]]))

    def _sort(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        inner = self.frame(body["input"])
        return inner.columns, flowing(inner.rows, inner.of(body["by_column"]))

    def _distinct(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        inner = self.frame(body["input"])
        subset = body["options"]["subset"]
        keys = acting(*inner.columns.values()) if subset is None else inner.of(subset)
        return inner.columns, flowing(inner.rows, keys)

    def _select(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        inner = self.frame(body["input"])
        columns, rows = {}, [inner.rows]
        for name, node in expressions(body["expr"], inner.schema):
            columns[name] = inner.uses(expression_reads(node))
            if not keeps_height(node):
                rows.append(acting(columns[name]))
        return columns, flowing(*rows)

    def _with_columns(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        inner = self.frame(body["input"])
        made = {name: inner.uses(expression_reads(node)) for name, node in expressions(body["exprs"], inner.schema)}
        return {**inner.columns, **made}, inner.rows

    def _group(self, body: Json, schema: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        if body["apply"] is not None:
            raise UnreadablePlanError("it calls Python code for each group")
        inner = self.frame(body["input"])
        columns = {
            name: inner.uses(expression_reads(node))
            for part in ("keys", "aggs")
            for name, node in expressions(body[part], inner.schema)
        }
        rows = [inner.rows, inner.of(body["keys"]), inner.of(body["predicates"])]
        over_time = body["options"]["dynamic"] or body["options"]["rolling"]
        if over_time:
            times = inner.columns[over_time["index_column"]]
            columns |= {name: times for name in schema if name not in columns}
            rows.append(acting(times))
        return columns, flowing(*rows)

    def _union(self, body: Json, schema: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        frames = [self.frame(node) for node in body["inputs"]]
        columns = {name: flowing(*(frame.columns.get(name, {}) for frame in frames)) for name in schema}
        return columns, flowing(*(frame.rows for frame in frames))

    def _merge(self, body: Json, schema: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        columns, rows = self._union({"inputs": [body["input_left"], body["input_right"]]}, schema)
        keys = [body["key"]] if isinstance(body["key"], str) else body["key"]
        return columns, flowing(rows, *(acting(columns[name]) for name in keys))

    def _beside(self, body: Json, _: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        frames = [self.frame(node) for node in body["inputs"]]
        columns = {name: uses for frame in frames for name, uses in frame.columns.items()}
        return columns, flowing(*(frame.rows for frame in frames))

    def _join(self, body: Json, schema: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        left, right, options = self.frame(body["input_left"]), self.frame(body["input_right"]), body["options"]["args"]
        how: Json = options["how"]
        asof: dict[str, Json] = {}
        if isinstance(how, dict):
            ((how, asof),) = how.items()
        ((condition, terms),) = body["condition"].items()
        rows = [left.rows, right.rows]
        pairs: list[tuple[str, str]] = []
        if condition == "Equi":
            rows += [left.of(terms["left_on"]), right.of(terms["right_on"])]
            pairs = [
                (one["Column"], other["Column"])
                for one, other in zip(terms["left_on"], terms["right_on"], strict=True)
                if "Column" in one and "Column" in other
            ]
        elif condition == "NonEqui":
            rows.append(_predicates(terms["predicates"], left, right, options["suffix"]))
        else:
            raise UnreadablePlanError(f"it joins by {condition!r}")
        pairs += list(zip(asof.get("left_by") or [], asof.get("right_by") or [], strict=True))
        rows += [acting(left.columns[one], right.columns[other]) for one, other in pairs]
        if how in {"Semi", "Anti"}:
            return left.columns, flowing(*rows)
        return _joined(left, right, pairs, options, how=how, outputs=set(schema)), flowing(*rows)

    def _map(self, body: Json, schema: pl.Schema) -> tuple[dict[str, Uses], Uses]:
        if isinstance(body["function"], str):
            raise UnreadablePlanError(f"its plan holds {body['function']!r}")
        ((kind, settings),) = body["function"].items()
        if kind == "OpaquePython":
            raise UnreadablePlanError("it calls Python code for a frame (map_batches)")
        inner = self.frame(body["input"])
        columns, rows = inner.columns, inner.rows
        match kind:
            case "Hint":
                pass
            case "Rename":
                names = dict(zip(settings["existing"], settings["new"], strict=True))
                columns = {names.get(name, name): uses for name, uses in columns.items()}
            case "RowIndex":
                columns = {settings["name"]: {}, **columns}
            case "FillNan":
                filler = inner.uses(expression_reads(settings))
                columns = {name: flowing(uses, filler) for name, uses in columns.items()}
            case "Explode":
                opened = selected(settings["columns"], inner.schema)
                rows = flowing(rows, *(acting(columns[name]) for name in opened))
            case "Unnest":
                opened = selected(settings["columns"], inner.schema)
                parts = flowing(*(columns[name] for name in opened))
                kept = {name: uses for name, uses in columns.items() if name not in opened}
                columns = {name: kept.get(name, parts) for name in schema}
            case "Unpivot":
                columns = _unpivoted(inner, settings["args"])
            case _:
                raise UnreadablePlanError(f"its plan holds {kind!r}")
        return columns, rows


def _predicates(nodes: list[Json], left: _Frame, right: _Frame, suffix: str) -> Uses:
    both: dict[str, list[Uses]] = defaultdict(list)
    for name, uses in left.columns.items():
        both[name].append(uses)
    for name, uses in right.columns.items():
        both[name].append(uses)
        both[name + suffix].append(uses)
    return acting(*(uses for node in nodes for name in expression_reads(node) for uses in both[name]))


def _joined(
    left: _Frame, right: _Frame, pairs: list[tuple[str, str]], options: Json, *, how: str, outputs: set[str]
) -> dict[str, Uses]:
    """Return the columns of a join: the left side's, then the right side's, with a suffix where a name is taken."""
    specific = how in {"Inner", "Left", "Right"}
    merges = options["coalesce"] == "CoalesceColumns" or (options["coalesce"] == "JoinSpecific" and specific)
    dropped = {other for _, other in pairs} if merges and how != "Right" else set()
    left_dropped = {one for one, _ in pairs} if merges and how == "Right" else set()
    columns = {name: uses for name, uses in left.columns.items() if name not in left_dropped}
    if merges and how == "Full":
        for one, other in pairs:
            columns[one] = flowing(columns[one], right.columns[other])
    for name, uses in right.columns.items():
        new = name + options["suffix"] if name in columns else name
        if name not in dropped or new in outputs - set(columns):
            columns[new] = uses
    return columns


def _unpivoted(inner: _Frame, settings: Json) -> dict[str, Uses]:
    index = [] if settings["index"] is None else selected(settings["index"], inner.schema)
    on = [name for name in inner.schema if name not in index]
    if settings["on"] is not None:
        on = selected(settings["on"], inner.schema)
    return {
        **{name: inner.columns[name] for name in index},
        settings["variable_name"] or "variable": {},
        settings["value_name"] or "value": flowing(*(inner.columns[name] for name in on)),
    }
