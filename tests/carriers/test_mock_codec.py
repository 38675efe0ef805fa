"""The mock carrier's language: signed JSON in, JSON instructions out, flat media frames."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.twilio_requests import CALL
from voicecall.call.events import Answered, AnsweredBy, DtmfReceived, EndReason, Event, Heard, HungUp, Ringing
from voicecall.call.ids import CallId, LegId, StreamId
from voicecall.call.replies import Connect, Gather, Hangup, Hold, NoOp, Refuse, Reply
from voicecall.carriers.mock.codec import Codec
from voicecall.carriers.mock.media import Media
from voicecall.carriers.mock.signature import sign
from voicecall.errors import WebhookRejected
from voicecall.ports import (
    MediaAudio,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
    Webhook,
    WebhookRequest,
)

_SECRET, _NOW = "s3cret", 1_790_000_000
_URL = "http://127.0.0.1:3334/voice/webhook"
_LEG = LegId("leg-1")
_STREAM = StreamId("st-1")
_SIGNED = Codec(secret=_SECRET, now=lambda: float(_NOW))
_OPEN = Codec(secret=None, now=lambda: float(_NOW))


def request(body: bytes, headers: Mapping[str, str] | None = None, *, url: str = _URL) -> WebhookRequest:
    return WebhookRequest(
        method="POST", url=url, headers={"content-type": "application/json", **(headers or {})}, body=body
    )


def signed(body: bytes, *, at: object = _NOW, secret: str = _SECRET, url: str = _URL) -> WebhookRequest:
    return request(body, {"x-mock-timestamp": str(at), "x-mock-signature": sign(secret, str(at), url, body)}, url=url)


def meaning(*events: dict[str, Any], url: str = _URL) -> Webhook:
    return _OPEN.parse(request(json.dumps({"events": events}).encode(), url=url))


def refusal(body: bytes, url: str = _URL) -> tuple[str, int]:
    with pytest.raises(WebhookRejected) as refused:
        _OPEN.parse(request(body, url=url))
    return refused.value.reason, refused.value.status


def _parsed(body: bytes, url: str) -> Webhook | WebhookRejected:
    try:
        return _OPEN.parse(request(body, url=url))
    except WebhookRejected as rejected:
        return rejected


def outbound(kind: str, **facts: Any) -> dict[str, Any]:
    return {"type": kind, "callId": CALL, "legId": _LEG, **facts}


# --- who says so


@given(body=st.binary(max_size=99), late_s=st.integers(-300, 300))
def test_what_the_secret_signed_gets_in(body: bytes, late_s: int) -> None:
    """Any body, five minutes either side."""
    assert _SIGNED.verify(signed(body, at=_NOW + late_s)).key.startswith("mock:")


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (request(b"{}"), "signature-missing"),
        (signed(b"{}", secret="other"), "signature-mismatch"),
        (request(b"{ }", signed(b"{}").headers), "signature-mismatch"),
        (request(b"{}", signed(b"{}").headers, url=f"{_URL}?callId={CALL}"), "signature-mismatch"),
        (request(b"{}", signed(b"{}").headers, url="http://127.0.0.1/\ud800"), "signature-mismatch"),
        (request(b"{}", {**signed(b"{}").headers, "x-mock-timestamp": str(_NOW + 1)}), "signature-mismatch"),
        (signed(b"{}", at=_NOW - 301), "signature-stale"),
        (signed(b"{}", at=_NOW + 301), "signature-stale"),
        *[(signed(b"{}", at=at), "signature-malformed") for at in ("-1", "1e3", "١٢٣", f" {_NOW}", "9" * 30, "now")],
        (request(b"{}", {"x-mock-timestamp": str(_NOW), "x-mock-signature": "é" * 64}), "signature-malformed"),
        (request(b"{}", {"x-mock-timestamp": str(_NOW), "x-mock-signature": "a" * 10_000}), "signature-malformed"),
    ],
)
def test_anything_else_is_refused(forged: WebhookRequest, reason: str) -> None:
    """Attacks 1, 2, 4, 5 and 19, in the mock carrier's scheme."""
    with pytest.raises(WebhookRejected) as refused:
        _SIGNED.verify(forged)
    assert (refused.value.reason, refused.value.status) == (reason, 401)


def test_without_a_secret_each_request_has_a_key_too() -> None:
    """A mock without one could not be driven over HTTP."""
    requests = [request(b"{}"), request(b"{ }"), request(b"{}", url=f"{_URL}?n=1"), request(b"{}", url="\ud800")]
    assert len({_OPEN.verify(one).key for one in requests}) == 4
    assert _OPEN.verify(request(b"{}")) == _OPEN.verify(request(b"{}"))
    assert (_OPEN.looks_signed({}), _SIGNED.looks_signed({})) == (True, False)
    assert _SIGNED.looks_signed(signed(b"{}").headers)
    _SIGNED.verify_upgrade("ws://127.0.0.1/voice/stream", {})


# --- what it means


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (outbound("call.ringing"), Ringing(leg=_LEG)),
        (outbound("call.answered"), Answered(leg=_LEG)),
        (outbound("call.answered", answeredBy="machine"), Answered(leg=_LEG, by=AnsweredBy.MACHINE)),
        (outbound("call.speech", transcript="hi"), Heard(text="hi", leg=_LEG)),
        (
            outbound("call.speech", transcript="hi", isFinal=False, confidence=0.5, turnToken="t"),
            Heard(text="hi", final=False, confidence=0.5, turn_token="t", leg=_LEG),
        ),
        (outbound("call.dtmf", digits="1#"), DtmfReceived(digits="1#", leg=_LEG)),
        (outbound("call.ended"), HungUp(leg=_LEG, reason=EndReason.COMPLETED)),
        (outbound("call.ended", reason="busy"), HungUp(leg=_LEG, reason=EndReason.BUSY)),
        (outbound("call.error", error="x"), HungUp(leg=_LEG, reason=EndReason.ERROR)),
    ],
)
def test_each_type_is_its_fact(item: dict[str, Any], event: Event) -> None:
    """Every event type, in the mock's format."""
    webhook = meaning(item)
    assert (webhook.call, webhook.leg, webhook.events) == (CALL, _LEG, (event,))
    assert webhook.wants_reply == (item["type"] == "call.answered")


def test_a_transcript_posted_to_a_reply_s_url_belongs_to_its_turn() -> None:
    """The token is in the URL that a reply named, or else in the event itself."""
    url = f"{_URL}?turnToken=t1&n=1"
    assert meaning(outbound("call.speech", transcript="hi"), url=url).events == (
        Heard(text="hi", turn_token="t1", leg=_LEG),
    )
    (heard,) = meaning(outbound("call.speech", transcript="hi", turnToken="t2"), url=url).events
    assert heard == Heard(text="hi", turn_token="t2", leg=_LEG)


@pytest.mark.parametrize(
    "kind", ["call.initiated", "call.active", "call.speaking", "call.silence", "call.assistant-speech", "tea"]
)
def test_other_types_change_nothing(kind: str) -> None:
    """Skipped; only an unknown type is counted as unknown."""
    webhook = meaning(outbound(kind))
    assert (webhook.events, webhook.wants_reply) == ((), False)
    assert webhook.kind == ("status" if kind == "call.initiated" else "unknown")
    assert meaning(outbound("call.error", retryable=True)).events == ()


def test_an_inbound_call_arrives_with_its_numbers() -> None:
    """Direction, from and to are passed on; there is no event yet, because the ingress decides."""
    item = {"type": "call.initiated", "legId": "x:1", "direction": "inbound", "from": "+15550001111", "to": "+1555"}
    expected = Webhook(
        call=None,
        leg=LegId("x:1"),
        inbound=True,
        from_="+15550001111",
        to="+1555",
        events=(),
        wants_reply=True,
        kind="answer",
    )
    assert meaning(item) == expected
    assert meaning({**item, "legId": "", "callId": "x:1"}) == expected


def test_the_answer_of_an_inbound_call_is_a_report_without_a_reply() -> None:
    """They asked when they arrived; a second instruction would cut the first."""
    webhook = meaning({"type": "call.answered", "legId": _LEG, "direction": "inbound"})
    assert (webhook.events, webhook.wants_reply, webhook.kind) == ((Answered(leg=_LEG),), False, "status")


def test_an_event_is_identified_by_its_id_and_not_by_its_signature() -> None:
    """Each attempt is signed anew; a person who says "yes" twice is heard twice."""
    event = outbound("call.speech", transcript="yes")
    keys = [
        _OPEN.parse(request(json.dumps({**name, "event": event}).encode())).event_key
        for name in ({"id": "7"}, {"id": "7"}, {"id": "8"}, {})
    ]
    assert keys == ["mock:event:7", "mock:event:7", "mock:event:8", None]


def test_one_request_may_hold_several_events() -> None:
    """In order, of one leg; a leg without a name is the one our dial made."""
    webhook = meaning(*[{"type": kind, "callId": CALL} for kind in ("call.ringing", "call.answered", "call.ended")])
    assert webhook.leg == f"mock-{CALL}"
    assert [type(event) for event in webhook.events] == [Ringing, Answered, HungUp]


def test_a_lost_socket_comes_back_by_the_url_it_was_given() -> None:
    """`call.waiting` asks "what now?" at `resumeUrl`, which names the call."""
    webhook = meaning({"type": "call.waiting"}, url=f"{_URL}?callId={CALL}&resume=1")
    assert (webhook.call, webhook.wants_reply, webhook.events) == (CALL, True, ())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *[(body, "json-malformed") for body in (b"", b"[]", b"{", b'{"a":NaN}', b'{"a":1e400}', b'{"a":"\\ud800"}')],
        *[(body, "json-malformed") for body in (b'{"a":1,"a":1}', b'{"a":' + b"[" * 60_000, b'{"a":' + b"1" * 5000)],
        *[(body, "events") for body in (b"{}", b'{"events":[]}', b'{"events":{}}', b'{"events":[1]}', b'{"event":{}}')],
        (json.dumps({"events": [outbound("call.ringing")] * 101}).encode(), "events"),
        (b'{"event":{"type":5,"callId":"' + CALL.encode() + b'"}}', "events"),
        (b'{"event":{"type":"call.ringing"}}', "leg-id"),
        (b'{"event":{"type":"call.ringing","legId":"a b"}}', "leg-id"),
        (b'{"event":{"type":"call.ringing","callId":"*"}}', "call-id"),
        (b'{"event":{"type":"x","direction":"inbound","callId":"a","legId":"b"}}', "call-id"),
        (json.dumps({"events": [outbound("x"), outbound("x", legId="leg-2")]}).encode(), "mixed-calls"),
        *[(json.dumps({"id": i, "event": outbound("x")}).encode(), r) for i, r in ((1, "events"), ("a b", "event-id"))],
        (json.dumps({"event": outbound("call.dtmf", digits="12x")}).encode(), "digits"),
        (json.dumps({"event": outbound("call.speech", confidence=2)}).encode(), "confidence"),
        (json.dumps({"event": outbound("call.speech", confidence=True)}).encode(), "confidence"),
    ],
)
def test_what_does_not_fit_is_refused(body: bytes, reason: str) -> None:
    """Attacks 34 and 77 among them."""
    assert refusal(body) == (reason, 400)


def test_a_body_that_is_too_long_or_not_json_is_refused() -> None:
    """Attacks 26 and 35."""
    assert refusal(b" " * 65_537) == ("json-size", 413)
    with pytest.raises(WebhookRejected) as refused:
        _OPEN.parse(request(b"{}", {"content-type": "text/plain"}))
    assert refused.value.status == 415


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    item=st.dictionaries(st.sampled_from(["type", "callId", "legId", "direction", "from", "digits", "x"]), _ANY),
    junk=st.binary(max_size=60),
    query=st.text(max_size=30),
)
def test_only_a_rejection_comes_out_of_parse(item: dict[str, Any], junk: bytes, query: str) -> None:
    """Whatever the bytes."""
    refusal(junk)
    body = json.dumps({"event": {"type": "call.dtmf", **item}}).encode()
    assert isinstance(_parsed(body, f"{_URL}?{query}"), Webhook | WebhookRejected)


# --- what we answer


_CONNECT = Connect(
    call=CallId(CALL), stream_url="ws://h/s", token="t", rounds=(("t.1",), ("t.2",)), resume_url="http://h/w?r"
)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            Hold(connect=_CONNECT),
            {"do": "wait", "seconds": 2, "resumeUrl": "http://h/w?r"},
        ),
        (
            _CONNECT,
            {
                "do": "connect",
                "streamUrl": "ws://h/s",
                "callId": CALL,
                "token": "t",
                "rounds": [["t.1"], ["t.2"]],
                "resumeUrl": "http://h/w?r",
            },
        ),
        (Refuse(reason="busy"), {"do": "reject", "reason": "busy"}),
        (
            Gather(text="Hi", heard_url="http://h/a", silent_url="http://h/b"),
            {"do": "converse", "text": "Hi", "heardUrl": "http://h/a", "silentUrl": "http://h/b"},
        ),
        (Hangup(), {"do": "hangup"}),
        (NoOp(), {"do": "nothing"}),
    ],
)
def test_every_reply_is_one_json_object(reply: Reply, said: dict[str, Any]) -> None:
    """`do` is the verb."""
    answer = _OPEN.render(reply)
    assert (answer.status, answer.content_type, json.loads(answer.body)) == (200, "application/json", said)


# --- media


def frame(event: str, **members: Any) -> dict[str, Any]:
    return {"event": event, "stream": _STREAM, **members}


_START = frame("start", leg=_LEG, call=CALL, token="t")
_AUDIO = frame("audio", n=1, payload=b64encode(b"\x7f" * 160).decode())


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (_START, MediaStarted(stream=_STREAM, leg=_LEG, call=CALL, token="t")),
        (_AUDIO, MediaAudio(stream=_STREAM, chunk=1, mulaw=b"\x7f" * 160)),
        (frame("key", digit="#"), MediaKey(stream=_STREAM, digit="#")),
        (frame("mark", name="u1"), MediaMark(stream=_STREAM, name="u1")),
        (frame("stop"), MediaStopped(stream=_STREAM)),
        (frame("tea"), MediaUnknown()),
    ],
)
def test_every_frame_is_read(message: dict[str, Any], said: MediaIn) -> None:
    """All the mock carrier says."""
    assert Media().read(json.dumps(message)) == said


@pytest.mark.parametrize(
    "message",
    [
        *[{**_AUDIO, "n": n} for n in (0, -1, "1", True, 1.0, None, 10**30)],
        *[{**_AUDIO, "payload": payload} for payload in ("", "AAA", "AA-_", "A" * 5468, None)],
        *[{**_AUDIO, "stream": stream} for stream in ("", 'a"', None, 1, "x" * 65)],
        *[{**_START, "token": token} for token in (None, 1, "x" * 501)],
        frame("start"),
        frame("key", digit="12"),
        frame("mark"),
        frame("audio"),
        {"event": "stop"},
        {**_AUDIO, "event": None},
        [],
    ],
)
def test_other_frames_are_malformed(message: Any) -> None:
    """Attacks 70 and 71."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        Media().read(json.dumps(message))


@given(text=st.text(max_size=40) | _ANY.map(json.dumps))
def test_only_a_rejection_comes_out_of_read(text: str) -> None:
    """Whatever the text."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        Media().read(text)


@given(mulaw=st.binary(min_size=1, max_size=4000), name=st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_we_write_is_json_with_the_same_names(mulaw: bytes, name: str) -> None:
    """A mock carrier needs no other parser than its language's own."""
    written = json.loads(Media().audio(_STREAM, mulaw))
    assert b64decode(written.pop("payload"), validate=True) == mulaw
    assert written == {"event": "audio", "stream": _STREAM}
    assert json.loads(Media().mark(_STREAM, name)) == {"event": "mark", "stream": _STREAM, "name": name}
    assert json.loads(Media().clear(_STREAM)) == {"event": "clear", "stream": _STREAM}
