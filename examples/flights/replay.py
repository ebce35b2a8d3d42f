"""The clock of the data: at each tick upstream delivers, the store refreshes, the next hour's flights are estimated.

The estimates go over gRPC to a real server process; nothing here looks at a row that was not delivered by its tick.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import duckdb
import polars as pl

import featurestore as fs
from examples.flights.model import LABEL, DelayModel
from examples.flights.screen import Screen
from examples.flights.upstream import Upstream

if TYPE_CHECKING:
    from featurestore.serving.client import Client

HOURS, DAYS = (17,), (1, 2, 3, 4, 5)
"""Scheduled hours (New York) and days whose flights are estimated: the busiest of the afternoon, Monday to Friday."""

KEYS = ("origin", "dest", "carrier", "tailnum")


class Asked(TypedDict, total=False):
    """Whose features are looked up: those an endpoint reads now, or those a model is locked to."""

    endpoint: str
    model: str


@contextmanager
def serving(store: Path, log: Path) -> Iterator[str]:
    """Run `featurestore serve` in a process of its own; yield its address; end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "featurestore", "serve", "--store", str(store), "--address", address]
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "--workers", "1"], stdout=output, stderr=output) as process,
    ):
        try:
            _wait(address, process, log)
            yield address
        finally:
            process.terminate()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with fs.connect(address, timeout=1) as client:
                client.describe(model="delay@1")
        except (fs.UnavailableError, fs.DeadlineError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {log.read_text()}") from None
            time.sleep(0.1)
        else:
            return


def ticks_between(database: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> list[datetime]:
    """Return the moments in `[start, end)` at which flights are estimated."""
    moments: pl.DataFrame = database.sql(
        "select distinct event_timestamp from flights where list_contains($hours, hour_of_day)"
        " and list_contains($days, day_of_week)"
        " and event_timestamp >= $start and event_timestamp < $end order by all",
        params={"hours": list(HOURS), "days": list(DAYS), "start": start, "end": end},
    ).pl()
    return list(moments["event_timestamp"])


@dataclass(slots=True)
class Replay:
    """Two endpoints estimating the same flights, tick by tick.

    Attributes
    ----------
    store, upstream, client, database, screen
        Who takes part.
    models
        The model behind each endpoint.
    served
        One frame per tick: the flights, what each endpoint read and estimated, and the delay that came true.
    seconds
        Seconds spent, by what they were spent on.
    lookups
        Calls over gRPC.
    clock
        The wall clock before and after each tick: the store's own history is told by it.
    """

    store: fs.FeatureStore
    upstream: Upstream
    client: Client
    database: duckdb.DuckDBPyConnection
    screen: Screen
    models: dict[str, DelayModel]
    served: list[pl.DataFrame] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"deliver": 0.0, "refresh": 0.0, "lookup": 0.0})
    lookups: int = 0
    clock: dict[datetime, tuple[datetime, datetime]] = field(default_factory=dict)

    def run(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Let the clock run over `[start, end)`; return the flights estimated and their real delays."""
        ticks = ticks_between(self.database, start, end)
        first = len(self.served)
        with self.screen.progress(len(ticks)) as progress:
            for tick in ticks:
                progress.update(progress.task_ids[0], description=f"{tick:%a %d %b %H:%M}")
                began = datetime.now(UTC)
                self.served.append(self._tick(tick))
                self.clock[tick] = (began, datetime.now(UTC))
                progress.advance(progress.task_ids[0])
        return pl.concat(self.served[first:])

    def _tick(self, tick: datetime) -> pl.DataFrame:
        started = time.perf_counter()
        self.upstream.deliver(until=tick)
        delivered = time.perf_counter()
        self.store.refresh(until=tick)
        self.seconds["deliver"] += delivered - started
        self.seconds["refresh"] += time.perf_counter() - delivered
        flights = self.database.sql("from flights where event_timestamp = $tick", params={"tick": tick}).pl()
        self._await_server(flights, tick)
        for endpoint, model in self.models.items():
            flights = self._estimate(flights, endpoint, model, Asked(endpoint=endpoint))
        return self._estimate(flights, "delay@2", self.models["eta-next"], Asked(model="delay@2"))

    def _await_server(self, flights: pl.DataFrame, tick: datetime) -> None:
        """Wait until the server answers from what was just refreshed: it follows the store aside, within a second."""
        keys = flights.select(KEYS).head(1).to_dict(as_series=False)
        for asked in (*(Asked(endpoint=endpoint) for endpoint in self.models), Asked(model="delay@2")):
            wanted = self.store.get_online_features(**asked, entities=keys, at=tick).columns
            while self.client.get_features(**asked, entities=keys, at=tick).columns != wanted:
                time.sleep(0.01)

    def _estimate(self, flights: pl.DataFrame, reader: str, model: DelayModel, asked: Asked) -> pl.DataFrame:
        tick = flights["event_timestamp"][0]
        started = time.perf_counter()
        answer = self.client.get_features(**asked, entities=flights.select(KEYS).to_dict(as_series=False), at=tick)
        self.seconds["lookup"] += time.perf_counter() - started
        self.lookups += 1
        features = answer.to_polars()
        estimate = model.predict(flights.hstack(features))
        return flights.with_columns(
            pl.Series(f"estimate {reader}", estimate), *(column.alias(f"{reader} {column.name}") for column in features)
        )


def errors(served: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return flights and mean absolute error of each column of estimates, by week (its Monday)."""
    week = pl.col("time_hour").dt.convert_time_zone("America/New_York").dt.truncate("1w").dt.date().alias("week")
    known = served.filter(pl.col(LABEL).is_not_null())
    measures = [(pl.col(column) - pl.col(LABEL)).abs().mean().alias(column) for column in columns]
    return known.group_by(week, maintain_order=True).agg(pl.len().alias("flights"), *measures)
