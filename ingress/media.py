"""The carrier's media sockets: which handshakes and frames are accepted, and when one is closed (attacks 61-74, 101).

A socket is pending until its `start` frame brings a token that was issued for its call and not used before; pending
sockets are few and short-lived, send four frames at most, and the one that has been silent longest goes first
(`voicecall/slots.py`). Afterwards `socket_reader` takes its frames to its stream.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from aiohttp import WSMsgType, web

from ingress.client_ip import client_ip
from ingress.headers import single_headers
from ingress.public_address import PublicAddress
from ingress.signed_url import SignedUrls
from ingress.socket_reader import CONTROL, POLICY, SocketReader, SocketRefused
from ingress.sockets import CLOSING_S, HEARTBEAT_S, WebSocket
from ingress.streams import MediaSocket, Stream, Streams
from ingress.webhooks import refusal
from voicecall import metrics
from voicecall.call.events import StreamUnusable
from voicecall.call.ids import CallId, LegId, StreamId, bound_token, is_call_id, token_number
from voicecall.call.replies import RECONNECTIONS
from voicecall.carriers.common.stream_path import completed
from voicecall.errors import BusUnavailable, WebhookRejected
from voicecall.ports import (
    Codec,
    MediaConnected,
    MediaIn,
    MediaStarted,
    MediaUnknown,
)
from voicecall.settings import Settings
from voicecall.slots import Slot, Slots

__all__ = ["ConsumeToken", "MediaSockets", "NewStream"]

_log = logging.getLogger(__name__)

_BEFORE_START: Final = 4  # frames that may precede the start; carriers send one
_REFUSED_S: Final = 0.5  # for a refused socket's close frame; its connection counts until then
_WARN_EVERY_S: Final = 60.0
_UNSUPPORTED: Final = 1003
_LATER: Final = 1013

_TEXT: Final = "TEXT"
"""The encoding of a socket on which the carrier hears and speaks."""

_PENDING = metrics.MEDIA_SOCKETS.labels(state="pending")
_SHED = metrics.SHED.labels(what="media")
_OPEN = metrics.MEDIA_SOCKETS.labels(state="open")


class ConsumeToken(Protocol):
    async def __call__(self, call: CallId, token: str, number: int, /, *, again: bool = False) -> bool: ...


class NewStream(Protocol):
    def __call__(
        self, *, call: CallId, leg: LegId, name: StreamId, socket: MediaSocket, reconnects: bool, is_text: bool
    ) -> Stream: ...


class MediaSockets:
    """`consume_token(call, token, number)`: as `IngressLog.consume_token`. `new_stream` makes a socket's stream.

    Set `draining` to refuse new sockets.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        public_address: PublicAddress,
        codec: Codec,
        streams: Streams,
        consume_token: ConsumeToken,
        new_stream: NewStream,
        clock: Callable[[], float],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._heartbeat_s = heartbeat_s
        self._limits = settings.streaming
        self._security = settings.webhook_security
        self._urls = SignedUrls(settings, public_address)
        self._codec = codec
        self._streams = streams
        self._consume_token = consume_token
        self._new_stream = new_stream
        self._clock = clock
        self._started = 0
        self.pending = Slots(
            per_sender=self._limits.max_pending_connections_per_ip, total=self._limits.max_pending_connections
        )
        self._warned_at = -_WARN_EVERY_S
        self.draining = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request to the stream's path: refuse it, or serve its socket until it is closed."""
        refused = self._refuse(request)
        if refused is not None:
            status, reason = refused
            metrics.MEDIA_REJECTED.labels(reason=reason).inc()
            return refusal(status, **({"Retry-After": "1"} if status == 503 else {}))
        return await self._serve(request)

    def _refuse(self, request: web.BaseRequest) -> tuple[int, str] | None:
        """Status and reason of a refusal before the upgrade; None when the handshake is accepted."""
        malformed = _malformed(request)
        if malformed is not None:
            if "Sec-WebSocket-Key" in request.headers and malformed[1] == "no-upgrade":
                self._warn_of_proxy()
            return malformed
        if self.draining:
            return 503, "closing"
        if self._is_full:
            _SHED.inc()
            return 503, "connections"
        try:
            self._verify(request)
        except WebhookRejected as error:
            return error.status, error.reason
        return None

    @property
    def _is_full(self) -> bool:
        """Whether as many streams have started as may; sockets that have not cost no stream its place."""
        return self._started >= self._limits.max_connections

    def measure_capacity(self) -> None:
        metrics.measure_capacity("media-sockets", lambda: self._started, self._limits.max_connections)

    def _warn_of_proxy(self) -> None:
        """A proxy that does not know WebSockets drops `Upgrade` and passes the rest on. Once a minute."""
        now = self._clock()
        if now - self._warned_at >= _WARN_EVERY_S:
            self._warned_at = now
            _log.warning(
                "media socket requested without Upgrade: the proxy before this ingress does not pass WebSockets on"
            )

    def _verify(self, request: web.BaseRequest) -> None:
        """Raises WebhookRejected when a header is repeated, or the signature covers none of the candidate URLs."""
        headers = single_headers(request)
        *others, last = self._urls.stream(request.remote, headers, _path(request))
        for url in others:
            with suppress(WebhookRejected):  # a later URL may be the signed one; the last one decides
                self._codec.verify_upgrade(url, headers)
                return
        self._codec.verify_upgrade(last, headers)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = WebSocket(request, heartbeat_s=self._heartbeat_s)
        headers = single_headers(request)
        # Before the 101, so that a sender's flood of handshakes ends its own older sockets.
        slot = self.pending.enter(client_ip(request.remote, headers, self._security), lambda: self._evict(socket))
        closing_s = _REFUSED_S
        try:
            response = await socket.prepare()
            async with socket.open_until_closed():
                started = await self._start(request, socket, slot)
                closing_s = CLOSING_S
                with _OPEN.track_inprogress():
                    await self._carry(socket, started)
        except SocketRefused as refused:
            metrics.MEDIA_REJECTED.labels(reason=refused.label).inc()
            _log.info("media socket closed", extra={"reason": refused.label})
            socket.close(refused.code, refused.reason)
        finally:
            slot.leave()
        await socket.finish(closing_s)
        return response

    def _evict(self, socket: WebSocket) -> None:
        metrics.MEDIA_REJECTED.labels(reason="pending").inc()
        socket.close(_LATER, "Too many pending media stream connections")

    # --- before the start

    async def _start(self, request: web.BaseRequest, socket: WebSocket, slot: Slot) -> MediaStarted:
        """The accepted start frame; afterwards the slot is free. Raises SocketRefused."""
        try:
            async with asyncio.timeout(self._limits.pre_start_timeout_ms / 1000):
                with _PENDING.track_inprogress():
                    started = _of_this_socket(self._completed(await self._first(socket), request))
                    slot.leave()  # it is not silent: what is left to do is ours
                    return await self._accepted(started, request)
        except TimeoutError:
            raise SocketRefused(POLICY, "Start timeout", "start-timeout") from None

    def _completed(self, start: MediaStarted, request: web.BaseRequest) -> MediaStarted:
        """Add call and token from the path, for carriers whose start frame has no field for them."""
        try:
            return completed(start, _path(request), self._limits.stream_path)
        except WebhookRejected as error:
            raise SocketRefused(POLICY, "Unknown call", error.reason) from error

    async def _first(self, socket: WebSocket) -> MediaStarted:
        for _ in range(_BEFORE_START + 1):
            match await self._next(socket):
                case MediaStarted() as started:
                    return started
                case MediaConnected() | MediaUnknown():
                    continue
                case None:
                    raise SocketRefused(1000, "gone", "gone-before-start")
                case _:
                    raise SocketRefused(POLICY, "Start first", "before-start")
        raise SocketRefused(POLICY, "Start first", "before-start")

    async def _next(self, socket: WebSocket) -> MediaIn | None:
        """What the next frame says; a ping is answered and says nothing."""
        message = await socket.receive()
        if message.type is WSMsgType.PING:
            socket.pong(message.data)
        if message.type in CONTROL:
            return MediaUnknown()
        if message.type is WSMsgType.TEXT:
            try:
                return self._codec.media.read(message.data)
            except WebhookRejected as error:
                raise SocketRefused(POLICY, "Malformed", error.reason) from error
        if message.type is WSMsgType.BINARY:
            raise SocketRefused(POLICY, "Text only", "binary")
        return None

    async def _accepted(self, start: MediaStarted, request: web.BaseRequest) -> MediaStarted:
        if self._is_full:
            raise SocketRefused(_LATER, "Too many media streams", "connections")
        is_text = start.encoding == _TEXT
        is_signed = is_text and self._codec.signs_sockets
        if is_signed and not self._codec.looks_signed(single_headers(request)):
            # Words are taken for the caller's, and its token is good more than once.
            raise SocketRefused(POLICY, "Not signed", "unsigned-text")
        known = is_call_id(start.call) and bool(start.token)
        token, number = token_number(start.token)
        try:
            bound = bound_token(token, start.leg)
            if known and await self._consume_token(CallId(start.call), bound, number or 0, again=is_signed):
                return start
        except BusUnavailable as error:
            _log.warning("token not checked", extra={"leg": start.leg, "error": str(error)})
            raise SocketRefused(_LATER, "Try again", "unavailable") from error
        raise SocketRefused(POLICY, "Unknown call", "token")

    # --- after the start

    async def _carry(self, socket: WebSocket, start: MediaStarted) -> None:
        call = CallId(start.call)
        _, number = token_number(start.token)
        stream = self._new_stream(
            call=call,
            leg=start.leg,
            name=start.stream,
            socket=socket,
            reconnects=number is not None and number < RECONNECTIONS,
            is_text=start.encoding == _TEXT,
        )
        decode = self._codec.media.reader(start)
        if decode is None:
            facts = {"call_id": call, "stream": start.stream, "leg": start.leg, "encoding": start.encoding}
            _log.warning("media stream of an encoding that is not decoded; the carrier itself speaks", extra=facts)
            stream.outbox.put(StreamUnusable(leg=start.leg, reason=f"the carrier's media stream is {start.encoding}"))
            raise SocketRefused(_UNSUPPORTED, "Unsupported encoding", "encoding")
        _log.info("media stream opened", extra={"call_id": call, "stream": start.stream, "leg": start.leg})
        self._streams.open(stream)
        self._started += 1
        try:
            decode_plain = None if stream.is_text else self._codec.media.plain_reader(start)
            await SocketReader(decode, decode_plain, stream, self._clock).read(socket)
        finally:
            self._started -= 1
            self._streams.close(stream)
            _log.info("media stream closed", extra={"call_id": call, "stream": start.stream, "code": socket.close_code})


def _of_this_socket(start: MediaStarted) -> MediaStarted:
    """A carrier that connects again by itself names the same session; each of its sockets is a stream of its own."""
    if start.encoding != _TEXT:
        return start
    return replace(start, stream=StreamId(f"{start.stream}.{secrets.token_hex(3)}"))


def _path(request: web.BaseRequest) -> str:
    return request.raw_path.partition("?")[0]


def _malformed(request: web.BaseRequest) -> tuple[int, str] | None:
    """Status and reason when this is no carrier's handshake."""
    if request.method != "GET":
        return 405, "method"
    if request.headers.get("Upgrade", "").lower() != "websocket" or not web.WebSocketResponse().can_prepare(request):
        return 426, "no-upgrade"
    if request.headers.get("Sec-WebSocket-Version") != "13":
        return 426, "no-upgrade"  # aiohttp accepts older drafts too
    if "Origin" in request.headers:
        return 403, "origin"  # a browser: no carrier sends one
    return None
