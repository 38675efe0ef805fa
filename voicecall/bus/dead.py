"""The dead letters of the bus: log entries and snapshots that nobody could read, kept with their bytes and the reason.

Written by log and lease, read by operators. An entry is set aside once, however often it is met (reliability P17).
"""

import logging
from collections.abc import Iterable
from typing import Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.entries import Spoiled
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId

__all__ = ["DeadLetters"]

_KEPT: Final = 1_000
_BYTES_KEPT: Final = 65_536

_logger = logging.getLogger(__name__)


class DeadLetters:
    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._redis = redis
        self._scripts = scripts

    async def set_aside(self, call: CallId, spoiled: Iterable[Spoiled]) -> None:
        """Keep each of these, unless it is kept already. Raises BusUnavailable."""
        for item in spoiled:
            new = await self._scripts.run(
                "set_aside",
                (keys.claims(call), keys.state(call), keys.DEAD),
                f"dead {item.seq}",
                call,
                item.seq,
                item.reason,
                item.data[:_BYTES_KEPT],
                _KEPT,
            )
            if new:
                _logger.error(
                    "undecodable entry set aside",
                    extra={"call_id": call, "seq": item.seq, "reason": item.reason},
                )

    async def count(self) -> int:
        """How many are kept. Raises BusUnavailable."""
        with reaching_redis():
            return int(await self._redis.xlen(keys.DEAD))
