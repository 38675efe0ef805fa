"""The same archive twice: in a SQLite file, and in a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.fakes.postgres import Postgres, start_postgres
from voicecall.archive import CallArchive


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = start_postgres()
    yield server
    server.close()


@pytest.fixture
def empty_postgres(postgres: Postgres) -> Postgres:
    engine = create_engine(postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS archive_version, lines, turns, reports, calls"))
    engine.dispose()
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an archive that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'calls.db'}"
    server: Postgres = request.getfixturevalue("empty_postgres")
    return server.url


@pytest.fixture
def archive(url: str) -> Iterator[CallArchive]:
    archive = CallArchive(url)
    yield archive
    archive.close()
