"""Answers as people and other programs read them: text, Markdown, Mermaid, Graphviz; and through the command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import featurestore as fs
from featurestore.cli.group import cli
from featurestore.lineage import drawing
from featurestore.lineage.stale_report import StaleReport
from featurestore.lineage.timeline import sentence, timeline
from featurestore.model.history import CLASSES, Change
from tests.system_packages import need

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.lineage.walk import Lineage
    from tests.lineage.year import Year

START = datetime(2026, 1, 1, tzinfo=UTC)

# --- Graphviz and Mermaid


def graphviz(text: str) -> dict[str, Any]:
    """Return what `dot` itself reads from a digraph."""
    done = subprocess.run([need("dot"), "-Tjson"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(scope="module")
def lineages(year: Year) -> list[Lineage]:
    nodes = [("delay@3", "up"), ("weather", "down"), ("airport_weather", "up"), ("plane@v1", "down")]
    return [year.store.lineage(node, direction) for node, direction in nodes]


def test_graphviz_reads_every_node_and_edge(lineages: list[Lineage]) -> None:
    for found in lineages:
        document = graphviz(found.to_dot())
        names = [item["name"] for item in document["objects"]]
        assert sorted(names) == sorted(node.id for node in found.nodes)
        edges = [(names[edge["tail"]], names[edge["head"]], edge["label"]) for edge in document["edges"]]
        assert sorted(edges) == sorted((edge.upstream, edge.downstream, edge.kind) for edge in found.edges)
        dashed = {item["name"] for item in document["objects"] if item.get("style") == "dashed"}
        assert dashed == {node.id for node in found.nodes if node.ended is not None}
        assert dashed or found.root == "model/delay@3"


HOSTILE = 'job/airflow/say "hi" \\ #1 <b>|x|\nsecond line'


def test_names_of_other_systems_do_not_break_the_drawings() -> None:
    nodes, edges = [HOSTILE, "source/weather"], [(HOSTILE, "source/weather", 'fe"eds')]
    document = graphviz(drawing.dot(nodes, edges, {HOSTILE: 'ended: "why\\not"'}))
    name = HOSTILE.replace("\n", " ").replace("\\", "\\\\")  # only quotes are escaped in names; backslashes stay
    assert [item["name"] for item in document["objects"]] == [name, "source/weather"]
    mermaid(drawing.mermaid(nodes, edges, {HOSTILE: 'ended: "why"'}))


_MERMAID = (
    (r'  (n\d+)\["((?:[^"#\n]|#(?:\d+|quot|lt|gt);)+)"\]', "node"),
    (r'  (n\d+) -->\|"((?:[^"#\n]|#(?:\d+|quot|lt|gt);)+)"\| (n\d+)', "edge"),
    (r"  classDef ended stroke-dasharray: 4 4,opacity: 0\.6", "style"),
    (r"  class (n\d+) ended", "class"),
)


def mermaid(text: str) -> dict[str, list[tuple[str, ...]]]:
    """Return the statements of a flow chart, which must be of the few forms that are safe in Mermaid."""
    head, *lines = text.rstrip("\n").split("\n")
    assert head == "flowchart LR"
    found: dict[str, list[tuple[str, ...]]] = {name: [] for _, name in _MERMAID}
    for line in lines:
        matches = [(name, match) for form, name in _MERMAID if (match := re.fullmatch(form, line))]
        assert len(matches) == 1, line
        found[matches[0][0]].append(matches[0][1].groups())
    known = {ids[0] for ids in found["node"]}
    assert {name for near, _, far in found["edge"] for name in (near, far)} <= known
    assert {ids[0] for ids in found["class"]} <= known
    assert bool(found["class"]) == bool(found["style"])
    return found


def test_mermaid_has_every_node_and_edge(lineages: list[Lineage]) -> None:
    for found in lineages:
        chart = mermaid(found.to_mermaid())
        assert len(chart["node"]) == len(found.nodes)
        assert len(chart["edge"]) == len(found.edges)
        ids = {node.id: f"n{place}" for place, node in enumerate(found.nodes)}
        assert {(edge[0], edge[2]) for edge in chart["edge"]} == {
            (ids[edge.upstream], ids[edge.downstream]) for edge in found.edges
        }
        assert len(chart["class"]) == sum(node.ended is not None for node in found.nodes)


# --- the history as text


def change(number: int, kind: str, subject: str = "version/weather@v1", **fields: Any) -> Change:  # noqa: ANN401
    return Change(number, START + timedelta(hours=number), kind, subject, fields.pop("actor", "ada"), "", fields)


def test_routine_changes_are_told_once_between_two_that_are_not() -> None:
    history = [
        *(change(number, "materialized" if number % 2 else "published", rows=48) for number in range(40)),
        change(40, "schema changed", "source/weather", removed=["gust"]),
        *(change(number, "materialized" if number % 2 else "published", rows=2) for number in range(41, 47)),
    ]
    lines = timeline(history).splitlines()
    assert lines[0] == "47 changes: 1 schema, 46 data"
    assert len(lines) == 2 + 5
    published, materialized, gone, *rest = lines[2:]
    assert "20 times since 2026-01-01 00:00:00Z, the last: weather@v1 published: 48 keys" in published
    assert "20 times since 2026-01-01 01:00:00Z, the last: weather@v1 materialized: 48 rows" in materialized
    assert "weather: gust removed" in gone
    assert all("3 times since 2026-01-02 1" in line for line in rest)
    assert len(timeline(history, each=True).splitlines()) == 2 + 47


def test_routine_changes_of_several_subjects_and_people_are_told_apart() -> None:
    history = [
        change(1, "published"),
        change(2, "published", "version/plane@v1"),
        change(3, "published", actor="bob"),
        replace(change(4, "published"), read=False),
        change(5, "published"),
    ]
    lines = timeline(history).splitlines()
    assert len(lines) == 2 + 4 + 2
    assert "2 times since" in lines[-3]
    assert "(not read)" in lines[-4]
    assert lines[-1].startswith("  not read: a newer version")
    assert timeline([]) == "nothing has changed"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (change(1, "applied", action="new", features={"a": "added"}), "weather@v1 is new"),
        (change(1, "applied", action="reverted", features={}), "weather@v1 applied again"),
        (
            change(1, "applied", action="changed", features={"a": "changed", "b": "changed"}, commit="c0ffee" * 7),
            "weather@v1 applied: a, b changed (commit c0ffeec0ffee)",
        ),
        (change(1, "applied", "set/f@v2", action="changed", added=["w:x"], removed=[]), "f@v2 applied: w:x added"),
        (change(1, "retired", replacement="weather@v2"), "weather@v1 retired: use weather@v2"),
        (
            change(1, "acknowledged", "view/w", change="w:x", reached=["model/d@1 on eta"], until="2026-02-01T00Z"),
            "accepted until 2026-02-01 00:00:00Z: w:x; it reaches d@1 on eta",
        ),
        (change(1, "acknowledgement withdrawn", "view/w", change="w:x removed"), "not accepted any more: w:x removed"),
        (
            change(1, "contract", "source/w", contract="w@c2", before="w@c1", breaking=True, changes=["x: not null"]),
            "w is under contract w@c2, before w@c1, breaking: x: not null",
        ),
        (change(1, "contract", "source/w", contract="w@c1", before=None, changes=[]), "w is under contract w@c1"),
        (change(1, "compacted"), "weather@v1 compacted: the same rows in one run"),
        (change(1, "pushed", "source/notes", rows=1), "notes: 1 row pushed"),
        (
            change(1, "schema changed", "source/weather", removed=[], added=["b"], retyped={"a": ["INT", "DOUBLE"]}),
            "weather: b added; a is DOUBLE, was INT",
        ),
        (
            change(1, "rolled back", "view/weather", pointer="weather:temp", version=1, endpoint="eta"),
            "weather:temp rolled back to v1, for endpoint eta",
        ),
        (
            change(1, "activated", "view/weather", pointer="weather", version=2, endpoint=None),
            "weather activated at v2, in the default scope",
        ),
        (change(1, "deployed", "model/d@1", endpoint="eta", share=0.1), "d@1 deployed on eta, 10% of the traffic"),
        (change(1, "ripened", "model/d@1", seen=[1, 2], by={"a": 1}, how="x"), "d@1 ripened: seen 1, 2, by a 1, how x"),
        (change(1, "ripened", "model/delay@1", nothing=None), "delay@1 ripened"),
    ],
)  # fmt: skip
def test_each_change_is_a_sentence(said: Change, text: str) -> None:
    assert sentence(said) == text


def test_every_change_of_the_year_has_a_class_and_a_sentence(year: Year) -> None:
    everything = year.store.changes()
    assert {item.category for item in everything} == {"definition", "schema", "data", "activation", "model"}
    assert set(CLASSES) >= {item.category for item in everything}
    assert all(sentence(item) for item in everything)
    assert change(1, "ripened").category == "other"


# --- the weekly report


def test_the_weekly_report_is_by_owner(year: Year) -> None:
    report = StaleReport(tuple(year.store.stale_models(fresh=True)))
    lines = str(report).splitlines()
    assert lines[0] == "3 live model versions on 3 endpoints: something has changed for 2 of them since training."
    assert lines[2] == "eta-team (code, data, schema)"
    assert lines[3].startswith("  delay@1 on eta-prod, trained ")
    assert lines[-1] == "Nothing has changed for age@2 on fleet."
    assert report.classes == {"code", "data", "schema"}
    nobody = StaleReport((replace(report.stale[0], owner=""), *report.models))
    assert [owner for owner, _ in nobody.by_owner()] == ["eta-team", "no owner"]
    assert str(StaleReport(())) == "No model is live."
    fresh = StaleReport(tuple(item for item in report.models if not item.reasons))
    assert str(fresh) == "1 live model version on 1 endpoint: nothing has changed."


def test_the_weekly_report_in_markdown_is_a_table_for_each_endpoint(year: Year) -> None:
    report = StaleReport(tuple(year.store.stale_models(fresh=True)))
    text = report.to_markdown()
    assert text.startswith("# Stale models\n\n3 live model versions")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Stale models",
        "## eta-team",
        "### `delay@1` on `eta-prod`",
        "### `delay@3` on `eta-next`",
    ]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 * 2 + 4
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    pipes = replace(report.stale[0].reasons[0], text="a | b\nc <i>")
    odd = StaleReport((replace(report.stale[0], reasons=(pipes,)),)).to_markdown()
    assert "| a \\| b c \\<i\\> |" in odd


# --- the command line


def ask(year: Year, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, [*words, "--store", str(year.store.root)], prog_name="featurestore")
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("trained-on", "delay@3", "--verify"), "possible: every file is as it was written"),
        (("trained-on", "delay@1", "--code"), "select origin, time_hour, temp, wind from weather"),
        (("changes", "--since", "1d", "--upstream-of", "delay@1"), "rolled back to v1, for endpoint eta-prod"),
        (("changes", "--class", "definition"), "airport_weather@v3 retired: use airport_weather@v1"),
        (("consumers", "weather.gust", "--live"), "lock (pinned)"),
        (("consumers", "planes"), "not live; was on fleet"),
        (("consumers", "weather.visib"), "weather.visib (column): nothing reads it"),
        (("stale",), "Nothing has changed for age@2 on fleet."),
        (("active", "airport_weather:wind", "--endpoint", "eta-prod"), "the canary too"),
        (("active", "plane"), "the fleet's own list"),
        (("lineage", "delay@2", "--down"), "was deployed on until"),
        (("lineage", "age@1", "--format", "dot"), "style=dashed"),
        (("lineage", "age@1", "--format", "mermaid"), "classDef ended"),
        (("diff", "delay@1", "delay@3"), "+  gust AS wind"),
    ],
)
def test_each_question_is_answered_in_text_and_in_json(year: Year, words: tuple[str, ...], says: str) -> None:
    text = ask(year, *words)
    assert says in text
    assert json.loads(ask(year, *words, "--json")) is not None


def test_the_json_forms_hold_what_the_text_says(year: Year) -> None:
    consumers = json.loads(ask(year, "consumers", "airport_weather", "--json"))
    assert [(use["endpoint"], use["pinned"]) for use in consumers["endpoints"]] == [
        ("eta-next", True),
        ("eta-prod", False),
    ]
    assert consumers["defaults"][0]["version"] == "airport_weather@v1"
    changes = json.loads(ask(year, "changes", "--class", "schema", "--json"))
    assert [(item["class"], item["subject"]) for item in changes] == [("schema", "source/weather")]
    nodes = {node["id"]: node for node in json.loads(ask(year, "lineage", "delay@1", "--json"))["nodes"]}
    assert nodes["version/airport_weather@v1"]["actor"] == "ada"
    active = json.loads(ask(year, "active", "plane", "--json"))
    assert active["answers"][0]["rows"]["snapshot"] == year.snapshots["plane second"].id
    stale = json.loads(ask(year, "stale", "--json"))
    assert [(item["model"], item["endpoint"], item["owner"]) for item in stale] == [
        ("delay@1", "eta-prod", "eta-team"),
        ("delay@3", "eta-next", "eta-team"),
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("--fail-on", "activation"), 0),
        (("--fail-on", "schema"), 1),
        (("--fail-on", "activation", "--fail-on", "code"), 1),
        (("--fail-on", "any", "--markdown"), 1),
        (("--fail-on", "any", "--json"), 1),
    ],
)
def test_a_scheduler_is_told_by_the_exit_code(year: Year, words: tuple[str, ...], code: int) -> None:
    ask(year, "stale", *words, code=code)


def test_a_rebuild_that_is_impossible_is_told_file_by_file(year: Year, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(year.store.root, copy)
    rows = copy / year.snapshots["v1 first"].files[0].path
    rows.write_bytes(b"other bytes")
    with fs.open_store(copy, read_only=True) as store:
        assert store.trained_on("delay@1").rebuildable is True  # every file is there
        read = store.trained_on("delay@1", verify=True)
        assert [problem.part for problem in read.problems] == ["airport_weather@v1"]
        (copy / f"spines/{read.spine}.parquet").unlink()
        assert [problem.part for problem in store.trained_on("delay@1").problems] == ["spine"]
        assert store.trained_on("age@1", verify=True).rebuildable is True
    words = ["trained-on", "delay@1", "--verify", "--store", str(copy)]
    result = CliRunner().invoke(cli, words, prog_name="featurestore")
    assert result.exit_code == 6
    assert "impossible: 2 files missing or damaged" in result.stdout
    assert "spine: spines/" in result.stdout
