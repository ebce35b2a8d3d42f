"""Texts and categories: the same words written otherwise, and words that came or went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.quality.words import percent, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.model.finding import Finding
    from featurestore.model.sketches import Scalar
    from featurestore.quality.detect_pair import Column

__all__ = ["categories", "encoding", "rewritten"]

_FEW = 3
"""Values named in a sentence."""

_COVERED = 0.9
"""Share of values that the listed ones must hold for a column to count as one of categories."""

_MANY = 128

_NEAR = 0.25
"""By how much the shares of a value that went and of one that came may differ for it to be a renaming."""

_KEPT = 0.8
"""Share of new texts that must be explained by one way of rewriting."""


def encoding(column: Column) -> Iterator[Finding]:
    """Find texts that were decoded by the wrong table.

    Rises of texts that hold U+FFFD, or the pairs that UTF-8 shows when it is read as Latin-1 or Windows-1252 (`Ã©`
    for `é`).
    """
    if column.before.text is None or column.after.text is None:
        return
    for name, said in (("mojibake", "show UTF-8 read as Latin-1"), ("replacement", "hold U+FFFD")):
        x0, x1 = getattr(column.before.text, name), getattr(column.after.text, name)
        if column.rose("encoding_changed", x0, x1):
            moved = column.rise(x0, x1)
            yield column.finding(
                "encoding_changed", moved, f"{percent(moved)} of rows {said}", sign=name, before=x0, after=x1
            )
            return


def rewritten(column: Column) -> Iterator[Finding]:
    """Find texts that changed case, blanks, length or form, in this order; the first that explains is told.

    Three kinds of evidence, any of which suffices: the same rows, before and after; new values that are old ones once
    both are folded (case, blanks, their beginning); and the counts of how texts are written (`TextShape`), where a form
    rose that was hardly there.
    """
    if not column.is_text:
        return
    for kind, fold, counts in _WAYS:
        if (found := _by_rows(column, kind, fold) or _by_values(column, kind, fold)) is not None:
            yield found
            return
        for name in counts:
            if (found := _by_shape(column, kind, name)) is not None:
                yield found
                return
    if (found := _cut(column)) is not None:
        yield found


def _case(old: str, new: str) -> bool:
    return old != new and old.casefold() == new.casefold()


def _blanks(old: str, new: str) -> bool:
    return old != new and old.strip() == new.strip()


def _beginning(old: str, new: str) -> bool:
    return len(new) >= 2 and len(new) < len(old) and old.startswith(new)  # noqa: PLR2004 - one letter begins too much


def _form(old: str, new: str) -> bool:
    """Tell whether only what is between letters and digits differs: `1,234`, `1234`; `2013-07-01`, `2013/07/01`."""
    return old != new and [char for char in old if char.isalnum()] == [char for char in new if char.isalnum()]


_WAYS: tuple[tuple[str, Callable[[str, str], bool], tuple[str, ...]], ...] = (
    ("whitespace_changed", _blanks, ("leading", "trailing")),
    ("case_changed", _case, ("lower", "upper", "mixed")),
    ("truncated", _beginning, ()),
    ("format_changed", _form, ("numeric",)),
)

_SAID = {
    "whitespace_changed": "gained or lost blanks around them",
    "case_changed": "changed between upper and lower case",
    "truncated": "are cut",
    "format_changed": "are written in another form",
}


_FORMS = {
    "leading": "begin with blanks",
    "trailing": "end with blanks",
    "lower": "are in lower case",
    "upper": "are in upper case",
    "mixed": "are in mixed case",
    "numeric": "read otherwise as numbers",
}


def _by_rows(column: Column, kind: str, same: Callable[[str, str], bool]) -> Finding | None:
    """Compare the same rows: at least three, and most of those that changed, must have changed in this way."""
    changed = [(old, new) for old, new in column.pairs if isinstance(old, str) and isinstance(new, str) and old != new]
    hits = [(old, new) for old, new in changed if same(old, new)]
    share = len(hits) / len(column.pairs) if column.pairs else 0.0
    if len(hits) < _FEW or len(hits) < _KEPT * len(changed) or share < column.checks[kind].at:
        return None
    examples = [f"{shown(old)} -> {shown(new)}" for old, new in dict.fromkeys(hits)][:_FEW]
    text = f"{percent(share)} of rows {_SAID[kind]}: {', '.join(examples)}"
    return column.finding(kind, share, text, examples=examples, rows_compared=len(column.pairs))


def _by_values(column: Column, kind: str, same: Callable[[str, str], bool]) -> Finding | None:
    """Compare values that are new with those that were known."""
    known = [value for value in column.counts("before") if isinstance(value, str)]
    held = column.counts("before")
    fresh = {
        value: count for value, count in column.counts("after").items() if isinstance(value, str) and value not in held
    }
    unlisted = column.before.top.error if column.before.top is not None else 0
    explained: dict[str, str] = {}
    for value in fresh:
        match = next((old for old in known if same(old, value)), None)
        if match is not None:
            explained[value] = match
    rows = sum(fresh[value] for value in explained)
    if not explained or rows < _KEPT * sum(fresh.values()) or not column.rose(kind, unlisted, rows):
        return None
    most = sorted(explained, key=lambda value: -fresh[value])[:_FEW]
    examples = [f"{shown(explained[value])} -> {shown(value)}" for value in most]
    moved = rows / column.after.rows
    text = f"{percent(moved)} of rows {_SAID[kind]}: {', '.join(examples)}"
    return column.finding(kind, moved, text, examples=examples, values=len(explained))


def _by_shape(column: Column, kind: str, name: str) -> Finding | None:
    """Find a form of writing that was hardly there, and is, or that was everywhere, and is not."""
    if column.before.text is None or column.after.text is None:
        return None
    x0, x1 = getattr(column.before.text, name), getattr(column.after.text, name)
    filled = [max(profile.values - (profile.empties or 0), 1) for profile in (column.before, column.after)]
    if name == "numeric" and x0 > _KEPT * filled[0]:  # numbers that no longer read as numbers
        x0, x1 = filled[0] - x0, filled[1] - x1
    if x0 > column.before.rows * column.checks[kind].at or not column.rose(kind, x0, x1):
        return None
    moved = column.rise(x0, x1)
    shares = x0 / column.before.rows, x1 / column.after.rows
    text = f"{percent(shares[1])} of rows {_FORMS[name]}, {percent(shares[0])} did"
    return column.finding(kind, moved, text, form=name, before=shares[0], after=shares[1])


def _cut(column: Column) -> Finding | None:
    """Find texts that end at one length: longer ones are gone, and the greatest length has their rows."""
    before, after = column.before.lengths, column.after.lengths
    if before is None or after is None or not before.bins or not after.bins:
        return None
    if column.before.top is None or column.before.top.complete:
        return None  # all values are known: one that was cut shows as such, and one that is gone is no cut
    longest = after.edge(after.bins[-1])
    longer = sum(count for lower, _, count in before.intervals() if lower > longest)
    at0 = sum(count for lower, _, count in before.intervals() if lower == longest)
    moved = column.rise(at0, after.counts[-1])
    if not column.rose("truncated", at0, after.counts[-1]) or column.z(longer, 0) > -column.sides.critical:
        return None
    if not column.conserved(at0 + longer, after.counts[-1], moved):
        return None
    text = f"no text is longer than {longest:.0f}; {percent(longer / column.before.rows)} of rows were"
    return column.finding("truncated", moved, text, length=longest, longer_before=longer)


def categories(column: Column) -> Iterator[Finding]:
    """Find values that are new, that are gone, and the pairs of the two that are a renaming.

    A column of categories is one whose listed values hold 90% of its rows. A value is gone or new where its share,
    now or before, is beyond chance for a value that is not there; a renaming exchanges shares that are equal within a
    quarter.
    """
    if not _categorical(column):
        return
    gone = _one_sided(column, "category_vanished", "before", "after")
    fresh = _one_sided(column, "category_new", "after", "before")
    rows = column.before.rows, column.after.rows
    renamed = [
        (old, new)
        for old in gone
        for new in fresh
        if abs(gone[old] / rows[0] - fresh[new] / rows[1]) < _NEAR * gone[old] / rows[0]
    ]
    if len(gone) == len(fresh) and renamed:
        share = sum(gone.values()) / rows[0]
        examples = [f"{shown(old)} -> {shown(new)}" for old, new in renamed[:_FEW]]
        yield column.finding(
            "category_renamed", share, f"{', '.join(examples)} ({percent(share)} of rows)", examples=examples
        )
        return
    for kind, found, whole, said in (
        ("category_vanished", gone, rows[0], "gone"), ("category_new", fresh, rows[1], "never seen before"),
    ):  # fmt: skip
        if found:
            most = sorted(found, key=lambda value: -found[value])
            names = ", ".join(shown(value) for value in most[:_FEW]) + (", ..." if len(most) > _FEW else "")
            share = sum(found.values()) / whole
            yield column.finding(
                kind, share, f"{said}: {names} ({percent(share)} of rows)", values=[shown(value) for value in most[:20]]
            )


def _categorical(column: Column) -> bool:
    before, after = column.before, column.after
    if before.top is None or after.top is None or not before.top.total or not after.top.total:
        return False
    if not column.is_text and not (
        before.top.complete and before.type not in {"Float32", "Float64"} and not column.is_time
    ):
        return False
    listed = sum(count for _, count in before.top.values)
    return listed >= _COVERED * before.top.total


def _one_sided(column: Column, kind: str, here: str, there: str) -> dict[Scalar, int]:
    """Return values of one side that the other lacks, beyond chance."""
    other = getattr(column, there)
    held = column.counts(there)
    found: dict[Scalar, int] = {}
    for value, count in column.counts(here).items():
        if value in held or (isinstance(value, str) and not value.strip()):
            continue
        unlisted = other.top.error
        x0, x1 = (unlisted, count) if here == "after" else (count, unlisted)
        share = abs(column.rise(x0, x1))
        if share >= column.checks[kind].at and abs(column.z(x0, x1)) > column.sides.critical:
            found[value] = count
    return found
