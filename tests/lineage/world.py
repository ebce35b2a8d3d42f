"""A small world, built through the catalog's own functions, whose answers are known beforehand.

Sources  weather(temp, wind, gust, origin, time_hour, station), planes(tailnum, year)
Views    airport_weather v1: temp <- weather.temp, wind <- weather.wind; v2: wind <- weather.gust and (INDIRECT)
         station, temp as before; plane v1: age <- planes.year, computed by a function that cannot be read (exact=False)
Models   delay@1 reads v1:temp, v1:wind; delay@2 reads v2:wind, plane@v1:age (its frame holds v2:temp, which it does
         not read)
Live     delay@1 on eta-prod, delay@2 on eta-next and on eta-shadow
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from featurestore.catalog import activations, frames, generations, models, snapshots, sources, versions
from featurestore.catalog.database import Catalog, Transaction
from featurestore.catalog.models import ModelVersion
from featurestore.model.definition import Computation, Definition, FeatureDefinition, Metadata, SourceDefinition
from featurestore.model.history import Activation, Deployment, Generation
from featurestore.model.pins import Pin, PinSet, SpinePin
from featurestore.model.reference import parse_reference
from featurestore.model.snapshot import DataFile, Run, Snapshot, SourceRead, snapshot_id
from featurestore.model.source import ParquetSource
from featurestore.model.times import to_micros
from featurestore.model.types import Float64, String
from featurestore.model.version import CodeState, FeatureVersion

START = datetime(2026, 1, 1, tzinfo=UTC)
WEATHER = ("gust", "origin", "station", "temp", "time_hour", "wind")
DIRECT, INDIRECT = "DIRECT", "INDIRECT"

Use = tuple[str, str, str]


def feature(name: str, *reads: Use, identity: str | None = None, exact: bool = True) -> FeatureDefinition:
    return FeatureDefinition(name, Float64, None, identity or f"{name} of {reads}", tuple(sorted(reads)), exact)


def definition(
    view: str,
    features: tuple[FeatureDefinition, ...],
    *,
    source: str = "weather",
    columns: tuple[str, ...] = WEATHER,
    text: str = "select 1",
    kind: str = "sql",
    event_time: str | None = "time_hour",
) -> Definition:
    where = SourceDefinition(
        source, "parquet", {"path": f"{source}.parquet"}, tuple((name, "DOUBLE") for name in columns)
    )
    computation = Computation(kind, text, text)
    key = (("origin", String),)
    return Definition(view, "airport", key, (where,), computation, event_time, None, None, None, features)


@dataclass
class World:
    """The catalog, with a clock that moves an hour at every change."""

    catalog: Catalog
    hours: int = 0
    actor: str = "ada"

    @property
    def now(self) -> datetime:
        """The time of the last change."""
        return START + timedelta(hours=self.hours)

    @contextmanager
    def change(self) -> Iterator[Transaction]:
        self.hours += 1
        with self.catalog.write() as tx:
            yield replace(tx, now=self.now, actor=self.actor)

    def source(self, name: str, **columns: str) -> None:
        with self.change() as tx:
            sources.save(tx, ParquetSource(name, path=f"{name}.parquet"), columns)

    def apply(self, value: Definition, commit: str = "c0ffee11") -> FeatureVersion:
        with self.change() as tx:
            version = versions.insert(tx, value, Metadata("weather-team", "", {}), CodeState(commit, dirty=False))
            tx.record("applied", "version", version.reference)
            return version

    def materialize(self, version: FeatureVersion, data: str, *, rows: int = 10, day: int = 1) -> Snapshot:
        """Add a snapshot of one run over one day."""
        first = to_micros(START + timedelta(days=day))
        path = f"data/{version.view}/v{version.number}/{data}.parquet"
        file = DataFile(path, (data * 64)[:64], 100, rows, first, first + 3_600_000_000)
        read = tuple(SourceRead(source.name, f"files:{data}") for source in version.definition.sources)
        runs = (Run(first, first + 86_400_000_000, read, (file,)),)
        with self.change() as tx:
            snapshot = Snapshot(
                snapshot_id(version.view, version.fingerprint, runs), version.view, version.number, runs, self.now, "77"
            )
            snapshots.move_head(tx, version, snapshot)
            tx.record("materialized", "version", version.reference, snapshot=snapshot.id, rows=rows)
        return snapshot

    def train(self, frame: str, columns: dict[str, str], pinned: list[tuple[FeatureVersion, Snapshot]]) -> PinSet:
        pins = PinSet(
            tuple((name, parse_reference(text)) for name, text in columns.items()),
            tuple(Pin(version.view, version.number, version.fingerprint, rows.id) for version, rows in pinned),
            spine=SpinePin("5b1e" * 16, 3, (("event_timestamp", "timestamp[us, tz=UTC]"),)),
        )
        with self.change() as tx:
            frames.save(tx, frame, pins, 3, CodeState("beef0001", dirty=True))
        return pins

    def register(self, reference: str, frame: str, lock: PinSet, owner: str, **metrics: float) -> ModelVersion:
        model, _, version = reference.partition("@")
        code = CodeState("feed0001", dirty=False)
        with self.change() as tx:
            value = ModelVersion(model, version, frame, lock, owner, None, metrics, "", code, self.now)
            return models.insert(tx, value)

    def deploy(self, model: ModelVersion, endpoint: str, share: float | None = None) -> Deployment:
        with self.change() as tx:
            return models.deploy(tx, model, endpoint, share)

    def undeploy(self, deployment: Deployment) -> None:
        with self.change() as tx:
            models.end_deployment(tx, deployment, "replaced")

    def move(
        self, pointer: str, version: int, *, endpoint: str | None = None, action: str = "activate", reason: str = ""
    ) -> Activation:
        view, _, name = pointer.partition(":")
        with self.change() as tx:
            return activations.move(
                tx,
                view=view,
                feature=name or None,
                endpoint=endpoint,
                version=version,
                action=action,
                below=None,
                reason=reason,
            )

    def publish(self, snapshot: Snapshot, name: str, *, held: bool = False) -> None:
        with self.change() as tx:
            value = Generation(
                name, snapshot.view, snapshot.version, snapshot.id, snapshot.last, snapshot.rows, held, self.now
            )
            generations.add(tx, value)


def lock_of(pins: PinSet, *columns: str) -> PinSet:
    """Return the lock of a model that reads only these columns."""
    kept = tuple((name, reference) for name, reference in pins.columns if name in columns)
    read = {(reference.view, reference.version) for _, reference in kept}
    own = tuple(pin for pin in pins.pins if (pin.view, pin.version) in read)
    return replace(pins, columns=kept, pins=own, inputs=columns, request=(("hour", "int64"),))


TEMP = feature("temp", ("weather", "temp", DIRECT))
WEATHER_V1 = definition(
    "airport_weather", (TEMP, feature("wind", ("weather", "wind", DIRECT))), text="select temp,\n  wind\nfrom weather"
)
WEATHER_V2 = definition(
    "airport_weather",
    (TEMP, feature("wind", ("weather", "gust", DIRECT), ("weather", "station", INDIRECT))),
    text="select temp,\n  gust as wind\nfrom weather where station",
)
PLANE_V1 = definition(
    "plane",
    (feature("age", ("planes", "year", DIRECT), ("planes", "tailnum", DIRECT), exact=False),),
    source="planes",
    columns=("tailnum", "year"),
    text="def plane(relations): ...",
    kind="function",
)


@dataclass
class Story(World):
    """The world described above, after both models went live."""

    def tell(self) -> Story:
        self.source("weather", **dict.fromkeys(WEATHER, "DOUBLE"))
        self.source("planes", tailnum="VARCHAR", year="BIGINT", unused="BIGINT")
        self.v1 = self.apply(WEATHER_V1)
        self.plane = self.apply(PLANE_V1)
        self.s1 = self.materialize(self.v1, "aaaa0001")
        self.p1 = self.materialize(self.plane, "bbbb0001", rows=7)
        self.move("airport_weather", 1, reason="first")
        columns = {
            "airport_weather__temp": "airport_weather@v1:temp",
            "airport_weather__wind": "airport_weather@v1:wind",
        }
        lock = self.train("1" * 32, columns, [(self.v1, self.s1)])
        self.delay1 = self.register("delay@1", "1" * 32, lock_of(lock, *columns), "eta-team", mae=13.0)
        self.prod = self.deploy(self.delay1, "eta-prod")
        self.v2 = self.apply(WEATHER_V2, commit="c0ffee22")
        self.s2 = self.materialize(self.v2, "aaaa0001")
        columns = {
            "airport_weather__temp": "airport_weather@v2:temp",
            "airport_weather__wind": "airport_weather@v2:wind",
            "plane__age": "plane@v1:age",
        }
        lock = self.train("2" * 32, columns, [(self.v2, self.s2), (self.plane, self.p1)])
        self.delay2 = self.register(
            "delay@2", "2" * 32, lock_of(lock, "airport_weather__wind", "plane__age"), "eta-team", mae=12.0, rmse=20.0
        )
        self.next = self.deploy(self.delay2, "eta-next")
        self.shadow = self.deploy(self.delay2, "eta-shadow", 0.5)
        for snapshot, name in ((self.s1, "g1"), (self.s2, "g2"), (self.p1, "g3")):
            self.publish(snapshot, name)
        self.quiet = self.now
        return self

    def roll_back(self) -> Activation:
        """Move one feature of eta-next back to v1; the model stays."""
        return self.move("airport_weather:wind", 1, endpoint="eta-next", action="rollback", reason="gusts went blank")


def open_story(folder: Path) -> Story:
    return Story(Catalog(f"sqlite:///{folder / 'catalog.db'}")).tell()
