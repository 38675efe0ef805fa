"""Verifies Twilio's signature: HMAC-SHA1 over the public URL and the form's fields, or over the URL and a body's hash.

Pure; used by the codec. The scheme is that of Twilio's "Webhooks Security". The URL comes from the configuration, never
from a Host header or a proxy. Does not know what the fields mean.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from voicecall.carriers.common.form import Fields
from voicecall.errors import WebhookRejected

__all__ = ["check_body_hash", "check_signature", "request_key", "url_forms"]

_STANDARD_PORT = {"https": ":443", "wss": ":443", "http": ":80", "ws": ":80"}
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=\Z")  # base64 of 20 bytes
_PORT = re.compile(r":[0-9]*\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


def check_signature(
    signature: str | None, tokens: tuple[str, ...], url: str, fields: Fields, *, fragment: str = ""
) -> None:
    """Accept `signature` when one of `tokens` made it for `url` in any form in which Twilio writes it.

    `fragment`: what the URLs that we hand out carry after "#". It is not sent, and whether it is signed is not
    documented, so the URL is accepted with and without it.

    Raises WebhookRejected (401): "signature-missing", "signature-malformed" or "signature-mismatch".
    """
    if not signature:
        raise WebhookRejected("signature-missing")
    if not _SIGNATURE.match(signature):
        raise WebhookRejected("signature-malformed")
    given = signature.encode()
    # A set, because a field that is repeated with the same value is signed once.
    written = "".join(name + value for name, value in sorted(set(fields))).encode()
    forms = tuple(url_forms(url))
    for form in (*forms, *(form + fragment for form in forms if fragment)):
        signed = form.encode("utf-8", "surrogatepass") + written
        for token in tokens:
            digest = hmac.digest(token.encode(), signed, "sha1")
            if hmac.compare_digest(b64encode(digest), given):
                return
    raise WebhookRejected("signature-mismatch")


def check_body_hash(url: str, body: bytes) -> None:
    """A JSON body is covered by `bodySHA256` in the signed URL. Raises WebhookRejected when it is not, or differs."""
    try:
        stated = [value for name, value in parse_qsl(urlsplit(url).query) if name == "bodySHA256"]
    except ValueError as error:
        raise WebhookRejected("signature-url") from error
    if len(stated) != 1 or not _HASH.match(stated[0]):
        raise WebhookRejected("signature-body-hash")
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), stated[0]):
        raise WebhookRejected("signature-body-hash")


def request_key(signature: str) -> str:
    """The request's key. It covers what the signature covers, URL and fields, and no more."""
    return "twilio:" + hashlib.sha256(signature.encode()).hexdigest()


def url_forms(url: str) -> Iterator[str]:
    """The forms in which Twilio may have signed `url`: as configured, without port, with the scheme's default port.

    Raises WebhookRejected("signature-url") for what is not a URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise WebhookRejected("signature-url") from error
    bare = _PORT.sub("", parts.netloc)
    hosts = dict.fromkeys((parts.netloc, bare, bare + _STANDARD_PORT.get(parts.scheme, "")))
    for query in _quotings(parts.query):
        for host in hosts:
            yield urlunsplit((parts.scheme, host, parts.path, query, ""))


def _quotings(query: str) -> Iterable[str]:
    """An apostrophe is signed raw or as %27, whichever way it was sent. The URLs that we hand out hold none."""
    if "'" not in query and "%27" not in query:
        return (query,)
    return dict.fromkeys((query, query.replace("%27", "'"), query.replace("'", "%27")))
