"""Renders replies as Plivo XML: `<Stream>`, `<GetInput>`, `<Wait>`, `<Hangup>`, or an empty `<Response>`.

Pure; used by the codec. The elements are those of Plivo's "XML Overview": names are case sensitive, and a call hangs up
at the end of its document.
"""

from typing import Final, assert_never
from xml.etree.ElementTree import Element, SubElement

from voicecall.call.replies import (
    US_ENGLISH,
    AwaitGreetingEnd,
    Connect,
    Gather,
    HandOver,
    Hangup,
    Hold,
    NativeVoice,
    NoOp,
    Refuse,
    Reply,
)
from voicecall.carriers.common.native_voice import ENGLISH, Native, native
from voicecall.carriers.common.stream_path import personal_url
from voicecall.carriers.common.xml import RETRIES, document, redirect, with_retries, writable

__all__ = ["RETRIES", "render", "spoken_by"]

_LISTEN_S: Final = "60"
_LISTEN_BEHIND_A_PROMPT_S: Final = "15"
_GREETING_S: Final = "40"


def render(reply: Reply, *, voice: NativeVoice = US_ENGLISH) -> bytes:
    """The document, UTF-8 with its XML declaration. `voice`: the configured one, for native prompts."""
    response = Element("Response")
    match reply:
        case Connect():
            _stream(response, reply, reply.token)
            _reconnect(response, reply)
        case Hold(connect=connect):
            SubElement(response, "Wait", length="1")
            _reconnect(response, connect)
        case Refuse(reason=reason):
            SubElement(response, "Hangup", reason="busy" if reason == "busy" else "rejected")
        case Gather(text=text, heard_url=heard, silent_url=silent):
            _converse(response, text, heard, silent, reply.voice or voice)
        case AwaitGreetingEnd(ended_url=ended):
            # `beep` ends the wait early; without a beep the message is left when the greeting must be over.
            SubElement(response, "Wait", length=_GREETING_S, beep="true")
            redirect(response, ended)
        case HandOver():
            _dial(response, reply)
        case Hangup():
            SubElement(response, "Hangup")
        case NoOp():
            pass
        case _:
            assert_never(reply)
    return document(response)


def _dial(response: Element, reply: HandOver) -> None:
    """The next document comes from the action URL, whatever became of it."""
    dial = SubElement(
        response,
        "Dial",
        action=with_retries(reply.ended_url),
        method="POST",
        callerId=reply.from_.removeprefix("+"),
        timeout=str(min(max(round(reply.ring_timeout_s), 5), 600)),
        redirect="true",
    )
    SubElement(dial, "Number").text = reply.to.removeprefix("+")


def _reconnect(response: Element, reply: Connect) -> None:
    """What Plivo does when the stream has ended, or was refused, and the call is still up (P7)."""
    for place, tokens in enumerate(reply.rounds):
        if place:
            SubElement(response, "Wait", length="1")
        for token in tokens:
            _stream(response, reply, token)
    redirect(response, reply.resume_url)


def _stream(response: Element, reply: Connect, token: str) -> None:
    # Without keepCallAlive the call would end; with it, the next element runs when the stream has ended.
    stream = SubElement(
        response, "Stream", bidirectional="true", keepCallAlive="true", contentType="audio/x-mulaw;rate=8000"
    )
    # In the path, because Plivo's start frame returns no custom parameters.
    stream.text = writable(personal_url(reply.stream_url, reply.call, token))


def spoken_by(voice: NativeVoice) -> Native:
    """Polly's voice, the only kind here; US English where it has none of the language."""
    found = native(voice)
    return found if found.voice is not None else ENGLISH


def _converse(response: Element, text: str, heard_url: str, silent_url: str, voice: NativeVoice) -> None:
    """Speaks and listens in one document; on silence the redirect follows, and listens again."""
    listen = SubElement(
        response,
        "GetInput",
        action=with_retries(heard_url),
        method="POST",
        inputType="dtmf speech",
        executionTimeout=_LISTEN_BEHIND_A_PROMPT_S if text else _LISTEN_S,
        language=native(voice).recognised,
        speechEndTimeout="2",
        redirect="true",
    )
    if text:
        spoken = spoken_by(voice)
        SubElement(listen, "Speak", voice=spoken.voice or "", language=spoken.language).text = writable(text)
    redirect(response, silent_url)
