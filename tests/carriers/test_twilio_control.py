"""Commands to Twilio over real sockets: what is sent, how replies are read, and what is never sent twice."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest
from twilio.twiml.voice_response import VoiceResponse

from tests.carriers.rest_api import QUICK, Act, Api, cut, free_port, hang, says, serving, session
from tests.carriers.twilio_requests import ACCOUNT, CALL, LEG, TOKEN, URL
from voicecall.call.events import EndReason, LegStatus
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.parts import parts_of
from voicecall.carriers.common.rest import RestTimeouts
from voicecall.carriers.twilio.control import Control
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.manifests import CARRIERS
from voicecall.ports import LegReport

_LEG = LegId(LEG)
_OTHER = LegId("CA" + "b1" * 16)
_CALL, _NEXT_CALL = CallId(CALL), CallId(CALL.replace("6f", "7f", 1))
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
_NOW = 1_790_000_000.0
_ABSENT, _UNKNOWN = LegReport(status=LegStatus.ABSENT), LegReport(status=LegStatus.UNKNOWN)
_DIALLED = says(201, {"sid": LEG, "status": "queued"})

Bench = tuple[Control, Api]


def control(http: aiohttp.ClientSession, base_url: str, timeouts: RestTimeouts = QUICK) -> Control:
    return Control(http, account_sid=ACCOUNT, auth_token=TOKEN, webhook_url=URL, base_url=base_url, timeouts=timeouts)


@asynccontextmanager
async def bench(*acts: Act, timeouts: RestTimeouts = QUICK) -> AsyncIterator[Bench]:
    async with serving(*acts) as api, session() as http:
        yield control(http, api.url, timeouts), api


def dial(on: Control, call: CallId = _CALL) -> Awaitable[LegId]:
    return on.dial(call=call, effect=EffectId(f"{call}.1"), to=_TO, from_=_FROM, ring_timeout_s=29.6, time_limit_s=330)


def find(on: Control, since: float = _NOW) -> Awaitable[LegReport]:
    return on.find(call=_CALL, to=_TO, from_=_FROM, since=since)


def row(sid: str = LEG, *, created: float = _NOW + 1, **changes: Any) -> dict[str, Any]:
    date = formatdate(created, localtime=False).replace("-0000", "+0000")
    facts = {"sid": sid, "status": "ringing", "direction": "outbound-api", "to": _TO, "from": _FROM}
    return {**facts, "date_created": date, **changes}


def page(*rows: object) -> Act:
    return says(200, {"calls": list(rows)})


# --- dial


async def test_a_dial_holds_call_id_webhook_and_limits() -> None:
    """Both URLs carry our id, ask for retries on 5xx, and the carrier ends the call even if we never come back."""
    async with bench(_DIALLED) as (twilio, api):
        assert await dial(twilio) == _LEG
    (asked,) = api.asked
    ours = f"{URL}?callId={CALL}"
    assert asked.line == f"POST {_CALLS}.json"
    assert asked.headers["Authorization"] == "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert asked.form == [
        ("To", _TO),
        ("From", _FROM),
        ("Url", ours + "#rc=3&rp=5xx,ct,rt"),
        ("Method", "POST"),
        ("StatusCallback", ours + "&type=status#rc=3&rp=5xx,ct,rt"),
        ("StatusCallbackMethod", "POST"),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackEvent", "answered"),
        ("StatusCallbackEvent", "completed"),
        ("Timeout", "30"),
        ("TimeLimit", "330"),
    ]


async def test_a_refused_dial_gives_twilio_s_own_words() -> None:
    """The operator can look up the code."""
    async with bench(says(400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400})) as (
        twilio,
        api,
    ):
        with pytest.raises(CarrierRejected) as refused:
            await dial(twilio)
    assert (refused.value.code, refused.value.message) == ("21211", "Invalid 'To' Phone Number")
    assert (refused.value.status, refused.value.retryable, len(api.asked)) == (400, False, 1)


@pytest.mark.parametrize(
    "act",
    [
        says(500, {"code": 20500}),
        says(503, b"<html>"),
        says(201, b'{"sid": "CA'),
        says(201, {"sid": "CA1"}),
        says(201, [LEG]),
        says(200, b""),
        says(201, b"x" * 1_100_000),
        cut,
        hang,
    ],
)
async def test_a_dial_that_may_have_happened_is_never_sent_again(act: Act) -> None:
    """Guarantee P3: a call may have been made before a 5xx, garbage, a cut connection and silence."""
    async with bench(act, _DIALLED, timeouts=replace(QUICK, total_s=0.3)) as (twilio, api):
        with pytest.raises(CarrierSilent) as silent:
            await dial(twilio)
    assert not silent.value.retryable
    assert len(api.asked) == 1


async def test_a_dial_is_repeated_after_429_because_twilio_did_not_process_it() -> None:
    """Both are success."""
    busy = says(429, {"code": 20429}, Retry_After="0")
    async with bench(busy, busy, _DIALLED) as (twilio, api):
        assert await dial(twilio) == _LEG
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("header", "retry_after_s", "asked"),
    [("60", 60.0, 1), ("9" * 30, 300.0, 1), ("soon", None, 3), ("-1", None, 3), ("0", 0.0, 3)],
)
async def test_a_dial_that_stays_429_says_when_to_come_back(
    header: str, retry_after_s: float | None, asked: int
) -> None:
    """A long wait is the caller's to plan: a lane does not sleep for a minute."""
    async with bench(says(429, {"code": 20429}, Retry_After=header)) as (twilio, api):
        with pytest.raises(CarrierUnreachable) as busy:
            await dial(twilio)
    assert (busy.value.retryable, busy.value.status, busy.value.retry_after_s) == (True, 429, retry_after_s)
    assert len(api.asked) == asked


async def test_a_dial_without_a_connection_is_repeated_until_there_is_one() -> None:
    """Nothing was sent, so nothing can happen twice."""
    port = free_port()
    async with session() as http:
        twilio = control(http, f"http://127.0.0.1:{port}", replace(QUICK, attempts=10, pause_s=0.02))
        dialling = asyncio.ensure_future(dial(twilio))
        async with serving(_DIALLED, port=port) as api:
            assert await dialling == _LEG
    assert len(api.asked) == 1


async def test_a_dial_that_never_connects_is_unreachable() -> None:
    """Repeating it later is safe."""
    async with session() as http:
        with pytest.raises(CarrierUnreachable) as gone:
            await dial(control(http, f"http://127.0.0.1:{free_port()}"))
    assert gone.value.retryable


async def test_a_dial_that_waited_for_a_free_connection_was_never_sent() -> None:
    """The session's pool is bounded; waiting in vain in front of it is not silence of the carrier."""
    timeouts = RestTimeouts(connect_s=0.1, total_s=5.0, attempts=1)
    async with serving(hang) as api, session(limit=1) as http:
        twilio = control(http, api.url, timeouts)
        first = asyncio.ensure_future(dial(twilio))
        await api.reached.wait()
        with pytest.raises(CarrierUnreachable):
            await dial(twilio, _NEXT_CALL)
        api.closing.set()
        with pytest.raises(CarrierSilent):
            await first
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_credentials_never_follow_a_redirect(status: int) -> None:
    """Attack 59: the other host is not even asked."""
    async with serving(_DIALLED) as other, bench(says(status, {}, Location=other.url + "/x")) as (twilio, _):
        with pytest.raises(CarrierSilent):
            await dial(twilio)
        assert await twilio.look_up(_LEG) == LegReport(status=LegStatus.UNKNOWN, leg=_LEG)
    assert other.asked == []


# --- find


async def test_a_lost_dial_is_found_by_its_numbers() -> None:
    """Twilio does not list our id, so the call between these numbers since then is ours."""
    async with bench(page(row())) as (twilio, api):
        assert await find(twilio) == LegReport(status=LegStatus.ALIVE, leg=_LEG)
    assert api.asked[0].line == f"GET {_CALLS}.json"
    assert api.asked[0].query == {"To": _TO, "From": _FROM, "PageSize": "50"}


async def test_a_lost_dial_may_be_over_when_it_is_found() -> None:
    """It rang, was not answered, and every webhook of it was lost."""
    async with bench(page(row(status="no-answer"))) as (twilio, _):
        assert await find(twilio) == LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.NO_ANSWER)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(created=_NOW - 60)],
        [row(direction="inbound")],
        [row(direction="outbound-dial")],
        [row(to="+15559999999")],
        [row(sid=f"CA{n:032x}", created=_NOW - 60) for n in range(50)],
    ],
)
async def test_an_older_call_or_one_of_another_program_is_not_the_dial(rows: list[dict[str, Any]]) -> None:
    """Calls of other programs on the same account are never touched (guarantee P5)."""
    async with bench(page(*rows)) as (twilio, _):
        assert await find(twilio) == _ABSENT


@pytest.mark.parametrize(
    "act",
    [
        page(row(), row(_OTHER)),
        page(*[row(f"CA{n:032x}", direction="inbound") for n in range(50)]),
        page(row(date_created="yesterday")),
        page("row"),
        says(200, {"calls": None}),
        says(200, b"[]"),
        says(200, b"{"),
        says(401, {"code": 20003}),
        says(404, {}),
        says(500, {}),
        says(429, {}),
        cut,
    ],
)
async def test_a_doubt_is_unknown(act: Act) -> None:
    """Two candidates, a page that may be followed by another, malformed data: a webhook with our id decides later."""
    async with bench(act) as (twilio, _):
        assert await find(twilio) == _UNKNOWN


async def test_a_leg_that_another_call_owns_is_not_found_twice() -> None:
    """Two calls to one number at once: the answered dial's leg cannot be the lost dial's."""
    async with bench(_DIALLED, page(row(), row(_OTHER)), page(row()), page(row(), row(_OTHER))) as (twilio, _):
        await dial(twilio, _NEXT_CALL)
        found = LegReport(status=LegStatus.ALIVE, leg=_OTHER)
        assert await find(twilio) == found
        assert await find(twilio) == _ABSENT
        assert await find(twilio) == found


# --- look up


@pytest.mark.parametrize(
    ("status", "report"),
    [
        ("queued", LegReport(status=LegStatus.ALIVE, leg=_LEG)),
        ("ringing", LegReport(status=LegStatus.ALIVE, leg=_LEG)),
        ("in-progress", LegReport(status=LegStatus.ALIVE, leg=_LEG)),
        ("completed", LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.COMPLETED)),
        ("busy", LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.BUSY)),
        ("failed", LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.FAILED)),
        ("no-answer", LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.NO_ANSWER)),
        ("canceled", LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.HANGUP_BOT)),
        ("levitating", LegReport(status=LegStatus.UNKNOWN, leg=_LEG)),
        (None, LegReport(status=LegStatus.UNKNOWN, leg=_LEG)),
        (["completed"], LegReport(status=LegStatus.UNKNOWN, leg=_LEG)),
    ],
)
async def test_a_leg_is_as_twilio_says(status: object, report: LegReport) -> None:
    """A word that is not on the list ends nothing."""
    async with bench(says(200, row(status=status))) as (twilio, api):
        assert await twilio.look_up(_LEG) == report
    assert api.asked[0].line == f"GET {_CALLS}/{LEG}.json"


@pytest.mark.parametrize(
    "act",
    [says(500, {}), says(200, b"{"), says(200, row(_OTHER, status="completed")), says(401, {}), says(429, {}), cut],
)
async def test_a_carrier_in_trouble_ends_no_call(act: Act) -> None:
    """Guarantee P4: only Twilio's report about this leg may end it."""
    async with bench(act) as (twilio, _):
        assert await twilio.look_up(_LEG) == LegReport(status=LegStatus.UNKNOWN, leg=_LEG)


async def test_a_leg_that_twilio_does_not_know_is_absent() -> None:
    """404 is an answer."""
    async with bench(says(404, {"code": 20404})) as (twilio, _):
        assert await twilio.look_up(_LEG) == LegReport(status=LegStatus.ABSENT, leg=_LEG)


@pytest.mark.parametrize("fault", [says(503, {}), says(429, {}), cut])
async def test_a_question_may_be_asked_again(fault: Act) -> None:
    """Asking changes nothing, so one bad moment costs only the pause."""
    async with bench(fault, says(200, row())) as (twilio, _):
        assert (await twilio.look_up(_LEG)).status is LegStatus.ALIVE


# --- hang up, keys


@pytest.mark.parametrize(
    "acts",
    [
        [says(200, {"sid": LEG, "status": "completed"})],
        [says(404, {"code": 20404})],
        [says(400, {"code": 21220, "message": "Call is not in-progress"})],
        [says(503, {}), says(404, {})],
        [cut, says(200, {})],
    ],
)
async def test_hanging_up_succeeds_when_the_leg_is_over(acts: list[Act]) -> None:
    """Now or before, by us or by others; a repetition is harmless."""
    async with bench(*acts) as (twilio, api):
        await twilio.hang_up(_LEG)
    assert {asked.line for asked in api.asked} == {f"POST {_CALLS}/{LEG}.json"}
    assert {tuple(asked.form) for asked in api.asked} == {(("Status", "completed"),)}
    assert len(api.asked) == len(acts)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (says(401, {"code": 20003, "message": "Authenticate"}), CarrierRejected),
        (says(500, {}), CarrierSilent),
        (says(302, {}), CarrierSilent),
        (cut, CarrierSilent),
        (says(429, {}), CarrierUnreachable),
    ],
)
async def test_a_hang_up_that_failed_says_how(act: Act, error: type[Exception]) -> None:
    """The call's machine decides when to try again."""
    async with bench(act) as (twilio, _):
        with pytest.raises(error):
            await twilio.hang_up(_LEG)


async def test_digits_are_a_document_that_requests_the_webhook_again() -> None:
    """Twilio presses by TwiML only, which ends stream and prompt: our next answer to it brings them back."""
    async with bench(says(200, {})) as (twilio, api):
        assert await twilio.send_digits(_LEG, "1W2#", call=_CALL, effect=EffectId(f"{CALL}.7")) is False
    (asked,) = api.asked
    assert asked.line == f"POST {_CALLS}/{LEG}.json"
    presses = VoiceResponse()
    presses.play(digits="1ww2#")
    presses.redirect(f"{URL}?callId={CALL}&pressed=7#rc=3&rp=5xx,ct,rt", method="POST")
    assert ET.canonicalize(dict(asked.form)["Twiml"]) == ET.canonicalize(str(presses))


@pytest.mark.parametrize(("act", "error"), [(says(500, {}), CarrierSilent), (cut, CarrierSilent)])
async def test_keys_are_sent_once(act: Act, error: type[Exception]) -> None:
    """Pressed twice they are another number."""
    async with bench(act, says(200, {})) as (twilio, api):
        with pytest.raises(error):
            await twilio.send_digits(_LEG, "1", call=_CALL, effect=EffectId(f"{CALL}.7"))
    assert len(api.asked) == 1


def say(on: Control, text: str = "Hello") -> Awaitable[float | None]:
    return on.say(_LEG, text, call=_CALL, utterance=1, token="", listens=False)


async def test_a22_a_prompt_that_twilio_was_unable_to_take_is_sent_again() -> None:
    """After a 503 nothing was said; when it stays, the prompt has failed, and the call may try once more."""
    async with bench(says(503, {}), says(200, {})) as (twilio, api):
        assert await say(twilio) is None
    assert len(api.asked) == 2
    async with bench(says(503, {})) as (twilio, _):
        with pytest.raises(CarrierUnreachable):
            await say(twilio)


@pytest.mark.parametrize("act", [says(500, {}), cut])
async def test_a22_a_prompt_that_may_be_playing_is_not_sent_again(act: Act) -> None:
    """Its end is awaited instead."""
    async with bench(act, says(200, {})) as (twilio, api):
        with pytest.raises(CarrierSilent):
            await say(twilio)
    assert len(api.asked) == 1


async def test_a13_a_part_of_a_prompt_fits_into_a_document_with_any_usual_address() -> None:
    """4,000 characters with the markup and the URLs; what does not fit is refused before it is sent."""
    longest = CARRIERS["twilio"].longest_prompt
    async with bench(says(200, {})) as (twilio, api):
        for text in ("x" * longest, *parts_of("<&> " * 1000, longest)):
            await twilio.say(_LEG, text, call=_CALL, utterance=1, token="t" * 40, listens=True)
        assert all(len(dict(asked.form)["Twiml"]) <= 4000 for asked in api.asked)
        sent = len(api.asked)
        with pytest.raises(CarrierRejected):
            await say(twilio, "x" * 3900)
        assert len(api.asked) == sent


@pytest.mark.parametrize("digits", ["", "A", "1p2", "1" * 65, "1\n"])
async def test_what_is_no_key_is_refused_before_anything_is_sent(digits: str) -> None:
    async with bench(_DIALLED) as (twilio, api):
        with pytest.raises(CarrierRejected):
            await twilio.send_digits(_LEG, digits, call=_CALL, effect=EffectId(f"{CALL}.7"))
    assert api.asked == []


@pytest.mark.parametrize(
    "command",
    [lambda on: on.look_up(LegId("../../x?y#z")), lambda on: on.hang_up(LegId("../../x?y#z"))],
)
async def test_a_leg_s_name_cannot_leave_its_place_in_the_path(command: Callable[[Control], Awaitable[object]]) -> None:
    """Attack 77, at the carrier's control."""
    async with bench(says(404, {})) as (twilio, api):
        await command(twilio)
    assert api.asked[0].line.endswith(f"{_CALLS}/../../x?y#z.json")
    assert api.asked[0].query == {}
