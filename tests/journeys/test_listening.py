"""Listening in on a live call: what is heard at the gateway's socket is what was said and played, whatever dies."""

import asyncio
import signal
import struct
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import orjson
import pytest
import pytest_asyncio

from simulators.stack import Plan, Stack
from simulators.tones import decode_all
from tests.journeys.stage import GREETING, Stage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

STORY = "There was a king who had a daughter, and she had a ball of gold that fell into the well."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """The mock carrier, two workers."""
    config = {"responseTimeoutMs": 5000, "streaming": {"silenceDurationMs": 200}}
    async with Stack(Plan(carrier="mock", workers=2, config=config)) as stack:
        yield Stage(stack)


class Listener:
    """A client of `GET /listen`. `sides`: the audio of each, as one hears it: what is missing is silence."""

    def __init__(self, stack: Stack, call: str) -> None:
        self._stack = stack
        self._call = call
        self._http = aiohttp.ClientSession()
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None
        self.hello: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self._sounds: dict[int, list[tuple[float, bytes]]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        self._ws = await self._http.ws_connect(f"{self._stack.gateway.url}/listen")
        params = {"auth": {"token": self._stack.gateway.token}, "callId": self._call}
        await self._ws.send_json({"type": "req", "id": "1", "method": "connect", "params": params})
        self.hello = await self._ws.receive_json()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._ws is not None
        assert self._task is not None
        await self._ws.close()
        await self._task
        await self._http.close()

    async def _read(self) -> None:
        assert self._ws is not None
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.BINARY:
                side, at_ms = struct.unpack_from(">Bd", message.data)
                self._sounds[side].append((at_ms, message.data[9:]))
            else:
                self.events.append(orjson.loads(message.data))

    def audio(self, side: int) -> bytes:
        """Every sound of a side in its place."""
        sounds = self._sounds[side]
        heard, end_ms = bytearray(), sounds[0][0] if sounds else 0.0
        for at_ms, mulaw in sounds:
            heard += b"\xff" * max(0, round((at_ms - end_ms) * 8)) + mulaw
            end_ms = max(end_ms, at_ms) + len(mulaw) / 8
        return bytes(heard)

    def said(self, side: int) -> list[str]:
        return [utterance.text for utterance in decode_all(self.audio(side))]

    async def until(self, side: int, text: str, *, within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while not any(text in said for said in self.said(side)):
            assert time.monotonic() < deadline, f"{text!r} is not in {self.said(side)}"
            await asyncio.sleep(0.1)

    async def until_over(self) -> None:
        """The gateway says so, and closes."""
        assert self._task is not None
        async with asyncio.timeout(10):
            await asyncio.shield(self._task)
        assert self.events[-1]["payload"] == {"state": "over", "reason": "Call has ended"}


def heard_at(leg: Any) -> list[str]:
    return [utterance["text"] for utterance in leg["heard"]]


async def test_one_hears_what_the_caller_says_and_what_is_played_to_them(stage: Stage) -> None:
    """Both sides, decoded from the audio; of a reply that was interrupted, what the caller heard and no more."""
    await stage.model(story=STORY, thanks="You are welcome.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"wait_ms": 1500},
        {"say": "a story please"},
        {"interrupt_after_chars": 30, "say": "thanks a lot"},
        {"wait_heard": "welcome"},
        {"wait_ms": 500},
        {"hangup": True},
    )
    call = await stage.dial(to)
    async with Listener(stage.stack, call) as listener:
        await stage.over(call)
        await listener.until(0, "thanks a lot")
        await listener.until_over()
        caller, agent = listener.said(0), listener.said(1)
    assert listener.hello["payload"]["audio"] == {
        "encoding": "mulaw",
        "sampleRate": 8000,
        "sides": ["caller", "agent"],
    }
    assert [text for text in caller if text] == ["a story please", "thanks a lot"]
    heard = heard_at(await stage.leg(await stage.record(call)))
    story = next(text for text in agent if text.startswith("There"))
    assert len(story) < len(STORY)
    theirs = next(text for text in heard if text.startswith("There"))
    assert abs(len(story) - len(theirs)) <= 4
    assert agent[-1] == "You are welcome."


@pytest.mark.chaos
async def test_a_killed_worker_and_a_restarted_gateway_do_not_end_it(stage: Stage) -> None:
    """It comes from the ingress: a worker's death is a pause on the line. After a gateway's, one asks again."""
    await stage.model(story=STORY, thanks="You are welcome.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"wait_ms": 1500},
        {"say": "a story please"},
        {"wait_heard": "the well", "within_ms": 30_000},
        {"wait_ms": 9000},
        {"say": "thanks a lot"},
        {"wait_heard": "welcome", "within_ms": 20_000},
        {"wait_ms": 3000},
        {"hangup": True},
    )
    stack = stage.stack
    call = await stage.dial(to)
    async with Listener(stack, call) as listener:
        await listener.until(0, "a story please")
        await listener.until(1, "There was")
        worker = stack.worker_of(await stack.owner_of(call))
        await worker.kill()
        await listener.until(1, "the well")
    await stack.restart("gateway")
    async with Listener(stack, call) as listener:
        await listener.until(0, "thanks a lot")
        await listener.until(1, "You are welcome.")
    record = await stage.over(call, within_s=60)
    assert record["state"] == "completed"
    await stack.start_worker(int(worker.name.partition("-")[2]))


async def test_a_listener_that_does_not_read_loses_audio_and_the_call_nothing(stage: Stage) -> None:
    """The gateway stands still with an open listener, then goes on: the caller heard everything."""
    await stage.model(story=STORY)
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"wait_heard": "the well", "within_ms": 20_000},
        {"hangup": True},
    )
    call = await stage.dial(to)
    record = await stage.record(call, lambda seen: bool(seen.get("providerCallId")))
    async with Listener(stage.stack, call):
        gateway = stage.stack.processes["gateway"]
        gateway.signal(signal.SIGSTOP)
        try:
            leg = await stage.leg(record)
        finally:
            gateway.signal(signal.SIGCONT)
    assert heard_at(leg) == [GREETING, STORY]
