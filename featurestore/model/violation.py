"""Violations: how rows break a contract, rule by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ContractCheck", "Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that rows break.

    Attributes
    ----------
    subject
        Whose rows: `source/weather`, or `view/airport_weather`.
    rule, column
        Which rule; column is None for a rule of the whole source.
    rows, of
        How many rows break it, of how many; `rows` is None where the rule is not about single rows.
    examples
        A few of the values at fault, the most frequent first, as text; empty where the column is sensitive.
    text
        What is promised and what was found.
    cure
        What to do next.
    """

    subject: str
    rule: str
    column: str | None
    rows: int | None
    of: int
    examples: tuple[str, ...]
    text: str
    cure: str

    def __str__(self) -> str:
        return f"{self.text} {self.cure}"


@dataclass(frozen=True, slots=True)
class ContractCheck:
    """Rows held against a contract.

    Attributes
    ----------
    subject, contract
        Whose rows, and the version of the contract: `weather@c2`.
    data
        What was read: the source's data version, a snapshot, or the path of a file.
    rows, at
        Rows that were read, and the moment that freshness is counted from.
    violations
        The rules that are broken; empty where the contract holds.
    """

    subject: str
    contract: str
    data: str
    rows: int
    at: datetime
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        kept = (
            f"{self.contract} holds for {self.rows:,} rows"
            if not self.violations
            else (
                f"{self.contract} is broken: {len(self.violations)} "
                f"{'rule' if len(self.violations) == 1 else 'rules'} of {self.rows:,} rows"
            )
        )
        lines = [kept]
        for item in self.violations:
            lines.append(f"  {item.rule}{f' of {item.column}' if item.column else ''}: {item.text}")
            lines.append(f"    {item.cure}")
        return "\n".join(lines)
