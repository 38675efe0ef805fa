"""A real PostgreSQL on a socket of its own directory, for tests that need its true behaviour.

Uses the server that the pgserver wheel carries; it runs as another user when the tests are root's. Knows nothing of
voicecall.
"""

import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = ["Postgres", "start_postgres"]


@dataclass(kw_only=True)
class Postgres:
    """`stop` and `start` keep the data and the address."""

    url: str
    directory: Path
    _server: Any

    def stop(self) -> None:
        """Cut every connection and end it; harmless when it is over already."""
        self._control("-m", "fast", "-w", "stop")

    def start(self) -> None:
        self._control("-w", "-o", f'-h "" -k {self.directory}', "-l", str(self.directory / "log"), "start")

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        import pgserver

        pgserver.pg_ctl(list(arguments), pgdata=self.directory, user=self._server.system_user)


def start_postgres() -> Postgres:
    """Start one, in a short path: the name of a socket has little room. The caller closes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the place of its lock, on machines without XDG_RUNTIME_DIR
        import pgserver

    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    server = pgserver.get_server(directory, cleanup_mode="stop")
    return Postgres(
        url=f"postgresql://postgres@/postgres?host={quote(str(directory))}", directory=directory, _server=server
    )
