"""The stream tokens in the answer to a webhook, and that answer as Redis keeps it for a replay: without them.

A carrier that lost the answer sends the webhook again, perhaps to another ingress, and must get the same tokens; Redis
must hold none that still works. So a token is computed from the webhook with a key that each ingress has and Redis has
not, and the kept answer holds its digest in its place (attack 20). Used by `inbound`. Knows no carrier.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from voicecall.call.ids import CallId, LegId
from voicecall.ports import HttpAnswer

__all__ = ["MOST", "AnswerTokens", "kept", "restored"]

MOST: Final = 5
"""Tokens of one answer."""

_BYTES: Final = 16


class AnswerTokens:
    """The tokens of the answer to one webhook; equal for equal arguments. `request`: the webhook's replay key.

    `key`: the codec's `token_key`.
    """

    def __init__(self, key: bytes, call: CallId, leg: LegId, request: str) -> None:
        self._key = key
        self._context = f"{call}\0{leg}\0{request}"

    def __getitem__(self, place: int) -> str:
        """The token in this place, from 0 to `MOST` - 1: 22 letters, digits, `-` and `_`."""
        # The key also keys the carrier's signatures of URLs and forms, none of which begins like this.
        text = f"voicecall stream token {place}\0{self._context}".encode("utf-8", "surrogatepass")
        return urlsafe_b64encode(hmac.digest(self._key, text, "sha256")[:_BYTES]).rstrip(b"=").decode()


def kept(answer: HttpAnswer, tokens: Iterable[str]) -> bytes:
    """The answer as the log stores it: status, content type, and the body with a digest for each of its tokens."""
    body = answer.body
    for token in tokens:
        body = body.replace(token.encode(), _digest(token))
    return b"%d %s\n%s" % (answer.status, answer.content_type.encode(), body)


def restored(stored: bytes, tokens: AnswerTokens) -> HttpAnswer:
    """The answer to the byte; one of an older build, which has its tokens, as it is."""
    head, _, body = stored.partition(b"\n")
    for place in range(MOST):
        token = tokens[place]
        body = body.replace(_digest(token), token.encode())
    status, _, content_type = head.decode().partition(" ")
    return HttpAnswer(status=int(status), content_type=content_type, body=body)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).hexdigest().encode()
