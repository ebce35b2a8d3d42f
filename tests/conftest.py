"""Servers that several folders of tests use, started when a test first asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
