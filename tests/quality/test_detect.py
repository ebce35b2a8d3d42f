"""Each kind of fault is found in a small table, by its name; rows that only differ by chance raise nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from featurestore.model.finding import KINDS, Finding, checks_of, read_checks
from featurestore.model.profile import Profile
from featurestore.model.times import to_micros
from featurestore.offline.arrow_types import from_arrow, to_arrow
from featurestore.quality.detect import EXPLAINS, HISTORY, SEASON, TRAINING, compare, compare_season
from featurestore.quality.profile import profile_table

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 4_000
WORDS = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon"]
Change = Callable[[pl.DataFrame], pl.DataFrame]


def table(seed: int = 0, rows: int = ROWS, start: datetime = START) -> pl.DataFrame:
    """Return hourly rows of ten keys, by day more than by night; every feature of a kind of its own."""
    drawn = np.random.default_rng(seed)
    hours = np.sort(drawn.choice(np.flatnonzero(np.arange(rows) % 24 < 18), rows // 10, replace=False))
    unit = drawn.normal(size=(rows, 8))
    number = drawn.normal(60, 15, rows)
    return pl.DataFrame(
        {
            "key": np.tile(np.arange(10), rows // 10),
            "at": [start + timedelta(hours=int(hour)) for hour in hours for _ in range(10)],
            "remark": [None if x < 0.6 else "LATE" for x in drawn.random(rows)],
            "word": drawn.choice(WORDS, rows, p=[0.4, 0.3, 0.15, 0.1, 0.05]).tolist(),
            "code": [f"N{value:05d}" for value in drawn.integers(0, 99_999, rows)],
            "temp": np.round(number, 2),
            "wind": np.round(drawn.gamma(2, 5, rows), 3),
            "gust": [None if x < 0.3 else round(x * 30, 2) for x in drawn.random(rows)],
            "seen": [start + timedelta(hours=int(9 + 3 * x), minutes=int(60 * x)) for x in drawn.random(rows).tolist()],
            "vector": pl.Series(
                (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32), dtype=pl.Array(pl.Float32, 8)
            ),
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "seen": pl.Datetime("us", "UTC")},
    )


def profiled(frame: pl.DataFrame, *, at: datetime | None = None) -> Profile:
    arrow = frame.to_arrow()
    columns = [(field.name, from_arrow(field.type, where=field.name)) for field in arrow.schema]
    arrow = arrow.cast(pa.schema([pa.field(name, to_arrow(type_)) for name, type_ in columns]))
    made = profile_table(arrow, columns, kind="snapshot", name="view@v1", keys=("key",), event_time="at")
    return made if at is None else replace(made, at=to_micros(at))


def some(share: float, column: str, new: pl.Expr | Callable[[pl.Expr], pl.Expr]) -> Change:
    """Change a column in about a share of the rows, where it is not null (or, of a value for null, where it is)."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        hit = pl.Series(np.random.default_rng(9).random(frame.height) < share, dtype=pl.Boolean)
        value = pl.col(column)
        into = new(value) if callable(new) else new
        return frame.with_columns(pl.when(hit & value.is_not_null()).then(into).otherwise(value).alias(column))

    return change


def nulls(share: float, column: str, value: object) -> Change:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        hit = pl.Series(np.random.default_rng(9).random(frame.height) < share, dtype=pl.Boolean)
        return frame.with_columns(
            pl.when(hit & pl.col(column).is_null()).then(pl.lit(value)).otherwise(column).alias(column)
        )

    return change


def swap(share: float) -> Change:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        hit = pl.Series(np.random.default_rng(9).random(frame.height) < share, dtype=pl.Boolean)
        return frame.with_columns(
            pl.when(hit).then("wind").otherwise("temp").alias("temp"),
            pl.when(hit).then("temp").otherwise("wind").alias("wind"),
        )

    return change


def other_vectors(frame: pl.DataFrame) -> pl.DataFrame:
    drawn = np.random.default_rng(7).normal(size=(frame.height, 8))
    return frame.with_columns(pl.Series("vector", drawn.astype(np.float32), dtype=pl.Array(pl.Float32, 8)))


FAULTS: tuple[tuple[str, str, Change], ...] = (
    ("null_to_empty", "remark", nulls(0.02, "remark", "")),
    ("null_to_sentinel", "remark", nulls(0.02, "remark", "N/A")),
    ("null_to_sentinel", "gust", nulls(0.05, "gust", -1.0)),
    ("nulls_rose", "temp", some(0.02, "temp", pl.lit(None))),
    ("not_a_number", "temp", some(0.02, "temp", pl.lit(float("nan")))),
    ("emptied", "word", some(0.02, "word", pl.lit(""))),
    ("type_changed", "temp", lambda frame: frame.with_columns(pl.col("temp").cast(pl.String))),
    ("category_new", "word", some(0.02, "word", pl.lit("Omega"))),
    ("category_vanished", "word", lambda frame: frame.filter(pl.col("word") != "Epsilon")),
    ("category_renamed", "word", lambda frame: frame.with_columns(pl.col("word").replace("Epsilon", "Omega"))),
    ("case_changed", "word", some(0.02, "word", lambda value: value.str.to_uppercase())),
    ("case_changed", "code", some(0.02, "code", lambda value: value.str.to_lowercase())),
    ("whitespace_changed", "code", some(0.02, "code", lambda value: value + " ")),
    ("encoding_changed", "word", some(0.02, "word", pl.lit("GrÃ¼n"))),
    ("truncated", "code", some(1.0, "code", lambda value: value.str.slice(0, 4))),
    ("truncated", "word", some(0.05, "word", lambda value: value.str.slice(0, 3))),
    ("format_changed", "code", some(0.1, "code", lambda value: value.str.replace("N", "N-"))),
    ("unit_changed", "temp", some(0.2, "temp", lambda value: (value - 32) / 1.8)),
    ("unit_changed", "wind", some(1.0, "wind", lambda value: value * 0.868976)),
    ("unit_changed", "wind", some(1.0, "wind", lambda value: value * 7.5)),
    ("sign_flipped", "temp", some(0.2, "temp", lambda value: -value)),
    ("precision_lost", "temp", some(0.3, "temp", lambda value: value.round(0))),
    ("constant", "temp", some(1.0, "temp", pl.lit(1.0))),
    ("spike", "temp", some(0.05, "temp", pl.lit(61.37))),
    ("shifted", "temp", some(1.0, "temp", lambda value: value + 6)),
    ("shifted", "word", some(0.4, "word", lambda value: value.replace({"Alpha": "Delta", "Beta": "Gamma"}))),
    ("swapped", "temp", swap(0.2)),
    ("zone_shifted", "seen", some(0.3, "seen", lambda value: value + pl.lit(timedelta(hours=5)))),
    ("zone_shifted", "at", some(1.0, "at", lambda value: value - pl.lit(timedelta(hours=7)))),
    ("embedding_model", "vector", other_vectors),
    ("embedding_shifted", "vector", lambda frame: frame.with_columns(pl.col("vector") * pl.lit(3.0, pl.Float32))),
    ("duplicates", "", lambda frame: pl.concat([frame, frame.head(frame.height // 50)])),
    ("volume_dropped", "", lambda frame: frame.filter(np.random.default_rng(1).random(frame.height) > 0.02)),
    (
        "gap",
        "",
        lambda frame: frame.filter(~pl.col("at").is_between(START + timedelta(days=9), START + timedelta(days=13))),
    ),
    ("stale", "", lambda frame: frame.filter(pl.col("at") < frame["at"].max() - timedelta(days=2))),  # type: ignore[operator]
)


@pytest.fixture(scope="module")
def clean() -> tuple[pl.DataFrame, Profile]:
    frame = table()
    return frame, profiled(frame)


def named(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(finding.kind, finding.subject.removeprefix("view@v1").removeprefix(":")) for finding in found}


@pytest.mark.parametrize(
    ("kind", "column", "change"), FAULTS, ids=[f"{kind}-{place}" for place, (kind, _, _) in enumerate(FAULTS)]
)
def test_a_fault_is_found_and_its_cause_is_named(
    clean: tuple[pl.DataFrame, Profile], kind: str, column: str, change: Change
) -> None:
    frame, before = clean
    found = compare(before, profiled(change(frame)))
    assert (kind, column) in named(found), [str(finding) for finding in found]
    same = [finding for finding in found if finding.kind == kind]
    assert all(finding.amount > 0 and finding.text and finding.severity == KINDS[kind].severity for finding in same)
    explained = EXPLAINS.get(kind, frozenset())
    assert not [finding for finding in found if finding.subject == same[0].subject and finding.kind in explained]


SURE = ("null_to_empty", "type_changed", "case_changed", "category_new", "swapped", "constant", "unit_changed")


@pytest.mark.parametrize("kind", SURE)
def test_a_fault_is_found_in_rows_that_are_all_others(kind: str) -> None:
    column, change = next((column, change) for name, column, change in FAULTS if name == kind)
    before, after = table(1, 20_000), table(2, 20_000, START + timedelta(days=2_000))
    found = compare(profiled(before), profiled(change(after)), relation=TRAINING)
    assert (kind, column) in named(found), [str(finding) for finding in found]


def test_the_same_rows_raise_nothing(clean: tuple[pl.DataFrame, Profile]) -> None:
    assert compare(clean[1], clean[1]) == ()


def test_rows_that_differ_by_chance_raise_nothing() -> None:
    frame = table(3, 40_000)
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(frame.height)
        one, other = (profiled(frame[part]) for part in (order[:8_000], order[8_000:16_000]))
        assert compare(one, other, relation=TRAINING) == ()


def test_new_rows_beside_the_old_ones_raise_nothing() -> None:
    frame = table(4, 8_000)
    early = frame.filter(pl.col("at") < frame["at"].max() - timedelta(days=3))  # type: ignore[operator]
    assert compare(profiled(early), profiled(frame), relation=HISTORY) == ()


def test_a_season_knows_what_it_does_by_itself() -> None:
    weeks = [table(seed, 2_000, START + timedelta(weeks=seed)) for seed in range(6)]
    weeks = [week.with_columns(pl.col("temp") + 8 * (-1) ** place) for place, week in enumerate(weeks)]
    profiles = [profiled(week) for week in weeks]
    assert compare_season(profiles[:5], profiles[5]) == ()
    faulty = profiled(nulls(0.03, "remark", "")(weeks[5]))
    assert named(compare_season(profiles[:5], faulty)) == {("null_to_empty", "remark")}
    few = profiled(weeks[5].head(900))
    assert ("volume_dropped", "") in named(compare_season(profiles[:5], few))
    with pytest.raises(ValueError, match="3 windows"):
        compare_season(profiles[:2], profiles[5])


def test_what_is_off_or_small_is_not_told(clean: tuple[pl.DataFrame, Profile]) -> None:
    frame, before = clean
    after = profiled(nulls(0.02, "remark", "")(frame))
    off = {"remark": checks_of(read_checks({"null_to_empty": "off"}, where="remark"))}
    assert named(compare(before, after, checks=off)) & {("null_to_empty", "remark")} == set()
    wide = {"remark": checks_of(read_checks({"null_to_empty": 0.5}, where="remark"))}
    assert ("null_to_empty", "remark") not in named(compare(before, after, checks=wide))
    mild = {"remark": checks_of(read_checks({"null_to_empty": "notice"}, where="remark"))}
    (finding,) = compare(before, after, checks=mild)
    assert not finding.blocking


def test_an_empty_table_is_a_finding(clean: tuple[pl.DataFrame, Profile]) -> None:
    frame, before = clean
    (finding,) = compare(before, profiled(frame.head(0)))
    assert finding.kind == "volume_dropped"
    assert compare(profiled(frame.head(0)), before) == ()


def test_every_kind_that_is_found_is_declared() -> None:
    assert {kind for kind, _, _ in FAULTS} <= set(KINDS)
    assert set(EXPLAINS) <= set(KINDS)
    assert all(explained <= set(KINDS) for explained in EXPLAINS.values())
    assert SEASON != HISTORY
