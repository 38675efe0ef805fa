"""Our replies as TwiML, compared with the documents that Twilio's own builder makes."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]  # it ships no types

from tests.carriers.twilio_requests import CALL, codec
from voicecall.call.ids import CallId
from voicecall.call.replies import Connect, Gather, Hangup, Hold, NoOp, Refuse, Relay, Reply

_STREAM = "wss://calls.example.com/voice/stream"
_RESUME = f"https://calls.example.com/voice/webhook?callId={CALL}&resume=1"
_RETRIES = "#rc=3&rp=5xx,ct,rt"
_CONNECT = Connect(
    call=CallId(CALL), stream_url=_STREAM, token="t<&\"'>", rounds=(("t.1", "t.2"), ("t.3",)), resume_url=_RESUME
)


def _connected(response: VoiceResponse) -> None:
    _stream(response, "t<&\"'>")
    _reconnected(response)


def _stream(response: VoiceResponse, token: str) -> None:
    stream = response.connect().stream(url=_STREAM)
    stream.parameter(name="token", value=token)
    stream.parameter(name="callId", value=CALL)


def _reconnected(response: VoiceResponse) -> None:
    """C3: two streams a second; a webhook that nothing answers would end the call, so it is the last."""
    _stream(response, "t.1")
    _stream(response, "t.2")
    response.pause(length=1)
    _stream(response, "t.3")
    response.redirect(_RESUME + _RETRIES, method="POST")


def _held(response: VoiceResponse) -> None:
    """C3: nothing is requested until the next ingress listens."""
    response.pause(length=1)
    _reconnected(response)


def _shape(element: Element) -> tuple[Any, ...]:
    return element.tag, dict(element.attrib), element.text or "", [_shape(child) for child in element]


def document(reply: Reply) -> Element:
    answer = codec().render(reply)
    assert (answer.status, answer.content_type) == (200, "application/xml")
    assert answer.body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    return fromstring(answer.body)  # our own bytes


def _conversing(response: VoiceResponse) -> None:
    """Prompt and `<Gather>` are one document, and silence comes back: it does not end the call."""
    gather = response.gather(
        input="speech dtmf",
        action="https://h/w?a=1" + _RETRIES,
        method="POST",
        language="en-US",
        speech_timeout="auto",
        timeout=3,
    )
    gather.say("Hi & bye", voice="Polly.Joanna", language="en-US")
    response.redirect("https://h/w?b=2" + _RETRIES, method="POST")


def _listening(response: VoiceResponse) -> None:
    response.gather(
        input="speech dtmf",
        action="https://h/w?a=1" + _RETRIES,
        method="POST",
        language="en-US",
        speech_timeout="auto",
        timeout=60,
    )
    response.redirect("https://h/w?b=2" + _RETRIES, method="POST")


@pytest.mark.parametrize(
    ("reply", "build"),
    [
        (_CONNECT, _connected),
        (Hold(connect=_CONNECT), _held),
        (Refuse(reason="rejected"), lambda response: response.reject(reason="rejected")),
        (Refuse(reason="busy"), lambda response: response.reject(reason="busy")),
        (Gather(text="Hi & bye", heard_url="https://h/w?a=1", silent_url="https://h/w?b=2"), _conversing),
        (Gather(text="", heard_url="https://h/w?a=1", silent_url="https://h/w?b=2"), _listening),
        (Hangup(), lambda response: response.hangup()),
        (NoOp(), lambda _response: None),
    ],
)
def test_every_reply_is_what_the_sdk_would_write(reply: Reply, build: Callable[[VoiceResponse], object]) -> None:
    """Same elements, attributes, order and text; spelling is the serializer's."""
    expected = VoiceResponse()
    build(expected)
    assert _shape(document(reply)) == _shape(fromstring(str(expected)))


def test_a_refusal_for_any_other_reason_is_plain() -> None:
    """Twilio knows two reasons, and a schema error would let the call through to an error voice."""
    assert document(Refuse(reason="inbound-policy"))[0].attrib == {"reason": "rejected"}


def test_the_way_back_carries_one_retry_rule() -> None:
    """A fragment that is there already is replaced, never doubled."""
    reply = Connect(call=CallId(CALL), stream_url=_STREAM, token="t", resume_url=_RESUME + "#rc=0")
    assert document(reply).findtext("Redirect") == _RESUME + _RETRIES


@given(token=st.text(), tail=st.text())
def test_no_text_can_break_the_document(token: str, tail: str) -> None:
    """Attack 49: control characters and lone surrogates are dropped, markup is only text."""
    reply = Connect(call=CallId(CALL), stream_url=_STREAM, token=token, resume_url=_RESUME + tail)
    response = document(reply)
    assert [child.tag for child in response.iter()] == [
        "Response",
        "Connect",
        "Stream",
        "Parameter",
        "Parameter",
        "Redirect",
    ]


@pytest.mark.parametrize("unwritable", ["\x00", "\x1b", "\x0b", "\ud800", "\ufffe"])
def test_what_xml_cannot_write_is_removed(unwritable: str) -> None:
    """Attack 49, one by one."""
    reply = Connect(call=CallId(CALL), stream_url=_STREAM, token=f"a{unwritable}b", resume_url=_RESUME)
    parameter = document(reply).find("Connect/Stream/Parameter")
    assert parameter is not None
    assert parameter.attrib["value"] == "ab"


def test_a_relay_is_a_session_of_text() -> None:
    """Its attributes are Twilio's own; what is not configured is left to Twilio, and no SDK knows `events`."""
    relay = Relay(language="de-DE", voice="Vicki-Neural", voice_provider="Amazon", more=(("x", "y"),))
    reply = Connect(call=CallId(CALL), stream_url=_STREAM, token="t", resume_url=_RESUME, relay=relay)
    session = document(reply).find("Connect/ConversationRelay")
    assert session is not None
    assert session.attrib == {
        "url": _STREAM,
        "language": "de-DE",
        "voice": "Vicki-Neural",
        "ttsProvider": "Amazon",
        "interruptible": "any",
        "dtmfDetection": "true",
        "events": "speaker-events tokens-played",
        "applicationReconnect": "true",
        "x": "y",
    }
    assert [(each.get("name"), each.get("value")) for each in session] == [("token", "t"), ("callId", CALL)]
