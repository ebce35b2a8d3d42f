"""Change detection: one table of detectors, each a small pure function of two profiles; and what explains what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.model.finding import KINDS, SEVERITIES, Finding, checks_of
from featurestore.model.profile import merge_profiles
from featurestore.quality import (
    detect_numbers,
    detect_rows,
    detect_shift,
    detect_text,
    detect_times,
    detect_values,
    detect_vectors,
)
from featurestore.quality.detect_pair import HISTORY, SEASON, TRAINING, Sides
from featurestore.quality.words import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from featurestore.model.finding import Check
    from featurestore.model.profile import Profile
    from featurestore.quality.detect_pair import Column

__all__ = ["COLUMN_DETECTORS", "HISTORY", "SEASON", "TABLE_DETECTORS", "TRAINING", "compare", "compare_season"]

Checks = Mapping[str, Mapping[str, "Check"]]
"""By column, `""` for the table: how each kind is looked for."""

COLUMN_DETECTORS: tuple[Callable[[Column], Iterator[Finding]], ...] = (
    detect_values.type_changed,
    detect_values.absent_values,
    detect_values.emptied,
    detect_values.not_a_number,
    detect_values.constant,
    detect_text.encoding,
    detect_text.rewritten,
    detect_text.categories,
    detect_numbers.unit,
    detect_numbers.precision,
    detect_times.zone,
    detect_vectors.lengths,
    detect_vectors.embedding,
    detect_values.spike,
    detect_shift.shifted,
)
"""What is asked of each column, the most specific first."""

TABLE_DETECTORS: tuple[Callable[[Sides, Mapping[str, Check]], Iterator[Finding]], ...] = (
    detect_rows.duplicates,
    detect_rows.volume,
    detect_rows.arrivals,
    detect_rows.gaps,
    detect_rows.stale,
    detect_rows.late,
)
"""What is asked of the table. A training frame's rows are a sample that somebody chose: nothing is asked of those."""

_WORDS = frozenset({"category_new", "category_vanished", "category_renamed", "spike", "shifted"})
_NULLS = frozenset({"nulls_rose", "nulls_fell"})
_NUMBERS = frozenset({"precision_lost", "not_a_number", "spike", "shifted"})
_TEXTS = frozenset({"case_changed", "whitespace_changed", "truncated", "format_changed"})

EXPLAINS: Mapping[str, frozenset[str]] = {
    "type_changed": frozenset(KINDS) - {"type_changed"},
    "swapped": frozenset(KINDS) - {"swapped", "type_changed", "duplicates"},
    "not_a_number": frozenset({"shifted", "nulls_fell", "constant"}),
    "constant": _WORDS
    | _NULLS
    | _TEXTS
    | {"precision_lost", "spike", "shifted"}
    | {"null_to_sentinel", "unit_changed", "sign_flipped", "zone_shifted"},
    "null_to_empty": _WORDS | _NULLS | _TEXTS | {"emptied"},
    "null_to_sentinel": _WORDS
    | _NULLS
    | _NUMBERS
    | _TEXTS
    | {"unit_changed", "sign_flipped", "zone_shifted", "constant"},
    "empty_to_null": _WORDS | _NULLS | _TEXTS,
    "sentinel_to_null": _WORDS | _NULLS | _NUMBERS | _TEXTS | {"unit_changed", "sign_flipped", "zone_shifted"},
    "emptied": _WORDS | _TEXTS,
    "encoding_changed": _WORDS | _TEXTS,
    "whitespace_changed": _WORDS | {"truncated", "format_changed", "case_changed"},
    "case_changed": _WORDS | {"format_changed", "truncated"},
    "truncated": _WORDS | {"format_changed"},
    "format_changed": _WORDS,
    "unit_changed": _NUMBERS | {"sign_flipped", "category_new", "category_vanished", "category_renamed"},
    "sign_flipped": _NUMBERS | {"category_new", "category_vanished", "category_renamed"},
    "precision_lost": frozenset({"spike", "shifted"}),
    "nulls_rose": frozenset({"shifted"}),
    "nulls_fell": frozenset({"shifted"}),
    "category_renamed": frozenset({"category_new", "category_vanished", "shifted", "spike"}),
    "category_new": frozenset({"shifted", "spike"}),
    "category_vanished": frozenset({"shifted", "spike"}),
    "zone_shifted": frozenset({"spike", "shifted", "late"}),
    "dimension_changed": frozenset({"embedding_model", "embedding_shifted"}),
    "embedding_model": frozenset({"embedding_shifted"}),
    "gap": frozenset({"volume_dropped"}),
    "stale": frozenset({"volume_dropped", "gap"}),
    "duplicates": frozenset({"volume_rose"}),
    "spike": frozenset({"shifted"}),
}
"""Which vaguer kinds, found on the same subject, a kind explains."""

_OF_TABLE = frozenset({"gap", "stale", "volume_dropped", "volume_rose", "late"})

_SEASON_TIMES = 2.0
"""A finding counts if it is this many times the most that the season's windows show among themselves."""

_SEASON_LEAST: Mapping[str, float] = {
    "nulls_rose": 0.2, "nulls_fell": 0.2, "shifted": 0.5, "spike": 0.3, "precision_lost": 0.3, "sentinel_to_null": 0.05,
}  # fmt: skip
"""Least amounts against a season, of what a season does by itself more than any other thing."""

_SEASON_ROWS = 200
"""Rows below which those are not told of a window: so few, of one afternoon, are too alike to stand for a season."""

_DISTRIBUTION = frozenset({"shifted", "spike", "unit_changed", "sign_flipped", "swapped"})
"""Kinds that may be told from a distribution alone, which a season moves."""

_FEW_WINDOWS = 3
_LEAST_DROP, _LEAST_RISE = 0.8, 1.5


def compare(
    before: Profile, after: Profile, *, relation: str = HISTORY, checks: Checks | None = None
) -> tuple[Finding, ...]:
    """Return what differs between two profiles, causes named.

    Parameters
    ----------
    before, after
        What was, and what is.
    relation
        `HISTORY`, `TRAINING` or `SEASON`: what they are to each other.
    checks
        By column, how each kind is looked for (`model.finding.checks_of`); `""` for the table. Others have defaults.

    Returns
    -------
    tuple
        The gravest first. A finding that a more specific one explains is not among them: it is in its `explains`.
    """
    return _explained(_raw(before, after, relation, checks or {}), after)


def compare_season(windows: Sequence[Profile], after: Profile, *, checks: Checks | None = None) -> tuple[Finding, ...]:
    """Return how a window differs from those of the same season: the same hours or weekdays, earlier.

    Each window is also held against the others. A finding counts only if its amount is twice the greatest that these
    show for the same kind and column: what the season does by itself is no change. Rows are compared with the
    fewest and the most that a window had.

    Raises
    ------
    ValueError
        If there are fewer than three windows.
    """
    if len(windows) < _FEW_WINDOWS:
        message = f"a season needs {_FEW_WINDOWS} windows or more, not {len(windows)}"
        raise ValueError(message)
    said = checks or {}
    merged = _merged(windows)
    usual = _usual(windows, said)
    sides = Sides(merged, after, SEASON)
    apart = {column.name: detect_shift.distance(column) for column in sides.columns(said)}
    kept = [
        item
        for item in _raw(merged, after, SEASON, said)
        if _unusual(item, usual, apart) and not (item.kind in _SEASON_LEAST and after.rows < _SEASON_ROWS)
    ]
    return _explained([*kept, *_rows(windows, after, said)], after)


def _usual(windows: Sequence[Profile], checks: Checks) -> Mapping[tuple[str, str], float]:
    """Return the greatest amount that windows of a season show against the others, by kind and column.

    Under the kind `""`: how far their distributions lie apart; of nulls, how far their shares do, whether by chance
    or not.
    """
    usual: dict[tuple[str, str], float] = defaultdict(float)

    def note(kind: str, subject: str, amount: float) -> None:
        usual[kind, subject] = max(usual[kind, subject], amount)

    for place, window in enumerate(windows):
        others = _merged([*windows[:place], *windows[place + 1 :]])
        for finding in _raw(others, window, SEASON, checks):
            note(finding.kind, finding.subject, finding.amount)
        for column in Sides(others, window, SEASON).columns(checks):
            moved = abs(column.rise(column.before.nulls, column.after.nulls))
            for kind, amount in (("nulls_rose", moved), ("nulls_fell", moved), ("", detect_shift.distance(column))):
                note(kind, column.name, amount)
    return usual


def _unusual(finding: Finding, usual: Mapping[tuple[str, str], float], apart: Mapping[str, float]) -> bool:
    """Tell whether a finding is beyond what its season does by itself."""
    kind, subject = finding.kind, finding.subject
    if finding.amount < _SEASON_LEAST.get(kind, 0.0) or finding.amount <= _SEASON_TIMES * usual.get(
        (kind, subject), 0.0
    ):
        return False
    if kind in _DISTRIBUTION and finding.evidence.get("by", "distribution") == "distribution":
        return apart.get(subject, 0.0) > _SEASON_TIMES * usual.get(("", subject), 0.0)
    return True


def _merged(windows: Sequence[Profile]) -> Profile:
    return merge_profiles(windows, kind=windows[-1].kind, name=windows[-1].name, id=windows[-1].id)


def _rows(windows: Sequence[Profile], after: Profile, checks: Checks) -> Iterator[Finding]:
    """Compare the number of rows with the fewest and the most of the season's windows."""
    of_table = checks.get("", checks_of())
    counts = sorted(window.rows for window in windows)
    middle = counts[len(counts) // 2]
    evidence = {"rows": after.rows, "fewest": counts[0], "most": counts[-1], "windows": len(counts)}
    if after.rows < _LEAST_DROP * counts[0]:
        share = 1 - after.rows / middle
        text = f"{after.rows:,} rows, {percent(share)} fewer: the season has {counts[0]:,} to {counts[-1]:,}"
        yield Finding("volume_dropped", "", text, share, of_table["volume_dropped"].severity, evidence)
    elif after.rows > _LEAST_RISE * counts[-1]:
        text = f"{after.rows:,} rows, where windows of this season had {counts[0]:,} to {counts[-1]:,}"
        yield Finding("volume_rose", "", text, after.rows / middle - 1, of_table["volume_rose"].severity, evidence)


def _raw(before: Profile, after: Profile, relation: str, checks: Checks) -> list[Finding]:
    """Return every finding, the vague ones too; its subject is the column's name, empty for the table."""
    of_table = checks.get("", checks_of())
    if not before.rows:
        return []
    if not after.rows:
        text = f"there are no rows; there were {before.rows:,}"
        return [
            Finding("volume_dropped", "", text, 1.0, of_table["volume_dropped"].severity, {"rows_before": before.rows})
        ]
    sides = Sides(before, after, relation)
    columns = sides.columns(checks)
    found: list[Finding] = []
    for column in columns:
        for detector in COLUMN_DETECTORS:
            found += detector(column)
    found += detect_shift.swapped([column for column in columns if column.before.type == column.after.type])
    if relation != TRAINING:
        for of_rows in TABLE_DETECTORS:
            found += of_rows(sides, of_table)
    by_name = {column.name: column.checks for column in columns}
    return [item for item in found if by_name.get(item.subject, of_table)[item.kind].wanted]


def _explained(found: Iterable[Finding], after: Profile) -> tuple[Finding, ...]:
    """Leave out what a more specific finding on the same subject explains, and name the subjects."""
    every = list(found)
    shifted_event = any(item.kind == "zone_shifted" and item.subject == after.event_time for item in every)
    kept: list[Finding] = []
    for item in every:
        others = [other for other in every if other.subject == item.subject and other is not item]
        if any(_outranks(other.kind, item.kind) for other in others):
            continue
        if shifted_event and item.kind in _OF_TABLE:
            continue
        kinds = sorted({other.kind for other in others if _outranks(item.kind, other.kind)})
        kept.append(replace(item, subject=_subject(after, item.subject), explains=tuple(kinds)))
    unique = {(item.kind, item.subject): item for item in sorted(kept, key=lambda item: item.amount)}
    return tuple(sorted(unique.values(), key=_order))


def _outranks(kind: str, other: str) -> bool:
    """Tell whether `kind` explains `other`; of two that would explain each other, the first in the table does."""
    if other not in EXPLAINS.get(kind, frozenset()):
        return False
    order = list(EXPLAINS)
    mutual = kind in EXPLAINS.get(other, frozenset())
    return not mutual or order.index(kind) < order.index(other)


def _order(finding: Finding) -> tuple[int, float, str]:
    return -SEVERITIES.index(finding.severity), -finding.amount, finding.subject


def _subject(profile: Profile, column: str) -> str:
    if not column:
        return profile.name
    return f"{profile.name}.{column}" if profile.kind == "source" else f"{profile.name}:{column}"
