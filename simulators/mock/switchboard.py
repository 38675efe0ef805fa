"""The mock carrier's calls: which event is sent when a call arrives, is answered, or is placed."""

import time

from simulators.mock.call import Call
from simulators.mock.detection import detect
from simulators.mock.exchange import Exchange
from simulators.mock.interpreter import follow
from simulators.mock.native_speech import NativeSpeech, Prompt
from simulators.mock.requests import DialRequest, TransferRequest
from simulators.phone.answering import answer, connect_with
from simulators.phone.switchboard import Arrival, NumberSettings
from simulators.phone.switchboard import Switchboard as AnySwitchboard

__all__ = ["Switchboard"]


class Switchboard(AnySwitchboard[Call]):
    """All calls of one account."""

    def __init__(self, exchange: Exchange, webhook_url: str) -> None:
        super().__init__(exchange)
        self.exchange = exchange
        self.webhook_url = webhook_url
        self._native_speech: dict[str, NativeSpeech] = {}

    # --- personas

    def arrive(self, arrival: Arrival) -> Call:
        """Send the arrival while the phone rings; a reply that speaks or streams answers the call."""
        url = arrival.url or self.webhook_url
        if not url:
            raise ValueError("no webhook URL: start with --webhook or give url")
        call = Call(
            exchange=self.exchange,
            direction="inbound",
            from_=arrival.from_,
            to=arrival.to,
            persona=arrival.persona,
            webhook_url=url,
        )
        call.started_at = time.time()
        self.enter(call, "ringing")
        call.run(follow(call, self._talk(call), "call.initiated"))
        return call

    def configure(self, number: NumberSettings) -> None:
        self.webhook_url = number.voice_url

    async def connected(self, call: Call) -> None:
        line = answer(call)
        if call.detects:
            call.spawn(detect(call, line))
        await follow(call, self._talk(call), "call.answered")

    # --- orders

    def dial(self, order: DialRequest) -> Call:
        """Start an outbound call."""
        call = Call(
            exchange=self.exchange,
            direction="outbound",
            from_=order.from_,
            to=order.to,
            persona=self.persona(order.to),
            webhook_url=order.webhook_url,
            customer_id=order.call,
            detects=order.detects,
            effect=order.effect,
            ring_timeout_s=order.ring_timeout_s,
            time_limit_s=order.time_limit_s,
        )
        self.place(call)
        return call

    def ordered(self, effect: str) -> Call | None:
        """The call that this order has placed."""
        return next((call for call in self.calls.values() if call.effect == effect), None)

    def known_as(self, customer_id: str) -> Call | None:
        """The newest call that was dialled for this call of the customer's."""
        found = (call for call in reversed(self.calls.values()) if call.effect and call.customer_id == customer_id)
        return next(found, None)

    def say(self, call: Call, prompt: Prompt) -> None:
        """Speak the text in place of the current activity: a command takes precedence over a reply that is awaited."""
        call.verbs.append({"verb": "say", "at": time.time(), "text": prompt.text})
        call.run(self._talk(call).say(prompt))

    def transfer(self, call: Call, order: TransferRequest) -> None:
        """Connect the leg with a number in place of the current activity; its end is reported, and asks what next."""
        call.verbs.append({"verb": "transfer", "at": time.time(), "to": order.to})
        call.run(self._transferred(call, order))

    async def _transferred(self, call: Call, order: TransferRequest) -> None:
        ring_ms = order.ring_timeout_s * 1000
        status = await connect_with(call, order.to, self.persona(order.to), ring_ms=ring_ms)
        call.note("transferred", to=order.to, status=status)
        await follow(call, self._talk(call), "call.transferred", effect=order.effect, status=status)

    def purge(self, call: Call) -> None:
        """Stop speaking and listening."""
        call.verbs.append({"verb": "hush", "at": time.time()})
        call.run(self._talk(call).say(Prompt("", listens=False)))

    def forget_ended(self) -> None:
        super().forget_ended()
        self._native_speech = {
            sid: native_speech for sid, native_speech in self._native_speech.items() if sid in self.calls
        }

    def _talk(self, call: Call) -> NativeSpeech:
        """The call's prompts and recognition, one object for the call's whole life."""
        if call.sid not in self._native_speech:
            self._native_speech[call.sid] = NativeSpeech(call)
        return self._native_speech[call.sid]
