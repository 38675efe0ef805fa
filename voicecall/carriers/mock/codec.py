"""The mock carrier's language: signed JSON webhooks in, JSON instructions out. The codec to copy.

Sans-IO; the ingress holds one. What the parts refuse, they refuse as WebhookRejected; nothing else comes out.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

import orjson

from voicecall import ports
from voicecall.call.replies import AwaitGreetingEnd, Connect, Gather, HandOver, Hangup, Hold, NoOp, Refuse, Reply
from voicecall.carriers.common.form import Fields
from voicecall.carriers.common.json_body import read_object
from voicecall.carriers.common.signature import token_key, unsigned_key
from voicecall.carriers.mock.media import Media
from voicecall.carriers.mock.signature import HEADERS, check_signature
from voicecall.carriers.mock.webhooks import read_webhook
from voicecall.errors import WebhookRejected
from voicecall.ports import HttpAnswer, Verified, Webhook, WebhookRequest

__all__ = ["Codec"]

_HOLD_S: Final = 2


class Codec(ports.Codec):
    """`secret` None: every request is accepted, which the adapter allows on loopback only. `now`: epoch seconds."""

    name = "mock"

    def __init__(self, *, secret: str | None, now: Callable[[], float]) -> None:
        self.media = Media()
        self.token_key = token_key(secret or "")
        self._secret = secret
        self._now = now

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        return self._secret is None or all(headers.get(name) for name in HEADERS)

    def verify(self, request: WebhookRequest) -> Verified:
        if self._secret is None:
            return Verified(key=unsigned_key(self.name, request))
        return Verified(key=check_signature(self._secret, request, now=self._now()))

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """The mock carrier does not sign its handshake; the token in `start` authenticates it."""

    def parse(self, request: WebhookRequest, form: Fields | None = None) -> Webhook:  # noqa: ARG002  bodies are JSON
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise WebhookRejected("content-type", status=415)
        return read_webhook(request.url, read_object(request.body))

    def render(self, reply: Reply) -> HttpAnswer:
        return HttpAnswer(content_type="application/json", body=orjson.dumps(_instruction(reply)))


def _instruction(reply: Reply) -> dict[str, Any]:
    match reply:
        case Connect():
            return {
                "do": "connect",
                "streamUrl": reply.stream_url,
                "callId": reply.call,
                "token": reply.token,
                "rounds": reply.rounds,
                "resumeUrl": reply.resume_url,
            }
        case Hold(connect=connect):
            return {"do": "wait", "seconds": _HOLD_S, "resumeUrl": connect.resume_url}
        case Refuse(reason=reason):
            return {"do": "reject", "reason": reason}
        case Gather(text=text, heard_url=heard, silent_url=silent):
            return {"do": "converse", "text": text, "heardUrl": heard, "silentUrl": silent}
        case Hangup():
            return {"do": "hangup"}
        case NoOp() | AwaitGreetingEnd() | HandOver():  # `Control.hear_out` is all it needs
            return {"do": "nothing"}
        case _:
            assert_never(reply)
