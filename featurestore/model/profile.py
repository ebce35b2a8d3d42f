"""Profiles: what rows look like, in numbers that are small, comparable, and merge.

A profile is of the rows of a snapshot, of one run of it, of a source at one data version, or of a training frame.
Profiles of disjoint rows merge into that of all of them: counts, moments, histograms and distinct sketches exactly, top
values within their stated error, so that a snapshot's profile is that of its runs.

How values are told in a profile (`Scalar`): numbers as they are, a Decimal as a double, Bool as true and false, a
Date as days and a Timestamp as microseconds since 1970-01-01 UTC (both are numbers, with moments and histogram), a
String as its first `TEXT` characters, Bytes as the hex digits of their first 32 bytes. Lists and embeddings are never
told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import add
from typing import TYPE_CHECKING, Any, TypeVar

from featurestore.errors import CorruptError
from featurestore.model.json_form import from_plain, to_plain
from featurestore.model.shapes import EmbeddingShape, TextShape, Volume
from featurestore.model.sketches import Distinct, Histogram, Moments, Scalar, Top

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

__all__ = ["SAMPLE", "TEXT", "TEXTS", "ColumnProfile", "Profile", "merge_profiles"]

TEXT = 80
"""Characters of a text that a profile tells; texts that differ later count as one in `top`, never in `distinct`."""

TEXTS = 128
"""Distinct texts that a profile tells."""

FORMAT = 1
"""Of the JSON form."""

SAMPLE = 512
"""Rows in a profile's sample."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What one column's values look like. Counts are of rows; a field that does not apply to the type is None.

    Every row is a null, or a value. A value of String may be empty or blank, a number NaN or infinite.

    Attributes
    ----------
    name, type
        The column, and its type's text form, e.g. `Float64`, `List(String)`.
    rows, nulls
        All rows, and those without a value.
    empties
        String `''`, Bytes of length 0, a list without items: a value is there, and holds nothing.
    blanks
        String of one or more characters, all of them white space. Not among `empties`.
    nans, infinities
        Float32 and Float64; of embeddings the vectors with a NaN, and with an infinite element but no NaN.
    zeros, negatives
        Numbers equal to 0 (-0.0 included; `false` of Bool; a vector of length 0), and below 0 (-infinity included).
    defaults
        Rows equal to the feature's declared `default`; None where none is declared.
    least, greatest
        Of the values, NaN left out: numbers, Bool, Date, Timestamp; of String and Bytes by their bytes, cut as told
        above. None without values, and for lists and embeddings.
    moments, histogram
        Of finite numbers (Int, Float, Decimal, Date, Timestamp, see above for units; Bool as 0 and 1).
    distinct
        Of values; NaN is one value, -0.0 is 0.0. None for lists and embeddings.
    top
        The most frequent values, infinities and empties included, NaN not. None for lists and embeddings.
    lengths
        Histogram of lengths: characters of String, bytes of Bytes, items of a list.
    text
        How texts are written; String only.
    texts
        String only: the distinct texts with the least hashes, `TEXTS` at most, as `(hash, text)`; they are the first of
        `distinct.hashes`. A text that two columns or profiles hold is in both or beyond both ends, so spellings of one
        thing can be matched where there are too many values for `top`.
    hours, weekdays
        Timestamp only: rows by hour of day, 24 counts, and by day of the week, Monday first, 7 counts; both in UTC.
    midnights
        Timestamp only: rows at exactly 00:00:00 UTC.
    embedding
        Embedding only.
    engine
        Of a source's column: its type as the source's engine names it.
    sample
        The column's values in the rows of `Profile.sample`, None for null; empty for lists and embeddings.
    """

    name: str
    type: str
    rows: int = 0
    nulls: int = 0
    empties: int | None = None
    blanks: int | None = None
    nans: int | None = None
    infinities: int | None = None
    zeros: int | None = None
    negatives: int | None = None
    defaults: int | None = None
    least: Scalar | None = None
    greatest: Scalar | None = None
    moments: Moments | None = None
    histogram: Histogram | None = None
    distinct: Distinct | None = None
    top: Top | None = None
    lengths: Histogram | None = None
    text: TextShape | None = None
    texts: tuple[tuple[int, str], ...] | None = None
    hours: tuple[int, ...] | None = None
    weekdays: tuple[int, ...] | None = None
    midnights: int | None = None
    embedding: EmbeddingShape | None = None
    engine: str | None = None
    sample: tuple[Scalar | None, ...] = ()

    @property
    def values(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls

    def share(self, count: str) -> float:
        """Return the share of all rows that a count has, `share("nulls")`: from 0 to 1, 0 where it does not apply."""
        found: int | None = getattr(self, count)
        return found / self.rows if found and self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What the rows of a snapshot, a run, a source or a training frame look like.

    Attributes
    ----------
    kind
        `snapshot`, `run`, `source` or `frame`.
    name
        Whose rows: `view@vN`, a source's name, a model version, or a frame's id.
    id
        The snapshot's id, the run's digest, the source's data version, the frame's id.
    rows
        All rows.
    looked
        Rows that the columns tell of, where that is an even sample of a long source; None: all.
    columns
        In the schema's order. Of a snapshot keys, times and features, of a source the columns that views read, of a
        frame its feature columns.
    at
        When the rows were read, microseconds since 1970 UTC: the wall clock's.
    keys, event_time
        Names of the key columns and the event time, where there are; empty and None for a source.
    first, last
        Least and greatest event time, microseconds since 1970 UTC; freshness is `at - last`. None without event time.
    volume
        Rows per window of event time; None without one.
    lateness
        Histogram of created time - event time, seconds; None without a created time.
    entities
        Distinct keys; None for a source.
    repeated
        Rows whose key and event time (of a dimension: key) another row before them has: duplicated keys. Of a source
        rows that equal another before them in all columns but lists. None where unknown: of a frame, a sample.
    distinct_rows
        Of a source, distinct rows, all columns but lists compared; None elsewhere, and of a sample.
    dropped
        Reason to rows that the materialization left out (`null key`, `null event time`).
    sample
        Hashes of key and event time of the rows in each column's `sample`: the `SAMPLE` least, ascending, so the same
        rows wherever they are held, and values of one row before and after can be compared. Empty for a source.
    method
        `rows`: every row was read. `statistics`: only what files' footers tell, the rest is None.
    parts
        How many profiles were merged into this one; 1 for rows read at once.
    inexact
        Why it does not tell exactly these rows, e.g. that a part was replaced since and could not be taken out; empty
        where it does.
    """

    kind: str
    name: str
    id: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    at: int = 0
    keys: tuple[str, ...] = ()
    event_time: str | None = None
    first: int | None = None
    last: int | None = None
    volume: Volume | None = None
    lateness: Histogram | None = None
    entities: Distinct | None = None
    repeated: int | None = None
    distinct_rows: Distinct | None = None
    dropped: tuple[tuple[str, int], ...] = ()
    sample: tuple[int, ...] = ()
    method: str = "rows"
    parts: int = 1
    inexact: tuple[str, ...] = ()
    looked: int | None = None

    def column(self, name: str) -> ColumnProfile | None:
        """Return a column's profile, or None if there is no such column."""
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: what has its default is left out."""
        return {"format": FORMAT, **to_plain(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Profile:
        """Read the JSON form.

        Raises
        ------
        CorruptError
            If a newer release wrote it.
        """
        if value.get("format") != FORMAT:
            message = (
                f"a profile has the form {value.get('format')!r}, not {FORMAT}: read it with the release that wrote it."
            )
            raise CorruptError(message)
        return from_plain(cls, {name: item for name, item in value.items() if name != "format"})


def merge_profiles(parts: Sequence[Profile], *, kind: str, name: str, id: str) -> Profile:  # noqa: A002 - as the field
    """Return the profile of all rows of several profiles, whose rows are disjoint.

    A column that not all parts have, or have in another type, is told of the parts that agree with the last, and the
    profile says so in `inexact`.

    Raises
    ------
    ValueError
        If there are no parts.
    """
    merged = parts[0]
    for part in parts[1:]:
        merged = _merged(merged, part)
    return replace(merged, kind=kind, name=name, id=id)


def _merged(a: Profile, b: Profile) -> Profile:
    sample = tuple(sorted({*a.sample, *b.sample})[:SAMPLE])
    before = {column.name: column for column in a.columns}
    columns = []
    reasons = [*a.inexact, *b.inexact]
    for column in b.columns:
        old = before.get(column.name)
        if old is None or old.type != column.type:
            reasons.append(f"{column.name} is not told of all parts: they differ in its type")
            columns.append(column)
            continue
        columns.append(_merged_column(old, column, _sampled(sample, a, old, b, column)))
    return Profile(
        b.kind,
        b.name,
        b.id,
        a.rows + b.rows,
        tuple(columns),
        max(a.at, b.at),
        b.keys,
        b.event_time,
        _both(a.first, b.first, min),
        _both(a.last, b.last, max),
        _both(a.volume, b.volume, Volume.merged),
        _both(a.lateness, b.lateness, Histogram.merged),
        _both(a.entities, b.entities, Distinct.merged),
        _all(a.repeated, b.repeated),
        None if a.distinct_rows is None or b.distinct_rows is None else a.distinct_rows.merged(b.distinct_rows),
        tuple(sorted(_summed(a.dropped, b.dropped).items())),
        sample,
        "rows" if a.method == b.method == "rows" else "statistics",
        a.parts + b.parts,
        tuple(dict.fromkeys(reasons)),
    )


def _sampled(
    sample: tuple[int, ...], a: Profile, old: ColumnProfile, b: Profile, new: ColumnProfile
) -> tuple[Scalar | None, ...]:
    values = {**dict(zip(a.sample, old.sample, strict=False)), **dict(zip(b.sample, new.sample, strict=False))}
    return tuple(values[row] for row in sample) if len(values) >= len(sample) else ()


def _merged_column(a: ColumnProfile, b: ColumnProfile, sample: tuple[Scalar | None, ...]) -> ColumnProfile:
    return ColumnProfile(
        b.name,
        b.type,
        a.rows + b.rows,
        a.nulls + b.nulls,
        _all(a.empties, b.empties),
        _all(a.blanks, b.blanks),
        _all(a.nans, b.nans),
        _all(a.infinities, b.infinities),
        _all(a.zeros, b.zeros),
        _all(a.negatives, b.negatives),
        _all(a.defaults, b.defaults),
        _bound(a.least, b.least, min),
        _bound(a.greatest, b.greatest, max),
        _both(a.moments, b.moments, Moments.merged),
        _both(a.histogram, b.histogram, Histogram.merged),
        _both(a.distinct, b.distinct, Distinct.merged),
        _both(a.top, b.top, Top.merged),
        _both(a.lengths, b.lengths, Histogram.merged),
        _both(a.text, b.text, TextShape.merged),
        _both(a.texts, b.texts, lambda x, y: tuple(sorted({*x, *y})[:TEXTS])),
        _both(a.hours, b.hours, lambda x, y: tuple(map(add, x, y))),
        _both(a.weekdays, b.weekdays, lambda x, y: tuple(map(add, x, y))),
        _all(a.midnights, b.midnights),
        _both(a.embedding, b.embedding, EmbeddingShape.merged),
        b.engine,
        sample,
    )


def _both(a: T | None, b: T | None, merge: Callable[[T, T], T]) -> T | None:
    """Return both merged, or the one that is known: a part without rows or values knows none."""
    if a is None or b is None:
        return b if a is None else a
    return merge(a, b)


def _bound(a: Scalar | None, b: Scalar | None, choose: Callable[[Any, Any], Any]) -> Scalar | None:
    """Return the one of two values of a column that `min` or `max` chooses."""
    if a is None or b is None:
        return b if a is None else a
    found: Scalar = choose(a, b)
    return found


def _all(a: int | None, b: int | None) -> int | None:
    """Return the sum of two counts, if both are known."""
    return None if a is None or b is None else a + b


def _summed(a: Sequence[tuple[str, int]], b: Sequence[tuple[str, int]]) -> dict[str, int]:
    found = dict(a)
    for reason, count in b:
        found[reason] = found.get(reason, 0) + count
    return found
