"""Sends the events of a leg to the ingress: signed webhooks, tried again with the same id. Used by `leg`."""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson

from voicecall.carriers.mock.signature import HEADERS, sign

__all__ = ["Webhooks"]

_ATTEMPTS: Final = 4
_PAUSE_S: Final = 0.25
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0, connect=2.0)

_log = logging.getLogger(__name__)


class Webhooks:
    """`http` is borrowed."""

    def __init__(self, http: aiohttp.ClientSession, secret: str) -> None:
        self._http = http
        self._secret = secret
        self._sending: set[asyncio.Task[bytes | None]] = set()

    def send(self, url: str, event: Mapping[str, Any]) -> None:
        """Send an event whose reply does not matter. It is sent also when the leg ends meanwhile."""
        task = asyncio.create_task(self.ask(url, event))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def ask(self, url: str, event: Mapping[str, Any]) -> bytes | None:
        """The body of the 2xx reply; None when the event was refused, or could not be delivered."""
        body = orjson.dumps({"id": str(uuid.uuid4()), "event": event})
        pause_s = _PAUSE_S
        for attempt in range(1, _ATTEMPTS + 1):
            status, reply = await self._post(url, body)
            if 200 <= status < 300:
                return reply
            if (status and status != 429 and status < 500) or attempt == _ATTEMPTS:
                _log.warning("webhook refused", extra={"leg": event["legId"], "kind": event["type"], "status": status})
                return None
            await asyncio.sleep(pause_s)
            pause_s *= 2
        return None

    async def _post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the reply; status 0 without one."""
        timestamp = str(int(time.time()))
        signed = dict(zip(HEADERS, (sign(self._secret, timestamp, url, body), timestamp), strict=True))
        headers = {"Content-Type": "application/json", **signed}
        try:
            async with self._http.post(
                url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as reply:
                return reply.status, await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""

    async def close(self) -> None:
        """Give what is on its way a moment, then drop it."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=1.0)
        for task in self._sending:
            task.cancel()
