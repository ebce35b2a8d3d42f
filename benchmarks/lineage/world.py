"""The history that the questions are asked of: how much of what, and every step of it in order.

A team of many: views over two sources each, applied again and again, each version materialized, frames joined of
twenty versions, models trained on them, some live. `tell` says it to a `Teller`: `rows.py` writes rows in bulk,
`verbs.py` calls what the verbs call. Some views are read far more than others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import featurestore as fs
from featurestore.catalog.models import ModelVersion
from featurestore.model.definition import Definition
from featurestore.model.history import Generation
from featurestore.model.pins import Pin, PinSet, SpinePin
from featurestore.model.reference import Reference
from featurestore.model.snapshot import DataFile, Newest, Run, Snapshot, SourceRead, snapshot_id
from featurestore.model.source import ParquetSource
from featurestore.model.times import to_micros
from featurestore.model.version import CodeState, FeatureVersion

__all__ = ["START", "Shape", "Teller", "columns_of", "source", "tell", "view"]

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = 40
"""Of a source, beside its key, times and flag."""
FEATURES = 25
TAKEN = 5
"""Features that a frame takes of a version."""
JOINED = 20
"""Versions that a frame is joined of."""
ENTITY = fs.Entity("thing", keys={"thing": fs.String})


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of what: at every size a view has as much of everything."""

    views: int
    versions: int = 10
    """Of each view."""
    snapshots: int = 36
    """Of each version."""
    frames: int = 130
    """For each view."""
    models: int = 40
    """For each view."""
    live: int = 2
    """Live models for each view."""

    @property
    def sources(self) -> int:
        """Number of sources."""
        return max(2, self.views // 5)


class Teller(Protocol):
    """To whom the history is told: each call is one change, an hour after the one before."""

    def source(self, source: ParquetSource, columns: Mapping[str, str]) -> None:
        """Look at a source."""
        ...

    def version(self, definition: Definition, owner: str, code: CodeState) -> FeatureVersion:
        """Apply a view."""
        ...

    def snapshot(self, version: FeatureVersion, snapshot: Snapshot) -> None:
        """Materialize a version."""
        ...

    def publish(self, generation: Generation) -> None:
        """Publish a snapshot."""
        ...

    def activate(self, view: str, version: int, endpoint: str | None) -> None:
        """Point a view to a version, for everyone or for an endpoint."""
        ...

    def frame(self, frame: str, pins: PinSet, rows: int, code: CodeState) -> None:
        """Join a training frame."""
        ...

    def model(self, model: ModelVersion) -> None:
        """Register a model version."""
        ...

    def deploy(self, model: str, endpoint: str, *, instead_of: str | None) -> None:
        """Deploy a model version, and end the one before."""
        ...


def columns_of() -> dict[str, str]:
    """Return a source's columns and their types."""
    return {
        "thing": "VARCHAR",
        "at": "TIMESTAMP WITH TIME ZONE",
        "day": "DATE",
        "valid": "BOOLEAN",
        **{f"c{number:02}": "DOUBLE" for number in range(COLUMNS)},
    }


def source(number: int) -> ParquetSource:
    """Return a source."""
    return ParquetSource(f"source_{number:04}", path=f"sources/{number:04}.parquet")


def view(number: int, version: int, shape: Shape) -> fs.FeatureView:
    """Return a view over two sources: each feature a window's mean, whose width is the version's number."""
    left, right = number % shape.sources, (number * 7 + 1) % shape.sources
    right = right if right != left else (right + 1) % shape.sources
    a, b = source(left), source(right)
    features = [
        f"avg(a.c{(number + item) % COLUMNS:02} + b.c{(number + item * 3) % COLUMNS:02}) over w as f{item:02}"
        for item in range(FEATURES)
    ]
    listed = ",\n    ".join(features)
    sql = (
        f"select a.thing, a.at,\n    {listed}\n"
        f"from {a.name} a join {b.name} b on a.thing = b.thing and a.day = b.day\n"
        "where a.valid\n"
        f"window w as (partition by a.thing order by a.at rows between {version} preceding and current row)"
    )
    return fs.FeatureView(
        f"view_{number:04}", entity=ENTITY, sources=[a, b], sql=sql, event_time="at", ttl=timedelta(days=1),
        owner=f"team-{number % 20}",
    )  # fmt: skip


def tell(shape: Shape, definitions: Mapping[tuple[int, int], Definition], teller: Teller) -> None:
    """Tell the whole history.

    Parameters
    ----------
    definitions
        By number of view and version.
    """
    chance = random.Random(20260101)
    for number in range(shape.sources):
        teller.source(source(number), columns_of())
    made: dict[int, tuple[FeatureVersion, list[str]]] = {}
    fates = _Models(shape, chance, teller)
    for version in range(1, shape.versions + 1):
        for number in range(shape.views):
            code = CodeState(f"{number:04}{version:04}", dirty=False)
            applied = teller.version(definitions[number, version], f"team-{number % 20}", code)
            ids = list(_materialized(applied, shape, teller))
            made[number] = (applied, ids)
            teller.activate(applied.view, version, None)
        fates.train(made, version)


def _materialized(version: FeatureVersion, shape: Shape, teller: Teller) -> Iterator[str]:
    """Materialize a version, window after window, and publish it at the end; older runs stay in each snapshot."""
    names = [item.name for item in version.definition.sources]
    day = START + timedelta(days=30 * version.number)
    snapshot: Snapshot | None = None
    for number in range(shape.snapshots):
        first, last = (to_micros(day + timedelta(days=number + more)) for more in (0, 1))
        key = f"{version.view}.{version.number}.{number}"
        sha = f"{abs(hash_of(key)):064x}"[:64]
        data = DataFile(
            f"offline/{version.view}/v{version.number}/data/{sha[:32]}.parquet", sha, 4096, 96, first, last - 1
        )
        reads = tuple(
            SourceRead(name, f"files:{hash_of(name, version.number * shape.snapshots + number):016x}") for name in names
        )
        run = Run(first, last, reads, (data,), (), Newest(last - 1, 4, sha[:16]))
        snapshot = Snapshot(
            snapshot_id(version.view, version.fingerprint, (run,)),
            version.view,
            version.number,
            (run,),
            day,
            str(hash_of(key)),
        )
        teller.snapshot(version, snapshot)
        yield snapshot.id
    if snapshot is not None:
        name = f"{hash_of(snapshot.id):016x}"
        teller.publish(
            Generation(
                name, version.view, version.number, snapshot.id, snapshot.last, snapshot.rows, held=False, at=day
            )
        )


def hash_of(text: str, salt: int = 0) -> int:
    """Return a number of 63 bits that is the same in every process."""
    return random.Random(f"{text}/{salt}").getrandbits(63)


@dataclass(slots=True)
class _Models:
    """Frames, and the models trained on some of them."""

    shape: Shape
    chance: random.Random
    teller: Teller
    live: dict[int, str] | None = None

    def train(self, made: Mapping[int, tuple[FeatureVersion, Sequence[str]]], era: int) -> None:
        """Join this era's frames; of some, models are trained, and of those some go live instead of older ones."""
        shape, frames = self.shape, self.shape.frames * self.shape.views // self.shape.versions
        models = self.shape.models * self.shape.views // self.shape.versions
        endpoints = shape.live * shape.views
        self.live = self.live or {}
        for number in range(frames):
            chosen = list(self._chosen(made))
            code = CodeState(f"{era:04}{number:08}", dirty=number % 7 == 0)
            pins = self._pins(chosen, f"{era}.{number}")
            frame = pins.digest[:32]
            self.teller.frame(frame, pins, 96, code)
            if number >= models:
                continue
            columns = tuple(name for name, _ in pins.columns)
            lock = replace(pins, inputs=columns)
            endpoint = number % endpoints
            reference = f"model_{endpoint:05}@{era}.{number // endpoints}"
            name, _, version = reference.partition("@")
            model = ModelVersion(
                name, version, frame, lock, f"team-{endpoint % 20}", None, {"mae": 1.0}, "", code, START
            )
            self.teller.model(model)
            if number < endpoints:
                self.teller.deploy(reference, f"endpoint-{endpoint:05}", instead_of=self.live.get(endpoint))
                self.live[endpoint] = reference
                if number % 10 == 0:
                    read = pins.columns[0][1]
                    self.teller.activate(read.view, max(1, era - 1), f"endpoint-{endpoint:05}")

    def _chosen(self, made: Mapping[int, tuple[FeatureVersion, Sequence[str]]]) -> Iterable[tuple[FeatureVersion, str]]:
        wanted: dict[int, None] = {}
        while len(wanted) < min(JOINED, self.shape.views):
            wanted[int(self.chance.random() ** 2 * self.shape.views)] = None
        for number in wanted:
            version, ids = made[number]
            yield version, self.chance.choice(ids)

    def _pins(self, chosen: Sequence[tuple[FeatureVersion, str]], what: str) -> PinSet:
        columns = []
        for version, _ in chosen:
            start = self.chance.randrange(FEATURES - TAKEN + 1)
            columns += [
                (f"{version.view}__f{item:02}", Reference(version.view, version=version.number, feature=f"f{item:02}"))
                for item in range(start, start + TAKEN)
            ]
        pins = tuple(Pin(version.view, version.number, version.fingerprint, snapshot) for version, snapshot in chosen)
        sha = f"{hash_of(what):016x}" * 4
        spine = SpinePin(sha, 96, (("thing", "string"), ("event_timestamp", "timestamp[us, tz=UTC]"), ("y", "double")))
        return PinSet(tuple(columns), pins, spine=spine)
