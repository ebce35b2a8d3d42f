from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from featurestore.catalog.database import Catalog
from tests.lineage.world import Story, open_story

Answer = TypeVar("Answer")


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Path]:
    """Build the story once; its catalog is copied for each test."""
    folder = tmp_path_factory.mktemp("story")
    story = open_story(folder)
    story.catalog.close()
    return story, folder / "catalog.db"


@pytest.fixture
def story(told: tuple[Story, Path], tmp_path: Path) -> Iterator[Story]:
    original, database = told
    shutil.copy(database, tmp_path / "catalog.db")
    own = copy.copy(original)
    own.catalog = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield own
    own.catalog.close()


class Ask:
    """Asks a question of the story as it is now."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def __call__(self, question: Callable[..., Answer], *args: object, **named: object) -> Answer:
        with self.story.catalog.read() as connection:
            return question(connection, *args, **named)


@pytest.fixture
def ask(story: Story) -> Ask:
    return Ask(story)
