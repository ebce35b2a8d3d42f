"""The report: for each owner what was found in the data, what waits in quarantine, what has changed, what is stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from featurestore.catalog import changes as recorded
from featurestore.catalog import profiles, quarantine, schema, snapshots
from featurestore.errors import NotFoundError, nearest
from featurestore.lineage.stale import StaleModel, stale_models
from featurestore.lineage.text import count, moment, outline, short, table
from featurestore.lineage.timeline import sentence
from featurestore.model.finding import BLOCKING, SEVERITIES, Finding
from featurestore.model.history import Change
from featurestore.model.reference import parse_reference

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.profile import ColumnProfile
    from featurestore.model.quarantine import Quarantine

__all__ = ["Found", "Held", "OwnerReport", "Report", "report"]

_NOBODY = "no owner"
_ROUTINE = frozenset({"materialized", "published", "compacted", "pushed", "trained", "compared", "data changed"})
"""Kinds of changes that a report leaves away: they come when nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, when it was made, and what its column looked like.

    Attributes
    ----------
    at
        When the rows were materialized.
    version, snapshot
        Whose rows.
    finding
        What was found.
    before, after
        The column in the snapshot before, and in this one; None where no profile is kept, or it is about no column.
    """

    at: datetime
    version: str
    snapshot: str
    finding: Finding
    before: ColumnProfile | None
    after: ColumnProfile | None


@dataclass(frozen=True, slots=True)
class Held:
    """A snapshot that waits in quarantine."""

    version: str
    snapshot: str
    quarantine: Quarantine


@dataclass(frozen=True, slots=True)
class OwnerReport:
    """What concerns one owner.

    Attributes
    ----------
    owner
        Empty for what nobody owns.
    found
        Findings in the rows of the owner's views, the gravest first.
    held
        Snapshots of these views that wait in quarantine.
    changes
        Of these views, their sources, and the owner's models: what was applied, moved, deployed, promised.
    stale
        The owner's live models for which something has changed since they were trained.
    """

    owner: str
    found: tuple[Found, ...]
    held: tuple[Held, ...]
    changes: tuple[Change, ...]
    stale: tuple[StaleModel, ...]

    @property
    def name(self) -> str:
        """The owner, or that there is none."""
        return self.owner or _NOBODY


@dataclass(frozen=True, slots=True)
class Report:
    """What concerns each owner; its text is for a terminal.

    Attributes
    ----------
    since, until
        Findings and changes of that time. What waits, and what is stale, is as of now.
    owners
        By name, those without a name last.
    """

    since: datetime
    until: datetime
    owners: tuple[OwnerReport, ...]

    @property
    def urgent(self) -> bool:
        """Whether rows wait in quarantine, or a blocking change of the data is among what was found."""
        return any(
            owner.held or any(item.finding.severity == BLOCKING for item in owner.found) for owner in self.owners
        )

    @property
    def headline(self) -> str:
        """One sentence."""
        found = sum(len(owner.found) for owner in self.owners)
        held = sum(len(owner.held) for owner in self.owners)
        stale = len({item.model for owner in self.owners for item in owner.stale})
        return (
            f"{moment(self.since)} to {moment(self.until)}: {count(found, 'finding')} in the data, "
            f"{count(held, 'snapshot')} in quarantine, {count(stale, 'live model')} stale."
        )

    def __str__(self) -> str:
        lines = [self.headline]
        for owner in self.owners:
            lines += ["", outline(owner.name, *_sections(owner))]
        return "\n".join(lines)


def _sections(owner: OwnerReport) -> Iterator[list[str]]:
    rows: list[Sequence[object]] = [
        (moment(item.at), item.finding.severity, item.finding.subject, item.finding.text, _reach(item.finding))
        for item in owner.found
    ]
    if rows:
        yield ["  found in the data:", *table(("when", "severity", "what", "how", "reaches"), rows, "    ")]
    if owner.held:
        yield [
            "  in quarantine:",
            *(f"    {item.version} {short(item.snapshot)}: {item.quarantine}" for item in owner.held),
        ]
    if owner.changes:
        listed = [(moment(item.at), sentence(item), item.actor, item.reason or "-") for item in owner.changes]
        yield ["  changed:", *table(("when", "what", "who", "why"), listed, "    ")]
    if owner.stale:
        stale = [
            (item.model, item.endpoint, ", ".join(sorted({reason.kind for reason in item.reasons})))
            for item in owner.stale
        ]
        yield ["  stale models:", *table(("model", "endpoint", "changed since training"), stale, "    ")]


def _reach(finding: Finding) -> str:
    return ", ".join([*finding.models, *finding.endpoints]) or "-"


def report(connection: Connection, since: datetime, until: datetime, owner: str | None = None) -> Report:
    """Return what concerns each owner.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    since, until
        Of what time changes and findings are told.
    owner
        Only this one; None: everybody.

    Raises
    ------
    NotFoundError
        If nothing and nobody has that owner.
    """
    changes = recorded.between(connection, since, until)
    owner_of = _Owners(connection)
    found: dict[str, list[Found]] = {}
    for item in _found(connection, changes):
        found.setdefault(owner_of("version", item.version), []).append(item)
    held: dict[str, list[Held]] = {}
    for version, identities in quarantine.all_waiting(connection).items():
        for identity in identities:
            stay = snapshots.find(connection, identity).quarantine
            if stay is not None:
                held.setdefault(owner_of("version", version), []).append(Held(version, identity, stay))
    moved: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind not in _ROUTINE and "finding" not in change.detail:
            moved.setdefault(owner_of(*change.subject.split("/", 1)), []).append(change)
    stale: dict[str, list[StaleModel]] = {}
    for model in stale_models(connection):
        stale.setdefault(model.owner, []).append(model)
    names = sorted({*found, *held, *moved, *stale}, key=lambda name: (not name, name.casefold()))
    if owner is not None:
        owner_of.check(owner)
        names = [name for name in names if name == owner]
    return Report(
        since,
        until,
        tuple(
            OwnerReport(
                name,
                tuple(sorted(found.get(name, ()), key=_gravest)),
                tuple(held.get(name, ())),
                tuple(moved.get(name, ())),
                tuple(stale.get(name, ())),
            )
            for name in names
        ),
    )


def _gravest(item: Found) -> tuple[int, datetime]:
    return -SEVERITIES.index(item.finding.severity), item.at


def _found(connection: Connection, changes: Iterable[Change]) -> Iterator[Found]:
    for change in changes:
        if "finding" not in change.detail:
            continue
        finding, snapshot = Finding.from_json(change.detail["finding"]), change.detail["snapshot"]
        version, _, column = finding.subject.partition(":")
        after, before = _columns(connection, version, snapshot, column)
        yield Found(change.at, version, snapshot, finding, before, after)


def _columns(
    connection: Connection, version: str, snapshot: str, column: str
) -> tuple[ColumnProfile | None, ColumnProfile | None]:
    """Return a column as it is in a snapshot, and as it was in the one before."""
    known = profiles.history(connection, "snapshot", version) if column else []
    if snapshot not in known:
        return None, None
    place = known.index(snapshot)
    columns = []
    for identity in known[max(place - 1, 0) : place + 1]:
        profile = profiles.find(connection, "snapshot", version, identity)
        columns.append(None if profile is None else profile.column(column))
    return columns[-1], columns[0] if place else None


class _Owners:
    """Who answers for a node of the graph: views, sources and models have owners, and what hangs on them has theirs."""

    def __init__(self, connection: Connection) -> None:
        self._views = _named(connection, schema.views)
        self._sources = _named(connection, schema.sources)
        models = schema.model_versions
        rows = connection.execute(select(models.c.model, models.c.version, models.c.owner))
        self._models: Mapping[str, str] = {f"{row.model}@{row.version}": row.owner for row in rows}

    def check(self, owner: str) -> None:
        """Hold that somebody or something has that owner."""
        known = {*self._views.values(), *self._sources.values(), *self._models.values()} - {""}
        if owner not in known:
            raise NotFoundError(f"no view, source or model has the owner {owner!r}.{nearest(owner, known)}")

    def __call__(self, kind: str, key: str) -> str:
        """Return the owner, or an empty text."""
        if kind == "model":
            return self._models.get(key, "")
        if kind in {"source", "column", "data"}:
            return self._sources.get(key.partition("@")[0].partition(".")[0], "")
        if kind in {"view", "version", "feature"}:
            return self._views.get(parse_reference(key).view, "")
        return ""


def _named(connection: Connection, table_: Any) -> dict[str, str]:  # noqa: ANN401 - any table with names and owners
    return {row.name: row.owner for row in connection.execute(select(table_.c.name, table_.c.owner))}
