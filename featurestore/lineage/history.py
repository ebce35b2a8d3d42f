"""Questions about time: which version was active then, and for whom; what has changed upstream of a node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.catalog import activations, graph, models, versions
from featurestore.catalog import changes as recorded
from featurestore.catalog.graph import Asset
from featurestore.errors import DefinitionError, NotFoundError, nearest
from featurestore.lineage.endings import Ending, endings
from featurestore.lineage.nodes import parse_node
from featurestore.lineage.reads import Reading, live_reads
from featurestore.lineage.served import OnlineRows, online_at
from featurestore.lineage.text import moment, outline, some, table
from featurestore.lineage.upstream import upstream
from featurestore.model.names import fold
from featurestore.model.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.model.history import Activation, Change, Deployment

__all__ = ["ActiveAnswer", "ActiveVersion", "active_at", "changes"]


@dataclass(frozen=True, slots=True)
class ActiveAnswer:
    """What one reader read.

    Attributes
    ----------
    model
        The model version that was live on the endpoint; None in the default scope.
    features
        The features this answer is about; empty: all that no other answer of the same reader names.
    version
        `view@vN`.
    by
        `"activation"`: by a move of the scope's pointer; `"lock"`: by the lock of the model, from its deployment on.
    activation
        The move's id, for `"activation"`.
    since, actor, reason
        Of the move or of the deployment.
    until
        When that ended: by the next move of the pointer or the end of the deployment; None while it is so.
    rows
        What was online of the version then; None if nothing was.
    ended
        How the version ended since; None while it may be used.
    """

    model: str | None
    features: tuple[str, ...]
    version: str
    by: str
    activation: int | None
    since: datetime
    actor: str
    reason: str
    until: datetime | None = None
    rows: OnlineRows | None = None
    ended: Ending | None = None


@dataclass(frozen=True, slots=True)
class ActiveVersion:
    """Which version of a view, or of one feature, was active at a time.

    Attributes
    ----------
    pointer
        `view` or `view:feature`.
    at, endpoint
        When (UTC), and for whom; None is the default scope.
    answers
        One for each reader and version: several where several models were live, or where single features were moved
        apart from their view. Empty: nothing was active, or no model that reads it was live.
    """

    pointer: str
    at: datetime
    endpoint: str | None
    answers: tuple[ActiveAnswer, ...]

    @property
    def version(self) -> str | None:
        """`view@vN` if all answers agree on one version, else None."""
        found = {answer.version for answer in self.answers}
        return found.pop() if len(found) == 1 else None

    def __str__(self) -> str:
        scope = "in the default scope" if self.endpoint is None else f"for endpoint {self.endpoint}"
        title = f"{self.pointer} at {moment(self.at)}, {scope}"
        if not self.answers:
            nothing = "nothing was active" if self.endpoint is None else "no model that reads it was live"
            return f"{title}: {nothing}"
        rows = [
            (
                answer.version,
                answer.model or "every reader",
                some(answer.features) or "all others" if len(self.answers) > 1 else some(answer.features) or "all",
                "lock" if answer.activation is None else f"activation {answer.activation}",
                moment(answer.since),
                "now" if answer.until is None else moment(answer.until),
                answer.actor,
                answer.reason or "-",
            )
            for answer in self.answers
        ]
        titles = ("version", "for", "features", "by", "since", "until", "who", "why")
        return outline(title, table(titles, rows), self._rows())

    def _rows(self) -> list[str]:
        """Return the lines about the rows of each version, and about versions that have ended."""
        online = {answer.version: answer.rows for answer in self.answers}
        ended = {answer.version: answer.ended for answer in self.answers if answer.ended is not None}
        lines = [
            f"  rows of {version}: " + ("nothing was online" if rows is None else str(rows))
            for version, rows in online.items()
        ]
        return lines + [f"  {version}: {ending}" for version, ending in ended.items()]


def active_at(
    connection: Connection, view_or_feature: object, at: datetime, endpoint: str | None = None
) -> ActiveVersion:
    """Return which version was active at a wall clock time.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    view_or_feature
        `view` or `view:feature` (prefixed forms and references too), without a version.
    at
        UTC-aware. A move made exactly then counts.
    endpoint
        For whom; None asks about the default scope.

    Raises
    ------
    DefinitionError
        If the text names a version, or is no reference.
    NotFoundError
        If there is no such view, feature or endpoint.
    """
    reference = _pointer(connection, view_or_feature)
    name = reference.view if reference.feature is None else f"{reference.view}:{reference.feature}"
    moves = activations.history(connection, reference.view)
    if endpoint is None:
        answers = _in_default_scope(connection, reference, at, moves)
        return ActiveVersion(name, at, None, tuple(_completed(connection, answers, at)))
    models.endpoint_id(connection, endpoint)
    readings = [
        reading
        for reading in live_reads(connection, endpoints=[endpoint], views=[reference.view], at=at)
        if (reference.feature is None or reading.feature == reference.feature)
    ]
    named = next((known for known in models.endpoint_names(connection) if fold(known) == fold(endpoint)), endpoint)
    own = [move for move in moves if move.endpoint is not None and fold(move.endpoint) == fold(endpoint)]
    return ActiveVersion(name, at, named, tuple(_completed(connection, _of_models(readings, own, at), at)))


def _completed(connection: Connection, answers: Iterable[ActiveAnswer], at: datetime) -> Iterable[ActiveAnswer]:
    """Add to each answer the rows that were online then, and how the version ended since."""
    found = list(answers)
    ended = endings(connection, [Asset("version", answer.version) for answer in found])
    rows: dict[str, OnlineRows | None] = {}
    for answer in found:
        if answer.version not in rows:
            view, _, number = answer.version.partition("@v")
            rows[answer.version] = online_at(connection, view, int(number), at)
        yield replace(answer, rows=rows[answer.version], ended=ended.get(Asset("version", answer.version)))


def _next_move(moves: Iterable[Activation], features: tuple[str, ...], at: datetime) -> datetime | None:
    """Return when a pointer of one of the features (none: of the whole view) moved first after `at`."""
    return next(
        (move.at for move in moves if move.at > at and (move.feature is None or move.feature in features)), None
    )


def _pointer(connection: Connection, node: object) -> Reference:
    """Return the view, and the feature if any, as the catalog spells them."""
    text = node if isinstance(node, str) else str(getattr(node, "name", node))
    for prefix in ("view/", "feature/"):
        text = text.removeprefix(prefix)
    reference = parse_reference(text)
    versions.view_id(connection, reference.view)
    ((view, numbers),) = versions.numbers(connection, [reference.view]).items()
    if reference.pinned:
        raise DefinitionError(f"{text!r} names its version, which never moves: ask about {reference.view!r}.")
    if reference.feature is None:
        return Reference(view)
    wanted = [graph.Asset("feature", f"{view}@v{number}:{reference.feature}") for number in numbers]
    rows = graph.rows_of(connection, wanted)
    if not rows:
        found = versions.of_view(connection, view)
        names = {feature.name: None for version in found for feature in version.definition.features}
        known = nearest(reference.feature, names)
        raise NotFoundError(f"no version of {view!r} has a feature {reference.feature!r}.{known}")
    return Reference(view, feature=graph.spelt(connection, max(rows)).rpartition(":")[2])


def _in_default_scope(
    connection: Connection, reference: Reference, at: datetime, moves: Iterable[Activation]
) -> Iterable[ActiveAnswer]:
    scope = [move for move in moves if move.endpoint is None]
    whole = activations.pointer(connection, reference.view, reference.feature, at=at)
    if whole is not None:
        features = (reference.feature,) if reference.feature else ()
        yield _moved(None, features, whole, _next_move(scope, features, at))
    if reference.feature is not None:
        return
    own = {move.feature: move for move in scope if move.at <= at and move.feature is not None}
    for feature, move in sorted(own.items()):
        if whole is None or move.id > whole.id:
            yield _moved(None, (feature,), move, _next_move(scope, (feature,), at))


def _moved(model: str | None, features: tuple[str, ...], move: Activation, until: datetime | None) -> ActiveAnswer:
    version = f"{move.view}@v{move.version}"
    return ActiveAnswer(model, features, version, "activation", move.id, move.at, move.actor, move.reason, until)


def _of_models(readings: Iterable[Reading], moves: list[Activation], at: datetime) -> Iterable[ActiveAnswer]:
    grouped: dict[tuple[int, int, int], list[Reading]] = {}
    for reading in readings:
        move = 0 if reading.activation is None else reading.activation.id
        grouped.setdefault((reading.deployment.id, reading.version, move), []).append(reading)
    for found in grouped.values():
        first = found[0]
        features = tuple(sorted({reading.feature for reading in found}))
        ends = [end for end in (_next_move(moves, features, at), first.deployment.until) if end is not None]
        until = min(ends, default=None)
        if first.activation is not None:
            yield _moved(first.deployment.reference, features, first.activation, until)
        else:
            yield _locked(first.deployment, features, first.version_reference, until)


def _locked(deployment: Deployment, features: tuple[str, ...], version: str, until: datetime | None) -> ActiveAnswer:
    return ActiveAnswer(
        deployment.reference, features, version, "lock", None, deployment.at, deployment.actor, "", until
    )


def changes(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    upstream_of: object | None = None,
) -> list[Change]:
    """Return what has changed, in the order of commits.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    since, until
        Wall clock times, UTC-aware, both included; None is open.
    upstream_of
        Return only changes to what this node reads (`read=True`): its feature versions and their rows, their sources
        and source data, the pointers through which it reads, its own deployments. Newer versions of a view that it
        reads, and schema changes of columns that it does not read, are told too, with `read=False`.

    Raises
    ------
    NotFoundError, DefinitionError
        As `lineage.nodes.parse_node`.
    """
    if upstream_of is None:
        return recorded.between(connection, since, until)
    above = upstream(connection, parse_node(connection, upstream_of), since)
    found = recorded.between(connection, since, until, subjects=above.subjects(connection))
    judged = [(change, above.reads(change)) for change in found]
    return [replace(change, read=read) for change, read in judged if read is not None]
