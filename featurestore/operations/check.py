"""Check: the gate before a change lands. What proposed definitions and source schemas would do to whom, by the policy.

Nothing is changed and no row is read. Sources count with the columns that they had when they were last applied, as the
catalog knows them; only a source that it does not know so is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from featurestore.catalog import sources as recorded
from featurestore.errors import FeatureStoreError
from featurestore.lineage.gate_sources import column_changes, proposed_columns, source_rulings
from featurestore.model.definition import digest
from featurestore.model.effect import Effect, ProposedChange, Ruling
from featurestore.model.feature_set import FeatureSet
from featurestore.model.names import fold
from featurestore.model.source_change import SourceChange, SourceSchema
from featurestore.model.view import FeatureView
from featurestore.operations.check_text import describe
from featurestore.operations.define import Defined, define, defining
from featurestore.operations.plan import Plan, listed, make_plan
from featurestore.operations.rulings import acknowledged, plan_rulings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from featurestore.model.policy import Policy
    from featurestore.model.source import Source
    from featurestore.operations.context import Context
    from featurestore.operations.plan import Definitions

__all__ = ["Check", "check"]

_KEPT = {"arrow", "push"}
"""Kinds of sources that carry their schema with them."""

CLEAN, BLOCKED, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Check:
    """What the gate says.

    Attributes
    ----------
    rulings
        One for each change that reaches somebody, the blocked ones first.
    problems
        What could not be told, and why: a definition that does not parse, a source that cannot be read.
    plan
        What applying the definitions that could be read would do.
    source_changes
        The proposed changes of sources, in words.
    """

    rulings: tuple[Ruling, ...]
    problems: tuple[str, ...]
    plan: Plan
    source_changes: tuple[str, ...]

    @property
    def blocked(self) -> tuple[Ruling, ...]:
        """What the policy forbids and nobody has accepted."""
        return tuple(ruling for ruling in self.rulings if ruling.blocks)

    @property
    def accepted(self) -> tuple[Ruling, ...]:
        """What the policy forbids and somebody has accepted."""
        return tuple(ruling for ruling in self.rulings if ruling.action == "block" and not ruling.blocks)

    @property
    def warned(self) -> tuple[Ruling, ...]:
        """What the policy warns of."""
        return tuple(ruling for ruling in self.rulings if ruling.action == "warn")

    @property
    def result(self) -> str:
        """`"blocked"`, `"unknown"` (could not tell), `"acknowledged"` or `"clean"`."""
        if self.blocked:
            return "blocked"
        if self.problems:
            return "unknown"
        return "acknowledged" if self.accepted else "clean"

    @property
    def exit_code(self) -> int:
        """0 clean or acknowledged, 1 blocked, 2 could not tell."""
        return {"blocked": BLOCKED, "unknown": UNKNOWN}.get(self.result, CLEAN)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "result": self.result,
            "exit_code": self.exit_code,
            "rulings": [
                {
                    "change": ruling.change,
                    "text": str(ruling.change),
                    "severity": ruling.severity,
                    "action": ruling.action,
                    "blocks": ruling.blocks,
                    "fingerprint": ruling.fingerprint,
                    "reached": ruling.reached,
                    "effects": ruling.effects,
                    "acknowledgement": ruling.acknowledgement,
                    "lapsed": ruling.lapsed,
                }
                for ruling in self.rulings
            ],
            "problems": self.problems,
            "source_changes": self.source_changes,
            "plan": {"changes": self.plan.changes, "sets": self.plan.sets},
        }

    def __str__(self) -> str:
        return describe(self)


def check(
    context: Context,
    definitions: Definitions = (),
    source_changes: Iterable[SourceChange | SourceSchema] = (),
    *,
    read_sources: bool = False,
) -> Check:
    """Say what definitions and changes of sources would do, and whether the policy lets them pass.

    Parameters
    ----------
    definitions
        Feature views and sets, as `apply` takes them: those of a branch, for example.
    source_changes
        Columns that are dropped, retyped or renamed, or whole schemas.
    read_sources
        Look at the definitions' sources as they are now; where one differs from what is known of it, that is a change
        of the source too.

    Raises
    ------
    NotFoundError
        If a changed source or column is unknown.
    DefinitionError
        If a definition is none, or two have one name, or two changes are of one column. A definition that cannot be
        resolved is told in `problems`.
    """
    every = listed(definitions)
    views = [item for item in every if isinstance(item, FeatureView)]
    sets = [item for item in every if isinstance(item, FeatureSet)]
    now = datetime.now(UTC)
    policy = context.settings.policy
    proposed = list(source_changes)
    with context.catalog.read() as connection:
        schemas = _Schemas(context, connection, proposed, read_sources=read_sources)
        with defining(context):
            resolved = [schemas.resolve(view) for view in views]
        proposed = schemas.proposed
        defined = [item for item, _, _ in resolved if item is not None]
        problems = [problem for _, problem, _ in resolved if problem]
        planned, more = _plan(connection, defined, sets)
        changed = column_changes(connection, proposed)
        rulings = [
            *source_rulings(connection, changed, policy),
            *plan_rulings(connection, planned.changes, planned.defined, policy),
            *(_broken(view, why, policy) for view, (_, _, why) in zip(views, resolved, strict=True) if why),
        ]
        ruled = acknowledged(connection, rulings, now)
    return Check(tuple(sorted(ruled, key=_order)), (*problems, *more), planned, tuple(str(item) for item, _ in changed))


def _order(ruling: Ruling) -> tuple[bool, int, str]:
    return not ruling.blocks, ("block", "warn", "allow").index(ruling.action), ruling.change.subject


def _plan(connection: Connection, defined: Sequence[Defined], sets: Sequence[FeatureSet]) -> tuple[Plan, list[str]]:
    """Return the plan of what can be planned, and why the rest cannot."""
    try:
        return make_plan(connection, defined, sets), []
    except FeatureStoreError:
        pass  # one of them: find out which
    problems = []
    planned: list[Defined] = []
    for item in defined:
        try:
            make_plan(connection, [item])
        except FeatureStoreError as error:
            problems.append(str(error))
        else:
            planned.append(item)
    kept: list[FeatureSet] = []
    for named in sets:
        try:
            make_plan(connection, planned, [named])
        except FeatureStoreError as error:
            problems.append(str(error))
        else:
            kept.append(named)
    return make_plan(connection, planned, kept), problems


def _broken(view: FeatureView, why: str, policy: Policy) -> Ruling:
    change = ProposedChange("definition_broken", view.name, "", digest(why), why=why)
    severity = policy.severity_of(change.kind)
    effect = Effect(
        f"definition/{view.name}", view.owner, (), "live", severity, policy.action(severity, "live"),
        ("apply of the proposed definition",), "", (),
    )  # fmt: skip
    return Ruling(change, (effect,))


class _Schemas:
    """The columns of sources, now and as proposed."""

    def __init__(
        self,
        context: Context,
        connection: Connection,
        proposed: list[SourceChange | SourceSchema],
        *,
        read_sources: bool,
    ) -> None:
        self.proposed = proposed
        self._context = context
        self._connection = connection
        self._read = read_sources
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    def resolve(self, view: FeatureView) -> tuple[Defined | None, str, str]:
        """Return the view's definition; or else why that could not be told, or why the changed sources break it."""
        try:
            now = {source.name: self._columns(source) for source in view.sources}
        except FeatureStoreError as error:
            return None, f"feature view {view.name!r}: {error}", ""
        changed = {fold(item.source) for item in self.proposed}
        after = {
            name: proposed_columns(columns, self.proposed, name) if fold(name) in changed else columns
            for name, columns in now.items()
        }
        base, problem = _defined(self._context, view, now)
        if after == now:
            return base, problem, ""
        if base is not None and not _touched(base, now, after):
            return base, "", ""
        moved, why = _defined(self._context, view, after)
        if moved is not None:
            return moved, "", ""
        return (None, "", why) if base is not None else (None, why, "")

    def _columns(self, source: Source) -> dict[str, str]:
        """Return the columns that a source has now, as far as is known without looking, if that is wanted."""
        key = (source.name, digest([source.kind, source.location()]))
        if key not in self._known:
            row = recorded.find(self._connection, source.name)
            same = row is not None and (row["kind"], row["location"]) == (source.kind, source.location())
            if row is not None and same and not self._read and source.kind not in _KEPT:
                self._known[key] = dict(row["columns"])
            else:
                self._known[key] = dict(self._context.reader.schema(source))
                if row is not None and same and self._read:
                    self._note(source.name, row["columns"], self._known[key])
        return self._known[key]

    def _note(self, source: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        """Take what a source has become since it was last looked at for a change of it."""
        mentioned = {(fold(item.source), item.column) for item in self.proposed if isinstance(item, SourceChange)}
        for column, type_ in before.items():
            if (fold(source), column) in mentioned or now.get(column) == type_:
                continue
            gone = column not in now
            self.proposed.append(SourceChange("drop" if gone else "retype", source, column, now.get(column, "")))


def _defined(context: Context, view: FeatureView, schemas: Mapping[str, dict[str, str]]) -> tuple[Defined | None, str]:
    try:
        return define(context, view, dict(schemas)), ""
    except FeatureStoreError as error:
        return None, str(error)


def _touched(base: Defined, now: Mapping[str, dict[str, str]], after: Mapping[str, dict[str, str]]) -> bool:
    """Return whether the changed columns can change what a definition is: it reads one, or a new one may join it."""
    for source in base.definition.sources:
        columns, others = now[source.name], after[source.name]
        if any(others.get(name) != type_ for name, type_ in source.columns):
            return True
        if set(others) - set(columns) and (
            base.definition.computation.kind != "sql"
            or "*" in base.definition.computation.text
            or len(base.definition.sources) > 1
        ):
            return True
    return False
