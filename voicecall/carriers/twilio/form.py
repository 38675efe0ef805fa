"""A form body as fields, strictly: one content type, one charset, at most 200 fields, valid UTF-8.

Pure; the codec reads every webhook with it. Knows the encoding; does not know what Twilio's fields mean.
"""

from typing import Final
from urllib.parse import unquote_to_bytes

from voicecall.carriers.twilio.signature import Fields
from voicecall.errors import WebhookRejected

__all__ = ["MAX_FIELDS", "media_type", "named", "read_form"]

MAX_FIELDS: Final = 200
"""Twilio sends about thirty. More is an attack on our sorting (reliability, attack 32)."""

_MAX_BODY: Final = 65_536


def media_type(content_type: str) -> str:
    """The bare type, lower-cased. Raises WebhookRejected (415) for any charset but UTF-8."""
    bare, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower()
    if charset and charset.replace('"', "") != "charset=utf-8":
        raise WebhookRejected("content-type", status=415)
    return bare.strip().lower()


def read_form(body: bytes) -> Fields:
    """Every field in the order sent, decoded, repeats and empty values included.

    Raises WebhookRejected: "form-size" (413), "form-fields" over 200 of them, "form-encoding" when not UTF-8 (400).
    """
    if len(body) > _MAX_BODY:
        raise WebhookRejected("form-size", status=413)
    if body.count(b"&") >= MAX_FIELDS:
        raise WebhookRejected("form-fields", status=400)
    fields: Fields = []
    plain = body.isascii()
    for pair in body.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            # Most pairs are written as they are, and a webhook has thirty of them.
            if not plain or b"%" in pair or b"+" in pair:
                name, value = _decoded(name), _decoded(value)
            fields.append((name, value))
    return fields


def named(fields: Fields) -> dict[str, str]:
    """The fields by name. Raises WebhookRejected (400) when a name comes twice: Twilio's voice requests repeat none."""
    found = {name.decode(): value.decode() for name, value in fields}
    if len(found) != len(fields):
        raise WebhookRejected("form-repeated", status=400)
    return found


def _decoded(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" in text:
        text = unquote_to_bytes(text)
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise WebhookRejected("form-encoding", status=400) from error
    return text
