"""Verifies Plivo's signature. V3: HMAC-SHA256 over URL, sorted query, sorted form fields and a nonce.

Pure; used by the codec. The schemes are those of Plivo's "Validating Requests". The URL comes from the configuration.
The nonce does not expire, so a replay is recognised only by its key. The older V2, which Plivo sends too, covers
neither query nor body: it is not read.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from voicecall.carriers.common.form import Fields, read_query
from voicecall.errors import WebhookRejected

__all__ = ["HEADERS", "check_signature", "signed_v3"]

HEADERS: Final = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3", "x-plivo-signature-v3-nonce")
"""Names, lower-cased: signatures of the account that owns the number, of the main account, and the nonce."""

_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{43}=\Z")  # base64 of 32 bytes
_NONCE = re.compile(r"[!-~]{1,128}\Z")
_MAX_HEADER: Final = 1024
_MAX_SIGNATURES: Final = 8  # one for each active token: a handful
_WEB = frozenset({"http", "https"})


def check_signature(headers: Mapping[str, str], tokens: tuple[str, ...], url: str) -> None:
    """Accept when any signature of either header is made by one of `tokens` over `url`, as `signed_v3` wrote it.

    A token proves Plivo whichever header its signature came in, so the two are read as one list.
    Raises WebhookRejected (401): "signature-missing", "signature-malformed" or "signature-mismatch".
    """
    own, main, nonce = (headers.get(name, "") for name in HEADERS)
    if not nonce or not (own or main):
        raise WebhookRejected("signature-missing")
    if len(own) + len(main) > _MAX_HEADER or not _NONCE.match(nonce):
        raise WebhookRejected("signature-malformed")
    given = [text.strip() for text in f"{own},{main}".split(",")]
    given = [text for text in given if _SIGNATURE.match(text)]
    if not 0 < len(given) <= _MAX_SIGNATURES:
        raise WebhookRejected("signature-malformed")
    message = url.encode()
    for token in tokens:
        expected = b64encode(hmac.digest(token.encode(), message, "sha256")).decode("ascii")
        # Every one is compared, so that the time does not depend on which was right.
        if sum(hmac.compare_digest(expected, text) for text in given):
            return
    raise WebhookRejected("signature-mismatch")


def signed_v3(method: str, url: str, fields: Fields, nonce: str) -> str:
    """What V3 signs. A GET has everything in its query; the fields of a POST follow it, names and values concatenated.

    Raises WebhookRejected: "signature-url" (401), "query" (400).
    """
    parts = _split(url)
    query = "&".join(f"{name}={value}" for name, value in sorted(read_query(parts.query)))
    text = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if query or fields:
        text += f"?{query}"
    if method == "POST":
        if query and fields:
            text += "."
        text += "".join(name + value for name, value in sorted(fields))
    return f"{text}.{nonce}"


def _split(url: str) -> SplitResult:
    try:
        url.encode()
        parts = urlsplit(url)
    except ValueError as error:
        raise WebhookRejected("signature-url") from error
    if parts.scheme not in _WEB or not parts.netloc:
        raise WebhookRejected("signature-url")
    return parts
