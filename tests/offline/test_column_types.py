"""Which types hold all values of which others, held against DuckDB's own casts of their extreme values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import duckdb
import pytest

from featurestore.errors import DefinitionError
from featurestore.model.column_types import parse_column_type, to_duckdb, widens
from featurestore.model.types import parse_type

EXTREMES = {
    "TINYINT": ("-128", "127"),
    "UTINYINT": ("0", "255"),
    "SMALLINT": ("-32768", "32767"),
    "USMALLINT": ("65535",),
    "INTEGER": ("-2147483648", "2147483647"),
    "UINTEGER": ("4294967295",),
    "BIGINT": ("-9223372036854775808", "9223372036854775807"),
    "UBIGINT": ("18446744073709551615",),
    "HUGEINT": ("-170141183460469231731687303715884105728", "170141183460469231731687303715884105727"),
    "FLOAT": ("0.1", "3.4028235e38", "1e-45", "16777216"),
    "DOUBLE": ("0.1", "1.7976931348623157e308", "5e-324", "9007199254740993"),
    "DECIMAL(8,2)": ("'999999.99'", "'-0.01'"),
    "DECIMAL(10,2)": ("'99999999.99'",),
    "DECIMAL(10,4)": ("'999999.9999'",),
    "DECIMAL(5,0)": ("'99999'",),
    "DECIMAL(3,0)": ("'999'", "'-999'"),
    "DATE": ("'1999-12-31'", "'0001-01-01'", "'9999-12-31'"),
    "TIMESTAMP_S": ("'1999-12-31 23:59:59'", "'9999-12-31 23:59:59'"),
    "TIMESTAMP_MS": ("'1999-12-31 23:59:59.999'",),
    "TIMESTAMP": ("'1999-12-31 23:59:59.999999'", "'9999-12-31 00:00:00'"),
    "TIMESTAMP_NS": ("'1999-12-31 23:59:59.999999999'",),
    "BOOLEAN": ("true", "false"),
    "VARCHAR": ("'x'", "''"),
    "INTEGER[]": ("[2147483647, NULL]",),
    "BIGINT[]": ("[9223372036854775807]",),
    "FLOAT[2]": ("[0.1, 0.2]",),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize("before", EXTREMES)
def test_what_is_called_a_widening_loses_nothing(connection: duckdb.DuckDBPyConnection, before: str) -> None:
    for after, value in product(EXTREMES, EXTREMES[before]):
        if widens(before, after):
            typed = f"CAST({value} AS {before})"
            back = f"TRY_CAST(TRY_CAST({typed} AS {after}) AS {before})"
            assert connection.execute(f"SELECT {back} IS NOT DISTINCT FROM {typed}").fetchone() == (True,), after


@pytest.mark.parametrize(
    "before", [name for name in EXTREMES if "[" not in name and name not in {"VARCHAR", "BOOLEAN"}]
)
def test_a_number_or_time_that_loses_nothing_is_called_one(connection: duckdb.DuckDBPyConnection, before: str) -> None:
    """Of types of one family; a value that DuckDB makes text, a flag or a time of a number is another thing."""
    family = {"D": "times", "T": "times"}
    numbers = {"DECIMAL", "DOUBLE", "TINYINT"}

    def kind(name: str) -> str:
        word = name.partition("(")[0]
        return "numbers" if word in numbers else family.get(name[0], "numbers")

    exact = {"FLOAT", "DOUBLE", "HUGEINT", "UBIGINT", "TIMESTAMP_NS"}  # their extremes are not all that is in between
    for after in EXTREMES:
        if "[" in after or after in {"VARCHAR", "BOOLEAN"} or kind(after) != kind(before) or {before, after} & exact:
            continue
        kept = True
        for value in EXTREMES[before]:
            typed = f"CAST({value} AS {before})"
            back = f"TRY_CAST(TRY_CAST({typed} AS {after}) AS {before})"
            kept = kept and connection.execute(f"SELECT {back} IS NOT DISTINCT FROM {typed}").fetchone() == (True,)
        if not kept:
            assert not widens(before, after), after


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("BIGINT", "DOUBLE", False),
        ("INTEGER", "DOUBLE", True),
        ("INTEGER", "FLOAT", False),
        ("SMALLINT", "FLOAT", True),
        ("DOUBLE", "FLOAT", False),
        ("INTEGER", "VARCHAR", False),
        ("INTEGER", "DECIMAL(10,0)", True),
        ("INTEGER", "DECIMAL(10,2)", False),
        ("FLOAT[2]", "FLOAT[]", True),
        ("FLOAT[2]", "FLOAT[3]", False),
        ("FLOAT[]", "FLOAT[2]", False),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", False),
        ("TIMESTAMP", "TIMESTAMP_NS", False),
    ],
)
def test_by_example(before: str, after: str, expected: bool) -> None:
    assert widens(before, after) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Float64", "DOUBLE"),
        ("float8", "DOUBLE"),
        ("String", "VARCHAR"),
        ("text", "VARCHAR"),
        ("timestamp  with time zone", "TIMESTAMP WITH TIME ZONE"),
        ("Decimal(10, 2)", "DECIMAL(10,2)"),
        ("numeric(10,2)", "DECIMAL(10,2)"),
        ("List(Int64)", "BIGINT[]"),
        ("int[]", "INTEGER[]"),
        ("Embedding(3)", "FLOAT[3]"),
        ("struct(a integer)", "struct(a integer)"),
    ],
)
def test_a_type_is_read_as_ours_or_as_duckdbs(text: str, expected: str) -> None:
    assert parse_column_type(text) == expected


def test_what_is_no_type_is_an_error_with_the_nearest() -> None:
    with pytest.raises(DefinitionError, match=r"'Flaot64' is no type of a column\. Did you mean 'Float64'\?"):
        parse_column_type("Flaot64")


@pytest.mark.parametrize("text", ["Int32", "Decimal(4, 1)", "List(List(String))", "Embedding(2)", "Timestamp", "Bytes"])
def test_every_name_is_one_that_duckdb_prints(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    name = to_duckdb(parse_type(text))
    assert connection.execute(f"DESCRIBE SELECT CAST(NULL AS {name}) AS x").fetchall()[0][1] == name
