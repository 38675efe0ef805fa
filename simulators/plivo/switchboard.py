"""Plivo's calls: the target of inbound numbers, what an answered call does first, and the two ids of a call."""

import asyncio
import time
import uuid
from dataclasses import dataclass

from simulators.phone.answering import answer, say
from simulators.phone.line import Line
from simulators.phone.switchboard import Arrival, NumberSettings
from simulators.phone.switchboard import Switchboard as AnySwitchboard
from simulators.plivo import causes
from simulators.plivo.call import Call, Callback
from simulators.plivo.document import Destination
from simulators.plivo.exchange import Exchange
from simulators.plivo.interpreter import follow
from simulators.plivo.media import Order, run
from simulators.plivo.requests import DialRequest

__all__ = ["Number", "Switchboard"]

_POST_DIAL_KEY_MS = 200


@dataclass(frozen=True)
class Number:
    """The application that inbound numbers belong to."""

    answer: Destination
    hangup: Callback | None = None


class Switchboard(AnySwitchboard[Call]):
    """All calls of one account."""

    def __init__(self, exchange: Exchange, inbound: Number) -> None:
        super().__init__(exchange)
        self.exchange = exchange
        self.inbound = inbound
        exchange.persona = self.persona
        self._speaking: dict[str, asyncio.Task[None]] = {}

    # --- incoming and answered calls

    def arrive(self, arrival: Arrival) -> Call:
        number = self.inbound
        if arrival.url:
            number = Number(Destination(url=arrival.url), number.hangup)
        if not number.answer.url:
            raise ValueError("no answer URL: start with --webhook or give url")
        call = Call(
            exchange=self.exchange,
            direction="inbound",
            from_=arrival.from_,
            to=arrival.to,
            persona=arrival.persona,
            destination=number.answer,
            hangup=Callback(arrival.status_callback) if arrival.status_callback else number.hangup,
        )
        call.started_at = time.time()
        self.enter(call, "ringing")
        call.run(follow(call, call.destination))
        return call

    def configure(self, number: NumberSettings) -> None:
        destination = Destination(url=number.voice_url, method=number.method, fallback_url=number.fallback_url)
        # An application without a hangup URL posts the hangup to its answer URL.
        self.inbound = Number(destination, Callback(number.status_callback or number.voice_url, number.method))

    async def connected(self, call: Call) -> None:
        line = answer(call)
        if call.send_digits:
            call.note("digits", digits=call.send_digits)
            await line.pause(len(call.send_digits) * _POST_DIAL_KEY_MS)
        destination = call.destination
        if call.machine_detection:
            call.answered_by = call.persona.answered_by
            detecting = self._detect(call, line)
            if call.machine is not None or call.machine_detection == "hangup":
                call.spawn(detecting)
            else:
                # Without a callback URL the detection delays the answer URL.
                await detecting
                if call.answered_by.startswith("machine"):
                    machine = (("Machine", "true"),)
                    destination = Destination(
                        destination.url, destination.method, "answer", machine, destination.fallback_url
                    )
        await follow(call, destination)

    # --- orders

    def dial(self, order: DialRequest) -> list[Call]:
        """Start the calls of an order, one for each number."""
        calls = [
            Call(
                exchange=self.exchange,
                direction="outbound",
                from_=order.from_,
                to=to,
                persona=self.persona(to),
                destination=order.destination,
                ring=order.ring,
                hangup=order.hangup,
                send_digits=order.send_digits,
                machine_detection=order.machine_detection,
                machine=order.machine,
                limits_ringing=order.limits_ringing,
                ring_timeout_s=order.ring_timeout_s,
                time_limit_s=order.time_limit_s,
            )
            for to in order.to
        ]
        for call in calls:
            self.place(call)
        return calls

    def called(self, call_uuid: str) -> Call | None:
        """The call with that CallUUID, once it rings."""
        call = self.find(call_uuid)
        return call if call is not None and call.rang else None

    def requested(self, request_uuid: str) -> Call | None:
        """The call with that request_uuid."""
        return next((call for call in self.calls.values() if call.request_uuid == request_uuid), None)

    def transfer(self, call: Call, destination: Destination) -> None:
        """Replace the current activity of a live call."""
        call.run(follow(call, destination))

    def speak(self, call: Call, text: str) -> None:
        """Play a text over the current activity of the call."""
        self.stop_speaking(call)
        self._speaking[call.sid] = call.spawn(say(call, text))

    def stop_speaking(self, call: Call) -> None:
        """Stop the text, if one is playing."""
        speaking = self._speaking.pop(call.sid, None)
        if speaking is not None:
            speaking.cancel()

    def stream(self, call: Call, line: Line, order: Order) -> str:
        """Start to stream; returns the stream's id."""
        sid = str(uuid.uuid4())
        call.streaming = call.spawn(run(call, line, order, sid))
        return sid

    async def _detect(self, call: Call, line: Line) -> None:
        """Plivo reports machines only."""
        await line.pause(call.persona.verdict_after_ms)
        call.note("verdict", answered_by=call.persona.answered_by, at_ms=line.now_ms)
        if not call.persona.answered_by.startswith("machine"):
            return
        if call.machine is not None:
            fields = [*call.fields("MachineDetection"), ("Machine", "true"), ("IfMachine", call.machine_detection)]
            call.notify("amd", call.machine, fields)
        if call.machine_detection == "hangup":
            call.cause = causes.MACHINE
            call.end("completed", "carrier")
