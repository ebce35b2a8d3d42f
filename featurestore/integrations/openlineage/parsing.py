"""Parsing: OpenLineage events of others become values, each checked by itself, so that a bad one costs only itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from featurestore.integrations.openlineage.facets import PRODUCER
from featurestore.integrations.openlineage.names import DatasetName
from featurestore.model.definition import digest

__all__ = ["BadEvent", "Dataset", "Event", "read_events"]

_OURS = PRODUCER.rpartition("/")[0]
_TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})

ColumnInput = tuple[DatasetName, str, str]
"""An input dataset, its column, and `DIRECT` or `INDIRECT`."""


@dataclass(frozen=True, slots=True)
class BadEvent:
    """A line that is no event, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """What an event says of one dataset.

    Attributes
    ----------
    columns, descriptions
        Column to type (empty where it was not said), and to text.
    comes_from
        Column to what it comes from; the column `""` holds what acts on every column.
    aliases
        Other names of it, e.g. of the table at a location.
    """

    name: DatasetName
    columns: Mapping[str, str]
    descriptions: Mapping[str, str]
    description: str
    owner: str
    version: str
    aliases: tuple[DatasetName, ...]
    comes_from: Mapping[str, tuple[ColumnInput, ...]]


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes
    ----------
    digest
        Of all of it: the same event is imported once.
    kind
        `START`, `COMPLETE`, `FAIL` ...; empty of an event that is about a job or a dataset, not a run.
    at, run
        When, and the run's id.
    producer
        What has sent it.
    job, parent
        The job, and the job that started it.
    code
        What identifies the job's code: a commit, or the digest of its text.
    """

    digest: str
    kind: str
    at: datetime
    run: str
    producer: str
    job: DatasetName | None
    parent: DatasetName | None
    code: str
    description: str
    owner: str
    inputs: tuple[Dataset, ...]
    outputs: tuple[Dataset, ...]

    @property
    def ours(self) -> bool:
        """Whether a feature store has sent it."""
        return self.producer.startswith(_OURS)


def read_events(lines: Iterable[str | bytes]) -> Iterator[tuple[int, Event | BadEvent]]:
    """Yield each line's number and what it is; empty lines are left out."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, _event(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            yield number, BadEvent(number, reason)


def _event(value: Any) -> Event:  # noqa: ANN401 - JSON values
    if not isinstance(value, dict):
        message = f"an event is a JSON object, not {type(value).__name__}"
        raise TypeError(message)
    kind = str(value.get("eventType") or "")
    if kind and kind not in _TYPES:
        message = f"the eventType {kind!r} is none of {', '.join(sorted(_TYPES))}"
        raise ValueError(message)
    at = datetime.fromisoformat(_text(value["eventTime"], "eventTime"))
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    job = value.get("job")
    if job is None and "dataset" not in value:
        raise KeyError("job")
    facets = {} if job is None else _facets(job)
    run = value.get("run") or {}
    if "run" in value:
        _text(run["runId"], "run.runId")
    outputs = [value["dataset"]] if job is None else value.get("outputs") or []
    return Event(
        digest(value),
        kind,
        at,
        str(run.get("runId", "")),
        str(value.get("producer") or ""),
        None if job is None else _name(job, "job"),
        _parent(run),
        _code(facets),
        _text((facets.get("documentation") or {}).get("description") or "", "job.documentation"),
        _owner(facets),
        tuple(_dataset(item, "inputs") for item in value.get("inputs") or []),
        tuple(_dataset(item, "outputs") for item in outputs),
    )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        message = f"{what} is {value!r}, not text"
        raise TypeError(message)
    return value


def _name(value: Any, what: str) -> DatasetName:  # noqa: ANN401
    namespace, name = _text(value["namespace"], f"{what}.namespace"), _text(value["name"], f"{what}.name")
    found = DatasetName(namespace.strip(), name.strip())
    if not found.namespace or not found.name or not found.key.isprintable():
        message = (
            f"{what} has the namespace {namespace!r} and the name {name!r}: neither may be empty or hold line breaks"
        )
        raise ValueError(message)
    return found


def _facets(value: Any) -> dict[str, Any]:  # noqa: ANN401
    found = value.get("facets") or {}
    if not isinstance(found, dict):
        message = f"facets are {found!r}, not an object"
        raise TypeError(message)
    return {name: facet for name, facet in found.items() if isinstance(facet, dict)}


def _owner(facets: Mapping[str, Any]) -> str:
    owners = (facets.get("ownership") or {}).get("owners") or []
    return ", ".join(str(owner["name"]) for owner in owners if isinstance(owner, dict) and "name" in owner)


def _code(facets: Mapping[str, Any]) -> str:
    location = facets.get("sourceCodeLocation") or {}
    if location.get("version"):
        return str(location["version"])
    text = (facets.get("sourceCode") or {}).get("sourceCode") or (facets.get("sql") or {}).get("query")
    return f"sha256:{digest(text)[:16]}" if text else ""


def _parent(run: Mapping[str, Any]) -> DatasetName | None:
    parent = _facets(run).get("parent") or {}
    job = parent.get("job")
    return _name(job, "parent.job") if isinstance(job, dict) else None


def _dataset(value: Any, what: str) -> Dataset:  # noqa: ANN401
    name, facets = _name(value, what), _facets(value)
    columns, descriptions = {}, {}
    for field in (facets.get("schema") or {}).get("fields") or []:
        column = _text(field["name"], f"a field of {name.key}")
        columns[column] = str(field.get("type") or "")
        if field.get("description"):
            descriptions[column] = str(field["description"])
    identifiers = (facets.get("symlinks") or {}).get("identifiers") or []
    return Dataset(
        name,
        columns,
        descriptions,
        str((facets.get("documentation") or {}).get("description") or ""),
        _owner(facets),
        str((facets.get("version") or {}).get("datasetVersion") or ""),
        tuple(_name(item, f"a symlink of {name.key}") for item in identifiers),
        _lineage(facets.get("columnLineage") or {}, name),
    )


def _lineage(facet: Mapping[str, Any], name: DatasetName) -> dict[str, tuple[ColumnInput, ...]]:
    fields = facet.get("fields") or {}
    found = {
        column: tuple(_input(item, name) for item in (field or {}).get("inputFields") or [])
        for column, field in fields.items()
    }
    acting = [_input(item, name) for item in facet.get("dataset") or []]
    if acting:
        found[""] = tuple((dataset, column, "INDIRECT") for dataset, column, _ in acting)
    return found


def _input(value: Any, name: DatasetName) -> ColumnInput:  # noqa: ANN401
    said = value.get("transformations") or []
    indirect = bool(said) and all(str(item.get("type", "")).upper() == "INDIRECT" for item in said)
    column = _text(value["field"], f"an input field of {name.key}")
    return _name(value, f"an input of {name.key}"), column, "INDIRECT" if indirect else "DIRECT"
