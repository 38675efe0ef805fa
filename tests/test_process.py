"""Each role as an operator starts it: why it cannot start, with which exit status it leaves, and how it stops."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from redis.asyncio import Redis

from tests.fakes.redis_server import RedisServer, start_redis
from voicecall.aio import Background, BackgroundFailed
from voicecall.process import _serve, keep_loaded

INGRESS = (sys.executable, "-m", "ingress")
GATEWAY = (sys.executable, "-m", "gateway")
WORKER = (sys.executable, "-m", "dramatiq", "workers", "--processes", "1", "--threads", "1", "--skip-logging")
ROLES = pytest.mark.parametrize(
    ("role", "command"),
    [("ingress", INGRESS), ("gateway", GATEWAY), ("worker", WORKER)],
    ids=["ingress", "gateway", "worker"],
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


async def start(
    command: tuple[str, ...], directory: Path, redis_url: str, config: str, **environ: str
) -> asyncio.subprocess.Process:
    path = directory / "voicecall.json5"
    path.write_text(config, encoding="utf-8")
    defaults = {"VOICECALL_INGRESS_HEALTH": "127.0.0.1:0", "VOICECALL_GATEWAY_PORT": "0"}
    return await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **defaults, "VOICECALL_CONFIG": str(path), "REDIS_URL": redis_url, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """The exit status and everything it printed."""
    try:
        async with asyncio.timeout(30):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, printed.decode()


@ROLES
async def test_a_configuration_that_cannot_be_used_is_exit_status_78_and_a_line_for_each_problem(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...]
) -> None:
    """An operator mends everything at once; a supervisor that knows sysexits.h does not start it again in vain."""
    process = await start(command, tmp_path, server.url, "{provider: 'twilio', colour: 'blue'}")
    status, printed = await ended(process)
    assert status == 78
    for problem in ("colour: there is no such key", "twilio.authToken is required"):
        assert f"\nvoicecall {role} cannot start: {problem}" in f"\n{printed}"
    assert "Traceback" not in printed


@ROLES
async def test_problems_of_the_environment_are_reported_with_those_of_the_configuration(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...]
) -> None:
    environ = {"VOICECALL_INGRESS_HEALTH": "nowhere", "VOICECALL_GATEWAY_PORT": "many"}
    process = await start(command, tmp_path, server.url, "{provider: 'mock', colour: 'blue'}", **environ)
    status, printed = await ended(process)
    assert status == 78
    for name in (*environ, "colour"):
        assert f"voicecall {role} cannot start: {name}: " in printed


@ROLES
async def test_an_address_that_is_taken_is_exit_status_1(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...]
) -> None:
    """Two instances by mistake: one clean owner (attack 100)."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environ = {
            "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{port}",
            "VOICECALL_GATEWAY_PORT": str(port),
            "VOICECALL_WORKER_HEALTH": f"127.0.0.1:{port}",
        }
        process = await start(command, tmp_path, server.url, f"{{provider: 'mock', store: '{tmp_path}'}}", **environ)
        status, printed = await ended(process)
    assert status == 1
    assert f"voicecall {role} cannot start: " in printed
    assert "address already in use" in printed
    assert "Traceback" not in printed


@ROLES
async def test_c14_a_redis_that_refuses_is_exit_status_78_and_one_line_in_its_own_words(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...]
) -> None:
    """A gateway with a wrong password wrote thirty lines a second, for ever."""
    url = f"redis://operator:wrong@127.0.0.1:{server.port}/0"
    config = f"{{provider: 'mock', serve: {{port: {free_port()}}}, store: '{tmp_path}'}}"
    status, printed = await ended(await start(command, tmp_path, url, config))
    assert status == 78
    assert printed.count(f"voicecall {role} cannot start: Redis refuses: WRONGPASS") == 1
    assert "; correct the user and the password in REDIS_URL" in printed
    assert "Traceback" not in printed


@ROLES
async def test_c14_a_password_that_changes_later_is_one_line_a_minute_for_each_message(
    tmp_path: Path, role: str, command: tuple[str, ...]
) -> None:
    """The process goes on: the password may be put right again."""
    own = start_redis(tmp_path / "redis")
    config = f"{{provider: 'mock', serve: {{port: {free_port()}}}, store: '{tmp_path}'}}"
    process = await start(command, tmp_path, own.url, config)
    started = {"ingress": b"ingress open", "gateway": b"gateway listens", "worker": b"node started"}[role]
    assert process.stdout is not None
    while started not in (line := await process.stdout.readline()):
        assert line, f"the {role} ended before it served"
    async with Redis.from_url(own.url) as redis:
        await redis.config_set("requirepass", "changed")
        await redis.execute_command("AUTH", "changed")
        await redis.client_kill_filter(_type="pubsub")
        await redis.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(5)
    process.send_signal(signal.SIGTERM)
    status, printed = await ended(process)
    own.stop()
    assert status == 0, printed
    lines = [line for line in printed.splitlines() if "NOAUTH" in line or "Redis" in line]
    assert 1 <= len(lines) <= 10, printed
    assert any("NOAUTH" in line for line in lines)


async def test_c14_a_redis_that_takes_no_writes_makes_every_role_unready(tmp_path: Path) -> None:
    """A server without memory, and a replica, still answer and publish: load balancers sent calls there."""
    own = start_redis(tmp_path / "redis")
    ports = {role: free_port() for role in ("ingress", "gateway", "worker")}
    processes = []
    for role, command in (("ingress", INGRESS), ("gateway", GATEWAY), ("worker", WORKER)):
        environ = {
            "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{ports['ingress']}",
            "VOICECALL_WORKER_HEALTH": f"127.0.0.1:{ports['worker']}",
            "VOICECALL_GATEWAY_PORT": str(ports["gateway"]),
        }
        directory = tmp_path / role
        directory.mkdir()
        config = f"{{provider: 'mock', serve: {{port: {free_port()}}}, store: '{tmp_path}'}}"
        processes.append(await start(command, directory, own.url, config, **environ))
    try:
        async with aiohttp.ClientSession() as http, Redis.from_url(own.url) as redis:
            await until_answered(http, ports, 200)
            await redis.config_set("maxmemory", "1")
            await until_answered(http, ports, 503)
            await redis.config_set("maxmemory", "0")
            await until_answered(http, ports, 200)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        printed = [(await ended(process))[1] for process in processes]
        own.stop()
    assert not any("Traceback" in text for text in printed), printed


async def until_answered(http: aiohttp.ClientSession, ports: dict[str, int], status: int) -> None:
    """Wait until each answers `/readyz` with this status."""
    waiting = set(ports.values())
    async with asyncio.timeout(30):
        while waiting:
            for port in tuple(waiting):
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        waiting -= {port} if answer.status == status else set()
            await asyncio.sleep(0.1)


async def serving(
    role: str, command: tuple[str, ...], directory: Path, redis_url: str, lines: list[bytes] | None = None
) -> asyncio.subprocess.Process:
    """The role, once it serves. `lines`: takes what it printed until then."""
    started = {"ingress": b"ingress open", "gateway": b"gateway listens", "worker": b"node started"}[role]
    config = f"{{provider: 'mock', serve: {{port: {free_port()}}}, store: '{directory}'}}"
    process = await start(command, directory, redis_url, config)
    assert process.stdout is not None
    while started not in (line := await process.stdout.readline()):
        assert line, f"the {role} ended before it served"
        if lines is not None:
            lines.append(line)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@ROLES
async def test_a_signal_stops_it_with_exit_status_0_and_a_second_one_changes_nothing(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...], number: signal.Signals
) -> None:
    process = await serving(role, command, tmp_path, server.url)
    process.send_signal(number)
    process.send_signal(number)
    status, printed = await ended(process)
    assert status == 0, printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", [INGRESS, GATEWAY], ids=["ingress", "gateway"])
@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.5])
async def test_c15_a_signal_while_it_is_loaded_is_exit_status_0(
    command: tuple[str, ...], after_s: float, tmp_path: Path, server: RedisServer
) -> None:
    """The interpreter's own start is not ours: it is over when this program runs."""
    begun = "import sys; print('begun', flush=True); import runpy; runpy.run_module(sys.argv[1], run_name='__main__')"
    process = await start((sys.executable, "-c", begun, command[-1]), tmp_path, server.url, '{provider: "mock"}')
    assert process.stdout is not None
    await process.stdout.readline()
    await asyncio.sleep(0.1 + after_s)
    process.send_signal(signal.SIGTERM)
    status, printed = await ended(process)
    assert (status, "Traceback" in printed) == (0, False), printed


@pytest.mark.parametrize("command", [INGRESS, GATEWAY], ids=["ingress", "gateway"])
async def test_c15_signals_to_its_very_end_change_nothing(
    command: tuple[str, ...], tmp_path: Path, server: RedisServer
) -> None:
    process = await serving(command[-1], command, tmp_path, server.url)
    with suppress(ProcessLookupError):
        for _ in range(2000):
            os.kill(process.pid, signal.SIGTERM)  # asyncio's own would reap it, and lose its status
            await asyncio.sleep(0.001)
    status, printed = await ended(process)
    assert (status, "Traceback" in printed) == (0, False), printed


@ROLES
async def test_c15_a_closed_terminal_stops_every_process_of_the_group(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...]
) -> None:
    """The kernel sends SIGHUP to all of them at once; a SIGTERM of the supervisor may follow."""
    process = await serving(role, command, tmp_path, server.url)
    os.killpg(process.pid, signal.SIGHUP)
    os.killpg(process.pid, signal.SIGTERM)
    status, printed = await ended(process)
    assert status == 0, printed
    assert {"ingress": "ingress closed", "gateway": "gateway stopping", "worker": "node stopped"}[role] in printed


@pytest.mark.parametrize(("role", "command"), [("ingress", INGRESS), ("gateway", GATEWAY)])
async def test_c15_a_process_that_was_started_with_nohup_outlives_its_terminal(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...]
) -> None:
    """`nohup` starts it with SIGHUP ignored, which a handler would undo."""
    process = await serving(role, ("nohup", *command), tmp_path, server.url)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait(), 0.5)
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@ROLES
async def test_c15_every_line_is_json(
    tmp_path: Path, server: RedisServer, role: str, command: tuple[str, ...], number: signal.Signals
) -> None:
    """From the first to the last, the lines of dramatiq among them; warnings too."""
    early: list[bytes] = []
    process = await serving(role, command, tmp_path, server.url, early)
    process.send_signal(number)
    _, printed = await ended(process)
    lines = [orjson.loads(line) for line in (*early, *printed.splitlines())]
    assert lines
    assert all({"ts", "level", "role", "msg"} <= line.keys() for line in lines)


@dataclass
class Role:
    """A role whose only background task is `work`."""

    background: Background
    steps: list[str]

    async def drain(self) -> None:
        self.steps.append("drained")


@asynccontextmanager
async def opened(steps: list[str], work: Coroutine[Any, Any, None]) -> AsyncIterator[Role]:
    background = Background()
    async with background.running("part", work):
        steps.append("opened")
        yield Role(background, steps)
    steps.append("closed")


async def test_a_failed_background_task_stops_the_process_in_order_and_fails_it() -> None:
    """A supervisor starts a process again that exits with 1; one that goes on without a part does not work."""
    steps: list[str] = []

    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(BackgroundFailed, match="part"):
        await _serve(opened(steps, fail()))
    assert steps == ["opened", "drained", "closed"]


async def test_a_signal_while_opening_cancels_it() -> None:
    """A tunnel may take half a minute to open, longer than a supervisor waits before it kills."""
    cancelled = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Role]:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
            yield Role(Background(), [])
        finally:
            cancelled.set()

    await _serve(slow())
    assert cancelled.is_set()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_is_loaded_at_the_start_is_not_collected_again() -> None:
    """A full collection would stop every call of a process while it looks at all of it."""
    try:
        keep_loaded()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
