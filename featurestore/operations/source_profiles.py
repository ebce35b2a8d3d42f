"""The profiles of the sources that a run read, at the data version it read.

A view that is its source's columns as they are has profiled them already. Other sources are read once more, beside
the computation that reads them itself: up to a million rows whole, of longer ones an even sample, so that a profile
costs no more however long the source is. Which rows are told where a run reads only a part of a source is said in the
profile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.catalog import profiles
from featurestore.model.times import from_micros
from featurestore.offline.compute import source_window
from featurestore.offline.source_scan import scan_source
from featurestore.quality.profile import Profiler

if TYPE_CHECKING:
    from featurestore.model.definition import SourceDefinition
    from featurestore.model.profile import Profile
    from featurestore.model.snapshot import Run
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.context import Context

__all__ = ["source_profiles"]

_MOST = 1_000_000


def source_profiles(context: Context, version: FeatureVersion, run: Run, profile: Profile) -> list[Profile]:
    """Return the profiles of a run's sources that are not known yet at the data versions it read.

    Parameters
    ----------
    profile
        Of the run's rows.
    """
    found = []
    for read in run.sources:
        source = next(item for item in version.definition.sources if item.name == read.source)
        with context.catalog.read() as connection:
            known = profiles.find(connection, "source", read.source, read.data_version)
        if known is not None and not known.inexact:
            told = {column.name for column in known.columns}
            if told >= {name for name, _ in source.columns}:
                continue
            source = _with_columns(source, known)
        fresh = _as_they_are(version, run, profile) or _scanned(context, version, run, source)
        found.append(replace(fresh, kind="source", name=read.source, id=read.data_version))
    return found


def _with_columns(source: SourceDefinition, known: Profile) -> SourceDefinition:
    """Return a source with the columns that other versions read of it too, so that one profile tells of all."""
    read = dict(source.columns)
    others = {column.name: column.engine for column in known.columns if column.engine and column.name not in read}
    return replace(source, columns=tuple(sorted({**others, **read}.items())))


def _as_they_are(version: FeatureVersion, run: Run, profile: Profile) -> Profile | None:
    """Return the profile of the source's rows where the run's are just these."""
    whole = run.start is None and run.end is None and not run.dropped
    if version.definition.computation.kind != "columns" or not whole:
        return None
    engines = dict(version.definition.sources[0].columns)
    columns = tuple(
        replace(column, sample=(), defaults=None, engine=engines[column.name])
        for column in profile.columns
        if column.name in engines
    )
    return replace(profile, columns=columns, keys=(), entities=None, repeated=None, sample=(), dropped=())


def _scanned(context: Context, version: FeatureVersion, run: Run, source: SourceDefinition) -> Profile:
    start = None if run.start is None else from_micros(run.start)
    where = source_window(version.definition, source.name, start)
    with scan_source(context.root, context.settings, context.reader, source, where=where, most=_MOST) as scan:
        flat = [name for name, type_ in scan.columns if type_.kind not in {"List", "Embedding"}]
        profiler = Profiler(scan.columns, keys=() if scan.sampled else flat)
        for batch in scan.batches:
            profiler.add(batch)
    found = profiler.result(kind="source", name=source.name, id="")
    engines = dict(source.columns)
    reasons = () if where is None else (f"only rows with {where[0]} from {where[1]:%Y-%m-%d %H:%M:%SZ} on were read",)
    return replace(
        found,
        rows=scan.rows,
        looked=found.rows if scan.sampled else None,
        columns=tuple(replace(column, sample=(), engine=engines[column.name]) for column in found.columns),
        keys=(),
        entities=None,
        distinct_rows=found.entities,
        sample=(),
        inexact=reasons,
    )
