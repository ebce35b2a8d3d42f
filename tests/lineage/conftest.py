from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lineage.world import Story, open_story


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = open_story(tmp_path)
    yield told
    told.catalog.close()


class Ask:
    """Asks a question of the story as it is now."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def __call__(self, question, *args, **named):  # type: ignore[no-untyped-def]  # any question
        with self.story.catalog.read() as connection:
            return question(connection, *args, **named)


@pytest.fixture
def ask(story: Story) -> Ask:
    return Ask(story)
