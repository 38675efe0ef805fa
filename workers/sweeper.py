"""Finds calls without an owner and rings for them.

Two signs, looked for by every node: a node whose channel fell silent (its process is dead; seen within half a second),
and a call whose owner is assured no more (its lease ran out, or its ring was lost). Redis names each finding to one
looker only, so a fleet of sweepers does not stampede. Ringing too often is harmless.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from voicecall.bus.live import LiveCalls
from voicecall.bus.membership import Membership
from voicecall.call.ids import CallId, NodeId
from voicecall.errors import BusError

__all__ = ["Sweeper"]

_log = logging.getLogger(__name__)

_LOOK_S: Final = 0.25
_SWEEP_EVERY: Final = 3  # looks
_AT_ONCE: Final = 200
_HOLD_S: Final = 2.0  # a call that was rung for is not named again for so long


class Sweeper:
    def __init__(
        self, me: NodeId, *, live: LiveCalls, membership: Membership, ring: Callable[[CallId], Awaitable[None]]
    ) -> None:
        self._me = me
        self._live = live
        self._membership = membership
        self._ring = ring

    async def run(self) -> None:
        """Look and sweep until cancelled; a Redis that does not answer is asked again."""
        looks = 0
        while True:
            try:
                await self.look()
                if looks % _SWEEP_EVERY == 0:
                    await self.sweep()
            except BusError as error:
                _log.warning("sweep failed", extra={"error": str(error)})
            looks += 1
            await asyncio.sleep(_LOOK_S * random.uniform(0.8, 1.2))

    async def look(self) -> int:
        """Ring for the calls of nodes that fell silent; how many."""
        count = 0
        for node in await self._membership.poll(self._me):
            calls = await self._membership.calls_of(node)
            if calls:
                _log.warning("node fell silent", extra={"node": node, "calls": len(calls)})
            count += await self._ring_all(calls)
        return count

    async def sweep(self) -> int:
        """Ring for orphans; how many."""
        orphans = await self._live.orphans(_AT_ONCE, hold_s=_HOLD_S)
        if orphans:
            _log.info("orphans rung for", extra={"calls": len(orphans)})
        return await self._ring_all(orphans)

    async def _ring_all(self, calls: Iterable[CallId]) -> int:
        rings = [self._ring(call) for call in calls]
        await asyncio.gather(*rings)
        return len(rings)
