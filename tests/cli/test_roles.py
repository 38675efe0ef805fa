"""`voicecall ingress | gateway | worker`: the processes of the system, in a folder that has packages of their names."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.redis_server import RedisServer, start_redis
from voicecall.cli.dev import is_problem
from voicecall.cli.roles import ROLES, role_command
from voicecall.errors import ConfigError
from voicecall.packages import require_own

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = "raise SystemExit('a program of another project was started')\n"
READY = {"ingress": "ingress open", "gateway": "gateway listens", "worker": "Worker process is ready for action"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of a user who has named packages as ours are named."""
    for name in ("actors", "gateway", "ingress", "workers"):
        package = tmp_path / name
        package.mkdir()
        for file in ("__init__.py", "__main__.py"):
            (package / file).write_text(FOREIGN)
    return tmp_path


def environ(folder: Path, redis_url: str, **more: str) -> dict[str, str]:
    config = folder / "voicecall.json5"
    config.write_text(json.dumps({"provider": "mock", "serve": {"port": free_port()}, "store": str(folder / "store")}))
    ports = {"VOICECALL_INGRESS_HEALTH": "127.0.0.1:0", "VOICECALL_GATEWAY_PORT": "0"}
    return {**os.environ, "REDIS_URL": redis_url, "VOICECALL_CONFIG": str(config), **ports, **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("role", ROLES)
async def test_c16_a_role_starts_in_a_folder_with_packages_of_its_name(
    folder: Path, server: RedisServer, role: str
) -> None:
    """`python -m` and dramatiq would run the user's package instead."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "voicecall.cli", role),
        cwd=folder,
        env=environ(folder, server.url, PYTHONPATH=str(ROOT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    printed = ""
    try:
        async with asyncio.timeout(40):
            while READY[role] not in printed:
                line = await process.stdout.readline()
                assert line, printed
                printed += line.decode()
            process.send_signal(signal.SIGTERM)
            printed += (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, "another project" in printed) == (0, False)
    # C18: a healthy start and stop warn of nothing.
    assert [line for line in printed.splitlines() if is_problem(line)] == []


async def test_c16_the_owners_way_refuses_foreign_actors_in_a_sentence(folder: Path, server: RedisServer) -> None:
    """Dramatiq puts the current folder first: its `actors` would be imported by our `workers`."""
    for file in (folder / "workers").iterdir():
        file.unlink()
    (folder / "workers").rmdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dramatiq", "workers", "--processes", "1", "--threads", "1"),
        cwd=folder,
        env=environ(folder, server.url, PYTHONPATH=str(ROOT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        printed = (await process.communicate())[0].decode()
    assert process.returncode == 78
    assert f"voicecall worker cannot start: the package actors in {folder / 'actors'} is not voicecall's" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("name", ["workers", "ingress", "gateway", "actors"])
def test_c16_a_foreign_package_earlier_on_the_path_is_refused_in_a_sentence(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"the package {name} in .* is not voicecall's"):
        require_own(name, path=[str(folder), str(ROOT)])


def test_c16_a_folder_without_a_package_of_the_name_is_no_obstacle(tmp_path: Path) -> None:
    """A plain folder `workers` of data files is no package; ours is found behind it."""
    (tmp_path / "workers").mkdir()
    require_own("workers", "actors", path=[str(tmp_path), str(ROOT)])


def test_c16_a_role_does_not_search_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for role in ROLES:
        assert role_command(role)[:3] == [sys.executable, "-P", "-m"]
