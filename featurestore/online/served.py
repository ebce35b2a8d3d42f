"""Rows as a server answered them, kept as Parquet: what is needed to compare serving with training afterwards.

    <store>/served/<model, endpoint or set>/<time>-<process>-<number>.parquet

    at        timestamp[us, UTC]   the time of the question
    entities  struct               the request's columns
    values    struct               a field for each column of the answer, of its own type
    statuses  struct               uint8: positions in `STATUS_BY_CODE`
    times     struct               the event time of the row behind each value, where its view has any

All rows of one file were read from the same snapshots; the metadata says which. Files appear whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import CorruptError
from featurestore.online.result import AnswerColumn

if TYPE_CHECKING:
    from featurestore.online.lookup import Asked

__all__ = ["FOLDER", "ServedRows", "folder_of", "served_files", "sweep"]

FOLDER = "served"
_META = b"featurestore"
_SUFFIX = ".parquet"
_MOMENT = pa.timestamp("us", tz="UTC")
_number = count()


@dataclass(frozen=True, slots=True, eq=False)
class ServedRows:
    """Rows of answers that were all read from the same snapshots.

    Attributes
    ----------
    model, endpoint, feature_set
        What was asked for, or whose lock named the columns; None where it was not by that.
    on
        For each column of the answer, how the request's columns were its keys.
    at
        Shape `(n,)`, timestamps: the time of each question.
    entities
        The request's columns, n rows.
    answers
        The answer's columns, n rows.
    """

    model: str | None
    endpoint: str | None
    feature_set: str | None
    on: tuple[tuple[tuple[str, str], ...], ...]
    at: pa.Array[Any]
    entities: pa.Table
    answers: tuple[AnswerColumn, ...]

    def answer(self, name: str) -> AnswerColumn:
        """Return a column of the answer."""
        return next(answer for answer in self.answers if answer.name == name)

    def between(self, since: datetime | None, until: datetime | None) -> ServedRows:
        """Return the rows whose questions were of `[since, until)`; None is no bound."""
        if since is None and until is None:
            return self
        kept: Any = pa.array([True] * len(self.at))
        if since is not None:
            kept = pc.and_(kept, pc.greater_equal(self.at, pa.scalar(since, _MOMENT)))
        if until is not None:
            kept = pc.and_(kept, pc.less(self.at, pa.scalar(until, _MOMENT)))
        answers = tuple(answer.filtered(kept) for answer in self.answers)
        return replace(self, at=self.at.filter(kept), entities=self.entities.filter(kept), answers=answers)

    def write(self, folder: Path) -> Path:
        """Write a file of its own into a folder, which is made if it is missing; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        path = folder / f"{now}-{os.getpid()}-{next(_number)}{_SUFFIX}"
        part = path.with_suffix(".part")
        try:
            pq.write_table(self._table(), part, compression="zstd")
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _table(self) -> pa.Table:
        names = [answer.name for answer in self.answers]
        values = pa.StructArray.from_arrays([answer.values for answer in self.answers], names)
        statuses = pa.StructArray.from_arrays([pa.array(answer.statuses) for answer in self.answers], names)
        times = {answer.name: answer.event_times for answer in self.answers if answer.event_times is not None}
        columns: dict[str, Any] = {
            "at": self.at,
            "entities": self.entities.to_struct_array().combine_chunks(),
            "values": values,
            "statuses": statuses,
        }
        if times:
            columns["times"] = pa.StructArray.from_arrays([*times.values()], [*times])
        told = {
            "model": self.model,
            "endpoint": self.endpoint,
            "feature_set": self.feature_set,
            "columns": [
                [answer.name, answer.view, answer.version, answer.feature, answer.snapshot, answer.activation, on]
                for answer, on in zip(self.answers, self.on, strict=True)
            ],
        }
        return pa.table(columns).replace_schema_metadata({_META: json.dumps(told).encode()})

    @classmethod
    def read(cls, path: Path) -> ServedRows:
        """Read a file.

        Raises
        ------
        CorruptError
            If it is none of ours, or damaged.
        """
        try:
            table = pq.read_table(path)
            told = json.loads((table.schema.metadata or {})[_META])
            fields = {name: _fields(table.column(name)) for name in ("entities", "values", "statuses", "times")
                      if name in table.column_names}  # fmt: skip
            times = fields.get("times", {})
            answers = [
                AnswerColumn(
                    name=name,
                    version=version,
                    view=view,
                    feature=feature,
                    snapshot=snapshot,
                    activation=activation,
                    values=fields["values"][name],
                    statuses=np.asarray(fields["statuses"][name].to_numpy(zero_copy_only=False), np.uint8),
                    event_times=times.get(name),
                )
                for name, view, version, feature, snapshot, activation, _ in told["columns"]
            ]
            on = tuple(tuple((key, column) for key, column in one[-1]) for one in told["columns"])
            return cls(
                told["model"],
                told["endpoint"],
                told["feature_set"],
                on,
                table.column("at").combine_chunks().cast(_MOMENT),
                pa.table(fields["entities"]),
                tuple(answers),
            )
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            message = f"{path} is no file of served rows, or is damaged ({error}): remove it."
            raise CorruptError(message) from error


def _fields(column: pa.ChunkedArray[Any]) -> dict[str, pa.Array[Any]]:
    """Return the fields of a struct column by name."""
    whole: Any = column.combine_chunks()
    return dict(zip([field.name for field in whole.type], whole.flatten(), strict=True))


def folder_of(root: Path, *, model: str | None = None, asked: Asked | None = None) -> Path:
    """Return where rows of a model, or of a request that no model's lock named, are kept."""
    if model is not None:
        return root / FOLDER / "model" / model
    if asked is not None and asked.feature_set is not None:
        return root / FOLDER / "set" / asked.feature_set
    return root / FOLDER / "features"


def served_files(folder: Path, since: datetime | None = None) -> list[Path]:
    """Return the files in a folder, the oldest first; those written before `since` are left out.

    A file is written after the questions in it were asked, so nothing asked since then is missed.
    """
    start = "" if since is None else since.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.name >= start)


def sweep(root: Path, most_bytes: int) -> None:
    """Remove the oldest files until all take at most this many bytes."""
    found = sorted(_sizes((root / FOLDER).rglob(f"*{_SUFFIX}")), key=lambda item: item[0].name)
    total = sum(size for _, size in found)
    for path, size in found:
        if total <= most_bytes:
            return
        path.unlink(missing_ok=True)
        total -= size


def _sizes(paths: Iterable[Path]) -> list[tuple[Path, int]]:
    sizes = []
    for path in paths:
        try:
            sizes.append((path, path.stat().st_size))
        except FileNotFoundError:  # another worker has swept
            continue
    return sizes
