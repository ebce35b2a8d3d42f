from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from featurestore.catalog.database import Catalog
from tests.lineage.world import Story, open_story
from tests.lineage.year import Year, open_year
from tests.postgres_servers import PostgresProcess

Answer = TypeVar("Answer")


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Path]:
    """Build the story once; its catalog is copied for each test."""
    folder = tmp_path_factory.mktemp("story")
    story = open_story(folder)
    story.catalog.close()
    return story, folder / "catalog.db"


@pytest.fixture(scope="session")
def told_to_postgres(postgres_server: PostgresProcess) -> tuple[Story, str]:
    """The same in PostgreSQL, in a database that is copied for each test."""
    url = postgres_server.database()
    story = Story(Catalog(url)).tell()
    story.catalog.close()
    return story, url


@pytest.fixture
def database() -> str:
    """Where the story's catalog is; a module that overrides it asks on both databases."""
    return "sqlite"


@pytest.fixture
def story(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[Story]:
    if database == "sqlite":
        original, path = request.getfixturevalue("told")
        shutil.copy(path, tmp_path / "catalog.db")
        url = f"sqlite:///{tmp_path / 'catalog.db'}"
    else:
        original, template = request.getfixturevalue("told_to_postgres")
        server: PostgresProcess = request.getfixturevalue("postgres_server")
        url = server.database(f'template "{template.rpartition("/")[2]}"')
    own: Story = copy.copy(original)
    own.catalog = Catalog(url)
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


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """A year of real operations, told once; tests only ask."""
    told = open_year(tmp_path_factory.mktemp("year"))
    yield told
    told.store.close()
