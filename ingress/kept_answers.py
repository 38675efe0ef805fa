"""The stream token in the answer to a webhook, and that answer as Redis keeps it for a replay: without it.

A carrier that lost the answer sends the webhook again, perhaps to another ingress, and must get the same token; Redis
must hold none that still works. So it is computed from the webhook with a key that each ingress has and Redis has
not, and the kept answer holds its digest in its place (attack 20). Used by `inbound`. Knows no carrier.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Final

from voicecall.call.ids import CallId, LegId
from voicecall.ports import HttpAnswer

__all__ = ["answer_token", "kept", "restored"]

_BYTES: Final = 16


def answer_token(key: bytes, call: CallId, leg: LegId, request: str) -> str:
    """The token of the streams in the answer to a webhook: 22 letters, digits, `-` and `_`, equal for equal arguments.

    `key`: the codec's `token_key`. `request`: the webhook's replay key.
    """
    # The key also keys the carrier's signatures of URLs and forms, none of which begins like this.
    text = f"voicecall stream token\0{call}\0{leg}\0{request}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(hmac.digest(key, text, "sha256")[:_BYTES]).rstrip(b"=").decode()


def kept(answer: HttpAnswer, token: str) -> bytes:
    """The answer as the log stores it: status, content type, and the body with a digest in place of `token`."""
    body = answer.body.replace(token.encode(), _digest(token))
    return b"%d %s\n%s" % (answer.status, answer.content_type.encode(), body)


def restored(stored: bytes, token: str) -> HttpAnswer:
    """The answer to the byte; one of an older build, which has its token, as it is."""
    head, _, body = stored.partition(b"\n")
    status, _, content_type = head.decode().partition(" ")
    body = body.replace(_digest(token), token.encode())
    return HttpAnswer(status=int(status), content_type=content_type, body=body)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).hexdigest().encode()
