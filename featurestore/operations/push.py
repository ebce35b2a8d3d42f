"""Push: rows given by a caller join the log of a push source and, where they can, the online rows of its versions.

The log comes first and is durable; from there the next materialization folds the rows in. A version whose rows each
come from one row of the source has them online at once, computed by its own computation over just those rows.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.catalog import generations, sources, versions
from featurestore.errors import ContractError, NotFoundError, NotPublishedError, RequestError, nearest
from featurestore.lineage.sql import analyse
from featurestore.model.pushed import Pushed, PushedVersion, PushSchema
from featurestore.model.times import to_micros
from featurestore.model.types import parse_type
from featurestore.offline.output import output_schema
from featurestore.offline.source_rows import conform_rows
from featurestore.online import overlay
from featurestore.online.base import PUSHES
from featurestore.online.codec import RowCodec, encode_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from featurestore.model.definition import Definition
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["Pusher", "carry_pushed", "fold_pushes", "takes_pushes"]

_CLOCK_MICROS = 5_000_000
"""How far a reader's clock may be behind the pusher's: the row before is kept so long, for reads at its own now."""

_CHUNK = 4_096

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Target:
    """A feature version that declares the source: the generation that takes the rows, or why none does."""

    version: FeatureVersion
    generation: str = ""
    waits: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A push source, resolved against one state of the catalog."""

    source: str
    schema: PushSchema
    targets: tuple[_Target, ...]


class Pusher:
    """Takes the pushes of one store; what it knows of a source holds for as long as the catalog does not change."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: tuple[int, dict[str, _Plan]] = (-1, {})

    def push(self, source: str, rows: Any, id: str | None = None) -> Pushed:  # noqa: A002, ANN401 - the public name; a table of any library
        """Keep rows and show them online; see `FeatureStore.push`.

        The report comes when the rows are durable in the log and in every overlay. If the process dies in between,
        the same push with the same `id` completes it, and adds nothing twice; without an `id` each call is a push of
        its own, since equal rows may well be meant twice.

        Parameters
        ----------
        rows
            Columns, a list of dictionaries, or a pyarrow, Polars or pandas table. A row that lacks a column, holds
            what a column's type does not, or null in a column that is a key or the event time of every version that
            reads the source, is rejected; the others are kept.
        id
            Names this push, for as long as it may be tried again (30 days at least).

        Raises
        ------
        NotFoundError
            If no applied view reads such a source.
        RequestError
            If it is no push source, or the id was given to a push of other rows.
        ContractError
            If a column is unknown, or the columns differ in length; then no row is kept.
        """
        self._context.catalog.require_writable()
        if id is not None and not (isinstance(id, str) and id):
            raise RequestError(f"id={id!r} is no text: name the push by a text of its own, such as a UUID.")
        plan = self._plan(source)
        table, rejected = conform_rows(plan.source, plan.schema, rows)
        appended = self._context.reader.log(plan.source).append(table, id)
        outcome = self._put_online(plan.source, table, appended.first)
        return Pushed(plan.source, len(table), tuple(rejected), tuple(outcome), id, appended.repeated)

    def schema(self, source: str) -> PushSchema:
        """Return what rows of a push source must be; raises as `push`."""
        return self._plan(source).schema

    # ------------------------------------------------------------------------------------------------ resolve

    def _plan(self, source: str) -> _Plan:
        """Return what is known of a source; the same object for as long as the catalog does not change."""
        sequence = self._context.catalog.sequence()
        known, plans = self._known
        if sequence != known:
            plans = {}
            self._known = (sequence, plans)
        plan = plans.get(source)
        if plan is None:
            try:
                with self._context.catalog.read() as connection:
                    plan = plans[source] = self._resolve(connection, source)
            except NotPublishedError:
                if sequence == self._context.catalog.sequence():
                    raise
                return self._plan(source)  # publishes have overtaken this look
        return plan

    def _resolve(self, connection: Connection, source: str) -> _Plan:
        known = sources.find(connection, source)
        if known is None:
            raise NotFoundError(f"there is no source {source!r}.{nearest(source, sources.names(connection))}")
        if known["kind"] != "push":
            raise RequestError(f"source {source!r} is a {known['kind']} source, which is read, not pushed to.")
        name = known["name"]
        readers = [
            version
            for view in versions.view_names(connection)
            for version in versions.of_view(connection, view)
            if any(item.name == name and item.kind == "push" for item in version.definition.sources)
        ]
        needed = [_needed(version.definition, name) for version in readers if version.retired is None]
        return _Plan(
            name,
            PushSchema(
                {column: parse_type(type_) for column, type_ in known["location"]["schema"].items()},
                frozenset.intersection(*needed) if needed else frozenset(),
            ),
            tuple(self._target(connection, version) for version in readers),
        )

    def _target(self, connection: Connection, version: FeatureVersion) -> _Target:
        generation = generations.current(connection, version.view, version.number)
        if version.retired is not None:
            return _Target(version, waits=f"retired: {version.retired}")
        if generation is None:
            return _Target(version, waits="it is not published")
        if generation.held:
            why = f"rows of snapshot {generation.snapshot[:8]} are held online until the next publish"
            return _Target(version, waits=why)
        if not self._context.online.schema(generation.id).get(PUSHES):
            return _Target(version, waits="its rows come from more than one row of the source: refresh computes them")
        return _Target(version, generation.id)

    # ------------------------------------------------------------------------------------------------ go online

    def _put_online(self, source: str, table: pa.Table, first: int) -> list[PushedVersion]:
        """Write rows to the generation that each version is read from, and to the next if it moves meanwhile."""
        done: dict[str, PushedVersion] = {}
        written: set[str] = set()
        computed: dict[str, Pairs] = {}
        plan = None
        while plan is not (plan := self._plan(source)):
            for target in plan.targets:
                reference = target.version.reference
                if target.waits:
                    done.setdefault(reference, PushedVersion(reference, 0, target.waits))
                elif target.generation not in written:
                    try:
                        if reference not in computed:
                            computed[reference] = list(self._computed(target.version.definition, source, table, first))
                        self._context.online.push(target.generation, computed[reference], _now())
                    except (ContractError, NotPublishedError) as error:
                        done[reference] = PushedVersion(reference, 0, str(error))
                        continue
                    written.add(target.generation)
                    done[reference] = PushedVersion(reference, len(computed[reference]))
        return list(done.values())

    def _computed(
        self, definition: Definition, source: str, table: pa.Table, first: int
    ) -> Iterator[tuple[bytes, bytes]]:
        """Give the keys and overlay values of the rows that a version makes of pushed rows."""
        codec = RowCodec([(feature.name, feature.type) for feature in definition.features])
        place = first
        for batch in self._rows(definition, source, table):
            created: list[int | None] = [None] * len(batch)
            if definition.created_time is not None:
                created = batch.column(definition.created_time).cast(pa.int64()).to_pylist()
            rows = encode_rows([batch], codec, keys=definition.keys, event_time=definition.event_time)
            for (key, row), moment in zip(rows, created, strict=True):
                yield key, overlay.value(row, sequence=place, created_time=moment)
                place += 1

    def _rows(self, definition: Definition, source: str, table: pa.Table) -> Iterator[pa.RecordBatch]:
        """Give a version's rows; the columns as they are need no engine, which takes longer to start than to run."""
        schema = output_schema(definition)
        if definition.computation.kind == "columns" and all(
            table.schema.field(name).type == schema.field(name).type for name in schema.names
        ):
            present: Any = None  # as the engine leaves out what cannot be found
            for name in _found_by(definition):
                valid = table.column(name).is_valid()
                present = valid if present is None else pc.and_(present, valid)
            yield from table.select(schema.names).filter(present).combine_chunks().to_batches()
            return
        with self._context.engine.rows(definition, given={source: table}) as computed:
            yield from computed


def _needed(definition: Definition, source: str) -> frozenset[str]:
    """Return the source's columns that are keys or the event time of a version: unchanged, or so named."""
    outputs = {name.casefold() for name in _found_by(definition)}
    schemas = {item.name: dict(item.columns) for item in definition.sources}
    if definition.computation.kind == "sql":
        origin: Mapping[str, tuple[str, str]] = analyse(definition.computation.text, schemas).origin
    else:
        origin = {column: (source, column) for column in schemas[source]}
    return frozenset(
        column for output, (read, column) in origin.items() if output.casefold() in outputs and read == source
    )


def _found_by(definition: Definition) -> list[str]:
    """Return the columns by which a row is found: where one is null, it never is."""
    return [name for name in (*dict(definition.keys), definition.event_time) if name is not None]


def _now() -> int:
    return to_micros(datetime.now(UTC)) - _CLOCK_MICROS


# ---------------------------------------------------------------------------------------- what other verbs do with it


def takes_pushes(context: Context, version: FeatureVersion) -> bool:
    """Return whether rows pushed to a version's source can go online at once."""
    return version.definition.reads_pushes and context.engine.is_row_local(version.definition)


def fold_pushes(context: Context, version: FeatureVersion) -> None:
    """Show the computation of a version all rows that were pushed to its sources so far."""
    for source in version.definition.sources:
        if source.kind == "push":
            log = context.reader.log(source.name)
            rows = log.fold()
            if rows:
                with context.catalog.write() as tx:
                    tx.record("pushed", "source", source.name, rows=rows, data_version=log.data_version())


def carry_pushed(context: Context, version: FeatureVersion, generation: str) -> None:
    """Bring rows that were pushed over the generations before into one, and on into those that have followed it.

    Called before its pointer moves, and again after: then every push has either been seen here, or has seen that the
    pointer moved and written to the new generation itself.
    """
    done: list[str] = []
    while True:
        with context.catalog.read() as connection:
            known = [item.id for item in reversed(generations.everything(connection, version.view, version.number))]
        if generation not in known:
            known.append(generation)
        chain = known[max(known.index(generation) - 1, 0) :]
        if chain == done:
            return
        for old, new in pairwise(chain):
            with suppress(NotPublishedError):  # dropped by a later publish, which took over what it held
                _carry(context, version, old, new)
        done = chain


def _carry(context: Context, version: FeatureVersion, old: str, new: str) -> None:
    online, ties = context.online, version.definition.created_time is None
    if not (online.schema(old).get(PUSHES) and online.schema(new).get(PUSHES)):
        return
    pushed = online.overlay(old)
    while chunk := list(islice(pushed, _CHUNK)):
        own = online.read(new, [key for key, _ in chunk])
        carried = [(key, overlay.beyond(value, row, ties=ties)) for (key, value), row in zip(chunk, own, strict=True)]
        online.push(new, [(key, value) for key, value in carried if value is not None], _now())
