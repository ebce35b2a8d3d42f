"""What goes in and out of the command line: JSON forms, tables, keys, files of rows, progress."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click
import pyarrow as pa
import pytest
from rich.console import Console

from featurestore.cli.keys import parse_keys, typed
from featurestore.cli.output import Output, as_json
from featurestore.cli.progress import progress
from featurestore.cli.rows import read_rows, write_rows
from featurestore.cli.tables import cell, table, write
from featurestore.errors import NotFoundError, RequestError
from featurestore.model.history import Activation, Generation
from featurestore.model.pins import Pin, PinSet
from featurestore.model.reference import parse_reference
from featurestore.model.snapshot import DataFile, Run, Snapshot, SourceRead
from featurestore.model.status import Status
from featurestore.model.types import Decimal as DecimalType

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    _hidden: int = 0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]

    @property
    def reference(self) -> str:
        return f"{self.name}@v1"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**60, 2**60),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (NOON, "2013-07-01T12:00:00Z"),
        (date(2013, 7, 1), "2013-07-01"),
        (timedelta(hours=1), 3600.0),
        (Decimal("1.20"), "1.20"),
        (b"\x00a", "AGE="),
        (Path("a/b"), "a/b"),
        (Status.NOT_FOUND, "NOT_FOUND"),
        ({"a": (1, None)}, {"a": [1, None]}),
        ({"b", "a"}, ["a", "b"]),
        (parse_reference("weather@v1:temp"), "weather@v1:temp"),
        (DecimalType(10, 2), "Decimal(10, 2)"),
        (pa.scalar(3), 3),
        (Outer("x", (Inner("y"),)), {"name": "x", "inner": [{"name": "y"}], "reference": "x@v1"}),
    ],
)
def test_json_forms(value: object, expected: object) -> None:
    assert as_json(value) == expected


def test_microseconds_become_times_and_sums_are_told() -> None:
    micros = 1_372_680_000_000_000
    run = Run(micros, None, (SourceRead("weather", "files:1"),), (DataFile("a", "0", 1, 7, micros, micros),))
    document = as_json(Snapshot("ab", "weather", 1, (run,), NOON))
    assert document["rows"] == 7
    assert document["last"] == document["runs"][0]["start"] == document["runs"][0]["files"][0]["first"]
    assert document["last"] == "2013-07-01T12:00:00Z"
    assert document["runs"][0]["end"] is None
    generation = Generation("g", "weather", 1, "ab", None, 3, held=False, at=NOON)
    assert as_json(generation)["as_of"] is None


def test_pins_are_told_as_the_lock_file_with_its_digest() -> None:
    pins = PinSet((("temp", parse_reference("weather@v1:temp")),), (Pin("weather", 1, "f" * 64, "s"),))
    document = as_json(pins)
    assert document.pop("digest") == pins.digest
    assert document == pins.to_json()


def written(value: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    write(console, value)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lists_are_tables() -> None:
    move = Activation(1, "weather", "temp", None, 2, "activate", None, "because [x]", "me", NOON)
    text = written([move])
    assert "weather:temp" in text
    assert "default" in text
    assert "because [x]" in text
    assert "2013-07-01 12:00:00Z" in text


def test_one_value_is_its_fields_and_its_lists_follow() -> None:
    text = written(Outer("x", (Inner("first"), Inner("second"))))
    assert text.index("name") < text.index("inner") < text.index("first") < text.index("second")
    assert "hidden" not in text


def test_an_empty_list_says_so_and_nothing_is_nothing() -> None:
    assert written([]).strip() == "none"
    assert written(None) == ""
    assert written(["a", "b"]).split() == ["a", "b"]
    assert written({"rows": 1234, "of": [1, 2]}).split() == ["rows", "1,234", "of", "1,", "2"]


def test_cells() -> None:
    assert [cell(item) for item in (None, True, 1234567, 0.5, timedelta(hours=6), {"a": 1}, Status.NULL)] == [
        "", "yes", "1,234,567", "0.5", "6:00:00", "a=1", "NULL",
    ]  # fmt: skip


def test_numbers_stand_to_the_right() -> None:
    result = table(["name", "rows"], [["a", 1], ["b", None]])
    assert [column.justify for column in result.columns] == ["left", "right"]


def test_keys_are_columns() -> None:
    assert parse_keys(["origin=JFK,LGA", "day=1,2"]) == {"origin": ["JFK", "LGA"], "day": ["1", "2"]}
    assert parse_keys(["origin=JFK", "origin=LGA"]) == {"origin": ["JFK", "LGA"]}
    assert parse_keys(['name=["a,b", null]']) == {"name": ["a,b", None]}


@pytest.mark.parametrize("texts", [["origin"], ["=JFK"], ["a=1,2", "b=1"], ["a=[1"]])
def test_keys_that_make_no_columns_are_refused(texts: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse_keys(texts)


def test_keys_take_the_type_of_the_key() -> None:
    kinds = {"i": "Int64", "d": "Date", "b": "Bool", "y": "Bytes", "s": "String"}
    columns = parse_keys(["i=7", "d=2013-07-01", "b=true", "y=a", "s=1", "other=2"])
    assert typed(columns, kinds) == {
        "i": [7], "d": [date(2013, 7, 1)], "b": [True], "y": [b"a"], "s": ["1"], "other": ["2"],
    }  # fmt: skip
    assert typed({"i": [None, 3]}, kinds) == {"i": [None, 3]}
    with pytest.raises(RequestError, match="'x' is no Int64, which the key 'i' is"):
        typed({"i": ["x"]}, kinds)


ROWS = pa.table({"origin": ["JFK", ""], "n": [1, None], "at": pa.array([NOON, None], pa.timestamp("us", "UTC"))})


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_rows_come_back_from_files(tmp_path: Path, ending: str) -> None:
    path = write_rows(ROWS, str(tmp_path / f"rows.{ending}"))
    assert read_rows(str(path)).to_pylist() == ROWS.to_pylist()


def test_rows_are_written_as_arrow_too(tmp_path: Path) -> None:
    import pyarrow.feather

    path = write_rows(ROWS, str(tmp_path / "rows.arrow"))
    assert pyarrow.feather.read_table(path).equals(ROWS)


def test_rows_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ['{"origin": "JFK", "at": "2013-07-01T12:00:00Z"}', '{"origin": "2013-07-01 nothing", "n": 1}']
    expected = [
        {"origin": "JFK", "at": NOON, "n": None},
        {"origin": "2013-07-01 nothing", "at": None, "n": 1},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_rows(str(tmp_path / "rows.jsonl")).to_pylist() == expected
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"[{','.join(lines)}]"))
    assert read_rows("-").to_pylist() == expected
    (tmp_path / "row.json").write_text(lines[0], encoding="utf-8")
    assert read_rows(str(tmp_path / "row.json")).num_rows == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.json", "{", "not valid JSON"),
        ("rows.json", "[1]", "holds no rows"),
        ("rows.parquet", "nothing", "cannot be read as .parquet"),
        ("rows.txt", "", "the ending says how it is read"),
    ],
)
def test_files_that_hold_no_rows_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match=message):
        read_rows(str(tmp_path / name))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        read_rows(str(tmp_path / "rows.csv"))


def test_rows_are_not_written_where_they_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the ending says how it is written"):
        write_rows(ROWS, str(tmp_path / "rows.txt"))
    with pytest.raises(RequestError, match="cannot be written"):
        write_rows(ROWS, str(tmp_path / "missing" / "rows.parquet"))


def test_progress_without_a_terminal_is_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Output(json=True)) as report:
        report("reading", 0, 100)
        report("reading", 100, 100)
        report("writing", 50, None)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.partition(" in ")[0] for line in lines] == [
        "reading",
        "reading: 100 rows",
        "writing",
        "writing: 50 rows",
    ]


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(Output()) as report:
        report("reading", 0, 100)
        report("reading", 100, 100)
        report("writing", 50, None)
    assert "100 rows" in terminal.getvalue()
    assert "writing" in terminal.getvalue()


def test_answers(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).answer({"at": NOON})
    assert json.loads(capsys.readouterr().out) == {"at": "2013-07-01T12:00:00Z"}
    Output().answer({"at": NOON}, people="at noon")
    assert capsys.readouterr().out == "at noon\n"
    Output().answer({"at": NOON}, people=lambda console: console.print("noon"))
    assert capsys.readouterr().out == "noon\n"
    Output().answer({"at": NOON})
    assert capsys.readouterr().out.split() == ["at", "2013-07-01", "12:00:00Z"]
