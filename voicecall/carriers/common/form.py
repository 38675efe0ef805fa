"""Reads a form body or a query as fields, strictly: at most 64 KiB, at most 200 fields, valid UTF-8.

Pure; used by the codecs of carriers that post forms, for signatures and webhooks. Knows the encoding, and not what any
field means.
"""

from typing import Final
from urllib.parse import unquote_plus

from voicecall.errors import WebhookRejected

__all__ = ["FORM", "MAX_FIELDS", "Fields", "media_type", "named", "read_form", "read_query"]

Fields = list[tuple[str, str]]
"""Decoded, in the order sent, repeats and empty values included."""

FORM: Final = "application/x-www-form-urlencoded"

MAX_FIELDS: Final = 200
"""Carriers send twenty to thirty. More would only make sorting them for the signature expensive (attack 32)."""

_MAX_BODY: Final = 65_536


def media_type(content_type: str) -> str:
    """The bare type, lower-cased. Raises WebhookRejected("content-type", 415) for any charset but UTF-8 (attack 35)."""
    bare, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower()
    if charset and charset.replace('"', "") != "charset=utf-8":
        raise WebhookRejected("content-type", status=415)
    return bare.strip().lower()


def read_form(body: bytes) -> Fields:
    """Raises WebhookRejected: "form-size" (413), "form-fields" over 200, "form-encoding" when not UTF-8 (400)."""
    if len(body) > _MAX_BODY:
        raise WebhookRejected("form-size", status=413)
    if body.count(b"&") >= MAX_FIELDS:
        raise WebhookRejected("form-fields", status=400)
    try:
        return _pairs(body.decode())
    except ValueError as error:
        raise WebhookRejected("form-encoding", status=400) from error


def read_query(query: str) -> Fields:
    """Raises WebhookRejected("query", 400). The URLs that we hand out hold a handful of plain fields."""
    try:
        # A lone surrogate cannot have come over a wire, and computing a signature over it would fail.
        query.encode()
        if query.count("&") >= MAX_FIELDS:
            raise WebhookRejected("query", status=400)
        return _pairs(query)
    except ValueError as error:
        raise WebhookRejected("query", status=400) from error


def named(fields: Fields) -> dict[str, str]:
    """The fields by name. Raises WebhookRejected("form-repeated", 400) for a name that comes twice."""
    found = dict(fields)
    if len(found) != len(fields):
        raise WebhookRejected("form-repeated", status=400)
    return found


def _pairs(text: str) -> Fields:
    """Raises ValueError for what is not UTF-8 once decoded."""
    fields: Fields = []
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            # Most pairs of a webhook need no decoding.
            if "%" in pair or "+" in pair:
                name, value = unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")
            fields.append((name, value))
    return fields
