"""The whole adapter against the mock carrier's simulator in its own process: commands, webhooks, the media socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.carriers.rest_api import QUICK, session
from tests.carriers.small_ingress import SmallIngress, served
from tests.carriers.twilio_requests import CALL
from tests.simulators.carrier_process import running_carrier
from voicecall.call.events import Answered, DtmfReceived, EndReason, Heard, HungUp, LegStatus, PlaybackDone
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import Connect, Gather, NoOp, Refuse, Reply
from voicecall.carriers.mock.codec import Codec
from voicecall.carriers.mock.control import Control
from voicecall.errors import CarrierRejected, CarrierSilent
from voicecall.ports import MediaAudio, MediaMark, MediaStarted, WebhookRequest

_CALL = CallId(CALL)
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_SECRET = "s3cret"
_PUBLIC = "https://calls.example.com"
_HOOK = f"{_PUBLIC}/voice/webhook"
_CONNECT = Connect(
    call=_CALL, stream_url="wss://calls.example.com/voice/stream", token="tok", resume_url=f"{_HOOK}?callId={CALL}&n=1"
)
_CONVERSE = Gather(text="Hello!", heard_url=f"{_HOOK}?callId={CALL}&n=2", silent_url=f"{_HOOK}?callId={CALL}&n=3")


class Ingress(SmallIngress):
    """Verifies, parses, and answers with the next of its replies; with `NoOp` when there is none.

    `old_legs`: legs of an earlier test, of which webhooks may still come.
    """

    def __init__(self) -> None:
        super().__init__(Codec(secret=_SECRET, now=time.time))
        self.replies: list[Reply] = []
        self.old_legs: set[str] = set()

    async def webhook(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = f"{_PUBLIC}{request.raw_path}"
        asked = WebhookRequest(method=request.method, url=url, headers=headers, body=await request.read())
        assert self.codec.looks_signed(headers)
        assert self.codec.verify(asked).key.startswith("mock:")
        webhook = self.codec.parse(asked)
        if webhook.leg not in self.old_legs:
            await self.received(webhook)
        reply = self.replies.pop(0) if webhook.wants_reply and self.replies else NoOp()
        answer = self.codec.render(reply)
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    def playback(self, stream: str) -> list[str]:
        return [*super().playback(stream), self.codec.media.clear(stream)]


class Simulator:
    """The simulator's process, our control of it, and the ingress behind its public URL."""

    def __init__(self, url: str, ingress: Ingress, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.ingress = ingress
        self.http = http
        self.control = self.control_with(_SECRET)

    def control_with(self, secret: str | None) -> Control:
        return Control(self.http, base_url=self.url, secret=secret, webhook_url=_HOOK, timeouts=QUICK)

    async def dial(self, control: Control | None = None) -> LegId:
        return await (control or self.control).dial(
            call=_CALL, effect=EffectId(f"{CALL}.1"), to=_TO, from_=_FROM, ring_timeout_s=30, time_limit_s=60
        )

    async def sim(self, path: str, body: object) -> Any:
        async with self.http.post(f"{self.url}/_sim/{path}", json=body) as reply:
            assert reply.status < 300, await reply.text()
            return await reply.json()

    async def forget(self) -> None:
        """Ends all calls and resets the faults."""
        async with self.http.get(f"{self.url}/_sim/ledger?heard=0") as reply:
            for call in (await reply.json())["calls"]:
                self.ingress.old_legs.add(call["sid"])
                await self.sim(f"hangup/{call['sid']}", {})
        for path in ("misbehave", "ledger"):
            async with self.http.delete(f"{self.url}/_sim/{path}") as reply:
                assert reply.status == 204

    async def complaints(self) -> Any:
        async with self.http.get(f"{self.url}/_sim/ledger?heard=0") as reply:
            return (await reply.json())["errors"]

    async def answers(self, *script: dict[str, Any]) -> None:
        """Every called party answers at once, and follows this script."""
        await self.sim("persona", {"number": "*", "script": [{"answer_after_ms": 10}, *script]})


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.mock", "--secret", _SECRET, "--webhook", _HOOK) as ready:
        yield ready


@pytest.fixture
async def simulator(ready: dict[str, Any]) -> AsyncIterator[Simulator]:
    ingress = Ingress()
    async with served(ingress) as local, session() as http:
        simulator = Simulator(ready["url"], ingress, http)
        await simulator.forget()
        await simulator.sim("public-map", {_PUBLIC: local})
        yield simulator


async def test_a_call_is_dialled_streamed_heard_and_over(simulator: Simulator) -> None:
    """Every word of the adapter, in the order of a real call; a socket that closes is asked about."""
    simulator.ingress.replies = [_CONNECT]
    await simulator.answers()
    leg = await simulator.dial()
    assert await simulator.ingress.seen(Answered) == Answered(leg=leg)
    await simulator.ingress.until(lambda: sum(webhook.wants_reply for webhook in simulator.ingress.webhooks) == 2)
    started = next(frame for frame in simulator.ingress.frames if isinstance(frame, MediaStarted))
    assert (started.leg, started.call, started.token) == (leg, CALL, "tok")
    assert {len(frame.mulaw) for frame in simulator.ingress.frames if isinstance(frame, MediaAudio)} == {160}
    assert [frame.name for frame in simulator.ingress.frames if isinstance(frame, MediaMark)] == ["u1.1"]
    assert (await simulator.control.look_up(leg)).status is LegStatus.ALIVE
    await simulator.control.send_digits(leg, "12#", call=_CALL, effect=EffectId(f"{CALL}.2"))
    await simulator.control.hang_up(leg)
    assert await simulator.ingress.seen(HungUp) == HungUp(leg=leg, reason=EndReason.HANGUP_BOT)
    assert {webhook.call for webhook in simulator.ingress.webhooks} == {CALL}
    await simulator.control.hang_up(leg)
    ended = await simulator.control.look_up(leg)
    assert (ended.status, ended.reason) == (LegStatus.ENDED, EndReason.HANGUP_BOT)
    assert await simulator.complaints() == []


async def test_a_prompt_its_answer_and_keys_come_back_under_their_names(simulator: Simulator) -> None:
    """The carrier's own synthesis and recognition: which prompt was played, which turn was answered."""
    simulator.ingress.replies = [_CONVERSE]
    await simulator.answers({"wait_heard": "Hi"}, {"say": "what time is it"}, {"press": "4"})
    leg = await simulator.dial()
    await simulator.ingress.seen(Answered)
    await simulator.control.say(leg, "Hi.", call=_CALL, utterance=3, token="t1", listens=True)
    assert await simulator.ingress.seen(PlaybackDone) == PlaybackDone(
        utterance=3, heard_ms=0, total_ms=None, complete=True, leg=leg
    )
    heard = await simulator.ingress.seen(Heard)
    assert isinstance(heard, Heard)
    assert (heard.text, heard.final, heard.turn_token) == ("what time is it", True, "t1")
    assert await simulator.ingress.seen(DtmfReceived) == DtmfReceived(digits="4", leg=leg)
    await simulator.control.hang_up(leg)
    assert await simulator.complaints() == []


async def test_a_caller_is_greeted_or_turned_away_in_the_answer_to_their_ringing(simulator: Simulator) -> None:
    """One is spoken to and heard, the other hears that we are busy, and is never picked up."""
    order = {"from": _TO, "to": _FROM, "persona": [{"wait_heard": "Hello"}, {"say": "hi there"}, {"wait_ms": 20_000}]}
    simulator.ingress.replies = [_CONVERSE, Refuse(reason="busy")]
    first = await simulator.sim("inbound", order)
    await asyncio.gather(*(simulator.ingress.seen(event) for event in (Answered, PlaybackDone, Heard)))
    arrival = next(webhook for webhook in simulator.ingress.webhooks if webhook.leg == first["sid"])
    assert (arrival.call, arrival.inbound, arrival.from_, arrival.to) == (None, True, _TO, _FROM)
    assert (arrival.leg, arrival.wants_reply, arrival.events) == (first["sid"], True, ())
    second = await simulator.sim("inbound", order)
    turned_away = HungUp(leg=LegId(second["sid"]), reason=EndReason.BUSY)
    await simulator.ingress.until(lambda: turned_away in simulator.ingress.events)
    assert await simulator.complaints() == []


@pytest.mark.parametrize("fault", [{"do": "cut"}, {"do": "garbage"}, {"do": "status", "status": 500}])
async def test_a_dial_whose_reply_was_lost_is_found_and_ended(simulator: Simulator, fault: dict[str, object]) -> None:
    """The carrier acted and the reply never came: it kept our id, and finds the leg by it."""
    await simulator.sim("persona", {"number": "*", "script": [{"answer_after_ms": 30_000}]})
    await simulator.sim("misbehave", {"where": "rest", "when": "after", "match": {"op": "create"}, **fault})
    assert (await simulator.control.find(call=_CALL, to=_TO, from_=_FROM, since=0.0)).status is LegStatus.ABSENT
    with pytest.raises(CarrierSilent):
        await simulator.dial()
    found = await simulator.control.find(call=_CALL, to=_TO, from_=_FROM, since=0.0)
    assert found.status is LegStatus.ALIVE
    assert found.leg is not None
    await simulator.control.hang_up(found.leg)
    assert await simulator.ingress.seen(HungUp) == HungUp(leg=found.leg, reason=EndReason.HANGUP_BOT)


async def test_a_control_with_another_secret_is_refused_with_the_carrier_s_message(simulator: Simulator) -> None:
    """Without the secret nothing is dialled."""
    for secret in (None, "guessed"):
        with pytest.raises(CarrierRejected, match="stranger"):
            await simulator.dial(simulator.control_with(secret))
