"""Commands to the mock carrier: over HTTP when it is somewhere, and within the process when it is nowhere."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.carriers.rest_api import QUICK, Act, Api, cut, free_port, hang, says, serving, session
from tests.carriers.twilio_requests import CALL
from voicecall.call.events import EndReason, LegStatus
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.carriers.mock.control import Control
from voicecall.carriers.mock.in_process import InProcess
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import CallControl, LegReport

_CALL, _LEG = CallId(CALL), LegId("leg-1")
_EFFECT = EffectId(f"{CALL}.1")
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_HOOK = "http://127.0.0.1:3334/voice/webhook"


@asynccontextmanager
async def bench(*acts: Act) -> AsyncIterator[tuple[Control, Api]]:
    async with serving(*acts) as api, session() as http:
        timeouts = replace(QUICK, total_s=0.3)
        yield Control(http, base_url=api.url + "/", secret="s3cret", webhook_url=_HOOK, timeouts=timeouts), api


def dial(on: CallControl) -> Awaitable[LegId]:
    return on.dial(call=_CALL, effect=EffectId(f"{CALL}.1"), to=_TO, from_=_FROM, ring_timeout_s=30.0, time_limit_s=330)


def find(on: CallControl) -> Awaitable[LegReport]:
    return on.find(call=_CALL, to=_TO, from_=_FROM, since=0.0)


async def test_a_dial_says_everything_and_learns_its_leg() -> None:
    """Our id goes along, so the carrier can find the call by it later."""
    async with bench(says(201, {"leg": _LEG})) as (mock, api):
        assert await dial(mock) == _LEG
    assert api.asked[0].line == "POST /calls"
    assert api.asked[0].json == {
        "call": CALL,
        "effect": f"{CALL}.1",
        "to": _TO,
        "from": _FROM,
        "ringTimeoutS": 30.0,
        "timeLimitS": 330,
        "webhookUrl": f"{_HOOK}?callId={CALL}",
        "detectMachine": False,
    }


@pytest.mark.parametrize("act", [says(500), says(201, b"{"), says(201, {"leg": 5}), says(302), cut, hang])
async def test_a_dial_that_may_have_happened_is_never_sent_again(act: Act) -> None:
    """Guarantee P3 holds for every carrier."""
    async with bench(act) as (mock, api):
        with pytest.raises(CarrierSilent):
            await dial(mock)
    assert len(api.asked) == 1


async def test_a_dial_is_refused_in_the_carrier_s_words() -> None:
    """And repeating it would not help."""
    async with bench(says(422, {"code": "bad-number", "message": "no such number"})) as (mock, _):
        with pytest.raises(CarrierRejected, match="bad-number: no such number"):
            await dial(mock)


async def test_a_carrier_that_is_not_there_is_unreachable() -> None:
    """Nothing was sent."""
    async with session() as http:
        mock = Control(http, base_url=f"http://127.0.0.1:{free_port()}", secret=None, webhook_url=_HOOK, timeouts=QUICK)
        with pytest.raises(CarrierUnreachable):
            await dial(mock)


@pytest.mark.parametrize(
    ("act", "report"),
    [
        (says(200, {"status": "alive", "leg": _LEG}), LegReport(status=LegStatus.ALIVE, leg=_LEG)),
        (
            says(200, {"status": "ended", "leg": _LEG, "reason": "busy"}),
            LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.BUSY),
        ),
        (says(404), LegReport(status=LegStatus.ABSENT)),
        (says(500), LegReport(status=LegStatus.UNKNOWN)),
        (says(200, {"status": "asleep"}), LegReport(status=LegStatus.UNKNOWN)),
        (says(200, b"{"), LegReport(status=LegStatus.UNKNOWN)),
        (cut, LegReport(status=LegStatus.UNKNOWN)),
    ],
)
async def test_a_leg_is_found_by_call_and_looked_up_by_name(act: Act, report: LegReport) -> None:
    """A failure is UNKNOWN, never an end."""
    async with bench(act) as (mock, api):
        assert await find(mock) == report
        assert await mock.look_up(_LEG) == replace(report, leg=_LEG)
    lines = [(asked.line, asked.query) for asked in api.asked]
    assert lines[0] == ("GET /find", {"call": CALL})
    assert lines[-1] == ("GET /calls/leg-1", {})


@pytest.mark.parametrize("acts", [[says(200, {})], [says(404)], [says(503), says(204, b"")], [cut, says(404)]])
async def test_hanging_up_succeeds_when_the_leg_is_over(acts: list[Act]) -> None:
    """Now or before."""
    async with bench(*acts) as (mock, api):
        await mock.hang_up(_LEG)
    assert {asked.line for asked in api.asked} == {"POST /calls/leg-1/hangup"}


async def test_keys_are_pressed_once() -> None:
    """Pressing twice is another number."""
    async with bench(says(200, {}), cut) as (mock, api):
        await mock.send_digits(_LEG, "12#", call=_CALL, effect=_EFFECT)
        with pytest.raises(CarrierSilent):
            await mock.send_digits(_LEG, "3", call=_CALL, effect=_EFFECT)
    assert [asked.json for asked in api.asked] == [{"digits": "12#"}, {"digits": "3"}]


async def test_a_prompt_says_which_it_is_and_the_secret_says_who_orders_it() -> None:
    """Sent once; a webhook reports the end, because only the carrier knows how fast it speaks."""
    async with bench(says(200, {}), says(500)) as (mock, api):
        assert await mock.say(_LEG, "Hi.", call=_CALL, utterance=3, token="t1", listens=True) is None
        with pytest.raises(CarrierSilent):
            await mock.say(_LEG, "Hi.", call=_CALL, utterance=4, token="t1", listens=False)
    assert [asked.line for asked in api.asked] == ["POST /calls/leg-1/say"] * 2
    assert api.asked[0].json == {"call": CALL, "text": "Hi.", "utterance": 3, "turnToken": "t1", "listens": True}
    assert {asked.headers["Authorization"] for asked in api.asked} == {"Bearer s3cret"}


async def test_within_the_process_a_dial_makes_the_leg_that_webhooks_name() -> None:
    """`mock-<call id>`, once; it lives until we hang up."""
    mock = InProcess()
    leg = LegId(f"mock-{CALL}")
    assert await find(mock) == LegReport(status=LegStatus.ABSENT)
    assert [await dial(mock), await dial(mock)] == [leg, leg]
    assert await find(mock) == await mock.look_up(leg) == LegReport(status=LegStatus.ALIVE, leg=leg)
    await mock.send_digits(leg, "1", call=_CALL, effect=_EFFECT)
    await mock.hang_up(leg)
    over = LegReport(status=LegStatus.ENDED, leg=leg, reason=EndReason.HANGUP_BOT)
    assert [await dial(mock), await mock.look_up(leg)] == [leg, over]


@pytest.mark.parametrize("ask", [lambda mock: mock.look_up(_LEG)])
async def test_within_the_process_another_s_leg_is_unknown(ask: Callable[[CallControl], Awaitable[LegReport]]) -> None:
    """A webhook brought it, so only a webhook can end it."""
    mock = InProcess()
    await mock.hang_up(_LEG)
    assert await ask(mock) == LegReport(status=LegStatus.UNKNOWN, leg=_LEG)
