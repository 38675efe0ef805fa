"""The connection to the archive's database, and the one error for a database that does not serve: ArchiveUnavailable.

SQLite: a file for this user only (0600, a new directory 0700), write-ahead log, deleted data is overwritten.
PostgreSQL: short timeouts everywhere, so that a database that hangs does not block a worker's thread for long. Tables
are created at the first use, by one process at a time. Knows no calls. Its messages contain neither the password nor a
value of a row.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from voicecall.archive.tables import METADATA, VERSION, versions
from voicecall.errors import ArchiveUnavailable, ConfigError

__all__ = ["Database"]

_CONNECT_S: Final = 3
_BUSY_S: Final = 3.0
_STATEMENT_MS: Final = 5_000
_SCHEMA_LOCK: Final = 0x766F6963  # the advisory lock under which PostgreSQL's tables are created
_DRIVERS: Final = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class Database:
    """Connects at the first use. Raises ConfigError for an unusable address."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ConfigError(["archive.url: is no address of a database; see docs/archive.md"]) from error
        self._url = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        self.name = self._url.render_as_string(hide_password=True)
        self.file = _file_of(self._url)
        self._engine = self._new_engine()
        self._schema_lock = threading.Lock()
        self._ready = False

    @property
    def is_sqlite(self) -> bool:
        return self.file is not None

    @property
    def is_there(self) -> bool:
        """False for a SQLite file that does not exist yet: reading must not create it."""
        return self.file is None or self.file.exists()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises. Raises ArchiveUnavailable."""
        try:
            self._prepare()
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            self._ready = False  # a repaired database may be empty
            raise ArchiveUnavailable(
                f"the archive at {self.name} does not serve us: {_reason(error)}; {self._remedy()}"
            ) from None

    def forget_pages(self) -> None:
        """Remove deleted rows from SQLite's log. Raises ArchiveUnavailable, also while a reader needs them."""
        if not self.is_sqlite:
            return
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        except SQLAlchemyError as error:
            raise ArchiveUnavailable(f"the archive at {self.name} cannot truncate its log: {_reason(error)}") from None
        if busy:
            raise ArchiveUnavailable(
                f"the archive at {self.name} cannot remove deleted rows from its log while another process reads it;"
                " try again later"
            )

    def close(self) -> None:
        self._engine.dispose()

    def _new_engine(self) -> Engine:
        if self.is_sqlite:
            engine = create_engine(self._url, hide_parameters=True, connect_args={"timeout": _BUSY_S})
            event.listen(engine, "connect", _tune_sqlite)
            return engine
        arguments = {
            "connect_timeout": _CONNECT_S,
            "tcp_user_timeout": _STATEMENT_MS,
            "application_name": "voicecall",
            "options": f"-c statement_timeout={_STATEMENT_MS} -c lock_timeout={_STATEMENT_MS}",
        }
        try:
            return create_engine(
                self._url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_size=2,
                max_overflow=2,
                pool_timeout=_CONNECT_S,
                connect_args={name: value for name, value in arguments.items() if name not in self._url.query},
            )
        except ModuleNotFoundError as error:
            raise ConfigError(
                ["archive.url: PostgreSQL needs another package; pip install 'voicecall[postgres]'"]
            ) from error
        except SQLAlchemyError as error:
            raise ConfigError([f"archive.url: {self.name} cannot be used; see docs/archive.md"]) from error

    def _prepare(self) -> None:
        with self._schema_lock:
            if self._ready and self.is_there:
                return
            if self.file is not None:
                _own_file(self.file)
            with self._engine.begin() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
                METADATA.create_all(connection)
                found = connection.execute(select(versions.c.version)).scalars().all()
                if not found:
                    connection.execute(insert(versions).values(version=VERSION))
                elif max(found) > VERSION:
                    raise ArchiveUnavailable(
                        f"the archive at {self.name} has tables of version {max(found)}, this build knows {VERSION};"
                        " run the newer build, or point archive.url elsewhere"
                    )
            self._ready = True

    def _remedy(self) -> str:
        if self.file is not None:
            return f"check that {self.file.parent} exists, has room and belongs to this user, or set archive.url"
        return "check that the server runs and accepts this user, or correct archive.url"


def _file_of(url: URL) -> Path | None:
    return Path(url.database or "").expanduser() if url.get_backend_name() == "sqlite" else None


def _own_file(file: Path) -> None:
    """Create the file for this user only before SQLite opens it: its log and index files get the same mode."""
    if not file.parent.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        status = os.fstat(handle)
        if status.st_uid == os.geteuid() and status.st_mode & 0o077:
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


def _tune_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _reason(error: Exception) -> str:
    """What failed, without a value of any row: the driver's message is used for connection errors only."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    cause = getattr(error, "orig", None) or error
    message = str(cause).strip().splitlines() if isinstance(error, OperationalError) else []
    return message[0][:200] if message else type(cause).__name__
