"""The gateway's side of agent hosts: receives the turns that workers offer, claims them, and sends updates back.

A claim is a Redis key set once, so exactly one gateway has a turn. Updates are numbered and go to the worker that
asked. Knows bytes and channels; `gateway/agents.py`, which uses this, knows the hosts.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.agents import wire
from voicecall.bus.agents.wire import TurnOffer, TurnUpdate, UpdateKind
from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.subscription import Subscription
from voicecall.errors import BusUnavailable

__all__ = ["AgentServer", "ClaimedTurn"]

_CLAIM_MARGIN_MS: Final = 5_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ClaimedTurn:
    """A turn that this gateway has. `sent` counts its updates; `AgentServer.send` numbers them with it."""

    offer: TurnOffer
    host: str
    sent: int = 0


class AgentServer:
    """`on_offer` and `on_cancel` are called on the event loop and must not block. `run()` must be running.

    Each offer reaches every gateway, usually more than once.
    """

    def __init__(
        self,
        redis: Redis,
        gateway: str,
        *,
        on_offer: Callable[[TurnOffer], None],
        on_cancel: Callable[[str], None],
    ) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._gateway = gateway
        self._on_offer = on_offer
        self._on_cancel = on_cancel
        self._offers = Subscription(redis, self._keys.agents_ask, on_message=self._on_message)
        self._own_channel = Subscription(redis, self._keys.agents_gateway(gateway), on_message=self._on_message)

    async def run(self) -> None:
        """Receive messages until cancelled; survives restarts of Redis."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._offers.run())
            group.create_task(self._own_channel.run())

    async def ready(self) -> None:
        await asyncio.gather(self._offers.ready(), self._own_channel.ready())

    async def claim(self, offer: TurnOffer, host: str) -> ClaimedTurn | None:
        """Take the turn for `host`; None when another gateway has it. Raises BusUnavailable."""
        with reaching_redis():
            won: Any = await self._redis.set(
                self._keys.agents_claim(offer.request), host, nx=True, px=offer.timeout_ms + _CLAIM_MARGIN_MS
            )
        return ClaimedTurn(offer, host) if won else None

    async def send(self, claimed: ClaimedTurn, kind: UpdateKind, text: str = "", *, code: str = "") -> bool:
        """Send the next update; False when the worker that asked is gone.

        Raises BusUnavailable. The number is used up then, so that the worker notices the gap.
        """
        update = TurnUpdate(
            request=claimed.offer.request,
            number=claimed.sent,
            kind=kind,
            text=text,
            code=code,
            host=claimed.host if kind == "taken" else "",
            gateway=self._gateway if kind == "taken" else "",
        )
        claimed.sent += 1
        with reaching_redis():
            listeners: Any = await self._redis.publish(self._keys.agents_asker(claimed.offer.asker), update.pack())
        return int(listeners) > 0

    async def asker_is_alive(self, claimed: ClaimedTurn) -> bool:
        """Whether the worker that asked still subscribes; True while Redis does not answer."""
        with suppress(BusUnavailable), reaching_redis():
            counts: Any = await self._redis.pubsub_numsub(self._keys.agents_asker(claimed.offer.asker))
            return any(listeners > 0 for _, listeners in counts)
        return True

    def _on_message(self, data: bytes) -> None:
        if (cancelled := wire.read_cancel(data)) is not None:
            self._on_cancel(cancelled)
        elif (offer := wire.read_offer(data)) is not None:
            self._on_offer(offer)
        else:
            _log.warning("message is neither an offer nor a cancellation")
