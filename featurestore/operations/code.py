"""The state of the code from which something was made."""

from __future__ import annotations

import shutil
import subprocess

from featurestore.model.version import CodeState

__all__ = ["code_state"]


def code_state() -> CodeState:
    """Return the git commit of the working folder, and whether it had uncommitted changes."""
    git = shutil.which("git")
    if git is None:
        return CodeState()
    commit = _run(git, "rev-parse", "HEAD")
    if commit is None:
        return CodeState()
    return CodeState(commit, bool(_run(git, "status", "--porcelain")))


def _run(*command: str) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - git with fixed arguments
    return done.stdout.strip() if done.returncode == 0 else None
