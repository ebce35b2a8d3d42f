"""Compare online: a sample of keys is asked for online and joined offline, and the two are compared cell by cell.

The join is the one that makes training frames, at the time of the question, of exactly the snapshot that each online
column says it was answered from. A value is what the frame would hold, TTL and default applied. Its state is read off
the row that the join sees where neither counts: none is NOT_FOUND; one older than the TTL is EXPIRED; otherwise the
value is there or null. No code of the online store takes part.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.catalog import generations, snapshots, versions
from featurestore.errors import ConflictError, RequestError
from featurestore.model.definition import FeatureDefinition
from featurestore.model.reference import parse_reference
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.times import from_micros, parse_time
from featurestore.model.types import Timestamp, parse_type
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.join import Join, ViewRead
from featurestore.offline.sample import sample_keys
from featurestore.online.entities import read_entities
from featurestore.operations.comparison import Cell, ColumnComparison, Example, OnlineComparison, judge
from featurestore.operations.resolve import one_version

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.description import Description
    from featurestore.model.types import FeatureType
    from featurestore.model.version import FeatureVersion
    from featurestore.online.result import AnswerColumn, OnlineFeatures
    from featurestore.operations.context import Context

__all__ = ["OnlineReads", "compare_online"]

On = tuple[tuple[str, str], ...]
Key = tuple[Any, ...]

_ROWS_A_READ = 1_000
_STRANGERS = 20
"""Rows with made-up keys, beside those sampled."""


@dataclass(frozen=True, slots=True)
class OnlineReads:
    """Who is asked: `describe` and `get` of the store in this process, or of a client of a server."""

    describe: Callable[..., Description]
    get: Callable[..., OnlineFeatures]


def compare_online(
    context: Context,
    reads: OnlineReads,
    features: object = None,
    *,
    model: object = None,
    endpoint: str | None = None,
    entities: Any = None,  # noqa: ANN401 - columns of any library
    sample: int = 1_000,
    at: datetime | date | str | None = None,
    seed: int = 0,
) -> OnlineComparison:
    """Compare what an online read answers with what the offline join gives; see `FeatureStore.compare_online`."""
    now = datetime.now(UTC)
    moment = now if at is None else parse_time(at, now=now, what="at")
    if sample < 1:
        raise RequestError(f"sample={sample}: compare one key or more.")
    listed = [features] if isinstance(features, str) else features
    asked = {"features": listed, "model": model, "endpoint": endpoint}
    told = reads.describe(**asked)
    keys = {name: parse_type(type_) for name, type_ in told.keys}
    if entities is None:
        entities = _sampled(context, told, keys, sample, seed)
    columns: dict[str, Any] = {**read_entities(entities, keys, ())}
    table = pa.table({name: pa.array(column, to_arrow(keys[name])) for name, column in columns.items()})
    replay = _Replay(context, {name: parse_reference(reference).on for name, reference, _ in told.columns}, moment)
    found: list[ColumnComparison] = []
    for start in range(0, max(table.num_rows, 1), _ROWS_A_READ):
        block = table.slice(start, _ROWS_A_READ)
        answer = reads.get(**asked, entities=block, at=moment)
        compared = replay.compare(block, answer.answers)
        found = [one + more for one, more in zip(found, compared, strict=True)] if found else compared
        context.progress("compare", start + block.num_rows, table.num_rows)
    return OnlineComparison(table.num_rows, moment, tuple(found))


# ------------------------------------------------------------------------------------------------------------- rows


def _sampled(
    context: Context, told: Description, keys: Mapping[str, FeatureType], sample: int, seed: int
) -> dict[str, pa.Array[Any]]:
    """Return rows with keys of every version read, with keys that nobody has, and with a null in every column."""
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    strangers = [tuple(_stranger(type_, chance) for type_ in keys.values()) for _ in range(_STRANGERS)]
    pools = [*_stored(context, told, sample, seed).items(), (tuple(keys), strangers)]
    values = {name: [key[on.index(name)] for on, drawn in pools if name in on for key in drawn] for name in keys}
    rows: list[Key] = []
    for on, drawn in pools:
        for key in drawn:  # columns that its view is not joined on hold keys of the other views, in turn
            place = len(rows)
            rows.append(tuple(key[on.index(name)] if name in on else _turn(values[name], place) for name in keys))
    rows += [(*rows[0][:place], None, *rows[0][place + 1 :]) for place in range(len(keys))]
    columns = zip(keys.items(), zip(*rows, strict=True), strict=True)
    return {name: pa.array(column, to_arrow(type_)) for (name, type_), column in columns}


def _turn(values: Sequence[Any], place: int) -> Any:  # noqa: ANN401 - a key
    return values[place % len(values)]


def _stored(context: Context, told: Description, sample: int, seed: int) -> dict[tuple[str, ...], list[Key]]:
    """Return, by the columns of the request that they are looked up by, keys of what is published."""
    with context.catalog.read() as connection:
        readers = [_reader(connection, reference) for _, reference, _ in told.columns]
        read = {(version.reference, on): version for version, on in readers}
        current = {place: generations.current(connection, one.view, one.number) for place, one in read.items()}
        stored = {place: snapshots.find(connection, item.snapshot) for place, item in current.items() if item}
    columns = {place: tuple(column for _, column in place[1]) for place in stored}
    share = -(-sample // max(len(set(columns.values())), 1))
    found: dict[tuple[str, ...], dict[Key, None]] = {}
    for place, snapshot in stored.items():
        drawn = sample_keys(
            context.root, read[place].definition, snapshot.files, share, seed=seed, settings=context.settings
        )
        found.setdefault(columns[place], {}).update(dict.fromkeys(drawn))
    return {on: list(drawn) for on, drawn in found.items()}


def _reader(connection: Connection, reference: str) -> tuple[FeatureVersion, On]:
    parsed = parse_reference(reference)
    version = one_version(connection, replace(parsed, feature=None, on=(), name=None))
    return version, _on(version, parsed.on)


def _on(version: FeatureVersion, chosen: On) -> On:
    """Return `(entity key, request column)` for every key, in key order."""
    return tuple((key, dict(chosen).get(key, key)) for key, _ in version.definition.keys)


def _stranger(type_: FeatureType, chance: random.Random) -> object:
    """Return a key that hardly anybody has; the join, not this, decides whether somebody does."""
    match type_.kind:
        case "Int32" | "Int64":
            bits = int(type_.kind.removeprefix("Int"))
            return chance.randrange(-(1 << (bits - 1)), 1 << (bits - 1))
        case "String":
            return f"nobody {chance.getrandbits(64):x}"
        case "Bytes":
            return chance.randbytes(8)
        case "Bool":
            return chance.random() < 0.5  # noqa: PLR2004
        case _:
            return date.fromordinal(chance.randrange(1, date.max.toordinal()))


# ---------------------------------------------------------------------------------------------------- the two sides


@dataclass(frozen=True, slots=True)
class _Source:
    """What columns of an answer say they were read from, and the request's columns they were looked up by."""

    view: str
    version: int
    snapshot: str
    on: On


class _Replay:
    """The offline side: joins by what the answers were read from, each opened once."""

    def __init__(self, context: Context, chosen: Mapping[str, On], moment: datetime) -> None:
        self._context = context
        self._chosen = chosen
        self._moment = moment
        self._opened: dict[tuple[_Source, tuple[str, ...]], _Frame] = {}

    def compare(self, block: pa.Table, answers: Sequence[AnswerColumn]) -> list[ColumnComparison]:
        """Join the rows that were asked for as each column of the answer was looked up, and compare.

        Raises
        ------
        ConflictError
            If the answer has other columns than were described.
        """
        if [answer.name for answer in answers] != list(self._chosen):
            raise ConflictError("a pointer moved during the comparison, and other columns answer now: compare again.")
        groups: dict[_Source, list[AnswerColumn]] = {}
        for answer in answers:
            source = _Source(answer.view, answer.version, answer.snapshot, self._chosen[answer.name])
            groups.setdefault(source, []).append(answer)
        entities = block.to_pylist()
        done = {}
        for source, members in groups.items():
            features = tuple(dict.fromkeys(member.feature for member in members))
            if (source, features) not in self._opened:
                self._opened[source, features] = _Frame(self._context, source, features, self._moment)
            frame = self._opened[source, features]
            seen = frame.see(block)
            done.update({member.name: _compare(entities, seen, member, frame) for member in members})
        return [done[answer.name] for answer in answers]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the join says of a block: the columns by feature, and for each row its state and the event time it has."""

    values: Mapping[str, pa.ChunkedArray[Any]]
    rows: Sequence[tuple[Status, datetime | None]]


class _Frame:
    """One snapshot joined at one moment, beside the rows that the join sees where neither TTL nor default counts."""

    def __init__(self, context: Context, source: _Source, features: Sequence[str], moment: datetime) -> None:
        with context.catalog.read() as connection:
            version = versions.find(connection, source.view, source.version)
            snapshot = snapshots.find(connection, source.snapshot)
            stored = generations.everything(connection, source.view, source.version)
        as_of = next((item.as_of for item in stored if item.snapshot == snapshot.id), None)
        self.as_of = None if as_of is None else from_micros(as_of)
        definition = version.definition
        self.pushed = definition.reads_pushes
        self._features, self._moment, self._ttl = features, moment, definition.ttl
        shown = FeatureDefinition(*definition.keys[0])
        times = [FeatureDefinition(definition.event_time, Timestamp)] if definition.event_time is not None else []
        read = ViewRead(
            definition,
            context.paths(snapshot),
            _on(version, source.on),
            tuple((feature, f"value of {feature}") for feature in features),
            version.reference,
            snapshot.id,
            len(snapshot.runs),
        )
        bare = replace(
            read,
            definition=replace(definition, ttl=None, features=(shown, *times)),
            columns=((shown.name, "its key"), *((item.name, "its time") for item in times)),
        )
        order = [output for _, output in (*read.columns, *bare.columns)]
        self._timed = bool(times)
        self._join = Join((read, bare), timestamp="", as_of=None, order=order, at=moment, settings=context.settings)

    def see(self, block: pa.Table) -> _Seen:
        """Join a block of entities."""
        table = self._join.run(block).table
        keys = table.column("its key").to_pylist()
        times = table.column("its time").to_pylist() if self._timed else [None] * len(keys)
        values = {feature: table.column(f"value of {feature}") for feature in self._features}
        return _Seen(values, [(self._status(key, time), time) for key, time in zip(keys, times, strict=True)])

    def _status(self, key: object, time: datetime | None) -> Status:
        if key is None:
            return Status.NOT_FOUND
        expired = time is not None and self._ttl is not None and self._moment - time > self._ttl
        return Status.EXPIRED if expired else Status.PRESENT


def _compare(
    entities: Sequence[Mapping[str, Any]], seen: _Seen, answer: AnswerColumn, frame: _Frame
) -> ColumnComparison:
    offline = seen.values[answer.feature]

    def cells() -> Iterator[Example]:
        values = zip(offline.to_pylist(), answer.values.to_pylist(), answer.statuses.tolist(), strict=True)
        told = [time for _, time in seen.rows] if answer.event_times is None else answer.event_times.to_pylist()
        for entity, (status, time), online_time, (value, online_value, code) in zip(
            entities, seen.rows, told, values, strict=True
        ):
            null = status is Status.PRESENT and value is None
            joined = Cell(value, Status.NULL if null else status, time)
            looked_up = Cell(online_value, STATUS_BY_CODE[code], online_time)
            verdict = judge(joined, looked_up, frame.as_of, pushed=frame.pushed)
            yield Example(verdict, entity, joined, looked_up)

    return ColumnComparison.of(
        cells(),
        name=answer.name,
        sources=((f"{answer.view}@v{answer.version}:{answer.feature}", answer.snapshot),),
        offline_type=str(offline.type),
        online_type=str(answer.values.type),
    )
