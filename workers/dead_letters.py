"""Dead letters of the actors, kept where the bus keeps its own: beside each other for whoever looks (P17)."""

from redis.asyncio import Redis

from voicecall.bus.dead import DeadLetters as BusDeadLetters
from voicecall.bus.entries import UndecodableEntry
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Event
from voicecall.call.ids import CallId, Seq
from voicecall.wire import pack_event

__all__ = ["ActorDeadLetters"]


class ActorDeadLetters:
    """Fills the role `actors.context.DeadLetters`."""

    def __init__(self, redis: Redis) -> None:
        self._dead = BusDeadLetters(redis, Scripts(redis))

    async def set_aside(self, call: CallId, event: Event, *, seq: Seq | None, reason: str) -> None:
        """Keep it, unless it is kept already. Raises BusUnavailable."""
        await self._dead.set_aside(call, (UndecodableEntry(seq or Seq(0), pack_event(event), reason),))

    async def keep(self, call: CallId, data: bytes, *, reason: str) -> None:
        """The same of something that is no event. Raises BusUnavailable."""
        await self._dead.set_aside(call, (UndecodableEntry(Seq(0), data, reason),))
