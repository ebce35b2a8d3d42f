"""Spines of a request: given, made of a view's own rows, or archived; checked, kept, and what stands for their time."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Protocol, TypeAlias

import pyarrow as pa

from featurestore.errors import RequestError
from featurestore.model.pins import DEFAULT_TIMESTAMP, PinSet
from featurestore.offline.blocks import cut
from featurestore.offline.spine import check_columns, checked, open_spine, time_columns
from featurestore.offline.spine_archive import ArchivedSpine, archive_blocks, archive_spine, open_archived
from featurestore.offline.spine_window import WindowSpine

if TYPE_CHECKING:
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.types import FeatureType
    from featurestore.operations.context import Context
    from featurestore.operations.resolve import Column

__all__ = ["Spine", "asked_at", "check_spine", "first_block", "given_spine", "keep_spine", "window_spine"]


class Stream(Protocol):
    """A spine that is read in pieces: its columns, how many rows it has (None: not known yet), and the rows."""

    schema: pa.Schema

    @property
    def rows(self) -> int | None:
        """How many rows there are, if that is known."""

    def tables(self) -> Iterator[pa.Table]:
        """Give the rows in order."""


Spine: TypeAlias = pa.Table | Stream


def given_spine(context: Context, spine: object, pins: PinSet, columns: Sequence[Column]) -> Spine:
    """Return the rows to train on: those given, or those that the pins hold.

    Raises
    ------
    RequestError
        If there are none, or they cannot be read.
    CorruptError
        If the pinned ones are missing or damaged.
    """
    if spine is not None:
        return open_spine(spine, timestamp=pins.timestamp, needed=_needed(columns))
    if pins.spine is None:
        raise RequestError(
            "there is no spine: give spine=, the rows to train on, or start= and end= for the rows of the first view "
            "in that range; only pins of a frame hold one."
        )
    return open_archived(context.root, pins.spine)


def window_spine(
    context: Context,
    columns: Sequence[Column],
    chosen: Mapping[str, Snapshot],
    *,
    timestamp: str,
    start: datetime | None,
    end: datetime | None,
) -> WindowSpine:
    """Return the keys and event times that the first view named has in `[start, end)`.

    Raises
    ------
    RequestError
        If that view is a dimension, the window is empty, or another view is joined on what the first has not.
    CollisionError
        If a join key has the name of the time column.
    """
    first = columns[0]
    spine = WindowSpine(
        context.root,
        first.version.definition,
        chosen[first.version.reference].files,
        on=first.on,
        timestamp=timestamp,
        start=start,
        end=end,
        settings=context.settings,
    )
    for column in columns:
        for _, name in column.on:
            if name not in spine.schema.names:
                raise RequestError(
                    f"{column.version.reference} is joined on {name!r}, and the rows between start and end have only "
                    f"what {first.version.reference}, named first, is joined on: give a spine with that column."
                )
    return spine


def asked_at(schema: pa.Schema, pins: PinSet, columns: Sequence[Column], *, explicit: bool) -> datetime | None:
    """Return the moment that stands for the time of every row of a spine that has no times; None where it has.

    A column that may hold times under another name is never passed over: the newest values would let a model see the
    future. That, and a time column that was named (`explicit`) and is missing, is an error later on.
    """
    named = explicit or pins.timestamp != DEFAULT_TIMESTAMP
    if named or pins.timestamp in schema.names or time_columns(schema) or pins.as_of == "spine":
        return None
    if isinstance(pins.as_of, datetime):
        return pins.as_of
    if _timeless(columns):
        return None
    return pins.at or datetime.now(UTC)


def check_spine(schema: pa.Schema, pins: PinSet, columns: Sequence[Column]) -> None:
    """Check that a spine has the columns, of the types, that are asked of it.

    Raises
    ------
    RequestError
        If it has not.
    """
    check_columns(schema, timestamp=_time_column(schema, pins, columns), needed=_needed(columns))


def keep_spine(
    context: Context, spine: Spine, pins: PinSet, columns: Sequence[Column]
) -> tuple[pa.Table | None, ArchivedSpine]:
    """Check the rows of a spine and archive them.

    Returns
    -------
    The rows, None if they are a stream of more than a block, and where they are kept.

    Raises
    ------
    RequestError
        If a key or a time is not what it should be, or a column cannot be kept exactly.
    """
    if isinstance(spine, ArchivedSpine):
        table, _ = _peek(spine)
        return table, spine
    time, needed = _time_column(spine.schema, pins, columns), _needed(columns)
    table, blocks = (spine, iter(())) if isinstance(spine, pa.Table) else _peek(spine)
    if table is not None:
        for _ in checked(cut([table], table.schema), timestamp=time, needed=needed):
            pass
        return table, _archive(context, table.schema, table)
    total = None if isinstance(spine, pa.Table) else spine.rows
    blocks = _told(context, checked(blocks, timestamp=time, needed=needed), total)
    return None, _archive(context, spine.schema, blocks)


def _peek(spine: Stream) -> tuple[pa.Table | None, Iterator[pa.Table]]:
    """Return a stream's rows if they are no more than a block, otherwise its blocks."""
    blocks = cut(spine.tables(), spine.schema)
    first, second = next(blocks), next(blocks, None)
    return (first, iter(())) if second is None else (None, chain([first, second], blocks))


def first_block(spine: Spine) -> pa.Table:
    """Return the rows of a spine, of a stream those of its first block."""
    return spine if isinstance(spine, pa.Table) else next(cut(spine.tables(), spine.schema))


def _told(context: Context, blocks: Iterable[pa.Table], total: int | None) -> Iterator[pa.Table]:
    done = 0
    for block in blocks:
        yield block
        done += block.num_rows
        context.progress("read the spine", done, total)


def _archive(context: Context, schema: pa.Schema, rows: pa.Table | Iterable[pa.Table]) -> ArchivedSpine:
    """Keep a spine; beside a store that is only read as long as it is in use, and the frame has the same id."""
    root = Path(mkdtemp(prefix="featurestore-")) if context.catalog.read_only else context.root
    try:
        pin = archive_spine(root, rows) if isinstance(rows, pa.Table) else archive_blocks(root, schema, rows)
        spine = ArchivedSpine(root, pin)
    except BaseException:
        if root is not context.root:
            shutil.rmtree(root, ignore_errors=True)
        raise
    if root is not context.root:
        weakref.finalize(spine, shutil.rmtree, root, ignore_errors=True)
    return spine


def _time_column(schema: pa.Schema, pins: PinSet, columns: Sequence[Column]) -> str | None:
    """Return the time column that the spine must have, None where it need not have one."""
    if pins.at is not None or (_timeless(columns) and pins.as_of != "spine" and pins.timestamp not in schema.names):
        return None
    return pins.timestamp


def _timeless(columns: Sequence[Column]) -> bool:
    return all(column.version.definition.event_time is None for column in columns)


def _needed(columns: Sequence[Column]) -> dict[str, FeatureType]:
    """Return the type of each column joined on; of two widths of integers the narrower, which holds for both."""
    needed: dict[str, FeatureType] = {}
    for column in columns:
        types = dict(column.version.definition.keys)
        for key, name in column.on:
            if name not in needed or types[key].kind == "Int32":
                needed[name] = types[key]
    return needed
