"""Two profiles side by side: which rows they share, how much of a difference is chance, and the same rows' values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from featurestore.model.finding import KINDS, Check, Finding, checks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.model.profile import ColumnProfile, Profile
    from featurestore.model.sketches import Scalar

__all__ = ["ALPHA", "HISTORY", "SEASON", "TRAINING", "Column", "Sides", "likelihood_root"]

HISTORY, TRAINING, SEASON = "history", "training", "season"
"""What two profiles are to each other. `history`: the later one is of the same table, so rows of the earlier one are
expected in it. `training`: the rows that a model was trained on, and rows of now. `season`: rows of other times."""

ALPHA = 1e-3
"""Chance of any false finding, over all columns and kinds of one comparison, if rows were drawn at random."""

_FEW_PAIRS = 8


def likelihood_root(x0: float, n0: float, x1: float, n1: float, *, scale: float = 1.0) -> float:
    """Return how far two shares differ, as a standard normal deviate: positive where the second is greater.

    Parameters
    ----------
    x0, n0, x1, n1
        `x0` rows of `n0`, and `x1` rows of `n1`.
    scale
        The information of the two sets of rows, relative to that of two independent ones; see `Sides.scale`.

    Notes
    -----
    The signed root of the likelihood ratio statistic G of a 2 x 2 table, which unlike Pearson's holds for counts near
    zero: S. S. Wilks, "The large-sample distribution of the likelihood ratio for testing composite hypotheses", 1938.
    """
    if n0 <= 0 or n1 <= 0:
        return 0.0
    pooled = (x0 + x1) / (n0 + n1)
    if pooled <= 0 or pooled >= 1:
        return 0.0
    ratio = sum(
        part * log(part / (whole * share))
        for part, whole, share in (
            (x0, n0, pooled), (x1, n1, pooled), (n0 - x0, n0, 1 - pooled), (n1 - x1, n1, 1 - pooled)
        )
        if part > 0
    )  # fmt: skip
    root = sqrt(max(0.0, 2 * ratio * scale))
    return root if x1 / n1 >= x0 / n0 else -root


@dataclass(frozen=True)
class Sides:
    """Two profiles side by side.

    Attributes
    ----------
    before, after
        The two.
    relation
        `HISTORY`, `TRAINING` or `SEASON`.
    """

    before: Profile
    after: Profile
    relation: str = HISTORY

    @cached_property
    def matched(self) -> tuple[tuple[int, int], ...]:
        """Places in both samples of the rows that both hold."""
        places = {row: place for place, row in enumerate(self.after.sample)}
        return tuple((place, places[row]) for place, row in enumerate(self.before.sample) if row in places)

    @cached_property
    def shared(self) -> float:
        """The share of the rows before that are there after too, 0 to 1, as far as the samples tell.

        Of the rows whose hashes lie below both samples' greatest, every shared one is in both samples.
        """
        if not self.before.sample or not self.after.sample:
            return 0.0
        limit = min(self.before.sample[-1], self.after.sample[-1])
        seen = sum(row <= limit for row in self.before.sample)
        return len(self.matched) / (seen + 1)

    @cached_property
    def fresh(self) -> float:
        """The share of the rows after that are of later times than any before, 0 to 1, of one table's history; else 0.

        New rows are of another time, so they may be unlike the old ones without any fault: they are held against a
        season. What moves a share or a distribution by less than this may be their doing.
        """
        if self.relation != HISTORY or not self.after.rows:
            return 0.0
        before, after = self.before.volume, self.after.volume
        if before is None or after is None or not before.windows:
            return max(0.0, 1.0 - self.before.rows / self.after.rows)
        width = max(before.width, after.width)
        (last, held) = before.coarser(width).windows[-1]
        since = sum(rows for start, rows in after.coarser(width).windows if start >= last)
        return min(1.0, max(0.0, since - held) / self.after.rows)

    @cached_property
    def scale(self) -> float:
        """The information in a difference of two shares, relative to independent rows.

        Of `n0` and `n1` rows of which `s` are the same, the variance of the difference of a share `p` is
        `p (1 - p) (1/n0 + 1/n1 - 2 s / (n0 n1))`: rows that are the same cannot differ by chance.
        """
        n0, n1 = self.before.rows, self.after.rows
        if not n0 or not n1:
            return 1.0
        both = min(self.shared * n0, n0, n1)
        independent = 1 / n0 + 1 / n1
        return independent / max(independent - 2 * both / (n0 * n1), independent / 1e4)

    @cached_property
    def critical(self) -> float:
        """How many standard deviations are no chance: `ALPHA` shared evenly (Bonferroni) by columns and kinds."""
        tests = max(1, len(self.after.columns)) * len(KINDS)
        return NormalDist().inv_cdf(1 - ALPHA / (2 * tests))

    def z(self, x0: float, x1: float) -> float:
        """Return how far the share of all rows has moved, in standard deviations."""
        return likelihood_root(x0, self.before.rows, x1, self.after.rows, scale=self.scale)

    def columns(self, checks: Mapping[str, Mapping[str, Check]]) -> list[Column]:
        """Return the columns that both have."""
        defaults = checks_of()
        found = []
        for after in self.after.columns:
            before = self.before.column(after.name)
            if before is not None:
                found.append(Column(self, before, after, checks.get(after.name, defaults)))
        return found


@dataclass(frozen=True)
class Column:
    """One column of both profiles.

    Attributes
    ----------
    sides
        The profiles.
    before, after
        The column in each.
    checks
        How each kind is looked for in it.
    """

    sides: Sides
    before: ColumnProfile
    after: ColumnProfile
    checks: Mapping[str, Check]

    @property
    def name(self) -> str:
        """The column's name."""
        return self.after.name

    @property
    def is_time(self) -> bool:
        """Whether its values are times or dates, which move on by themselves."""
        return self.after.type in {"Timestamp", "Date"} or self.after.hours is not None

    @property
    def is_key(self) -> bool:
        """Whether rows are told apart by it."""
        return self.name in self.sides.after.keys

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.before.text is not None and self.after.text is not None

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers that a unit or a shift can be told of."""
        return self.before.moments is not None and self.after.moments is not None and not self.is_time

    def z(self, x0: float, x1: float) -> float:
        """Return how far a count's share of all rows has moved, in standard deviations."""
        return likelihood_root(x0, self.before.rows, x1, self.after.rows, scale=self.sides.scale)

    def rise(self, x0: float, x1: float) -> float:
        """Return by how much a count's share of all rows has risen; negative: fallen."""
        return x1 / max(self.after.rows, 1) - x0 / max(self.before.rows, 1)

    def rose(self, kind: str, x0: float, x1: float) -> bool:
        """Tell whether a count's share of all rows rose by what counts for `kind`, and not by chance."""
        return self.rise(x0, x1) >= max(self.checks[kind].at, 1e-12) and self.z(x0, x1) > self.sides.critical

    def beyond_new_rows(self, amount: float) -> bool:
        """Tell whether a move by `amount` of all rows is more than new rows can have made."""
        return abs(amount) > self.sides.fresh

    def conserved(self, x0: float, x1: float, moved: float) -> bool:
        """Tell whether a count stayed what it was, in view of `moved`, the share that its parts exchanged.

        It may differ by chance, or by less than half of what was exchanged.
        """
        change = self.rise(x0, x1)
        return abs(change) < moved / 2 or abs(self.z(x0, x1)) < self.sides.critical / 2

    def counts(self, side: str) -> dict[Scalar, int]:
        """Return the frequent values of one side with the rows that hold them."""
        profile: ColumnProfile = getattr(self, side)
        return {} if profile.top is None else dict(profile.top.values)

    def bounds(self, side: str, value: Scalar) -> tuple[int, int]:
        """Return the least and the most rows that can hold a value, as far as the profile tells."""
        profile: ColumnProfile = getattr(self, side)
        if value == 0 and profile.zeros is not None:
            return profile.zeros, profile.zeros
        if profile.top is None:
            return 0, 0
        count = profile.top.count(value)
        return count, count + profile.top.error

    def binned(self, side: str, value: Scalar) -> int:
        """Return the rows of a number's bin, in the bins that both histograms have."""
        before, after = self.before.histogram, self.after.histogram
        if before is None or after is None or isinstance(value, str):
            return 0
        chosen = (before if side == "before" else after).coarser(min(before.bits, after.bits))
        inside = (count for lower, upper, count in chosen.intervals() if lower == value or lower <= value < upper)
        return next(inside, 0)

    def looked(self) -> float:
        """Return the share of rows from which the counts of frequent values come, 0 to 1: a long column is sampled."""
        parts = [side.top.looked / side.top.total for side in (self.before, self.after) if side.top and side.top.total]
        return min([1.0, *parts])

    @cached_property
    def pairs(self) -> tuple[tuple[Scalar | None, Scalar | None], ...]:
        """The values of the same rows before and after; empty where too few rows are the same."""
        before, after = self.before.sample, self.after.sample
        if not before or not after or len(self.sides.matched) < _FEW_PAIRS:
            return ()
        return tuple((before[i], after[j]) for i, j in self.sides.matched if i < len(before) and j < len(after))

    def finding(self, kind: str, amount: float, text: str, **evidence: Any) -> Finding:  # noqa: ANN401 - JSON values
        """Return a finding of this column."""
        measured = {name: _plain(value) for name, value in evidence.items()}
        measured |= {"rows_before": self.before.rows, "rows_after": self.after.rows}
        return Finding(kind, self.name, text, float(amount), self.checks[kind].severity, measured)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, float):
        return round(value, 6) if isfinite(value) else None
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
