"""Snapshots: which rows. The immutable state of one feature version's table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from featurestore.model.definition import digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from featurestore.model.quarantine import Quarantine

__all__ = ["DataFile", "Newest", "Run", "Snapshot", "SourceRead", "snapshot_id"]


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What a run read of one source: the source's own data version, e.g. `iceberg:8123` or `files:9f2c...`."""

    source: str
    data_version: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a run, sorted by key, event time, created time.

    Attributes
    ----------
    path
        Relative to the store's root, with `/`.
    sha256, bytes, rows
        Digest and size of the file, and its rows.
    first, last
        Least and greatest event time in it, microseconds since 1970 UTC; None for a dimension or no rows.
    """

    path: str
    sha256: str
    bytes: int
    rows: int
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Newest:
    """The rows of a run at its greatest event time: who computes them again can tell that nothing has changed there.

    Attributes
    ----------
    at
        That time, microseconds since 1970 UTC.
    rows, digest
        Their number, and the sum of a 64-bit hash of each over all its columns, in hex.
    """

    at: int
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Run:
    """What one materialization wrote: one sorted run.

    Attributes
    ----------
    start, end
        The window `[start, end)` of output event time it holds, microseconds; None is open.
    sources
        The data versions it read.
    files
        Its files, in order. The runs of a snapshot do not overlap in event time.
    dropped
        Rows that no request can reach and so were not kept: reason to count (`null key`, `null event time`).
    newest
        The rows at the greatest event time when it was written; None for a dimension or no rows.
    """

    start: int | None
    end: int | None
    sources: tuple[SourceRead, ...]
    files: tuple[DataFile, ...]
    dropped: tuple[tuple[str, int], ...] = ()
    newest: Newest | None = None

    @property
    def rows(self) -> int:
        """Rows in all its files."""
        return sum(file.rows for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Run:
        """Read the JSON form."""
        return cls(
            value["start"],
            value["end"],
            tuple(SourceRead(**item) for item in value["sources"]),
            tuple(DataFile(**item) for item in value["files"]),
            tuple((reason, count) for reason, count in value["dropped"]),
            None if value["newest"] is None else Newest(**value["newest"]),
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one feature version's table after a materialization.

    Attributes
    ----------
    id
        32 hex digits, derived from the version, the runs' windows, files and source data versions.
    view, version
        Whose rows.
    runs
        In order of writing.
    created_at
        When this state was first reached.
    iceberg_snapshot_id
        The Iceberg snapshot that shows the same files; text, since it exceeds 2^53. None in quarantine.
    quarantine
        Its stay in quarantine, also when that is over; None if it never was there.
    """

    id: str
    view: str
    version: int
    runs: tuple[Run, ...]
    created_at: datetime
    iceberg_snapshot_id: str | None = None
    quarantine: Quarantine | None = None

    @property
    def quarantined(self) -> bool:
        """Whether it may neither be published nor trained on."""
        return self.quarantine is not None and self.quarantine.closed

    @property
    def reference(self) -> str:
        """`view@vN`."""
        return f"{self.view}@v{self.version}"

    @property
    def rows(self) -> int:
        """Rows in all runs."""
        return sum(run.rows for run in self.runs)

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All files, in order of the runs."""
        return tuple(file for run in self.runs for file in run.files)

    @property
    def last(self) -> int | None:
        """Greatest event time, microseconds since 1970 UTC; None for a dimension or no rows."""
        return max((file.last for file in self.files if file.last is not None), default=None)

    @property
    def sources(self) -> tuple[SourceRead, ...]:
        """Every data version that any run read, once, in order."""
        return tuple(dict.fromkeys(read for run in self.runs for read in run.sources))


def snapshot_id(view: str, fingerprint: str, runs: Sequence[Run]) -> str:
    """Return the id of the state that `runs` make of a view's version with `fingerprint`."""
    state = [[run.start, run.end, run.to_json()["sources"], [file.sha256 for file in run.files]] for run in runs]
    return digest([view, fingerprint, state])[:32]
