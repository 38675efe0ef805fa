"""The bridge in both directions, with the real OpenClaw from npm: it places calls by the gateway, and answers calls.

Skipped only when npm cannot be reached at all, which CI and VOICECALL_REQUIRE_NPM=1 do not accept.
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simulators.fake_binaries import FakeBinaries
from simulators.stack import Plan, Stack
from simulators.tailscale.__main__ import routes
from tests.integrations.openclaw import OpenClaw, openclaw_json, running_openclaw, written
from tests.journeys.stage import GREETING, Stage, lines

# The first time, 400 packages come over the network; afterwards it is a matter of seconds.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


@dataclass(frozen=True, kw_only=True)
class Bridge:
    openclaw: OpenClaw
    stage: Stage

    async def cli(self, *words: str) -> tuple[int, Any, str]:
        """`openclaw voicecall …`: exit status, stdout as JSON, stderr."""
        status, out, err = await self.openclaw.run("voicecall", *words)
        return status, json.loads(out) if status == 0 else out, err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(npm: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A stack whose callers are answered by OpenClaw, and an OpenClaw whose agents can place calls."""
    del npm
    home: Path = tmp_path_factory.mktemp("openclaw") / "home"
    plan = Plan(workers=1, config={"responseModel": "openclaw", "responseTimeoutMs": 120_000})
    async with Stack(plan) as stack:
        plugin = {"gatewayUrl": stack.gateway.url, "token": stack.gateway.token, "answerCalls": True}
        entries = {"voicecall": {"enabled": True, "config": plugin}}
        config = written(home / "openclaw.json", openclaw_json(home, entries, model_url=stack.openai.url))
        async with running_openclaw(home, config) as openclaw:
            yield Bridge(openclaw=openclaw, stage=Stage(stack))


async def test_a_command_of_openclaw_makes_a_phone_ring(bridge: Bridge) -> None:
    """And another one ends the call."""
    number = await bridge.stage.person()
    status, placed, complaint = await bridge.cli(
        "call", "--to", number, "--message", GREETING, "--mode", "conversation"
    )
    assert status == 0, complaint
    assert len(await bridge.stage.dials(number)) == 1
    status, ended, complaint = await bridge.cli("end", "--call-id", placed["callId"])
    assert (status, ended) == (0, {"success": True}), complaint
    assert (await bridge.stage.over(placed["callId"]))["endReason"] == "hangup-bot"


async def test_c13_a_call_without_a_mode_is_a_conversation(bridge: Bridge) -> None:
    """As OpenClaw's own command, whatever `outbound.defaultMode` is, so that `continue` can follow."""
    number = await bridge.stage.person({"wait_heard": GREETING}, {"say": "it is me"})
    status, placed, complaint = await bridge.cli("call", "-t", number, "-m", GREETING)
    assert status == 0, complaint
    record = await bridge.stage.record(placed["callId"])
    assert record["metadata"]["mode"] == "conversation"
    await bridge.stage.stack.gateway.rpc("voicecall.end", callId=placed["callId"])


@pytest.mark.parametrize("words", [("call", "-m", GREETING, "-t"), ("start", "--message", GREETING, "--to")], ids=str)
async def test_c13_a_mode_that_is_given_counts(bridge: Bridge, words: tuple[str, ...]) -> None:
    number = await bridge.stage.person()
    status, placed, complaint = await bridge.cli(*words, number, "--mode", "notify")
    assert status == 0, complaint
    assert (await bridge.stage.record(placed["callId"]))["metadata"]["mode"] == "notify"


async def test_a25_expose_runs_on_this_machine(bridge: Bridge, binaries: FakeBinaries) -> None:
    """Options, output and exit status are those of `voicecall expose`."""
    here = with_voicecall(bridge, binaries)
    status, shown, complaint = await here.cli("expose", "--mode", "serve", "--path", "/hook")
    assert (status, shown["publicUrl"]) == (0, "https://phone.tail1234.ts.net/hook"), complaint
    assert set(routes(binaries)) == {"443 /hook"}
    status, shown, complaint = await here.cli("expose", "--mode", "off", "--path", "/hook")
    assert (status, shown, routes(binaries)) == (0, {"ok": True, "mode": "off", "path": "/hook"}, {}), complaint
    binaries.behave("tailscale", disabled=["funnel"])
    status, _, complaint = await here.cli("expose")
    assert (status, complaint.count("tailscale: ")) == (1, 1)


async def test_a25_setup_runs_on_this_machine_too(bridge: Bridge, binaries: FakeBinaries) -> None:
    """The other commands that the original has and that inspect a machine."""
    status, report, complaint = await with_voicecall(bridge, binaries).cli("setup", "--json")
    assert (status, report["ok"]) == (0, True), complaint


async def test_a25_without_voicecall_here_the_reason_is_printed(bridge: Bridge) -> None:
    """OpenClaw may run on another machine than voicecall."""
    nowhere = {**bridge.openclaw.environment, "PATH": bridge.openclaw.environment["PATH"].split(os.pathsep)[0]}
    status, _, complaint = await replace(bridge, openclaw=replace(bridge.openclaw, environment=nowhere)).cli("expose")
    assert status == 69
    assert "voicecall is not installed here; run `voicecall expose` on the machine" in complaint


def with_voicecall(bridge: Bridge, binaries: FakeBinaries) -> Bridge:
    """OpenClaw's command line where `voicecall`, its configuration and a simulated tailscale are."""
    config = binaries.directory / "config.json"
    config.write_text(json.dumps({"provider": "mock"}))
    environment = {**binaries.environ(bridge.openclaw.environment), "VOICECALL_CONFIG": str(config)}
    environment["PATH"] = os.pathsep.join((environment["PATH"], str(Path(sys.executable).parent)))
    return replace(bridge, openclaw=replace(bridge.openclaw, environment=environment))


async def test_a_method_of_openclaws_gateway_is_ours(bridge: Bridge) -> None:
    """Same parameters, same payload."""
    number = await bridge.stage.person()
    asked = json.dumps({"to": number, "message": GREETING, "mode": "notify"})
    words = ("gateway", "call", "voicecall.initiate", "--json", "--params", asked)
    status, out, complaint = await bridge.openclaw.run(*words)
    assert status == 0, complaint
    assert json.loads(out)["initiated"] is True
    assert len(await bridge.stage.dials(number)) == 1


async def test_a_refusal_comes_through_in_its_own_words(bridge: Bridge) -> None:
    asked = json.dumps({"to": "911", "message": GREETING})
    status, out, complaint = await bridge.openclaw.run("gateway", "call", "voicecall.initiate", "--params", asked)
    assert status != 0
    assert "to is not an E.164 number" in out + complaint


async def test_an_agent_of_openclaw_has_the_tool(bridge: Bridge) -> None:
    """The agent places a call; an invalid request is answered by a sentence."""
    number = await bridge.stage.person()
    asked = {"action": "initiate_call", "to": number, "message": GREETING, "mode": "notify"}
    status, answer = await bridge.openclaw.invoke("voice_call", asked)
    assert (status, answer["ok"]) == (200, True), answer
    details = answer["result"]["details"]
    assert details["initiated"] is True
    assert json.loads(answer["result"]["content"][0]["text"]) == details
    status, answer = await bridge.openclaw.invoke("voice_call", {"action": "get_status", "callId": details["callId"]})
    assert answer["result"]["details"]["call"]["to"] == number
    _, refused = await bridge.openclaw.invoke("voice_call", {"mode": "status"})
    assert refused["result"]["details"] == {"error": "sid required for status"}


async def test_a_caller_talks_with_the_agent_of_openclaw(bridge: Bridge) -> None:
    """The caller's speech reaches OpenClaw's model and its reply the caller; a hangup cancels the model's request."""
    # Its first run loads half of OpenClaw and blocks it for many seconds: too long for a call.
    status, _, complaint = await bridge.openclaw.run("agent", "--agent", "main", "-m", "hello", within_s=200)
    assert status == 0, complaint
    story = "Once upon a time. " + "And then it rained. " * 40
    await bridge.stage.model(weather="It is raining in OpenClaw.", story={"reply": story, "per_token_ms": 150})
    to = await bridge.stage.person(
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_heard": "raining in OpenClaw", "within_ms": 100_000},
        {"say": "tell me a story"},
        {"wait_heard": "once upon a time", "quiet_ms": 0, "within_ms": 60_000},
        {"hangup": True},
    )
    record = await bridge.stage.over(await bridge.stage.dial(to), within_s=150)
    assert ("bot", "It is raining in OpenClaw.") in lines(record)
    ledger = await bridge.stage.stack.openai.until(
        "/_sim/ledger", lambda seen: all(line.get("outcome") for line in _openclaw_requests(seen)), within_s=30
    )
    (request,) = _openclaw_requests(ledger)
    assert request["outcome"] != "complete"
    assert "You are on a live phone call" in str(request["body"]["messages"][0]["content"])


def _openclaw_requests(ledger: Any) -> list[Any]:
    """The requests of OpenClaw to its model for a story."""
    asked = [line for line in ledger["lines"] if str(line.get("path", "")).endswith("/chat/completions")]
    return [line for line in asked if "story" in str(line["body"]["messages"][-1]["content"])]
