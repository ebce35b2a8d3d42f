"""The profiles of a feature version's runs, from which the profile of each snapshot is merged.

A run is told by its files: as long as they are the same, so is the profile. Of a run that a window was cut out of, what
is left is read again: a sketch gives nothing back. It costs less than the cut, which has written these rows anew.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.catalog import profiles
from featurestore.errors import CorruptError
from featurestore.model.definition import digest
from featurestore.model.profile import Profile, merge_profiles
from featurestore.operations.source_profiles import source_profiles
from featurestore.quality.profile import profiler_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from featurestore.catalog.database import Transaction
    from featurestore.model.snapshot import Run, Snapshot
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context
    from featurestore.quality.profile import Profiler

__all__ = ["RunProfiles", "profiled"]

_BATCH_ROWS = 65_536


def profiled(batches: Iterable[pa.RecordBatch], profiler: Profiler) -> Iterator[pa.RecordBatch]:
    """Give batches on, each profiled beside what is done with it; no more than one is waited for."""
    with ThreadPoolExecutor(1) as thread:
        work: Future[None] | None = None
        for batch in batches:
            if work is not None:
                work.result()
            work = thread.submit(profiler.add, batch)
            yield batch
        if work is not None:
            work.result()


class RunProfiles:
    """Profiles of one feature version's runs, as one change of its head needs them.

    Where the settings say that nothing is profiled, it knows of none and keeps none.
    """

    def __init__(self, context: Context, version: FeatureVersion) -> None:
        self._context = context
        self._version = version
        self._known: dict[str, Profile] = {}
        self._sources: list[Profile] = []

    def profiler(self) -> Profiler | None:
        """Return what profiles a run of the version; None where nothing is profiled."""
        return profiler_of(self._version.definition) if self._context.settings.profiles else None

    def add(self, run: Run, profiler: Profiler) -> None:
        """Take the profile of a run that was just written, and take those of the sources it read."""
        identity = _identity(run)
        found = profiler.result(kind="run", name=self._version.reference, id=identity, dropped=run.dropped)
        self._known[identity] = found
        self._sources = source_profiles(self._context, self._version, run, found)

    def merge(self, runs: Sequence[Run], into: Run) -> None:
        """Take note that a run holds the rows of several."""
        if self._context.settings.profiles:
            parts = [self.of(run) for run in runs]
            self._known[_identity(into)] = merge_profiles(
                parts, kind="run", name=self._version.reference, id=_identity(into)
            )

    def of(self, run: Run) -> Profile:
        """Return the profile of a run: as it was taken, or by reading its files.

        Raises
        ------
        CorruptError
            If a file is missing or cannot be read.
        """
        identity = _identity(run)
        if identity not in self._known:
            with self._context.catalog.read() as connection:
                known = profiles.of_rows(connection, self._version.reference, identity)
            self._known[identity] = known or self._read(run)
        return self._known[identity]

    def take(self, runs: Iterable[Run]) -> None:
        """Make the profiles of runs known, before they are kept in a transaction: that may read files."""
        if self._context.settings.profiles:
            for run in runs:
                self.of(run)

    def of_snapshot(self, snapshot: Snapshot) -> Profile:
        """Return the profile of a snapshot: that of its runs, merged."""
        parts = [self.of(run) for run in snapshot.runs]
        return merge_profiles(parts, kind="snapshot", name=self._version.reference, id=snapshot.id)

    def keep(self, tx: Transaction, _before: Snapshot | None, head: Snapshot) -> None:
        """Keep the profile of a version's new head, and those of its runs that later ones will be merged from."""
        if not self._context.settings.profiles:
            return
        self.save(tx, head, self.of_snapshot(head))
        for source in self._sources:
            profiles.save(tx, source)
        name = self._version.reference
        runs = {_identity(run): run for run in head.runs}
        profiles.forget_runs(tx, name, runs)
        for identity, run in runs.items() if len(head.runs) > 1 else ():
            if not profiles.is_known(tx.connection, name, identity):
                profiles.save(tx, self.of(run), rows_digest=identity)

    def save(self, tx: Transaction, snapshot: Snapshot, profile: Profile) -> None:
        """Keep the profile of a snapshot; of one run alone, it is that run's too."""
        alone = _identity(snapshot.runs[0]) if len(snapshot.runs) == 1 else None
        profiles.save(tx, profile, rows_digest=alone)

    def _read(self, run: Run) -> Profile:
        profiler = profiler_of(self._version.definition)
        for file in run.files:
            path = self._context.root / file.path
            try:
                with pq.ParquetFile(path) as parquet:
                    for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                        profiler.add(batch)
            except (OSError, pa.ArrowException) as error:
                message = f"{path} is missing or no Parquet file: restore it from a backup. {error}"
                raise CorruptError(message) from error
        return profiler.result(kind="run", name=self._version.reference, id=_identity(run), dropped=run.dropped)


def _identity(run: Run) -> str:
    return digest([file.sha256 for file in run.files])[:32]
