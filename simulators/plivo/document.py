"""Reads Plivo XML: text to elements, and the URLs of the next documents. Pure.

Plivo rejects a whole document for one invalid element, so everything that can be checked in advance is checked here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

__all__ = ["DOCUMENT_LIMIT", "BadXml", "Destination", "read_document", "resolve"]

DOCUMENT_LIMIT = 100_000
_SPEECH_LIMIT = 3000
_URL_LIMIT = 2048
_HEADERS_LIMIT = 512
_LANGUAGES = frozenset(
    """
    arb cmn-CN cy-GB da-DK de-DE en-AU en-CA en-GB en-GB-WLS en-IN en-US es-ES es-MX es-US fr-CA fr-FR hi-IN is-IS
    it-IT ja-JP ko-KR nb-NO nl-NL pl-PL pt-BR pt-PT ro-RO ru-RU sv-SE tr-TR
    """.split()  # noqa: SIM905  a table of forty short words reads better as text
)
_KNOWN = frozenset(
    """
    Conference Dial DTMF GetDigits GetInput Hangup Message MultiPartyCall Play PreAnswer Record Redirect Speak Stream
    Wait
    """.split()  # noqa: SIM905  likewise
)
_VOICES = re.compile(r"WOMAN|MAN|Polly\.\w+")


class BadXml(ValueError):
    """The response is not valid Plivo XML."""


@dataclass(frozen=True)
class Destination:
    """Where the next document is. `kind`: answer, action, redirect or transfer; `fields` are sent along."""

    url: str
    method: str = "POST"
    kind: str = "answer"
    fields: tuple[tuple[str, str], ...] = ()
    fallback_url: str = ""
    fallback_method: str = "POST"


def read_document(raw: bytes, *, content_type: str = "text/xml") -> tuple[ET.Element, ...]:
    """The elements of a response, each known and well formed. Raises BadXml."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("text/xml", "application/xml"):
        raise BadXml(f"content type {kind!r}")
    if len(raw) > DOCUMENT_LIMIT:
        raise BadXml(f"{len(raw)} bytes are more than {DOCUMENT_LIMIT}")
    if b"<!DOCTYPE" in raw:
        # Entities and external documents are refused: Plivo XML needs none.
        raise BadXml("a document type declaration")
    try:
        root = ET.fromstring(raw)  # noqa: S314  declarations, which every known XML attack needs, were refused above
    except ET.ParseError as error:
        raise BadXml(str(error)) from error
    if root.tag != "Response":
        raise BadXml(f"the root is <{root.tag}>, not <Response>")
    for element in root:
        _check(element)
    return tuple(root)


def resolve(base: str, url: str) -> str:
    """An absolute URL for `url` as written in a document from `base`; "" when there is none."""
    absolute = urljoin(base.partition("#")[0], url) if url else ""
    return absolute if urlsplit(absolute).scheme in ("http", "https") else ""


def _check(element: ET.Element) -> None:
    if element.tag not in _KNOWN:
        raise BadXml(f"<{element.tag}> is no element of Plivo's")
    check = _CHECKS.get(element.tag)
    if check is not None:
        check(element)


def _speak(element: ET.Element) -> None:
    voice = element.get("voice", "WOMAN")
    if not _VOICES.fullmatch(voice):
        raise BadXml(f"voice {voice!r}")
    if element.get("language", "en-US") not in _LANGUAGES:
        raise BadXml(f"language {element.get('language')!r}")
    if len(element) and not voice.startswith("Polly."):
        raise BadXml("SSML needs a Polly voice")
    text = "".join(element.itertext())
    if not text.strip() or len(text) > _SPEECH_LIMIT:
        raise BadXml(f"a text of {len(text)} characters")


def _get_input(element: ET.Element) -> None:
    if not element.get("action"):
        raise BadXml("GetInput needs an action")
    if set(element.get("inputType", "").split() or ["none"]) - {"dtmf", "speech"}:
        raise BadXml(f"inputType {element.get('inputType')!r}")
    _within(element, "executionTimeout", 5, 60)
    for name in ("digitEndTimeout", "speechEndTimeout"):
        if element.get(name, "auto") != "auto":
            _within(element, name, 2, 10)
    for child in element:
        if child.tag not in ("Speak", "Play"):
            raise BadXml(f"<{child.tag}> in GetInput")
        _check(child)


def _stream(element: ET.Element) -> None:
    url = (element.text or "").strip()
    if urlsplit(url).scheme not in ("ws", "wss") or len(url) > _URL_LIMIT:
        raise BadXml(f"Stream to {url[:100]!r}")
    # The documented default differs between pages, so the attribute is required.
    if element.get("contentType") != "audio/x-mulaw;rate=8000":
        raise BadXml(f"Stream contentType {element.get('contentType')!r}: the simulator speaks audio/x-mulaw;rate=8000")
    if element.get("bidirectional") == "true" and element.get("audioTrack", "inbound") != "inbound":
        raise BadXml("a bidirectional Stream carries the inbound track only")
    if len(element.get("extraHeaders", "")) > _HEADERS_LIMIT:
        raise BadXml("extraHeaders are too long")


def _hangup(element: ET.Element) -> None:
    if element.get("reason", "rejected") not in ("rejected", "busy"):
        raise BadXml(f"Hangup reason {element.get('reason')!r}")
    _within(element, "schedule", 0, 86_400)


def _wait(element: ET.Element) -> None:
    _within(element, "length", 1, 86_400)


def _dtmf(element: ET.Element) -> None:
    if not re.fullmatch(r"[0-9A-D*#wW]+", (element.text or "").strip()):
        raise BadXml(f"DTMF {element.text!r}")


def _within(element: ET.Element, name: str, least: int, most: int) -> None:
    text = element.get(name)
    if text is not None and not (text.isdigit() and least <= int(text) <= most):
        raise BadXml(f"{element.tag} {name}={text!r}")


_CHECKS: dict[str, Callable[[ET.Element], None]] = {
    "DTMF": _dtmf,
    "GetInput": _get_input,
    "Hangup": _hangup,
    "Speak": _speak,
    "Stream": _stream,
    "Wait": _wait,
}
