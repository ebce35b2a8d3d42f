"""An answer on the wire, written from the rows as they lie: constant bytes between slices of what was read.

Everything of a column but its statuses and values is the same in each answer of a plan, and for one number of rows the
lengths of its fixed-width fields are too. So an answer is a list of constants with the values put between them, and
one join. A value of fixed width has the same bytes in a row and on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from weakref import WeakKeyDictionary

import numpy as np

from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.types import FeatureType
from featurestore.online.lookup import ColumnPlan, GroupRows, ReadGroup, ReadPlan, RowAnswer
from featurestore.serving.v1 import serving_pb2 as pb
from featurestore.serving.values import encode_cells, encode_values, field, head, packed_field

__all__ = ["encode_rows"]

_COLUMNS = pb.GetFeaturesResponse.COLUMNS_FIELD_NUMBER
_STATUSES = pb.FeatureColumn.STATUSES_FIELD_NUMBER
_VALUES = pb.FeatureColumn.VALUES_FIELD_NUMBER
_EVENT_TIMES = pb.FeatureColumn.EVENT_TIMES_FIELD_NUMBER
_FIRST = pb.CELL_STATUS_PRESENT - STATUS_BY_CODE.index(Status.PRESENT)
_PRESENT = bytes([pb.CELL_STATUS_PRESENT])
_SIZES_KEPT, _CELLS_KEPT = 64, 65_536  # a byte of constants for each cell: of larger answers they are made anew

_writers: WeakKeyDictionary[ReadPlan, _Writer] = WeakKeyDictionary()


def encode_rows(answer: RowAnswer, *, event_times: bool = False) -> bytes:
    """Return the serialized `GetFeaturesResponse` of an answer.

    Parameters
    ----------
    event_times
        Whether to send the event times, where a column has them.
    """
    writer = _writers.get(answer.plan)
    if writer is None:
        writer = _writers[answer.plan] = _Writer(answer.plan)
    return writer.write(answer, event_times=event_times)


@dataclass(frozen=True, slots=True)
class _Column:
    """What is the same in every answer: where a column stands in the list of pieces, its type, and its head."""

    place: int
    plan: ColumnPlan
    type_: FeatureType
    head: bytes


@dataclass(frozen=True, slots=True)
class _Group:
    """The columns of one group for one number of rows.

    Attributes
    ----------
    fixed
        Places of the values of fixed width in the list of pieces, in the order in which `cut` gives them.
    run
        The same places as one slice, if the columns stand side by side, as they mostly do.
    cut
        Takes the group's fixed-width values apart, a piece for a column.
    before_statuses, before_values, before_times
        Constants of each fixed column; together with what lies between them they are the column.
    """

    fixed: Sequence[int]
    run: slice | None
    cut: Callable[[bytes], Sequence[bytes]]
    before_statuses: Sequence[bytes]
    before_values: Sequence[bytes]
    before_times: bytes


@dataclass(frozen=True, slots=True)
class _Sized:
    """One plan for one number of rows: the pieces of an answer in which every cell is PRESENT, and the groups."""

    pieces: Sequence[bytes]
    groups: Sequence[_Group]


class _Writer:
    """Writes the answers of one plan."""

    def __init__(self, plan: ReadPlan) -> None:
        self._groups = [(group, _columns(group)) for group in plan.groups]
        self._count = len(plan.columns)
        self._sized: dict[tuple[int, bool], _Sized] = {}

    def write(self, answer: RowAnswer, *, event_times: bool) -> bytes:
        rows = len(answer)
        sized = self._sized.get((rows, event_times))
        if sized is None:
            sized = self._size(rows, event_times=event_times)
        pieces = list(sized.pieces)
        for part, group, (_, columns) in zip(answer.parts, sized.groups, self._groups, strict=True):
            if group.fixed:
                values = group.cut(part.group.selection.fixed(part.block))
                if group.run is not None:
                    pieces[group.run] = values
                else:
                    for place, value in zip(group.fixed, values, strict=True):
                        pieces[place] = value
            times = part.event_times.tobytes() if event_times and part.group.timed else None
            if part.codes is None and times is None and len(group.fixed) == len(columns):
                continue
            _finish(pieces, part, group, columns, times)
        return b"".join(pieces)

    def _size(self, rows: int, *, event_times: bool) -> _Sized:
        pieces = [b""] * (2 * self._count)
        groups = []
        for group, columns in self._groups:
            parts = _group(group, columns, rows, event_times=event_times and group.timed)
            for place, before, middle in zip(parts.fixed, parts.before_statuses, parts.before_values, strict=True):
                pieces[place - 1] = before + _PRESENT * rows + middle
            groups.append(parts)
        pieces.append(pb.GetFeaturesResponse(rows=rows).SerializeToString())
        sized = _Sized(pieces, groups)
        if rows * self._count <= _CELLS_KEPT:
            if len(self._sized) >= _SIZES_KEPT:
                self._sized.clear()
            self._sized[rows, event_times] = sized
        return sized


def _columns(group: ReadGroup) -> list[_Column]:
    columns = []
    for plan, position, place in zip(group.plans, group.positions, group.selection.places, strict=True):
        message = pb.FeatureColumn(
            name=plan.name,
            view=plan.view,
            feature=plan.feature,
            version=plan.version,
            snapshot=plan.generation.snapshot,
            activation=plan.activation,
            type=str(place.type_),
            has_default=plan.default is not None,
        )
        columns.append(_Column(2 * position + 1, plan, place.type_, message.SerializeToString()))
    return columns


def _group(group: ReadGroup, columns: Sequence[_Column], rows: int, *, event_times: bool) -> _Group:
    fixed, slices, before_statuses, before_values = [], [], [], []
    before_times = head(_EVENT_TIMES, 8 * rows) if event_times else b""
    statuses = head(_STATUSES, rows)
    for column, offset, width in zip(columns, group.selection.offsets, group.selection.widths, strict=True):
        if offset is None:
            continue
        size = width * rows
        packed = head(packed_field(column.type_), size)
        values = head(_VALUES, len(packed) + size) + packed
        whole = len(column.head) + len(statuses) + rows + len(values) + size
        whole += len(before_times) + 8 * rows if event_times else 0
        fixed.append(column.place)
        slices.append(slice(offset * rows, offset * rows + size))
        before_statuses.append(head(_COLUMNS, whole) + column.head + statuses)
        before_values.append(values)
    side_by_side = fixed == list(range(fixed[0], fixed[0] + 2 * len(fixed), 2)) if fixed else False
    run = slice(fixed[0], fixed[-1] + 1, 2) if side_by_side else None
    return _Group(fixed, run, _cutter(slices), before_statuses, before_values, before_times)


def _cutter(slices: Sequence[slice]) -> Callable[[bytes], Sequence[bytes]]:
    if len(slices) == 1:
        return lambda values: (values[slices[0]],)
    return itemgetter(*slices) if slices else lambda _: ()


def _finish(
    pieces: list[bytes], part: GroupRows, group: _Group, columns: Sequence[_Column], times: bytes | None
) -> None:
    """Write what is not constant: statuses that are not all PRESENT, event times, columns of variable width."""
    rows = len(part.block)
    if part.codes is None:
        statuses = [_PRESENT * rows] * len(columns)
    else:
        marks = (part.codes + np.uint8(_FIRST)).tobytes()
        statuses = [marks[start : start + rows] for start in range(0, len(marks), rows)] or [b""] * len(columns)
    after = b"" if times is None else group.before_times + times
    number = 0
    for index, column in enumerate(columns):
        if number < len(group.fixed) and group.fixed[number] == column.place:
            pieces[column.place - 1] = group.before_statuses[number] + statuses[index] + group.before_values[number]
            pieces[column.place] += after
            number += 1
            continue
        body = [column.head, field(_STATUSES, statuses[index]), field(_VALUES, _variable(part, index)), after]
        pieces[column.place] = field(_COLUMNS, b"".join(body))


def _variable(part: GroupRows, index: int) -> bytes:
    """Return the `Values` of a column of variable width."""
    place = part.group.selection.places[index]
    if place.type_.item is None:
        return encode_cells(part.block.cells(place), place.type_)
    alone = part.group.codec.select([part.group.plans[index].feature])
    (array,) = alone.arrays(part.block, [part.group.plans[index].arrow_type])
    return encode_values(array, place.type_)
