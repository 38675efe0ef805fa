"""The calls of an account: placing, receiving and ending them. Used by the REST API and the `/_sim` routes.

Knows how a phone rings and who answers it; what happens then is each carrier's.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from simulators.phone.call import Call, Party
from simulators.phone.callee import act
from simulators.phone.persona import Persona
from simulators.phone.services import Services

__all__ = ["Arrival", "NumberSettings", "Switchboard"]

_DIAL_S = 0.02

C = TypeVar("C", bound=Call)


@dataclass(frozen=True)
class Arrival:
    """An inbound call. `url` and `status_callback` replace the number's settings for this call."""

    from_: str
    to: str
    persona: Persona
    url: str = ""
    status_callback: str = ""


@dataclass(frozen=True)
class NumberSettings:
    """What the customer configured for inbound calls."""

    voice_url: str
    method: str = "POST"
    fallback_url: str = ""
    status_callback: str = ""


class Switchboard(ABC, Generic[C]):
    """All calls, newest last, and the personas of the next ones."""

    def __init__(self, exchange: Services) -> None:
        self._services = exchange
        self.personas: dict[str, Persona] = {}
        self.next_personas: dict[str, list[Persona]] = {}
        """Personas for one call each, used before the permanent one. The number "*" stands for any."""
        self.calls: dict[str, C] = {}
        self._next_start = 0.0

    @property
    def services(self) -> Services:
        """What all calls share."""
        return self._services

    # --- what a carrier adds

    @abstractmethod
    def arrive(self, arrival: Arrival) -> C:
        """Start an inbound call to a number of the customer's. Raises ValueError when the number is not configured."""

    @abstractmethod
    def configure(self, number: NumberSettings) -> None:
        """Set the target of inbound calls from now on."""

    @abstractmethod
    async def connected(self, call: C) -> None:
        """The callee of an outbound call answered: do what the customer ordered."""

    # --- personas

    def persona(self, number: str) -> Persona:
        """The persona that answers that number now. The default answers and says nothing."""
        for key in (number, "*"):
            if self.next_personas.get(key):
                return self.next_personas[key].pop(0)
        return self.personas.get(number) or self.personas.get("*") or Persona()

    def recast(self, call: C, persona: Persona) -> None:
        """Replace the script of the callee of a live call, from its first step."""
        call.persona = persona
        if call.line is not None:
            call.line.speaker.purge()
            call.act(act(call, call.line, persona))

    # --- calls

    def place(self, call: C) -> None:
        """Start an outbound call that REST has accepted."""
        self.enter(call, "queued")
        call.run(self._ring_out(call))

    def enter(self, call: C, status: str) -> None:
        """Take a new call in."""
        self.calls[call.sid] = call
        call.enter(status)

    def find(self, sid: str) -> C | None:
        """The call of that name."""
        return self.calls.get(sid)

    def hang_up(self, call: C, by: Party) -> None:
        """End a call in any state; an unanswered call is canceled."""
        call.end("completed" if call.line is not None else "canceled", by)

    def live(self) -> Iterable[C]:
        """Calls that are not over."""
        return [call for call in self.calls.values() if not call.over]

    def forget_ended(self) -> None:
        """Drop the records of calls that are over."""
        self.calls = {sid: call for sid, call in self.calls.items() if not call.over}

    async def _ring_out(self, call: C) -> None:
        """Dial, ring, and be answered or not, as the persona says."""
        await self._queue(call)
        call.started_at = time.time()
        call.enter("initiated")
        await asyncio.sleep(_DIAL_S)
        person = call.persona
        if person.refusal == "failed":
            call.end("failed", "carrier")
            return
        call.enter("ringing")
        patience_s = call.ring_timeout_s
        wait_s = person.answer_after_ms / 1000
        if person.refusal == "no-answer" or wait_s > patience_s:
            await asyncio.sleep(patience_s)
            call.end("no-answer", "carrier")
            return
        await asyncio.sleep(wait_s)
        if person.refusal is not None:
            call.end(person.refusal, "callee")
            return
        await self.connected(call)

    async def _queue(self, call: C) -> None:
        rate = self._services.calls_per_second
        if rate <= 0:
            return
        now = time.monotonic()
        start = max(now, self._next_start)
        self._next_start = start + 1 / rate
        call.queue_ms = round((start - now) * 1000)
        await asyncio.sleep(start - now)
