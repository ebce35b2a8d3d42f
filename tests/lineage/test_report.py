"""The report: what each owner is told, as text, Markdown and one HTML page, from a store in which things went wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from click.testing import CliRunner

import featurestore as fs
from featurestore.cli.group import cli
from featurestore.errors import NotFoundError
from featurestore.lineage.report_html import to_html
from featurestore.lineage.report_markdown import to_markdown
from featurestore.model.finding import Finding
from featurestore.operations.detect import record_findings

if TYPE_CHECKING:
    from featurestore.lineage.report import Report

START = datetime(2024, 1, 1, tzinfo=UTC)
HOSTILE = '<script>alert("1")</script> | *b*'


def rows(codes: list[str | None], wind: float = 1.0) -> pa.Table:
    count = len(codes)
    return pa.table(
        {
            "k": pa.array(range(count), pa.int64()),
            "seen": pa.array([START] * count, pa.timestamp("us", "UTC")),
            "wind": pa.array([wind * (row % 7) for row in range(count)]),
            "code": pa.array(codes, pa.string()),
        }
    )


def view(name: str, table: pa.Table, owner: str, **source: object) -> fs.FeatureView:
    return fs.FeatureView(
        name,
        entity=fs.Entity("station", keys={"k": fs.Int64}),
        source=fs.ArrowSource(f"{name}_rows", table=table, **source),  # type: ignore[arg-type]  # any option
        event_time="seen",
        owner=owner,
    )


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Findings in `weather`, rows of `planes` in quarantine, and a stale model of `fares`."""
    path = tmp_path_factory.mktemp("report") / "store"
    promise = fs.Contract({"code": fs.Expect(fs.String, nullable=False)})
    with fs.open_store(path) as store:
        store.apply([view("weather", rows(["a", None] * 50), "meteo")])
        store.materialize("weather@v1")
        store.apply([view("weather", rows(["a", ""] * 50, wind=3.6), "meteo")])
        snapshot = store.materialize("weather@v1")
        findings = [
            Finding("shifted", "weather@v1:wind", "values moved", 0.4, "warning"),
            Finding(
                "null_to_empty", "weather@v1:code", f"nulls became '' {HOSTILE}", 0.5, "blocking",
                models=("delay@1",), endpoints=("eta",),
            ),
            Finding("duplicates", "weather@v1", "rows twice", 0.1, "warning"),
        ]  # fmt: skip
        with store.context.catalog.write() as tx:
            record_findings(tx, store.version("weather@v1"), snapshot.id, findings)
        store.apply([view("planes", rows(["a", None]), "", contract=promise)])
        store.materialize("planes@v1")
        store.apply([view("fares", rows(["a"] * 10), "fleet")])
        store.materialize("fares@v1")
        frame = store.get_training_frame(
            ["fares@v1"], pa.table({"k": [1], "event_timestamp": pa.array([START + timedelta(days=1)])})
        )
        store.register_model("delay", version="1", frame=frame, owner="ds")
        store.deploy("delay@1", endpoint="eta")
        store.apply([view("fares", rows(["b"] * 10, wind=2.0), "fleet")])
        store.materialize("fares@v1")
        store.activate("fares@v1", reason=HOSTILE)
    return path


@pytest.fixture(scope="module")
def report(store_path: Path) -> Report:
    with fs.open_store(store_path, read_only=True) as store:
        return store.report()


def test_each_owner_is_told_what_is_theirs(report: Report) -> None:
    told = {owner.owner: owner for owner in report.owners}
    assert [*told] == ["ds", "fleet", "meteo", ""]
    meteo = told["meteo"]
    assert [item.finding.kind for item in meteo.found] == ["null_to_empty", "shifted", "duplicates"]
    code, wind, table = meteo.found
    assert (code.before is not None, code.after is not None) == (True, True)
    assert code.before is not None
    assert code.after is not None
    assert (code.before.nulls, code.after.nulls, code.after.empties) == (50, 0, 50)
    assert wind.after is not None
    assert (table.before, table.after) == (None, None)
    assert [held.version for held in told[""].held] == ["planes@v1"]
    assert [item.model for item in told["ds"].stale] == ["delay@1"]
    assert {change.kind for change in told["fleet"].changes} >= {"applied", "activated"}
    assert not {change.kind for owner in report.owners for change in owner.changes} & {"materialized", "trained"}
    assert report.urgent


def test_the_text_says_it_at_once(report: Report) -> None:
    text = str(report)
    assert "3 findings in the data, 1 snapshot in quarantine, 1 live model stale" in text
    for part in ("weather@v1:code", "delay@1, eta", "planes@v1", "in quarantine", "no owner"):
        assert part in text


def test_markdown_tables_hold_whatever_names_hold(report: Report) -> None:
    lines = to_markdown(report).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    for line in tables:
        assert line.replace("\\|", "").count("|") in {4, 5, 6}
    assert "<script>" not in to_markdown(report)
    assert any("weather@v1:code" in line for line in tables)


class Page(HTMLParser):
    """Takes a page apart: the tags that are open, and every reference to something elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.elsewhere: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.elsewhere += [value or "" for name, value in attrs if name in {"src", "href", "srcset"}]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_shows_the_columns(report: Report) -> None:
    text = to_html(report)
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.elsewhere == []
    assert "script" not in page.seen
    assert page.seen.count("svg") == 2  # of two columns; what is about rows has no picture
    assert HOSTILE in page.text
    assert "url(" not in text


def test_the_command_writes_files_and_says_by_its_exit_code(store_path: Path, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["report", *words, "--store", str(store_path)])
        return done.exit_code, done.stdout

    code, text = run("--markdown", str(tmp_path / "r.md"), "--html", str(tmp_path / "r.html"))
    assert code == 1
    assert "meteo" in text
    assert "meteo" in (tmp_path / "r.md").read_text()
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    code, text = run("--owner", "fleet", "--json")
    assert code == 0
    assert [owner["owner"] for owner in json.loads(text)["owners"]] == ["fleet"]
    assert run("--since", "2020-01-01", "--until", "2020-01-02", "--owner", "meteo")[0] == 0


def test_an_owner_of_nothing_is_named(store_path: Path) -> None:
    with fs.open_store(store_path, read_only=True) as store, pytest.raises(NotFoundError, match="Did you mean 'meteo'"):
        store.report(owner="meto")
