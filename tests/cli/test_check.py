"""The gate as a CI runs it: a process, on the modules of a git branch, judged by its exit code and its reports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sarif_pydantic import Sarif  # type: ignore[import-untyped]  # it has no marker of its types

from tests.cli.story import call, done, environment, prepare, told

NOBODY = ("-c", "user.name=A Reviewer", "-c", "user.email=reviewer@example.org")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *NOBODY, *words], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def run(folder: Path, *words: str) -> Ended:
    """Run the command line in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "featurestore", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a repository whose main branch is live: delay@1 reads both features of v1 on eta-prod."""
    folder = tmp_path_factory.mktemp("origin")
    prepare(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("FEATURESTORE_STORE", raising=False)
        for line in (
            "init",
            "apply features/",
            "materialize airport_weather",
            "train airport_weather@v1 --spine flights.parquet --lock delay.lock",
            "register delay --version 1 --lock delay.lock --owner delay-team",
            "deploy delay@1 --endpoint eta-prod",
        ):
            done(*line.split())
    (folder / ".gitignore").write_text(".featurestore\n*.parquet\n__pycache__\n", encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "What is live")
    return folder


@pytest.fixture
def branch(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a clone on a branch, beside the store; the data is not there, as it is not on a runner."""
    git(tmp_path, "clone", "--quiet", str(origin), "clone")
    folder = tmp_path / "clone"
    shutil.copytree(origin / ".featurestore", folder / ".featurestore")
    git(folder, "switch", "--quiet", "--create", "proposal")
    monkeypatch.chdir(folder)
    for name in ("FEATURESTORE_STORE", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    return folder


def edit(folder: Path, old: str, new: str, file: str = "features/weather.py") -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    git(folder, "commit", "--all", "--quiet", "--message", "Propose")


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "features" / "weather.py").read_text(encoding="utf-8").splitlines()
    return 1 + next(number for number, line in enumerate(lines) if text in line)


# --- exit codes


def test_what_is_live_passes_without_the_data(branch: Path) -> None:
    ended = run(branch, "check", "features/")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("check: clean")


def test_a_new_computation_is_a_warning_and_passes(branch: Path) -> None:
    edit(branch, "interval 5 hours", "interval 2 hours")
    ended = run(branch, "check", "features/")
    assert ended.code == 0
    assert "! airport_weather:wind_6h recomputed in airport_weather@v2: risky, a warning" in ended.out
    assert "airport_weather:wind_6h -> airport_weather@v1:wind_6h -> delay@1 -> eta-prod" in ended.out


def test_a_feature_taken_away_is_blocked_and_apply_refuses_it_too(branch: Path, origin: Path) -> None:
    edit(branch, "time_hour, temp,", "time_hour,")
    ended = run(branch, "check", "features/")
    assert ended.code == 1
    assert "x airport_weather:temp removed in airport_weather@v2: breaking, blocked" in ended.out
    shutil.copy(origin / "weather.parquet", branch)
    refused = call("apply", "features/weather.py", "--json")
    assert refused.code == 1
    assert refused.json["error"]["type"] == "BlockedError"
    assert "airport_weather:temp removed in airport_weather@v2, which delay@1 on eta-prod reads" in refused.err


def test_a_dropped_column_is_blocked_and_says_what_breaks(branch: Path) -> None:
    ended = run(branch, "check", "--drop-column", "weather.wind_speed")
    assert ended.code == 1
    assert "weather.wind_speed -> airport_weather@v1:wind_6h -> delay@1 -> eta-prod  [DIRECT]" in ended.out
    assert "delay@1 (delay-team), live on eta-prod: breaks refresh of airport_weather@v1" in ended.out
    assert call("check", "--drop-column", "weather.wind_speed", "features/").code == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("select origin", "select orign", "orign"),
        ("airport_weather = ", "airport_weather = = ", "features/weather.py:7"),
        ("import featurestore as fs\nfrom", "import featurestore as fs\nimport nothing_at_all\nfrom", "nothing_at_all"),
        ("weather.parquet", "elsewhere.parquet", "elsewhere.parquet"),
    ],
)
def test_what_cannot_be_read_is_not_told(branch: Path, old: str, new: str, said: str) -> None:
    edit(branch, old, new)
    ended = call("check", "features/")
    assert ended.code == 2
    assert said in ended.out + ended.err


def test_a_module_that_ends_the_process_does_not_pass(branch: Path) -> None:
    edit(branch, "import featurestore as fs\nfrom", "import featurestore as fs\nraise SystemExit(0)\nfrom")
    ended = run(branch, "check", "features/")
    assert ended.code == 2
    assert "ends the process when it is imported" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check",), "nothing is proposed"),
        (("check", "nowhere/"), "no file or folder 'nowhere'"),
        (("check", "--drop-column", "wind"), "SOURCE.COLUMN"),
        (("check", "--drop-column", "wether.wind"), "Did you mean 'weather'"),
        (("check", "--retype", "weather.temp=Flaot64"), "Did you mean 'Float64'"),
        (("check", "--retype", "weather.temp"), "--retype weather.temp=String"),
        (("check", "--source", "missing.schema.json"), "no schema file 'missing.schema.json'"),
        (("check", "features/", "--store", "nowhere"), "no store in"),
        (("check", "features/", "--markdown", "no/such/folder/check.md"), "cannot be written"),
        (("check", "features/", "--color"), "No such option"),
    ],
)
def test_a_question_that_cannot_be_answered_ends_with_two(branch: Path, words: tuple[str, ...], said: str) -> None:
    ended = call(*words)
    assert ended.code == 2, branch
    assert said in ended.out + ended.err


def test_a_damaged_store_or_policy_ends_with_two(branch: Path) -> None:
    edit(branch, 'store = ".featurestore"', 'store = ".featurestore"\npolicy = { risky = "blok" }', "featurestore.toml")
    ended = call("check", "features/")
    assert ended.code == 2
    assert "'blok': write one of block, warn, allow" in ended.err
    edit(branch, 'policy = { risky = "blok" }', "", "featurestore.toml")
    (branch / ".featurestore" / "catalog.db").write_bytes(b"no catalog " * 1000)
    for end in ("catalog.db-wal", "catalog.db-shm"):
        (branch / ".featurestore" / end).unlink(missing_ok=True)
    assert run(branch, "check", "features/").code == 2


# --- reports


@pytest.fixture
def reported(branch: Path) -> tuple[dict[str, Any], Sarif, str, list[str]]:
    """Give the JSON, SARIF, Markdown and annotations of one blocked change and one warning."""
    edit(branch, "time_hour, temp,", "time_hour, cast(temp as varchar) as temp,")
    edit(branch, "interval 5 hours", "interval 2 hours")
    ended = run(branch, "check", "features/", "--json", "--sarif", "check.sarif", "--markdown", "check.md",
                "--annotations", "github")  # fmt: skip
    assert ended.code == 1
    sarif = Sarif.model_validate_json((branch / "check.sarif").read_text(encoding="utf-8"))
    markdown = (branch / "check.md").read_text(encoding="utf-8")
    return json.loads(ended.out), sarif, markdown, ended.err.splitlines()


def test_the_reports_agree_and_name_the_lines(
    branch: Path, reported: tuple[dict[str, Any], Sarif, str, list[str]]
) -> None:
    answer, sarif, markdown, annotations = reported
    assert (answer["result"], answer["exit_code"]) == ("blocked", 1)
    retyped, recomputed = answer["rulings"]
    assert (retyped["change"]["kind"], retyped["blocks"]) == ("feature_retyped", True)
    assert (recomputed["change"]["kind"], recomputed["action"]) == ("feature_recomputed", "warn")
    (effect,) = retyped["effects"]
    assert (effect["reader"], effect["endpoints"], effect["owner"]) == ("model/delay@1", ["eta-prod"], "delay-team")

    (results,) = [found.results for found in sarif.runs]
    assert results is not None
    assert [(result.rule_id, str(result.level)) for result in results] == [
        ("feature_retyped", "Level.ERROR"),
        ("feature_recomputed", "Level.WARNING"),
    ]
    line = line_of(branch, "fs.FeatureView(")
    document = json.loads((branch / "check.sarif").read_text(encoding="utf-8"))
    (found,) = document["runs"]
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    for result, ruling in zip(found["results"], answer["rulings"], strict=True):
        assert rules[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "features/weather.py", "uriBaseId": "ROOT"}
        assert place["region"] == {"startLine": line}
        assert result["partialFingerprints"] == {"featurestore/v1": ruling["fingerprint"]}

    assert "| 🛑 | `airport_weather:temp retyped in airport_weather@v2` | breaking | delay@1 on eta-prod" in markdown
    assert "| ⚠️ | `airport_weather:wind_6h recomputed in airport_weather@v2` | risky |" in markdown
    assert [text.partition("::")[2].partition(" ")[0] for text in annotations] == ["error", "warning"]
    assert f"file=features/weather.py,line={line}::" in annotations[0]
    assert "title=featurestore%3A airport_weather%3Atemp retyped" in annotations[0]
    assert "%0A" in annotations[0]


def test_what_is_accepted_is_suppressed(branch: Path) -> None:
    dropped = ("--drop-column", "weather.wind_speed")
    (accepted,) = told("ack", *dropped, "--reason", "it moves to gusts", "--until", "14d")
    assert (accepted["state"], accepted["reached"]) == ("valid", ["model/delay@1 on eta-prod"])
    ended = run(branch, "check", *dropped, "--sarif", "check.sarif", "--annotations", "github")
    assert ended.code == 0
    assert "accepted by" in ended.out
    assert "::notice" in ended.out
    Sarif.model_validate_json((branch / "check.sarif").read_text(encoding="utf-8"))
    (result,) = json.loads((branch / "check.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    assert result["suppressions"][0]["status"] == "accepted"
    assert "it moves to gusts" in result["suppressions"][0]["justification"]
    assert "physicalLocation" not in result["locations"][0]
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "weather.wind_speed"


def test_what_could_not_be_told_is_in_the_reports(branch: Path) -> None:
    edit(branch, "select origin", "select orign")
    ended = run(branch, "check", "features/", "--sarif", "check.sarif", "--markdown", "check.md",
                "--annotations", "github")  # fmt: skip
    assert ended.code == 2
    (invocation,) = json.loads((branch / "check.sarif").read_text(encoding="utf-8"))["runs"][0]["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)
    assert "orign" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert "could not tell" in (branch / "check.md").read_text(encoding="utf-8")
    assert "::error title=featurestore%3A could not tell::" in ended.out


def test_a_schema_file_is_a_proposal(branch: Path) -> None:
    columns = {"origin": "String", "time_hour": "Timestamp", "temp": "Float64", "wind_speed": "Float64"}
    path = branch / "weather.schema.json"
    path.write_text(json.dumps({"columns": columns}), encoding="utf-8")
    assert call("check", "--source", "weather.schema.json").code == 0
    path.write_text(json.dumps({"columns": {**columns, "temp": "varchar"}}), encoding="utf-8")
    ended = call("check", "--source", "weather.schema.json")
    assert ended.code == 1
    assert "retype weather.temp, DOUBLE to VARCHAR" in ended.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "it has no columns"),
        ('{"columns": {}}', "it has no columns"),
        ('{"columns": {"temp": 1}}', "is not written as"),
        ('{"columns": {"temp": "Flaot64"}}', "Did you mean 'Float64'"),
        ('{"columns": [{"name": "a", "type": "Int32"}, {"name": "a", "type": "Int32"}]}', "twice"),
    ],
)
def test_a_schema_file_that_is_none_is_told(branch: Path, text: str, said: str) -> None:
    (branch / "weather.schema.json").write_text(text, encoding="utf-8")
    ended = call("check", "--source", "weather.schema.json")
    assert ended.code == 2
    assert "weather.schema.json" in ended.err
    assert said in ended.err


# --- ack


def test_ack_lists_and_withdraws(branch: Path) -> None:
    dropped = ("--drop-column", "weather.temp")
    assert "nothing was accepted" in done("ack", "--list")
    done("ack", *dropped, "--reason", "agreed", "--until", "2d")
    (given,) = told("ack", "--list")
    assert given["text"] == "drop weather.temp"
    assert "drop weather.temp" in done("ack", "--list")
    done("ack", "--withdraw", given["fingerprint"][:12], "--reason", "not agreed")
    assert told("ack", "--list")[0]["state"] == "withdrawn"
    assert call("check", *dropped).code == 1, branch


@pytest.mark.usefixtures("branch")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ack", "features/", "--reason", "x", "--until", "1d"), 1, "nothing to accept: the check is clean"),
        (("ack", "--drop-column", "weather.temp", "--until", "1d"), 1, "--reason"),
        (("ack", "--drop-column", "weather.temp", "--reason", "x"), 1, "--until"),
        (("ack", "--reason", "x", "--until", "1d"), 2, "nothing is proposed"),
        (("ack", "--withdraw", "abcdef", "--reason", "x"), 3, "abcdef"),
    ],
)
def test_ack_says_what_it_needs(words: tuple[str, ...], code: int, said: str) -> None:
    ended = call(*words)
    assert ended.code == code
    assert said in ended.err
