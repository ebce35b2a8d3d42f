"""Redis generations: the contract on one server and on a cluster, and what only a server can do to them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from featurestore.online.address import Address
from featurestore.online.base import OnlineStore
from featurestore.online.redis_store import RedisStore
from featurestore.testing.online import OnlineStoreSuite
from tests.redis_servers import RedisProcess


class TestRedis(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, redis_server: RedisProcess) -> Callable[[], OnlineStore]:
        namespace = uuid.uuid4().hex
        return lambda: RedisStore(Address.parse(redis_server.url), namespace)


class TestRedisCluster(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, redis_nodes: str) -> Callable[[], OnlineStore]:
        namespace = uuid.uuid4().hex
        return lambda: RedisStore(Address.parse(redis_nodes), namespace)
