"""Profiles: what they count is what is there, and merged ones tell what the whole would."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Number
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featurestore as fs
from featurestore.errors import CorruptError
from featurestore.model.profile import SAMPLE, ColumnProfile, Profile, merge_profiles
from featurestore.model.shapes import MOST, EmbeddingShape
from featurestore.model.sketches import BINS, DISTINCT_HASHES, TOP_VALUES, Moments
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import to_arrow
from featurestore.quality.profile import Profiler, profile_table
from featurestore.quality.profile_hashes import hash_column, hash_texts
from featurestore.testing.strategies import feature_types, values

NUMBERS = {"Int32", "Int64", "Float32", "Float64", "Bool", "Date", "Timestamp", "Decimal"}
EXACT = (
    "rows", "nulls", "empties", "blanks", "nans", "infinities", "zeros", "negatives", "defaults", "least", "greatest",
    "histogram", "distinct", "lengths", "text", "texts", "hours", "weekdays", "midnights",
)  # fmt: skip


def told(column: list[Any], type_: FeatureType, **options: Any) -> ColumnProfile:  # noqa: ANN401 - as `profile_table`
    table = pa.table({"x": pa.array(column, to_arrow(type_))})
    (found,) = profile_table(table, [("x", type_)], **options).columns
    return found


def number(value: Any) -> float:  # noqa: ANN401 - a value of any numeric type
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
    return float((value - date(1970, 1, 1)).days) if isinstance(value, date) else float(value)


# ----------------------------------------------------------------------------------------------- against what is there


@st.composite
def columns(draw: st.DrawFn) -> tuple[FeatureType, list[Any]]:
    type_ = draw(feature_types())
    return type_, draw(st.lists(st.none() | values(type_), max_size=40))


@given(columns())
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_a_naive_count(case: tuple[FeatureType, list[Any]]) -> None:
    type_, given_values = case
    found = told(given_values, type_)
    column: Any = pa.array(given_values, to_arrow(type_))
    present: list[Any] = column.drop_null().to_pylist()
    assert (found.rows, found.nulls, found.values) == (len(given_values), given_values.count(None), len(present))
    if type_.kind in {"String", "Bytes", "List"}:
        assert found.empties == sum(not value for value in present)
        assert found.lengths is not None
        assert dict(zip(found.lengths.bins, found.lengths.counts, strict=True)).keys() == {
            int(np.float64(len(value)).view(np.int64)) for value in present
        }
    if type_.kind == "String":
        assert found.blanks == sum(bool(value) and not value.strip() for value in present)
    if type_.kind in {"String", "Bytes"} and present:
        assert found.distinct is not None
        assert found.distinct.count == len(set(present))
    if type_.kind in NUMBERS:
        against_numbers(found, present)


def against_numbers(found: ColumnProfile, present: list[Any]) -> None:
    numbers = [number(value) for value in present]
    finite = [value for value in numbers if math.isfinite(value)]
    ordered = [value for value in numbers if not math.isnan(value)]
    assert found.zeros == sum(value == 0 for value in numbers)
    assert found.negatives == sum(value < 0 for value in numbers)
    assert (found.nans or 0) == sum(math.isnan(value) for value in numbers)
    assert (found.infinities or 0) == sum(math.isinf(value) for value in numbers)
    assert found.moments is not None
    assert found.histogram is not None
    assert found.distinct is not None
    assert found.top is not None
    assert found.moments.count == found.histogram.total == len(finite)
    edges = [None if edge is None else float(edge) for edge in (found.least, found.greatest)]
    # Arrow rounds a decimal to a double next to the nearest
    assert edges == (pytest.approx([min(ordered), max(ordered)], rel=1e-15) if ordered else [None, None])
    exact = {
        str(value) if isinstance(value, (int, Number)) and abs(float(value)) > 2**53 else number(value)
        for value in present
        if not (isinstance(value, float) and math.isnan(value))
    }
    assert found.distinct.count == len(exact) + any(math.isnan(value) for value in numbers)
    if found.histogram.exact:
        assert [edge for edge, _, _ in found.histogram.intervals()] == pytest.approx(sorted(set(finite)), rel=1e-15)
    assert found.top.complete
    assert sum(rows for _, rows in found.top.values) == len(ordered)


def test_a_wide_column_keeps_exact_ranks_at_its_bins_edges() -> None:
    numbers = np.random.default_rng(0).lognormal(0, 3, 20_000) - 1.0
    found = told(list(numbers), fs.Float64)
    assert found.histogram is not None
    assert not found.histogram.exact
    assert BINS // 2 < len(found.histogram.bins) <= BINS
    for lower, upper, count in found.histogram.intervals():
        assert count == ((numbers >= lower) & (numbers < upper)).sum()
        assert found.histogram.rank(upper) == pytest.approx((numbers < upper).mean())
    widest = max(found.histogram.counts) / len(numbers)
    for share in (0.01, 0.25, 0.5, 0.9, 0.999):
        assert abs((numbers < found.histogram.quantile(share)).mean() - share) <= widest


def test_moments_are_those_of_numpy() -> None:
    numbers = np.random.default_rng(0).gamma(2.0, 3.0, 100_000)
    found = told(list(numbers), fs.Float64).moments
    assert found is not None
    off = numbers - numbers.mean()
    assert found.count == 100_000
    assert found.mean == pytest.approx(numbers.mean())
    assert found.deviation == pytest.approx(numbers.std(ddof=1))
    assert found.skewness == pytest.approx((off**3).mean() / (off**2).mean() ** 1.5)
    assert found.kurtosis == pytest.approx((off**4).mean() / (off**2).mean() ** 2)


@pytest.mark.parametrize("type_", [fs.Int64, fs.Float64, fs.String])
def test_many_distinct_values_are_estimated_within_three_errors(type_: FeatureType) -> None:
    numbers = np.arange(200_000) * 7 - 300_000
    column = [str(value) for value in numbers] if type_ == fs.String else list(numbers.astype(type_.kind.lower()))
    found = told(column, type_).distinct
    assert found is not None
    assert not found.exact
    assert found.count == pytest.approx(200_000, rel=3 / math.sqrt(DISTINCT_HASHES - 2))


def test_a_value_of_one_percent_is_found_among_many_others() -> None:
    numbers = np.random.default_rng(0).normal(size=300_000)
    numbers[::100] = -999.0
    found = told(list(numbers), fs.Float64).top
    assert found is not None
    assert found.values[0][0] == -999.0
    assert found.share(-999.0) == pytest.approx(0.01, rel=0.15)
    assert found.error / found.total < 1 / TOP_VALUES


def test_numbers_that_are_equal_share_a_hash_whatever_their_type() -> None:
    ours = {
        int(hash_column(pa.array([7], type_))[0])
        for type_ in (pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(10, 2))
    }
    assert ours == {int(hash_column(pa.array([7.0]))[0])}


def test_hashes_never_change() -> None:
    """Profiles in catalogs out there merge with those of this release only if they do not."""
    numbers = hash_column(pa.array([0.0, 1.5, None]))
    texts = hash_texts(pa.array(["", "JFK", "eight by", "more than eight bytes"]))
    assert [f"{value:016x}" for value in (*numbers, *texts)] == PINNED


PINNED = [
    "5f02b6f2a8e3182f",
    "366b4e3c9ab2e0e1",
    "5851f42d4c957f2d",
    "5f02b6f2a8e3182f",
    "0731192c9831e4e7",
    "4c1dbe2f38f4335f",
    "ef717858a492afc0",
]


def test_a_text_has_one_hash_wherever_it_lies() -> None:
    texts = pa.array(
        ["filler", "a text of more than sixteen bytes", "", "b", None, "a text of more than sixteen bytes"]
    )
    alone = hash_texts(pa.array(["a text of more than sixteen bytes"]))[0]
    assert [int(value) for value in hash_texts(texts.slice(1, 1))] == [int(alone)]
    assert hash_column(texts.slice(1))[[0, 4]].tolist() == [int(alone)] * 2


# ------------------------------------------------------------------------------------------------------------ the parts


@st.composite
def parts(draw: st.DrawFn) -> tuple[FeatureType, list[list[Any]]]:
    type_ = draw(feature_types())
    return type_, draw(st.lists(st.lists(st.none() | values(type_), max_size=12), min_size=1, max_size=4))


@given(parts())
@settings(max_examples=150, deadline=None)
def test_the_parts_merged_are_the_whole(case: tuple[FeatureType, list[list[Any]]]) -> None:
    type_, pieces = case
    tables = []
    for place, piece in enumerate(pieces):
        times = [datetime(2013, 7, 1 + place, tzinfo=UTC) + timedelta(minutes=row) for row in range(len(piece))]
        tables.append(
            pa.table({
                "k": pa.array(range(len(piece)), pa.int64()),
                "t": pa.array(times, to_arrow(fs.Timestamp)),
                "x": pa.array(piece, to_arrow(type_)),
            })
        )  # fmt: skip
    agree(type_, tables)


def agree(type_: FeatureType, tables: list[pa.Table]) -> None:
    def profile(table: pa.Table) -> Profile:
        return profile_table(table, [("x", type_)], kind="run", keys=["k"], event_time="t")

    merged = merge_profiles([profile(table) for table in tables], kind="run", name="", id="")
    whole = profile(pa.concat_tables(tables))
    for name in ("rows", "first", "last", "volume", "entities", "repeated", "sample"):
        assert getattr(merged, name) == getattr(whole, name), name
    (ours,), (theirs,) = merged.columns, whole.columns
    for name in EXACT:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert repr(ours.sample) == repr(theirs.sample)  # NaN is not equal to itself
    close(ours.moments, theirs.moments)
    if ours.embedding is not None and theirs.embedding is not None:
        assert (ours.embedding.count, ours.embedding.vectors) == (theirs.embedding.count, theirs.embedding.vectors)
        assert ours.embedding.norms == theirs.embedding.norms
        assert ours.embedding.centroid == pytest.approx(theirs.embedding.centroid, rel=1e-9, abs=1e-30)
    if ours.top is not None and theirs.top is not None:
        counted = dict(theirs.top.values)
        for value, rows in ours.top.values:
            assert abs(rows - counted.get(value, 0)) <= ours.top.error + theirs.top.error


def close(ours: Moments | None, theirs: Moments | None) -> None:
    if ours is None or theirs is None:
        assert ours == theirs
        return
    assert ours.count == theirs.count
    size = max(abs(ours.mean), abs(theirs.mean), ours.deviation, 1e-300)
    if size > 1e75:
        return  # their powers are beyond the greatest double
    assert abs(ours.mean - theirs.mean) <= 1e-9 * size
    for power, name in ((2, "m2"), (3, "m3"), (4, "m4")):
        assert abs(getattr(ours, name) - getattr(theirs, name)) <= 1e-6 * max(ours.count, 1) * size**power


@pytest.mark.parametrize("type_", [fs.Int64, fs.Float64, fs.Timestamp, fs.String, fs.Decimal(20, 3), fs.Embedding(4)])
def test_long_parts_merged_are_the_whole(type_: FeatureType) -> None:
    random = np.random.default_rng(3)
    tables = []
    for place, rows in enumerate((9_000, 300, 30_000)):
        whole = random.integers(-(10**6), 10**9, rows)
        column: Any = {
            "Int64": whole,
            "Float64": random.normal(size=rows) * 10.0**place,
            "Timestamp": whole * 1_000_003,
            "String": [f"name {value % 5_000}" for value in whole],
            "Decimal": [Number(int(value)) / 1000 for value in whole],
            "Embedding": list(random.normal(size=(rows, 4)).astype(np.float32)),
        }[type_.kind]
        tables.append(
            pa.table({
                "k": pa.array(np.arange(rows) % 700),
                "t": pa.array(np.arange(rows) * 600_000_000 + place * 10**14, to_arrow(fs.Timestamp)),
                "x": pa.array(column, to_arrow(type_)),
            })
        )  # fmt: skip
    if type_.kind == "String":
        # which texts are looked at is drawn anew, so only what is counted for all is the same
        whole_profile = told(pa.concat_tables(tables).column("x").to_pylist(), type_)
        pieces = [profile_table(table, [("x", type_)]) for table in tables]
        (merged,) = merge_profiles(pieces, kind="run", name="", id="").columns
        for name in ("rows", "nulls", "empties", "least", "greatest", "distinct", "texts", "lengths"):
            assert getattr(merged, name) == getattr(whole_profile, name), name
        return
    agree(type_, tables)


def test_what_parts_disagree_on_is_said() -> None:
    a = profile_table(pa.table({"x": [1, 2]}), [("x", fs.Int64)])
    b = profile_table(pa.table({"x": ["a"]}), [("x", fs.String)])
    merged = merge_profiles([a, b], kind="run", name="n", id="i")
    assert merged.rows == 3
    assert merged.columns[0] == b.columns[0]
    assert merged.inexact == ("x is not told of all parts: they differ in its type",)


# --------------------------------------------------------------------------------------------------------- what is told


def test_null_empty_blank_and_default_are_told_apart() -> None:
    texts = [None, "", " ", "\t\n", "n/a", "n/a", "x"]
    found = told(texts, fs.String, defaults={"x": "n/a"})
    assert (found.nulls, found.empties, found.blanks, found.defaults) == (1, 1, 2, 2)
    assert found.share("nulls") == pytest.approx(1 / 7)
    numbers = told([None, 0.0, -0.0, math.nan, -1.0, math.inf, 7.0], fs.Float64, defaults={"x": -1.0})
    assert (numbers.nulls, numbers.zeros, numbers.nans, numbers.infinities) == (1, 2, 1, 1)
    assert (numbers.negatives, numbers.defaults, numbers.least, numbers.greatest) == (1, 1, -1.0, math.inf)
    assert told([math.nan, 1.0], fs.Float64, defaults={"x": math.nan}).defaults == 1


def test_how_texts_are_written() -> None:
    texts = ["abc", "ABC", "Abc", " a", "a ", " ", "", "12.5", "Zürich", "Z\u00c3\u00bcrich", "Z\ufffdrich", None]
    shape = told(texts, fs.String).text
    assert shape is not None
    assert (shape.looked, shape.lower, shape.upper, shape.mixed) == (11, 3, 1, 4)
    assert (shape.leading, shape.trailing, shape.padded) == (2, 2, 3)
    assert (shape.non_ascii, shape.replacement, shape.mojibake, shape.numeric) == (3, 1, 1, 1)


def test_most_texts_different_are_looked_at_in_part() -> None:
    texts = [f"  customer {number}" if number % 10 else "" for number in range(60_000)]
    found = told(texts, fs.String)
    assert found.text is not None
    assert found.text.looked < 60_000
    assert found.empties == 6_000
    assert found.text.leading == pytest.approx(54_000, rel=0.05)
    assert (found.least, found.greatest) == ("", "  customer 9999")


def test_texts_of_the_least_hashes_are_told() -> None:
    found = told([f"name {number % 1_000}" for number in range(5_000)], fs.String)
    assert found.texts is not None
    assert found.distinct is not None
    assert [row for row, _ in found.texts] == list(found.distinct.hashes[: len(found.texts)])
    for row, text in found.texts:
        assert int(hash_texts(pa.array([text]))[0]) >> 16 == row


def test_times_are_counted_by_hour_day_and_window() -> None:
    start = datetime(2013, 7, 1, tzinfo=UTC)  # a Monday
    times = [start + timedelta(hours=hour) for hour in range(48)]
    table = pa.table({"t": pa.array(times, to_arrow(fs.Timestamp)), "c": pa.array(times, to_arrow(fs.Timestamp))})
    found = profile_table(table, [("t", fs.Timestamp)], event_time="t", created_time="c")
    (column,) = found.columns
    assert column.hours == (2,) * 24
    assert column.weekdays == (24, 24, 0, 0, 0, 0, 0)
    assert column.midnights == 2
    assert found.volume is not None
    assert (found.volume.width, len(found.volume.windows)) == (1_000_000, 48)
    assert found.volume.coarser(3_600_000_000).windows[0] == (int(start.timestamp() * 1e6), 1)
    assert found.lateness is not None
    assert found.lateness.quantile(1.0) == 0.0


def test_a_long_history_is_told_in_wider_windows() -> None:
    times = pa.array(np.arange(5_000) * 3_600_000_000, to_arrow(fs.Timestamp))
    found = profile_table(pa.table({"t": times}), [], event_time="t")
    assert found.volume is not None
    assert found.volume.width == 86_400_000_000
    assert len(found.volume.windows) <= MOST
    assert sum(rows for _, rows in found.volume.windows) == 5_000


@pytest.mark.parametrize("in_order", [True, False])
def test_rows_of_one_key_and_time_are_counted(*, in_order: bool) -> None:
    table = pa.table({
        "k": ["a", "a", "a", "b", "b"],
        "t": pa.array([0, 0, 5, 5, 5], to_arrow(fs.Timestamp)),
    })  # fmt: skip
    profiler = Profiler([], keys=["k"], event_time="t", in_order=in_order)
    for batch in table.to_batches(max_chunksize=2):
        profiler.add(batch)
    found = profiler.result(kind="run", name="", id="")
    assert found.repeated == 2
    assert found.entities is not None
    assert found.entities.count == 2


def test_the_same_rows_are_sampled_in_whatever_order_and_company() -> None:
    rows = 4_000
    table = pa.table({
        "k": pa.array(np.arange(rows)),
        "t": pa.array(np.arange(rows) * 10**6, to_arrow(fs.Timestamp)),
        "x": pa.array(np.arange(rows) / 8),
    })  # fmt: skip
    shuffled = table.take(np.random.default_rng(0).permutation(rows))
    doubled = shuffled.set_column(2, "x", pa.array(np.asarray(shuffled.column("x")) * 2))
    options: dict[str, Any] = {"keys": ["k"], "event_time": "t"}
    before, after = (profile_table(each, [("x", fs.Float64)], **options) for each in (table, doubled))
    assert len(before.sample) == SAMPLE
    assert before.sample == after.sample
    assert [float(value or 0) * 2 for value in before.columns[0].sample] == list(after.columns[0].sample)


def test_vectors_are_told_by_norm_centroid_and_a_few_keys() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(1_000, 8)).astype(np.float32)
    vectors[3, 0], vectors[4, 1], vectors[5] = np.nan, np.inf, 0.0
    column = [None if row == 7 else vector for row, vector in enumerate(vectors)]
    table = pa.table({"k": pa.array(np.arange(1_000)), "x": pa.array(column, to_arrow(fs.Embedding(8)))})
    (found,) = profile_table(table, [("x", fs.Embedding(8))], keys=["k"]).columns
    assert (found.nulls, found.nans, found.infinities, found.zeros) == (1, 1, 1, 1)
    shape = found.embedding
    assert shape is not None
    kept = np.delete(vectors, [3, 4, 7], axis=0)
    assert (shape.dimension, shape.count) == (8, 997)
    assert shape.centroid == pytest.approx(kept.mean(axis=0, dtype=np.float64))
    assert shape.norm.mean == pytest.approx(np.linalg.norm(kept.astype(np.float64), axis=1).mean())
    assert len(shape.vectors) == EmbeddingShape.sample_size(8) == 64
    hashes = hash_column(table.column("k").combine_chunks()) >> np.uint64(16)
    row = int(np.flatnonzero(hashes == shape.vectors[0][0])[0])
    assert shape.vectors[0][1] == pytest.approx(vectors[row].astype(float), rel=1e-3)


# ------------------------------------------------------------------------------------------------------------- its form


@given(columns())
@settings(max_examples=50, deadline=None)
def test_the_json_form_is_read_back(case: tuple[FeatureType, list[Any]]) -> None:
    type_, column = case
    table = pa.table({"x": pa.array(column, to_arrow(type_))})
    found = profile_table(table, [("x", type_)], kind="frame", name="n", id="i")
    text = json.dumps(found.to_json(), allow_nan=False)
    assert repr(Profile.from_json(json.loads(text))) == repr(found)  # NaN is not equal to itself


def test_another_form_is_refused() -> None:
    with pytest.raises(CorruptError, match="form 2, not 1"):
        Profile.from_json({"format": 2})
