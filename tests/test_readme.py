"""The code blocks of README.md, as a reader types them."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from tests.cli.terminal import started
from tests.cli.test_dev import free_port
from tests.cli.test_help import parse
from tests.fakes.redis_server import start_redis
from voicecall.cli.commands import whole_app
from voicecall.cli.dev import is_problem
from voicecall.settings import parse_settings

_ACTIVATED = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # as after `source .venv/bin/activate`
ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    found = ((indent, name, body) for indent, name, body in _BLOCK.findall(README) if name == language)
    return ["\n".join(line.removeprefix(indent) for line in body.splitlines()) for indent, _, body in found]


def commands() -> Iterator[list[str]]:
    """Every command line of the blocks, and those that stand in the text between backquotes."""
    lines = [line for block in blocks("") for line in block.splitlines()]
    for line in (*lines, *re.findall(r"`([^`\n]+)`", README)):
        words = line.partition(" #")[0].split(" && ")
        yield from (shlex.split(part) for part in words if re.match(r"(voicecall|make|python|dramatiq) ", part))


@asynccontextmanager
async def dev(folder: Path, *options: str) -> AsyncIterator[dict[str, str]]:
    """`voicecall dev`, and the environment of a second terminal."""
    env = {
        "PATH": _ACTIVATED,
        "HOME": str(folder),
        "COLUMNS": "200",
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    stack = await started(env, "dev", "--port", str(free_port()), "--redis-port", "0", "--quiet", *options)
    assert stack.stdout is not None
    try:
        printed = ""
        while "voicecall continue" not in printed:
            line = await stack.stdout.readline()
            assert line, (await stack.communicate())[1]
            printed += line.decode()
        yield {**env, "VOICECALL_GATEWAY_URL": f"http://127.0.0.1:{env['VOICECALL_GATEWAY_PORT']}"}
    finally:
        stack.send_signal(signal.SIGINT)
        await asyncio.wait_for(stack.communicate(), 30)


@pytest.mark.timeout(120)  # six programs start, and end again
async def test_c4_the_python_example_runs_as_it_stands(tmp_path: Path) -> None:
    """Against `voicecall dev`: it places a call, asks at once, and prints what the callee answers."""
    (example,) = blocks("python")
    async with dev(tmp_path) as env:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", example),
            env={**env, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    assert out.decode().strip() in {"Good morning, I am listening.", "My name is Ada."}


@asynccontextmanager
async def typed(line: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A line of a block in a terminal of its own, in the checkout; stopped at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"exec {line}"),
        cwd=ROOT,
        env={**env, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 30)


async def printed(process: asyncio.subprocess.Process, awaited: str) -> str:
    """What it prints until the awaited text, which has to come."""
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(60):
        while awaited not in text:
            line = await process.stdout.readline()
            assert line, text
            text += line.decode()
    return text


def lines_of(start: str) -> list[str]:
    """The lines of the block that begins so, without their comments."""
    (block,) = (block for block in blocks("") if block.startswith(start))
    return [line.partition(" #")[0].strip() for line in block.splitlines()]


@pytest.mark.timeout(180)
async def test_c4_the_first_call_is_placed_as_it_is_printed(tmp_path: Path) -> None:
    """The block of "Try it", and what a reader then sees."""
    _, start, call, tail = lines_of("source .venv/bin/activate\nvoicecall dev")
    assert start == "voicecall dev"
    async with dev(tmp_path) as env, typed(call, env) as placed:
        assert "callId" in await printed(placed, "}")
        async with typed(tail, env) as following:
            seen = await printed(following, "caller: Good morning, I am listening.")
    assert [part.partition(": ")[2] for part in seen.splitlines()][1:3] == ["answered", "Good morning!"]


@pytest.mark.timeout(180)
async def test_c4_an_agent_of_one_s_own_answers_the_call(tmp_path: Path) -> None:
    """`examples/agent.py` on a call, as the README has it."""
    start, agent, call = lines_of("voicecall dev --response-model")
    async with dev(tmp_path, *shlex.split(start)[2:]) as env, typed(agent, env):
        while True:  # until it has registered
            async with typed(call, env) as placed, typed("voicecall tail --since 0", env) as following:
                assert "callId" in await printed(placed, "}")
                seen = await printed(following, "Good morning, I am listening.")
                seen += await printed(following, "\n")
            if "agent: I heard: Good morning, I am listening." in seen:
                break
            assert "failed" in seen or "agent" not in seen.splitlines()[-1]


@pytest.mark.timeout(180)
async def test_c4_the_three_processes_start_as_they_are_printed(tmp_path: Path) -> None:
    """With the README's configuration: its carrier and its services are asked for nothing before a call."""
    server = start_redis(tmp_path)
    (written,) = blocks("json5")
    config = tmp_path / "voicecall.json5"
    config.write_text(
        written.replace("AC…", "AC" + "0" * 32)
        .replace('authToken: "…"', 'authToken: "a-token"')
        .replace("{", f"{{ serve: {{ port: {free_port()} }}, store: {str(tmp_path / 'store')!r},", 1)
    )
    config.chmod(0o600)
    env = {
        "PATH": _ACTIVATED,
        "HOME": str(tmp_path),
        "REDIS_URL": server.url,
        "VOICECALL_CONFIG": str(config),
        "OPENAI_API_KEY": "a-key",
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    ingress, gateway, workers = lines_of("python -m ingress")
    try:
        async with typed(ingress, env) as one, typed(gateway, env) as two, typed(workers, env) as three:
            begun = (await printed(one, "ingress open"), await printed(two, "gateway listens"))
            begun += (await printed(three, "Worker process is ready for action"),)
            there = {**env, "VOICECALL_GATEWAY_URL": f"http://127.0.0.1:{env['VOICECALL_GATEWAY_PORT']}"}
            async with typed("voicecall status", there) as status:
                assert '"calls": []' in await printed(status, "}")
    finally:
        server.stop()
    problems = [line for line in "".join(begun).splitlines() if is_problem(line)]
    # C18: nothing is warned of, except by the calendar: a model that its maker will switch off.
    assert [line for line in problems if '"stops":' not in line] == []


def test_c4_every_block_is_tried() -> None:
    """A block that no test knows fails here. `make demo`, `make talk` and the lock files have their own tests."""
    known = (
        "make demo",
        "make talk",
        "make test",
        "source .venv/bin/activate",
        "voicecall dev --response-model",
        "python -m ingress",
    )
    assert {name for _, name, _ in _BLOCK.findall(README)} == {"", "python", "json5"}
    drawn, *rest = blocks("")
    assert "carrier" in drawn
    assert [block for block in rest if not block.startswith(known)] == [lock_block()]


def lock_block() -> str:
    return "\n".join(lines_of("python3 -m venv"))


def test_c4_the_configuration_is_valid() -> None:
    """With the secrets that it leaves out."""
    (example,) = blocks("json5")
    made = parse_settings(
        example.replace("AC…", "AC" + "0" * 32).replace('authToken: "…"', 'authToken: "a-token"'),
        {"OPENAI_API_KEY": "a-key"},
    )
    assert (made.provider, made.streaming.enabled) == ("twilio", True)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_c4_every_command_exists_with_its_options(words: list[str]) -> None:
    program, *rest = words
    if program == "voicecall":
        parse(typer.main.get_command(whole_app()), program, rest)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert rest[0] in targets
    elif rest[0].endswith(".py"):
        assert (ROOT / rest[0]).is_file()
    else:
        module = rest[rest.index("-m") + 1] if "-m" in rest else rest[0]
        assert find_spec(module) is not None
