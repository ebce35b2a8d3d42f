"""A sample of the keys that a snapshot holds: the same keys for the same seed, whatever order they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featurestore.errors import CorruptError
from featurestore.model.definition import Definition
from featurestore.model.settings import Settings
from featurestore.model.snapshot import DataFile
from featurestore.model.types import FeatureType, Timestamp
from featurestore.offline.arrow_types import to_duckdb
from featurestore.offline.connection import connect, identifier, translated
from featurestore.offline.newest import positioned_rows

__all__ = ["sample_keys", "sample_rows"]


def sample_keys(
    root: Path, definition: Definition, files: Sequence[DataFile], count: int, *, seed: int, settings: Settings
) -> list[tuple[Any, ...]]:
    """Return up to `count` keys, each once and none of them null, as Python values in the order of the entity's keys.

    Parameters
    ----------
    files
        The files of a snapshot.
    seed
        Another seed gives another sample.

    Raises
    ------
    CorruptError
        If a file is missing or unreadable.
    """
    names = [key for key, _ in definition.keys]
    return _sampled(root, definition, files, names, distinct=True, count=count, seed=seed, settings=settings)


def sample_rows(
    root: Path, definition: Definition, files: Sequence[DataFile], count: int, *, seed: int, settings: Settings
) -> list[tuple[Any, ...]]:
    """Return up to `count` rows as keys and event time, drawn as `sample_keys` does; of a dimension, keys alone."""
    if definition.event_time is None:
        return sample_keys(root, definition, files, count, seed=seed, settings=settings)
    names = [*(key for key, _ in definition.keys), definition.event_time]
    return _sampled(root, definition, files, names, distinct=False, count=count, seed=seed, settings=settings)


def _sampled(
    root: Path,
    definition: Definition,
    files: Sequence[DataFile],
    names: Sequence[str],
    *,
    distinct: bool,
    count: int,
    seed: int,
    settings: Settings,
) -> list[tuple[Any, ...]]:
    stored = [file for file in files if file.rows]
    missing = [file.path for file in stored if not (root / file.path).is_file()]
    if missing:
        raise CorruptError(f"{root / missing[0]} is missing: restore it from a backup, or materialize again.")
    if not stored:
        return []
    types: dict[str | None, FeatureType] = {**dict(definition.keys), definition.event_time: Timestamp}
    quoted = [identifier(name) for name in names]
    listed = ", ".join(quoted)
    typed = ", ".join(f"CAST({identifier(name)} AS {to_duckdb(types[name])})" for name in names)
    query = f"""
        SELECT {typed}
        FROM (SELECT {"DISTINCT" if distinct else ""} {listed} FROM ({positioned_rows(root, stored, listed)}))
        WHERE {" AND ".join(f"{name} IS NOT NULL" for name in quoted)}
        ORDER BY hash({listed}, {int(seed)}), {listed} LIMIT {int(count)}
    """
    with (
        connect(root, settings) as connection,
        translated(f"the keys of feature view {definition.view!r}", binding=CorruptError),
    ):
        return connection.execute(query).fetchall()
