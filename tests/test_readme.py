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
from voicecall.cli.commands import whole_app
from voicecall.settings import parse_settings

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
async def dev(folder: Path) -> AsyncIterator[dict[str, str]]:
    """`voicecall dev`, and the environment of a second terminal."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "COLUMNS": "200",
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    stack = await started(env, "dev", "--port", str(free_port()), "--redis-port", "0", "--quiet")
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
    else:
        module = rest[rest.index("-m") + 1] if "-m" in rest else rest[0]
        assert find_spec(module) is not None
