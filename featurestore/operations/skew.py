"""Skew: what a server answered, beside the frame a model was trained on, and beside the offline join of the same rows.

The first comparison is of states and distributions: the rows are others. The second is cell by cell: the same keys, at
the same times, joined from the version's newest snapshot, which is what a model trained now would be given for them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.catalog import frames, models, versions
from featurestore.errors import NotFoundError
from featurestore.lineage.text import count, outline, table
from featurestore.model.finding import NOTICE
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.model.times import parse_time
from featurestore.online.served import ServedRows, folder_of, served_files
from featurestore.operations.comparison import ColumnComparison, Verdict
from featurestore.operations.profile import profile_of_frame
from featurestore.operations.publish import head_of
from featurestore.operations.register import as_model
from featurestore.operations.replay import AT, On, Replay, compare_column
from featurestore.operations.resolve import Column, lock_columns
from featurestore.operations.train import get_training_frame
from featurestore.quality.detect import TRAINING, compare
from featurestore.quality.profile import profile_table

if TYPE_CHECKING:
    from featurestore.model.finding import Finding
    from featurestore.model.pins import PinSet
    from featurestore.model.profile import Profile
    from featurestore.model.types import FeatureType
    from featurestore.offline.frame import TrainingFrame
    from featurestore.offline.report import FrameReport
    from featurestore.online.result import AnswerColumn
    from featurestore.operations.context import Context

__all__ = ["ColumnSkew", "Skew", "skew"]

_STATES = 0.02
"""How far the share of a state may be from that in training before it is told."""


@dataclass(frozen=True, slots=True)
class ColumnSkew:
    """One column of a model's input, as it was served.

    Attributes
    ----------
    name
        The column.
    reference
        What the model's lock reads it from, `view@vN:feature`.
    trained, served
        Share of the rows by state, in the training frame and as served.
    findings
        How the values served differ from those trained on, causes named.
    replay
        The cells served against the offline join of the same keys and times; None if nothing could be replayed.
    """

    name: str
    reference: str
    trained: Mapping[Status, float]
    served: Mapping[Status, float]
    findings: tuple[Finding, ...]
    replay: ColumnComparison | None

    @property
    def states_moved(self) -> tuple[Status, ...]:
        """The states whose share differs from that in training by 0.02 or more."""
        return tuple(state for state in Status if abs(self.trained[state] - self.served[state]) >= _STATES)

    @property
    def skewed(self) -> bool:
        """Whether states moved, or a finding is more than a notice, or a cell served was not what offline says."""
        wrong = self.replay is not None and not self.replay.equal
        grave = any(finding.severity != NOTICE for finding in self.findings)
        return bool(self.states_moved) or grave or wrong


@dataclass(frozen=True, slots=True)
class Skew:
    """What a model was served, compared; its text is a table of the columns and what deserves a look.

    Attributes
    ----------
    model
        `delay@1`.
    frame
        Id of the frame it was trained on.
    rows
        Rows served that were compared.
    first, last
        The times of their questions.
    columns
        In the order of the lock.
    """

    model: str
    frame: str
    rows: int
    first: datetime
    last: datetime
    columns: tuple[ColumnSkew, ...]

    @property
    def skewed(self) -> bool:
        """Whether any column is."""
        return any(column.skewed for column in self.columns)

    def __str__(self) -> str:
        found = "SKEWED" if self.skewed else "as trained"
        title = (
            f"{self.model}: {count(self.rows, 'row')} served from {self.first.isoformat()} to "
            f"{self.last.isoformat()}, against frame {self.frame[:8]}: {found}"
        )
        body = [(column.name, *_states(column), *_replayed(column), _findings(column)) for column in self.columns]
        head = ("column", *(f"{state} trained/served" for state in Status), "differing", "missing", "extra", "lag",
                "values")  # fmt: skip
        told = [f"  {column.name}: {finding.text}" for column in self.columns for finding in column.findings]
        examples = [
            f"  {column.name}: {example}"
            for column in self.columns
            if column.replay is not None and not column.replay.equal
            for example in column.replay.examples
        ]
        return outline(
            title,
            table(head, body),
            ["values served against values trained on:", *told] if told else [],
            ["served against the offline join of the same keys and times:", *examples] if examples else [],
        )


def _states(column: ColumnSkew) -> list[str]:
    return [f"{column.trained[state]:.1%} / {column.served[state]:.1%}" for state in Status]


def _replayed(column: ColumnSkew) -> list[str]:
    if column.replay is None:
        return ["-"] * 4
    counts = column.replay.counts
    differing = counts[Verdict.DIFFERING] + counts[Verdict.STATE_DIFFERS]
    lag = counts[Verdict.NEWER_OFFLINE] + counts[Verdict.NEWER_ONLINE]
    return [f"{number:,}" for number in (differing, counts[Verdict.MISSING_ONLINE], counts[Verdict.EXTRA_ONLINE], lag)]


def _findings(column: ColumnSkew) -> str:
    return ", ".join(dict.fromkeys(finding.kind for finding in column.findings)) or "as trained"


def skew(
    context: Context,
    model: object,
    *,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    endpoint: str | None = None,
) -> Skew:
    """Compare what a model was served with what it was trained on; see `FeatureStore.skew`."""
    now = datetime.now(UTC)
    start, end = (None if time is None else parse_time(time, now=now) for time in (since, until))
    with context.catalog.read() as connection:
        found = models.find(connection, str(as_model(model)))
        pins = frames.find(connection, found.frame).pins
        lock = {column.name: column for column in lock_columns(connection, found.lock)}
    parts = _served(context, found.reference, start, end, endpoint)
    frame = get_training_frame(context, pins)
    types = {name: column.feature.type for name, column in lock.items()}
    trained, served = _of_frame(context, frame, types), _of_answers(parts, types, found.reference)
    findings = compare(trained, served, relation=TRAINING)
    states = _trained_states(frame.report, pins, lock)
    replayed = _replayed_cells(context, parts)
    columns = [
        ColumnSkew(
            name,
            f"{column.version.reference}:{column.feature.name}",
            states[name],
            _served_states([part.answer(name) for part in parts]),
            tuple(finding for finding in findings if finding.subject == f"{found.reference}:{name}"),
            replayed.get(name),
        )
        for name, column in lock.items()
    ]
    times = [time for part in parts for time in (pc.min(part.at).as_py(), pc.max(part.at).as_py())]
    rows = sum(len(part.at) for part in parts)
    return Skew(found.reference, frame.id, rows, min(times), max(times), tuple(columns))


# ---------------------------------------------------------------------------------------------------------- served


def _served(
    context: Context, model: str, since: datetime | None, until: datetime | None, endpoint: str | None
) -> list[ServedRows]:
    """Return what the model was served in that time, by that endpoint if one is named."""
    folder = folder_of(context.root, model=model)
    found = []
    for path in served_files(folder, since):
        part = ServedRows.read(path)
        if endpoint is None or part.endpoint == endpoint:
            found.append(part.between(since, until))
    found = [part for part in found if len(part.at)]
    if not found:
        by = "" if endpoint is None else f" by endpoint {endpoint!r}"
        raise NotFoundError(
            f"no answers to {model} are kept for that time{by}: serve with log_answers (the share of calls whose "
            "answers are kept, such as 0.01), and ask when some have been served."
        )
    return found


def _of_answers(parts: Sequence[ServedRows], types: Mapping[str, FeatureType], model: str) -> Profile:
    tables = [pa.table({name: part.answer(name).values for name in types}) for part in parts]
    return profile_table(pa.concat_tables(tables), types.items(), name=model)


def _served_states(answers: Sequence[AnswerColumn]) -> dict[Status, float]:
    counts = np.bincount(np.concatenate([answer.statuses for answer in answers]), minlength=len(STATUS_BY_CODE))
    return {state: int(number) / int(counts.sum()) for state, number in zip(STATUS_BY_CODE, counts, strict=True)}


# --------------------------------------------------------------------------------------------------------- trained


def _of_frame(context: Context, frame: TrainingFrame, names: Container[str]) -> Profile:
    """Return the profile of the columns that the model reads."""
    whole = profile_of_frame(context, frame)
    return replace(whole, columns=tuple(column for column in whole.columns if column.name in names))


def _trained_states(report: FrameReport, pins: PinSet, lock: Mapping[str, Column]) -> dict[str, dict[Status, float]]:
    """Return the share of each state in the frame, by column: what a server would have told of its rows."""
    reads = dict.fromkeys((reference.view, reference.version, reference.on) for _, reference in pins.columns)
    of_read = dict(zip(reads, report.reads, strict=True))
    references, nulls = dict(pins.columns), dict(report.nulls)
    found = {}
    for name, column in lock.items():
        reference = references[name]
        read = of_read[reference.view, reference.version, reference.on]
        absent = 0 if column.feature.default is not None else read.not_found + read.expired
        null = nulls[name] - absent
        counts = (read.matched - null, null, read.not_found, read.expired)
        states = (Status.PRESENT, Status.NULL, Status.NOT_FOUND, Status.EXPIRED)
        found[name] = {state: number / max(report.rows, 1) for state, number in zip(states, counts, strict=True)}
    return found


# -------------------------------------------------------------------------------------------------------- replayed


def _replayed_cells(context: Context, parts: Sequence[ServedRows]) -> dict[str, ColumnComparison]:
    """Compare every cell served with the join of the newest snapshot of the version that it was read from."""
    opened: dict[tuple[str, int, On], Replay] = {}
    found: dict[str, ColumnComparison] = {}
    for number, part in enumerate(parts):
        groups: dict[tuple[str, int, On], list[AnswerColumn]] = {}
        for answer, on in zip(part.answers, part.on, strict=True):
            groups.setdefault((answer.view, answer.version, on), []).append(answer)
        block = part.entities.append_column(AT, part.at)
        entities = part.entities.to_pylist()
        for (view, version, on), answers in groups.items():
            replay = opened.get((view, version, on))
            if replay is None:
                replay = opened[view, version, on] = _newest(context, view, version, on)
            seen = replay.see(block)
            for answer in answers:
                compared = compare_column(entities, seen, answer, replay)
                found[answer.name] = found[answer.name] + compared if answer.name in found else compared
        context.progress("replay", number + 1, len(parts))
    return found


def _newest(context: Context, view: str, version: int, on: On) -> Replay:
    with context.catalog.read() as connection:
        served = versions.find(connection, view, version)
        head = head_of(connection, served)
    features = [feature.name for feature in served.definition.features]
    return Replay(context, view, version, snapshot=head.id, on=on, features=features)
