"""A form body or a query as named text, strictly: at most 200 fields, valid UTF-8, 64 KiB.

Pure; signature and webhooks read with it. Knows the encoding; does not know what Plivo's fields mean.
"""

from typing import Final
from urllib.parse import parse_qsl

from voicecall.errors import WebhookRejected

__all__ = ["FORM", "MAX_FIELDS", "Fields", "is_form", "named", "read_form", "read_query"]

Fields = list[tuple[str, str]]
"""Decoded, in the order sent, repeats and empty values included."""

FORM: Final = "application/x-www-form-urlencoded"

MAX_FIELDS: Final = 200
"""Plivo sends about twenty. More is an attack on our sorting (reliability, attack 32)."""

_MAX_BODY: Final = 65_536


def is_form(content_type: str) -> bool:
    """True for a form in UTF-8, said or unsaid; no other charset, no other type (attack 35)."""
    bare, _, parameters = content_type.lower().partition(";")
    return bare.strip() == FORM and parameters.strip().replace('"', "") in ("", "charset=utf-8")


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
    """Raises WebhookRejected("query", 400). Our own URLs hold a handful of plain fields."""
    try:
        return _pairs(query)
    except ValueError as error:
        raise WebhookRejected("query", status=400) from error


def named(fields: Fields) -> dict[str, str]:
    """The fields by name. Raises WebhookRejected (400) when a name comes twice: Plivo repeats none."""
    found = dict(fields)
    if len(found) != len(fields):
        raise WebhookRejected("form-repeated", status=400)
    return found


def _pairs(text: str) -> Fields:
    # A lone surrogate cannot have come over a wire; refused here, because signing would fail on it.
    text.encode()
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
