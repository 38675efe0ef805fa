"""Notices that an ingress is dead: the items sent to it have no listener.

A closed socket is reported by its ingress, unless that was killed. Most carriers then ask another ingress how to go on;
one that takes commands waits for a command. Lives on the node's loop; `node` composes it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from voicecall.call.ids import NodeId
from voicecall.errors import BusError
from voicecall.ports import MediaItem

__all__ = ["IngressWatch"]

_log = logging.getLogger(__name__)

_SECOND_LOOK_S: Final = 0.3  # a subscription that broke is back by then


class IngressWatch:
    """`is_silent(ingress)`: nothing receives what is sent to it; may raise BusError. `on_dead` is called for each."""

    def __init__(self, is_silent: Callable[[NodeId], Awaitable[bool]], on_dead: Callable[[NodeId], None]) -> None:
        self._is_silent = is_silent
        self._on_dead = on_dead
        self._checks: dict[NodeId, asyncio.Task[None]] = {}

    def on_unheard(self, to: NodeId, items: list[MediaItem]) -> None:
        """These items had no listener. Never blocks."""
        del items
        if to not in self._checks:
            check = self._checks[to] = asyncio.ensure_future(self._check(to))
            check.add_done_callback(lambda _: self._checks.pop(to, None))

    async def _check(self, ingress: NodeId) -> None:
        await asyncio.sleep(_SECOND_LOOK_S)
        try:
            if not await self._is_silent(ingress):
                return
        except BusError as error:
            _log.warning("ingress not checked", extra={"ingress": ingress, "error": str(error)})
            return
        _log.warning("ingress is dead", extra={"ingress": ingress})
        self._on_dead(ingress)
