"""The servers beside the public one, as processes: gateway, health servers of ingress and worker, MCP server.

Knows commands and variables; the tests know what they send.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tests.contract.attacks.target import Answer, free_port, read_answer
from tests.contract.attacks.wire import connected

__all__ = ["MCP", "READ_TOKEN", "TOKEN", "Server", "launched", "running"]

TOKEN: Final = "a-long-random-token"
READ_TOKEN: Final = "a-token-that-only-reads"
MCP: Final = "mcp"
_PATIENCE_S: Final = 50.0

_COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "gateway": ("gateway",),
    "ingress": ("ingress",),
    "worker": ("worker",),
}


@dataclass(frozen=True)
class Server:
    """A server on this machine. `log`: where its process writes."""

    port: int
    log: Path

    def exchange(self, data: bytes, source: str = "127.0.0.1") -> Answer:
        """Send these bytes on a new connection from this address; the first answer."""
        with connected(self.port, source) as line:
            line.sendall(data)
            return read_answer(line)


def launched(name: str, host: str, place: Path, **environ: str) -> tuple[subprocess.Popen[bytes], Server]:
    """The process of that name, listening on `host`, which may be starting yet."""
    place.mkdir(parents=True, exist_ok=True)
    port, serve, config, log = free_port(), free_port(), place / "config.json", place / "log"
    # A reachable mock carrier would need a secret of its own.
    config.write_bytes(orjson.dumps({"provider": "mock", "serve": {"port": serve}, "store": str(place)}))
    address = f"{host}:{port}"
    env = {
        **os.environ,
        "VOICECALL_CONFIG": str(config),
        "VOICECALL_GATEWAY_BIND": host,
        "VOICECALL_GATEWAY_PORT": str(port),
        "VOICECALL_INGRESS_HEALTH": address,
        "VOICECALL_WORKER_HEALTH": address,
        **environ,
    }
    words = (MCP, "--http", address) if name == MCP else _COMMANDS[name]
    command = (sys.executable, "-m", "voicecall.cli", *words)
    with log.open("wb") as written:
        return subprocess.Popen(command, env=env, stdout=written, stderr=written), Server(port, log)


@contextmanager
def running(*names: str, host: str, place: Path, **environ: str) -> Iterator[dict[str, Server]]:
    """Servers that accept connections, by their names."""
    started = {name: launched(name, host, place / name, **environ) for name in names}
    try:
        deadline = time.monotonic() + _PATIENCE_S
        for name, (process, server) in started.items():
            while not _is_open(server):
                assert process.poll() is None, server.log.read_text()
                assert time.monotonic() < deadline, f"{name} does not open: {server.log.read_text()}"
                time.sleep(0.05)
        yield {name: server for name, (_, server) in started.items()}
    finally:
        for process, _ in started.values():
            process.terminate()
        for process, _ in started.values():
            process.wait(_PATIENCE_S)


def _is_open(server: Server) -> bool:
    try:
        connected(server.port).close()
    except OSError:
        return False
    return True
