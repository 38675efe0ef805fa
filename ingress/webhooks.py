"""The carrier's HTTP requests, from raw request to answer: behaviour 5.1 in its order, first refusal wins.

Cheap checks come first and read nothing; the signature is computed only over a body that arrived whole, small and in
time. What a request *means* is decided by `reception`. Answers to strangers are constant (reliability 3.2).
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final, Protocol

from aiohttp import StreamReader, web

from ingress.client_ip import InFlight, client_ip
from ingress.connections import SERVER_NAME
from ingress.public_address import PublicAddress
from ingress.signed_url import SignedUrls, names_foreign_host
from voicecall import metrics
from voicecall.errors import BusUnavailable, WebhookRejected
from voicecall.ports import Codec, HttpAnswer, Webhook, WebhookRequest
from voicecall.settings import Settings

__all__ = ["BODY_LIMIT", "BODY_TIMEOUT_S", "IN_FLIGHT", "Receiver", "WebhookServer", "refusal"]

BODY_LIMIT: Final = 65_536
BODY_TIMEOUT_S: Final = 5.0
IN_FLIGHT: Final = 8

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
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Receiver(Protocol):
    """Who takes verified webhooks: `reception.Reception`."""

    async def receive(self, webhook: Webhook, key: str) -> HttpAnswer: ...


class _Refused(Exception):
    """Leaves the pipeline with this answer; `reason` is the metric's label."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def refusal(status: int, **headers: str) -> web.Response:
    """The constant answer for a status."""
    # keep-alive is left to the server: it closes by itself what still has an unread body.
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
        # Signed is what the carrier was told to call; with a public URL, whatever Host or proxies say (attacks 10, 13).
        self._urls = SignedUrls(settings, public_address)
        self._codec = codec
        self._receiver = receiver
        self._body_timeout_s = body_timeout_s
        self._in_flight = InFlight(IN_FLIGHT)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request to the webhook's path. Never raises."""
        started = time.perf_counter()
        try:
            answer = await self._pipeline(request)
        except _Refused as refused:
            metrics.WEBHOOKS_REJECTED.labels(reason=refused.reason).inc()
            extra = {"Allow": "POST"} if refused.status == 405 else {}
            return refusal(refused.status, **extra)
        except BusUnavailable as error:
            self._count("unavailable")
            _log.warning("webhook not recorded", extra={"error": str(error)})
            return refusal(503, **{"Retry-After": "1"})
        except Exception:  # noqa: BLE001 - a bug in one request must not become a stack trace on the wire
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
            raise _Refused(405, "method")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not self._codec.looks_signed(headers):
            raise _Refused(401, "signature-missing")
        if headers.get("content-encoding", "identity") != "identity" or "multipart/" in headers.get("content-type", ""):
            raise _Refused(415, "content-type")
        if names_foreign_host(request.remote, headers, self._security):
            raise _Refused(401, "forwarded-host")
        sender = client_ip(request.remote, headers, self._security)
        if not self._in_flight.enter(sender):
            raise _Refused(429, "in-flight")
        try:
            body = await self._body(request)
            webhook, key = self._understood(request, headers, body)
        finally:
            # Strangers count, the carrier does not: when a door dies, all its calls come to the next one at once, and
            # a 429 would end each of them.
            self._in_flight.leave(sender)
        return await self._receiver.receive(webhook, key)

    def _understood(self, request: web.BaseRequest, headers: dict[str, str], body: bytes) -> tuple[Webhook, str]:
        try:
            described, key = self._verified(
                [
                    WebhookRequest(method=request.method, url=url, headers=headers, body=body)
                    for url in self._urls.webhook(request.remote, headers, request.raw_path)
                ]
            )
            return self._codec.parse(described), key
        except WebhookRejected as error:
            raise _Refused(error.status, error.reason) from error

    def _verified(self, readings: list[WebhookRequest]) -> tuple[WebhookRequest, str]:
        """The first reading of a request that its signature covers, and the key."""
        *others, last = readings
        for reading in others:
            with suppress(WebhookRejected):  # it may be covered in the next reading; the last one decides
                return reading, self._key(reading)
        return last, self._key(last)

    def _key(self, reading: WebhookRequest) -> str:
        key = self._codec.verify(reading).key
        if not key:
            raise _Refused(401, "request-key-missing")
        return key

    async def _body(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > BODY_LIMIT:
            raise _Refused(413, "body-size")
        content = request.content
        if content.is_eof():
            body = content.read_nowait()
            if len(body) > BODY_LIMIT:
                raise _Refused(413, "body-size")
            return body
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await _read(content)
        except TimeoutError:
            raise _Refused(408, "body-timeout") from None
        except (web.RequestPayloadError, ConnectionError):
            raise _Refused(400, "body-broken") from None

    def _count(self, result: str) -> None:
        metrics.WEBHOOKS.labels(carrier=self._codec.name, result=result).inc()


async def _read(content: StreamReader) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > BODY_LIMIT:
            raise _Refused(413, "body-size")
    return bytes(body)
