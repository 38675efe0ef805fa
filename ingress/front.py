"""The public door put together: one address, two paths, and the way out.

`app` gives it what it needs from outside, tests give it fakes. Knows which path leads where and in which order a door
is closed; what happens behind each path is for `webhooks` and `media` to know.
"""

import asyncio
import logging
from typing import Final

from aiohttp import web

from ingress.addresses import sender
from ingress.bell import Bell
from ingress.connections import BETWEEN_S, FIRST_HEAD_S, Guard, GuardedServer
from ingress.media import MediaDoor
from ingress.outbox import Outbox
from ingress.pacer import Pacer
from ingress.reach import Reach
from ingress.reception import Reception
from ingress.roles import DoorLog, Places
from ingress.streams import Socket, Stream, Streams
from ingress.webhooks import BODY_TIMEOUT_S, WebhookDoor, refusal
from voicecall import metrics
from voicecall.call.ids import CallId, LegId, NodeId, StreamId
from voicecall.ports import Codec, Doorbell, MediaBus
from voicecall.settings import Settings

__all__ = ["Front"]

_log = logging.getLogger(__name__)

_LINGER_S: Final = 0.5  # for the rest of a body we refused to read, so that its sender sees our answer
_HEADER_LINE: Final = 16_384  # a signature of 10 kB is a wrong one (attack 2), and not yet no HTTP at all
_CONNECTIONS: Final = 1024
_PER_SENDER: Final = 256
_EMPTYING_S: Final = 3.0
_AFTERGLOW_S: Final = 1.5
_LAST_WORDS_S: Final = 2.0


class Front:
    """`server` is the protocol factory to listen with; `streams.deliver` takes what the media bus brings.

    `reach`: where carriers find this door; without it, where the configuration says.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        reach: Reach | None = None,
        node: NodeId,
        codec: Codec,
        log: DoorLog,
        places: Places,
        doorbell: Doorbell,
        media: MediaBus,
        body_timeout_s: float = BODY_TIMEOUT_S,
        first_head_s: float = FIRST_HEAD_S,
    ) -> None:
        reach = reach or Reach(settings)
        self._log = log
        self._bus = media
        self._codec = codec
        self._bell = Bell(doorbell)
        self._pacer = Pacer()
        self._outboxes: set[Outbox] = set()  # with facts that are not in the log yet
        self.streams = Streams(node)
        self._reception = Reception(
            settings=settings, reach=reach, codec=codec, log=log, places=places, bell=self._bell
        )
        self._webhooks = WebhookDoor(
            settings=settings,
            reach=reach,
            codec=codec,
            receiver=self._reception,
            body_timeout_s=body_timeout_s,
        )
        self._media = MediaDoor(
            settings=settings,
            reach=reach,
            codec=codec,
            streams=self.streams,
            consume_token=log.consume_token,
            new_stream=self._new_stream,
            clock=self._pacer.clock,
        )
        self._webhook_path = settings.serve.path.rstrip("/") or "/"
        self._stream_path = settings.streaming.stream_path if settings.streaming.enabled else None
        limit = _CONNECTIONS + settings.streaming.max_connections
        self.guard = Guard(
            limit=limit,
            per_sender=max(_PER_SENDER, 2 * settings.streaming.max_connections),
            unlimited=frozenset(map(sender, settings.webhook_security.trusted_proxy_ips)),
            first_head_s=first_head_s,
        )
        self.server = GuardedServer(
            self.handle,
            self.guard,
            access_log=None,
            auto_decompress=False,
            lingering_time=_LINGER_S,
            max_field_size=_HEADER_LINE,
            keepalive_timeout=BETWEEN_S,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The one canonical route of each kind, as sent: nothing is decoded, collapsed or folded (attack 13)."""
        self.guard.speaks(request.protocol)
        try:
            path = request.raw_path.partition("?")[0]
            if self._is_stream(path):
                return await self._media.handle(request)
            if path.removesuffix("/") == self._webhook_path or path == self._webhook_path:
                return await self._webhooks.handle(request)
            metrics.WEBHOOKS_REJECTED.labels(reason="path").inc()
            return refusal(404)
        finally:
            self.guard.answered(request.protocol)

    def _is_stream(self, path: str) -> bool:
        """The stream's path, or one call's own below it: `/<call id>/<token>`."""
        ours = self._stream_path
        return ours is not None and (path == ours or path.startswith(f"{ours.rstrip('/')}/"))

    def _new_stream(self, *, call: CallId, leg: LegId, name: StreamId, socket: Socket) -> Stream:
        return Stream(
            call=call,
            leg=leg,
            name=name,
            socket=socket,
            codec=self._codec.media,
            bus=self._bus,
            outbox=Outbox(call, self._log, self._bell, self._outboxes),
            pacer=self._pacer,
        )

    def begin_closing(self) -> None:
        """New callers hear "busy", new sockets 503; calls we know are served on."""
        self._reception.closing = True
        self._media.closing = True

    async def empty(self) -> None:
        """Close the media sockets one by one: each carrier comes back by its redirect, here or next door.

        Takes three seconds at most, and a little longer in which those redirects are still answered here.
        """
        streams = list(self.streams)
        for stream in streams:
            stream.socket.close(1001, "going away")
            await asyncio.sleep(min(0.05, _EMPTYING_S / len(streams)))
        if streams:
            _log.info("media sockets closed", extra={"streams": len(streams)})
            await asyncio.sleep(_AFTERGLOW_S)

    async def close(self) -> None:
        """Let the last facts and rings out. The listening socket must be closed before."""
        self.server.pre_shutdown()
        await self.server.shutdown(1.0)
        for stream in self.streams:
            self.streams.close(stream)
        self.guard.close()
        self._pacer.close()
        await asyncio.gather(*(outbox.drain(_LAST_WORDS_S) for outbox in tuple(self._outboxes)))
        await self._bell.drain(_LAST_WORDS_S)
