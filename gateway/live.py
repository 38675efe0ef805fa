"""The view `live` of a subscription: what is said on calls, now and then, for chats that show a call as one message.

Used by `feed`. An update has the state of one call and its newest lines, and replaces the one before, because lines are
shortened when they are cut. Reads snapshots every `live.intervalMs` and sends what has changed: a call has at most one
update in that time, and one after its end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.api.frames import event_frame
from voicecall.api.params import SubscribeParams
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.errors import BusError
from voicecall.settings import Settings
from voicecall.wire import Undecodable

__all__ = ["LiveView"]

_LINES: Final = 20

_log = logging.getLogger(__name__)

Update = dict[str, Any]


class LiveView:
    """`is_enabled`: whether it may be subscribed to."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._log = RedisCallLog(redis)
        self._live = LiveCalls(redis)
        self._interval_s = settings.live.interval_ms / 1000
        self.is_enabled = settings.live.enabled

    async def follow(self, params: SubscribeParams, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send updates until cancelled, or until `send` raises."""
        shown: dict[CallId, Update] = {}
        while True:
            try:
                for update in await self._changed(shown, params.call_id):
                    await send(event_frame("voicecall.live", update, params.subscription))
            except BusError as error:
                _log.warning("live view interrupted", extra={"error": str(error)})
            await asyncio.sleep(self._interval_s)

    async def _changed(self, shown: dict[CallId, Update], only: CallId | None) -> list[Update]:
        """The updates to send; `shown` holds the newest one of each call that is not over."""
        calls = await self._live.list() if only is None else (only,)
        changed = []
        for call in dict.fromkeys((*calls, *shown)):
            state = await self._read(call)
            if state is None:
                shown.pop(call, None)
                continue
            update = _shown(state)
            if shown.get(call) == update:
                continue
            changed.append(update)
            shown[call] = update
            if state.is_over and only is None:
                del shown[call]
        return changed

    async def _read(self, call: CallId) -> Call | None:
        try:
            return await self._log.read(call)
        except Undecodable:
            return None  # of another build, whose gateway shows it


def _shown(call: Call) -> Update:
    lines = call.transcript[-_LINES:]
    return {
        "callId": call.id,
        "state": call.phase.value,
        "direction": call.direction.value,
        "from": call.from_ or "unknown",
        "to": call.to or "unknown",
        "startedAt": round(call.started_at * 1000),
        "lines": [
            {"timestamp": round(line.at * 1000), "speaker": line.speaker.value, "text": line.text} for line in lines
        ],
        "omitted": len(call.transcript) - len(lines),
    }
