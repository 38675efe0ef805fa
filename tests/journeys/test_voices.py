"""Every voice holds a conversation on the telephone; fail-over is among the conversations (`tests/conversations`)."""

from typing import Any

import pytest

from simulators.stack.clients import Simulator
from tests.journeys.stage import GREETING, VOICES, Stage, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")

HELLO = "Hello! How can I help you today?"
NUMBERS = {voice: number for number, voice in VOICES.items()}


async def lines_of(simulator: Simulator, kind: str) -> list[Any]:
    lines: list[Any] = (await simulator.get("/_sim/ledger", kind=kind))["lines"]
    return lines


@pytest.mark.parametrize(
    ("voice", "simulator", "kind"),
    [
        ("openai-realtime", "openai", "reading"),
        ("elevenlabs-websocket", "elevenlabs", "context"),
        ("deepgram", "deepgram", "speech"),
    ],
)
async def test_a_conversation_in_every_voice(other_stage: Stage, voice: str, simulator: str, kind: str) -> None:
    """Greeting and reply are heard to the letter; each was synthesised once."""
    service: Simulator = getattr(other_stage.stack, simulator)
    await service.delete("/_sim/ledger")
    await other_stage.model(weather="It is raining.")
    sid = await other_stage.ring_us(
        {"wait_heard": "help you"},
        {"say": "the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
        to=NUMBERS[voice],
    )
    await other_stage.over(sid)
    assert texts(await other_stage.leg(sid)) == [HELLO, "It is raining."]
    spoken = [line.get("text") or line["body"]["text"] for line in await lines_of(service, kind)]
    assert spoken == [HELLO, "It is raining."]
    sockets = [*await lines_of(service, "voice"), *await lines_of(service, "socket")]
    assert len(sockets) == (0 if voice == "deepgram" else 1)


async def test_the_greeting_is_ready_when_the_phone_is_picked_up(other_stage: Stage) -> None:
    """It was requested while it rang, and once."""
    stack = other_stage.stack
    await stack.elevenlabs.delete("/_sim/ledger")
    await stack.elevenlabs.post("/_sim/script", {"misbehave": [{"where": "speech", "do": {"delay_ms": 1500}}]})
    to = await other_stage.person({"answer_after_ms": 2500}, {"wait_heard": GREETING}, {"hangup": True})
    record = await other_stage.over(await other_stage.dial(to))
    await stack.elevenlabs.delete("/_sim/script")
    leg = await other_stage.leg(record)
    assert texts(leg) == [GREETING]
    (line,) = await lines_of(stack.elevenlabs, "speech")
    assert line["at"] < leg["answered_at"]
