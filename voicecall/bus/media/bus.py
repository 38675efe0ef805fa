"""The media bus: audio and its commands between the ingress with the socket and the worker with the call.

Lossy by design, and fast: the items of many calls for one node travel in one message every few milliseconds; what waits
is bounded, and the oldest audio is dropped first. `bundles.py` has the bytes, `outbox.py` the pacing. No guarantee
depends on the arrival of any one message.
"""

import logging
from collections.abc import Callable

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.exchange import exchange
from voicecall.bus.media.bundles import pack_audio, pack_bundle, unpack_bundle, unpacked
from voicecall.bus.media.outbox import Bundle, PacedQueue
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId, NodeId, StreamId
from voicecall.errors import BusUnavailable
from voicecall.ports import CallerAudio, IngressMedia, MediaItem

__all__ = ["RedisMediaBus"]

_logger = logging.getLogger(__name__)


class RedisMediaBus(IngressMedia):
    """`me`: the node whose items `run` receives. Belongs to one event loop.

    `interval_s`: time between two bundles; `audio_interval_s`: the same for caller audio, which recognition takes in
    larger pieces anyway: a bundle costs the ingress alone 0.2 ms, whatever is in it. `bound`: bytes that may wait per
    destination. `again_s`: for so long commands that no process received are sent again: the receiver may be
    subscribing anew. Counted since the start: items `sent`, `received` and `dropped`; bundles that were `junk`;
    `faults` of the handler. `on_unheard` gets the items sent to a node without a listener (a killed worker's
    subscription is gone at once), and those that Redis did not take, of which some may have arrived.
    """

    def __init__(
        self,
        redis: Redis,
        me: NodeId,
        *,
        interval_s: float = 0.002,
        audio_interval_s: float = 0.010,
        bound: int = 4 * 1_048_576,
        again_s: float = 3.0,
        on_unheard: Callable[[NodeId, list[MediaItem]], None] | None = None,
    ) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._on_unheard = on_unheard
        self._commands = PacedQueue(self._publish_commands, interval_s=interval_s, bound=bound, again_s=again_s)
        self._audio = PacedQueue(self._publish_audio, interval_s=audio_interval_s, bound=bound)
        self._handler: Callable[[MediaItem], None] | None = None
        self._channel = Subscription(redis, self._keys.media(me), on_message=self._on_message)
        self._lost = 0
        self.sent = 0
        self.received = 0
        self.junk = 0
        self.faults = 0

    @property
    def dropped(self) -> int:
        """Items that were evicted, or that Redis did not take."""
        return self._lost + self._commands.dropped + self._audio.dropped

    def send(self, to: NodeId, item: MediaItem) -> None:
        """As the port says. Call it on the event loop."""
        (self._audio if isinstance(item, CallerAudio) else self._commands).put(to, item)

    def send_audio(self, to: NodeId, call: CallId, stream: StreamId, first: int, mulaw: bytes) -> None:
        """As the port says. Call it on the event loop."""
        self._audio.put(to, pack_audio(call, stream, first, mulaw))

    async def flush(self) -> None:
        """Return when everything sent so far has been published or dropped."""
        await self._commands.flush()
        await self._audio.flush()

    async def run(self, handler: Callable[[MediaItem], None]) -> None:
        """Call `handler` with every item sent to `me`, in its sender's order, until cancelled.

        The handler runs on the event loop, must not block and should not raise.
        """
        self._handler = handler
        await self._channel.run()

    async def ready(self) -> None:
        """Return when items for `me` arrive."""
        await self._channel.ready()

    async def _publish_commands(self, bundles: list[Bundle]) -> list[Bundle]:
        """What a worker lets be heard. Of a bundle whose reply was lost some 10 ms may be heard twice."""
        unheard = await self._publish(bundles)
        self._hand_back(unheard)
        return unheard

    async def _publish_audio(self, bundles: list[Bundle]) -> list[Bundle]:
        """What a caller says. Its frames are numbered, and who gets it back sends it when a worker attaches."""
        sent = self.sent
        unheard = await self._publish(bundles)
        if self._on_unheard is None:
            # Without a listener they are gone; when `sent` has not grown, Redis took nothing.
            self._lost += sum(len(items) for _, items in unheard) if self.sent == sent else 0
            return []
        # With what came in meanwhile: it must not arrive before them.
        self._hand_back([(to, [*items, *self._audio.withdraw(to)]) for to, items in unheard])
        return []

    def _hand_back(self, unheard: list[Bundle]) -> None:
        if self._on_unheard is not None:
            for to, items in unheard:
                self._on_unheard(to, unpacked(items))

    async def _publish(self, bundles: list[Bundle]) -> list[Bundle]:
        """Returns those that Redis did not take, or that had no receiver."""
        messages = [("PUBLISH", self._keys.media(to), pack_bundle(items)) for to, items in bundles]
        try:
            with reaching_redis():
                listener_counts = await exchange(self._redis, messages)
                for reply in listener_counts:
                    if isinstance(reply, Exception):
                        raise reply
        except BusUnavailable as error:
            count = sum(len(items) for _, items in bundles)
            _logger.warning("media not taken", extra={"items": count, "error": str(error)})
            return bundles
        self.sent += sum(len(items) for _, items in bundles)
        return [bundle for bundle, listeners in zip(bundles, listener_counts, strict=True) if not listeners]

    def _on_message(self, data: bytes) -> None:
        items = unpack_bundle(data)
        if items is None:
            self.junk += 1
            return
        self.received += len(items)
        handler = self._handler
        if handler is None:
            return
        for item in items:
            try:
                handler(item)
            except Exception:
                # An error of one call must not affect the others in its bundle.
                self.faults += 1
                _logger.exception("media handler failed", extra={"call_id": item.call})
