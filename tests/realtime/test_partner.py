"""A model that hears and speaks, over real sockets against the simulator: what it says, and what it is made to know."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulators.tones import decode_all, encode_mulaw
from tests.call.story import CALL, Story, inbound
from tests.simulators.service_process import running
from voicecall.audio.framing import SILENT_FRAME, Framer
from voicecall.call import events as e
from voicecall.call.ids import RequestId
from voicecall.call.state import Party
from voicecall.errors import ServiceError
from voicecall.manifests.openai import OpenAIRealtime
from voicecall.ports import EndCall, Question, Spoken, SttEvent, SttSession, TurnText
from voicecall.realtime.conversation import Patience
from voicecall.realtime.openai import wire_of
from voicecall.realtime.partner import Partner
from voicecall.speech.stt.link import Service
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.stt.session import Patience as HearingPatience

_TEXT_MS = 40  # a character of tone code
WEATHER = "It is raining."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.openai") as url:
        yield url


@pytest.fixture
async def simulator(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as session:
        yield session
        for path in ("/_sim/script", "/_sim/ledger"):
            await session.delete(path)


async def script(simulator: aiohttp.ClientSession, **sections: Any) -> None:
    async with simulator.post("/_sim/script", json=sections) as response:
        assert response.status == 200, await response.text()


async def ledger(simulator: aiohttp.ClientSession, kind: str) -> list[Any]:
    async with simulator.get("/_sim/ledger", params={"kind": kind}) as response:
        return list((await response.json())["lines"])


async def second_session(simulator: aiohttp.ClientSession) -> None:
    for _ in range(400):
        if len(await ledger(simulator, "voice")) > 1:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("there is one session only")


class Line:
    """A call with the model: a caller speaks, the call is folded, and replies are asked for."""

    def __init__(self, partner: Partner, session: SttSession, events: "asyncio.Queue[SttEvent]", story: Story) -> None:
        self.partner = partner
        self.session = session
        self.events = events
        self.story = story

    def fold(self, *events: e.Event) -> None:
        self.story.fold(*events)
        self.partner.follow(self.story.live, events)

    def says(self, text: str) -> None:
        for frame in Framer().feed(encode_mulaw(text) + SILENT_FRAME * 20):
            self.session.feed(frame)

    async def heard(self) -> str:
        """The next transcript, which is folded."""
        async with asyncio.timeout(20):
            while True:
                event = await self.events.get()
                if isinstance(event, e.Heard):
                    self.fold(e.Heard(text=event.text))
                    return event.text

    def question(self, said: tuple[str, ...] = ()) -> Question:
        history = tuple(TurnText(speaker=line.speaker, text=line.text) for line in self.story.live.transcript)
        return Question(call=CALL, turn=1, caller="", session_key="", history=history, said=said)

    async def reply(self, said: tuple[str, ...] = ()) -> list[Any]:
        async with asyncio.timeout(20):
            return [piece async for piece in self.partner.provider.port.reply(self.question(said))]

    async def asked(self, text: str) -> list[Any]:
        self.says(text)
        assert await self.heard() == text
        return await self.reply()

    def plays(self, spoken: Spoken, utterance: int) -> None:
        """What was said becomes an utterance of the call, which is being heard."""
        said = e.AgentSaid(turn=self.story.live.turn, text=spoken.text, item=spoken.item, audio_ms=spoken.audio_ms)
        self.fold(said, e.PlaybackBegan(utterance=utterance))


def partner_at(url: str, http: aiohttp.ClientSession, **patience: float) -> Partner:
    block = OpenAIRealtime.model_construct(api_key="sk-test", base_url=f"{url}/v1", silence_duration_ms=300)
    service = Service(name="openai-realtime", model=block.model, link=lambda _: None, silence_ms=300)  # type: ignore[arg-type,return-value]
    return Partner(service, wire_of(block), http, identity="You are a florist.", patience=Patience(**patience))


async def line_of(partner: Partner) -> Line:
    events: asyncio.Queue[SttEvent] = asyncio.Queue()
    story = inbound()
    partner.follow(story.live, ())
    recognition = Recognition([partner.service], HearingPatience(retry_delays_s=(0.01,) * 3))
    return Line(partner, await recognition.open(CALL, events.put_nowait), events, story)


@pytest.fixture
async def line(url: str, simulator: aiohttp.ClientSession) -> AsyncIterator[Line]:
    await script(simulator, chat={"rules": [{"match": "weather", "reply": WEATHER}]})
    async with aiohttp.ClientSession() as http:
        line = await line_of(partner_at(url, http))
        yield line
        await line.session.close()


async def test_it_answers_what_it_hears_in_its_own_voice(line: Line, simulator: aiohttp.ClientSession) -> None:
    pieces = await line.asked("how is the weather")
    assert pieces[-1] == Spoken(pieces[-1].item, WEATHER, len(encode_mulaw(WEATHER)) // 8)
    sound = b"".join([chunk async for chunk in line.partner.audio(CALL, pieces[-1].item)])
    assert [each.text for each in decode_all(sound)] == [WEATHER]
    session = (await ledger(simulator, "voice"))[0]["asked"][0]["session"]
    assert session["instructions"].startswith("You are a florist.")
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)


async def test_the_reply_is_asked_for_while_the_transcript_is_written(
    line: Line, simulator: aiohttp.ClientSession
) -> None:
    """What is heard of a slow transcript's turn is no later for it."""
    late = {"where": "transcript", "match": "weather", "do": {"delay_ms": 600}}
    await script(simulator, misbehave=[late])
    assert (await line.asked("how is the weather"))[-1].text == WEATHER
    (reply,), (transcript,) = await ledger(simulator, "reply"), await ledger(simulator, "transcript")
    assert reply["at"] < transcript["sent_at"]
    assert reply["outcome"] == "complete"


async def test_an_early_reply_that_is_not_wanted_is_forgotten(line: Line, simulator: aiohttp.ClientSession) -> None:
    """The caller goes on: the model must not believe that it has answered."""
    line.says("how is the weather")
    await line.heard()
    line.says("and the weather tomorrow")
    await line.heard()
    assert (await line.reply())[-1].text == WEATHER
    first, second = await ledger(simulator, "reply")
    assert first["item"] in [each["item"] for each in await ledger(simulator, "deleted")]
    assert all("assistant" not in each for each in second["conversation"])


async def test_what_was_cut_is_truncated_to_what_was_heard(line: Line, simulator: aiohttp.ClientSession) -> None:
    spoken = (await line.asked("how is the weather"))[-1]
    line.plays(spoken, 1)
    line.fold(e.SpeechStarted(), e.PlaybackDone(utterance=1, heard_ms=200, total_ms=None, complete=False))
    await line.asked("and the weather tomorrow")
    (truncated,) = await ledger(simulator, "truncate")
    assert (truncated["item"], truncated["audio_end_ms"], truncated["outcome"]) == (spoken.item, 200, "truncated")


async def test_a_truncation_is_never_longer_than_the_audio(line: Line, simulator: aiohttp.ClientSession) -> None:
    """The ingress may count a padded frame; the service refuses what is longer."""
    spoken = (await line.asked("how is the weather"))[-1]
    line.plays(spoken, 1)
    line.fold(e.SpeechStarted(), e.PlaybackDone(utterance=1, heard_ms=99_000, total_ms=None, complete=False))
    await line.asked("and the weather tomorrow")
    (truncated,) = await ledger(simulator, "truncate")
    assert (truncated["audio_end_ms"], truncated["outcome"]) == (spoken.audio_ms, "truncated")


async def test_what_was_heard_whole_is_not_truncated(line: Line, simulator: aiohttp.ClientSession) -> None:
    spoken = (await line.asked("how is the weather"))[-1]
    line.plays(spoken, 1)
    line.fold(e.PlaybackDone(utterance=1, heard_ms=600, total_ms=600, complete=True))
    await line.asked("and the weather tomorrow")
    assert await ledger(simulator, "truncate") == []


async def test_it_learns_what_others_said(line: Line, simulator: aiohttp.ClientSession) -> None:
    """The greeting, an API client's words and keys are none of its own."""
    line.plays((await line.asked("how is the weather"))[-1], 1)
    line.fold(e.AgentDone(turn=1), e.PlaybackDone(utterance=1, heard_ms=600, total_ms=600, complete=True))
    line.fold(e.SpeakRequested(request=RequestId("r"), text="Please key in your number."))
    line.fold(e.PlaybackBegan(utterance=2), e.PlaybackDone(utterance=2, heard_ms=9, total_ms=9, complete=True))
    line.fold(e.DtmfReceived(digits="42#"))
    await line.reply()
    added = [(each["role"], each["text"]) for each in await ledger(simulator, "item")]
    assert added == [("assistant", "Please key in your number."), ("user", "the caller pressed 42#")]


async def test_keys_are_kept_apart_from_words_that_it_has_heard(line: Line, simulator: aiohttp.ClientSession) -> None:
    """A word that is a part of what the keys are called does not make them known."""
    line.says("the")
    await line.heard()
    line.fold(e.DtmfReceived(digits="7#"))
    await line.reply()
    added = [(each["role"], each["text"]) for each in await ledger(simulator, "item")]
    assert added == [("user", "the caller pressed 7#")]


async def test_what_was_said_before_a_connection_broke_is_still_heard(
    line: Line, simulator: aiohttp.ClientSession
) -> None:
    """Its sound is here already; the next connection learns in words what was heard of it."""
    spoken = (await line.asked("how is the weather"))[-1]
    line.plays(spoken, 1)
    async with simulator.delete("/_sim/connections"):
        pass
    await second_session(simulator)
    assert b"".join([chunk async for chunk in line.partner.audio(CALL, spoken.item)])
    line.fold(e.AgentDone(turn=1), e.PlaybackDone(utterance=1, heard_ms=600, total_ms=600, complete=True))
    await line.asked("and the weather tomorrow")
    assert ("assistant", WEATHER) in [(each["role"], each["text"]) for each in await ledger(simulator, "item")]


async def test_it_ends_the_call_with_its_tool(line: Line, simulator: aiohttp.ClientSession) -> None:
    await script(simulator, chat={"rules": [{"reply": "Goodbye!", "tool_call": {"name": "end_call"}}]})
    pieces = await line.asked("that is all")
    assert (pieces[-2].text, pieces[-1]) == ("Goodbye!", EndCall())


async def test_a_reply_that_is_not_wanted_any_more_is_cancelled(line: Line, simulator: aiohttp.ClientSession) -> None:
    slow = {"where": "reply", "do": {"pace": 0.5}}
    await script(simulator, misbehave=[slow])
    line.says("how is the weather")
    await line.heard()
    async with aclosing(line.partner.provider.port.reply(line.question())) as pieces:  # type: ignore[type-var]
        await anext(pieces)
    await script(simulator, misbehave=[])
    assert (await line.asked("and the weather tomorrow"))[-1].text == WEATHER
    assert [each["outcome"] for each in await ledger(simulator, "reply")] == ["cancelled", "complete"]


@pytest.mark.parametrize("code", [1011, None])
async def test_a_reply_goes_on_over_the_next_connection(
    line: Line, simulator: aiohttp.ClientSession, code: int | None
) -> None:
    """It begins with what was said so far, and is asked to go on after what was heard of the reply."""
    breaks = {"where": "reply", "times": 1, "do": {"cut_after_bytes": 2400, "close_code": code}}
    await script(simulator, misbehave=[breaks])
    pieces = await line.asked("how is the weather")
    assert len({piece.item for piece in pieces}) == 2
    assert pieces[-1].text == WEATHER
    first, second = await ledger(simulator, "reply")
    assert first["session"] != second["session"]
    assert second["conversation"] == ["user: how is the weather"]
    assert "has already heard" in second["instructions"]


async def test_a_connection_is_renewed_before_the_service_ends_it(url: str, simulator: aiohttp.ClientSession) -> None:
    """In a pause of both, and the next one knows the conversation."""
    await script(simulator, chat={"rules": [{"match": "weather", "reply": WEATHER}]})
    block = OpenAIRealtime.model_construct(
        api_key="sk-test", base_url=f"{url}/v1", silence_duration_ms=300, max_session_minutes=1 / 60
    )
    async with aiohttp.ClientSession() as http:
        service = Service(name="openai-realtime", model="m", link=lambda _: None)  # type: ignore[arg-type,return-value]
        partner = Partner(service, wire_of(block), http, identity="", patience=Patience())
        line = await line_of(partner)
        spoken = (await line.asked("how is the weather"))[-1]
        line.plays(spoken, 1)
        line.fold(e.AgentDone(turn=1), e.PlaybackDone(utterance=1, heard_ms=600, total_ms=600, complete=True))
        await second_session(simulator)
        await line.asked("and the weather tomorrow")
        await line.session.close()
    last = (await ledger(simulator, "reply"))[-1]
    assert last["conversation"][:2] == ["user: how is the weather", f"assistant: {WEATHER}"]


async def test_another_format_than_mu_law_is_refused(url: str, simulator: aiohttp.ClientSession) -> None:
    """Before the first frame: it would be noise on the line, both ways."""
    await script(simulator, misbehave=[{"where": "voice", "do": {"keeps_pcm": True}}])
    async with aiohttp.ClientSession() as http:
        line = await line_of(partner_at(url, http))
        async with asyncio.timeout(20):
            failed = await line.events.get()
        assert isinstance(failed, e.SttFailed)
        assert "not-mu-law" in failed.reason
        with pytest.raises(ServiceError, match="not connected"):
            await line.reply()
        await line.session.close()


async def test_a_service_that_sends_nonsense_is_no_service(url: str, simulator: aiohttp.ClientSession) -> None:
    """Another one takes over; without one, recognition has failed, as with any service."""
    await script(simulator, misbehave=[{"where": "voice", "do": {"garbage": True}}])
    async with aiohttp.ClientSession() as http:
        line = await line_of(partner_at(url, http))
        async with asyncio.timeout(20):
            assert isinstance(await line.events.get(), e.SttFailed)
        await line.session.close()


async def test_a_silent_model_is_given_up_in_time(url: str, simulator: aiohttp.ClientSession) -> None:
    await script(simulator, misbehave=[{"where": "reply", "do": {"hang": True}}])
    async with aiohttp.ClientSession() as http:
        line = await line_of(partner_at(url, http, first_s=0.2))
        line.says("how is the weather")
        await line.heard()
        with pytest.raises(ServiceError, match="in time"):
            await line.reply()
        await line.session.close()


async def test_the_party_of_each_line_is_kept() -> None:
    """What the caller said is never an instruction: it is in user items only."""
    wire = wire_of(OpenAIRealtime())("")
    assert '"role":"user"' in wire.add(Party.USER, "x")[0]
    assert '"role":"assistant"' in wire.add(Party.BOT, "x")[0]


async def test_no_session_without_a_service() -> None:
    """A service that is down at the beginning of a call: the agent behind the model is asked at once."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/v1/realtime", refuse)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        line = await line_of(partner_at(str(server.make_url("")).rstrip("/"), http, reconnect_s=0.1))
        with pytest.raises(ServiceError, match="not connected"):
            await line.reply()
        await line.session.close()
