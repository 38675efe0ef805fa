"""The application: `POST /hook`, and the `/_sim` routes.

A delivery is one ledger line of kind `delivery`: `id`, `verified` (and `why` not), `body`, `outcome`. A body with a
good signature is accepted once for each id: `accepted` is the line that a program behind this receiver would act on,
`repeated` one that it has seen. `GET /hook/elsewhere` is where a redirect leads, which no client should follow.
`POST /_sim/script` takes `{"secret": "…", "misbehave": [rules]}`; the place of a rule is `hook`.
"""

import base64
import hashlib
import hmac
import time
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from simulators.faults import Do, Rule, Rules, cut_off, in_place_of_answer
from simulators.ledger import Ledger
from simulators.service import add_control, facts_of, json_reply, read_model

__all__ = ["HookDo", "Posted", "build"]

_LARGEST_BODY = 4 * 1024 * 1024
_TOLERANCE_S = 300.0


class HookDo(Do):
    """Further faults."""

    redirect: bool = False
    """Answer 307 to another path of this receiver."""
    lose_answer: bool = False
    """Accept the delivery, and cut the connection before the answer."""
    endless: bool = False
    """Answer 200 with a body that never ends."""


class Posted(BaseModel):
    """The script; a section that is left out stays. A secret makes it a new receiver, which has seen nothing."""

    model_config = ConfigDict(extra="forbid")

    secret: str | None = None
    misbehave: list[Rule[HookDo]] | None = Field(default=None)


class _Receiver:
    def __init__(self, ledger: Ledger) -> None:
        self.rules: Rules[HookDo] = Rules(HookDo())
        self._secret = ""
        self._ledger = ledger
        self._seen: set[str] = set()

    def renew(self, secret: str) -> None:
        """A receiver with this secret, which has seen nothing yet."""
        self._secret = secret
        self._seen.clear()

    async def post(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message, why = request.headers.get("webhook-id", ""), _fault(request, body, self._secret)
        line = self._ledger.write(
            "delivery", **facts_of(request), id=message, verified=not why, why=why, body=_json(body), outcome="refused"
        )
        do = self.rules.take("hook", message)
        answer = await in_place_of_answer(request, line, do, _refusal)
        if answer is not None:
            return answer
        if do.redirect:
            line["outcome"] = "redirected"
            raise web.HTTPTemporaryRedirect("/hook/elsewhere")
        if why:
            return web.Response(status=401, text=why)
        line["outcome"] = "repeated" if message in self._seen else "accepted"
        self._seen.add(message)
        if do.lose_answer:
            await cut_off(request)
        return await _endless(request) if do.endless else web.Response(status=204)

    async def elsewhere(self, request: web.Request) -> web.Response:
        self._ledger.write("elsewhere", **facts_of(request))
        return web.Response(status=204)


def build() -> web.Application:
    """A new application without a secret, with an empty ledger."""
    ledger = Ledger()
    receiver = _Receiver(ledger)
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_post("/hook", receiver.post)
    app.router.add_route("*", "/hook/elsewhere", receiver.elsewhere)
    add_control(app, ledger, lambda: {"struck": receiver.rules.struck})

    async def script(request: web.Request) -> web.Response:
        posted = await read_model(request, Posted)
        if posted.secret is not None:
            receiver.renew(posted.secret)
        if posted.misbehave is not None:
            receiver.rules.replace(posted.misbehave)
        return json_reply({"struck": receiver.rules.struck})

    app.router.add_post("/_sim/script", script)
    return app


def _fault(request: web.Request, body: bytes, secret: str) -> str:
    """Why the signature does not prove the delivery; "" when it does."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message, stamp, signatures = (request.headers.get(name, "") for name in names)
    if not (message and stamp.isdecimal() and signatures):
        return "a header is missing"
    if abs(time.time() - int(stamp)) > _TOLERANCE_S:
        return "the time is too old or too new"
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    digest = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(digest).decode()}"
    return "" if any(hmac.compare_digest(wanted, each) for each in signatures.split(" ")) else "the signature is wrong"


def _refusal(status: int, retry_after_s: int | None) -> web.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return web.Response(status=status, headers=headers)


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await response.write(b"x" * 65_536)
    return response


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
