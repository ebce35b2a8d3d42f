"""Define: a feature view, as written, becomes a definition, resolved against what its sources hold now."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from featurestore.errors import ContractError, DefinitionError, nearest
from featurestore.model.contract import Contract
from featurestore.model.definition import Computation, Definition, FeatureDefinition, Metadata, SourceDefinition, digest
from featurestore.model.types import Timestamp, parse_type
from featurestore.offline.functions import function_source, load_function
from featurestore.offline.values import default_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from featurestore.model.source import Source
    from featurestore.model.types import FeatureType
    from featurestore.model.view import Feature, FeatureView
    from featurestore.operations.context import Context

__all__ = ["Defined", "Schemas", "define", "define_all", "defining"]

Schemas = dict[str, dict[str, str]]
"""Source name -> column -> DuckDB type."""
Uses = dict[str, tuple[tuple[str, str, str], ...]]
"""Output -> `(source, column, "DIRECT" | "INDIRECT")` of all it depends on."""


@dataclass(frozen=True, slots=True)
class Defined:
    """A view resolved.

    Attributes
    ----------
    definition, metadata
        What is computed, and what is said about it.
    sources
        The sources as written, with the columns they have now: `(source, {column: DuckDB type})`.
    promise
        What its features promise; empty where they promise nothing.
    """

    definition: Definition
    metadata: Metadata
    sources: tuple[tuple[Source, Mapping[str, str]], ...]
    promise: Contract = field(default_factory=Contract)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a view's computation reads its sources."""

    computation: Computation
    columns: tuple[str, ...]
    outputs: dict[str, FeatureType]
    reads: dict[str, tuple[str, ...]]
    identity: dict[str, str]
    uses: Uses
    exact: bool
    window: tuple[str, str] | None
    basis: str = "derived"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, from which `from_json` makes an equal reading."""
        return {
            **{item.name: getattr(self, item.name) for item in fields(self)},
            "computation": self.computation.to_json(),
            "outputs": {name: str(type_) for name, type_ in self.outputs.items()},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> _Reading:
        """Read the JSON form."""
        window = value["window"]
        return cls(
            Computation(**value["computation"]),
            tuple(value["columns"]),
            {name: parse_type(text) for name, text in value["outputs"].items()},
            {source: tuple(columns) for source, columns in value["reads"].items()},
            value["identity"],
            {name: tuple((use[0], use[1], use[2]) for use in uses) for name, uses in value["uses"].items()},
            value["exact"],
            None if window is None else (window[0], window[1]),
            value["basis"],
        )


def define(context: Context, view: FeatureView, schemas: Schemas | None = None) -> Defined:
    """Resolve a view.

    Parameters
    ----------
    schemas
        Source name -> column -> DuckDB type; None reads them of the sources as they are now.

    Raises
    ------
    DefinitionError
        If the computation cannot be read.
    ContractError
        If its output lacks a key, a time or a feature, or one has another type than declared.
    SourceError
        If a source cannot be read.
    """
    if schemas is None:
        schemas = {source.name: context.reader.schema(source) for source in view.sources}
    always = [*view.entity.keys, *(name for name in (view.event_time, view.created_time) if name is not None)]
    reading = _remembered(context, view, schemas, always)
    _check_frame(view, reading)
    key_reads = {(use[0], use[1]) for name in always for use in reading.uses.get(name, ())}
    columns = {(source, column) for source, found in schemas.items() for column in found}
    definition = Definition(
        view=view.name,
        entity=view.entity.name,
        keys=tuple(view.entity.keys.items()),
        sources=tuple(
            SourceDefinition(
                source.name,
                source.kind,
                source.location(),
                tuple((column, schemas[source.name][column]) for column in reading.reads[source.name]),
            )
            for source in view.sources
        ),
        computation=reading.computation,
        event_time=view.event_time,
        created_time=view.created_time,
        ttl=view.ttl,
        lookback=view.lookback,
        features=tuple(
            _feature(view, feature, reading, key_reads, columns) for feature in _features(view, reading.outputs, always)
        ),
        window_source=reading.window,
    )
    metadata = Metadata(view.owner, view.description, dict(view.tags), view.on_violation)
    return Defined(definition, metadata, tuple((source, schemas[source.name]) for source in view.sources), view.promise)


def define_all(context: Context, views: Sequence[FeatureView]) -> tuple[Defined, ...]:
    """Resolve several views; each source is looked at once.

    Raises
    ------
    DefinitionError, ContractError, SourceError
        As `define`, for the first view that cannot be resolved.
    """
    known: dict[str, dict[str, str]] = {}

    def columns(source: Source) -> dict[str, str]:
        if source.kind == "arrow":  # its rows are the object's own
            return context.reader.schema(source)
        place = digest([source.name, source.kind, source.location()])
        if place not in known:
            known[place] = context.reader.schema(source)
        return known[place]

    with defining(context):
        return tuple(define(context, view, {item.name: columns(item) for item in view.sources}) for view in views)


@contextmanager
def defining(context: Context) -> Iterator[None]:
    """Resolve views within the block: afterwards what was found is remembered, and the engine at rest again."""
    try:
        yield
    finally:
        if "engine" in vars(context):
            context.engine.close()
        context.readings.save()


_NOT_READ = {"name", "owner", "description", "tags", "transform", "source", "sources"}
"""Fields of a view that tell nothing of how its computation reads its sources; a function tells it by its text."""


_WRONG = "wrong"


def _remembered(context: Context, view: FeatureView, schemas: Schemas, always: list[str]) -> _Reading:
    """Return how a view reads its sources: as is remembered of the same text over the same columns, or as is found."""
    declared = {item.name: repr(getattr(view, item.name)) for item in fields(view) if item.name not in _NOT_READ}
    function = None if view.transform is None else function_source(view.transform)
    columns = [[source, list(found.items())] for source, found in schemas.items()]  # their order counts: `select *`
    key = context.readings.key(declared, function, columns)
    known = context.readings.find(key)
    if known is not None and _WRONG in known:
        raise DefinitionError(f"feature view {view.name!r}: {known[_WRONG]}")
    if known is not None:
        return _Reading.from_json(known)
    if view.sql is not None:
        try:
            reading = _read_sql(context, view, schemas, always)
        except DefinitionError as error:
            context.readings.keep(key, {_WRONG: str(error).partition(f"feature view {view.name!r}: ")[2] or str(error)})
            raise
    elif view.transform is not None:
        reading = _read_function(context, view, schemas)
    else:
        reading = _read_columns(view, schemas, always)
    context.readings.keep(key, reading.to_json())
    return reading


def _types(view: FeatureView, columns: list[tuple[str, str]], wanted: set[str] | None = None) -> dict[str, FeatureType]:
    from featurestore.offline.arrow_types import from_duckdb  # noqa: PLC0415 - a text that is remembered needs no library

    return {
        name: from_duckdb(type_, where=f"column {name!r} of feature view {view.name!r}")
        for name, type_ in columns
        if wanted is None or name in wanted
    }


def _wanted(view: FeatureView, always: list[str]) -> set[str] | None:
    return None if view.features is None else {*always, *(feature.name for feature in view.features)}


def _read_sql(context: Context, view: FeatureView, schemas: Schemas, always: list[str]) -> _Reading:
    from featurestore.lineage.sql import analyse  # noqa: PLC0415 - as above

    sql = view.sql or ""
    try:
        analysis = analyse(sql, schemas, always=always)
    except DefinitionError as error:
        raise DefinitionError(f"feature view {view.name!r}: the SQL: {error}") from None
    computation = Computation("sql", sql, f"{analysis.algorithm}:{analysis.canonical}")
    kept = {name: dict.fromkeys(columns) for name, columns in analysis.reads.items()}
    described = _describe(context, view, computation, schemas)
    event_time = view.event_time
    return _Reading(
        computation,
        tuple(name for name, _ in described),
        _types(view, described, _wanted(view, always)),
        {name: tuple(sorted(kept.get(name, ()))) for name in schemas},
        {name: f"{analysis.algorithm}:{text}" for name, text in analysis.canonical_of.items()},
        {name: tuple((use.source, use.column, use.kind) for use in uses) for name, uses in analysis.uses.items()},
        exact=True,
        window=None if event_time is None else analysis.origin.get(event_time),
    )


def _read_function(context: Context, view: FeatureView, schemas: Schemas) -> _Reading:
    if view.transform is None:
        raise AssertionError(view.name)
    name, text, imports = function_source(view.transform)
    computation = Computation("function", text, digest([name, text]), name, imports)
    always = [*view.entity.keys, *(item for item in (view.event_time, view.created_time) if item is not None)]
    described = _describe(context, view, computation, schemas)
    outputs = _types(view, described, _wanted(view, always))
    uses, basis = _function_uses(context, computation, schemas, list(outputs))
    return _Reading(
        computation,
        tuple(column for column, _ in described),
        outputs,
        {name: tuple(sorted(columns)) for name, columns in schemas.items()},
        dict.fromkeys(outputs, computation.canonical),
        uses,
        exact=basis == "derived",
        window=None,
        basis=basis,
    )


def _function_uses(
    context: Context, computation: Computation, schemas: Schemas, outputs: list[str]
) -> tuple[Uses, str]:
    """Return what a function's outputs read, and how that is known; every column where its plan cannot be read."""
    from featurestore.lineage.polars_plan import UnreadablePlanError, function_uses  # noqa: PLC0415 - loads Polars

    function = load_function(computation.name, computation.text, computation.imports)
    try:
        return function_uses(function, context.engine.frame_schemas(schemas)), "derived"
    except UnreadablePlanError as error:
        every = tuple((source, column, "DIRECT") for source in sorted(schemas) for column in sorted(schemas[source]))
        return dict.fromkeys(outputs, every), str(error)


def _describe(context: Context, view: FeatureView, computation: Computation, schemas: Schemas) -> list[tuple[str, str]]:
    try:
        return context.engine.describe(computation, schemas)
    except DefinitionError as error:
        raise DefinitionError(f"feature view {view.name!r}: {error}") from error


def _read_columns(view: FeatureView, schemas: Schemas, always: list[str]) -> _Reading:
    ((source, columns),) = schemas.items()
    wanted = _wanted(view, always)
    kept = {name: type_ for name, type_ in columns.items() if wanted is None or name in wanted}
    return _Reading(
        Computation("columns", "", ""),
        tuple(columns),
        _types(view, list(kept.items())),
        {source: tuple(sorted(kept))},
        dict.fromkeys(kept, ""),
        {name: ((source, name, "DIRECT"),) for name in kept},
        exact=True,
        window=(source, view.event_time) if view.event_time in kept else None,
    )


def _check_frame(view: FeatureView, reading: _Reading) -> None:
    for key, type_ in view.entity.keys.items():
        found = _output(view, key, "the join key", reading)
        if not found.widens_to(type_):
            raise ContractError(_mismatch(view, f"join key {key!r}", type_, found))
    for name, what in ((view.event_time, "the event time"), (view.created_time, "the created time")):
        if name is not None and _output(view, name, what, reading).kind not in {"Timestamp", "Date"}:
            raise ContractError(_mismatch(view, f"{what} {name!r}", Timestamp, reading.outputs[name]))


def _output(view: FeatureView, name: str, what: str, reading: _Reading) -> FeatureType:
    if name not in reading.outputs:
        raise ContractError(
            f"feature view {view.name!r} gives no column {name!r}, {what}.{nearest(name, reading.columns)}"
        )
    return reading.outputs[name]


def _mismatch(view: FeatureView, what: str, declared: FeatureType, found: FeatureType) -> str:
    return (
        f"{what} of feature view {view.name!r} is declared {declared}, and its computation gives {found}: "
        "cast it in the computation, or declare what it gives."
    )


def _features(view: FeatureView, outputs: Mapping[str, FeatureType], always: list[str]) -> list[Feature]:
    from featurestore.model.view import Feature  # noqa: PLC0415 - only inferred features are made here

    if view.features is not None:
        return list(view.features)
    reserved = {name.casefold() for name in always}
    found = [Feature(name) for name in outputs if name.casefold() not in reserved]
    if not found:
        raise DefinitionError(f"feature view {view.name!r} gives keys and times and no feature: select at least one.")
    return found


def _feature(
    view: FeatureView,
    feature: Feature,
    reading: _Reading,
    key_reads: set[tuple[str, str]],
    columns: set[tuple[str, str]],
) -> FeatureDefinition:
    found = _output(view, feature.name, "a declared feature", reading)
    type_ = feature.type or found
    if not found.widens_to(type_):
        raise ContractError(_mismatch(view, f"feature {feature.name!r}", type_, found))
    uses = {(use[0], use[1]): use[2] for use in reading.uses[feature.name]}
    for pair in key_reads:
        uses.setdefault(pair, "INDIRECT")
    if feature.reads is not None:
        uses = _declared(view, feature, uses if reading.exact else {}, columns)
    return FeatureDefinition(
        feature.name,
        type_,
        default_to_json(type_, feature.default, where=f"the default of {view.name}:{feature.name}"),
        reading.identity[feature.name],
        tuple(sorted((source, column, kind) for (source, column), kind in uses.items())),
        reading.exact or feature.reads is not None,
        feature.description,
        "declared" if feature.reads is not None else reading.basis,
    )


def _declared(
    view: FeatureView, feature: Feature, derived: Mapping[tuple[str, str], str], columns: set[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return what a feature is declared to read, held against what its plan shows, if it can be read."""
    names = {f"{source}.{column}": (source, column) for source, column in columns}
    where = f"reads= of {view.name}:{feature.name}"
    for name in feature.reads or ():
        if name not in names:
            raise DefinitionError(f"{where}: no source of the view has the column {name!r}.{nearest(name, names)}")
    declared = {names[name] for name in feature.reads or ()}
    for source, column in sorted(set(derived) - declared):
        raise DefinitionError(
            f"{where} leaves {source}.{column} out, which the function's plan reads: add it, or leave reads= away."
        )
    return {pair: derived.get(pair, "DIRECT") for pair in declared}
