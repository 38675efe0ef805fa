"""The headers of a request, one value each. A repeated header that decides whether a request is believed is refused.

Used by `webhooks` and `media` before anything else reads a header. Besides the headers of every server, those of a
carrier's proof come once (attack 103). Knows names, not what they mean.
"""

from typing import Final

from aiohttp import web

from voicecall.errors import WebhookRejected
from voicecall.proper_http import SINGLE

__all__ = ["single_headers"]

_PROOFS: Final = ("signature", "nonce", "timestamp")
"""Parts of the names of the headers in which carriers send their proof."""


def single_headers(request: web.BaseRequest) -> dict[str, str]:
    """Names lower-cased; the values of a repeated name joined by commas, as RFC 9110 says.

    Raises WebhookRejected("header-repeated") with status 400 where no such list makes sense.
    """
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        known = name.lower()
        if known not in headers:
            headers[known] = value
        elif known in SINGLE or any(proof in known for proof in _PROOFS):
            raise WebhookRejected("header-repeated", status=400)
        else:
            headers[known] += f", {value}"
    return headers
