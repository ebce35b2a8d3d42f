"""What a proposed change does: to whom, along which way, how bad that is, and whether somebody has accepted it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from featurestore.model.definition import digest
from featurestore.model.policy import ACTIONS, SEVERITIES

__all__ = ["Acknowledgement", "Effect", "ProposedChange", "Route", "Ruling"]


@dataclass(frozen=True, slots=True)
class ProposedChange:
    """One change of one column or of one feature.

    Attributes
    ----------
    kind
        One of `model.policy.KINDS`.
    subject
        `source.column`, or `view:feature`, or `view`.
    before, after
        What identifies it exactly: a column's types or names, a feature's fingerprints; empty where there is none.
    version
        `view@vN` that a change of a definition makes; empty for a column.
    why
        What differs, for people.
    """

    kind: str
    subject: str
    before: str
    after: str
    version: str = ""
    why: str = ""

    @property
    def view(self) -> str:
        """The view whose definition changes; empty for a column."""
        return "" if self.kind.startswith("column_") else self.subject.partition(":")[0]

    @property
    def digest(self) -> str:
        """Equal only for the same change: of this column or feature, from and to exactly this."""
        return digest([self.kind, self.subject, self.before, self.after])

    def __str__(self) -> str:
        match self.kind:
            case "column_dropped":
                return f"drop {self.subject}"
            case "column_renamed":
                return f"rename {self.subject} to {self.after}"
            case "column_retyped" | "column_widened":
                return f"retype {self.subject}, {self.before} to {self.after}"
            case "definition_broken":
                return f"{self.subject} cannot be computed"
        what = self.kind.removeprefix("feature_").removesuffix("_unpinned")
        return f"{self.subject} {what} in {self.version}"


@dataclass(frozen=True, slots=True)
class Route:
    """One way from a change to a reader.

    Attributes
    ----------
    start
        The column or feature that changes.
    feature
        `view@vN:feature` that the reader reads.
    how
        `"DIRECT"`: the column's values become the feature's values. `"INDIRECT"`: they act only on which rows there
        are, their order or their grouping. `"BESIDE"`: the feature does not depend on the column, and is computed by a
        version that does.
    exact
        False where the computation could not be read, so that it counts as reading every column.
    reader
        The model, feature set or pointer; empty where nothing reads the version.
    endpoint, reads
        The endpoint, and whether it reads by its model's `"lock"` or by a moved `"pointer"`; empty: it is not live.
    """

    start: str
    feature: str
    how: str
    exact: bool = True
    reader: str = ""
    endpoint: str = ""
    reads: str = ""

    def __str__(self) -> str:
        steps = dict.fromkeys(step for step in (self.start, self.feature, self.reader, self.endpoint) if step)
        mark = self.how + ("" if self.exact else ", not known: it counts as reading every column")
        moved = ", by a moved pointer" if self.reads == "pointer" else ""
        return f"{' -> '.join(steps)}  [{mark}{moved}]"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one change does to one reader.

    Attributes
    ----------
    reader
        `model/delay@1`, `pointer/airport_weather`, `set/fraud@v2`, `version/airport_weather@v1` (nothing reads it) or
        `definition/airport_weather` (the proposed one).
    owner
        Of the model.
    endpoints
        Where it is live and reached.
    reach, severity, action
        By the policy.
    breaks
        What does not work any more; empty: nothing.
    keeps
        What still works, for people.
    routes
        Every way from the change to it.
    """

    reader: str
    owner: str
    endpoints: tuple[str, ...]
    reach: str
    severity: str
    action: str
    breaks: tuple[str, ...]
    keeps: str
    routes: tuple[Route, ...]

    @property
    def name(self) -> str:
        """The reader without its kind."""
        return self.reader.partition("/")[2]

    @property
    def reached(self) -> tuple[str, ...]:
        """Whom an acknowledgement must name: the reader, at each endpoint."""
        return tuple(f"{self.reader} on {endpoint}" for endpoint in self.endpoints) or (self.reader,)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody accepted what a change does.

    Attributes
    ----------
    fingerprint
        Of the change and of whom it reached then, 64 hex digits.
    change
        What was accepted. Another column, type or computation is another change.
    reached
        Whom it reached then. Where it reaches somebody else too, the acknowledgement does not hold.
    reason, actor, at, until
        Why, who, when, and until when.
    withdrawn
        When it was withdrawn, or None.
    """

    fingerprint: str
    change: ProposedChange
    reached: tuple[str, ...]
    reason: str
    actor: str
    at: datetime
    until: datetime
    withdrawn: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return `"valid"`, `"expired"` or `"withdrawn"`."""
        if self.withdrawn is not None:
            return "withdrawn"
        return "valid" if now <= self.until else "expired"

    def covers(self, ruling: Ruling, now: datetime) -> bool:
        """Return whether this is the same change, reaching nobody else, and still holds."""
        same = self.state(now) == "valid" and self.change.digest == ruling.change.digest
        return same and set(ruling.reached) <= set(self.reached)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy says about one change.

    Attributes
    ----------
    change, effects
        What it does to whom; the worst first.
    acknowledgement
        By which it is accepted, or None.
    lapsed
        One that was given for the same change and does not hold any more, because it ended or the change reaches
        somebody new; or None.
    """

    change: ProposedChange
    effects: tuple[Effect, ...]
    acknowledgement: Acknowledgement | None = None
    lapsed: Acknowledgement | None = None

    @property
    def action(self) -> str:
        """The strictest of its effects' actions."""
        return min((effect.action for effect in self.effects), key=ACTIONS.index, default="allow")

    @property
    def severity(self) -> str:
        """The worst of its effects' severities."""
        return min((effect.severity for effect in self.effects), key=SEVERITIES.index, default="safe")

    @property
    def blocks(self) -> bool:
        """Whether the policy forbids it and nobody has accepted it."""
        return self.action == "block" and self.acknowledgement is None

    @property
    def reached(self) -> tuple[str, ...]:
        """Whom an acknowledgement must name: all that are live, and all for whose sake it is blocked."""
        named = {
            name
            for effect in self.effects
            if effect.action == "block" or (effect.reach == "live" and effect.severity != "safe")
            for name in effect.reached
        }
        return tuple(sorted(named))

    @property
    def fingerprint(self) -> str:
        """Identity of the change and of whom it reaches, 64 hex digits."""
        return digest([self.change.digest, list(self.reached)])
