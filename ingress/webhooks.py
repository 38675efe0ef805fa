"""The carrier's webhooks, from raw request to answer: a pipeline of checks in which the first refusal wins.

Cheap checks come first and read nothing; the signature is computed only over a body that arrived whole, small and in
time. `inbound` decides what a verified webhook means. Refusals have constant texts, so that they reveal nothing.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

from aiohttp import StreamReader, web

from ingress.client_ip import client_ip
from ingress.headers import single_headers
from ingress.public_address import PublicAddress
from ingress.signed_url import SignedUrls, names_foreign_host
from voicecall import metrics
from voicecall.connections import SERVER_NAME
from voicecall.errors import BusUnavailable, WebhookRejected
from voicecall.ports import Codec, HttpAnswer, Verified, Webhook, WebhookRequest
from voicecall.settings import Settings
from voicecall.slots import Slots
from voicecall.web_pages import host_name, is_strange_name

__all__ = ["BODIES", "BODY_LIMIT", "BODY_TIMEOUT_S", "Receiver", "WebhookServer", "refusal"]

BODY_LIMIT: Final = 65_536
BODY_TIMEOUT_S: Final = 5.0
BODIES: Final = 8
"""Unfinished bodies of one sender; of more, the slowest is given up."""

_BODIES_IN_ALL: Final = 256

_log = logging.getLogger(__name__)

_TEXTS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Body Timeout",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    426: "Upgrade Required",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Receiver(Protocol):
    """Takes verified webhooks: `inbound.InboundCalls`."""

    async def receive(self, webhook: Webhook, key: str) -> HttpAnswer: ...


class _RequestRefused(Exception):
    """Ends the pipeline with this status; `reason` is the metric's label."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def refusal(status: int, **headers: str) -> web.Response:
    """The constant answer for a status."""
    # keep-alive is left to aiohttp, which closes a connection with an unread body.
    return web.Response(status=status, text=_TEXTS[status], headers={"Server": SERVER_NAME, **headers})


class WebhookServer:
    """`body_timeout_s` is a parameter for tests."""

    def __init__(
        self,
        *,
        settings: Settings,
        public_address: PublicAddress,
        codec: Codec,
        receiver: Receiver,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._security = settings.webhook_security
        # The carrier signs the URL it was given; with a public URL, `Host` and proxies do not matter (attacks 10, 13).
        self._urls = SignedUrls(settings, public_address)
        self._codec = codec
        self._receiver = receiver
        self._public_address = public_address
        # Without verification (on loopback only), any page in a browser of this machine could act as the carrier.
        self._is_unsigned = codec.looks_signed({})
        self._own_names = {settings.serve.bind.lower()}
        self._body_timeout_s = body_timeout_s
        self.bodies = Slots(per_sender=BODIES, total=_BODIES_IN_ALL)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request to the webhook's path. Never raises."""
        started = time.perf_counter()
        try:
            answer = await self._pipeline(request)
        except _RequestRefused as refused:
            metrics.WEBHOOKS_REJECTED.labels(reason=refused.reason).inc()
            extra = {"Allow": "POST"} if refused.status == 405 else {}
            return refusal(refused.status, **extra)
        except BusUnavailable as error:
            self._count("unavailable")
            _log.warning("webhook not recorded", extra={"error": str(error)})
            return refusal(503, **{"Retry-After": "1"})
        except Exception:  # noqa: BLE001  a defect must not send a stack trace to the sender
            self._count("failed")
            _log.exception("webhook failed")
            return refusal(500)
        metrics.WEBHOOK_SECONDS.observe(time.perf_counter() - started)
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={"Content-Type": answer.content_type, "Server": SERVER_NAME},
        )

    async def _pipeline(self, request: web.BaseRequest) -> HttpAnswer:
        if request.method != "POST":
            raise _RequestRefused(405, "method")
        try:
            headers = single_headers(request)
        except WebhookRejected as error:
            raise _RequestRefused(error.status, error.reason) from error
        if self._is_unsigned and self._is_of_page(headers):
            raise _RequestRefused(403, "web-page")
        if not self._codec.looks_signed(headers):
            raise _RequestRefused(401, "signature-missing")
        if headers.get("content-encoding", "identity") != "identity" or "multipart/" in headers.get("content-type", ""):
            raise _RequestRefused(415, "content-type")
        if names_foreign_host(request.remote, headers, self._security):
            raise _RequestRefused(401, "forwarded-host")
        sender = client_ip(request.remote, headers, self._security)
        webhook, key = self._verified_webhook(request, headers, await self._body(request, sender))
        return await self._receiver.receive(webhook, key)

    def _is_of_page(self, headers: dict[str, str]) -> bool:
        """Whether a page sent this, or the Host header is a name that its owner has rebound to this machine."""
        if "origin" in headers or "sec-fetch-site" in headers:
            return True
        own = {*self._own_names, host_name(urlsplit(self._public_address.webhook_url).netloc) or ""}
        return is_strange_name(headers.get("host", ""), own)

    def _verified_webhook(self, request: web.BaseRequest, headers: dict[str, str], body: bytes) -> tuple[Webhook, str]:
        try:
            described, verified = self._verified(
                [
                    WebhookRequest(method=request.method, url=url, headers=headers, body=body)
                    for url in self._urls.webhook(request.remote, headers, request.raw_path)
                ]
            )
            return self._codec.parse(described, verified.form), verified.key
        except WebhookRejected as error:
            raise _RequestRefused(error.status, error.reason) from error

    def _verified(self, candidates: list[WebhookRequest]) -> tuple[WebhookRequest, Verified]:
        """The first candidate request that the signature covers, and what `verify` returned for it."""
        *others, last = candidates
        for candidate in others:
            with suppress(WebhookRejected):  # a later candidate may be the signed one; the last one decides
                return candidate, self._verify(candidate)
        return last, self._verify(last)

    def _verify(self, request: WebhookRequest) -> Verified:
        verified = self._codec.verify(request)
        if not verified.key:
            raise _RequestRefused(401, "request-key-missing")
        return verified

    async def _body(self, request: web.BaseRequest, sender: str) -> bytes:
        """The whole body. Only unfinished ones take a slot: a carrier's request mostly arrives in one piece."""
        if (request.content_length or 0) > BODY_LIMIT:
            raise _RequestRefused(413, "body-size")
        content = request.content
        if content.is_eof():
            body = content.read_nowait()
            if len(body) > BODY_LIMIT:
                raise _RequestRefused(413, "body-size")
            return body
        try:
            async with asyncio.timeout(self._body_timeout_s) as deadline:
                with self.bodies.held(sender, lambda: _end(deadline)):
                    return await _read(content)
        except TimeoutError:
            raise _RequestRefused(408, "body-timeout") from None
        except (web.RequestPayloadError, ConnectionError):
            raise _RequestRefused(400, "body-broken") from None

    def _count(self, result: str) -> None:
        metrics.WEBHOOKS.labels(carrier=self._codec.name, result=result).inc()


async def _read(content: StreamReader) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > BODY_LIMIT:
            raise _RequestRefused(413, "body-size")
    return bytes(body)


def _end(deadline: asyncio.Timeout) -> None:
    if not deadline.expired():
        deadline.reschedule(0)
