"""Compare online: a sample of keys is asked for online and joined offline, and the two are compared cell by cell.

The join (`replay.py`) is at the time of the question, of exactly the snapshot that each online column says it was
answered from.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.catalog import generations, snapshots
from featurestore.errors import ConflictError, RequestError
from featurestore.model.reference import parse_reference
from featurestore.model.times import parse_time
from featurestore.model.types import parse_type
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.sample import sample_keys
from featurestore.online.entities import read_entities
from featurestore.operations.comparison import ColumnComparison, OnlineComparison
from featurestore.operations.replay import AT, On, Replay, compare_column, key_columns
from featurestore.operations.resolve import one_version

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.description import Description
    from featurestore.model.types import FeatureType
    from featurestore.model.version import FeatureVersion
    from featurestore.online.result import AnswerColumn, OnlineFeatures
    from featurestore.operations.context import Context

__all__ = ["OnlineReads", "compare_online"]

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
    replay = _Replays(context, {name: parse_reference(reference).on for name, reference, _ in told.columns}, moment)
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
    return version, key_columns(version.definition, parsed.on)


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


class _Replays:
    """The offline side: joins by what the answers were read from, each opened once."""

    def __init__(self, context: Context, chosen: Mapping[str, On], moment: datetime) -> None:
        self._context = context
        self._chosen = chosen
        self._moment = moment
        self._opened: dict[tuple[_Source, tuple[str, ...]], Replay] = {}

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
        timed = block.append_column(AT, pa.array([self._moment] * block.num_rows, pa.timestamp("us", "UTC")))
        done = {}
        for source, members in groups.items():
            features = tuple(dict.fromkeys(member.feature for member in members))
            replay = self._opened.get((source, features))
            if replay is None:
                replay = self._opened[source, features] = Replay(
                    self._context,
                    source.view,
                    source.version,
                    snapshot=source.snapshot,
                    on=source.on,
                    features=features,
                )
            seen = replay.see(timed)
            done.update({member.name: compare_column(entities, seen, member, replay) for member in members})
        return [done[answer.name] for answer in answers]
