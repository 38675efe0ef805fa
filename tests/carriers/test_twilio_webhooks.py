"""What a verified Twilio request means, and which verified requests still do not fit."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.twilio_requests import ACCOUNT, CALL, LEG, URL, codec, raw, signed, voice
from voicecall.call.events import (
    Answered,
    AnsweredBy,
    CommandDone,
    DtmfReceived,
    EndReason,
    Event,
    Heard,
    HungUp,
    PlaybackDone,
    Ringing,
)
from voicecall.call.ids import EffectId, LegId
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook, WebhookRequest

_LEG = LegId(LEG)
_OUTBOUND = {"Direction": "outbound-api"}


def _encoded(fields: dict[str, str]) -> bytes:
    return urlencode(fields, errors="replace").encode()


def _leg_or_status(request: WebhookRequest) -> str | int:
    try:
        return codec().parse(request).leg
    except WebhookRejected as rejected:
        return rejected.status


def meaning(url: str = URL, **changes: str) -> Webhook:
    return codec().parse(signed(voice(**changes), url=url))


def refusal(request: WebhookRequest) -> tuple[str, int]:
    with pytest.raises(WebhookRejected) as refused:
        codec().parse(request)
    return refused.value.reason, refused.value.status


def test_an_arrival_asks_for_instructions_and_states_no_fact() -> None:
    """Admission is decided by the ingress, which writes `Arrived` itself."""
    assert meaning() == Webhook(
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
    ("status", "events"),
    [
        ("queued", ()),
        ("initiated", ()),
        ("ringing", (Ringing(leg=_LEG),)),
        (" In-Progress ", (Answered(leg=_LEG),)),
        ("completed", (HungUp(leg=_LEG, reason=EndReason.COMPLETED),)),
        ("failed", (HungUp(leg=_LEG, reason=EndReason.FAILED),)),
        ("busy", (HungUp(leg=_LEG, reason=EndReason.BUSY),)),
        ("no-answer", (HungUp(leg=_LEG, reason=EndReason.NO_ANSWER),)),
        ("canceled", (HungUp(leg=_LEG, reason=EndReason.HANGUP_BOT),)),
    ],
)
def test_each_status_is_its_fact(status: str, events: tuple[Event, ...]) -> None:
    """The whole table, as status callbacks of an outbound call: none of them waits for instructions."""
    webhook = meaning(f"{URL}?callId={CALL}&type=status", CallStatus=status, **_OUTBOUND)
    assert (webhook.call, webhook.events, webhook.kind) == (CALL, events, "status")
    assert not webhook.wants_reply
    assert not webhook.inbound


def test_an_unknown_status_is_counted_and_changes_nothing() -> None:
    """Twilio may learn new words."""
    webhook = meaning(CallStatus="levitating")
    assert (webhook.events, webhook.kind) == ((), "unknown")


def test_an_answered_call_fetches_its_instructions() -> None:
    """The fetch of `Url` is both the fact and the question."""
    webhook = meaning(f"{URL}?callId={CALL}", CallStatus="in-progress", AnsweredBy="human", **_OUTBOUND)
    assert webhook.events == (Answered(leg=_LEG, by=AnsweredBy.HUMAN),)
    assert (webhook.wants_reply, webhook.kind) == (True, "answer")


@pytest.mark.parametrize(
    ("word", "by"),
    [
        ("machine_start", AnsweredBy.MACHINE),
        ("machine_end_beep", AnsweredBy.MACHINE),
        ("fax", AnsweredBy.FAX),
        ("unknown", None),
        ("gibberish", None),
    ],
)
def test_only_a_stated_machine_is_a_machine(word: str, by: AnsweredBy | None) -> None:
    """Detection that does not know says so, and we do not guess."""
    assert meaning(CallStatus="in-progress", AnsweredBy=word).events == (Answered(leg=_LEG, by=by),)


@pytest.mark.parametrize("changes", [{"CallbackSource": "call-progress-events"}, {"CallStatus": "completed"}])
def test_a_number_s_own_status_callback_is_not_answered_with_a_stream(changes: dict[str, str]) -> None:
    """It has no query of ours: it is recognised by CallbackSource, or by an ended call."""
    assert not meaning(**changes).wants_reply


def test_a_stream_s_status_is_no_event() -> None:
    """The socket itself reports it sooner and more reliably."""
    webhook = meaning(StreamEvent="stream-stopped", StreamSid="MZ" + "0" * 32, CallStatus="", Direction="")
    assert (webhook.kind, webhook.events, webhook.wants_reply) == ("stream-status", (), False)


@pytest.mark.parametrize(
    ("stated", "confidence"),
    [("0.42", 0.42), ("", 0.9), ("high", 0.9), ("nan", 0.9), ("inf", 0.9), ("7", 1.0), ("-1", 0.0)],
)
def test_speech_comes_before_digits_and_status(stated: str, confidence: float) -> None:
    """The first that is present. Confidence is a number from 0 to 1, whatever was sent."""
    url = f"{URL}?callId={CALL}&turnToken=t-1"
    webhook = meaning(url, SpeechResult="héllo", Digits="1", CallStatus="in-progress", Confidence=stated)
    assert webhook.events == (Heard(text="héllo", confidence=confidence, turn_token="t-1", leg=_LEG),)
    assert (webhook.kind, webhook.wants_reply) == ("speech", True)


def test_keys_are_facts_only_when_a_telephone_has_them() -> None:
    """`<Record>` reports a hang-up as the digit "hangup"."""
    assert meaning(Digits="12*#", CallStatus="in-progress").events == (DtmfReceived(digits="12*#", leg=_LEG),)
    assert meaning(Digits="hangup", CallStatus="in-progress").events == ()


@pytest.mark.parametrize("caller", ["anonymous", "Restricted", "+266696687", "sip:+1555@evil", " +1555", ""])
def test_a_caller_s_number_passes_through_as_sent(caller: str) -> None:
    """Attacks 37 and 38 are the policy's to answer; the codec neither cleans nor guesses."""
    assert meaning(From=caller).from_ == caller


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"CallSid": ""}, "call-sid"),
        ({"CallSid": LEG.upper()}, "call-sid"),
        ({"CallSid": LEG + "\n"}, "call-sid"),
        ({"CallSid": LEG + "From+1"}, "call-sid"),
        ({"CallSid": LEG + "CallStatusringing"}, "call-sid"),
        ({"CallSid": LEG * 2}, "call-sid"),
        ({"AccountSid": ACCOUNT[:-1] + "0"}, "account-sid"),
    ],
)
def test_another_shape_or_account_is_refused(changes: dict[str, str], reason: str) -> None:
    """Attack 16: a folded field would show here, signature or not."""
    assert refusal(signed(voice(**changes))) == (reason, 400)


def test_a_request_that_names_no_account_is_accepted_by_its_signature() -> None:
    """A test server may leave out fields that Twilio always sends."""
    fields = {name: value for name, value in voice().items() if name != "AccountSid"}
    assert _leg_or_status(signed(fields)) == LEG


def test_the_url_names_the_prompt_that_was_played() -> None:
    """Before the words that answer it: the carrier speaks and listens for us."""
    url = f"{URL}?callId={CALL}&said=7&turnToken=t"
    webhook = codec().parse(signed(voice(SpeechResult="yes", CallStatus="in-progress"), url=url))
    said, heard = webhook.events
    assert said == PlaybackDone(utterance=7, heard_ms=0, total_ms=None, complete=True, leg=_LEG)
    assert isinstance(heard, Heard)
    assert (heard.text, heard.turn_token, webhook.wants_reply) == ("yes", "t", True)


def test_the_url_names_the_digits_that_were_played() -> None:
    """And the leg waits for what to do next."""
    webhook = codec().parse(signed(voice(CallStatus="in-progress"), url=f"{URL}?callId={CALL}&pressed=7"))
    pressed, answered = webhook.events
    assert pressed == CommandDone(effect=EffectId(f"{CALL}.7"), leg=_LEG)
    assert (answered, webhook.wants_reply) == (Answered(leg=_LEG), True)


@pytest.mark.parametrize(
    "query",
    [
        "said=x",
        "said=-1",
        "said=1234567",
        "callId=*",
        "callId=",
        f"callId={CALL}&callId={CALL}",
        f"callId={CALL.upper()}",
        f"callId={CALL}%0a",
    ],
)
def test_a_call_id_is_one_uuid_or_the_request_is_refused(query: str) -> None:
    """Attack 77: ids are never patterns."""
    assert refusal(signed(voice(), url=f"{URL}?{query}"))[1] == 400


def test_a_repeated_field_is_refused() -> None:
    """Attack 16: two readers could disagree about which value counts."""
    assert refusal(raw(urlencode([*voice().items(), ("CallSid", LEG)]).encode())) == ("form-repeated", 400)


def test_a_verified_json_body_is_still_no_voice_request() -> None:
    """Attack 35."""
    assert refusal(raw(b"{}", content_type="application/json")) == ("content-type", 415)


@given(
    body=st.binary(max_size=200) | st.dictionaries(st.text(max_size=9), st.text(max_size=9)).map(_encoded),
    url=st.text(max_size=40) | st.text(max_size=30).map(lambda tail: f"{URL}?{tail}"),
)
def test_only_a_rejection_comes_out_of_parse(body: bytes, url: str) -> None:
    """Whatever the bytes: never another exception."""
    refusal(raw(body, url=url))


@given(changes=st.dictionaries(st.sampled_from(sorted([*voice(), "Digits", "SpeechResult", "StreamEvent"])), st.text()))
def test_any_values_in_known_fields_are_read_or_refused(changes: dict[str, str]) -> None:
    """Fields that Twilio lets a caller fill hold anything at all."""
    said = _leg_or_status(raw(_encoded({**voice(), **changes})))
    assert said in (LEG, 400)
