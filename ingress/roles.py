"""What the public door needs beyond the house's ports: the few more things its log can do, and places for calls.

`bus/` fills these in production, `tests/fakes` in tests; the door itself is written against them.
"""

from typing import Protocol

from voicecall.call.events import Event
from voicecall.call.ids import CallId, LegId
from voicecall.call.state import Call, Phase
from voicecall.ports import Posted

__all__ = ["CallSlots", "IngressLog"]


class IngressLog(Protocol):
    """The part of the call log a door uses. Every method raises BusUnavailable."""

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
    ) -> Posted:
        """As `ports.CallLog.post`."""
        ...

    async def phase(self, call: CallId) -> Phase | None:
        """Where the call was at its newest commit; None when no worker has committed anything for it."""
        ...

    async def read(self, call: CallId) -> Call | None:
        """As `ports.CallLog.read`. Raises Undecodable for a snapshot of another build."""
        ...

    async def find_call(self, carrier: str, leg: LegId) -> CallId | None:
        """The call a leg belongs to, when its webhook does not say."""
        ...

    async def consume_token(self, call: CallId, token: str) -> bool:
        """True once for each stream token posted with this call, while it is fresh."""
        ...


class CallSlots(Protocol):
    async def reserve(self, call: CallId, *, limit: int) -> bool:
        """Take one of `limit` places of the whole cluster; True again for a call that has one."""
        ...
