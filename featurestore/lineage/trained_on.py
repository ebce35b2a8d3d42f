"""What a model version was trained on: the exact rows and code, and whether they are still there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.catalog import frames, models, snapshots, versions
from featurestore.catalog.graph import Asset
from featurestore.errors import DefinitionError
from featurestore.lineage.endings import Ending, endings
from featurestore.lineage.nodes import parse_node
from featurestore.lineage.text import count, moment, outline, short, table
from featurestore.model.times import from_micros
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from featurestore.catalog.frames import FrameRecord
    from featurestore.catalog.models import ModelVersion
    from featurestore.model.pins import Pin
    from featurestore.model.snapshot import Run, Snapshot, SourceRead

__all__ = ["SPINES", "Problem", "TrainedOn", "TrainedVersion", "Window", "files_below", "trained_on"]

SPINES = "spines"
"""The folder of the archived spines, `spines/<digest>.parquet`, relative to the store's root."""


@dataclass(frozen=True, slots=True)
class Window:
    """`[start, end)` of output event time that one run holds; None is open. And the run's rows."""

    start: datetime | None
    end: datetime | None
    rows: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A file without which the frame cannot be built again.

    Attributes
    ----------
    path
        Relative to the store's root.
    part
        What is in it: `"airport_weather@v1"`, or `"spine"`.
    text
        `"is not there"`, or that its bytes are not those that were written.
    """

    path: str
    part: str
    text: str

    def __str__(self) -> str:
        return f"{self.part}: {self.path} {self.text}"


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """One feature version of the training frame.

    Attributes
    ----------
    version, fingerprint
        `view@vN`, and its identity in every store.
    features
        The features that the model reads of it; empty where the frame held it and the model does not read it.
    computation, text
        `"sql"`, `"function"` or `"columns"`, and what runs.
    snapshot, rows, windows, last
        Which rows: the snapshot's id, its rows, the windows of its runs, its greatest event time.
    sources
        The data versions that its runs read.
    author, applied_at, code
        Who applied the version first, when, from which commit.
    materialized_at
        When the snapshot was made.
    ended
        How the version, or the snapshot, ended since; None while it lasts.
    """

    version: str
    fingerprint: str
    features: tuple[str, ...]
    computation: str
    text: str
    snapshot: str
    rows: int
    windows: tuple[Window, ...]
    last: datetime | None
    sources: tuple[SourceRead, ...]
    author: str
    applied_at: datetime
    code: CodeState
    materialized_at: datetime
    ended: Ending | None = None


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Everything that a model version was trained on.

    Attributes
    ----------
    model, owner, uri
        `delay@1`, who answers for it, where it is kept.
    registered_at, registered_by, code
        When, by whom, and from which commit the model was registered.
    frame, rows, trained_at, trained_by, frame_code
        The training frame: its id, its rows, when it was joined, by whom, from which commit.
    spine, spine_rows, timestamp, as_of
        SHA-256 and rows of the archived spine, its time column, and the time as of which rows were seen.
    at
        The moment that stood for the time of every row, where the spine had no time column.
    inputs, request
        The model's inputs in order, and those that the caller brings: `(name, type)`.
    versions
        One per feature version of the frame.
    missing
        Files that a rebuild needs and that are not there, or not as they were written; relative to the store's root.
    rebuildable
        Whether the same rows can be had again; None if it was not checked.
    problems
        The missing files, with what is in each and what is wrong with it.
    verified
        Whether the files were read and compared with their digests, not only looked for.
    """

    model: str
    owner: str
    uri: str | None
    registered_at: datetime
    registered_by: str
    code: CodeState
    frame: str
    rows: int
    trained_at: datetime
    trained_by: str
    frame_code: CodeState
    spine: str | None
    spine_rows: int | None
    timestamp: str
    as_of: str | None
    at: str | None
    inputs: tuple[str, ...]
    request: tuple[tuple[str, str], ...]
    versions: tuple[TrainedVersion, ...]
    missing: tuple[str, ...]
    rebuildable: bool | None
    problems: tuple[Problem, ...] = ()
    verified: bool = False

    def __str__(self) -> str:
        times = f"time column {self.timestamp!r}" if self.at is None else f"no times: the newest values at {self.at}"
        about = [
            ("owner", self.owner or "-"),
            ("code", _commit(self.code)),
            ("registered", f"{moment(self.registered_at)} by {self.registered_by}"),
            (
                "frame",
                f"{short(self.frame)}, {count(self.rows, 'row')}, {moment(self.trained_at)} by {self.trained_by}",
            ),
            ("spine", f"{short(self.spine)}, {count(self.spine_rows or 0, 'row')}, {times}"),
            ("as of", self.as_of or "everything known then"),
            ("rebuild", self._rebuild()),
        ]
        rows = [
            (
                item.version,
                short(item.fingerprint),
                short(item.snapshot),
                f"{item.rows:,}",
                moment(item.last),
                ", ".join(f"{read.source} {short(read.data_version)}" for read in item.sources),
                _commit(item.code),
                ", ".join(item.features) or "(not read by the model)",
            )
            for item in self.versions
        ]
        titles = ("version", "fingerprint", "snapshot", "rows", "newest row", "source data", "code", "features")
        ended = [f"  {item.version}: {item.ended}" for item in self.versions if item.ended is not None]
        wrong = [f"  {problem}" for problem in self.problems]
        cure = ["  restore them from a backup, then look again with --verify"] if wrong else []
        return outline(self.model, table(("", ""), about)[1:], table(titles, rows), ended, [*wrong, *cure])

    def _rebuild(self) -> str:
        if self.rebuildable is None:
            return "not checked"
        if self.rebuildable:
            return "possible: every file is " + ("as it was written" if self.verified else "there")
        if self.spine is None:
            return "impossible: the frame has no archived spine"
        return f"impossible: {count(len(self.problems), 'file')} missing or damaged"


def _commit(code: CodeState) -> str:
    return "-" if code.commit is None else short(code.commit) + (" (dirty)" if code.dirty else "")


def files_below(root: Path, *, verify: bool = False) -> Callable[[str, str], str | None]:
    """Return what looks at a file of a store: given path and SHA-256, it says what is wrong, or None.

    Parameters
    ----------
    root
        The store's folder.
    verify
        Read the file and compare its digest, instead of only looking whether it is there.
    """

    def look(path: str, digest: str) -> str | None:
        file = root / path
        if not verify:
            return None if file.is_file() else "is not there"
        try:
            with file.open("rb") as stored:
                same = hashlib.file_digest(stored, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return "is not there"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return None if same else "does not hold the bytes that were written"

    return look


def trained_on(
    connection: Connection,
    model: object,
    *,
    look: Callable[[str, str], str | None] | None = None,
    verified: bool = False,
) -> TrainedOn:
    """Return exactly what a model version was trained on.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    model
        `delay@1` or a registered model version.
    look
        Says of a file, by its path relative to the store's root and its SHA-256, what is wrong with it (see
        `files_below`); None leaves that unchecked.
    verified
        Whether `look` reads the bytes.

    Raises
    ------
    NotFoundError
        If there is no such model version.
    DefinitionError
        If the node is no model version.
    """
    found = require_model(connection, model)
    frame = frames.find(connection, found.frame)
    read: dict[str, list[str]] = {}
    for _, reference in found.lock.columns:
        read.setdefault(f"{reference.view}@v{reference.version}", []).append(reference.feature or "")
    pinned = [(pin, snapshots.find(connection, pin.snapshot)) for pin in frame.pins.pins if pin.snapshot is not None]
    ended = endings(connection, [asset for pin, snapshot in pinned for asset in _assets(pin, snapshot)])
    parts = tuple(
        _version(
            connection,
            pin,
            snapshot,
            read.get(pin.reference, []),
            next((ended[asset] for asset in _assets(pin, snapshot) if asset in ended), None),
        )
        for pin, snapshot in pinned
    )
    problems = None if look is None else tuple(_problems(frame, [snapshot for _, snapshot in pinned], look))
    spine, as_of = frame.pins.spine, frame.pins.as_of
    return TrainedOn(
        model=found.reference,
        owner=found.owner,
        uri=found.uri,
        registered_at=found.created_at,
        registered_by=found.actor,
        code=found.code,
        frame=frame.id,
        rows=frame.rows,
        trained_at=frame.created_at,
        trained_by=frame.actor,
        frame_code=frame.code,
        spine=None if spine is None else spine.digest,
        spine_rows=None if spine is None else spine.rows,
        timestamp=frame.pins.timestamp,
        as_of=as_of if as_of is None or isinstance(as_of, str) else as_of.isoformat(),
        at=None if frame.pins.at is None else frame.pins.at.isoformat(),
        inputs=found.lock.inputs,
        request=found.lock.request,
        versions=parts,
        missing=tuple(problem.path for problem in problems or ()),
        rebuildable=None if problems is None else not problems and spine is not None,
        problems=problems or (),
        verified=verified and look is not None,
    )


def require_model(connection: Connection, model: object) -> ModelVersion:
    """Return a registered model version from whatever names it."""
    node = model if isinstance(model, models.ModelVersion) else parse_node(connection, _prefixed(model))
    if isinstance(node, models.ModelVersion):
        return node
    if node.kind != "model":
        raise DefinitionError(f"{model!s} is a {node.kind}: name a model version, for example 'delay@1'.")
    return models.find(connection, node.key)


def _prefixed(model: object) -> object:
    """Return a text as the model it must be here, so that a view's version of the same name is no obstacle."""
    return f"model/{model}" if isinstance(model, str) and "/" not in model else model


def _assets(pin: Pin, snapshot: Snapshot) -> tuple[Asset, Asset]:
    return Asset("snapshot", snapshot.id), Asset("version", pin.reference)


def _version(
    connection: Connection, pin: Pin, snapshot: Snapshot, features: list[str], ended: Ending | None
) -> TrainedVersion:
    version = versions.find(connection, pin.view, pin.version)
    computation = version.definition.computation
    return TrainedVersion(
        version=version.reference,
        fingerprint=version.fingerprint,
        features=tuple(dict.fromkeys(features)),
        computation=computation.kind,
        text=computation.text,
        snapshot=snapshot.id,
        rows=snapshot.rows,
        windows=tuple(_window(run) for run in snapshot.runs),
        last=None if snapshot.last is None else from_micros(snapshot.last),
        sources=snapshot.sources,
        author=version.author,
        applied_at=version.created_at,
        code=version.code,
        materialized_at=snapshot.created_at,
        ended=ended,
    )


def _window(run: Run) -> Window:
    start, end = (None if value is None else from_micros(value) for value in (run.start, run.end))
    return Window(start, end, run.rows)


def _problems(frame: FrameRecord, pinned: list[Snapshot], look: Callable[[str, str], str | None]) -> Iterable[Problem]:
    """Look at each file of the pinned snapshots, and at the spine's, once."""
    files = {(file.path, file.sha256): snapshot.reference for snapshot in pinned for file in snapshot.files}
    if frame.pins.spine is not None:
        digest = frame.pins.spine.digest
        files[f"{SPINES}/{digest}.parquet", digest] = "spine"
    for (path, digest), part in files.items():
        if (text := look(path, digest)) is not None:
            yield Problem(path, part, text)
