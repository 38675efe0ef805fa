"""The public HTTP server: routes requests to `webhooks` and `media`, and closes connections in order.

`app` gives it Redis-backed parts, tests give it fakes. Knows paths and the order of a shutdown; knows no webhook and no
media frame.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aiohttp import web

from ingress.drain import close_each, close_together
from ingress.inbound import InboundCalls
from ingress.media import MediaSockets
from ingress.outbox import Outbox
from ingress.pacer import Pacer
from ingress.public_address import PublicAddress
from ingress.recording import StreamRecorders
from ingress.sockets import HEARTBEAT_S
from ingress.streams import MediaSocket, Stream, Streams
from ingress.taps import Publish
from ingress.text_stream import TextStream
from ingress.traced import TracedReceiver, stream_span
from ingress.webhooks import BODY_TIMEOUT_S, WebhookServer, refusal
from voicecall import metrics
from voicecall.bus.doorbell import RateLimitedDoorbell
from voicecall.call.ids import CallId, LegId, NodeId, StreamId
from voicecall.connections import BETWEEN_S, FIRST_HEAD_S, ConnectionLimiter, LimitedServer, sender
from voicecall.ports import CallSlots, Codec, Doorbell, IngressLog, IngressMedia, WorkerPresence
from voicecall.recording import RecordingStore
from voicecall.settings import Settings
from voicecall.slots import Slots
from voicecall.tracing import Traces

__all__ = ["IngressServer", "Recordings"]

_log = logging.getLogger(__name__)

_LINGER_S: Final = 0.5  # reads on after a refused body, so that its sender gets the answer before the close
_HEADER_LINE: Final = 16_384  # a header of 10 kB is parsed, so that it is refused as a wrong signature (attack 2)
_CONNECTIONS: Final = 1024
_PER_SENDER: Final = 256
_DRAIN_S: Final = 10.0
_TOGETHER_S: Final = 5.0  # how long all streams may wait for a moment in which no one speaks on any
_POLL_S: Final = 0.05
_REDIRECT_GRACE_S: Final = 1.0
_RESUME_AFTER_S: Final = 1.0
_FLUSH_S: Final = 2.0


Recordings = tuple[RecordingStore, Callable[[], float]]
"""Where recordings go, and the time of the system in epoch seconds."""


class IngressServer:
    """`server` is the protocol factory to listen with; `streams.deliver` takes the items of the media bus.

    `public_address`: where carriers find this ingress; by default, what the configuration says. `drain_s`: how long a
    stream may wait at the end for a moment in which no one speaks. `heartbeat_s`: how often each media socket is
    examined for life. `traces`: where spans go; None: nowhere. `publish_tap`: as `publish` of `Streams`. `recordings`:
    where recordings go, and the time of the system; None: no call is recorded.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        public_address: PublicAddress | None = None,
        node: NodeId,
        codec: Codec,
        log: IngressLog,
        places: CallSlots,
        workers: WorkerPresence,
        doorbell: Doorbell,
        media: IngressMedia,
        body_timeout_s: float = BODY_TIMEOUT_S,
        first_head_s: float = FIRST_HEAD_S,
        drain_s: float = _DRAIN_S,
        heartbeat_s: float = HEARTBEAT_S,
        traces: Traces | None = None,
        publish_tap: Publish | None = None,
        recordings: Recordings | None = None,
    ) -> None:
        public_address = public_address or PublicAddress(settings)
        self._log = log
        self._bus = media
        self._drain_s = drain_s
        self._codec = codec
        self._doorbell = RateLimitedDoorbell(doorbell)
        self._pacer = Pacer()
        self._outboxes: set[Outbox] = set()  # with events that are not in the log yet
        self.recorders = None if recordings is None else StreamRecorders(*recordings, self._pacer.clock)
        self.streams = Streams(
            node, None if traces is None else _on_ended(traces), publish=publish_tap, clock=self._pacer.clock
        )
        self._inbound = InboundCalls(
            settings=settings,
            public_address=public_address,
            codec=codec,
            log=log,
            places=places,
            workers=workers,
            doorbell=self._doorbell,
        )
        self._webhooks = WebhookServer(
            settings=settings,
            public_address=public_address,
            codec=codec,
            receiver=self._inbound if traces is None else TracedReceiver(self._inbound, traces, codec.name),
            body_timeout_s=body_timeout_s,
        )
        self._media = MediaSockets(
            settings=settings,
            public_address=public_address,
            codec=codec,
            streams=self.streams,
            consume_token=log.consume_token,
            new_stream=self._new_stream,
            clock=self._pacer.clock,
            heartbeat_s=heartbeat_s,
        )
        self._webhook_path = settings.serve.path.rstrip("/") or "/"
        self._stream_path = settings.streaming.stream_path if settings.is_streaming else None
        limit = _CONNECTIONS + settings.streaming.max_connections
        self.limiter = ConnectionLimiter(
            limit=limit,
            per_sender=max(_PER_SENDER, 2 * settings.streaming.max_connections),
            unlimited=frozenset(map(sender, settings.webhook_security.trusted_proxy_ips)),
            first_head_s=first_head_s,
        )
        self.server = LimitedServer(
            self.handle,
            self.limiter,
            access_log=None,
            auto_decompress=False,
            lingering_time=_LINGER_S,
            max_field_size=_HEADER_LINE,
            keepalive_timeout=BETWEEN_S,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Route one request by its raw path: nothing is decoded or normalised (attack 13)."""
        path = request.raw_path.partition("?")[0]
        if self._is_stream(path):
            return await self._media.handle(request)
        if path.removesuffix("/") == self._webhook_path or path == self._webhook_path:
            return await self._webhooks.handle(request)
        metrics.WEBHOOKS_REJECTED.labels(reason="path").inc()
        return refusal(404)

    @property
    def bodies(self) -> Slots:
        """The webhooks whose body is being read."""
        return self._webhooks.bodies

    def measure_capacity(self) -> None:
        """Show in the metrics how many connections and media sockets are open, of how many."""
        self.limiter.show()
        self._media.measure_capacity()

    def _is_stream(self, path: str) -> bool:
        """Whether this is the stream's path, or one call's own below it: `/<call id>/<token>`."""
        base = self._stream_path
        return base is not None and (path == base or path.startswith(f"{base.rstrip('/')}/"))

    def _new_stream(
        self, *, call: CallId, leg: LegId, name: StreamId, socket: MediaSocket, reconnects: bool, is_text: bool
    ) -> Stream:
        return (TextStream if is_text else Stream)(
            call=call,
            leg=leg,
            name=name,
            socket=socket,
            codec=self._codec.media,
            bus=self._bus,
            outbox=Outbox(call, self._log, self._doorbell, self._outboxes),
            pacer=self._pacer,
            reconnects=reconnects,
            recorders=self.recorders,
        )

    def start_draining(self, *, alone: bool) -> None:
        """Answer new calls with "busy" and new sockets with 503; known calls are served on.

        `alone`: no other ingress takes the calls over. A carrier that asks how to go on is then instructed to wait.
        """
        self._inbound.draining = self._media.draining = True
        self._inbound.holds = alone
        self.streams.is_stopping = True
        self.streams.resume_after_s = _RESUME_AFTER_S if alone else 0.0

    async def drain(self) -> None:
        """Close the media sockets, at a moment in which no word is torn if one comes in time.

        With another ingress, each at its own moment, for its carrier reconnects there at once. Alone, all at the same
        moment, for each carrier waits from its close until the next ingress listens; the requests that follow are
        answered, for a second at most.
        """
        count = len(self.streams)
        if not self._inbound.holds:
            await close_each(self.streams, within_s=self._drain_s)
        else:
            await self._answer_until_all_wait(await close_together(self.streams, within_s=_TOGETHER_S))
        if count:
            _log.info("media sockets closed", extra={"streams": count, "held": len(self._inbound.held)})

    async def _answer_until_all_wait(self, closed: list[Stream]) -> None:
        now = asyncio.get_running_loop().time
        asking = [] if self._inbound.by_command else [stream for stream in closed if not stream.reconnects]
        calls = {stream.call for stream in asking}
        deadline = now() + _REDIRECT_GRACE_S
        while calls - self._inbound.held and now() < deadline:  # noqa: ASYNC110  many requests
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """Close all connections; post the last events and rings. The listening socket must be closed before."""
        self.server.pre_shutdown()
        await self.server.shutdown(1.0)
        for stream in self.streams:
            self.streams.close(stream)
        await self.streams.close_taps()
        if self.recorders is not None:
            await self.recorders.flush()
        self.limiter.close()
        self._pacer.close()
        await asyncio.gather(*(outbox.drain(_FLUSH_S) for outbox in tuple(self._outboxes)))
        await self._doorbell.drain(_FLUSH_S)


def _on_ended(traces: Traces) -> Callable[[Stream], None]:
    return lambda stream: traces.record(stream.call, [stream_span(stream.name, stream.opened_at)])
