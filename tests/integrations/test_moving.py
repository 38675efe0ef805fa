"""Moving from OpenClaw's own plugin to voicecall and back, with one `openclaw.json` and the real OpenClaw.

Two switches are all that differs between the two directions.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simulators.stack import Plan, Stack
from simulators.stack.redis import free_port
from tests.integrations.openclaw import OpenClaw, commands, openclaw_json, running_openclaw, written
from tests.journeys.stage import GREETING, Stage, lines

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
SKILL = ROOT / "skills" / "voice-call"


def one_file(home: Path, config: dict[str, Any], stack: Stack) -> dict[str, Any]:
    """The set-up of docs/openclaw.md. The services' addresses are in `env`: OpenClaw's plugin has no keys for them."""
    theirs = {**config, "tts": {"provider": "openai"}, "streaming": {"enabled": True}}
    del theirs["responseBaseUrl"]
    ours = {"gatewayUrl": stack.gateway.url, "token": stack.gateway.token, "answerCalls": True}
    entries = {
        "voice-call": {"enabled": False, "config": theirs},
        "voicecall": {"enabled": True, "config": ours},
    }
    document = openclaw_json(home, entries, model_url=stack.openai.url)
    return {**document, "env": {"OPENAI_BASE_URL": f"{stack.openai.url}/v1"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moved(npm: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stage, OpenClaw, Path]]:
    """Every process of voicecall, and OpenClaw, with the same file."""
    del npm
    home = tmp_path_factory.mktemp("moved") / "home"
    home.mkdir()
    plan = Plan(
        workers=1,
        config={"responseTimeoutMs": 120_000},
        document=lambda config, stack: one_file(home, config, stack),
    )
    async with Stack(plan) as stack:
        config = stack.home / "config-0.json5"
        async with running_openclaw(home, config) as openclaw:
            yield Stage(stack), openclaw, config


async def test_c5_a_call_of_openclaw_is_answered_by_openclaw_with_one_file(
    moved: tuple[Stage, OpenClaw, Path],
) -> None:
    """OpenClaw's command places it, voicecall holds it, and OpenClaw's agent answers: nothing else is configured."""
    stage, openclaw, config = moved
    status, _, complaint = await openclaw.run("agent", "--agent", "main", "-m", "hello", within_s=200)
    assert status == 0, complaint
    await stage.model(weather="It is raining in OpenClaw.")
    number = await stage.person(
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_heard": "raining in OpenClaw", "within_ms": 100_000},
        {"hangup": True},
    )
    status, placed, complaint = await openclaw.run("voicecall", "call", "--to", number, "--message", GREETING)
    assert status == 0, complaint
    record = await stage.over(answer_in(placed)["callId"], within_s=150)
    assert ("bot", "It is raining in OpenClaw.") in lines(record)
    for name in ("ingress-0", "gateway", "worker-0"):
        assert str(config) in stage.stack.processes[name].log.read_text(), name


async def test_c5_openclaw_accepts_the_file_and_loads_one_of_the_plugins(moved: tuple[Stage, OpenClaw, Path]) -> None:
    _, openclaw, _ = moved
    assert await valid(openclaw)
    assert await plugins(openclaw) == {"voicecall": True, "voice-call": False}


async def test_c5_the_skill_is_shown(moved: tuple[Stage, OpenClaw, Path]) -> None:
    """Copied to where docs/openclaw.md says, it takes the place of the skill of OpenClaw's own plugin."""
    _, openclaw, _ = moved
    await shows_the_skill(openclaw)


async def test_c5_a_key_of_voicecall_alone_stands_in_a_file_of_its_own(
    npm: None, tmp_path: Path, moved: tuple[Stage, OpenClaw, Path]
) -> None:
    """OpenClaw checks the configuration of its plugin also while that is disabled."""
    del npm
    document = json.loads(moved[2].read_text())
    document["plugins"]["entries"]["voice-call"]["config"]["maxInboundCalls"] = 8
    assert not await valid(commands(tmp_path / "home", written(tmp_path / "openclaw.json", document)))


async def test_c5_two_switches_are_the_way_back(npm: None, tmp_path: Path, moved: tuple[Stage, OpenClaw, Path]) -> None:
    """OpenClaw runs its own plugin with the same configuration, and voicecall says why it does not start."""
    del npm
    document = json.loads(moved[2].read_text())
    entries = document["plugins"]["entries"]
    entries["voice-call"]["enabled"], entries["voicecall"]["enabled"] = True, False
    entries["voice-call"]["config"]["serve"]["port"] = free_port()  # voicecall's processes are still there in this test
    document["gateway"]["port"] = free_port()
    config = written(tmp_path / "openclaw.json", document)
    async with running_openclaw(tmp_path / "home", config) as openclaw:
        assert await valid(openclaw)
        assert await plugins(openclaw) == {"voicecall": False, "voice-call": True}
        status, out, complaint = await openclaw.run("plugins", "doctor")
        assert (status, "No plugin issues detected." in out) == (0, True), complaint
        asked = ("gateway", "call", "voicecall.status", "--json", "--params", '{"callId": "nobody"}')
        status, out, complaint = await openclaw.run(*asked)
        assert (status, answer_in(out)) == (0, {"found": False}), complaint
        await shows_the_skill(openclaw)
    for module in ("ingress", "gateway"):
        status, refusal = await started(module, config)
        assert status == 78
        assert "plugins.entries.voicecall.enabled is false and plugins.entries.voice-call.enabled is true" in refusal


def answer_in(printed: str) -> Any:
    """The JSON that a command prints. Before it OpenClaw warns of the configuration of a disabled plugin, in a box."""
    return json.loads(printed[printed.index("{") :])


async def valid(openclaw: OpenClaw) -> bool:
    """Whether `openclaw config validate` accepts the file."""
    status, out, complaint = await openclaw.run("config", "validate", "--json")
    said = answer_in(out)
    assert (status == 0) is said["valid"], complaint
    return bool(said["valid"])


async def plugins(openclaw: OpenClaw) -> dict[str, bool]:
    """Which of the two plugins OpenClaw has enabled."""
    status, out, complaint = await openclaw.run("plugins", "list", "--json")
    assert status == 0, complaint
    return {each["id"]: each["enabled"] for each in answer_in(out)["plugins"] if "voice" in each["id"]}


async def shows_the_skill(openclaw: OpenClaw) -> None:
    shutil.copytree(SKILL, openclaw.home / "state" / "skills" / "voice-call")
    status, out, complaint = await openclaw.run("skills", "info", "voice-call", "--json")
    assert status == 0, complaint
    skill = answer_in(out)
    assert (skill["eligible"], skill["bundled"]) == (True, False)
    assert skill["description"].startswith("Phone people")


async def started(module: str, config: Path) -> tuple[int | None, str]:
    """Exit status and output of a process of voicecall."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env={**os.environ, "VOICECALL_CONFIG": str(config)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return process.returncode, out.decode()
