"""Our replies in TwiML: `<Connect><Stream>`, `<Gather>`, `<Reject>`, `<Hangup>`, or an empty `<Response>`.

Pure; the codec renders with it. Knows the verbs (carriers 3.1); does not choose among them.
"""

import re
from typing import Final, assert_never
from xml.etree.ElementTree import Element, SubElement, tostring

from voicecall.call.replies import AwaitGreetingEnd, Connect, Gather, Hangup, NoOp, Refuse, Reply
from voicecall.carriers.common.polly import polly_voice

__all__ = ["RETRIES", "keys", "prompt", "render"]

RETRIES: Final = "#rc=3&rp=5xx,ct,rt"
"""Fragment of every URL we give Twilio: ask again when we answer 5xx or not at all (reliability P15). Never signed."""

# XML 1.0 has no way to write these: control characters, surrogates, and two non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render(reply: Reply, *, voice: str | None = None) -> bytes:
    """The document, UTF-8 with its XML declaration. `voice`: as configured, for what is said natively."""
    response = Element("Response")
    match reply:
        case Connect():
            _connect(response, reply)
        case Refuse(reason=reason):
            # First and alone: a call that is rejected before any other verb is never billed.
            SubElement(response, "Reject", reason="busy" if reason == "busy" else "rejected")
        case Gather(text=text, heard_url=heard, silent_url=silent):
            _converse(response, text, heard, silent, reply.voice or voice)
        case Hangup():
            SubElement(response, "Hangup")
        case NoOp() | AwaitGreetingEnd():  # Twilio's verdict is the beep: nobody asks to wait for it
            pass
        case _:
            assert_never(reply)
    return _document(response)


def prompt(text: str, *, heard_url: str | None, silent_url: str, voice: str | None) -> bytes:
    """What a live call is updated with: prompt and `<Gather>` in one document, because a second would cut the first.

    `heard_url` None: only say it, and tell us at `silent_url` that it was said.
    """
    response = Element("Response")
    if heard_url is None:
        _say(response, text, voice)
        _redirect(response, silent_url)
    else:
        _converse(response, text, heard_url, silent_url, voice)
    return _document(response)


def keys(digits: str, *, back_url: str) -> bytes:
    """What a live call is updated with to press `digits` (0-9 * #, and w for half a second), and then to ask us."""
    response = Element("Response")
    SubElement(response, "Play", digits=digits)
    _redirect(response, back_url)
    return _document(response)


def _document(response: Element) -> bytes:
    document: bytes = tostring(response, encoding="UTF-8", xml_declaration=True)
    return document


def _converse(response: Element, text: str, heard_url: str, silent_url: str, voice: str | None) -> None:
    """Listen behind a prompt for a moment, and without one for a minute; silence comes back and listens again."""
    gather = SubElement(
        response,
        "Gather",
        input="speech dtmf",
        action=_ours(heard_url),
        method="POST",
        speechTimeout="auto",
        timeout="3" if text else "60",
    )
    if text:
        _say(gather, text, voice)
    _redirect(response, silent_url)


def _say(parent: Element, text: str, voice: str | None) -> None:
    native = voice if voice is not None and voice.startswith("Google.") else polly_voice(voice)
    say = SubElement(parent, "Say", voice=native, language="en-US")
    say.text = _written(text)


def _redirect(response: Element, url: str) -> None:
    back = SubElement(response, "Redirect", method="POST")
    back.text = _ours(url)


def _connect(response: Element, reply: Connect) -> None:
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=_written(reply.stream_url))
    # In parameters, because Twilio removes the query of a stream's URL.
    SubElement(stream, "Parameter", name="token", value=_written(reply.token))
    SubElement(stream, "Parameter", name="callId", value=_written(reply.call))
    # Runs when the socket is gone and the call is not: come back and connect again (reliability P7).
    _redirect(response, reply.resume_url)


def _ours(url: str) -> str:
    return _written(url.partition("#")[0]) + RETRIES


def _written(text: str) -> str:
    return _UNWRITABLE.sub("", text)
