"""Who takes part in the story, and its calendar."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

import featurestore as fs
from examples.flights.model import DelayModel
from examples.flights.screen import Screen
from examples.flights.upstream import Upstream

_NEW_YORK = ZoneInfo("America/New_York")

TRAIN_FROM = datetime(2013, 2, 1, tzinfo=_NEW_YORK).astimezone(UTC)
HOLD_OUT_FROM = datetime(2013, 9, 16, tzinfo=_NEW_YORK).astimezone(UTC)
OPENING = datetime(2013, 10, 14, tzinfo=_NEW_YORK).astimezone(UTC)
INCIDENT = datetime(2013, 10, 28, tzinfo=_NEW_YORK).astimezone(UTC)
REMEDY = datetime(2013, 11, 11, tzinfo=_NEW_YORK).astimezone(UTC)
CLOSING = datetime(2013, 11, 25, tzinfo=_NEW_YORK).astimezone(UTC)

SUSPECT = "airport_board:disrupted"


@dataclass(slots=True)
class Story:
    """What the acts hand on to each other.

    Attributes
    ----------
    work
        The folder that holds the upstream's files, the store and the models.
    screen, database, upstream, store
        The terminal, the data set cut into feeds, who delivers them, and the feature store.
    models
        `delay@1` and `delay@2`.
    weeks
        What was served, act by act: `good`, `bad`, `healed`.
    numbers
        What the summary tells.
    """

    work: Path
    screen: Screen
    database: duckdb.DuckDBPyConnection
    upstream: Upstream
    store: fs.FeatureStore
    models: dict[str, DelayModel] = field(default_factory=dict)
    weeks: dict[str, pl.DataFrame] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
