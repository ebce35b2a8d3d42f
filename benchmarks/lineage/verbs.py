"""Tell the history through the functions in which verbs end: what a commit of each writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from benchmarks.lineage.world import START
from featurestore.catalog import activations, frames, generations, models, snapshots, sources, versions
from featurestore.catalog.database import Catalog, Transaction
from featurestore.catalog.models import ModelVersion
from featurestore.model.definition import Definition, Metadata
from featurestore.model.history import Generation
from featurestore.model.pins import PinSet
from featurestore.model.snapshot import Snapshot
from featurestore.model.source import ParquetSource
from featurestore.model.version import CodeState, FeatureVersion

__all__ = ["Verbs"]


class Verbs:
    """A `Teller` that commits each change by itself."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.hours = 0

    @contextmanager
    def change(self) -> Iterator[Transaction]:
        self.hours += 1
        with self.catalog.write() as tx:
            yield replace(tx, now=START + timedelta(hours=self.hours), actor="ada")

    def source(self, source: ParquetSource, columns: Mapping[str, str]) -> None:
        with self.change() as tx:
            sources.save(tx, source, columns)

    def version(self, definition: Definition, owner: str, code: CodeState) -> FeatureVersion:
        with self.change() as tx:
            version = versions.insert(tx, definition, Metadata(owner), code)
            tx.record("applied", "version", version.reference)
            return version

    def snapshot(self, version: FeatureVersion, snapshot: Snapshot) -> None:
        with self.change() as tx:
            snapshots.move_head(tx, version, replace(snapshot, created_at=tx.now))
            tx.record("materialized", "version", version.reference, snapshot=snapshot.id, rows=snapshot.rows)

    def publish(self, generation: Generation) -> None:
        with self.change() as tx:
            generations.add(tx, generation)

    def activate(self, view: str, version: int, endpoint: str | None) -> None:
        with self.change() as tx:
            found = activations.pointers(tx.connection, view).whole if endpoint is None else None
            below = None if found is None else found.id
            where = {"view": view, "feature": None, "endpoint": endpoint, "version": version}
            activations.move(tx, **where, action="activate", below=below, reason="newer")  # type: ignore[arg-type]  # mixed values

    def frame(self, frame: str, pins: PinSet, rows: int, code: CodeState) -> None:
        with self.change() as tx:
            frames.save(tx, frame, pins, rows, code)

    def model(self, model: ModelVersion) -> None:
        with self.change() as tx:
            models.insert(tx, model)

    def deploy(self, model: str, endpoint: str, *, instead_of: str | None) -> None:
        with self.change() as tx:
            if instead_of is not None:
                (before,) = models.deployments(tx.connection, endpoint=endpoint)
                models.end_deployment(tx, before, f"replaced by {model}")
            models.deploy(tx, models.find(tx.connection, model), endpoint, None)
