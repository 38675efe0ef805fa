"""The speech server as a process with its real models, one for the folder."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest


@dataclass
class Server:
    """A running speech server; `log` is the file that it writes to."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    @property
    def url(self) -> str:
        """Waits until it listens."""
        deadline = time.monotonic() + 50
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.lines:
                if '"speech server listens"' in line and line.endswith("}"):
                    return f"http://127.0.0.1:{json.loads(line)['port']}"
            time.sleep(0.05)
        raise AssertionError(self.lines)


@contextmanager
def running(**environment: str) -> Iterator[Server]:
    """The server. Asserts exit status 0 after SIGTERM."""
    environ = {**os.environ, "VOICECALL_SPEECH_LISTEN": "127.0.0.1:0", **environment}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "voicecall.speech_server"], env=environ, stderr=log)
        try:
            server = Server(process, Path(log.name))
            assert server.url
            yield server
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
