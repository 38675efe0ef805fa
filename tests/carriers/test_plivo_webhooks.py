"""Plivo's webhooks: every status and flow, end reasons, and what is refused although it was signed."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.plivo_requests import CALL, LEG, URL, codec, raw, voice
from voicecall.call.events import (
    Answered,
    AnsweredBy,
    DtmfReceived,
    EndReason,
    Event,
    Heard,
    HungUp,
    PlaybackDone,
    Ringing,
)
from voicecall.call.ids import NO_TURN, LegId
from voicecall.carriers.plivo.hangup import END_STATUSES, end_reason
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

_LEG = LegId(LEG)
_OURS = {"callId": CALL}


def parsed(query: dict[str, str] | None = None, **changes: str) -> Webhook:
    url = f"{URL}?{urlencode(query)}" if query else URL
    return codec().parse(raw(urlencode(voice(**changes)).encode(), url=url))


def outbound(flow: str, more: dict[str, str] | None = None, **changes: str) -> Webhook:
    facts = {"Direction": "outbound", "Event": "", "CallStatus": "", "RequestUUID": LEG, **changes}
    return parsed({**_OURS, "flow": flow, **(more or {})}, **facts)


def test_a_caller_s_arrival_on_the_bare_url_asks_what_to_do() -> None:
    """A number whose answer URL is the bare webhook gets a document. Numbers get their plus."""
    assert parsed() == Webhook(
        call=None,
        leg=_LEG,
        inbound=True,
        from_="+15550001111",
        to="+15550002222",
        events=(),
        wants_reply=True,
        kind="answer",
    )


@pytest.mark.parametrize(
    "sender",
    ["anonymous", "Restricted", "", "sip:a@b.example", "0015550001111", "911", "+15550001111", "\u0665\u0665\u0665"],
)
def test_what_is_no_bare_number_stays_as_it_came(sender: str) -> None:
    """Attacks 37 and 38: the policy decides, on what Plivo said."""
    assert parsed(From=sender).from_ == sender


@pytest.mark.parametrize(
    ("webhook", "events", "kind", "asks"),
    [
        (outbound("answer", CallStatus="in-progress", Event="StartApp"), (Answered(leg=_LEG),), "answer", True),
        (outbound("answer", Event="StartApp"), (Answered(leg=_LEG),), "answer", True),
        (outbound("ring", CallStatus="ringing", Event="Ring"), (Ringing(leg=_LEG),), "status", False),
        (outbound("ring", Event="Ring"), (Ringing(leg=_LEG),), "status", False),
        (outbound("answer", CallStatus="busy"), (HungUp(leg=_LEG, reason=EndReason.BUSY),), "status", False),
        (outbound("hangup", Event="Hangup"), (HungUp(leg=_LEG, reason=EndReason.COMPLETED),), "status", False),
        (outbound("machine", Event="MachineDetection", Machine="true", CallStatus="in-progress"),
         (Answered(leg=_LEG, by=AnsweredBy.MACHINE),), "machine", False),
        (outbound("machine", Machine="false"), (), "machine", False),
        (outbound("stream", Event="StartStream", CallStatus="in-progress"), (), "stream-status", False),
        (outbound("answer", Event="DroppedStream", CallStatus="in-progress"), (), "stream-status", False),
        (outbound("getinput", Digits="12#", CallStatus="in-progress"),
         (DtmfReceived(digits="12#", leg=_LEG),), "digits", True),
        (outbound("getinput", Digits="one"), (), "unknown", True),
        (outbound("getinput", {"turnToken": "t1"}, Speech="hello", SpeechConfidenceScore="0.5"),
         (Heard(text="hello", confidence=0.5, turn_token="t1", leg=_LEG),), "speech", True),
        (outbound("getinput", {"turnToken": "none"}, Speech="hello", SpeechConfidenceScore="0.5"),
         (Heard(text="hello", confidence=0.5, turn_token=NO_TURN, leg=_LEG),), "speech", True),
        (outbound("getinput", Speech="hello", SpeechConfidenceScore="nan"),
         (Heard(text="hello", confidence=0.9, leg=_LEG),), "speech", True),
        (outbound("getinput", Speech="", CallStatus="in-progress"), (Answered(leg=_LEG),), "answer", True),
        (outbound("xml-speak", CallStatus="in-progress"), (Answered(leg=_LEG),), "answer", True),
        (outbound("answer", {"said": "7"}, CallStatus="in-progress"),
         (PlaybackDone(utterance=7, heard_ms=0, total_ms=None, complete=True, leg=_LEG), Answered(leg=_LEG)),
         "answer", True),
        (outbound("answer", CallStatus="levitating"), (), "unknown", True),
        (parsed(CallStatus="completed", Event="Hangup"),
         (HungUp(leg=_LEG, reason=EndReason.COMPLETED),), "status", False),
        (parsed(CallStatus="in-progress"), (Answered(leg=_LEG),), "answer", True),
    ],
)  # fmt: skip
def test_every_request_has_its_meaning(webhook: Webhook, events: tuple[Event, ...], kind: str, asks: bool) -> None:
    """By `HangupCauseCode`."""
    assert (webhook.events, webhook.kind, webhook.wants_reply) == (events, kind, asks)


def test_our_call_id_comes_back_in_the_url() -> None:
    """And the leg is Plivo's CallUUID, or the request's while there is no call yet."""
    answered = outbound("answer", CallStatus="in-progress")
    assert (answered.call, answered.leg, answered.inbound) == (CALL, LEG, False)
    assert outbound("hangup", CallUUID="", CallStatus="failed").leg == LEG
    assert outbound("hangup", CallUUID="", RequestUUID="", ALegRequestUUID=LEG, CallStatus="failed").leg == LEG


def test_a_leg_that_comes_for_a_prompt_says_for_which() -> None:
    """`Control.say` put it into the URL; a malformed number is refused."""
    webhook = outbound("xml-speak", {"say": "7", "n": "abcdefghijkl"}, CallStatus="in-progress")
    assert (webhook.prompt, webhook.wants_reply, webhook.event_key) == (7, True, "plivo:visit:abcdefghijkl")
    assert outbound("xml-speak", {"say": "7"}, CallStatus="completed").prompt is None
    with pytest.raises(WebhookRejected):
        outbound("xml-speak", {"say": "seven"}, CallStatus="in-progress")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        *[(status, None, reason) for status, reason in END_STATUSES.items()],
        ("cancel", "3000", EndReason.HANGUP_BOT),
        ("timeout", "4000", EndReason.NO_ANSWER),
        ("machine", "4000", EndReason.VOICEMAIL),
        ("busy", "4000", EndReason.BUSY),
        ("completed", "0", EndReason.COMPLETED),
        ("failed", "0", EndReason.FAILED),
        ("completed", "9100", EndReason.VOICEMAIL),
        ("completed", "1000", EndReason.HANGUP_BOT),
        ("completed", "1010", EndReason.FAILED),
        ("completed", "4000", EndReason.COMPLETED),
        ("completed", "4010", EndReason.HANGUP_BOT),
        ("failed", "3000", EndReason.NO_ANSWER),
        ("failed", "3010", EndReason.BUSY),
        ("failed", "3020", EndReason.BUSY),
        ("failed", "3050", EndReason.FAILED),
        ("failed", "2030", EndReason.FAILED),
        ("completed", "4240", EndReason.FAILED),
        ("completed", "5030", EndReason.FAILED),
        ("failed", "6010", EndReason.NO_ANSWER),
        ("completed", "6020", EndReason.ERROR),
        ("completed", "7011", EndReason.ERROR),
        ("completed", "8014", EndReason.ERROR),
        ("completed", "5555555", EndReason.COMPLETED),
        ("failed", "9999", EndReason.FAILED),
        ("failed", "x", EndReason.FAILED),
        ("failed", "٣٠٠٠", EndReason.FAILED),
    ],
)
def test_a_call_that_is_over_says_why(status: str, code: str | None, reason: EndReason) -> None:
    """Every status; the code refines "completed" and "failed"."""
    (ended,) = outbound("hangup", CallStatus=status, Event="Hangup", HangupCauseCode=code or "").events
    assert ended == HungUp(leg=_LEG, reason=reason)
    assert END_STATUSES.get(status) is not None


@given(status=st.sampled_from([*END_STATUSES, "", "x"]), code=st.none() | st.integers() | st.text(max_size=6))
def test_an_end_always_has_a_reason(status: str, code: object) -> None:
    """Whatever the code: text, number, nothing."""
    assert isinstance(end_reason(status, code), EndReason)


@pytest.mark.parametrize(
    ("query", "changes", "reason"),
    [
        ({}, {"CallUUID": ""}, "call-uuid"),
        ({}, {"CallUUID": LEG.upper()}, "call-uuid"),
        ({}, {"CallUUID": LEG + "\n"}, "call-uuid"),
        ({}, {"CallUUID": "../" + LEG}, "call-uuid"),
        ({}, {"CallUUID": "x", "RequestUUID": LEG}, "call-uuid"),
        ({"callId": "*"}, {}, "call-id"),
        ({"callId": ""}, {}, "call-id"),
        ({"flow": "fly"}, {}, "flow"),
        ({"said": "-1"}, {}, "query"),
        ({"said": "1234567"}, {}, "query"),
    ],
)
def test_a_signed_request_that_does_not_fit_is_refused(
    query: dict[str, str], changes: dict[str, str], reason: str
) -> None:
    """A signature stays valid for folded and renamed parameters, so the schema is strict."""
    with pytest.raises(WebhookRejected) as refused:
        parsed(query, **changes)
    assert (refused.value.reason, refused.value.status) == (reason, 400)


@pytest.mark.parametrize(
    "url", [f"{URL}?callId={CALL}&callId={CALL}", f"{URL}?a=%ff", "https://[/?a=1", f"{URL}?" + "&a" * 300]
)
def test_a_query_that_is_not_ours_is_refused(url: str) -> None:
    with pytest.raises(WebhookRejected) as refused:
        codec().parse(raw(urlencode(voice()).encode(), url=url))
    assert refused.value.status == 400


def test_a_repeated_field_is_refused() -> None:
    """Attack 16: two readers would take two different ones."""
    with pytest.raises(WebhookRejected, match="form-repeated"):
        codec().parse(raw(urlencode([*voice().items(), ("CallStatus", "completed")]).encode()))


def test_a_get_says_the_same_in_its_query() -> None:
    """An answer URL may be set to GET."""
    url = f"{URL}?{urlencode({**voice(), **_OURS, 'flow': 'answer'})}"
    assert codec().parse(raw(b"", url=url, method="GET")) == parsed({**_OURS, "flow": "answer"})


@given(
    query=st.dictionaries(
        st.sampled_from(["callId", "flow", "said", "turnToken", "x"]), st.text(max_size=8), max_size=4
    ),
    fields=st.dictionaries(
        st.sampled_from(["CallUUID", "CallStatus", "Event", "Digits", "Speech", "HangupCauseCode", "From", "Machine"]),
        st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from([LEG, "completed", "Hangup", "StartApp"]),
    ),
)
def test_only_a_rejection_comes_out_of_parse(query: dict[str, Any], fields: dict[str, str]) -> None:
    """Whatever the fields."""
    url = URL + "?" + "&".join(f"{name}={value}" for name, value in query.items())
    assert isinstance(_parse(url, urlencode(fields).encode()), Webhook | WebhookRejected)


def _parse(url: str, body: bytes) -> Webhook | WebhookRejected:
    try:
        return codec().parse(raw(body, url=url))
    except WebhookRejected as refused:
        return refused


def test_a_repeated_answer_is_recognised_by_its_prompt_s_url() -> None:
    """Each repetition has a new nonce, hence a new signature; the next prompt has another URL, for the same words."""
    first, again, next_prompt = (
        outbound("getinput", {"n": n}, Speech="yes").event_key for n in ("Abcdefgh1234", "Abcdefgh1234", "Zbcdefgh1234")
    )
    assert first is not None
    assert (first == again, first == next_prompt) == (True, False)
    assert outbound("getinput", Speech="yes").event_key is None
