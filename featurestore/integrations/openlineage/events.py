"""Events: what the store has done, as OpenLineage run events made from the history of changes and the catalog."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from featurestore.catalog import frames, models, versions
from featurestore.integrations.openlineage import facets
from featurestore.integrations.openlineage.datasets import Datasets
from featurestore.integrations.openlineage.names import training
from featurestore.model.reference import parse_reference
from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.model.history import Change
    from featurestore.model.version import FeatureVersion
    from featurestore.operations.listening import Work
    from featurestore.store import FeatureStore

__all__ = ["Events", "history"]

JSON = dict[str, Any]

VERBS = {
    "materialized": "materialize",
    "trained": "train",
    "published": "publish",
    "registered": "register",
    "deployed": "deploy",
    "undeployed": "undeploy",
}
"""Kinds of changes that are told, and the verbs that make them."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an event says beside when: the job, what it reads and writes, and facets of the run."""

    job: str
    job_facets: JSON = field(default_factory=dict)
    inputs: tuple[JSON, ...] = ()
    outputs: tuple[JSON, ...] = ()
    run_facets: JSON = field(default_factory=dict)


class Events:
    """Makes the events of one store."""

    def __init__(self, datasets: Datasets, repository: str | None) -> None:
        self._datasets = datasets
        self._repository = repository
        self._tellers: Mapping[str, Callable[[Connection, str, Change | None], Told]] = {
            "materialize": self._materialize,
            "train": self._train,
            "publish": self._publish,
            "register": self._register,
            "deploy": self._deploy,
            "undeploy": self._deploy,
        }

    def started(self, connection: Connection, work: Work) -> JSON | None:
        """Return the START event of a run; None of work that is not told."""
        teller = self._tellers.get(work.verb)
        if teller is None:
            return None
        return self._event("START", work.started_at, work.id, teller(connection, work.subject, None))

    def ended(self, connection: Connection, work: Work) -> JSON | None:
        """Return the COMPLETE or FAIL event of a run, or of a change that stands alone; None of what is not told."""
        told = [change for change in work.changes if VERBS.get(change.kind) and work.verb in {"", VERBS[change.kind]}]
        change = told[-1] if told else None
        verb = work.verb or ("" if change is None else VERBS[change.kind])
        teller = self._tellers.get(verb)
        if teller is None:
            return None
        at = work.ended_at or work.started_at
        if work.error is not None:
            said = teller(connection, work.subject, None)
            return self._event("FAIL", at, work.id, said, facets.error(work.error))
        return self._event("COMPLETE", at, work.id, teller(connection, work.subject, change))

    def of_change(self, connection: Connection, change: Change) -> JSON | None:
        """Return the COMPLETE event of a change of the history: the same change gives the same run."""
        teller = self._tellers.get(VERBS.get(change.kind, ""))
        if teller is None:
            return None
        run = uuid.uuid5(uuid.NAMESPACE_URL, f"{self._datasets.namespace}/{change.id}/{change.at.isoformat()}")
        return self._event("COMPLETE", change.at, str(run), teller(connection, change.subject, change))

    def _event(self, kind: str, at: datetime, run: str, told: Told, error: JSON | None = None) -> JSON:
        return {
            "eventType": kind,
            "eventTime": at.isoformat(),
            "producer": facets.PRODUCER,
            "schemaURL": facets.SCHEMA_URL,
            "run": {"runId": run, "facets": {**facets.engine(), **told.run_facets, **(error or {})}},
            "job": {"namespace": self._datasets.namespace, "name": told.job, "facets": told.job_facets},
            "inputs": list(told.inputs),
            "outputs": list(told.outputs),
        }

    # ------------------------------------------------------------------------------------ one verb each

    def _materialize(self, connection: Connection, subject: str, change: Change | None) -> Told:
        version = _version(connection, subject)
        definition = version.definition
        about = versions.metadata(connection, version.view)
        detail = {} if change is None else change.detail
        computation = definition.computation
        code = facets.sql(computation.text) if computation.kind == "sql" else {}
        if computation.kind == "function":
            code = facets.source_code("python", computation.text)
        output = self._datasets.table(connection, version, detail.get("snapshot"), written=True)
        if change is not None:
            output["outputFacets"] = facets.statistics(detail["rows"])
        bounds = [None if detail.get(name) is None else from_micros(detail[name]) for name in ("start", "end")]
        return Told(
            f"{version.reference}.materialize",
            {
                **facets.job_type("materialize"),
                **code,
                **facets.source_code_location(self._repository, version.code.commit),
                **facets.documentation(about.description, of="job"),
                **facets.ownership(about.owner, of="job"),
            },
            tuple(self._datasets.sources(connection, version, detail.get("sources", {}))),
            (output,),
            facets.nominal_time(bounds[0], bounds[1]),
        )

    def _train(self, connection: Connection, subject: str, change: Change | None) -> Told:
        if change is None:
            references = subject.split("+")
            inputs = [self._datasets.table(connection, _version(connection, each)) for each in references]
            return Told(self._job("train", references), facets.job_type("train"), tuple(inputs))
        record = frames.find(connection, change.subject.removeprefix("frame/"))
        references = [pin.reference for pin in record.pins.pins]
        inputs = [
            self._datasets.table(connection, _version(connection, pin.reference), pin.snapshot)
            for pin in record.pins.pins
        ]
        output = self._datasets.frame(connection, record, written=True)
        output["outputFacets"] = facets.statistics(record.rows)
        location = facets.source_code_location(self._repository, record.code.commit)
        return Told(self._job("train", references), {**facets.job_type("train"), **location}, tuple(inputs), (output,))

    def _job(self, verb: str, references: list[str]) -> str:
        return f"{training(references, self._datasets.namespace).name.removeprefix('training/')}.{verb}"

    def _publish(self, connection: Connection, subject: str, change: Change | None) -> Told:
        version = _version(connection, subject)
        snapshot = None if change is None else change.detail["snapshot"]
        output = self._datasets.online(connection, version, snapshot)
        if change is not None:
            output["outputFacets"] = facets.statistics(change.detail["rows"])
        table = self._datasets.table(connection, version, snapshot)
        return Told(f"{version.reference}.publish", facets.job_type("publish"), (table,), (output,))

    def _register(self, connection: Connection, subject: str, _change: Change | None) -> Told:
        model = models.find(connection, subject.removeprefix("model/"))
        record = frames.find(connection, model.frame)
        return Told(
            f"{model.model}.register",
            {
                **facets.job_type("register"),
                **facets.source_code_location(self._repository, model.code.commit),
                **facets.ownership(model.owner, of="job"),
            },
            (self._datasets.frame(connection, record),),
            (self._datasets.model(model, record, written=True),),
        )

    def _deploy(self, connection: Connection, subject: str, change: Change | None) -> Told:
        model = models.find(connection, subject.removeprefix("model/"))
        kind = "deploy" if change is None or change.kind == "deployed" else "undeploy"
        endpoint = "" if change is None else str(change.detail["endpoint"])
        read = self._datasets.model(model, frames.find(connection, model.frame))
        written = (self._datasets.endpoint(endpoint, model),) if kind == "deploy" else ()
        return Told(f"{endpoint}.{kind}", facets.job_type(kind), (read,), written)


def _version(connection: Connection, reference: str) -> FeatureVersion:
    parsed = parse_reference(reference.removeprefix("version/"))
    return versions.find(connection, parsed.view, parsed.version or 0)


def history(store: FeatureStore, since: Any = None, until: Any = None) -> Iterator[JSON]:  # noqa: ANN401 - times
    """Yield the events of what the store has done before, oldest first; the same history gives the same events.

    Parameters
    ----------
    since, until
        As `FeatureStore.changes` takes them.
    """
    settings = store.context.settings.openlineage
    events = Events(Datasets(store.root, settings), settings.repository)
    for change in store.changes(since, until):
        with store.context.catalog.read() as connection:
            event = events.of_change(connection, change)
        if event is not None:
            yield event
