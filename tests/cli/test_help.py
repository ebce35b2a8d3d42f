"""The shell of the command line: help, usage errors, lazy loading, exit codes, real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from featurestore.cli.exits import EXITS
from featurestore.cli.group import VERBS
from tests.cli.story import call, environment

HEAVY = (
    "alembic", "duckdb", "google.protobuf", "grpc", "lmdb", "numpy", "pandas", "polars", "pyarrow", "pydantic",
    "pyiceberg", "rich", "sqlalchemy", "sqlglot",
)  # fmt: skip


def process(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as its users do."""
    return subprocess.run(
        [sys.executable, "-m", "featurestore", *words],
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from featurestore.cli import main\n"
        "sys.argv = ['featurestore', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        f"print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))\n"
        "print('verbs:', *(name for name in sys.modules if name.startswith('featurestore.cli.')))\n"
    )
    bare = {name: value for name, value in environment().items() if not name.startswith(("COVERAGE_", "COV_"))}
    result = subprocess.run(
        [sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert "loaded:\n" in result.stdout
    assert "featurestore.cli.train" not in result.stdout


def test_help_names_every_command_and_exit_code() -> None:
    text = " ".join(call("--help").out.split())
    for name, verb in VERBS.items():
        assert f"{name} {verb.summary}" in text
    for row in EXITS:
        assert f"{row.code} {row.meaning}" in text


@pytest.mark.parametrize("name", VERBS)
def test_each_command_has_help_with_an_example(name: str) -> None:
    said = call(*name.split(), "-h")
    assert said.code == 0
    assert f"  featurestore {name}" in said.out.partition("Example")[2]


def test_the_version_is_told() -> None:
    assert call("--version").out.startswith("featurestore, version ")


def test_an_unknown_command_names_the_nearest() -> None:
    said = call("pubish", "airport_weather@v1")
    assert said.code == 2
    assert "there is no command 'pubish'. Did you mean 'publish'?" in said.err


def test_a_usage_error_is_json_when_json_is_asked_for() -> None:
    said = call("deploy", "delay@1", "--json")
    assert said.code == 2
    assert said.json == {"error": {"type": "UsageError", "message": "Missing option '--endpoint'."}}
    assert "Missing option" in said.err
    assert call("deploy", "delay@1").out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["register", "delay", "--version", "1"], "name the training frame"),
        (["register", "delay", "--version", "1", "--frame", "a", "--lock", "b"], "name the training frame"),
        (["register", "delay", "--version", "1", "--frame", "a", "--metric", "rmse"], "is not name=number"),
        (["get", "--key", "origin=JFK"], "name what to read"),
        (["get", "a:b", "--model", "delay@1", "--key", "origin=JFK"], "name what to read"),
        (["get", "a:b", "--key", "origin"], "is not KEY=VALUE"),
        (["deploy", "delay@1", "--endpoint", "e", "--share", "2"], "not in the range"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_a_usage_error(words: list[str], message: str) -> None:
    said = call(*words)
    assert said.code == 2
    assert message in said.err


def test_a_process_ends_with_the_documented_code_and_no_traceback(tmp_path: Path) -> None:
    store = tmp_path / "missing"
    result = process("status", "--store", str(store))
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith(f"error: there is no store in {str(store)!r}")
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = process("status", "--json", FEATURESTORE_STORE=str(tmp_path))
    assert result.returncode == 2
    assert json.loads(result.stdout)["error"]["type"] == "ConfigError"
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_an_error_of_ours_that_nobody_expected_keeps_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "views.py").write_text("import sys\nsys.exit(7)\n", encoding="utf-8")
    result = process("plan", str(tmp_path / "views.py"), "--store", str(tmp_path / "store"))
    assert result.returncode == 7
