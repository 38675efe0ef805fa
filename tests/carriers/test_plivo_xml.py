"""Our replies as Plivo XML, compared with the documents that Plivo's own builder makes."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo import plivoxml  # type: ignore[import-untyped]  # it ships no types

from tests.carriers.plivo_requests import CALL, codec
from voicecall.call.ids import CallId
from voicecall.call.replies import Connect, Gather, Hangup, Hold, NativeVoice, NoOp, Refuse, Reply

_STREAM = "wss://calls.example.com/voice/stream"
_RESUME = f"https://calls.example.com/voice/webhook?callId={CALL}&resume=1"
_HEARD, _SILENT = _RESUME.replace("resume", "heard"), _RESUME.replace("resume", "silent")
_RETRIES = "#rc=3&rp=5xx,ct,rt"
_CONNECT = Connect(
    call=CallId(CALL), stream_url=_STREAM, token="t0k-en_", rounds=(("t.1", "t.2"), ("t.3",)), resume_url=_RESUME
)
_PROMPT = Gather(text="<Hello> & 'welcome'", heard_url=_HEARD, silent_url=_SILENT)


def _connected(response: Any) -> None:
    _stream(response, "t0k-en_")
    _reconnected(response)


def _stream(response: Any, token: str) -> None:
    url, form = f"{_STREAM}/{CALL}/{token}", "audio/x-mulaw;rate=8000"
    response.add(plivoxml.StreamElement(url, bidirectional=True, keepCallAlive=True, contentType=form))


def _reconnected(response: Any) -> None:
    """C3: two streams a second; a webhook that nothing answers would end the call, so it is the last."""
    _stream(response, "t.1")
    _stream(response, "t.2")
    response.add(plivoxml.WaitElement(length=1))
    _stream(response, "t.3")
    response.add(plivoxml.RedirectElement(_RESUME + _RETRIES, method="POST"))


def _listening(seconds: int, prompt: str | None) -> Callable[[Any], None]:
    def build(response: Any) -> None:
        listen = plivoxml.GetInputElement(
            action=_HEARD + _RETRIES,
            method="POST",
            input_type="dtmf speech",
            language="en-US",
            execution_timeout=seconds,
            speech_end_timeout=2,
            redirect=True,
        )
        if prompt:
            listen.add(plivoxml.SpeakElement(prompt, voice="Polly.Brian", language="en-US"))
        response.add(listen)
        response.add(plivoxml.RedirectElement(_SILENT + _RETRIES, method="POST"))

    return build


def _held(response: Any) -> None:
    """C3: nothing is requested until the next ingress listens."""
    response.add(plivoxml.WaitElement(length=1))
    _reconnected(response)


def _shape(element: Element) -> tuple[Any, ...]:
    return element.tag, dict(element.attrib), (element.text or "").strip(), [_shape(child) for child in element]


def document(reply: Reply) -> Element:
    answer = codec(voice=NativeVoice(name="onyx")).render(reply)
    assert (answer.status, answer.content_type) == (200, "application/xml")
    assert answer.body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    return fromstring(answer.body)  # our own bytes


@pytest.mark.parametrize(
    ("reply", "build"),
    [
        (_CONNECT, _connected),
        (Hold(connect=_CONNECT), _held),
        (_PROMPT, _listening(15, _PROMPT.text)),
        (Gather(text="", heard_url=_HEARD, silent_url=_SILENT), _listening(60, None)),
        (Refuse(reason="rejected"), lambda response: response.add(plivoxml.HangupElement(reason="rejected"))),
        (Refuse(reason="busy"), lambda response: response.add(plivoxml.HangupElement(reason="busy"))),
        (Refuse(reason="policy"), lambda response: response.add(plivoxml.HangupElement(reason="rejected"))),
        (Hangup(), lambda response: response.add(plivoxml.HangupElement())),
        (NoOp(), lambda _response: None),
    ],
)
def test_every_reply_is_what_the_sdk_would_write(reply: Reply, build: Callable[[Any], None]) -> None:
    """Same elements, attributes, order and text; spelling is the serializer's."""
    expected = plivoxml.ResponseElement()
    build(expected)
    assert _shape(document(reply)) == _shape(fromstring(expected.to_string()))


def test_the_way_back_carries_one_retry_rule() -> None:
    """A fragment that is there already is replaced, never doubled."""
    reply = Connect(call=CallId(CALL), stream_url=_STREAM, token="t", resume_url=_RESUME + "#rc=0")
    assert document(reply).findtext("Redirect") == _RESUME + _RETRIES


@given(text=st.text(), tail=st.text())
def test_no_text_can_break_the_document(text: str, tail: str) -> None:
    """Attack 49: control characters and lone surrogates are dropped, markup is only text."""
    response = document(Gather(text=f".{text}", heard_url=_HEARD + tail, silent_url=_SILENT + tail))
    assert [child.tag for child in response.iter()] == ["Response", "GetInput", "Speak", "Redirect"]
    connected = document(Connect(call=CallId(CALL), stream_url=_STREAM, token=text, resume_url=_RESUME + tail))
    assert [child.tag for child in connected.iter()] == ["Response", "Stream", "Redirect"]
