"""The lookup: the newest row not after a time, for many entities and any number of views and versions at once.

The rules are those of the point-in-time join, at the time of the request: a generation holds the newest row of each
key up to its own time, TTL is counted from the request's `at`, inclusive, and an expired row is never replaced by an
older one. A default fills NOT_FOUND and EXPIRED, never NULL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from featurestore.errors import CorruptError, RequestError
from featurestore.model.definition import Definition
from featurestore.model.history import Generation
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.times import from_micros
from featurestore.model.types import FeatureType
from featurestore.online.arrays import Numbers
from featurestore.online.base import PUSHES, OnlineStore
from featurestore.online.codec import RowBlock, RowCodec
from featurestore.online.keys import KeyValues, encode_keys
from featurestore.online.overlay import newest
from featurestore.online.result import AnswerColumn, OnlineFeatures

__all__ = ["Asked", "ColumnPlan", "GroupRows", "ReadGroup", "ReadPlan", "RowAnswer", "lookup"]

_NULL, _NOT_FOUND, _EXPIRED = (STATUS_BY_CODE.index(one) for one in (Status.NULL, Status.NOT_FOUND, Status.EXPIRED))
_MOMENT = pa.timestamp("us", tz="UTC")
_EARLIEST, _LATEST = -(2**63), 2**63 - 1


class Asked(NamedTuple):
    """What a request names, as text: one of the four, or an endpoint and a model.

    Attributes
    ----------
    features
        References, pinned or not.
    model, endpoint, feature_set
        A model version, an endpoint, a feature set.
    lock
        The digest that the caller has of the model's lock.
    """

    features: tuple[str, ...] | None = None
    model: str | None = None
    endpoint: str | None = None
    feature_set: str | None = None
    lock: str | None = None


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


class ReadGroup:
    """Columns of a request that are read from one generation by the same keys.

    Attributes
    ----------
    plans
        The columns, of one version.
    positions
        Where each stands in the answer.
    columns, key_types
        The request columns that make the key, and the types of its parts.
    codec, selection
        How the rows, and the features in them, are read.
    pushes
        Whether rows may have been pushed over the generation's own.
    fill
        The row that stands where none is shown: the defaults, null where there is none.
    ttl
        Microseconds; None if rows do not expire.
    """

    __slots__ = ("codec", "columns", "fill", "key_types", "plans", "positions", "pushes", "selection", "ttl")

    def __init__(self, store: OnlineStore, plans: Sequence[ColumnPlan], positions: Sequence[int]) -> None:
        first = plans[0]
        self.plans = tuple(plans)
        self.positions = tuple(positions)
        self.columns = tuple(column for _, column in first.on)
        self.key_types = tuple(type_ for _, type_ in first.definition.keys)
        schema = store.schema(first.generation.id)
        self.codec = RowCodec.from_schema(schema)
        for plan in plans:
            _check_type(plan, self.codec)
        self.pushes = bool(schema.get(PUSHES))
        self.selection = self.codec.select([plan.feature for plan in plans])
        self.fill = self.codec.row(
            {plan.feature: pa.array([plan.default], plan.arrow_type) for plan in plans if plan.default is not None}
        )
        ttl = first.definition.ttl
        self.ttl = None if ttl is None or not self.timed else ttl // timedelta(microseconds=1)

    @property
    def generation(self) -> Generation:
        """The rows that are read."""
        return self.plans[0].generation

    @property
    def timed(self) -> bool:
        """Whether the rows have event times: those of a dimension have none."""
        return self.plans[0].definition.event_time is not None


class ReadPlan:
    """A request, resolved and worked out: what entities it needs, and how its columns are read.

    Parameters
    ----------
    store
        Holds the columns' generations.
    columns
        The answer's, in order. Those of one generation and one set of request columns are read once.
    keys
        Request column to the type of the key it is for.
    known
        Request columns that may be there though nothing needs them.
    model
        The model version whose lock names the columns; None if none does.

    Raises
    ------
    NotPublishedError, CorruptError
        As `OnlineStore.schema`; also if a generation does not hold a feature with its version's type.
    """

    __slots__ = ("__weakref__", "columns", "groups", "keys", "known", "model")

    def __init__(
        self,
        store: OnlineStore,
        columns: Sequence[ColumnPlan],
        keys: Mapping[str, FeatureType],
        known: Collection[str] = (),
        *,
        model: str | None = None,
    ) -> None:
        self.model = model
        self.columns = tuple(columns)
        self.keys = dict(keys)
        self.known = frozenset(known)
        groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
        for position, plan in enumerate(columns):
            groups.setdefault((plan.generation.id, plan.on), []).append(position)
        self.groups = tuple(
            ReadGroup(store, [columns[position] for position in members], members) for members in groups.values()
        )

    @property
    def generations(self) -> tuple[str, ...]:
        """The ids of the rows that are read."""
        return tuple(group.generation.id for group in self.groups)


class GroupRows:
    """What one group's read found.

    Attributes
    ----------
    group
        What was read.
    block
        The rows; where none is shown, the group's `fill` stands.
    found
        Whether there was a row, shape `(n,)`; None if there always was.
    codes
        Positions in `STATUS_BY_CODE`, uint8, shape `(features, n)`; None if every cell is PRESENT.
    """

    __slots__ = ("_read", "block", "codes", "found", "group")

    def __init__(self, group: ReadGroup, block: RowBlock, at: int) -> None:
        self.group = group
        self.found = block.found
        self._read = block
        expired = None
        if group.ttl is not None:
            late = block.before(max(at - group.ttl, _EARLIEST))
            if late is not None:
                expired = late if block.found is None else late & block.found
                block = block.replaced(expired, group.fill)
        self.block = block
        nulls = group.selection.nulls(block)
        if nulls is None and block.found is None and expired is None:
            self.codes = None
            return
        shape = (len(group.plans), len(block))
        self.codes = np.zeros(shape, np.uint8) if nulls is None else nulls.view(np.uint8) * _NULL
        if block.found is not None:
            self.codes[:, ~block.found] = _NOT_FOUND
        if expired is not None:
            self.codes[:, expired] = _EXPIRED

    @property
    def event_times(self) -> Numbers:
        """Microseconds since 1970 UTC of the rows found, expired ones too, shape `(n,)`; 0 where there was none."""
        return self._read.event_times


class RowAnswer:
    """The answer to a lookup as the rows it was read from: a server writes it as it lies.

    Attributes
    ----------
    plan
        What was asked for.
    parts
        What was found, a part for each of the plan's groups.
    at
        The time of the question, microseconds since 1970 UTC.
    """

    __slots__ = ("_rows", "at", "parts", "plan")

    def __init__(self, plan: ReadPlan, parts: Sequence[GroupRows], at: int) -> None:
        self.plan = plan
        self.at = at
        self.parts = tuple(parts)
        self._rows = len(parts[0].block) if parts else 0

    def __len__(self) -> int:
        return self._rows

    def features(self) -> OnlineFeatures:
        """Return the columns as Arrow arrays, with their statuses and sources."""
        answered: list[AnswerColumn | None] = [None] * len(self.plan.columns)
        for part in self.parts:
            plans = part.group.plans
            arrays = part.group.selection.arrays(part.block, [plan.arrow_type for plan in plans])
            codes = np.zeros((len(plans), len(self)), np.uint8) if part.codes is None else part.codes
            times = _moments(part) if part.group.timed else None
            for position, plan, array, statuses in zip(part.group.positions, plans, arrays, codes, strict=True):
                answered[position] = AnswerColumn(
                    name=plan.name,
                    version=plan.version,
                    view=plan.view,
                    feature=plan.feature,
                    snapshot=plan.generation.snapshot,
                    activation=plan.activation,
                    values=array,
                    statuses=statuses,
                    event_times=times,
                )
        return OnlineFeatures([column for column in answered if column is not None])


def lookup(store: OnlineStore, plan: ReadPlan, entities: Mapping[str, KeyValues], at: int) -> RowAnswer:
    """Return the features of entities at a time, row i of the answer for row i of the entities.

    Parameters
    ----------
    store
        The one that the plan was made with.
    plan
        What is asked for.
    entities
        The request columns, from `read_entities`.
    at
        Microseconds since 1970 UTC.

    Raises
    ------
    RequestError
        If `at` is before the time a generation was published for.
    NotPublishedError, CorruptError
        As `OnlineStore.read`.
    """
    keys: dict[object, list[bytes | None]] = {}
    parts = []
    for group in plan.groups:
        generation = group.generation
        if generation.as_of is not None and at < generation.as_of:
            raise _too_early(group.plans[0], at)
        made_of = group.columns, group.key_types
        encoded = keys.get(made_of)
        if encoded is None:
            encoded = keys[made_of] = encode_keys([entities[name] for name in group.columns], group.key_types)
        rows = store.read(generation.id, encoded)
        if group.pushes:
            rows = newest(rows, store.pushed(generation.id, encoded), at if group.timed else _LATEST)
        block = group.codec.open(rows, group.fill)
        parts.append(GroupRows(group, block, at))
    return RowAnswer(plan, parts, at)


def _too_early(plan: ColumnPlan, at: int) -> RequestError:
    as_of = plan.generation.as_of or 0
    return RequestError(
        f"{plan.view}@v{plan.version} is asked for at {_moment(at)}, but its online rows are those of "
        f"{_moment(as_of)}: earlier rows are no longer there. Ask at that time or later, or publish the version "
        f"with at= the earlier time."
    )


def _moment(micros: int) -> str:
    try:
        return from_micros(micros).isoformat()
    except OverflowError:
        return f"{micros} microseconds since 1970 UTC"


def _moments(part: GroupRows) -> pa.Array[Any]:
    return pa.array(part.event_times, pa.int64(), mask=None if part.found is None else ~part.found).cast(_MOMENT)


def _check_type(plan: ColumnPlan, codec: RowCodec) -> None:
    """Hold that a generation has the feature as its version says."""
    declared = plan.definition.feature(plan.feature)
    stored = codec.place(plan.feature).type_
    if declared is None or declared.type != stored:
        message = (
            f"{plan.view}@v{plan.version}:{plan.feature} is {declared and declared.type}, but its online rows hold "
            f"{stored}: publish the version again."
        )
        raise CorruptError(message)
