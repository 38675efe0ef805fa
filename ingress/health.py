"""How this process is, told on a private address: /livez, /readyz, /metrics (reliability 5.1).

Alive means that the event loop turns, and nothing else: an outage of Redis must not restart every process. Ready means
that Redis takes a write and gives it back quickly, that our clocks agree, and that the door is not closing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from ingress.connections import SERVER_NAME
from voicecall import metrics

__all__ = ["Health", "Probe"]

_log = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[float]]
"""Writes to Redis and reads it back; gives Redis's time in epoch seconds. Raises when it cannot."""

_EVERY_S: Final = 1.0
_PROBE_S: Final = 0.2
_FRESH_S: Final = 5.0
_TURNED_S: Final = 2.0
_SKEW_S: Final = 60.0


class Health:
    """`run` probes until cancelled; `server` answers. `begin_closing` makes this process unready for good.

    `reachable`: False while carriers have no way to this door, because its tunnel is not up.
    """

    def __init__(self, probe: Probe, *, reachable: Callable[[], bool] = lambda: True) -> None:
        self._probe = probe
        self._reachable = reachable
        self._good_at: float | None = None
        self._turned_at = time.monotonic()
        self._skewed = False
        self._closing = False
        self._looked = asyncio.Event()

    def begin_closing(self) -> None:
        self._closing = True

    @property
    def unready(self) -> str:
        """Why this process should get no work; empty when it should."""
        if self._closing:
            return "closing"
        if not self._reachable():
            return "exposure"
        if self._good_at is None or time.monotonic() - self._good_at > _FRESH_S:
            return "redis"
        return "clock" if self._skewed else ""

    async def run(self) -> None:
        while True:
            self._turned_at = time.monotonic()
            await self._look()
            self._looked.set()
            await asyncio.sleep(_EVERY_S)

    async def looked(self) -> None:
        """Return when the first probe is over, whatever it said."""
        await self._looked.wait()

    async def _look(self) -> None:
        was = self.unready
        try:
            async with asyncio.timeout(_PROBE_S):
                redis_time = await self._probe()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with Redis, we are not ready
            _log.debug("probe failed", extra={"error": type(error).__name__})
        else:
            self._good_at = time.monotonic()
            self._skewed = abs(time.time() - redis_time) > _SKEW_S
        if self.unready != was:
            _log.warning("readiness changed", extra={"unready": self.unready or "no"})

    def server(self) -> web.Server:
        """The protocol factory of the private address."""
        return web.Server(self._answer, access_log=None)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        headers = {"Server": SERVER_NAME}
        match request.path:
            case "/livez":
                turns = time.monotonic() - self._turned_at < _TURNED_S + _EVERY_S
                return web.Response(status=200 if turns else 503, text="ok" if turns else "stuck", headers=headers)
            case "/readyz":
                why = self.unready
                return web.Response(status=503 if why else 200, text=why or "ok", headers=headers)
            case "/metrics":
                headers["Content-Type"] = metrics.CONTENT_TYPE
                return web.Response(body=metrics.exposition(), headers=headers)
            case _:
                return web.Response(status=404, text="Not Found", headers=headers)
