"""A real PostgreSQL on a Unix socket in its own directory, for tests that need its true behaviour.

Uses the server in the pgserver wheel, which also works when the tests run as root; where there is no such wheel
(Python 3.13), the PostgreSQL of the machine, which refuses to run as root. Knows nothing of voicecall.
"""

import importlib.util
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

__all__ = ["Postgres", "start_postgres"]


class PgCtl(Protocol):
    """Runs `pg_ctl` with these arguments on one data directory."""

    def __call__(self, *arguments: str) -> None: ...


@dataclass(kw_only=True)
class Postgres:
    """`stop` and `start` keep the data and the address."""

    url: str
    directory: Path
    pg_ctl: PgCtl
    cleanup: Callable[[], None]

    def stop(self) -> None:
        """Cut every connection and end the server; no error when it has already ended."""
        self.pg_ctl("-m", "fast", "-w", "stop")

    def start(self) -> None:
        self.pg_ctl(*_start_options(self.directory))

    def close(self) -> None:
        self.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)


def start_postgres() -> Postgres:
    """Start a server. Its path is short, because the path of a Unix socket is limited. The caller closes it."""
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    start = _start_wheel if importlib.util.find_spec("pgserver") else _start_installed
    pg_ctl, cleanup = start(directory)
    url = f"postgresql://postgres@/postgres?host={quote(str(directory))}"
    return Postgres(url=url, directory=directory, pg_ctl=pg_ctl, cleanup=cleanup)


def _start_options(directory: Path) -> list[str]:
    return ["-w", "-o", f'-h "" -k {directory}', "-l", str(directory / "log"), "start"]


def _start_wheel(directory: Path) -> tuple[PgCtl, Callable[[], None]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the directory of its lock, without XDG_RUNTIME_DIR
        import pgserver

    server = pgserver.get_server(directory, cleanup_mode="stop")

    def pg_ctl(*arguments: str) -> None:
        pgserver.pg_ctl(list(arguments), pgdata=directory, user=server.system_user)

    return pg_ctl, server.cleanup


def _start_installed(directory: Path) -> tuple[PgCtl, Callable[[], None]]:
    binaries = _installed()
    run = partial(subprocess.run, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    run([binaries / "initdb", "-D", directory, "-U", "postgres", "--auth=trust", "--encoding=utf8"])

    def pg_ctl(*arguments: str) -> None:
        run([binaries / "pg_ctl", "-D", directory, *arguments])

    def cleanup() -> None:
        if (directory / "postmaster.pid").exists():
            pg_ctl("-m", "fast", "-w", "stop")

    pg_ctl(*_start_options(directory))
    return pg_ctl, cleanup


def _installed() -> Path:
    """The directory of `pg_ctl`: from the PATH, else the newest one where Debian puts it, outside the PATH."""
    found = shutil.which("pg_ctl")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if found is None and not versions:
        raise RuntimeError("no PostgreSQL: install it, or pgserver, which carries one")
    return Path(found).parent if found else versions[-1].parent
