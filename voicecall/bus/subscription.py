"""A subscription to one pub/sub channel that is restored whenever it is lost.

Pub/sub loses silently the messages that are published while a socket is down, so `on_gap` reports that some may have
been missed. A dead socket is detected by a PING on the subscribed connection itself. Used for nudges, feed, media and
agent hosts; does not know what the bytes mean.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from voicecall.aio import backoff
from voicecall.bus.connection import as_bus_error

__all__ = ["Subscription"]

_FIRST_DELAY_S: Final = 0.02
_LONGEST_DELAY_S: Final = 0.25

_logger = logging.getLogger(__name__)


class Subscription:
    """`on_message` gets each message's bytes; `on_gap` is called after every subscription but the first.

    Both run on the event loop and should not raise; an exception is logged and counted in `faults`. `silence_s`: after
    so long without a message the connection is pinged, and it has as long again to answer. `subscriptions` counts how
    often the server has confirmed one.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        *,
        on_message: Callable[[bytes], None],
        on_gap: Callable[[], None] | None = None,
        silence_s: float = 1.0,
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._on_message = on_message
        self._on_gap = on_gap
        self._silence_s = silence_s
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._failures = 0
        self._delays = _delays()
        self.subscriptions = 0
        self.faults = 0

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def ready(self) -> None:
        """Return when the server has confirmed the subscription."""
        await self._up.wait()

    async def down(self) -> None:
        """Return when the subscription is lost: from then on messages are missed."""
        await self._down.wait()

    async def run(self) -> None:
        """Receive messages until cancelled."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                _logger.warning(
                    "subscription lost",
                    extra={"channel": self._channel, "error": str(as_bus_error(error)), "failures": self._failures},
                )
            except Exception:
                # The client may raise anything when its socket closes; a node without its channel would be worse.
                _logger.exception("subscription failed", extra={"channel": self._channel})
            finally:
                self._up.clear()
                self._down.set()
            # Jittered, so that the nodes do not all reconnect in the same millisecond; short, because a node without
            # its channel looks dead to the others.
            self._failures += 1
            await asyncio.sleep(next(self._delays))

    async def _listen(self) -> None:
        async with self._redis.pubsub() as connection:
            await connection.subscribe(self._channel)
            is_pinged = False
            while True:
                message = await connection.get_message(timeout=self._silence_s)
                if message is None:
                    if is_pinged:
                        raise RedisConnectionError("the subscription does not answer a PING")
                    await connection.ping()
                    is_pinged = True
                    continue
                is_pinged = False
                if message["type"] == "message":
                    self._notify(partial(self._on_message, message["data"]))
                elif message["type"] == "subscribe":
                    # Also after a reconnection that the client made by itself.
                    self._on_subscribed()

    def _on_subscribed(self) -> None:
        self.subscriptions += 1
        self._failures = 0
        self._delays = _delays()
        self._down.clear()
        self._up.set()
        if self.subscriptions > 1 and self._on_gap is not None:
            self._notify(self._on_gap)

    def _notify(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            # One bad message must not stop the node from receiving all others.
            self.faults += 1
            _logger.exception("listener failed", extra={"channel": self._channel})


def _delays() -> Iterator[float]:
    return backoff(first_s=_FIRST_DELAY_S, most_s=_LONGEST_DELAY_S, jitter=(0.0, 1.0))
