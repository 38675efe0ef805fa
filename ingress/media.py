"""The carrier's media sockets: which handshakes and frames are accepted, and when one is closed (attacks 61-74).

A socket is pending until its `start` frame brings a token that was issued for its call and not used before; pending
sockets are few and short-lived (`pending`). Afterwards its frames go to its stream. Three malformed frames, or audio
faster than twice real time, close it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from aiohttp import WSMsgType, web

from ingress.client_ip import client_ip
from ingress.connections import SERVER_NAME
from ingress.pending import NoSlot, PendingSlots
from ingress.public_address import PublicAddress
from ingress.signed_url import SignedUrls
from ingress.sockets import FRAME_LIMIT, HEARTBEAT_S, WebSocket
from ingress.streams import MediaSocket, Stream, Streams
from ingress.uplink import FlowMeter
from ingress.webhooks import refusal
from voicecall import metrics
from voicecall.call.events import StreamUnusable
from voicecall.call.ids import CallId, LegId, StreamId, bound_token, is_call_id
from voicecall.carriers.common.stream_path import completed
from voicecall.errors import BusUnavailable, WebhookRejected
from voicecall.ports import (
    Codec,
    MediaAudio,
    MediaConnected,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
)
from voicecall.settings import Settings

__all__ = ["ConsumeToken", "MediaSockets", "NewStream"]

_log = logging.getLogger(__name__)

_STRIKES: Final = 3
_WARN_EVERY_S: Final = 60.0
_POLICY: Final = 1008
_UNSUPPORTED: Final = 1003
_LATER: Final = 1013

_PENDING = metrics.MEDIA_SOCKETS.labels(state="pending")
_OPEN = metrics.MEDIA_SOCKETS.labels(state="open")


class ConsumeToken(Protocol):
    async def __call__(self, call: CallId, token: str, /) -> bool: ...


class NewStream(Protocol):
    def __call__(self, *, call: CallId, leg: LegId, name: StreamId, socket: MediaSocket) -> Stream: ...


class _SocketRefused(Exception):
    """Ends the socket's handler: close with this code and reason. `label`: the metric's."""

    def __init__(self, code: int, reason: str, label: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.label = label


class MediaSockets:
    """`consume_token(call, token)`: True once for a token issued for that call. `new_stream` makes a socket's stream.

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
    ) -> None:
        self._limits = settings.streaming
        self._security = settings.webhook_security
        self._urls = SignedUrls(settings, public_address)
        self._codec = codec
        self._streams = streams
        self._consume_token = consume_token
        self._new_stream = new_stream
        self._clock = clock
        self._sockets = 0
        self._pending_slots = PendingSlots(
            slots=self._limits.max_pending_connections, per_sender=self._limits.max_pending_connections_per_ip
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
        self._sockets += 1
        try:
            return await self._serve(request)
        finally:
            self._sockets -= 1

    def _refuse(self, request: web.BaseRequest) -> tuple[int, str] | None:
        """Status and reason of a refusal before the upgrade; None when the handshake is accepted."""
        malformed = _malformed(request)
        if malformed is not None:
            if "Sec-WebSocket-Key" in request.headers and malformed[1] == "no-upgrade":
                self._warn_of_proxy()
            return malformed
        if self.draining:
            return 503, "closing"
        if self._sockets >= self._limits.max_connections:
            metrics.SHED.labels(what="media").inc()
            return 503, "connections"
        try:
            self._verify(request)
        except WebhookRejected as error:
            return 401, error.reason
        return None

    def _warn_of_proxy(self) -> None:
        """A proxy that does not know WebSockets drops `Upgrade` and passes the rest on. Once a minute."""
        now = self._clock()
        if now - self._warned_at >= _WARN_EVERY_S:
            self._warned_at = now
            _log.warning(
                "media socket requested without Upgrade: the proxy before this ingress does not pass WebSockets on"
            )

    def _verify(self, request: web.BaseRequest) -> None:
        """Raises WebhookRejected when the handshake's signature covers none of the candidate URLs."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        *others, last = self._urls.stream(request.remote, headers, _path(request))
        for url in others:
            with suppress(WebhookRejected):  # a later URL may be the signed one; the last one decides
                self._codec.verify_upgrade(url, headers)
                return
        self._codec.verify_upgrade(last, headers)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=FRAME_LIMIT, heartbeat=HEARTBEAT_S, timeout=2.0)
        ws.headers["Server"] = SERVER_NAME
        await ws.prepare(request)
        socket = WebSocket(ws, request.transport)
        try:
            async with socket.open_until_closed():
                started = await self._start(request, ws)
                with _OPEN.track_inprogress():
                    await self._carry(ws, socket, started)
        except _SocketRefused as refused:
            metrics.MEDIA_REJECTED.labels(reason=refused.label).inc()
            _log.info("media socket closed", extra={"reason": refused.label})
            socket.close(refused.code, refused.reason)
        await socket.finish()
        return ws

    # --- before the start

    async def _start(self, request: web.BaseRequest, ws: web.WebSocketResponse) -> MediaStarted:
        """The accepted start frame. Raises _SocketRefused."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        sender = client_ip(request.remote, headers, self._security)
        try:
            async with self._pending_slots.slot(sender), asyncio.timeout(self._limits.pre_start_timeout_ms / 1000):
                with _PENDING.track_inprogress():
                    return await self._accepted(self._completed(await self._first(ws), request))
        except NoSlot:
            raise _SocketRefused(_LATER, "Too many pending media stream connections", "pending") from None
        except TimeoutError:
            raise _SocketRefused(_POLICY, "Start timeout", "start-timeout") from None

    def _completed(self, start: MediaStarted, request: web.BaseRequest) -> MediaStarted:
        """Add call and token from the path, for carriers whose start frame has no field for them."""
        try:
            return completed(start, _path(request), self._limits.stream_path)
        except WebhookRejected as error:
            raise _SocketRefused(_POLICY, "Unknown call", error.reason) from error

    async def _first(self, ws: web.WebSocketResponse) -> MediaStarted:
        while True:
            match await self._next(ws):
                case MediaStarted() as started:
                    return started
                case MediaConnected() | MediaUnknown():
                    continue
                case None:
                    raise _SocketRefused(1000, "gone", "gone-before-start")
                case _:
                    raise _SocketRefused(_POLICY, "Start first", "before-start")

    async def _next(self, ws: web.WebSocketResponse) -> MediaIn | None:
        message = await ws.receive()
        if message.type is WSMsgType.TEXT:
            try:
                return self._codec.media.read(message.data)
            except WebhookRejected as error:
                raise _SocketRefused(_POLICY, "Malformed", error.reason) from error
        if message.type is WSMsgType.BINARY:
            raise _SocketRefused(_POLICY, "Text only", "binary")
        return None

    async def _accepted(self, start: MediaStarted) -> MediaStarted:
        known = is_call_id(start.call) and bool(start.token)
        try:
            if known and await self._consume_token(CallId(start.call), bound_token(start.token, start.leg)):
                return start
        except BusUnavailable as error:
            _log.warning("token not checked", extra={"leg": start.leg, "error": str(error)})
            raise _SocketRefused(_LATER, "Try again", "unavailable") from error
        raise _SocketRefused(_POLICY, "Unknown call", "token")

    # --- after the start

    async def _carry(self, ws: web.WebSocketResponse, socket: WebSocket, start: MediaStarted) -> None:
        call = CallId(start.call)
        stream = self._new_stream(call=call, leg=start.leg, name=start.stream, socket=socket)
        decode = self._codec.media.reader(start)
        if decode is None:
            facts = {"call_id": call, "stream": start.stream, "leg": start.leg, "encoding": start.encoding}
            _log.warning("media stream of an encoding that is not decoded; the carrier itself speaks", extra=facts)
            stream.outbox.put(StreamUnusable(leg=start.leg, reason=f"the carrier's media stream is {start.encoding}"))
            raise _SocketRefused(_UNSUPPORTED, "Unsupported encoding", "encoding")
        _log.info("media stream opened", extra={"call_id": call, "stream": start.stream, "leg": start.leg})
        self._streams.open(stream)
        try:
            await _SocketReader(decode, stream, self._clock).read(ws)
        finally:
            self._streams.close(stream)
            _log.info("media stream closed", extra={"call_id": call, "stream": start.stream, "code": ws.close_code})


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


class _SocketReader:
    """Reads an accepted socket to its end. The third malformed frame closes it."""

    def __init__(self, decode: Callable[[str], MediaIn], stream: Stream, clock: Callable[[], float]) -> None:
        self._decode = decode
        self._stream = stream
        self._clock = clock
        self._flow = FlowMeter(clock())
        self._strikes = 0

    async def read(self, ws: web.WebSocketResponse) -> None:
        """Returns when the stream stops or the socket is closed. Raises _SocketRefused."""
        while True:
            message = await ws.receive()
            if message.type is not WSMsgType.TEXT:
                if message.type is WSMsgType.BINARY:
                    self._strike("binary")
                    continue
                return
            try:
                item = self._decode(message.data)
            except WebhookRejected as error:
                self._strike(error.reason)
                continue
            audio = item if isinstance(item, MediaAudio) else None
            if not self._flow.takes(len(audio.mulaw) if audio else 0, self._clock()):
                raise _SocketRefused(_POLICY, "Too fast", "rate")
            if audio is not None and audio.stream == self._stream.name:
                self._stream.on_caller_audio(audio.chunk, audio.mulaw)  # fifty times a second: kept short
            elif not self._take(item):
                return

    def _take(self, item: MediaIn) -> bool:
        """False at the end of the stream."""
        stream = self._stream
        if isinstance(item, MediaUnknown | MediaConnected):
            return True
        if isinstance(item, MediaStarted):
            raise _SocketRefused(_POLICY, "Already started", "second-start")
        if item.stream != stream.name:
            self._strike("other-stream")
            return True
        if isinstance(item, MediaMark):
            stream.on_mark(item.name)
        elif isinstance(item, MediaKey):
            stream.on_key(item.digit)
        return not isinstance(item, MediaStopped)

    def _strike(self, reason: str) -> None:
        self._strikes += 1
        metrics.MEDIA_DROPPED.labels(reason=reason).inc()
        if self._strikes >= _STRIKES:
            raise _SocketRefused(_POLICY, "Malformed", reason)
