"""What the XML documents of Twilio and Plivo have in common: escaping, `<Redirect>`, retry rules, serialization.

Pure; used by the carriers' renderers. Knows none of their other elements.
"""

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

__all__ = ["RETRIES", "document", "redirect", "with_retries", "writable"]

RETRIES: Final = "#rc=3&rp=5xx,ct,rt"
"""Fragment of every URL given to the carrier: it asks again, three times, after a 5xx or no answer. Never signed.

Twilio: "Webhooks: Connection Overrides". Plivo: "Callbacks and Retries".
"""

# XML 1.0 cannot represent these: control characters, surrogates, and two non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def writable(text: str) -> str:
    """The text without characters that XML 1.0 cannot represent."""
    return _UNWRITABLE.sub("", text)


def with_retries(url: str) -> str:
    """The URL with the retry rules as its fragment."""
    return writable(url.partition("#")[0]) + RETRIES


def redirect(parent: Element, url: str) -> None:
    """Append a `<Redirect>` by POST to the URL, with the retry rules."""
    SubElement(parent, "Redirect", method="POST").text = with_retries(url)


def document(response: Element) -> bytes:
    """The document in UTF-8 with its XML declaration."""
    made: bytes = tostring(response, encoding="UTF-8", xml_declaration=True)
    return made
