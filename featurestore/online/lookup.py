"""The lookup: the newest row not after a time, for many entities and any number of views and versions at once.

The rules are those of the point-in-time join, at the time of the request: a generation holds the newest row of each
key up to its own time, TTL is counted from the request's `at`, inclusive, and an expired row is never replaced by an
older one. A default fills NOT_FOUND and EXPIRED, never NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from featurestore.errors import CorruptError, RequestError
from featurestore.model.definition import Definition
from featurestore.model.history import Generation
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.times import from_micros
from featurestore.online.arrays import Bits
from featurestore.online.base import OnlineStore
from featurestore.online.codec import RowBlock, RowCodec
from featurestore.online.entities import read_entities
from featurestore.online.keys import encode_keys
from featurestore.online.overlay import newest
from featurestore.online.result import AnswerColumn, OnlineFeatures

__all__ = ["ColumnPlan", "lookup", "read_entities"]

_NULL, _NOT_FOUND, _EXPIRED = (STATUS_BY_CODE.index(one) for one in (Status.NULL, Status.NOT_FOUND, Status.EXPIRED))
_MOMENT = pa.timestamp("us", tz="UTC")
_EARLIEST, _LATEST = -(2**63), 2**63 - 1
_CODECS_KEPT = 512

Codecs = dict[str, tuple[RowCodec, set[str]]]
"""Generation to its codec and those of its features that were checked against their version."""

_codecs: WeakKeyDictionary[OnlineStore, Codecs] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of a request, resolved: what to read, where, and as what.

    Attributes
    ----------
    name
        The answer's column.
    view, version, feature
        What is read.
    definition
        Of that version.
    default
        Decoded Python value, or None.
    arrow_type
        Type of the answer's column.
    generation
        The rows that are read.
    activation
        The pointer's move that chose the version; None if it was pinned.
    on
        `(entity key, request column)` in key order.
    """

    name: str
    view: str
    version: int
    feature: str
    definition: Definition
    default: object | None
    arrow_type: pa.DataType
    generation: Generation
    activation: int | None
    on: tuple[tuple[str, str], ...]


def lookup(store: OnlineStore, plans: Sequence[ColumnPlan], entities: pa.Table, at: int) -> OnlineFeatures:
    """Return the features of entities at a time, row i of the answer for row i of `entities`.

    Parameters
    ----------
    store
        Holds the plans' generations.
    plans
        The answer's columns. Those of one generation and one set of request columns are read once.
    entities
        The request columns, from `read_entities`.
    at
        Microseconds since 1970 UTC.

    Raises
    ------
    RequestError
        If `at` is before the time a generation was published for.
    NotPublishedError, CorruptError
        As `OnlineStore.read`; also if a generation does not hold a feature with its version's type.
    """
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
    for position, plan in enumerate(plans):
        groups.setdefault((plan.generation.id, plan.on), []).append(position)
    keys: dict[tuple[object, ...], list[bytes | None]] = {}
    answered: dict[int, AnswerColumn] = {}
    for (_, on), members in groups.items():
        group = [plans[position] for position in members]
        columns = tuple(column for _, column in on)
        _check_time(group[0], at)
        types = tuple(type_ for _, type_ in group[0].definition.keys)
        encoded = keys.get((columns, types))
        if encoded is None:
            encoded = encode_keys([_array(entities, column) for column in columns], types)
            keys[columns, types] = encoded
        answered.update(zip(members, _answer(store, group, encoded, at), strict=True))
    return OnlineFeatures([answered[position] for position in range(len(plans))])


def _answer(
    store: OnlineStore, group: Sequence[ColumnPlan], keys: Sequence[bytes | None], at: int
) -> list[AnswerColumn]:
    """Return the columns that are read from one generation by the same keys."""
    first = group[0]
    block = _codec(store, group).open(_rows(store, first, keys, at))
    expired = _expired(first.definition, block, at)
    keep = block.found & ~expired
    wanted = [plan.feature for plan in group]
    codes = block.nulls(wanted).astype(np.uint8) * np.uint8(_NULL)
    codes[:, ~block.found] = _NOT_FOUND
    codes[:, expired] = _EXPIRED
    arrays = block.arrays(wanted, [plan.arrow_type for plan in group], keep=keep)
    times = None if first.definition.event_time is None else _event_times(block)
    complete = bool(keep.all())
    return [
        AnswerColumn(
            name=plan.name,
            version=plan.version,
            view=plan.view,
            feature=plan.feature,
            snapshot=plan.generation.snapshot,
            activation=plan.activation,
            values=array if complete or plan.default is None else _with_default(array, keep, plan),
            statuses=statuses,
            event_times=times,
        )
        for plan, array, statuses in zip(group, arrays, codes, strict=True)
    ]


def _rows(store: OnlineStore, plan: ColumnPlan, keys: Sequence[bytes | None], at: int) -> list[bytes | None]:
    """Return the newest row of each key: the generation's own, or one that was pushed over it."""
    generation = plan.generation.id
    rows = store.read(generation, keys)
    if not plan.definition.reads_pushes:
        return rows
    return newest(rows, store.pushed(generation, keys), at if plan.definition.event_time is not None else _LATEST)


def _check_time(plan: ColumnPlan, at: int) -> None:
    as_of = plan.generation.as_of
    if as_of is not None and at < as_of:
        message = (
            f"{plan.view}@v{plan.version} is asked for at {_moment(at)}, but its online rows are those of "
            f"{_moment(as_of)}: earlier rows are no longer there. Ask at that time or later, or publish the version "
            f"with at= the earlier time."
        )
        raise RequestError(message)


def _moment(micros: int) -> str:
    try:
        return from_micros(micros).isoformat()
    except OverflowError:
        return f"{micros} microseconds since 1970 UTC"


def _expired(definition: Definition, block: RowBlock, at: int) -> Bits:
    if definition.ttl is None or definition.event_time is None:
        return np.zeros(len(block), np.bool_)
    earliest = max(at - definition.ttl // timedelta(microseconds=1), _EARLIEST)
    return block.found & (block.event_times < earliest)


def _event_times(block: RowBlock) -> pa.Array[Any]:
    return pa.array(block.event_times, pa.int64(), mask=~block.found).cast(_MOMENT)


def _with_default(array: pa.Array[Any], keep: Bits, plan: ColumnPlan) -> pa.Array[Any]:
    """Return the array with the default where no row is shown: exact for every type, lists and vectors too."""
    default = pa.array([plan.default], plan.arrow_type)
    chosen = pa.array(np.where(keep, np.arange(len(array)), len(array)), pa.int64())
    return pa.concat_arrays([array, default]).take(chosen)


def _array(entities: pa.Table, name: str) -> pa.Array[Any]:
    column = entities.column(name)
    array: Any = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return array  # type: ignore[no-any-return]  # the stubs take it for chunked


def _codec(store: OnlineStore, group: Sequence[ColumnPlan]) -> RowCodec:
    """Return the codec of a generation, made once, and check that it holds what its version says."""
    generation = group[0].generation
    kept = _codecs.setdefault(store, {})
    entry = kept.get(generation.id)
    if entry is None:
        if len(kept) >= _CODECS_KEPT:
            kept.clear()
        entry = kept[generation.id] = RowCodec.from_schema(store.schema(generation.id)), set()
    codec, checked = entry
    for plan in group:
        if plan.feature in checked:
            continue
        declared = plan.definition.feature(plan.feature)
        stored = codec.place(plan.feature).type_
        if declared is None or declared.type != stored:
            message = (
                f"{plan.view}@v{plan.version}:{plan.feature} is {declared and declared.type}, but its online rows hold "
                f"{stored}: publish the version again."
            )
            raise CorruptError(message)
        checked.add(plan.feature)
    return codec
