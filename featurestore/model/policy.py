"""Policy: what a proposed change may do to those it reaches. Severity and reach give an action.

A severity says how much a change can hurt (`breaking`, `risky`, `safe`), a reach whom it hurts:

live       a model on an endpoint, or what the default pointer serves
pinned     a registered model that is not live, a feature set, or the version applied last
archived   a version that nothing of these reads
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

__all__ = ["ACTIONS", "KINDS", "REACHES", "SEVERITIES", "Policy"]

SEVERITIES = ("breaking", "risky", "safe")
"""From the worst."""

REACHES = ("live", "pinned", "archived")
"""From the nearest to somebody who would notice."""

ACTIONS = ("block", "warn", "allow")
"""From the strictest."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "column_dropped": "breaking",
        "column_renamed": "breaking",
        "column_retyped": "breaking",
        "column_widened": "risky",
        "definition_broken": "breaking",
        "feature_removed": "breaking",
        "feature_retyped": "breaking",
        "feature_rekeyed": "breaking",
        "feature_repurposed": "breaking",
        "feature_widened": "risky",
        "feature_recomputed": "risky",
        "feature_recomputed_unpinned": "risky",
    }
)
"""Kinds of changes that reach somebody, each with the severity it has unless the policy says another."""


def _table(live: str, pinned: str, archived: str) -> Mapping[str, str]:
    return MappingProxyType({"live": live, "pinned": pinned, "archived": archived})


@dataclass(frozen=True, slots=True)
class Policy:
    """Severity and reach to action.

    Attributes
    ----------
    breaking, risky, safe
        Reach to action.
    severity
        Severity of kinds of changes, where it is another than in `KINDS`.
    longest_acknowledgement
        The longest time for which an impact may be accepted.
    """

    breaking: Mapping[str, str] = field(default_factory=lambda: _table("block", "warn", "allow"))
    risky: Mapping[str, str] = field(default_factory=lambda: _table("warn", "allow", "allow"))
    safe: Mapping[str, str] = field(default_factory=lambda: _table("allow", "allow", "allow"))
    severity: Mapping[str, str] = field(default_factory=dict)
    longest_acknowledgement: timedelta = timedelta(days=90)

    def severity_of(self, kind: str) -> str:
        """Return how much a change of that kind can hurt."""
        return self.severity.get(kind, KINDS[kind])

    def action(self, severity: str, reach: str) -> str:
        """Return what is done about a change of that severity that reaches somebody so."""
        tables = {"breaking": self.breaking, "risky": self.risky, "safe": self.safe}
        return tables[severity][reach]
