"""Our replies in TwiML: `<Connect><Stream>`, `<Reject>`, `<Pause>`, `<Hangup>`, or an empty `<Response>`.

Pure; the codec renders with it. Knows the verbs (carriers 3.1); does not choose among them.
"""

import re
from typing import Final, assert_never
from xml.etree.ElementTree import Element, SubElement, tostring

from voicecall.call.replies import Connect, Hold, Leave, Nothing, Refuse, Reply

__all__ = ["RETRIES", "render"]

RETRIES: Final = "#rc=3&rp=5xx,ct,rt"
"""Fragment of every URL we give Twilio: ask again when we answer 5xx or not at all (reliability P15). Never signed."""

# XML 1.0 has no way to write these: control characters, surrogates, and two non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render(reply: Reply) -> bytes:
    """The document, UTF-8 with its XML declaration."""
    response = Element("Response")
    match reply:
        case Connect():
            _connect(response, reply)
        case Refuse(reason=reason):
            # First and alone: a call that is rejected before any other verb is never billed.
            SubElement(response, "Reject", reason="busy" if reason == "busy" else "rejected")
        case Hold(seconds=seconds):
            SubElement(response, "Pause", length=str(seconds))
        case Leave():
            SubElement(response, "Hangup")
        case Nothing():
            pass
        case _:
            assert_never(reply)
    document: bytes = tostring(response, encoding="UTF-8", xml_declaration=True)
    return document


def _connect(response: Element, reply: Connect) -> None:
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=_written(reply.stream_url))
    # In parameters, because Twilio removes the query of a stream's URL.
    SubElement(stream, "Parameter", name="token", value=_written(reply.token))
    SubElement(stream, "Parameter", name="callId", value=_written(reply.call))
    # Runs when the socket is gone and the call is not: come back and connect again (reliability P7).
    back = SubElement(response, "Redirect", method="POST")
    back.text = _written(reply.resume_url.partition("#")[0]) + RETRIES


def _written(text: str) -> str:
    return _UNWRITABLE.sub("", text)
