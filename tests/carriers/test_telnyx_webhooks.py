"""Telnyx's webhooks: every type that a call needs, with its causes; others are counted, malformed ones refused."""

import json
from base64 import b64encode
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telnyx.types.call_hangup import Payload as HangupPayload

from tests.carriers.telnyx_requests import CALL, LEG, STATE, codec, event, posted, raw, signed
from voicecall.call.events import (
    Answered,
    AnsweredBy,
    Billed,
    Dialled,
    DtmfReceived,
    EndReason,
    GreetingEnded,
    Heard,
    HungUp,
    PlaybackDone,
    Ringing,
    StreamClosed,
)
from voicecall.call.ids import NO_TURN, CallId, LegId, StreamId
from voicecall.call.replies import Connect, Gather, Hangup, NoOp, Refuse, Reply
from voicecall.carriers.telnyx.client_state import ClientState, read_client_state
from voicecall.carriers.telnyx.webhooks import END_REASONS
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

_LEG = LegId(LEG)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def meaning(kind: str, **payload: Any) -> Webhook:
    return codec().parse(posted(kind, **payload))


def _parse(body: bytes) -> Webhook | WebhookRejected:
    try:
        return codec().parse(signed(body))
    except WebhookRejected as refused:
        return refused


def said(transcript: str, **more: Any) -> dict[str, Any]:
    return {"transcription_data": {"transcript": transcript, "is_final": True, "confidence": 0.9, **more}}


@pytest.mark.parametrize(
    ("kind", "payload", "events", "label"),
    [
        ("call.initiated", {"direction": "outgoing"}, (Dialled(leg=_LEG),), "status"),
        ("call.ringing", {}, (Ringing(leg=_LEG),), "status"),
        ("call.answered", {}, (Answered(leg=_LEG),), "answer"),
        ("call.bridged", {}, (), "status"),
        ("call.dtmf.received", {"digit": "#"}, (DtmfReceived(digits="#", leg=_LEG),), "digits"),
        ("call.gather.ended", {"digits": "12", "status": "valid"}, (DtmfReceived(digits="12", leg=_LEG),), "digits"),
        ("call.gather.ended", {"digits": "", "status": "timeout"}, (), "digits"),
        ("call.transcription", said("hello"), (Heard(text="hello", confidence=0.9, leg=_LEG),), "speech"),
        (
            "call.transcription",
            said("hel", is_final=False),
            (Heard(text="hel", final=False, confidence=0.9, leg=_LEG),),
            "speech",
        ),
        ("call.transcription", said("hi", confidence=None), (Heard(text="hi", leg=_LEG),), "speech"),
        ("call.transcription", said("hi", confidence=7), (Heard(text="hi", confidence=1.0, leg=_LEG),), "speech"),
        ("call.transcription", said("us", transcription_track="outbound"), (), "speech"),
        (
            "call.transcription",
            said("you", transcription_track="inbound"),
            (Heard(text="you", confidence=0.9, leg=_LEG),),
            "speech",
        ),
        ("call.transcription", said("  "), (), "speech"),
        ("call.machine.detection.ended", {"result": "human"}, (Answered(leg=_LEG, by=AnsweredBy.HUMAN),), "machine"),
        ("call.machine.detection.ended", {"result": "not_sure"}, (Answered(leg=_LEG, by=AnsweredBy.HUMAN),), "machine"),
        (
            "call.machine.detection.ended",
            {"result": "machine"},
            (Answered(leg=_LEG, by=AnsweredBy.MACHINE),),
            "machine",
        ),
        ("call.machine.detection.ended", {"result": "parrot"}, (), "machine"),
        (
            "call.machine.premium.detection.ended",
            {"result": "fax_detected"},
            (Answered(leg=_LEG, by=AnsweredBy.FAX),),
            "machine",
        ),
        (
            "call.machine.premium.detection.ended",
            {"result": "human_business"},
            (Answered(leg=_LEG, by=AnsweredBy.HUMAN),),
            "machine",
        ),
        ("call.machine.premium.detection.ended", {"result": "silence"}, (), "machine"),
        ("call.machine.greeting.ended", {"result": "beep_detected"}, (GreetingEnded(leg=_LEG),), "machine"),
        ("call.machine.greeting.ended", {"result": "ended"}, (GreetingEnded(leg=_LEG),), "machine"),
        ("call.machine.greeting.ended", {"result": "parrot"}, (), "machine"),
        ("call.machine.premium.greeting.ended", {"result": "no_beep_detected"}, (GreetingEnded(leg=_LEG),), "machine"),
        ("call.speak.started", {}, (), "speak-status"),
        ("call.speak.ended", {"status": "cancelled"}, (), "speak-status"),
        ("call.speak.ended", {"status": "call_hangup"}, (), "speak-status"),
        ("streaming.started", {"stream_url": "wss://x"}, (), "stream-status"),
        ("streaming.failed", {"failure_reason": "connection_failed"}, (), "stream-status"),
        ("streaming.failed", {"stream_id": "s-1"}, (StreamClosed(stream=StreamId("s-1")),), "stream-status"),
        ("streaming.stopped", {}, (), "stream-status"),
        ("call.cost", {"total_cost": "0.01"}, (Billed(leg=_LEG, price="0.01"),), "cost"),
        ("call.cost", {"total_cost": "much"}, (), "cost"),
        ("call.levitated", {}, (), "unknown"),
    ],
)
def test_every_type_has_its_meaning(kind: str, payload: dict[str, Any], events: tuple[Any, ...], label: str) -> None:
    """None of them waits for an answer: Telnyx does not read it."""
    webhook = meaning(kind, **payload)
    assert (webhook.events, webhook.kind) == (events, label)
    assert (webhook.call, webhook.leg, webhook.inbound, webhook.wants_reply) == (CALL, LEG, False, False)


def test_an_inbound_call_is_admitted_by_the_ingress() -> None:
    """No event: the ingress records admitted calls. No state either, before a command set it."""
    webhook = meaning("call.initiated", direction="incoming", client_state=None, **{"from": "anonymous"})
    assert webhook == Webhook(
        call=None,
        leg=_LEG,
        inbound=True,
        from_="anonymous",
        to="+15550002222",
        events=(),
        wants_reply=True,
        kind="answer",
        event_key="telnyx:event:0ccc7b54-4df3-4bca-a65a-3da1ecc777f0",
    )


def test_every_documented_cause_is_known() -> None:
    """The SDK's own list, so that a new one is noticed when the SDK is raised."""
    causes = HangupPayload.model_fields["hangup_cause"].annotation
    (words,) = [part for part in get_args(causes) if part is not type(None)]
    assert len(get_args(words)) >= 9
    assert set(get_args(words)) <= set(END_REASONS)


@pytest.mark.parametrize(
    ("cause", "reason"), [*END_REASONS.items(), ("levitated", EndReason.COMPLETED), (None, EndReason.COMPLETED)]
)
def test_a_hang_up_says_why(cause: str | None, reason: EndReason) -> None:
    """An unknown cause still ends the call."""
    assert meaning("call.hangup", hangup_cause=cause).events == (HungUp(leg=_LEG, reason=reason),)


def test_a_caller_who_gives_up_is_hangup_user() -> None:
    """Before the answer an inbound leg has no state, and its originator is the caller."""
    (ended,) = meaning("call.hangup", hangup_cause="originator_cancel", client_state=None).events
    assert ended == HungUp(leg=_LEG, reason=EndReason.HANGUP_USER)


def test_a_prompt_and_its_answer_come_back_with_their_names() -> None:
    """The state of the last prompt is in every later webhook."""
    state = ClientState(CallId(CALL), 7, "tok en").encoded()
    assert meaning("call.speak.ended", status="completed", client_state=state).events == (
        PlaybackDone(utterance=7, heard_ms=0, total_ms=None, complete=True, leg=_LEG),
    )
    (heard,) = meaning("call.transcription", client_state=state, **said("yes")).events
    assert heard == Heard(text="yes", confidence=0.9, turn_token="tok en", leg=_LEG)
    unasked = ClientState(CallId(CALL), 8).encoded()
    (heard,) = meaning("call.transcription", client_state=unasked, **said("yes")).events
    assert heard == Heard(text="yes", confidence=0.9, turn_token=NO_TURN, leg=_LEG)
    (nameless,) = meaning("call.speak.ended", status="completed").events
    assert nameless == PlaybackDone(utterance=0, heard_ms=0, total_ms=None, complete=True, leg=_LEG)


@given(utterance=st.integers(1, 999_999), token=st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_client_state_is_read_as_it_was_written(utterance: int, token: str) -> None:
    """Whatever is in the token."""
    state = ClientState(CallId(CALL), utterance, token)
    assert read_client_state(state.encoded()) == state
    assert ClientState(CallId(CALL)).encoded() == STATE


@pytest.mark.parametrize(
    "state",
    [None, "", "!", "A", STATE[:-1], "é" * 48, "A" * 48, "A" * 10_000]
    + [b64encode(text.encode()).decode() for text in ("someone else's", CALL.upper(), f"{CALL} 1", f"{CALL} x y", " ")],
)
def test_the_state_of_another_program_names_no_call(state: str | None) -> None:
    """The connection may be shared: not ours is no reason to complain."""
    webhook = meaning("call.answered", client_state=state)
    assert (webhook.call, webhook.leg) == (None, LEG)


def test_a_webhook_without_a_leg_is_not_used() -> None:
    """`call.recording.saved` names none; a type that we need does."""
    assert meaning("call.recording.saved", call_control_id=None).kind == "unknown"
    for leg in (None, "", "a b", "../../x", "v3:" + "x" * 300, "v3:x\n"):
        with pytest.raises(WebhookRejected, match="leg-id") as refused:
            meaning("call.answered", call_control_id=leg)
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": []},
        {"data": {"event_type": "call.answered"}},
        {"data": {"event_type": 5, "payload": {}}},
        {"data": {"payload": {}}},
        event("call.answered", client_state=None, call_control_id=["x"]),
        event("call.answered", **{"from": {}}),
        event("call.dtmf.received", digit="12x"),
        event("call.dtmf.received", digit=5),
        event("call.transcription"),
        event("call.transcription", transcription_data={"transcript": 5}),
        event("call.transcription", transcription_data={"transcript": "x", "confidence": "high"}),
        event("call.transcription", transcription_data={"transcript": "x", "confidence": True}),
    ],
)
def test_a_body_that_telnyx_never_sends_is_refused(body: object) -> None:
    """Strict after the signature: 400, and no event."""
    with pytest.raises(WebhookRejected) as refused:
        codec().parse(signed(json.dumps(body).encode()))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 60_000,
        b'{"data":' + b"9" * 5000 + b"}",
        b'{"data":NaN}',
        b'{"data":1e400}',
        b'{"data":{},"data":{}}',
        b'{"data":"\\ud800"}',
        b"\xff",
    ],
)
def test_json_made_to_hurt_is_refused(body: bytes) -> None:
    """Attack 34."""
    with pytest.raises(WebhookRejected) as refused:
        codec().parse(signed(body))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json; charset=utf-16", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
def test_only_json_is_read(content_type: str, good: bool) -> None:
    """Attack 35."""
    request = raw(json.dumps(event("call.answered")).encode(), signature="", content_type=content_type)
    if good:
        assert codec().parse(request).kind == "answer"
    else:
        with pytest.raises(WebhookRejected) as refused:
            codec().parse(request)
        assert refused.value.status == 415


@given(body=_JSON, data=st.data())
def test_only_a_rejection_comes_out_of_parse(body: Any, data: st.DataObject) -> None:
    """Whatever the JSON, and whatever stands in one place of a true event."""
    kind = data.draw(st.sampled_from(["call.initiated", "call.hangup", "call.transcription", "call.dtmf.received"]))
    whole = event(kind, transcription_data={"transcript": "x"}, digit="1", direction="incoming", hangup_cause="timeout")
    place = data.draw(st.sampled_from([whole, whole["data"], whole["data"]["payload"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = body
    for value in (body, whole):
        assert isinstance(_parse(json.dumps(value).encode()), Webhook | WebhookRejected)


@pytest.mark.parametrize(
    "reply",
    [
        Connect(call=CallId(CALL), stream_url="wss://h/s", token="t", resume_url="https://h/r"),
        Gather(text="Hello", heard_url="https://h/a", silent_url="https://h/b"),
        Refuse(reason="busy"),
        Hangup(),
        NoOp(),
    ],
)
def test_every_answer_is_an_empty_200(reply: Reply) -> None:
    """Telnyx reads nothing but the status: what it shall do is commanded."""
    answer = codec().render(reply)
    assert (answer.status, answer.body) == (200, b"")


def test_a_key_is_reported_with_its_leg() -> None:
    """So the call can ignore it where its media socket reports the keys too."""
    pressed = posted("call.dtmf.received", digit="4")
    assert codec().parse(pressed).events == (DtmfReceived(digits="4", leg=_LEG),)
