"""The whole adapter against Telnyx's simulator in its own process: commands, events and the media socket."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from tests.carriers.rest_api import QUICK, session
from tests.carriers.small_ingress import SmallIngress, served
from tests.carriers.telnyx_requests import CALL
from tests.simulators.carrier_process import running_carrier
from voicecall.call.events import Answered, Dialled, EndReason, Heard, HungUp, LegStatus, PlaybackDone
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import Connect, NoOp
from voicecall.carriers.common.stream_path import completed
from voicecall.carriers.telnyx.codec import Codec
from voicecall.carriers.telnyx.control import Control
from voicecall.errors import CarrierSilent
from voicecall.ports import MediaAudio, MediaIn, MediaMark, MediaStarted, WebhookRequest

_CALL = CallId(CALL)
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_PUBLIC = "https://calls.example.com"
_HOOK, _STREAM_PATH = f"{_PUBLIC}/voice/webhook", "/voice/stream"
_CONNECTION = "1494404757140276705"
_CONNECT = Connect(call=_CALL, stream_url=f"wss://calls.example.com{_STREAM_PATH}", token="tok", resume_url="")
_OPTIONS = ("--api-key", "KEY0123", "--connection-id", _CONNECTION, "--webhook", _HOOK)


class Ingress(SmallIngress):
    """Verifies, parses, and says nothing, as Telnyx listens to nothing."""

    def __init__(self, public_key: str) -> None:
        super().__init__(Codec(public_key=public_key, now=time.time))

    async def webhook(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = WebhookRequest(method=request.method, url=_HOOK, headers=headers, body=await request.read())
        assert self.codec.verify(asked).key.startswith("telnyx:")
        await self.received(self.codec.parse(asked))
        answer = self.codec.render(NoOp())
        return web.Response(status=answer.status, body=answer.body)

    def read(self, request: web.Request, text: str) -> MediaIn:
        frame = super().read(request, text)
        if isinstance(frame, MediaStarted):
            return completed(frame, urlsplit(request.raw_path).path, _STREAM_PATH)
        return frame


class Simulator:
    """The simulator's process, our control of it, and the ingress behind its public URL."""

    def __init__(self, url: str, ingress: Ingress, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.ingress = ingress
        self.http = http
        self.control = Control(
            http,
            api_key="KEY0123",
            connection_id=_CONNECTION,
            webhook_url=_HOOK,
            base_url=f"{url}/v2",
            timeouts=QUICK,
        )

    async def dial(self) -> LegId:
        effect = EffectId(f"{CALL}.1")
        return await self.control.dial(
            call=_CALL, effect=effect, to=_TO, from_=_FROM, ring_timeout_s=30, time_limit_s=60
        )

    async def sim(self, path: str, body: object) -> None:
        async with self.http.post(f"{self.url}/_sim/{path}", json=body) as reply:
            assert reply.status < 300, await reply.text()

    async def answers(self, *script: dict[str, Any]) -> None:
        """Every called party answers at once, and follows this script."""
        await self.sim("persona", {"number": "*", "script": [{"answer_after_ms": 10}, *script]})


@pytest.fixture
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.telnyx", *_OPTIONS) as ready:
        yield ready


@pytest.fixture
async def simulator(ready: dict[str, Any]) -> AsyncIterator[Simulator]:
    ingress = Ingress(ready["public_key"])
    async with served(ingress, "/voice/stream/{tail:.*}") as local, session() as http:
        simulator = Simulator(ready["url"], ingress, http)
        await simulator.sim("public-map", {_PUBLIC: local})
        yield simulator


async def test_a_call_is_dialled_streamed_heard_and_over(simulator: Simulator) -> None:
    """Every word of the adapter, in the order of a real call; the socket's path says whose it is."""
    await simulator.answers()
    leg = await simulator.dial()
    assert await simulator.ingress.seen(Answered) == Answered(leg=leg)
    await simulator.control.start_stream(leg, effect=EffectId(f"{CALL}.2"), connect=_CONNECT)
    await simulator.ingress.until(lambda: any(isinstance(frame, MediaMark) for frame in simulator.ingress.frames))
    started = next(frame for frame in simulator.ingress.frames if isinstance(frame, MediaStarted))
    assert (started.leg, started.call, started.token) == (leg, CALL, "tok")
    assert {len(frame.mulaw) for frame in simulator.ingress.frames if isinstance(frame, MediaAudio)} == {160}
    assert (await simulator.control.look_up(leg)).status is LegStatus.ALIVE
    await simulator.control.hang_up(leg)
    assert await simulator.ingress.seen(HungUp) == HungUp(leg=leg, reason=EndReason.COMPLETED)
    assert Dialled(leg=leg) in simulator.ingress.events
    assert {webhook.call for webhook in simulator.ingress.webhooks} == {CALL}
    await simulator.control.hang_up(leg)
    assert (await simulator.control.look_up(leg)).status is LegStatus.ENDED


async def test_a_prompt_and_its_answer_come_back_under_their_names(simulator: Simulator) -> None:
    """Telnyx's own synthesis and recognition; the state says which prompt was played and which turn was answered."""
    await simulator.answers({"wait_ms": 300}, {"say": "what time is it"})
    leg = await simulator.dial()
    await simulator.ingress.seen(Answered)
    assert await simulator.control.say(leg, "Hi.", call=_CALL, utterance=3, token="t1", listens=True) is None
    assert await simulator.ingress.seen(PlaybackDone) == PlaybackDone(
        utterance=3, heard_ms=0, total_ms=None, complete=True, leg=leg
    )
    heard = await simulator.ingress.seen(Heard)
    assert isinstance(heard, Heard)
    assert (heard.text, heard.turn_token) == ("what time is it", "t1")


async def test_a_caller_is_picked_up_or_turned_away(simulator: Simulator) -> None:
    """Commands do what an answer would: one caller is connected, the other hears that we are busy."""
    order = {"from": _TO, "to": _FROM, "persona": [{"wait_ms": 20_000}]}
    await simulator.sim("inbound", order)
    await simulator.ingress.until(lambda: any(webhook.inbound for webhook in simulator.ingress.webhooks))
    arrival = simulator.ingress.webhooks[0]
    assert (arrival.call, arrival.wants_reply, arrival.events) == (None, True, ())
    await simulator.control.answer(arrival.leg, call=_CALL, effect=EffectId(f"{CALL}.1"))
    assert await simulator.ingress.seen(Answered) == Answered(leg=arrival.leg)
    assert next(webhook for webhook in simulator.ingress.webhooks if webhook.events).call == CALL
    await simulator.control.hang_up(arrival.leg)
    await simulator.ingress.seen(HungUp)
    simulator.ingress.webhooks.clear()
    await simulator.sim("inbound", order)
    await simulator.ingress.until(lambda: any(webhook.inbound for webhook in simulator.ingress.webhooks))
    await simulator.control.reject(simulator.ingress.webhooks[0].leg, effect=EffectId(f"{CALL}.2"), reason="busy")
    ended = await simulator.ingress.seen(HungUp)
    assert isinstance(ended, HungUp)
    assert ended.reason is EndReason.BUSY


@pytest.mark.parametrize("fault", [{"do": "cut"}, {"do": "garbage"}, {"do": "status", "status": 500}])
async def test_a_dial_whose_reply_was_lost_is_found_and_ended(simulator: Simulator, fault: dict[str, object]) -> None:
    """Telnyx acted and the reply never came: its list and its first event both name the leg."""
    await simulator.sim("persona", {"number": "*", "script": [{"answer_after_ms": 30_000}]})
    await simulator.sim("misbehave", {"where": "rest", "when": "after", "match": {"op": "create"}, **fault})
    with pytest.raises(CarrierSilent):
        await simulator.dial()
    named = await simulator.ingress.seen(Dialled)
    assert isinstance(named, Dialled)
    found = await simulator.control.find(call=_CALL, to=_TO, from_=_FROM, since=0.0)
    assert (found.status, found.leg) == (LegStatus.ALIVE, named.leg)
    await simulator.control.hang_up(named.leg)
    await simulator.ingress.seen(HungUp)
