"""Tell the history as rows, many at once: the same rows, with the same numbers, as `verbs.py` would leave.

`check.py` holds that on a small history, row by row in every table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from benchmarks.lineage.world import START
from featurestore.catalog import schema
from featurestore.catalog.models import ModelVersion
from featurestore.model.definition import Definition
from featurestore.model.history import Generation
from featurestore.model.names import fold
from featurestore.model.pins import PinSet
from featurestore.model.snapshot import Snapshot
from featurestore.model.source import ParquetSource
from featurestore.model.times import to_micros
from featurestore.model.version import CodeState, FeatureVersion

__all__ = ["Rows"]

Sink = Callable[[str, list[tuple[Any, ...]]], None]
_MANY = 20_000
_NOWHERE = CodeState()


class Rows:
    """A `Teller` that hands rows to `sink`, table by table, and counts as the database would.

    Parameters
    ----------
    sink
        Takes a table's name and rows in the order of its columns; JSON as text.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hours = 0
        self._now = 0
        self._waiting: dict[str, list[tuple[Any, ...]]] = {}
        self._widths = {table.name: len(table.columns) for table in schema.metadata.sorted_tables}
        self.counts: dict[str, int] = {}
        self._nodes: dict[tuple[str, str], int] = {}
        self._once: set[tuple[int, int, str]] = set()
        self._views: dict[str, int] = {}
        self._versions: dict[tuple[str, int], int] = {}
        self._current: dict[str, tuple[Any, ...]] = {}
        self._models: dict[str, int] = {}
        self._endpoints: dict[str, int] = {}
        self._live: dict[str, list[Any]] = {}
        self._active: dict[str, int] = {}

    def finish(self) -> None:
        """Hand over what is left, and what has a current state."""
        for values in self._current.values():
            self._add("views", *values)
        for live in self._live.values():
            self._add("deployments", *live)
        for table in [table.name for table in schema.metadata.sorted_tables]:
            self._flush(table)

    # --- what is told

    def source(self, source: ParquetSource, columns: Mapping[str, str]) -> None:
        self._tick()
        where = _text(source.location()), source.owner, source.description, _text(dict(columns))
        self._add("sources", self._number("sources"), source.name, fold(source.name), source.kind, *where)

    def version(self, definition: Definition, owner: str, code: CodeState) -> FeatureVersion:
        self._tick()
        view, fingerprint = definition.view, definition.fingerprint
        row = self._views.setdefault(view, len(self._views) + 1)
        number = self._current[view][3] + 1 if view in self._current else 1
        self._current[view] = (row, view, fold(view), number, owner, "", "{}", None)
        self._versions[view, number] = own = self._number("feature_versions")
        stored = _text(definition.to_json())
        self._add(
            "feature_versions",
            own,
            row,
            number,
            fingerprint,
            stored,
            "ada",
            self._now,
            code.commit,
            code.dirty,
            None,
            None,
        )
        version = FeatureVersion(view, number, fingerprint, definition, "ada", START, code)
        node = ("version", version.reference)
        self._link(("view", view), node, "has version", code)
        for source in definition.sources:
            self._link(("source", source.name), node, "read by", code)
            for column, _ in source.columns:
                self._link(
                    ("source", source.name), ("column", f"{source.name}.{column}"), "has column", code, again=True
                )
        for feature in definition.features:
            name = ("feature", f"{version.reference}:{feature.name}")
            self._link(node, name, "has feature", code)
            for source_name, column, kind in feature.reads:
                self._link(("column", f"{source_name}.{column}"), name, kind, code)
        self._record("applied", "version", version.reference)
        return version

    def snapshot(self, version: FeatureVersion, snapshot: Snapshot) -> None:
        self._tick()
        own, definition = self._versions[version.view, version.number], version.definition
        columns = [[key, str(type_)] for key, type_ in definition.keys]
        columns += [[name, "Timestamp"] for name in (definition.event_time, definition.created_time) if name]
        columns += [[feature.name, str(feature.type)] for feature in definition.features]
        runs = _text([run.to_json() for run in snapshot.runs])
        last = (_text(columns), snapshot.iceberg_snapshot_id, self._now)
        self._add("snapshots", snapshot.id, own, snapshot.rows, runs, *last)
        node = ("snapshot", snapshot.id)
        for read in snapshot.sources:
            data = ("data", f"{read.source}@{read.data_version}")
            self._link(("source", read.source), data, "was", again=True)
        self._link(("version", version.reference), node, "materialized as", version.code)
        for read in snapshot.sources:
            self._link(("data", f"{read.source}@{read.data_version}"), node, "read by")
        self._add("heads", self._number("heads"), own, snapshot.id, self._now)
        self._record("materialized", "version", version.reference, snapshot=snapshot.id, rows=snapshot.rows)

    def publish(self, generation: Generation) -> None:
        self._tick()
        own = self._versions[generation.view, generation.version]
        values = (generation.snapshot, generation.as_of, generation.rows, generation.held, self._now, None)
        self._add("generations", self._number("generations"), generation.id, own, *values)
        said: dict[str, Any] = {"snapshot": generation.snapshot, "rows": generation.rows, "as_of": generation.as_of}
        self._record("published", "version", f"{generation.view}@v{generation.version}", **said, held=generation.held)

    def activate(self, view: str, version: int, endpoint: str | None) -> None:
        self._tick()
        row = self._number("activations")
        place = None if endpoint is None else self._endpoints[endpoint]
        deployment = None if endpoint is None else self._live[endpoint][0]
        below = self._active.get(view) if endpoint is None else None
        if endpoint is None:
            self._active[view] = row
        where = (self._views[view], None, place, deployment, self._versions[view, version])
        self._add("activations", row, *where, "activate", below, "newer", "ada", self._now)
        said: dict[str, Any] = {"pointer": view, "version": version, "endpoint": endpoint, "activation": row}
        self._record("activated", "view", view, "newer", **said)

    def frame(self, frame: str, pins: PinSet, rows: int, code: CodeState) -> None:
        self._tick()
        self._add("frames", frame, _text(pins.to_json()), rows, "ada", code.commit, code.dirty, self._now)
        for pin in pins.pins:
            self._add("pins", frame, self._versions[pin.view, pin.version], pin.snapshot)
            self._link(("snapshot", str(pin.snapshot)), ("frame", frame), "joined into", code)
        if pins.spine is not None:
            self._link(("spine", pins.spine.digest), ("frame", frame), "spine of", code)
        self._record("trained", "frame", frame, rows=rows, versions=[pin.reference for pin in pins.pins])

    def model(self, model: ModelVersion) -> None:
        self._tick()
        reference, code = model.reference, model.code
        self._models[reference] = row = self._number("model_versions")
        said = (model.owner, model.uri, _text(dict(model.metrics)), "ada", code.commit, code.dirty, self._now)
        lock = _text(model.lock.to_json())
        self._add("model_versions", row, model.model, fold(reference), model.version, model.frame, lock, *said)
        self._link(("frame", model.frame), ("model", reference), "trained", code)
        for _, item in model.lock.columns:
            self._link(("feature", f"{item.view}@v{item.version}:{item.feature}"), ("model", reference), "DIRECT", code)
        self._record("registered", "model", reference, frame=model.frame, lock=model.lock.digest)

    def deploy(self, model: str, endpoint: str, *, instead_of: str | None) -> None:
        self._tick()
        if instead_of is not None:
            before = self._live.pop(endpoint)
            before[6] = self._now
            self._add("deployments", *before)
            self._record("undeployed", "model", instead_of, f"replaced by {model}", endpoint=endpoint)
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = row = self._number("endpoints")
            self._add("endpoints", row, endpoint, fold(endpoint))
        where = (self._endpoints[endpoint], self._models[model])
        self._live[endpoint] = [self._number("deployments"), *where, None, "ada", self._now, None]
        self._link(("model", model), ("endpoint", endpoint), "deployed on")
        self._record("deployed", "model", model, endpoint=endpoint, share=None)

    # --- rows

    def _tick(self) -> None:
        self._hours += 1
        self._now = to_micros(START + timedelta(hours=self._hours))

    def _number(self, table: str) -> int:
        self.counts[table] = number = self.counts.get(table, 0) + 1
        return number

    def _node(self, kind: str, key: str, code: CodeState) -> int:
        folded = fold(key)
        found = self._nodes.get((kind, folded))
        if found is None:
            self._nodes[kind, folded] = found = self._number("assets")
            self._add("assets", found, kind, key, folded, self._now, "ada", code.commit, code.dirty)
        return found

    def _link(
        self,
        upstream: tuple[str, str],
        downstream: tuple[str, str],
        kind: str,
        code: CodeState = _NOWHERE,
        *,
        again: bool = False,
    ) -> None:
        """Add an edge; `again`: unless it is there."""
        edge = (self._node(*upstream, code), self._node(*downstream, code), kind)
        if again:
            if edge in self._once:
                return
            self._once.add(edge)
        table = "column_edges" if kind in {"DIRECT", "INDIRECT"} else "edges"
        self._number(table)
        self._add(table, *edge, self._now)

    def _record(self, kind: str, asset_kind: str, subject: str, reason: str = "", **detail: Any) -> None:  # noqa: ANN401
        row = self._number("changes")
        self._add("changes", row, self._now, kind, asset_kind, subject, "ada", reason, _text(detail))

    def _add(self, table: str, *values: Any) -> None:  # noqa: ANN401 - of any type
        waiting = self._waiting.setdefault(table, [])
        waiting.append(values)
        if len(waiting) >= _MANY:
            self._flush(table)

    def _flush(self, table: str) -> None:
        rows = self._waiting.pop(table, [])
        if rows:
            assert len(rows[0]) == self._widths[table], table
            self._sink(table, rows)


def _text(value: object) -> str:
    return json.dumps(value)
