"""Servers that several folders of tests use, started when a test first asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from featurestore.catalog import schema
from featurestore.catalog.database import REVISION, Catalog
from tests.postgres_servers import PostgresProcess, postgres_process
from tests.redis_servers import RedisProcess, redis_cluster, redis_process


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis server; tests keep apart by their own prefixes."""
    with redis_process(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis cluster of three nodes."""
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresProcess]:
    """A PostgreSQL server; each test makes a database of its own."""
    with postgres_process() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresProcess) -> str:
    """Where the tables of a catalog are, whatever they hold."""
    url = postgres_server.schema()
    Catalog(url).close()
    return url


@pytest.fixture
def postgres_catalog(postgres_server: PostgresProcess, migrated: str) -> str:
    """The URL of an empty catalog."""
    tables = ", ".join(schema.metadata.tables)
    release = f"delete from alembic_version; insert into alembic_version values ('{REVISION}')"
    postgres_server.run(f"truncate {tables} restart identity; {release}", migrated)
    return migrated
