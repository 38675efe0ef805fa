"""Our replies in Plivo XML: `<Stream>`, `<GetInput>`, `<Wait>`, `<Hangup>`, or an empty `<Response>` (carriers 3.2).

Pure; the codec renders with it. Knows the elements; does not choose among them. Names are case sensitive, and a
document that comes to its end hangs up.
"""

import re
from typing import Final, assert_never
from xml.etree.ElementTree import Element, SubElement, tostring

from voicecall.call.replies import AwaitGreetingEnd, Connect, Gather, Hangup, NoOp, Refuse, Reply
from voicecall.carriers.common.polly import polly_voice
from voicecall.carriers.common.stream_path import personal_url

__all__ = ["RETRIES", "render"]

RETRIES: Final = "#rc=3&rp=5xx,ct,rt"
"""Fragment of every URL we give Plivo: ask again when we answer 5xx or not at all (reliability P15). Never signed."""

# XML 1.0 has no way to write these: control characters, surrogates, and two non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


_LISTEN_S: Final = "60"
_LISTEN_BEHIND_A_PROMPT_S: Final = "15"
_GREETING_S: Final = "40"


def render(reply: Reply, *, voice: str | None = None) -> bytes:
    """The document, UTF-8 with its XML declaration. `voice`: as configured, for what is said natively."""
    response = Element("Response")
    match reply:
        case Connect():
            _connect(response, reply)
        case Refuse(reason=reason):
            SubElement(response, "Hangup", reason="busy" if reason == "busy" else "rejected")
        case Gather(text=text, heard_url=heard, silent_url=silent):
            _converse(response, text, heard, silent, reply.voice or voice)
        case AwaitGreetingEnd(ended_url=ended):
            # `beep` ends the wait early; a machine without one is spoken to when its greeting must be over.
            SubElement(response, "Wait", length=_GREETING_S, beep="true")
            _redirect(response, ended)
        case Hangup():
            SubElement(response, "Hangup")
        case NoOp():
            pass
        case _:
            assert_never(reply)
    document: bytes = tostring(response, encoding="UTF-8", xml_declaration=True)
    return document


def _connect(response: Element, reply: Connect) -> None:
    # Without keepCallAlive the call would be over seconds later; with it, what follows runs when the stream has ended.
    stream = SubElement(
        response, "Stream", bidirectional="true", keepCallAlive="true", contentType="audio/x-mulaw;rate=8000"
    )
    # In the path, because Plivo's start frame has no place for parameters of ours.
    stream.text = _written(personal_url(reply.stream_url, reply.call, reply.token))
    _redirect(response, reply.resume_url)


def _converse(response: Element, text: str, heard_url: str, silent_url: str, voice: str | None) -> None:
    """Say and listen in one document; silence falls through to the redirect, which listens again."""
    listen = SubElement(
        response,
        "GetInput",
        action=_ours(heard_url),
        method="POST",
        inputType="dtmf speech",
        executionTimeout=_LISTEN_BEHIND_A_PROMPT_S if text else _LISTEN_S,
        speechEndTimeout="2",
        redirect="true",
    )
    if text:
        SubElement(listen, "Speak", voice=polly_voice(voice), language="en-US").text = _written(text)
    _redirect(response, silent_url)


def _redirect(response: Element, url: str) -> None:
    SubElement(response, "Redirect", method="POST").text = _ours(url)


def _ours(url: str) -> str:
    return _written(url.partition("#")[0]) + RETRIES


def _written(text: str) -> str:
    return _UNWRITABLE.sub("", text)
