"""A small real store in a working folder, made through the command line itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.story import change_wind, done, prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a working folder with modules and data, and no store; nothing of the environment counts."""
    folder = tmp_path_factory.mktemp("work")
    prepare(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FEATURESTORE_")]:
            patch.delenv(name)
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def world(folder: Path) -> Path:
    """Give the folder with a store: two versions, both published; two models on one endpoint; v2 active."""
    done("init")
    done("apply", "features/")
    for number in (1, 2):
        version = f"airport_weather@v{number}"
        done("materialize", version)
        done("publish", version, "--at", "2013-07-20")
        done("activate", version, "--reason", f"the story, {number}")
        done("train", version, "--spine", "flights.parquet", "--lock", f"delay{number}.lock")
        done("register", "delay", "--version", str(number), "--lock", f"delay{number}.lock", "--owner", "delay-team")
        done("deploy", f"delay@{number}", "--endpoint", "eta-prod", "--share", "0.5")
        if number == 1:
            change_wind()
            done("apply", "features/")
    return folder
