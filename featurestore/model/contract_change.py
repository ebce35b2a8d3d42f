"""What a new version of a contract changes, and whether readers of the old one can be hurt by it.

A change breaks if rows may now come that the old version promised would not. A stricter promise breaks nobody who
reads; it may turn away the rows that are handed over now, which `featurestore contract check` tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.model.contract import Contract, Expect, Freshness, Volume, shown
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

__all__ = ["ContractChange", "ContractVersion", "compare"]


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One rule that differs.

    Attributes
    ----------
    rule, column
        Which; column is None for a rule of the whole source.
    before, after
        Both as text; None where there is no such rule.
    breaking
        Whether rows may now come that the old rule kept out.
    why
        Why, or why not.
    """

    rule: str
    column: str | None
    before: str | None
    after: str | None
    breaking: bool
    why: str

    def __str__(self) -> str:
        what = f"{self.rule} of {self.column}" if self.column else self.rule
        mark = "breaking" if self.breaking else "compatible"
        return f"{what}: {self.before or 'nothing'} -> {self.after or 'nothing'} ({mark}: {self.why})"


@dataclass(frozen=True, slots=True)
class ContractVersion:
    """One version of a contract. It never changes.

    Attributes
    ----------
    subject
        Whose rows: `source/weather`, or `view/airport_weather` for what its features promise.
    number, contract
        Its number, and what is promised.
    changes
        Against the version that was current before; empty for the first.
    author, created_at, code
        Who declared it first, when, from which commit.
    """

    subject: str
    number: int
    contract: Contract
    changes: tuple[ContractChange, ...]
    author: str
    created_at: datetime
    code: CodeState

    @property
    def name(self) -> str:
        """The source's name, or the view's."""
        return self.subject.partition("/")[2]

    @property
    def reference(self) -> str:
        """`weather@c2`; of a view `view/airport_weather@c2`."""
        return f"{self.subject.removeprefix('source/')}@c{self.number}"

    @property
    def breaking(self) -> bool:
        """Whether a change breaks the version before."""
        return any(change.breaking for change in self.changes)


def compare(old: Contract, new: Contract) -> tuple[ContractChange, ...]:
    """Return every rule that differs, column by column, then those of the whole source."""
    found = []
    for column in dict.fromkeys([*old.columns, *new.columns]):
        found += list(_column(column, old.columns.get(column), new.columns.get(column)))
    found += list(_source(old, new))
    return tuple(found)


def _column(column: str, old: Expect | None, new: Expect | None) -> Iterator[ContractChange]:
    if new is None:
        why = "nothing is promised of it any more, not even that it is there"
        yield ContractChange("column", column, "promised", None, breaking=True, why=why)
        return
    if old is None:
        yield ContractChange("column", column, None, "promised", breaking=False, why="more is promised")
        old = Expect()
    for rule, judge in _RULES.items():
        before, after = getattr(old, rule), getattr(new, rule)
        if before != after:
            breaking, why = judge(before, after)
            yield ContractChange(rule, column, _text(rule, before), _text(rule, after), breaking=breaking, why=why)


def _source(old: Contract, new: Contract) -> Iterator[ContractChange]:
    if old.key != new.key:
        breaking = bool(old.key) and not (new.key and {*new.key} <= {*old.key})
        why = "two rows may now share it" if breaking else "rows are as distinct as they were, or more"
        yield ContractChange("key", None, _names(old.key), _names(new.key), breaking=breaking, why=why)
    if old.freshness != new.freshness:
        yield _freshness(old.freshness, new.freshness)
    if old.volume != new.volume:
        yield _volume(old.volume, new.volume)
    if old.closed != new.closed:
        why = "columns that nobody named may now come" if old.closed else "no other column may come"
        yield ContractChange("closed", None, str(old.closed), str(new.closed), breaking=old.closed, why=why)


def _freshness(old: Freshness | None, new: Freshness | None) -> ContractChange:
    kept = old is None or (new is not None and new.column == old.column and new.within <= old.within)
    why = "rows are as new as they were, or newer" if kept else "the newest row may now be older, or is told otherwise"
    before, after = (None if item is None else f"{item.column} within {item.within}" for item in (old, new))
    return ContractChange("freshness", None, before, after, breaking=not kept, why=why)


def _volume(old: Volume | None, new: Volume | None) -> ContractChange:
    kept = old is None or (
        new is not None
        and (new.column, new.every) == (old.column, old.every)
        and (old.at_least is None or (new.at_least is not None and new.at_least >= old.at_least))
        and (old.at_most is None or (new.at_most is not None and new.at_most <= old.at_most))
    )
    why = "the number of rows stays within what it was" if kept else "fewer or more rows may now come"
    return ContractChange("volume", None, _rows(old), _rows(new), breaking=not kept, why=why)


def _rows(volume: Volume | None) -> str | None:
    if volume is None:
        return None
    window = "" if volume.every is None else f" in each {volume.every} of {volume.column}"
    return f"{volume.at_least or 0} to {'any' if volume.at_most is None else volume.at_most} rows{window}"


def _names(names: Any) -> str | None:  # noqa: ANN401 - a tuple of names
    return ", ".join(names) or None


def _text(rule: str, value: Any) -> str | None:  # noqa: ANN401 - whatever a rule holds
    if value is None or value == getattr(Expect(), rule):
        return None if rule != "nullable" else "null is allowed"
    return "no nulls" if rule == "nullable" else shown(value)


Judged = tuple[bool, str]


def _type(before: Any, _after: Any) -> Judged:  # noqa: ANN401 - whatever a rule holds, here and below
    return (False, "nothing was promised") if before is None else (True, "readers were built for the old type")


def _nullable(before: Any, _after: Any) -> Judged:  # noqa: ANN401
    return (False, "nulls may no longer come") if before else (True, "nulls may now come")


def _absent(before: Any, after: Any) -> Judged:  # noqa: ANN401
    if not before:
        return False, "what an absent value looks like was not agreed"
    new = [item for item in after if item not in before]
    if after and not new:
        return False, "no new form of an absent value"
    return True, f"an absent value may now look like {shown(tuple(new))}" if new else "it may now look like anything"


def _allowed(before: Any, after: Any) -> Judged:  # noqa: ANN401
    if before is None:
        return False, "any value could come"
    new = () if after is None else tuple(item for item in after if item not in before)
    if after is not None and not new:
        return False, "no new value"
    return True, f"new: {shown(new)}" if after is not None else "any value may now come"


def _pattern(before: Any, _after: Any) -> Judged:  # noqa: ANN401
    return (False, "any text could come") if before is None else (True, "texts of another form may now come")


def _least(before: Any, after: Any) -> Judged:  # noqa: ANN401
    if before is None or (after is not None and after >= before):
        return False, "the range is not wider"
    return True, "smaller ones may now come"


def _most(before: Any, after: Any) -> Judged:  # noqa: ANN401
    if before is None or (after is not None and after <= before):
        return False, "the range is not wider"
    return True, "greater ones may now come"


def _unique(before: Any, _after: Any) -> Judged:  # noqa: ANN401
    return (True, "a value may now appear twice") if before else (False, "no value may appear twice")


def _unit(before: Any, _after: Any) -> Judged:  # noqa: ANN401
    return (True, "the same number means something else") if before else (False, "the unit was not agreed")


_RULES: Mapping[str, Callable[[Any, Any], Judged]] = {
    "type": _type,
    "nullable": _nullable,
    "absent": _absent,
    "absent_at_most": _most,
    "allowed": _allowed,
    "pattern": _pattern,
    "at_least": _least,
    "at_most": _most,
    "shortest": _least,
    "longest": _most,
    "unique": _unique,
    "unit": _unit,
}
"""For each rule, whether a new value breaks the old one, and why."""
