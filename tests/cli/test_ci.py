"""examples/ci does what it says: its commands run, and pre-commit itself runs its hook, on a branch's modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.story import environment
from tests.cli.test_check import branch, edit, git, origin

__all__ = ["branch", "origin"]  # fixtures

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "ci"


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a runner on which the command is installed."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    command = bin_ / "featurestore"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m featurestore "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    path = os.pathsep.join([str(bin_), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**environment(), "PATH": path, "PRE_COMMIT_HOME": str(tmp_path / "pre-commit")}


def test_the_workflow_is_one(tmp_path: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows",
         str(EXAMPLES / "featurestore.yml")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("change", "schema", "code"),
    [
        (("interval 5 hours", "interval 2 hours"), "", 0),
        (("time_hour, temp,", "time_hour,"), "", 1),
        (("interval 5 hours", "interval 2 hours"), '{"source": "weather", "columns": {"origin": "String"}}', 1),
        (("select origin", "select orign"), "", 2),
    ],
)
def test_the_workflows_commands_run(
    branch: Path, runner: dict[str, str], change: tuple[str, str], schema: str, code: int
) -> None:
    edit(branch, *change)
    if schema:
        (branch / "schemas").mkdir()
        (branch / "schemas" / "weather.schema.json").write_text(schema, encoding="utf-8")
    workflow: dict[str, Any] = yaml.safe_load((EXAMPLES / "featurestore.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["check"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "pip install featurestore"  # the runner fixture's part
    summary = branch.parent / "summary.md"
    ended = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", commands[1]],
        cwd=branch, env={**runner, **job["env"], "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    assert (branch / "check.sarif").is_file()
    assert summary.read_text(encoding="utf-8").startswith("## featurestore check: ")
    assert ("::error " in ended.stdout) == (code != 0)


def test_the_hook_stops_a_commit(branch: Path, runner: dict[str, str]) -> None:
    config = (EXAMPLES / "pre-commit-config.yaml").read_text(encoding="utf-8")
    (branch / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    git(branch, "add", ".")
    git(branch, "commit", "--quiet", "--message", "Check before commits")

    def hook() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", "--from-ref", "main", "--to-ref", "HEAD"],
            cwd=branch, env=runner, capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip

    edit(branch, "interval 5 hours", "interval 2 hours")
    passed = hook()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "Passed" in passed.stdout
    edit(branch, "time_hour, temp,", "time_hour,")
    stopped = hook()
    assert stopped.returncode == 1
    assert "airport_weather:temp removed" in stopped.stdout
