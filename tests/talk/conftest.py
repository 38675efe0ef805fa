"""What `make talk` starts, once for this folder, without a key; and a phone whose sound is understood."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.stack.redis import free_port
from tests.phone.browser import require_chromium
from tests.phone.stack import Program
from tests.talk.firefox import require_firefox

_ROOT = Path(__file__).resolve().parents[2]
_RECIPE = re.compile(r"^talk:.*\n\t@\$\(BIN\)/voicecall (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Talk:
    """`page`: what the command opened in the browser, after `ready_s`; `speech`: the speech server."""

    page: str
    speech: str
    ready_s: float
    program: Program

    @property
    def gateway(self) -> str:
        return self.page.removesuffix("/phone")


@pytest.fixture(scope="package")
def program() -> str:
    return require_chromium()


@pytest.fixture(scope="package")
def firefox_program() -> str:
    return require_firefox()


@pytest.fixture(scope="package")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """The command of the Makefile, on other ports. The browser that it opens is a script, which keeps the address."""
    home = tmp_path_factory.mktemp("talk")
    opened, opener = home / "opened", home / "browser"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    opener.chmod(0o755)
    started = time.monotonic()
    program = Program(_command(), _environment(home, opener))
    try:
        speech = program.wait_for("  speech ").split()[1]
        while not opened.exists():
            assert time.monotonic() < started + 90, "".join(program.lines)
            time.sleep(0.05)
        yield Talk(page=opened.read_text(), speech=speech, ready_s=time.monotonic() - started, program=program)
    finally:
        program.stop()
    assert (program.process.returncode, program.lines[-1]) == (0, "stopping…\n")


def _command() -> list[str]:
    found = _RECIPE.search((_ROOT / "Makefile").read_text(encoding="utf-8"))
    assert found is not None, "the Makefile has no `make talk` as it was"
    return ["-m", "voicecall.cli", *found[1].split(), "--redis-port", "0", "--port", str(free_port())]


def _environment(home: Path, opener: Path) -> dict[str, str]:
    """Of somebody who has set nothing; only ports differ, so that other tests may run beside it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(_ROOT),
        "PYTHONUNBUFFERED": "1",
        "BROWSER": str(opener),
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
        "VOICECALL_SPEECH_LISTEN": f"127.0.0.1:{free_port()}",
    }
