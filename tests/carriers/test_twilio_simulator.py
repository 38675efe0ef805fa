"""The whole adapter against Twilio's simulator in its own process: REST, webhooks, TwiML and the media socket."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from tests.carriers.rest_api import QUICK, session
from tests.carriers.small_ingress import PATIENCE_S, SmallIngress, served
from tests.carriers.twilio_requests import ACCOUNT, CALL, TOKEN, URL, codec
from voicecall.call.events import Answered, AnsweredBy, Billed, EndReason, HungUp, LegStatus, Ringing
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import Connect, Hangup, NoOp
from voicecall.carriers.twilio.control import Control
from voicecall.errors import CarrierSilent
from voicecall.ports import LegReport, MediaAudio, MediaConnected, MediaMark, MediaStarted, WebhookRequest

_CALL = CallId(CALL)
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_STREAM = "wss://calls.example.com/voice/stream"


class Ingress(SmallIngress):
    """Verifies, parses, answers; connects a stream once, then leaves."""

    def __init__(self) -> None:
        super().__init__(codec())
        self.keys: list[str] = []
        self.broken = 0

    async def webhook(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = URL + (f"?{request.query_string}" if request.query_string else "")
        asked = WebhookRequest(method=request.method, url=url, headers=headers, body=await request.read())
        self.keys.append(self.codec.verify(asked).key)
        if self.broken:
            self.broken -= 1
            return web.Response(status=503)
        webhook = self.codec.parse(asked)
        assert webhook.call == _CALL
        await self.received(webhook)
        resumed = "resume" in request.query
        connect = Connect(call=_CALL, stream_url=_STREAM, token="tok", resume_url=f"{URL}?callId={CALL}&resume=1")
        reply = self.codec.render((Hangup() if resumed else connect) if webhook.wants_reply else NoOp())
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert "x-twilio-signature" in headers
        self.codec.verify_upgrade(_STREAM, headers)
        return await super().stream(request)


class Simulator:
    """The simulator's process and the ingress behind its public URL."""

    def __init__(self, url: str, ingress: Ingress, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.ingress = ingress
        self.http = http
        self.control = Control(
            http, account_sid=ACCOUNT, auth_token=TOKEN, webhook_url=URL, base_url=url, timeouts=QUICK
        )

    async def dial(self) -> LegId:
        return await self.control.dial(
            call=_CALL, effect=EffectId(f"{CALL}.1"), to=_TO, from_=_FROM, ring_timeout_s=30, time_limit_s=60
        )

    async def sim(self, path: str, body: object) -> None:
        async with self.http.post(f"{self.url}/_sim/{path}", json=body) as reply:
            assert reply.status == 201, await reply.text()

    async def until_over(self) -> None:
        await self.ingress.seen(HungUp)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    ingress = Ingress()
    async with (
        served(ingress) as local,
        _process(f"https://calls.example.com={local}") as url,
        session() as http,
    ):
        yield Simulator(url, ingress, http)


@asynccontextmanager
async def _process(public_map: str) -> AsyncIterator[str]:
    options = ("--account-sid", ACCOUNT, "--auth-token", TOKEN, "--public-map", public_map)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.twilio", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            ready = json.loads(await process.stdout.readline())
        yield ready["url"]
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0


async def test_a_call_is_dialled_connected_heard_and_over(simulator: Simulator) -> None:
    """Every word of the adapter, in the order of a real call."""
    leg = await simulator.dial()
    await simulator.until_over()
    ingress = simulator.ingress
    assert {type(event) for event in ingress.events} == {Ringing, Answered, Billed, HungUp}
    assert {event.by for event in ingress.events if isinstance(event, Answered)} <= {None, AnsweredBy.HUMAN}
    assert HungUp(leg=leg, reason=EndReason.COMPLETED) in ingress.events
    assert isinstance(ingress.frames[0], MediaConnected)
    started = ingress.frames[1]
    assert isinstance(started, MediaStarted)
    assert (started.leg, started.call, started.token) == (leg, CALL, "tok")
    audio = [frame for frame in ingress.frames if isinstance(frame, MediaAudio)]
    assert [frame.chunk for frame in audio] == list(range(1, len(audio) + 1))
    assert {len(frame.mulaw) for frame in audio} == {160}
    assert MediaMark(stream=started.stream, name="u1.1") in ingress.frames
    assert await simulator.control.look_up(leg) == LegReport(
        status=LegStatus.ENDED, leg=leg, reason=EndReason.COMPLETED
    )
    await simulator.control.hang_up(leg)


@pytest.mark.parametrize("fault", [{"do": "cut"}, {"do": "garbage"}, {"do": "status", "status": 500}])
async def test_a_dial_whose_reply_was_lost_is_found_and_ended(simulator: Simulator, fault: dict[str, object]) -> None:
    """Twilio acted and the reply never came: one call exists, and we learn which."""
    await simulator.sim("persona", {"number": "*", "script": [{"answer_after_ms": 30_000}]})
    await simulator.sim("misbehave", {"where": "rest", "when": "after", "match": {"op": "create"}, **fault})
    since = time.time()
    with pytest.raises(CarrierSilent):
        await simulator.dial()
    found = await simulator.control.find(call=_CALL, to=_TO, from_=_FROM, since=since)
    assert (found.status, found.leg is not None) == (LegStatus.ALIVE, True)
    assert found.leg is not None
    await simulator.control.hang_up(found.leg)
    assert (await simulator.control.look_up(found.leg)).status is LegStatus.ENDED


async def test_a_dial_that_never_arrived_is_absent(simulator: Simulator) -> None:
    """The same error, and no call: only the list shows the difference."""
    await simulator.sim("misbehave", {"where": "rest", "when": "before", "match": {"op": "create"}, "do": "cut"})
    since = time.time()
    with pytest.raises(CarrierSilent):
        await simulator.dial()
    assert await simulator.control.find(call=_CALL, to=_TO, from_=_FROM, since=since) == LegReport(
        status=LegStatus.ABSENT
    )


async def test_a_webhook_answered_503_comes_again_as_the_same_request(simulator: Simulator) -> None:
    """Guarantee P15: the fragment of our URLs requests it, and the key shows that it is a repetition."""
    simulator.ingress.broken = 1
    await simulator.dial()
    await simulator.until_over()
    assert simulator.ingress.keys[0] in simulator.ingress.keys[1:]
