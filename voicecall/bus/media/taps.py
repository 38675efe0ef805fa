"""The audio of a call on its way from its ingress to someone who listens in.

A channel for each listener, and none of a node: who listens in is never taken for an owner. Lossy as the media bus; the
ingress (`ingress/taps.py`) bounds what waits, and a listener whose channel has no subscriber is gone. The gateway asks
for the audio, and asks again while it wants it: a request that is not repeated ends by itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgpack
from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.media.bundles import pack_bundle
from voicecall.bus.subscription import Subscription
from voicecall.call.ids import CallId, NodeId
from voicecall.ports import Listen

__all__ = ["AGENT", "CALLER", "Sound", "TapPublisher", "TapReader", "pack_sounds", "unpack_sounds"]

CALLER: Final = 0
AGENT: Final = 1

_VERSION: Final = b"\x01"
_LONGEST: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio of one side of a call, mu-law. `at_ms`: when it began to be heard, epoch milliseconds by the ingress."""

    side: int
    at_ms: float
    mulaw: bytes


def pack_sounds(sounds: Iterable[Sound]) -> bytes:
    packed: bytes = msgpack.packb([(sound.side, sound.at_ms, sound.mulaw) for sound in sounds], use_bin_type=True)
    return _VERSION + packed


def unpack_sounds(data: bytes) -> tuple[Sound, ...]:
    """The sounds in order; none for bytes that are no sounds."""
    if data[:1] != _VERSION or len(data) > _LONGEST:
        return ()
    try:
        read = msgpack.unpackb(memoryview(data)[1:], raw=False, use_list=False)
    except (ValueError, msgpack.exceptions.UnpackException):
        return ()
    if type(read) is not tuple or not all(map(_is_sound, read)):
        return ()
    return tuple(Sound(*fields) for fields in read)


def _is_sound(fields: object) -> bool:
    if type(fields) is not tuple or tuple(map(type, fields)) != (int, float, bytes):
        return False
    return fields[0] in (CALLER, AGENT)


class TapPublisher:
    """The side of the ingress."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)

    async def publish(self, listeners: Sequence[str], sounds: Sequence[Sound]) -> list[str]:
        """Send the sounds to each listener. Returns those that are gone. Raises BusUnavailable."""
        data = pack_sounds(sounds)
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            for listener in listeners:
                pipeline.publish(self._keys.tap(listener), data)
            counts = await pipeline.execute()
        return [listener for listener, count in zip(listeners, counts, strict=True) if not count]


class TapReader:
    """The side of the gateway: the audio of `call` for one `listener`. `on_sounds` runs on the event loop."""

    def __init__(
        self, redis: Redis, call: CallId, listener: str, on_sounds: Callable[[tuple[Sound, ...]], None]
    ) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._ingresses = Ingresses(redis)
        self._call = call
        self._listener = listener
        self._channel = Subscription(
            redis, self._keys.tap(listener), on_message=lambda data: on_sounds(unpack_sounds(data))
        )

    async def run(self) -> None:
        """Receive until cancelled; survives restarts of Redis."""
        await self._channel.run()

    async def ask(self, holder: NodeId | None, lease_s: float) -> None:
        """Ask for the audio of the next `lease_s`. Raises BusUnavailable.

        `holder`: the ingress that holds the call's stream now. The others are asked too, so that a stream which the
        carrier opens anew at one of them is heard from its beginning.
        """
        await self._channel.ready()
        asked = {node for node, (_, is_fresh) in (await self._ingresses.known()).items() if is_fresh}
        asked |= set() if holder is None else {holder}
        data = pack_bundle([Listen(self._call, self._listener, round(lease_s * 1000))])
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            for node in asked:
                pipeline.publish(self._keys.media(node), data)
            await pipeline.execute()
