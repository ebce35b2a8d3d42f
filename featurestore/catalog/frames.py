"""Training frames, and the pins that fix them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, insert, select

from featurestore.catalog import graph, schema, versions
from featurestore.catalog.schema import begins
from featurestore.errors import NotFoundError
from featurestore.model.pins import PinSet
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from featurestore.catalog.database import Transaction

__all__ = ["FrameRecord", "everything", "find", "is_pinned", "save"]

_FRAMES = schema.frames


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What is kept of a training frame: enough to build the same rows again."""

    id: str
    pins: PinSet
    rows: int
    actor: str
    code: CodeState
    created_at: datetime


def _value(row: Row[Any]) -> FrameRecord:
    code = CodeState(row.git_commit, row.git_dirty)
    return FrameRecord(row.id, PinSet.from_json(row.pins), row.rows, row.actor, code, row.created_at)


def find(connection: Connection, frame: object) -> FrameRecord:
    """Return a frame's record by its id or the first eight or more digits of it, or by what holds its id.

    Raises
    ------
    NotFoundError
        If none or several fit.
    """
    text = frame if isinstance(frame, str) else getattr(frame, "id", None)
    short = not isinstance(text, str) or len(text) < 8  # noqa: PLR2004 - as in references
    rows = [] if short else connection.execute(select(_FRAMES).where(begins(_FRAMES.c.id, str(text)))).all()
    if len(rows) != 1:
        what = "several training frames fit" if rows else "there is no training frame"
        raise NotFoundError(f"{what} {frame!r}: give its id (frame.id), at least eight digits of it.")
    return _value(rows[0])


def everything(connection: Connection) -> list[FrameRecord]:
    """Return every frame's record, oldest first."""
    return [_value(row) for row in connection.execute(select(_FRAMES).order_by(_FRAMES.c.created_at))]


def is_pinned(connection: Connection, snapshot: str) -> bool:
    """Return whether any frame pins a snapshot."""
    statement = select(schema.pins.c.frame_id).where(schema.pins.c.snapshot_id == snapshot).limit(1)
    return connection.execute(statement).first() is not None


def save(tx: Transaction, frame: str, pins: PinSet, rows: int, code: CodeState) -> None:
    """Keep a frame's record; the same frame again changes nothing."""
    if tx.connection.execute(select(_FRAMES.c.id).where(_FRAMES.c.id == frame)).scalar() is not None:
        return
    tx.connection.execute(
        insert(_FRAMES).values(
            id=frame,
            pins=pins.to_json(),
            rows=rows,
            actor=tx.actor,
            git_commit=code.commit,
            git_dirty=code.dirty,
            created_at=tx.now,
        )
    )
    for pin in pins.pins:
        version = versions.row_id(tx.connection, pin.view, pin.version)
        tx.connection.execute(insert(schema.pins).values(frame_id=frame, version_id=version, snapshot_id=pin.snapshot))
    graph.add_frame(tx, frame, pins, code)
    tx.record("trained", "frame", frame, rows=rows, versions=[pin.reference for pin in pins.pins])
