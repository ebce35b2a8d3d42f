"""Settings: what a configuration may choose, as plain values; read from files and the environment in `config.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from featurestore.model.policy import Policy

__all__ = ["AlertSettings", "OpenLineageSettings", "Settings"]


@dataclass(frozen=True, slots=True)
class OpenLineageSettings:
    """Whom OpenLineage events are sent to, and how things are named in them.

    Attributes
    ----------
    url
        A server: events are posted to `url` + `endpoint`. None where there is none.
    file
        A file to which events are added, one JSON document a line. None where there is none.
    endpoint
        The path below `url`.
    namespace
        Of our jobs and of the datasets that the store holds: another for each store that one server hears of.
    token
        Sent as a bearer token. It is never shown.
    timeout
        Seconds that one request may take.
    linger
        Seconds for which closing the store waits until what it has told is sent; what is not stays in the outbox.
    repository
        URL of the code's repository, told with the commit.
    datasets
        Source to the dataset it is, `NAMESPACE/NAME`, where the name that follows from its location is not meant.
    """

    url: str | None = None
    file: str | None = None
    endpoint: str = "api/v1/lineage"
    namespace: str = "featurestore"
    token: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    linger: float = 2.0
    repository: str | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is told at once of what is wrong with the data.

    Attributes
    ----------
    url
        A webhook: each alert is posted to it as JSON. None where there is none.
    command
        A program and its arguments, given each alert as JSON on standard input. Empty where there is none.
    severity
        The least that is told: `"notice"`, `"warning"` or `"blocking"`. Rows in quarantine are blocking.
    token
        Sent to `url` as a bearer token. It is never shown.
    timeout
        Seconds that one request, or one run of the command, may take.
    linger
        Seconds for which closing the store waits until what it has told is sent; what is not waits for the next alert.
    """

    url: str | None = None
    command: tuple[str, ...] = ()
    severity: str = "warning"
    token: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    linger: float = 2.0


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
    require_comparison
        Move a pointer from one version to another only if the two were compared, and that was recorded.
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
    checks
        How kinds of findings are looked for: by `""` (everywhere), `view`, or `view:feature`, what `read_checks` gives.
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
    openlineage
        Whom OpenLineage events are sent to.
    alerts
        Who is told at once of what is wrong with the data.
    """

    memory_limit: str = "2GB"
    threads: int = 0
    require_pins: bool = False
    require_comparison: bool = False
    row_group_rows: int = 1_048_576
    compression: str = "none"
    max_runs: int = 8
    profiles: bool = True
    keep_generations: int = 2
    on_violation: str = "block"
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    online: str = field(default="lmdb", repr=False)
    key_prefix: str = "featurestore"
    catalog: str = field(default="sqlite", repr=False)
    policy: Policy = field(default_factory=Policy)
    openlineage: OpenLineageSettings = field(default_factory=OpenLineageSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
