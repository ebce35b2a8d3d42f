"""Programs that tests start and pip does not bring, and how they are installed; `make test` runs this."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

__all__ = ["need"]

PACKAGES = {
    "redis-server": "redis-server",
}
"""Program to its Debian package."""

SKIP = "FEATURESTORE_TESTS_SKIP_MISSING"
"""Set to 1 on a machine where they cannot be installed: tests that need one are skipped instead of failing."""


def need(program: str) -> str:
    """Return the path of a program; the test that asks for one that is missing fails and says how to install it."""
    path = shutil.which(program)
    if path is None:
        message = f"this test starts {program!r}: install the package {PACKAGES[program]!r}, or set {SKIP}=1 to skip it"
        (pytest.skip if os.environ.get(SKIP) == "1" else pytest.fail)(message)
    assert path is not None
    return path


def install() -> int:
    """Install what is missing where that needs no password, else name it; the tests that need it will fail."""
    missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
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
