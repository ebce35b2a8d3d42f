"""Programs that tests start and pip does not bring, and how they are installed; `make test` runs this."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["need"]

PACKAGES = {
    "dot": "graphviz",
    "redis-server": "redis-server",
    "initdb": "postgresql",
    "postgres": "postgresql",
}
"""Program to its Debian package."""

ASIDE = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each PostgreSQL release, in no PATH."""

SKIP = "FEATURESTORE_TESTS_SKIP_MISSING"
"""Set to 1 on a machine where they cannot be installed: tests that need one are skipped instead of failing."""


def need(program: str) -> str:
    """Return the path of a program; the test that asks for one that is missing fails and says how to install it."""
    path = find(program)
    if path is None:
        message = f"this test starts {program!r}: install the package {PACKAGES[program]!r}, or set {SKIP}=1 to skip it"
        (pytest.skip if os.environ.get(SKIP) == "1" else pytest.fail)(message)
    assert path is not None
    return path


def find(program: str) -> str | None:
    """Return the path of a program, of the newest release where several are installed, or None."""
    aside = sorted(ASIDE.glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    return shutil.which(program) or (str(aside[-1]) if aside else None)


def install() -> int:
    """Install what is missing where that needs no password, else name it; the tests that need it will fail."""
    missing = sorted({package for program, package in PACKAGES.items() if find(program) is None})
    if not missing:
        return 0
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    try:
        subprocess.run([*root, "apt-get", "update", "-qq"], env=quiet, check=False)
        done = (
            subprocess.run([*root, "apt-get", "install", "-y", "-qq", *missing], env=quiet, check=False).returncode == 0
        )
    except OSError:  # no apt-get, or no sudo
        done = False
    if not done:
        sys.stderr.write(f"Tests need these packages, which could not be installed: {' '.join(missing)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(install())
