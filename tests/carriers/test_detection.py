"""Answering-machine detection at each carrier: how it is requested, what it reports, how the prompt is stopped."""

from collections.abc import Awaitable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from xml.etree.ElementTree import fromstring

import pytest

from tests.carriers import (
    plivo_requests,
    test_mock_codec,
    test_mock_control,
    test_plivo_control,
    test_plivo_webhooks,
    test_telnyx_control,
    test_twilio_control,
    twilio_requests,
)
from tests.carriers.rest_api import Asked, says
from tests.carriers.test_twilio_webhooks import refusal
from voicecall.call.events import Answered, AnsweredBy, Event, GreetingEnded, OnMachine
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import AwaitGreetingEnd
from voicecall.errors import CarrierRejected, WebhookRejected
from voicecall.ports import CallControl, SupportsAwaitBeep

_LEG = LegId("leg-1")
_HOW = [OnMachine.HANGUP, OnMachine.LEAVE_MESSAGE]
_MACHINE = "human", "machine", "fax"


def dial(on: CallControl, how: OnMachine | None) -> Awaitable[LegId]:
    to, from_ = E164("+15550002222"), E164("+15550001111")
    call, effect = CallId(plivo_requests.CALL), EffectId("e.1")
    return on.dial(call=call, effect=effect, to=to, from_=from_, ring_timeout_s=30, time_limit_s=330, on_machine=how)


def await_beep(on: CallControl) -> Awaitable[None]:
    assert isinstance(on, SupportsAwaitBeep)
    return on.await_beep(_LEG, call=CallId(plivo_requests.CALL), effect=EffectId("e.2"))


def form(asked: Asked) -> dict[str, list[str]]:
    return parse_qs(asked.body)


# --- Twilio


@pytest.mark.parametrize(("how", "word"), [*zip(_HOW, ("Enable", "DetectMessageEnd"), strict=True)])
async def test_twilio_listens_beside_the_call(how: OnMachine, word: str) -> None:
    """Asynchronous, so that the call is not delayed. For a message the result comes with the beep, else sooner."""
    async with test_twilio_control.bench(says(201, {"sid": twilio_requests.LEG})) as (twilio, api):
        await dial(twilio, how)
    sent = form(api.asked[0])
    assert (sent["MachineDetection"], sent["AsyncAmd"]) == ([word], ["true"])
    assert "type=amd" in sent["AsyncAmdStatusCallback"][0]
    assert sent["AsyncAmdStatusCallbackMethod"] == ["POST"]


async def test_twilio_is_not_asked_without_need() -> None:
    """It costs money for each call."""
    async with test_twilio_control.bench(says(201, {"sid": twilio_requests.LEG})) as (twilio, api):
        await dial(twilio, None)
    assert not {name for name in form(api.asked[0]) if "amd" in name.lower() or "machine" in name.lower()}


def twilio_verdict(word: str) -> Any:
    url = f"{twilio_requests.URL}?callId={twilio_requests.CALL}&type=amd"
    fields = {
        "CallSid": twilio_requests.LEG,
        "AccountSid": twilio_requests.ACCOUNT,
        "AnsweredBy": word,
        "MachineDetectionDuration": "3200",
    }
    return twilio_requests.codec().parse(twilio_requests.signed(fields, url=url))


@pytest.mark.parametrize(
    ("word", "by", "ended"),
    [
        ("human", AnsweredBy.HUMAN, False),
        ("fax", AnsweredBy.FAX, False),
        ("machine_start", AnsweredBy.MACHINE, False),
        ("machine_end_beep", AnsweredBy.MACHINE, True),
        ("machine_end_silence", AnsweredBy.MACHINE, True),
        ("machine_end_other", AnsweredBy.MACHINE, True),
        ("unknown", None, False),
        ("machine_of_tomorrow", None, False),
        ("", None, False),
    ],
)
def test_twilio_reports_the_result_and_the_beep_together(word: str, by: AnsweredBy | None, ended: bool) -> None:
    """A request of its own, without a status, that asks for nothing; what is no verdict is none."""
    webhook = twilio_verdict(word)
    leg = LegId(twilio_requests.LEG)
    events: tuple[Event, ...] = (Answered(leg=leg, by=by),) if by else ()
    assert webhook.events == (*events, *((GreetingEnded(leg=leg),) if ended else ()))
    assert (webhook.kind, webhook.wants_reply, webhook.call) == ("machine", False, twilio_requests.CALL)


def test_a_verdict_of_another_account_is_refused() -> None:
    """The signature proves the account; a name that contradicts it proves mischief."""
    url = f"{twilio_requests.URL}?callId={twilio_requests.CALL}&type=amd"
    fields = {"CallSid": twilio_requests.LEG, "AccountSid": "AC" + "9" * 32, "AnsweredBy": "human"}
    assert refusal(twilio_requests.signed(fields, url=url)) == ("account-sid", 400)


# --- Telnyx


@pytest.mark.parametrize(("how", "kind"), [(None, None), *zip(_HOW, ("detect", "detect_beep"), strict=True)])
async def test_telnyx_listens_beside_the_call(how: OnMachine | None, kind: str | None) -> None:
    """The beep is requested only where a message is left."""
    reply = says(200, {"data": {"call_control_id": "v3:leg-1"}})
    async with test_telnyx_control.bench(reply) as (telnyx, api):
        await dial(telnyx, how)
    assert api.asked[0].json.get("answering_machine_detection") == kind


async def test_telnyx_falls_silent() -> None:
    """Every prompt, also those that wait; twice asked it is one command."""
    async with test_telnyx_control.bench(says(200, {"data": {"result": "ok"}})) as (telnyx, api):
        await await_beep(telnyx)
    (asked,) = api.asked
    assert asked.line == "POST /v2/calls/leg-1/actions/playback_stop"
    assert asked.json["stop"] == "all"
    assert asked.json["command_id"]


# --- Plivo


@pytest.mark.parametrize("how", [None, *_HOW])
async def test_plivo_listens_beside_the_call(how: OnMachine | None) -> None:
    """Only with a URL of its own does the detection not hold the answer up."""
    async with test_plivo_control.bench(says(201, {"request_uuid": plivo_requests.LEG})) as (plivo, api):
        await dial(plivo, how)
    sent = {name: value for name, value in api.asked[0].json.items() if name.startswith("machine")}
    if how is None:
        assert sent == {}
        return
    url = sent.pop("machine_detection_url")
    assert dict(parse_qsl(urlsplit(url).query)) == {"callId": plivo_requests.CALL, "flow": "machine"}
    assert sent == {
        "machine_detection": "true",
        "machine_detection_time": 5000,
        "machine_detection_method": "POST",
    }


@pytest.mark.parametrize("status", [204, 404])
async def test_plivo_falls_silent_and_waits_for_the_beep(status: int) -> None:
    """What is being said is cut, if there is something; then the leg is led to a document that waits."""
    done = says(202, {"message": "ok"})
    async with test_plivo_control.bench(says(status, {}), done) as (plivo, api):
        await await_beep(plivo)
    cut, led = api.asked
    account = f"/v1/Account/{plivo_requests.AUTH_ID}/Call/leg-1/"
    assert (cut.line, led.line) == (f"DELETE {account}Speak/", f"POST {account}")
    query = dict(parse_qsl(urlsplit(led.json["aleg_url"]).query))
    assert (query["callId"], query["flow"]) == (plivo_requests.CALL, "greeting")


async def test_plivo_does_not_wait_for_a_beep_while_it_may_still_speak() -> None:
    """A refused command is reported, and no other is tried."""
    async with test_plivo_control.bench(says(400, {"error": "no"})) as (plivo, api):
        with pytest.raises(CarrierRejected):
            await await_beep(plivo)
    assert len(api.asked) == 1


def test_plivo_requests_a_document_to_wait_and_reports_the_end() -> None:
    """The document with `<Wait beep>` comes between the two."""
    asks = test_plivo_webhooks.outbound("greeting", CallStatus="in-progress", Event="Redirect")
    assert (asks.wants_reply, asks.awaits_beep) == (True, True)
    over = test_plivo_webhooks.parsed(
        {"callId": plivo_requests.CALL, "greeting": "over", "n": "abcdefgh"},
        Direction="outbound",
        CallStatus="in-progress",
        Event="Redirect",
    )
    leg = LegId(plivo_requests.LEG)
    assert (over.wants_reply, over.awaits_beep, over.event_key) == (True, False, "plivo:visit:abcdefgh")
    assert GreetingEnded(leg=leg) in over.events


def test_plivo_s_wait_of_a_leg_that_is_gone_is_no_beep() -> None:
    """It says so to whichever URL it was given last."""
    over = test_plivo_webhooks.parsed(
        {"callId": plivo_requests.CALL, "greeting": "over"}, Direction="outbound", CallStatus="completed"
    )
    assert not any(isinstance(event, GreetingEnded) for event in over.events)


def test_plivo_waits_for_the_beep_in_its_own_words() -> None:
    """And comes back by itself, beep or no beep."""
    answer = plivo_requests.codec().render(AwaitGreetingEnd(ended_url="https://calls.example/w?greeting=over"))
    wait, back = fromstring(answer.body)  # our own bytes
    assert (wait.tag, wait.get("beep"), wait.get("length")) == ("Wait", "true", "40")
    assert (back.tag, back.text) == ("Redirect", "https://calls.example/w?greeting=over#rc=3&rp=5xx,ct,rt")


# --- mock


@pytest.mark.parametrize("how", [None, *_HOW])
async def test_the_mock_is_asked_in_one_word(how: OnMachine | None) -> None:
    """It always reports both, the result and the beep."""
    async with test_mock_control.bench(says(201, {"leg": "leg-1"})) as (mock, api):
        await dial(mock, how)
    assert api.asked[0].json["detectMachine"] is (how is not None)


async def test_the_mock_falls_silent() -> None:
    """One command, harmless to repeat."""
    async with test_mock_control.bench(says(200, {})) as (mock, api):
        await await_beep(mock)
    assert api.asked[0].line == "POST /calls/leg-1/hush"


@pytest.mark.parametrize("word", _MACHINE)
def test_the_mock_reports_its_result(word: str) -> None:
    """Of its own, while the call goes on."""
    webhook = test_mock_codec.meaning(test_mock_codec.outbound("call.detected", answeredBy=word))
    (event,) = webhook.events
    assert isinstance(event, Answered)
    assert (event.by, webhook.wants_reply) == (AnsweredBy(word), False)


@pytest.mark.parametrize("word", ["", "parrot", 1])
def test_the_mock_s_verdict_is_one_of_three_words(word: object) -> None:
    """A fourth value must not be taken for one of them."""
    with pytest.raises(WebhookRejected):
        test_mock_codec.meaning(test_mock_codec.outbound("call.detected", answeredBy=word))


def test_the_mock_reports_the_beep() -> None:
    """From now on the machine records."""
    (event,) = test_mock_codec.meaning(test_mock_codec.outbound("call.beep")).events
    assert isinstance(event, GreetingEnded)
