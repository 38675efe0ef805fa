"""One channel, listened to for as long as the process lives.

Pub/sub loses silently: whatever is published while a socket is down is gone. So this says when that may have happened
(`on_gap`), and finds out by itself when its socket is dead, by asking for a sign of life on the very line it listens
on. Used for nudges, feed and media; knows nothing of what the bytes mean.
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

__all__ = ["Subscription"]

_FIRST_DELAY_S: Final = 0.02
_LONGEST_DELAY_S: Final = 0.25

_logger = logging.getLogger(__name__)


class Subscription:
    """`on_message` gets each message's bytes; `on_gap` is told after every subscription but the first.

    Both run on the event loop and should not raise; if one does, it is logged and counted in `faults`.
    `silence_s`: after so long without a word the line is tested; it has as long again to answer.
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
        self._up, self._down, self._alive = asyncio.Event(), asyncio.Event(), asyncio.Event()
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
        """Return when the line is lost: from then on messages are missed."""
        await self._down.wait()

    async def sign_of_life(self) -> None:
        """Return when the server next answers a test of this line."""
        self._alive.clear()
        await self._alive.wait()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                _logger.warning(
                    "subscription lost",
                    extra={"channel": self._channel, "error": type(error).__name__, "failures": self._failures},
                )
            except Exception:
                # Whatever the client stumbles over when its socket goes: a node without ears would be worse.
                _logger.exception("subscription failed", extra={"channel": self._channel})
            finally:
                self._up.clear()
                self._down.set()
            # Jittered, so that a whole fleet does not come back in the same millisecond; short, because a node
            # without its channel looks dead to the others.
            self._failures += 1
            await asyncio.sleep(next(self._delays))

    async def _listen(self) -> None:
        async with self._redis.pubsub() as line:
            await line.subscribe(self._channel)
            tested = False
            while True:
                message = await line.get_message(timeout=self._silence_s)
                if message is None:
                    if tested:
                        raise RedisConnectionError("no sign of life on the subscription")
                    await line.ping()
                    tested = True
                    continue
                tested = False
                if message["type"] == "message":
                    self._tell(partial(self._on_message, message["data"]))
                elif message["type"] == "subscribe":
                    # Also after a reconnection that the client made by itself.
                    self._subscribed()
                elif message["type"] == "pong":
                    self._alive.set()

    def _subscribed(self) -> None:
        self.subscriptions += 1
        self._failures = 0
        self._delays = _delays()
        self._down.clear()
        self._up.set()
        if self.subscriptions > 1 and self._on_gap is not None:
            self._tell(self._on_gap)

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            # One bad message must not deafen the node to all others.
            self.faults += 1
            _logger.exception("listener failed", extra={"channel": self._channel})


def _delays() -> Iterator[float]:
    return backoff(first_s=_FIRST_DELAY_S, most_s=_LONGEST_DELAY_S, jitter=(0.0, 1.0))
