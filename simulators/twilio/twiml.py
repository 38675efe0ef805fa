"""Reads TwiML: XML text to verbs, and the URLs of the next documents. Pure."""

from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

from simulators.twilio.retries import retry_policy

__all__ = ["DOCUMENT_LIMIT", "BadTwiml", "Destination", "Document", "read_twiml", "resolve"]

DOCUMENT_LIMIT = 64 * 1024


class BadTwiml(ValueError):
    """The response is not TwiML. `code` is Twilio's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Destination:
    """Where the next document is: a URL to request, or TwiML at hand. `fields` are sent along."""

    url: str = ""
    method: str = "POST"
    twiml: str = ""
    kind: str = "voice"
    fields: tuple[tuple[str, str], ...] = ()
    fallback_url: str = ""
    fallback_method: str = "POST"


@dataclass(frozen=True)
class Document:
    """Verbs to perform in order. `base` is the URL they came from, against which relative URLs are resolved."""

    verbs: tuple[ET.Element, ...]
    base: str = field(default="")


def read_twiml(text: str | bytes, *, base: str = "", content_type: str = "text/xml") -> Document:
    """Parse a response. Raises BadTwiml: 12300 for the wrong content type, 12100 for invalid TwiML."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("text/xml", "application/xml", "text/html"):
        raise BadTwiml(12300, f"content type {kind!r}")
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > DOCUMENT_LIMIT:
        raise BadTwiml(11750, f"{len(raw)} bytes are more than {DOCUMENT_LIMIT}")
    if b"<!DOCTYPE" in raw:
        # Entities and external documents are refused: TwiML needs none.
        raise BadTwiml(12100, "a document type declaration")
    try:
        root = ET.fromstring(raw)  # noqa: S314  declarations, which every known XML attack needs, were refused above
    except ET.ParseError as error:
        raise BadTwiml(12100, str(error)) from error
    if root.tag != "Response":
        raise BadTwiml(12100, f"the root is <{root.tag}>, not <Response>")
    return Document(tuple(root), base)


def resolve(base: str, url: str) -> str:
    """An absolute URL for `url` as written in a document from `base`; "" when there is none.

    An empty `url` means the document's own. The base's retry fragment is dropped; the new URL's own is kept.
    """
    bare = retry_policy(base)[0] if base else ""
    absolute = urljoin(bare, url) if url else base
    return absolute if urlsplit(absolute).scheme in ("http", "https") else ""
