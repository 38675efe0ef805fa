"""The calls of the account: placing, receiving, redirecting and ending them. What REST and the sim door act on."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from simulators.phone.persona import Persona
from simulators.twilio.answering import answer
from simulators.twilio.call import Call, Party, StatusCallback
from simulators.twilio.callee import act
from simulators.twilio.exchange import Exchange
from simulators.twilio.twiml import Destination
from simulators.twilio.voice import follow

__all__ = ["Number", "Switchboard", "with_url"]

_DIAL_S = 0.02
_POST_DIAL_KEY_S = 0.2


@dataclass(frozen=True)
class Number:
    """What the customer configured for inbound calls."""

    voice: Destination
    callback: StatusCallback | None = None


class Switchboard:
    """All calls, newest last, and who will be at the other end of the next ones."""

    def __init__(self, exchange: Exchange, inbound: Number) -> None:
        self.exchange = exchange
        self.inbound = inbound
        self.personas: dict[str, Persona] = {}
        self.next_personas: dict[str, list[Persona]] = {}
        """Personas for one call each, used before the lasting one. The number "*" stands for any."""
        self.calls: dict[str, Call] = {}
        self._next_start = 0.0

    def persona(self, number: str) -> Persona:
        """Who answers that number now. Somebody who picks up and says nothing, when nobody was configured."""
        for key in (number, "*"):
            if self.next_personas.get(key):
                return self.next_personas[key].pop(0)
        return self.personas.get(number) or self.personas.get("*") or Persona()

    def place(self, call: Call) -> None:
        """Start an outbound call that REST has accepted."""
        self._enter(call, "queued")
        call.run(self._ring_out(call))

    def arrive(self, from_: str, to: str, persona: Persona, number: Number | None = None) -> Call:
        """Somebody calls a number of the customer's."""
        number = number or self.inbound
        call = Call(
            self.exchange, "inbound", from_, to, persona=persona, destination=number.voice, callback=number.callback
        )
        call.started_at = time.time()
        self._enter(call, "ringing")
        call.run(follow(call, call.destination))
        return call

    def redirect(self, call: Call, destination: Destination) -> None:
        """Cut what a live call is doing and let it do something else."""
        call.run(follow(call, destination))

    def hang_up(self, call: Call, by: Party) -> None:
        """End a call in any state; a call nobody has answered is canceled."""
        call.end("completed" if call.line is not None else "canceled", by)

    def recast(self, call: Call, persona: Persona) -> None:
        """Replace the script of the person on a live call, from its first step."""
        call.persona = persona
        if call.line is not None:
            call.line.mouth.hush()
            call.act(act(call, call.line, persona))

    def live(self) -> Iterable[Call]:
        """Calls that are not over."""
        return [call for call in self.calls.values() if not call.over]

    def forget_ended(self) -> None:
        """Drop the records of calls that are over."""
        self.calls = {sid: call for sid, call in self.calls.items() if not call.over}

    def _enter(self, call: Call, status: str) -> None:
        self.calls[call.sid] = call
        call.enter(status)

    async def _ring_out(self, call: Call) -> None:
        """Dial, ring, and be answered or not, as the persona will have it."""
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
        await self._connected(call)

    async def _connected(self, call: Call) -> None:
        if call.machine_detection:
            call.answered_by = call.persona.answered_by
        line = answer(call)
        if call.amd_callback:
            detected = [
                ("CallSid", call.sid),
                ("AccountSid", self.exchange.account_sid),
                ("AnsweredBy", call.persona.answered_by),
                ("MachineDetectionDuration", "0"),
            ]
            call.tell("amd", call.amd_callback, detected)
        if call.send_digits:
            call.note("digits", digits=call.send_digits)
            await line.pause(len(call.send_digits) * _POST_DIAL_KEY_S * 1000)
        await follow(call, call.destination)

    async def _queue(self, call: Call) -> None:
        rate = self.exchange.calls_per_second
        if rate <= 0:
            return
        now = time.monotonic()
        start = max(now, self._next_start)
        self._next_start = start + 1 / rate
        call.queue_ms = round((start - now) * 1000)
        await asyncio.sleep(start - now)


def with_url(number: Number, url: str, status_callback: str) -> Number:
    """A number's configuration with another voice URL, or another status callback, for one call."""
    if url:
        number = replace(number, voice=Destination(url=url, kind="voice"))
    if status_callback:
        number = replace(number, callback=StatusCallback(status_callback))
    return number
