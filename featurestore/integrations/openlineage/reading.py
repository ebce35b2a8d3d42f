"""Import: jobs, datasets and columns that other systems tell of join the graph, once each.

A dataset becomes `table/NAMESPACE/NAME`, a job `job/NAMESPACE/NAME`. What a run came to (`ran`, `failed`, `aborted`)
and how a table's columns changed become part of the history, at the time at which it happened.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.catalog import foreign, graph
from featurestore.catalog.graph import Asset
from featurestore.errors import NotFoundError
from featurestore.integrations.openlineage.matching import check_datasets, match_sources
from featurestore.integrations.openlineage.names import DatasetName
from featurestore.integrations.openlineage.parsing import BadEvent, Event, read_events

if TYPE_CHECKING:
    import os

    from featurestore.catalog.database import Transaction
    from featurestore.integrations.openlineage.parsing import Dataset
    from featurestore.store import FeatureStore

__all__ = ["BadEvent", "Imported", "load"]

_BATCH = 200
_ENDS = {"COMPLETE": "ran", "FAIL": "failed", "ABORT": "aborted"}
_Node = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has found.

    Attributes
    ----------
    events, new, own
        How many events were good, how many of them were new, and how many this store had sent itself.
    sources
        Source to the tables that it was found to read; all that are known, not the new ones alone.
    unmatched
        Sources that are mapped to a dataset of which nobody has told yet.
    bad
        The lines that are no events.
    """

    events: int
    new: int
    own: int
    sources: Mapping[str, tuple[str, ...]]
    unmatched: tuple[str, ...]
    bad: tuple[BadEvent, ...]


def load(
    store: FeatureStore,
    file: str | os.PathLike[str] | Iterable[str | bytes],
    *,
    datasets: Mapping[str, str] | None = None,
) -> Imported:
    """Import OpenLineage events: one JSON document a line.

    Parameters
    ----------
    file
        A path, `"-"` for standard input, or the lines themselves.
    datasets
        Source to the dataset it reads, `NAMESPACE/NAME`, where that does not follow from its location; it adds to
        `[openlineage.datasets]` of the configuration.

    Returns
    -------
    Imported
        Bad lines are told there; they cost no other event. The same events again change nothing.

    Raises
    ------
    NotFoundError
        If there is no such file, or `datasets` names a source that is not known.
    """
    settings = store.context.settings.openlineage
    named = {**settings.datasets, **(datasets or {})}
    with store.context.catalog.read() as connection:
        check_datasets(connection, datasets or {})
    bad: list[BadEvent] = []
    good = new = own = 0
    read = read_events(_lines(file))
    while batch := list(itertools.islice(read, _BATCH)):
        events = [event for _, event in batch if isinstance(event, Event)]
        bad += [event for _, event in batch if isinstance(event, BadEvent)]
        good += len(events)
        others = [
            event for event in events if not (event.ours and event.job and event.job.namespace == settings.namespace)
        ]
        own += len(events) - len(others)
        with store.context.catalog.write() as tx:
            for event in others:
                if foreign.mark_imported(tx, event.digest):
                    new += 1
                    _Import(tx, settings.namespace).add(event)
    with store.context.catalog.write() as tx:
        sources = match_sources(tx, named)
    return Imported(good, new, own, sources, tuple(name for name in named if name not in sources), tuple(bad))


def _lines(file: str | os.PathLike[str] | Iterable[str | bytes]) -> Iterable[str | bytes]:
    if file == "-":
        return sys.stdin.buffer
    if not isinstance(file, str) and isinstance(file, Iterable):
        return file
    path = Path(file)
    if not path.is_file():
        raise NotFoundError(f"there is no file {str(path)!r}: name one that holds an OpenLineage event a line, or '-'.")
    return _lines_of(path)


def _lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


class _Import:
    """Adds one event to the graph."""

    def __init__(self, tx: Transaction, namespace: str) -> None:
        self._tx = tx
        self._namespace = namespace

    def add(self, event: Event) -> None:
        """Add the event's nodes, edges and facts, and what has happened."""
        for dataset in (*event.inputs, *event.outputs):
            self._say(dataset, event)
        for dataset in event.outputs:
            self._columns(dataset)
        if event.job is None:
            return
        job = Asset("job", event.job.key)
        before = foreign.facts(self._tx.connection, job)
        if foreign.is_news(before, event.at):
            said = {"description": event.description, "owner": event.owner, "code": event.code}
            foreign.say(self._tx, job, said_at=event.at.isoformat(), **said)
        if event.parent is not None and event.parent != event.job:
            graph.link(self._tx, ("job", event.parent.key), (job.kind, job.key), "runs")
        for dataset in event.inputs:
            graph.link(self._tx, self._node(dataset.name), (job.kind, job.key), "read by")
        for dataset in event.outputs:
            if self._node(dataset.name)[0] == "table":
                graph.link(self._tx, (job.kind, job.key), self._node(dataset.name), "writes")
        if event.kind in _ENDS:
            self._happened(event, job, str(before.get("code", "")))

    def _happened(self, event: Event, job: Asset, code: str) -> None:
        changed = {"code_before": code} if code and event.code and code != event.code else {}
        versions = {dataset.name.key: dataset.version for dataset in event.outputs if dataset.version}
        foreign.record(
            self._tx,
            _ENDS[event.kind],
            job,
            event.at,
            run=event.run,
            inputs=[dataset.name.key for dataset in event.inputs],
            outputs=[dataset.name.key for dataset in event.outputs],
            **({"code": event.code} if event.code else {}),
            **changed,
            **({"versions": versions} if versions else {}),
        )

    def _say(self, dataset: Dataset, event: Event) -> None:
        kind, key = self._node(dataset.name)
        if kind != "table":
            return
        graph.node(self._tx, kind, key)
        foreign.save_table(
            self._tx,
            key,
            dataset.columns,
            event.at,
            description=dataset.description,
            owner=dataset.owner,
            descriptions=dict(dataset.descriptions),
            version=dataset.version,
        )
        for alias in dataset.aliases:
            other = self._node(alias)
            if other[0] == "table" and other != (kind, key):
                graph.link(self._tx, (kind, key), other, "is also")
                for column in dataset.columns:
                    field = foreign.add_field(self._tx, key, column)
                    graph.link(self._tx, field, foreign.add_field(self._tx, other[1], column), "DIRECT")

    def _columns(self, dataset: Dataset) -> None:
        """Add what the columns of a dataset come from."""
        kind, key = self._node(dataset.name)
        if kind != "table":
            return
        everywhere = dataset.comes_from.get("", ())
        for column in {**dict.fromkeys(dataset.columns), **dict.fromkeys(dataset.comes_from)}:
            inputs = (*dataset.comes_from.get(column, ()), *everywhere) if column else ()
            for source, name, how in inputs:
                above = self._column(source, name)
                below = foreign.add_field(self._tx, key, column)
                if above is not None and above != below:
                    graph.link(self._tx, above, below, how)

    def _column(self, dataset: DatasetName, column: str) -> _Node | None:
        kind, key = self._node(dataset)
        if kind == "table":
            return foreign.add_field(self._tx, key, column)
        found = graph.find(self._tx.connection, f"{key}:{column}", "feature") if kind == "version" else []
        return (found[0][1].kind, found[0][1].key) if found else None

    def _node(self, name: DatasetName) -> _Node:
        """Return the node that a dataset is: a version or an endpoint of this store, or a foreign table."""
        if name.namespace == self._namespace:
            version = graph.find(self._tx.connection, name.name.removeprefix("online/"), "version")
            endpoint = graph.find(self._tx.connection, name.name.removeprefix("endpoint/"), "endpoint")
            for _, asset in (*version, *endpoint):
                return asset.kind, asset.key
        return "table", name.key
