"""Commands to Plivo over real sockets: what is sent, how replies are read, and what is never sent twice."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web

from tests.carriers.plivo_requests import AUTH_ID, CALL, LEG, TOKEN, URL
from tests.carriers.rest_api import QUICK, Act, Api, cut, free_port, hang, says, serving, session
from voicecall.call.events import EndReason, LegStatus
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import NativeVoice
from voicecall.carriers.common.rest import RestTimeouts
from voicecall.carriers.plivo.control import Control
from voicecall.errors import CarrierError, CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import LegReport

_LEG, _OTHER = LegId(LEG), LegId(LEG.replace("3e", "4e", 1))
_CALL, _NEXT_CALL = CallId(CALL), CallId(CALL.replace("6f", "7f", 1))
_EFFECT = EffectId(f"{CALL}.1")
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_ACCOUNT = f"/v1/Account/{AUTH_ID}"
_NOW = 1_790_000_000.0
_DIALLED = says(201, {"message": "call fired", "request_uuid": LEG, "api_id": "x"})
_DONE = says(202, {"message": "ok", "api_id": "x"})
_GONE = says(404, {"error": "call not found", "api_id": "x"})
_ABSENT, _UNKNOWN = LegReport(status=LegStatus.ABSENT), LegReport(status=LegStatus.UNKNOWN)
_ALIVE = LegReport(status=LegStatus.ALIVE, leg=_LEG)

Command = Callable[[Control], Awaitable[object]]


@asynccontextmanager
async def bench(
    *acts: Act, timeouts: RestTimeouts = QUICK, streams: bool = False
) -> AsyncIterator[tuple[Control, Api]]:
    async with serving(*acts) as api, session() as http:
        control = Control(
            http,
            auth_id=AUTH_ID,
            auth_token=TOKEN,
            webhook_url=URL,
            base_url=f"{api.url}/v1",
            voice=NativeVoice(name="onyx"),
            streams=streams,
            timeouts=timeouts,
        )
        yield control, api


def dial(on: Control, call: CallId = _CALL) -> Awaitable[LegId]:
    return on.dial(call=call, effect=EffectId(f"{call}.1"), to=_TO, from_=_FROM, ring_timeout_s=29.6, time_limit_s=330)


def find(on: Control, call: CallId = _CALL) -> Awaitable[LegReport]:
    return on.find(call=call, to=_TO, from_=_FROM, since=_NOW)


def when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def live(leg: str = LEG, **changes: Any) -> dict[str, Any]:
    """A call of Plivo's live list."""
    facts = {"call_uuid": leg, "call_status": "ringing", "direction": "outbound", "from": _FROM[1:], "to": _TO[1:]}
    return {**facts, "session_start": when(_NOW + 1), **changes}


def record(leg: str = LEG, **changes: Any) -> dict[str, Any]:
    """A call of Plivo's records."""
    facts = {
        "call_uuid": leg,
        "call_direction": "outbound",
        "from_number": _FROM[1:],
        "to_number": _TO[1:],
        "initiation_time": when(_NOW + 1) + "+00:00",
        "end_time": when(_NOW + 9) + "+00:00",
        "hangup_cause_code": 3000,
    }
    return {**facts, **changes}


def shelves(
    live_rows: tuple[dict[str, Any], ...] = (),
    queued: tuple[dict[str, Any], ...] = (),
    over: tuple[dict[str, Any], ...] = (),
) -> Act:
    """Plivo's three lists, and each call of them by its id."""
    current = {"live": live_rows, "queued": queued}

    async def act(_api: Api, request: web.Request) -> web.StreamResponse:
        status = request.query.get("status")
        named = request.path.rstrip("/").rpartition("/")[2]
        rows = current[status] if status else over
        if named != "Call":
            found = [row for row in rows if row["call_uuid"] == named]
            return web.json_response(found[0] if found else {}, status=200 if found else 404)
        if status:
            return web.json_response({"api_id": "x", "calls": [row["call_uuid"] for row in rows]})
        return web.json_response({"api_id": "x", "objects": list(rows)})

    return act


# --- dial


async def test_a_dial_holds_call_id_webhook_and_limits() -> None:
    """All URLs carry our id and ask for retries on 5xx; the carrier ends the call even if we never come back."""
    async with bench(_DIALLED) as (plivo, api):
        assert await dial(plivo) == _LEG
    (asked,) = api.asked
    ours = f"{URL}?callId={CALL}&flow="
    assert asked.line == f"POST {_ACCOUNT}/Call/"
    assert asked.headers["Authorization"] == "Basic " + b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()
    assert asked.json == {
        "to": "15550002222",
        "from": "15550001111",
        "answer_url": ours + "answer#rc=3&rp=5xx,ct,rt",
        "answer_method": "POST",
        "ring_url": ours + "ring#rc=3&rp=5xx,ct,rt",
        "ring_method": "POST",
        "hangup_url": ours + "hangup#rc=3&rp=5xx,ct,rt",
        "hangup_method": "POST",
        "ring_timeout": 30,
        "time_limit": 330,
    }


async def test_the_first_of_several_request_ids_is_the_leg() -> None:
    """A string, or a list of one."""
    async with bench(says(201, {"request_uuid": [LEG]})) as (plivo, _):
        assert await dial(plivo) == _LEG


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (says(400, {"api_id": "x", "error": "to parameter not present"}), "to parameter not present"),
        (says(400, {"error": {"error": "invalid number"}}), "invalid number"),
        (says(403, {}), "HTTP 403"),
        (says(401, b"Could not verify your access level"), "HTTP 401"),
        (says(404, []), "HTTP 404"),
    ],
)
async def test_a_refused_dial_gives_plivo_s_own_words(act: Act, message: str) -> None:
    """It has no codes, so the status stands for one."""
    async with bench(act) as (plivo, api):
        with pytest.raises(CarrierRejected) as refused:
            await dial(plivo)
    assert (refused.value.message, refused.value.code) == (message, str(refused.value.status))
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    "act",
    [
        says(500, {"error": "x"}),
        says(503, b"<html>"),
        says(201, b'{"request_uuid": "3e'),
        says(201, {"request_uuid": "x"}),
        says(201, {"request_uuid": []}),
        says(201, {}),
        says(302, {}, Location="/elsewhere"),
        cut,
        hang,
    ],
)
async def test_a_dial_that_may_have_happened_is_never_sent_again(act: Act) -> None:
    """Guarantee P3: 5xx after acting, garbage, a cut connection and silence."""
    async with bench(act, _DIALLED, timeouts=replace(QUICK, total_s=0.3)) as (plivo, api):
        with pytest.raises(CarrierSilent):
            await dial(plivo)
    assert len(api.asked) == 1


async def test_a_dial_is_repeated_after_429_because_plivo_did_not_process_it() -> None:
    """300 requests in five seconds, and then this."""
    busy = says(429, {"error": "throttled"}, Retry_After="0")
    async with bench(busy, busy, _DIALLED) as (plivo, api):
        assert await dial(plivo) == _LEG
    assert len(api.asked) == 3


async def test_a_dial_that_stays_429_says_when_to_come_back() -> None:
    """A long wait is the caller's to plan."""
    async with bench(says(429, {}, Retry_After="60")) as (plivo, api):
        with pytest.raises(CarrierUnreachable) as busy:
            await dial(plivo)
    assert (busy.value.retry_after_s, len(api.asked)) == (60.0, 1)


async def test_a_dial_that_never_connects_is_unreachable() -> None:
    """Repeating it later is safe."""
    base_url, timeouts = f"http://127.0.0.1:{free_port()}", replace(QUICK, attempts=1)
    async with session() as http:
        plivo = Control(http, auth_id="MA", auth_token="t", webhook_url=URL, base_url=base_url, timeouts=timeouts)
        with pytest.raises(CarrierUnreachable):
            await dial(plivo)


# --- find


@pytest.mark.parametrize(
    ("lists", "report"),
    [
        (shelves((live(),)), _ALIVE),
        (shelves(queued=(live(call_status="queued", session_start=None),)), _ALIVE),
        (shelves(over=(record(),)), LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.NO_ANSWER)),
        (shelves((live(),), over=(record(_OTHER, initiation_time=when(_NOW - 60)),)), _ALIVE),
        (shelves(), _ABSENT),
        (shelves((live(to="15559999999"), live(_OTHER, direction="inbound"))), _ABSENT),
        (shelves((live(session_start=when(_NOW - 60)),)), _ABSENT),
        (shelves(over=(record(call_direction="inbound"),)), _ABSENT),
        (shelves((live(), live(_OTHER))), _UNKNOWN),
        (shelves((live(),), over=(record(_OTHER),)), _UNKNOWN),
        (shelves((live(session_start=None),)), _UNKNOWN),
        (shelves((live("not-a-uuid"),)), _UNKNOWN),
        (shelves(over=(record(initiation_time="yesterday"),)), _UNKNOWN),
        (shelves(over=tuple(record(f"{n:08x}{LEG[8:]}", to_number="1") for n in range(20))), _UNKNOWN),
    ],
)
async def test_a_lost_dial_is_found_by_its_numbers(lists: Act, report: LegReport) -> None:
    """Live, queued or over, since then, and only when there is one; a doubt is UNKNOWN."""
    async with bench(lists) as (plivo, _):
        assert await find(plivo) == report


@pytest.mark.parametrize(
    "act",
    [says(200, {"calls": None}), says(200, b"{"), says(401, {}), says(404, {}), says(500, {}), says(429, {}), cut],
)
async def test_a_carrier_in_trouble_finds_nothing(act: Act) -> None:
    """A webhook with our id decides later."""
    async with bench(act) as (plivo, _):
        assert await find(plivo) == _UNKNOWN


async def test_a_leg_that_another_call_owns_is_not_found_twice() -> None:
    """Two calls to one number at once: the answered dial's leg cannot be the lost dial's."""
    async with bench(_DIALLED, shelves((live(), live(_OTHER)))) as (plivo, _):
        await dial(plivo, _NEXT_CALL)
        assert await find(plivo) == LegReport(status=LegStatus.ALIVE, leg=_OTHER)
        assert await find(plivo, _NEXT_CALL) == _ALIVE


# --- look up


@pytest.mark.parametrize(
    ("lists", "report"),
    [
        (shelves((live(),)), _ALIVE),
        (shelves((live(call_status="in-progress"),)), _ALIVE),
        (shelves(queued=(live(call_status="queued"),)), _ALIVE),
        (shelves(over=(record(),)), LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.NO_ANSWER)),
        (shelves(over=(record(hangup_cause_code=4000),)),
         LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.COMPLETED)),
        (shelves((live(call_status="busy"),)), LegReport(status=LegStatus.ENDED, leg=_LEG, reason=EndReason.BUSY)),
        (shelves(over=(record(end_time=None),)), replace(_UNKNOWN, leg=_LEG)),
        (shelves((live(call_status="levitating"),)), replace(_UNKNOWN, leg=_LEG)),
        (shelves((live(call_status=["busy"]),)), replace(_UNKNOWN, leg=_LEG)),
        (shelves(), replace(_UNKNOWN, leg=_LEG)),
        (says(200, b"nonsense"), replace(_UNKNOWN, leg=_LEG)),
        (says(200, live(_OTHER)), replace(_UNKNOWN, leg=_LEG)),
        (says(500, {}), replace(_UNKNOWN, leg=_LEG)),
        (says(401, {}), replace(_UNKNOWN, leg=_LEG)),
        (says(429, {}), replace(_UNKNOWN, leg=_LEG)),
        (cut, replace(_UNKNOWN, leg=_LEG)),
    ],
)  # fmt: skip
async def test_a_leg_is_as_plivo_says(lists: Act, report: LegReport) -> None:
    """In no list at all is no proof of an end: its records come late, and an id may be a request's."""
    async with bench(lists) as (plivo, _):
        assert await plivo.look_up(_LEG) == report


# --- hang up and the other commands


async def test_a_live_call_is_hung_up_by_its_id() -> None:
    """204, and nothing else is asked."""
    async with bench(says(204, b"")) as (plivo, api):
        await plivo.hang_up(_LEG)
    assert [asked.line for asked in api.asked] == [f"DELETE {_ACCOUNT}/Call/{LEG}/"]


@pytest.mark.parametrize("second", [says(204, b""), _GONE])
async def test_a_call_that_is_not_there_may_be_queued_or_over(second: Act) -> None:
    """Then the request is cancelled; one that has ended already is success."""
    async with bench(_GONE, second) as (plivo, api):
        await plivo.hang_up(_LEG)
    assert api.asked[1].line == f"DELETE {_ACCOUNT}/Request/{LEG}/"


async def test_a_hang_up_is_repeated_after_trouble() -> None:
    """Ending a call twice is harmless."""
    async with bench(says(500, {}), cut, says(204, b"")) as (plivo, api):
        await plivo.hang_up(_LEG)
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (says(401, {}), CarrierRejected),
        (says(500, {}), CarrierSilent),
        (says(302, {}), CarrierSilent),
        (cut, CarrierSilent),
        (says(429, {}), CarrierUnreachable),
    ],
)
async def test_a_hang_up_that_failed_says_how(act: Act, kind: type[CarrierError]) -> None:
    """The call's machine decides when to try again."""
    async with bench(act) as (plivo, _):
        with pytest.raises(kind):
            await plivo.hang_up(_LEG)


@pytest.mark.parametrize(
    ("command", "path", "body"),
    [
        (lambda on: on.send_digits(_LEG, "12#", call=_CALL, effect=_EFFECT), "DTMF/", {"digits": "12#", "leg": "aleg"}),
        (
            lambda on: on.send_to(_LEG, call=_CALL, flow="xml-listen", more="&n=1"),
            "",
            {
                "legs": "aleg",
                "aleg_url": f"{URL}?callId={CALL}&flow=xml-listen&n=1#rc=3&rp=5xx,ct,rt",
                "aleg_method": "POST",
            },
        ),
    ],
)
async def test_a_command_is_sent_once(command: Command, path: str, body: dict[str, Any]) -> None:
    """There is no idempotency key, so a failure is reported and nothing is repeated."""
    async with bench(_DONE) as (plivo, api):
        await command(plivo)
    assert api.asked[0].line == f"POST {_ACCOUNT}/Call/{LEG}/{path}"
    assert api.asked[0].json == body
    for act, kind in ((says(500, {}), CarrierSilent), (cut, CarrierSilent), (_GONE, CarrierRejected)):
        async with bench(act, _DONE) as (plivo, api):
            with pytest.raises(kind):
                await command(plivo)
        assert len(api.asked) == 1


@pytest.mark.parametrize("act", [_DONE, says(500, {}), cut])
async def test_a_prompt_is_sent_once_and_a_lost_answer_is_taken_for_a_yes(act: Act) -> None:
    """Plivo does not report what was spoken: twice is worse than not at all."""
    async with bench(act, _DONE) as (plivo, api):
        assert await plivo.say(_LEG, "Hello", call=_CALL, utterance=1, token="", listens=True)
    (asked,) = api.asked
    assert asked.line == f"POST {_ACCOUNT}/Call/{LEG}/Speak/"
    assert asked.json == {"text": "Hello", "voice": "Polly.Brian", "language": "en-US", "legs": "aleg"}


@pytest.mark.parametrize("act", [_DONE, says(500, {}), cut])
async def test_a_question_is_a_document_of_its_own_for_which_the_leg_is_transferred(act: Act) -> None:
    """Its answer has an action URL of its own: what was said to an earlier document cannot be taken for it."""
    urls = []
    for _ in range(2):
        async with bench(act, _DONE) as (plivo, api):
            assert await plivo.say(_LEG, "Your name?", call=_CALL, utterance=7, token="t", listens=True)
        (asked,) = api.asked
        assert asked.line == f"POST {_ACCOUNT}/Call/{LEG}/"
        urls.append(asked.json["aleg_url"])
        assert "&flow=xml-speak&say=7&n=" in urls[-1]
        assert "Your" not in urls[-1]
    assert urls[0] != urls[1]


async def test_a26_the_first_prompt_of_a_call_without_its_stream_is_a_document_that_listens() -> None:
    """Until then the leg's document opens streams; a refused transfer has changed nothing of that."""
    async with bench(_GONE, _DONE, streams=True) as (plivo, api):
        with pytest.raises(CarrierRejected):
            await plivo.say(_LEG, "Hello", call=_CALL, utterance=1, token="", listens=True)
        for utterance in (2, 3):
            await plivo.say(_LEG, "Hello", call=_CALL, utterance=utterance, token="", listens=True)
    assert [asked.line.rpartition(LEG)[2] for asked in api.asked] == ["/", "/", "/Speak/"]


@pytest.mark.parametrize("token", ["", "t"])
async def test_a22_a_prompt_that_plivo_was_unable_to_take_is_sent_again(token: str) -> None:
    """After a 503 nothing was said; when it stays, the prompt has failed, and the call may try once more."""
    async with bench(says(503, {}), _DONE) as (plivo, api):
        assert await plivo.say(_LEG, "Hello", call=_CALL, utterance=1, token=token, listens=True)
    assert len(api.asked) == 2
    async with bench(says(503, {})) as (plivo, _):
        with pytest.raises(CarrierUnreachable):
            await plivo.say(_LEG, "Hello", call=_CALL, utterance=1, token=token, listens=True)


async def test_a_prompt_that_is_refused_was_not_said() -> None:
    async with bench(_GONE) as (plivo, _):
        with pytest.raises(CarrierRejected):
            await plivo.say(_LEG, "Hello", call=_CALL, utterance=1, token="t", listens=True)


async def test_a_prompt_takes_as_long_as_it_has_words() -> None:
    """Plivo does not report the end of a prompt, so its length is estimated, rather too long."""
    async with bench(_DONE) as (plivo, _):
        short, long = [
            await plivo.say(_LEG, text, call=_CALL, utterance=1, token="", listens=False)
            for text in ("Hi.", "word " * 28)
        ]
    assert short is not None
    assert long is not None
    assert (short < 2.0, 10.0 < long < 12.0) == (True, True)


@pytest.mark.parametrize(
    "command",
    [
        lambda on: on.send_digits(_LEG, "", call=_CALL, effect=_EFFECT),
        lambda on: on.send_digits(_LEG, "1w", call=_CALL, effect=_EFFECT),
        lambda on: on.send_digits(_LEG, "1\n", call=_CALL, effect=_EFFECT),
        lambda on: on.say(_LEG, "", call=_CALL, utterance=1, token="", listens=True),
        lambda on: on.say(_LEG, "x" * 3001, call=_CALL, utterance=1, token="", listens=True),
    ],
)
async def test_what_plivo_cannot_do_is_refused_before_it_is_sent(command: Command) -> None:
    async with bench(_DONE) as (plivo, api):
        with pytest.raises(CarrierRejected):
            await command(plivo)
    assert api.asked == []


async def test_a_transfer_goes_nowhere_else() -> None:
    """Only the flows of our own URLs are known."""
    async with bench(_DONE) as (plivo, api):
        with pytest.raises(ValueError, match="fly"):
            await plivo.send_to(_LEG, call=_CALL, flow="fly")
    assert api.asked == []


async def test_a_leg_s_name_cannot_leave_its_place_in_the_path() -> None:
    """Attack 77, at the carrier's control."""
    async with bench(_GONE) as (plivo, api):
        await plivo.hang_up(LegId("../../x?y#z"))
    assert unquote(api.asked[0].line) == f"DELETE {_ACCOUNT}/Call/../../x?y#z/"
    assert api.asked[0].query == {}


async def test_credentials_never_follow_a_redirect() -> None:
    """Attack 59: the other host is not even asked."""
    async with serving(_DIALLED) as other, bench(says(307, {}, Location=other.url + "/x")) as (plivo, _):
        with pytest.raises(CarrierSilent):
            await dial(plivo)
        assert (await plivo.look_up(_LEG)).status is LegStatus.UNKNOWN
    assert other.asked == []
