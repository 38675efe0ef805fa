"""Finds live calls without an owner and rings for them.

Every node checks for two signs: a node whose channel has no listener (its process is dead; seen within half a second),
and a call whose owner is not assured any more (its lease ran out, or its ring was lost). Redis gives each finding to
one node only, so that the nodes do not all ring at once. Ringing too often is harmless.
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

_POLL_S: Final = 0.25
_SWEEP_EVERY: Final = 3  # polls
_SWEEP_LIMIT: Final = 200
_HOLD_S: Final = 2.0  # a call that was rung for is not found again for so long


class Sweeper:
    """`me`: the node it runs on. `ring` may raise BusUnavailable."""

    def __init__(
        self, me: NodeId, *, live: LiveCalls, membership: Membership, ring: Callable[[CallId], Awaitable[None]]
    ) -> None:
        self._me = me
        self._live = live
        self._membership = membership
        self._ring = ring

    async def run(self) -> None:
        """Poll and sweep until cancelled; while Redis does not answer, try again."""
        polls = 0
        while True:
            try:
                await self.poll()
                if polls % _SWEEP_EVERY == 0:
                    await self.sweep()
            except BusError as error:
                _log.warning("sweep failed", extra={"error": str(error)})
            polls += 1
            await asyncio.sleep(_POLL_S * random.uniform(0.8, 1.2))

    async def poll(self) -> int:
        """Ring for the calls of nodes whose channel has no listener; how many. Raises BusUnavailable."""
        count = 0
        for node in await self._membership.poll(self._me):
            calls = await self._membership.calls_of(node)
            if calls:
                _log.warning("node is dead", extra={"node": node, "calls": len(calls)})
            count += await self._ring_all(calls)
        return count

    async def sweep(self) -> int:
        """Ring for calls without an owner; how many. Raises BusUnavailable."""
        orphans = await self._live.orphans(_SWEEP_LIMIT, hold_s=_HOLD_S)
        if orphans:
            _log.info("rang for calls without an owner", extra={"calls": len(orphans)})
        return await self._ring_all(orphans)

    async def _ring_all(self, calls: Iterable[CallId]) -> int:
        rings = [self._ring(call) for call in calls]
        await asyncio.gather(*rings)
        return len(rings)
