"""Verify: every file of every snapshot and every generation online is read and held against its recorded digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.catalog import generations, snapshots, versions
from featurestore.errors import CorruptError, FeatureStoreError
from featurestore.lineage.text import count, outline
from featurestore.operations.resolve import one_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.model.snapshot import DataFile
    from featurestore.operations.context import Context

__all__ = ["Verification", "Verified", "verify"]


@dataclass(frozen=True, slots=True)
class Verified:
    """One thing that was read.

    Attributes
    ----------
    kind
        `"file"`, of a snapshot, or `"generation"`, online.
    version
        `view@vN`.
    name
        The file's path in the store's folder, or the generation's id.
    problem
        What is wrong and what to do; None if it is as it was written.
    """

    kind: str
    version: str
    name: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Verification:
    """All that was read; its text names what is damaged."""

    checked: tuple[Verified, ...]

    @property
    def damaged(self) -> tuple[Verified, ...]:
        """What is not as it was written."""
        return tuple(item for item in self.checked if item.problem is not None)

    def __str__(self) -> str:
        kinds = [item.kind for item in self.checked]
        read = f"{count(kinds.count('file'), 'file')} and {count(kinds.count('generation'), 'generation')} read"
        found = f"{len(self.damaged):,} damaged" if self.damaged else "all as they were written"
        return outline(f"{read}: {found}", [f"  {item.version}: {item.problem}" for item in self.damaged])


def verify(context: Context, reference: object = None) -> Verification:
    """Read what is stored of a version, or of all versions, and compare it with what was recorded.

    Damage is told, not raised.

    Parameters
    ----------
    reference
        `view@vN`; None is every version of every view.

    Raises
    ------
    NotFoundError
        If there is no such version.
    """
    tasks: dict[tuple[str, str, str], tuple[int, Callable[[], object]]] = {}
    with context.catalog.read() as connection:
        if reference is None:
            chosen = [item for name in versions.view_names(connection) for item in versions.of_view(connection, name)]
        else:
            chosen = [one_version(connection, reference)]
        for version in chosen:
            for snapshot in snapshots.history(connection, version):
                for file in snapshot.files:
                    tasks["file", version.reference, file.path] = file.rows, _reading(context, file)
            for item in generations.everything(connection, version.view, version.number):
                tasks["generation", version.reference, item.id] = item.rows, _checking(context, item.id)
    checked, done, total = [], 0, sum(rows for rows, _ in tasks.values())
    for (kind, reader, name), (rows, task) in tasks.items():
        checked.append(Verified(kind, reader, name, _problem(task)))
        done += rows
        context.progress("verify", done, total)
    return Verification(tuple(checked))


def _problem(task: Callable[[], object]) -> str | None:
    try:
        task()
    except FeatureStoreError as error:
        return str(error)
    return None


def _checking(context: Context, generation: str) -> Callable[[], object]:
    return lambda: context.online.check(generation)


def _reading(context: Context, file: DataFile) -> Callable[[], object]:
    path = context.root / file.path

    def read() -> None:
        cure = "restore it from a backup, or materialize again and retrain what is pinned to it."
        try:
            with path.open("rb") as stored:
                digest = hashlib.file_digest(stored, "sha256").hexdigest()
        except OSError as error:
            raise CorruptError(f"{path} cannot be read ({error.strerror}): {cure}") from error
        if digest != file.sha256:
            raise CorruptError(f"{path} does not hold the bytes that were written: {cure}")

    return read
