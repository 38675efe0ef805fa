"""docs/mock.md, step by step: the example configuration, the processes, the CLI, and its events over HTTP.

Runs without a simulator and without a model, as a reader of the page does.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import json5
import pytest_asyncio

from simulators.stack.clients import Gateway
from simulators.stack.process import Process, answers
from simulators.stack.redis import free_port, redis_answers, redis_command

_ROOT = Path(__file__).resolve().parents[2]
_SECRET = "by-hand"


class Hand:
    """Three processes on loopback, and the events that a user sends by hand."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ids = itertools.count(1)
        self._redis = free_port()
        self._gateway = free_port()
        self._processes: list[Process] = []
        self._health: dict[str, int] = {}
        self.port: dict[str, int] = {}
        self.gateway = Gateway(f"http://127.0.0.1:{self._gateway}", "")

    async def start(self) -> None:
        redis = redis_command(self._redis, self._directory, aof=False)
        await self._start("redis", redis, lambda _: redis_answers(self._redis))
        python = sys.executable
        worker = [python, "-m", "dramatiq", "workers", "--processes", "1", "--threads", "4", "--skip-logging"]
        await asyncio.gather(
            self._ingress("ingress"),
            self._ingress("signed", MOCK_SECRET=_SECRET),
            self._start("gateway", [python, "-m", "gateway"], answers(f"{self.gateway.url}/readyz")),
            self._start("worker", worker, _is_up),
        )

    async def close(self) -> None:
        await self.gateway.close()
        for process in reversed(self._processes):
            await process.kill()

    async def _ingress(self, name: str, **environment: str) -> None:
        self.port[name], self._health[name] = free_port(), free_port()
        ready = answers(f"http://127.0.0.1:{self._health[name]}/readyz")
        await self._start(name, [sys.executable, "-m", "ingress"], ready, **environment)

    async def _start(self, name: str, command: list[str], ready: Any, **environment: str) -> None:
        env = self.environment(name) | environment
        process = Process(name, command, env=env, log=self._directory / f"{name}.log", cwd=_ROOT)
        self._processes.append(process)
        await process.start(ready)

    def environment(self, name: str) -> dict[str, str]:
        """The example as it is, on ports of this test's own."""
        config = self._directory / f"{name}.json5"
        example = json5.loads((_ROOT / "examples/config/mock.json5").read_text())
        config.write_text(json.dumps({**example, "serve": {"port": self.port.get(name, 3334)}}))
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MOCK_", "OPENAI_"))},
            "VOICECALL_CONFIG": str(config),
            "REDIS_URL": f"redis://127.0.0.1:{self._redis}/0",
            "VOICECALL_GATEWAY_PORT": str(self._gateway),
            "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{self._health.get(name, 3336)}",
        }

    # --- what the page does

    async def cli(self, *words: str) -> Any:
        """Run `voicecall …`; returns what it printed."""
        command = [sys.executable, "-m", "voicecall.cli", *words]
        process = await asyncio.create_subprocess_exec(
            *command, env=self.environment("cli"), cwd=_ROOT, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out
        return json.loads(out)

    async def send_event(
        self, event: dict[str, Any], *, to: str = "ingress", signed: bool = False, name: str = ""
    ) -> Any:
        """Post one event; returns the instruction, or the status of a refusal."""
        url = f"http://127.0.0.1:{self.port[to]}/voice/webhook"
        body = json.dumps({"id": name or str(next(self._ids)), "event": event})
        headers = {"content-type": "application/json"}
        if signed:
            at = str(int(time.time()))
            signature = hmac.new(_SECRET.encode(), f"{at}.{url}.{body}".encode(), hashlib.sha256).hexdigest()
            headers |= {"x-mock-timestamp": at, "x-mock-signature": signature}
        async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as reply:
            return await reply.json() if reply.status == 200 else reply.status

    async def named(self, leg: str) -> str:
        """The system's id of a leg, once a worker knows it."""
        async with asyncio.timeout(20):
            while not (seen := await self.gateway.rpc("voicecall.status", sid=leg))["found"]:
                pass
        call: str = seen["call"]["callId"]
        return call

    async def until(self, call: str, good: Callable[[Any], bool]) -> Any:
        """The record of a call, as soon as `good` is true of it."""
        return (await self.gateway.until(call, lambda seen: seen["found"] and good(seen["call"])))["call"]

    async def until_said(self, call: str, text: str) -> Any:
        """The record once the text was said and the call listens: its opening cannot be interrupted."""

        def said(seen: Any) -> bool:
            return seen["state"] == "listening" and text in [line["text"] for line in seen["transcript"]]

        return await self.until(call, said)


async def _is_up(process: Process) -> bool:
    return b"Worker process is ready for action" in process.log.read_bytes()


def events_under(heading: str, **names: str) -> list[dict[str, Any]]:
    """The events that docs/mock.md sends under a heading, in order."""
    page = (_ROOT / "docs/mock.md").read_text()
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    events = re.findall(r"^send '(.*)'(?:;.*)?$", section, re.MULTILINE)
    for name, value in names.items():
        events = [event.replace(f"'${name}'", value) for event in events]
    return [json.loads(event) for event in events]


@pytest_asyncio.fixture
async def hand(tmp_path: Path) -> AsyncIterator[Hand]:
    hand = Hand(tmp_path)
    try:
        await hand.start()
        yield hand
    finally:
        await hand.close()


async def test_calls_out_and_in_are_driven_by_hand_from_start_to_end(hand: Hand) -> None:
    """As the page says, event by event; then the variations it mentions."""
    await _outbound_call(hand)
    await _inbound_call(hand)
    await _signed(hand)


async def _outbound_call(hand: Hand) -> None:
    call = (await hand.cli("call", "--mode", "conversation", "--message", "Good morning!", "--json"))["callId"]
    ringing, answered, speech, keys, ended = events_under("An outbound call", call=call)
    assert await hand.send_event(ringing) == {"do": "nothing"}
    assert (await hand.send_event(answered))["do"] == "converse"
    await hand.until_said(call, "Good morning!")
    for _ in range(2):
        assert await hand.send_event(speech, name="once") == {"do": "nothing"}
    record = await hand.until_said(call, "You said: how are you.")
    assert [line["text"] for line in record["transcript"]] == ["Good morning!", "how are you", "You said: how are you."]
    await hand.send_event(keys)
    await hand.until(call, lambda seen: seen["metadata"].get("digits") == "42")
    asking = asyncio.create_task(hand.gateway.rpc("voicecall.continue", callId=call, message="And your name?"))
    await hand.until_said(call, "And your name?")
    await hand.send_event({**speech, "transcript": "I have none"})
    assert (await asking)["transcript"] == "I have none"
    await hand.send_event(ended)
    record = await hand.until(call, lambda seen: "endedAt" in seen)
    assert (record["state"], record["endReason"]) == ("completed", "completed")


async def _inbound_call(hand: Hand) -> None:
    initiated, answered, said, speech, ended = events_under("An inbound call")
    greeted = await hand.send_event(initiated)
    assert (greeted["do"], greeted["text"]) == ("converse", "Hello! How can I help you today?")
    assert [await hand.send_event(event) for event in (answered, said, speech)] == [{"do": "nothing"}] * 3
    call = await hand.named("leg-1")
    record = await hand.until_said(call, "You said: are you open today.")
    assert (record["direction"], record["from"], record["to"]) == ("inbound", "+15550001111", "+15550002222")
    await hand.send_event(ended)
    assert (await hand.until(call, lambda seen: "endedAt" in seen))["endReason"] == "completed"
    # The next caller; this time the system hangs up.
    await hand.send_event({**initiated, "legId": "leg-2"})
    call = await hand.named("leg-2")
    assert await hand.cli("end", "--call-id", call, "--json") == {"success": True}
    assert (await hand.until(call, lambda seen: "endedAt" in seen))["endReason"] == "hangup-bot"


async def _signed(hand: Hand) -> None:
    """An ingress with a secret refuses unsigned events."""
    arrival = {**events_under("An inbound call")[0], "legId": "leg-3"}
    assert await hand.send_event(arrival, to="signed") == 401
    assert (await hand.send_event(arrival, to="signed", signed=True))["do"] == "converse"
