"""Commands to Telnyx over real sockets: what is sent, how replies are read, and what is never sent twice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from tests.carriers.rest_api import QUICK, Act, Api, cut, free_port, hang, says, serving, session
from tests.carriers.telnyx_requests import CALL, LEG, STATE, URL
from voicecall.call.events import LegStatus
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import Connect, NativeVoice, Relay
from voicecall.carriers.common.rest import RestTimeouts
from voicecall.carriers.telnyx.client_state import ClientState
from voicecall.carriers.telnyx.control import Control, command_id
from voicecall.errors import CarrierError, CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import LegReport

_LEG, _CALL, _EFFECT = LegId(LEG), CallId(CALL), EffectId(f"{CALL}.1")
_TO, _FROM = E164("+15550002222"), E164("+15550001111")
_CONNECTION = "1684641123236054244"
_CONNECT = Connect(
    call=_CALL, stream_url="wss://calls.example.com/voice/stream", token="t0k-en_", resume_url="https://unused.example"
)
_UNKNOWN = LegReport(status=LegStatus.UNKNOWN)
_OK = says(200, {"data": {"result": "ok"}})
_DIALLED = says(200, {"data": {"call_control_id": LEG, "is_alive": False, "record_type": "call"}})
_OURS = {"client_state": STATE, "webhook_url": URL, "webhook_url_method": "POST"}
_G711 = {"preferred_codecs": "PCMU,PCMA"}
_STREAM = {
    "stream_url": f"wss://calls.example.com/voice/stream/{CALL}/t0k-en_",
    "stream_track": "inbound_track",
    "stream_codec": "PCMU",
    "stream_bidirectional_mode": "rtp",
    "stream_bidirectional_codec": "PCMU",
    "stream_bidirectional_sampling_rate": 8000,
    "stream_bidirectional_target_legs": "self",
    "stream_auth_token": "t0k-en_",
}

Command = Callable[[Control], Awaitable[object]]


def error(status: int, code: str, title: str = "A title", detail: str = "A detail") -> Act:
    return says(status, {"errors": [{"code": code, "title": title, "detail": detail, "source": {"pointer": "/to"}}]})


@asynccontextmanager
async def bench(
    *acts: Act, timeouts: RestTimeouts = QUICK, relay: Relay | None = None
) -> AsyncIterator[tuple[Control, Api]]:
    async with serving(*acts) as api, session() as http:
        control = Control(
            http,
            api_key="KEY0123",
            connection_id=_CONNECTION,
            webhook_url=URL,
            base_url=f"{api.url}/v2/",
            voice=NativeVoice(name="onyx"),
            relay=relay,
            timeouts=timeouts,
        )
        yield control, api


def dial(on: Control, **more: Any) -> Awaitable[LegId]:
    facts = {"call": _CALL, "effect": _EFFECT, "to": _TO, "from_": _FROM, "ring_timeout_s": 29.6, "time_limit_s": 330}
    return on.dial(**{**facts, **more})


def find(on: Control) -> Awaitable[LegReport]:
    return on.find(call=_CALL, to=_TO, from_=_FROM, since=0.0)


# --- dial


async def test_a_dial_holds_call_id_webhook_and_limits() -> None:
    """The state brings our id back; the carrier ends the call even if we never come back."""
    async with bench(_DIALLED) as (telnyx, api):
        assert await dial(telnyx) == _LEG
    (asked,) = api.asked
    assert asked.line == "POST /v2/calls"
    assert asked.headers["Authorization"] == "Bearer KEY0123"
    assert asked.json == {
        "connection_id": _CONNECTION,
        "to": _TO,
        "from": _FROM,
        "command_id": command_id(_EFFECT),
        "timeout_secs": 30,
        "time_limit_secs": 330,
        **_G711,
        **_OURS,
    }


async def test_a_dial_with_a_stream_opens_it_when_answered() -> None:
    """Mu-law both ways, and the secret in the path and beside it."""
    async with bench(_DIALLED) as (telnyx, api):
        await dial(telnyx, connect=_CONNECT)
    asked = api.asked[0].json
    assert {name: value for name, value in asked.items() if name.startswith("stream")} == _STREAM


@pytest.mark.parametrize(("asked_s", "sent_s"), [(1.0, 5), (4000.0, 600)])
async def test_a_dial_rings_as_long_as_telnyx_can(asked_s: float, sent_s: int) -> None:
    """5 to 600 seconds; and no call is longer than four hours."""
    async with bench(_DIALLED) as (telnyx, api):
        await dial(telnyx, ring_timeout_s=asked_s, time_limit_s=100_000)
    assert (api.asked[0].json["timeout_secs"], api.asked[0].json["time_limit_secs"]) == (sent_s, 14_400)


async def test_a_refused_dial_gives_telnyx_s_own_words() -> None:
    """The operator can look up the code."""
    async with bench(error(422, "10002", "Invalid phone number", "The 'to' number is invalid.")) as (telnyx, api):
        with pytest.raises(CarrierRejected) as refused:
            await dial(telnyx)
    assert (refused.value.code, refused.value.status) == ("10002", 422)
    assert refused.value.message == "Invalid phone number: The 'to' number is invalid."
    assert len(api.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", {"errors": []}, {"errors": ["no"]}, {"errors": {"code": 1}}, []])
async def test_a_refusal_in_other_words_is_a_refusal(body: object) -> None:
    """A proxy's 401 is not Telnyx's, and no less a no."""
    async with bench(says(401, body)) as (telnyx, _):
        with pytest.raises(CarrierRejected, match="HTTP 401"):
            await dial(telnyx)


@pytest.mark.parametrize(
    "act",
    [
        error(500, "10007"),
        says(503, b"<html>"),
        says(200, b'{"data": {"call_co'),
        says(200, {"data": {}}),
        says(200, {"data": [LEG]}),
        says(200, {"data": {"call_control_id": "a b"}}),
        says(302, {}, Location="/elsewhere"),
        cut,
        hang,
    ],
)
async def test_a_dial_that_may_have_happened_is_never_sent_again(act: Act) -> None:
    """Guarantee P3: 5xx after acting, garbage, a cut connection and silence."""
    async with bench(act, _DIALLED, timeouts=replace(QUICK, total_s=0.3)) as (telnyx, api):
        with pytest.raises(CarrierSilent):
            await dial(telnyx)
    assert len(api.asked) == 1


async def test_a_dial_is_repeated_after_429_under_the_same_name() -> None:
    """Nothing was processed; and if it was, Telnyx ignores the second by its command id."""
    busy = says(429, {"errors": [{"code": "10011"}]}, Retry_After="0")
    async with bench(busy, busy, _DIALLED) as (telnyx, api):
        assert await dial(telnyx) == _LEG
    assert len({asked.json["command_id"] for asked in api.asked}) == 1
    assert len(api.asked) == 3


@pytest.mark.parametrize("header", ["Retry_After", "x_ratelimit_reset"])
async def test_a_dial_that_stays_429_says_when_to_come_back(header: str) -> None:
    """A long wait is the caller's to plan."""
    async with bench(says(429, {}, **{header: "60"})) as (telnyx, api):
        with pytest.raises(CarrierUnreachable) as busy:
            await dial(telnyx)
    assert (busy.value.retry_after_s, len(api.asked)) == (60.0, 1)


async def test_a_dial_that_never_connects_is_unreachable() -> None:
    """Repeating it later is safe."""
    base_url = f"http://127.0.0.1:{free_port()}"
    async with session() as http:
        telnyx = Control(
            http,
            api_key="K",
            connection_id="1",
            webhook_url=URL,
            base_url=base_url,
            timeouts=replace(QUICK, attempts=1),
        )
        with pytest.raises(CarrierUnreachable):
            await dial(telnyx)


def test_an_effect_has_one_command_id() -> None:
    """The same after a crash, in any process; another for another effect."""
    assert command_id("a.1") == command_id("a.1") != command_id("a.2")


# --- find and look up


async def test_a_lost_dial_is_found_by_its_state_while_it_lives() -> None:
    """Telnyx lists what is live on the connection, each with its state."""
    other = {"call_control_id": "v3:other-leg", "client_state": "c29tZW9uZQ=="}
    said = {"call_control_id": LEG, "client_state": ClientState(_CALL, 3, "t").encoded()}
    async with bench(says(200, {"data": [other, {}, "row", said]})) as (telnyx, api):
        assert await find(telnyx) == LegReport(status=LegStatus.ALIVE, leg=_LEG)
    assert api.asked[0].line == f"GET /v2/connections/{_CONNECTION}/active_calls"


@pytest.mark.parametrize(
    "act",
    [
        says(200, {"data": []}),
        says(200, {"data": [{"call_control_id": None, "client_state": STATE}]}),
        says(200, b"{"),
        says(200, {"data": None}),
        says(404, {}),
        error(401, "10009"),
        says(500, {}),
        cut,
    ],
)
async def test_a_dial_that_is_not_listed_is_unknown(act: Act) -> None:
    """It may be ringing, or have ended: its first webhook carries our id."""
    async with bench(act) as (telnyx, _):
        assert await find(telnyx) == _UNKNOWN


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (says(200, {"data": {"call_control_id": LEG, "is_alive": True}}), LegStatus.ALIVE),
        (says(200, {"data": {"call_control_id": LEG, "is_alive": False, "end_time": "2026"}}), LegStatus.ENDED),
        (says(200, {"data": {"call_control_id": LEG, "is_alive": False}}), LegStatus.UNKNOWN),
        (says(200, {"data": {"call_control_id": "v3:other", "is_alive": True}}), LegStatus.UNKNOWN),
        (says(200, {"data": {"call_control_id": LEG, "is_alive": "yes", "end_time": "x"}}), LegStatus.UNKNOWN),
        (says(200, b"nonsense"), LegStatus.UNKNOWN),
        (error(422, "90015"), LegStatus.ABSENT),
        (error(422, "90018"), LegStatus.ENDED),
        (says(404, {}), LegStatus.ABSENT),
        (error(401, "10009"), LegStatus.UNKNOWN),
        (says(500, {}), LegStatus.UNKNOWN),
        (says(429, {}), LegStatus.UNKNOWN),
        (cut, LegStatus.UNKNOWN),
    ],
)
async def test_a_leg_is_as_telnyx_says(act: Act, status: LegStatus) -> None:
    """A leg that is being dialled is not alive yet, and no failure of Telnyx ends a call."""
    async with bench(act) as (telnyx, api):
        assert await telnyx.look_up(_LEG) == LegReport(status=status, leg=_LEG)
    assert unquote(api.asked[0].line) == f"GET /v2/calls/{LEG}"


# --- hang up


@pytest.mark.parametrize("act", [_OK, error(422, "90018", "Call has already ended"), says(404, {})])
async def test_a_leg_that_is_over_is_hung_up(act: Act) -> None:
    """Error 90018 is success."""
    async with bench(act) as (telnyx, api):
        await telnyx.hang_up(_LEG)
    assert unquote(api.asked[0].line) == f"POST /v2/calls/{LEG}/actions/hangup"
    assert set(api.asked[0].json) == {"command_id"}


async def test_b10_a_leg_that_telnyx_does_not_know_is_hung_up() -> None:
    """A captured arrival, replayed after the loss of Redis: its call could not be ended for thirty seconds."""
    async with bench(error(422, "90015", "Invalid Call Control ID")) as (telnyx, api):
        await telnyx.hang_up(_LEG)
        await telnyx.reject(_LEG, effect=_EFFECT, reason="busy")
    assert len(api.asked) == 2


async def test_a_hang_up_is_repeated_after_trouble() -> None:
    """Ending a call twice is harmless."""
    async with bench(says(500, {}), cut, _OK) as (telnyx, api):
        await telnyx.hang_up(_LEG)
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (error(401, "10009"), CarrierRejected),
        (says(500, {}), CarrierSilent),
        (cut, CarrierSilent),
        (says(429, {}), CarrierUnreachable),
    ],
)
async def test_a_hang_up_that_failed_says_how(act: Act, kind: type[CarrierError]) -> None:
    """The call's machine decides when to try again."""
    async with bench(act) as (telnyx, _):
        with pytest.raises(kind):
            await telnyx.hang_up(_LEG)


# --- commands to a leg


@pytest.mark.parametrize(
    ("command", "action", "body"),
    [
        (lambda on: on.answer(_LEG, call=_CALL, effect=_EFFECT), "answer", {**_G711, **_OURS}),
        (
            lambda on: on.answer(_LEG, call=_CALL, effect=_EFFECT, connect=_CONNECT),
            "answer",
            {**_G711, **_OURS, **_STREAM},
        ),
        (lambda on: on.reject(_LEG, effect=_EFFECT, reason="busy"), "reject", {"cause": "USER_BUSY"}),
        (lambda on: on.reject(_LEG, effect=_EFFECT, reason="rejected"), "reject", {"cause": "CALL_REJECTED"}),
        (lambda on: on.start_stream(_LEG, effect=_EFFECT, connect=_CONNECT), "streaming_start", _STREAM),
        (lambda on: on.send_digits(_LEG, "1w#", call=_CALL, effect=_EFFECT), "send_dtmf", {"digits": "1w#"}),
    ],
)
async def test_a_command_names_its_effect(command: Command, action: str, body: dict[str, Any]) -> None:
    """So it may be repeated: the second of one name is ignored."""
    async with bench(says(500, {}), cut, _OK) as (telnyx, api):
        await command(telnyx)
    assert len(api.asked) == 3
    for asked in api.asked:
        assert unquote(asked.line) == f"POST /v2/calls/{LEG}/actions/{action}"
        assert asked.json == {**body, "command_id": command_id(_EFFECT)}


async def test_c3_a_stream_that_telnyx_has_not_lost_yet_is_stopped_only_when_it_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may as well be the new one, whose socket is being opened."""
    now = 100.0
    monkeypatch.setattr("voicecall.carriers.telnyx.control.time.monotonic", lambda: now)
    in_use = error(422, "90045")
    async with bench(in_use, in_use, _OK, _OK) as (telnyx, api):
        await telnyx.start_stream(_LEG, effect=_EFFECT, connect=_CONNECT)
        now += 2.6
        await telnyx.start_stream(_LEG, effect=_EFFECT, connect=_CONNECT)
    actions = [unquote(asked.line).rpartition("/")[2] for asked in api.asked]
    assert actions == ["streaming_start", "streaming_start", "streaming_stop", "streaming_start"]
    assert len({asked.json["command_id"] for asked in api.asked[1:]}) == 3


@pytest.mark.parametrize("digits", ["", "12e", "1 2", "1" * 65, "1\n"])
async def test_what_is_no_key_is_refused_before_it_is_sent(digits: str) -> None:
    async with bench(_OK) as (telnyx, api):
        with pytest.raises(CarrierRejected):
            await telnyx.send_digits(_LEG, digits, call=_CALL, effect=_EFFECT)
    assert api.asked == []


@pytest.mark.parametrize(
    ("act", "fine"), [(error(422, "90018"), True), (says(404, {}), True), (error(422, "90034"), False)]
)
async def test_a_caller_who_is_gone_needs_no_rejection(act: Act, *, fine: bool) -> None:
    """They hung up first."""
    async with bench(act) as (telnyx, _):
        if fine:
            await telnyx.reject(_LEG, effect=_EFFECT, reason="busy")
        else:
            with pytest.raises(CarrierRejected, match="90034"):
                await telnyx.reject(_LEG, effect=_EFFECT, reason="busy")


# --- Telnyx's own synthesis and recognition


async def test_a_prompt_is_heard_and_answered_under_its_name() -> None:
    """First the transcription, once per leg; then the prompt, with the state that both return."""
    async with bench(_OK) as (telnyx, api):
        for utterance in (1, 2):
            said = await telnyx.say(_LEG, "Hello", call=_CALL, utterance=utterance, token="t", listens=True)
            assert said is None
    assert [unquote(asked.line).rpartition("/")[2] for asked in api.asked] == ["transcription_start", "speak", "speak"]
    transcription, first, second = (asked.json for asked in api.asked)
    assert (transcription["transcription_tracks"], transcription["transcription_engine"]) == ("inbound", "Google")
    assert first.pop("command_id") != second["command_id"]
    assert first == {
        "payload": "Hello",
        "voice": "AWS.Polly.Brian",
        "language": "en-US",
        "stop": "all",
        "client_state": ClientState(_CALL, 1, "t").encoded(),
    }


async def test_a_transcription_that_another_process_started_is_success() -> None:
    """After a crash the new owner asks again, and Telnyx says 90054."""
    async with bench(error(422, "90054", "Transcription is already in progress"), _OK) as (telnyx, api):
        await telnyx.say(_LEG, "Hello", call=_CALL, utterance=1, token="", listens=True)
    assert len(api.asked) == 2


async def test_a_prompt_without_an_answer_starts_no_transcription() -> None:
    """A notify only speaks."""
    async with bench(_OK) as (telnyx, api):
        await telnyx.say(_LEG, "Hello", call=_CALL, utterance=1, token="", listens=False)
    assert [unquote(asked.line).rpartition("/")[2] for asked in api.asked] == ["speak"]


@pytest.mark.parametrize("text", ["", "x" * 3001])
async def test_what_telnyx_cannot_say_is_refused_before_it_is_sent(text: str) -> None:
    async with bench(_OK) as (telnyx, api):
        with pytest.raises(CarrierRejected):
            await telnyx.say(_LEG, text, call=_CALL, utterance=1, token="", listens=True)
    assert api.asked == []


async def test_a_leg_s_name_cannot_leave_its_place_in_the_path() -> None:
    """Attack 77, at the carrier's control."""
    async with bench(says(404, {})) as (telnyx, api):
        await telnyx.hang_up(LegId("../../x?y#z"))
    assert unquote(api.asked[0].line) == "POST /v2/calls/../../x?y#z/actions/hangup"
    assert api.asked[0].query == {}


async def test_credentials_never_follow_a_redirect() -> None:
    """Attack 59: the other host is not even asked."""
    async with serving(_DIALLED) as other, bench(says(307, {}, Location=other.url + "/x")) as (telnyx, _):
        with pytest.raises(CarrierSilent):
            await dial(telnyx)
        assert (await telnyx.look_up(_LEG)).status is LegStatus.UNKNOWN
    assert other.asked == []


async def test_a_session_in_which_telnyx_hears_and_speaks_takes_the_place_of_the_stream() -> None:
    """Its token is in the path: the setup frame has no field for it. What is not configured is Telnyx's default."""
    async with bench(_OK, relay=Relay(language="de-DE", voice="Telnyx.NaturalHD.astra", interruptible="speech")) as (
        telnyx,
        api,
    ):
        await telnyx.start_stream(_LEG, effect=_EFFECT, connect=_CONNECT)
    (asked,) = api.asked
    assert unquote(asked.line) == f"POST /v2/calls/{LEG}/actions/conversation_relay_start"
    assert asked.json == {
        "url": _STREAM["stream_url"],
        "language": "de",
        "voice": "Telnyx.NaturalHD.astra",
        "interruptible": "speech",
        "dtmf_detection": True,
        "command_id": command_id(_EFFECT),
    }
