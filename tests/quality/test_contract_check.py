"""Every rule of a contract: found in the rows that break it, silent in those that do not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from featurestore.model.settings import Settings
from featurestore.model.violation import Violation
from featurestore.offline.connection import connect, describe
from featurestore.quality.contract_check import Relation, check_rows

NOW = datetime(2013, 7, 3, tzinfo=UTC)


def check(folder: Path, rows: dict[str, list[object]] | pl.DataFrame, contract: fs.Contract) -> list[Violation]:
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, strict=False)
    frame.write_parquet(folder / "rows.parquet")
    relation = f"read_parquet('{folder / 'rows.parquet'}')"
    with connect(folder, Settings()) as connection:
        columns = dict(describe(connection, f"SELECT * FROM {relation}"))
        count, found = check_rows(Relation(connection, relation, columns), contract, subject="source/s", now=NOW)
    assert count == frame.height
    return list(found)


def one(folder: Path, values: list[object], expected: fs.Expect) -> list[tuple[str, int | None]]:
    return [(item.rule, item.rows) for item in check(folder, {"x": values}, fs.Contract({"x": expected}))]


DAY = date(2013, 7, 1)
LATER = datetime(2013, 7, 1, 2, tzinfo=UTC)
NAIVE = LATER.replace(hour=0, tzinfo=None)


@pytest.mark.parametrize(
    ("expected", "good", "bad", "found"),
    [
        (fs.Expect(nullable=False), ["a", ""], ["a", None], ("nullable", 1)),
        (fs.Expect(absent=None), ["a", None], ["a", "", " ", "N/A", "null", None], ("absent", 4)),
        (fs.Expect(absent=""), ["a", ""], ["a", "", None, "  ", "NA"], ("absent", 1)),
        (fs.Expect(absent="NA"), ["a", "NA"], ["a", "na", None], ("absent", 1)),
        (fs.Expect(absent=None), [1.5, None], [1.5, float("nan"), -9999.0], ("absent", 2)),
        (fs.Expect(absent=-1), [1, -1], [1, -1, None], ("absent", 1)),
        (fs.Expect(absent=None), [1, None], [1, -999], ("absent", 1)),
        (fs.Expect(absent=None), [DAY, None], [DAY, date(9999, 12, 31)], ("absent", 1)),
        (fs.Expect(absent_at_most=0.5), ["a", None], ["a", None, None], ("absent_at_most", 2)),
        (fs.Expect(absent="", absent_at_most=0.5), ["a", ""], ["a", "", ""], ("absent_at_most", 2)),
        (fs.Expect(allowed=("a", "b")), ["a", "b", None], ["a", "c", "c"], ("allowed", 2)),
        (fs.Expect(allowed=(1, 2)), [1, 2], [1, 3], ("allowed", 1)),
        (fs.Expect(pattern="[a-z]+"), ["abc", None], ["abc", "ab1", ""], ("pattern", 2)),
        (fs.Expect(at_least=0), [0, 5], [-1, 5], ("at_least", 1)),
        (fs.Expect(at_most=0.5), [0.5, None], [0.5, 0.6], ("at_most", 1)),
        (fs.Expect(at_most=Decimal("1.10")), [Decimal("1.10")], [Decimal("1.11")], ("at_most", 1)),
        (fs.Expect(at_least=DAY), [DAY], [DAY - timedelta(1)], ("at_least", 1)),
        (fs.Expect(at_least=LATER), [NAIVE + timedelta(hours=2)], [NAIVE], ("at_least", 1)),
        (fs.Expect(shortest=2), ["ab"], ["a"], ("shortest", 1)),
        (fs.Expect(longest=2), ["ab", "äö"], ["abc"], ("longest", 1)),
        (fs.Expect(unique=True), [1, 2, None, None], [1, 1, 1, 2], ("unique", 2)),
        (fs.Expect(fs.Float64), [1.0], [1], ("type", None)),
        (fs.Expect(fs.Embedding(2)), [[1.0, 2.0]], [[1.0], [1.0, 2.0]], ("type", 1)),
    ],
)  # fmt: skip
def test_a_rule_of_a_column(
    tmp_path: Path, expected: fs.Expect, good: list[object], bad: list[object], found: tuple[str, int | None]
) -> None:
    if expected.type == fs.Embedding(2):
        good, bad = (pl.Series(values, dtype=pl.List(pl.Float32)) for values in (good, bad))  # type: ignore[assignment]  # a column is a column
    assert one(tmp_path, good, expected) == []
    assert found in one(tmp_path, bad, expected)


def test_a_row_is_at_fault_for_one_cause(tmp_path: Path) -> None:
    """An empty text where null was agreed is neither too short nor out of the values there are."""
    expected = fs.Expect(absent=None, allowed=("ab",), shortest=1, pattern="[a-z]+")
    assert one(tmp_path, ["ab", "", ""], expected) == [("absent", 2)]


def test_a_sentinel_within_the_promised_range_is_a_value(tmp_path: Path) -> None:
    assert one(tmp_path, [-999.0, 3.0], fs.Expect(absent=None, at_least=-1000)) == []


def test_a_column_that_became_text_tells_which_texts_did_it(tmp_path: Path) -> None:
    expected = fs.Expect(fs.Float64, absent=None, at_least=0)
    found = check(tmp_path, {"x": ["1.5", "n/a", "", "cold", None]}, fs.Contract({"x": expected}))
    assert [(item.rule, item.rows) for item in found] == [("type", None), ("absent", 2), ("type", 1)]
    assert found[-1].examples == ("cold",)


def test_columns_that_are_gone_or_not_agreed(tmp_path: Path) -> None:
    contract = fs.Contract({"temp": fs.Expect()}, key=("origin",), closed=True)
    found = check(tmp_path, {"temps": [1], "origin": ["JFK"]}, contract)
    assert [(item.rule, item.column) for item in found] == [("column", "temp"), ("closed", "temps")]
    assert "Did you mean 'temps'?" in found[0].text


def test_a_key(tmp_path: Path) -> None:
    rows: dict[str, list[object]] = {"k": ["a", "a", "b", None], "t": [1, 1, 1, 2]}
    found = check(tmp_path, rows, fs.Contract(key=("k", "t")))
    assert [(item.rule, item.column, item.rows) for item in found] == [("key", "k", 1), ("key", None, 1)]
    assert found[1].examples == ("a, 1 (2 times)",)
    assert not check(tmp_path, {"k": ["a", "a"], "t": [1, 2]}, fs.Contract(key=("k", "t")))


def test_freshness(tmp_path: Path) -> None:
    contract = fs.Contract(freshness=fs.Freshness("t", "6h"))  # type: ignore[arg-type]  # text is taken too
    rows = {"t": [NOW - timedelta(hours=6)]}
    assert not check(tmp_path, rows, contract)  # type: ignore[arg-type]  # a list of times is a column
    rows = {"t": [NOW - timedelta(hours=6, minutes=1)]}
    (found,) = check(tmp_path, rows, contract)  # type: ignore[arg-type]  # as above
    assert "6:01:00 before" in found.text
    (none,) = check(tmp_path, pl.DataFrame(schema={"t": pl.Datetime}), contract)
    assert "there is none" in none.text


def test_volume_of_all_rows_and_by_window(tmp_path: Path) -> None:
    assert [item.rule for item in check(tmp_path, {"x": [1]}, fs.Contract(volume=fs.Volume(2)))] == ["volume"]
    assert not check(tmp_path, {"x": [1, 2]}, fs.Contract(volume=fs.Volume(2, 2)))
    daily = fs.Contract(volume=fs.Volume(2, 3, column="t", every=timedelta(days=1)))
    days = [0, 1, 1, 2, 2, 2, 3]
    start = NAIVE + timedelta(hours=12)
    assert not check(tmp_path, {"t": [start + timedelta(days=day) for day in days]}, daily)
    (found,) = check(tmp_path, {"t": [start + timedelta(days=day) for day in (0, 1, 1, 4)]}, daily)
    assert found.examples == ("2013-07-03T00:00:00+00:00: 0", "2013-07-04T00:00:00+00:00: 0"), "gaps are windows too"


def test_no_value_of_a_sensitive_column_is_shown(tmp_path: Path) -> None:
    secret = fs.Expect(allowed=("x",), sensitive=True, unique=True)
    found = check(tmp_path, {"a": ["secret", "secret"]}, fs.Contract({"a": secret}, key=("a",)))
    assert [item.rule for item in found] == ["allowed", "key"]
    assert not any("secret" in str(item) or item.examples for item in found)


def test_a_value_of_another_type_than_the_column_is_said(tmp_path: Path) -> None:
    with pytest.raises(fs.DefinitionError, match="compares column 'x', which is VARCHAR, with 1"):
        one(tmp_path, ["a"], fs.Expect(allowed=(1,)))
    with pytest.raises(fs.DefinitionError, match="pattern= for column 'x', which is BIGINT"):
        one(tmp_path, [1], fs.Expect(pattern="a"))


def test_quotes_in_names_and_values(tmp_path: Path) -> None:
    found = check(tmp_path, {'a"b': ["it's", "no"]}, fs.Contract({'a"b': fs.Expect(allowed=("it's",))}))
    assert [(item.rule, item.examples) for item in found] == [("allowed", ("no",))]


def test_no_rows_break_nothing_but_freshness_and_volume(tmp_path: Path) -> None:
    contract = fs.Contract({"x": fs.Expect(absent_at_most=0.0, nullable=False, unique=True)}, key=("x",))
    assert not check(tmp_path, pl.DataFrame(schema={"x": pl.String}), contract)
