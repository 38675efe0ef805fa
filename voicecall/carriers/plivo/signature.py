"""Did Plivo sign this? V3: HMAC-SHA256 over URL, sorted query, sorted form fields and a nonce (carriers 1.3).

Pure; used by the codec. The URL comes from our configuration. Nobody expires the nonce, so a replay is known only by
the key given back here. V2 covers neither query nor body, and is believed only where the operator said so (1.4).
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from voicecall.carriers.plivo.form import Fields, read_query
from voicecall.errors import WebhookRejected
from voicecall.ports import WebhookRequest

__all__ = ["V2", "V3", "Scheme", "check_signature", "signed_v2", "signed_v3", "unsigned_key"]

Scheme = tuple[str, str, str]
"""Header names, lower-cased: the number's owner's signatures, the main account's signatures, the nonce."""

V3: Final[Scheme] = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3", "x-plivo-signature-v3-nonce")
V2: Final[Scheme] = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2", "x-plivo-signature-v2-nonce")

_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{43}=\Z")  # base64 of 32 bytes
_NONCE = re.compile(r"[!-~]{1,128}\Z")
_MAX_HEADER: Final = 1024  # a signature for each active token: a handful
_WEB = frozenset({"http", "https"})


def check_signature(scheme: Scheme, headers: Mapping[str, str], tokens: tuple[str, ...], url: str) -> None:
    """Accept when any signature of either header is one of `tokens`' over `url`, which `signed_v2/3` wrote out.

    A token is ours and Plivo's secret whichever header its signature came in, so the two are read as one list.
    Raises WebhookRejected (401): "signature-missing", "signature-malformed" or "signature-mismatch".
    """
    own, main, nonce = (headers.get(name, "") for name in scheme)
    if not nonce or not (own or main):
        raise WebhookRejected("signature-missing")
    if len(own) + len(main) > _MAX_HEADER or not _NONCE.match(nonce):
        raise WebhookRejected("signature-malformed")
    given = [text.strip() for text in f"{own},{main}".split(",")]
    given = [text for text in given if _SIGNATURE.match(text)]
    if not given:
        raise WebhookRejected("signature-malformed")
    message = url.encode()
    for token in tokens:
        expected = b64encode(hmac.digest(token.encode(), message, "sha256")).decode("ascii")
        # Every one is compared, so that the time tells nothing about which was right.
        if sum(hmac.compare_digest(expected, text) for text in given):
            return
    raise WebhookRejected("signature-mismatch")


def signed_v3(method: str, url: str, fields: Fields, nonce: str) -> str:
    """What V3 signs. GET has everything in its query; fields of a POST come behind it, names and values run together.

    Raises WebhookRejected: "signature-url" (401), "query" (400).
    """
    parts = _split(url)
    query = "&".join(f"{name}={value}" for name, value in sorted(read_query(parts.query)))
    text = _base(parts)
    if query or fields:
        text += f"?{query}"
    if method == "POST":
        if query and fields:
            text += "."
        text += "".join(name + value for name, value in sorted(fields))
    return f"{text}.{nonce}"


def signed_v2(url: str, nonce: str) -> str:
    """What V2 signs. Raises WebhookRejected("signature-url")."""
    return _base(_split(url)) + nonce


def unsigned_key(request: WebhookRequest) -> str:
    """A key when verification is skipped (behaviour 6.6): of method, URL and body."""
    digest = hashlib.sha256()
    for part in (request.method, request.url):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    digest.update(request.body)
    return "plivo:skip:" + digest.hexdigest()


def _split(url: str) -> SplitResult:
    try:
        url.encode()
        parts = urlsplit(url)
    except ValueError as error:
        raise WebhookRejected("signature-url") from error
    if parts.scheme not in _WEB or not parts.netloc:
        raise WebhookRejected("signature-url")
    return parts


def _base(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
