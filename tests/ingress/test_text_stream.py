"""A carrier that hears and speaks: its frames become the call's events, and texts reach it one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType

from simulators.twilio.signature import sign
from tests.ingress.harness import ACCOUNT, LEG, TOKEN, Harness, fields, inbound_id, running_ingress
from voicecall.call.events import (
    Arrived,
    DtmfReceived,
    Event,
    Heard,
    PlaybackBegan,
    PlaybackDone,
    SpeechStarted,
    StreamClosed,
    StreamOpened,
)
from voicecall.call.ids import Epoch, NodeId, StreamId
from voicecall.call.transcript import text_heard
from voicecall.ports import Attach, Clear, Detach, Say

URL = "wss://calls.example/voice/stream"
SESSION = StreamId("VX1")
CALL = inbound_id()
STORY = "Once upon a time there was a king."


class Carrier:
    """The socket of one session."""

    def __init__(self, harness: Harness, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.harness = harness
        self.ws = ws

    async def send(self, **message: Any) -> None:
        await self.ws.send_str(orjson.dumps(message).decode())

    async def set_up(self, token: str) -> None:
        await self.send(
            type="setup",
            sessionId=SESSION,
            accountSid=ACCOUNT,
            callSid=LEG,
            customParameters={"callId": CALL, "token": token},
        )

    async def given(self) -> dict[str, Any]:
        message = await self.ws.receive(timeout=10)
        assert message.type is WSMsgType.TEXT, message
        said: dict[str, Any] = orjson.loads(message.data)
        return said

    def say(self, utterance: int, text: str, *, epoch: int = 1) -> None:
        self.harness.server.streams.deliver(Say(CALL, Epoch(epoch), utterance, text, True))

    def attach(self, epoch: int = 1) -> None:
        (stream,) = self.harness.server.streams
        self.harness.server.streams.deliver(Attach(CALL, Epoch(epoch), NodeId("worker-1"), stream.name))

    async def events(self, count: int) -> list[Event]:
        """The first events of the stream, `count` at least, after it was opened."""
        log = self.harness.log
        async with asyncio.timeout(10), log.changed:
            await log.changed.wait_for(lambda: len(self._found()) >= count)
        return self._found()

    def _found(self) -> list[Event]:
        return [event for event in self.harness.log.events[CALL] if not isinstance(event, Arrived | StreamOpened)]


@asynccontextmanager
async def ringing(*, signed: bool = True) -> AsyncIterator[tuple[Carrier, str]]:
    """A caller is connected to a relay; the carrier has not introduced the session yet."""
    relay = {"streaming": {"enabled": False}, "relay": {"enabled": True, "voice": "Joanna-Neural"}}
    async with running_ingress(**relay) as harness, aiohttp.ClientSession() as http:
        answer = await harness.webhook(fields())
        document = answer.body.decode()
        assert "<ConversationRelay" in document
        assert 'voice="Joanna-Neural"' in document
        token = document.partition('name="token" value="')[2].partition('"')[0]
        headers = {"X-Twilio-Signature": sign(TOKEN, URL)} if signed else {}
        async with http.ws_connect(f"ws://127.0.0.1:{harness.port}/voice/stream", headers=headers) as ws:
            yield Carrier(harness, ws), token


@asynccontextmanager
async def talking() -> AsyncIterator[Carrier]:
    async with ringing() as (carrier, token):
        await carrier.set_up(token)
        await carrier.harness.log.until(CALL, StreamOpened)
        carrier.attach()
        yield carrier


async def test_prompts_and_keys_are_the_call_s_events() -> None:
    async with talking() as carrier:
        await carrier.send(type="prompt", voicePrompt="how is the", lang="en-US", last=False)
        await carrier.send(type="prompt", voicePrompt="how is the weather", lang="en-US", last=True)
        await carrier.send(type="dtmf", digit="4")
        first, second, third = await carrier.events(3)
    assert (first, second) == (
        Heard(text="how is the", final=False, language="en-US", at=first.at),
        Heard(text="how is the weather", language="en-US", at=second.at),
    )
    assert third == DtmfReceived(digits="4", at=third.at)


async def test_a_text_is_said_and_what_was_played_is_reported() -> None:
    async with talking() as carrier:
        carrier.say(1, STORY)
        assert await carrier.given() == {"type": "text", "token": STORY, "last": True, "interruptible": True}
        await carrier.send(type="info", name="agentSpeaking", value="on")
        await carrier.send(type="info", name="tokensPlayed", value=STORY)
        began, done = await carrier.events(2)
    assert isinstance(began, PlaybackBegan)
    assert isinstance(done, PlaybackDone)
    assert (done.utterance, done.complete) == (1, True)


async def test_no_more_than_two_texts_are_given_at_a_time() -> None:
    """What is not given yet is not said after an interruption."""
    async with talking() as carrier:
        for number in range(1, 4):
            carrier.say(number, f"Sentence {number}.")
        assert [(await carrier.given())["token"] for _ in range(2)] == ["Sentence 1.", "Sentence 2."]
        await carrier.send(type="info", name="tokensPlayed", value="Sentence 1.")
        assert (await carrier.given())["token"] == "Sentence 3."


@pytest.mark.parametrize("heard", ["Once upon a time", "Once  upon a time ", "Once upon a time there was a king."])
async def test_an_interruption_is_a_cut_at_the_word_that_was_heard(heard: str) -> None:
    async with talking() as carrier:
        carrier.say(1, STORY)
        await carrier.given()
        await carrier.send(type="info", name="agentSpeaking", value="on")
        await carrier.send(type="interrupt", utteranceUntilInterrupt=heard, durationUntilInterruptMs=900)
        _, sound, done = await carrier.events(3)
    assert isinstance(sound, SpeechStarted)
    assert isinstance(done, PlaybackDone)
    assert text_heard(STORY, done.heard_ms, done.total_ms) == " ".join(heard.split())


async def test_a_lost_report_is_not_waited_for_for_ever() -> None:
    async with talking() as carrier:
        carrier.say(1, "Yes.")
        await carrier.given()
        began, done = await carrier.events(2)
    assert isinstance(began, PlaybackBegan)
    assert isinstance(done, PlaybackDone)
    assert done.complete


async def test_a_new_owner_does_not_repeat_what_the_carrier_has() -> None:
    """It is said under the number that the new owner gives it."""
    async with talking() as carrier:
        carrier.say(1, "First.")
        carrier.say(2, "Second.")
        assert [(await carrier.given())["token"] for _ in range(2)] == ["First.", "Second."]
        carrier.attach(epoch=2)
        carrier.say(7, "Second.", epoch=2)
        carrier.say(8, "Third.", epoch=2)
        await carrier.send(type="info", name="tokensPlayed", value="First.")
        assert (await carrier.given())["token"] == "Third."
        await carrier.send(type="info", name="tokensPlayed", value="Second.")
        reports = [each for each in await carrier.events(5) if isinstance(each, PlaybackDone)]
    assert [each.utterance for each in reports] == [1, 7]


async def test_a_former_owner_says_nothing_any_more() -> None:
    async with talking() as carrier:
        carrier.attach(epoch=2)
        carrier.say(1, "Old.", epoch=1)
        carrier.say(2, "New.", epoch=2)
        assert (await carrier.given())["token"] == "New."


async def test_what_was_cut_by_us_is_reported_as_far_as_it_was_played() -> None:
    async with talking() as carrier:
        carrier.say(1, STORY)
        await carrier.given()
        await carrier.send(type="info", name="tokensPlayed", value="Once upon")
        await carrier.events(1)
        carrier.harness.server.streams.deliver(Clear(CALL, Epoch(1)))
        done = (await carrier.events(2))[1]
    assert isinstance(done, PlaybackDone)
    assert text_heard(STORY, done.heard_ms, done.total_ms) == "Once upon"


async def test_the_end_of_the_call_ends_the_session() -> None:
    async with talking() as carrier:
        carrier.harness.server.streams.deliver(Detach(CALL, Epoch(1)))
        assert await carrier.given() == {"type": "end"}


async def test_the_carrier_connects_once_more_with_the_same_token() -> None:
    """It repeats the parameters of the session when it connects again by itself."""
    async with ringing() as (carrier, token):
        await carrier.set_up(token)
        port, headers = carrier.harness.port, {"X-Twilio-Signature": sign(TOKEN, URL)}
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"ws://127.0.0.1:{port}/voice/stream", headers=headers) as ws,
        ):
            again = Carrier(carrier.harness, ws)
            await again.set_up(token)
            await again.send(type="prompt", voicePrompt="hello", last=True)
            events = await again.events(1)
        opened = await carrier.harness.log.until(CALL, StreamOpened, 2)
    assert any(isinstance(event, Heard) for event in events)
    assert len({event.stream for event in opened if isinstance(event, StreamOpened)}) == 2
    assert not any(isinstance(event, StreamClosed) for event in events)


async def test_a_session_that_is_not_signed_is_refused() -> None:
    """Its words would be taken for the caller's."""
    async with ringing(signed=False) as (carrier, token):
        await carrier.set_up(token)
        message = await carrier.ws.receive(timeout=10)
        assert message.type is WSMsgType.CLOSE
        assert message.data == 1008


@pytest.mark.parametrize(
    "message",
    [
        {"type": "prompt"},
        {"type": "prompt", "voicePrompt": 4},
        {"type": "prompt", "voicePrompt": "x" * 20_000},
        {"type": "dtmf", "digit": "z"},
        {"type": "interrupt", "utteranceUntilInterrupt": []},
    ],
)
async def test_three_malformed_frames_close_the_socket(message: dict[str, Any]) -> None:
    async with talking() as carrier:
        for _ in range(3):
            await carrier.send(**message)
        received = await carrier.ws.receive(timeout=10)
        assert received.type is WSMsgType.CLOSE
