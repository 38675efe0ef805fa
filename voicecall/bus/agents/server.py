"""The gateway's side of agent hosts: hears what workers ask, claims it for a host here, and sends news back.

One claim decides which gateway has a turn; news is numbered and goes to the worker that asked. Knows bytes and
channels; what a host is, `AgentServer`'s owner knows (`gateway/agents.py`).
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.agents import wire
from voicecall.bus.agents.wire import Kind, Offer, Reply
from voicecall.bus.connection import reaching_redis
from voicecall.bus.subscription import Subscription
from voicecall.errors import BusUnavailable

__all__ = ["AgentServer", "Claimed"]

_CLAIM_MARGIN_MS: Final = 5_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Claimed:
    """A turn this gateway has. `tell` numbers what it says."""

    offer: Offer
    host: str
    told: int = 0


class AgentServer:
    """`on_offer` and `on_cancel` are called on the event loop and must not block. `run()` must be running.

    Offers reach every gateway, more than once; whoever wants one claims it.
    """

    def __init__(
        self,
        redis: Redis,
        gateway: str,
        *,
        on_offer: Callable[[Offer], None],
        on_cancel: Callable[[str], None],
    ) -> None:
        self._redis = redis
        self._gateway = gateway
        self._on_offer = on_offer
        self._on_cancel = on_cancel
        self._all = Subscription(redis, wire.ASK, on_message=self._heard)
        self._mine = Subscription(redis, wire.gateway_channel(gateway), on_message=self._heard)

    async def run(self) -> None:
        """Listen until cancelled; outlives any restart of Redis."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._all.run())
            group.create_task(self._mine.run())

    async def ready(self) -> None:
        await asyncio.gather(self._all.ready(), self._mine.ready())

    async def claim(self, offer: Offer, host: str) -> Claimed | None:
        """The turn, if nobody else has it. Raises BusUnavailable."""
        with reaching_redis():
            won: Any = await self._redis.set(
                wire.claim_key(offer.request), host, nx=True, px=offer.timeout_ms + _CLAIM_MARGIN_MS
            )
        return Claimed(offer, host) if won else None

    async def tell(self, claimed: Claimed, kind: Kind, text: str = "", *, code: str = "") -> bool:
        """Send news; False when the worker that asked is gone. Raises BusUnavailable: then a number is missing."""
        news = Reply(
            request=claimed.offer.request,
            number=claimed.told,
            kind=kind,
            text=text,
            code=code,
            host=claimed.host if kind == "taken" else "",
            gateway=self._gateway if kind == "taken" else "",
        )
        claimed.told += 1
        with reaching_redis():
            listeners: Any = await self._redis.publish(wire.asker_channel(claimed.offer.asker), news.pack())
        return int(listeners) > 0

    async def asker_lives(self, claimed: Claimed) -> bool:
        """Whether the worker that asked still listens; taken for granted while Redis does not say."""
        with suppress(BusUnavailable), reaching_redis():
            counts: Any = await self._redis.pubsub_numsub(wire.asker_channel(claimed.offer.asker))
            return any(listeners > 0 for _, listeners in counts)
        return True

    def _heard(self, data: bytes) -> None:
        if (cancelled := wire.read_cancel(data)) is not None:
            self._on_cancel(cancelled)
        elif (offer := wire.read_offer(data)) is not None:
            self._on_offer(offer)
        else:
            _log.warning("neither an offer nor a cancellation")
