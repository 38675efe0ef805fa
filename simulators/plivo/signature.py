"""Plivo's signature V3: HMAC-SHA256 over URL, fields and nonce (Plivo, "Signature validation"). Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Keys", "sign"]

Fields = Sequence[tuple[str, str]]


def sign(token: str, method: str, url: str, fields: Fields, nonce: str) -> str:
    """The value of `X-Plivo-Signature-V3` for a request to `url` (without fragment).

    The fields of a GET are part of its URL already: pass none.
    """
    signed = f"{_written(method, url, fields)}.{nonce}"
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha256)).decode()


def _written(method: str, url: str, fields: Fields) -> str:
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    if method == "GET":
        return base + (f"?{query}" if query else "")
    if not fields:
        return base + (f"?{query}" if query else "")
    # The question mark is signed even without a query; the full stop only after a query.
    body = "".join(name + value for name, value in sorted(fields))
    return f"{base}?{query}{'.' if query else ''}{body}"


class Keys:
    """The tokens of an account: its own, and the main account's, which differ for a subaccount."""

    def __init__(self, token: str, main_token: str = "") -> None:
        self.token = token
        self._main = main_token or token

    def headers(self, method: str, url: str, fields: Fields) -> dict[str, str]:
        """The three headers of one request, with a fresh nonce."""
        nonce = "".join(str(secrets.randbelow(10)) for _ in range(20))
        return {
            "X-Plivo-Signature-V3": sign(self.token, method, url, fields, nonce),
            "X-Plivo-Signature-Ma-V3": sign(self._main, method, url, fields, nonce),
            "X-Plivo-Signature-V3-Nonce": nonce,
        }
