"""One real Redis for all tests of the workers: for two seconds after its start no node counts as dead."""

from collections.abc import Iterator

import pytest

from tests.fakes.postgres import Postgres, start_postgres
from tests.fakes.redis_server import RedisServer, start_redis


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = start_postgres()
    yield server
    server.close()
