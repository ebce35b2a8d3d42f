from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore.catalog.database import Catalog
from tests.postgres_servers import PostgresProcess


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """The tests run on each database."""
    return str(request.param)


@pytest.fixture
def url(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> str:
    """Where a new catalog can be made."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    server: PostgresProcess = request.getfixturevalue("postgres_server")
    return server.schema()


@pytest.fixture
def made(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> str:
    """Where an empty one is, or is made at once."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    return str(request.getfixturevalue("postgres_catalog"))


@pytest.fixture
def catalog(made: str) -> Iterator[Catalog]:
    opened = Catalog(made)
    yield opened
    opened.close()
