"""Settings: what a configuration may choose, as plain values; read from files and the environment in `config.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from featurestore.model.policy import Policy

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a configuration may choose.

    Attributes
    ----------
    memory_limit
        Bytes, as text (`"2GB"`), that a process may use for a query of the offline store; DuckDB spills to disk at two
        thirds of it, which leaves the rest to batches, writer and libraries.
    threads
        Threads of the offline store's engines; 0 takes one per core.
    require_pins
        Refuse references without a version in training and serving.
    row_group_rows
        Rows of one Parquet row group; fewer where rows are wide.
    compression
        Of numbers and times at rest: `"none"`, which the join reads in place, or `"lz4"` or `"zstd"`, which take fewer
        bytes and must be decoded.
    max_runs
        Sorted runs of a table beside the one being written, from which on they are merged.
    profiles
        Profile rows as they are materialized, and the sources as they are read, so that silent changes are seen.
    keep_generations
        Online generations kept for each feature version.
    on_violation
        What becomes of rows that break a contract, of a view that does not say it itself: `"block"`, `"warn"`, `"off"`.
    online
        Where online rows lie: `"lmdb"`, in the store's folder, or the URL of a Redis or Valkey server or cluster.
        It may hold a password, so it is never shown.
    key_prefix
        Begins the name of each of our keys there.
    catalog
        Where the catalog lies: `"sqlite"`, in the store's folder, or the URL of a PostgreSQL database. It may hold a
        password, so it is never shown.
    policy
        What proposed changes may do to those they reach.
    """

    memory_limit: str = "2GB"
    threads: int = 0
    require_pins: bool = False
    row_group_rows: int = 1_048_576
    compression: str = "none"
    max_runs: int = 8
    profiles: bool = True
    keep_generations: int = 2
    on_violation: str = "block"
    online: str = field(default="lmdb", repr=False)
    key_prefix: str = "featurestore"
    catalog: str = field(default="sqlite", repr=False)
    policy: Policy = field(default_factory=Policy)
