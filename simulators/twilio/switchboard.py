"""Twilio's calls: the target of inbound numbers, and what an answered call does first."""

import time
from dataclasses import dataclass, replace

from simulators.phone.answering import answer
from simulators.phone.switchboard import Arrival, NumberSettings
from simulators.phone.switchboard import Switchboard as AnySwitchboard
from simulators.twilio.call import Call, StatusCallback
from simulators.twilio.detection import detect
from simulators.twilio.exchange import Exchange
from simulators.twilio.interpreter import follow
from simulators.twilio.twiml import Destination

__all__ = ["Number", "Switchboard"]

_POST_DIAL_KEY_S = 0.2


@dataclass(frozen=True)
class Number:
    """What the customer configured for inbound calls."""

    voice: Destination
    callback: StatusCallback | None = None


class Switchboard(AnySwitchboard[Call]):
    """All calls of one account."""

    def __init__(self, exchange: Exchange, inbound: Number) -> None:
        super().__init__(exchange)
        self.exchange = exchange
        self.inbound = inbound
        exchange.persona = self.persona

    def arrive(self, arrival: Arrival) -> Call:
        number = _with_url(self.inbound, arrival.url, arrival.status_callback)
        if not number.voice.url:
            raise ValueError("no voice URL: start with --webhook or give url")
        call = Call(
            exchange=self.exchange,
            direction="inbound",
            from_=arrival.from_,
            to=arrival.to,
            persona=arrival.persona,
            destination=number.voice,
            callback=number.callback,
        )
        call.started_at = time.time()
        self.enter(call, "ringing")
        call.run(follow(call, call.destination))
        return call

    def configure(self, number: NumberSettings) -> None:
        voice = Destination(url=number.voice_url, method=number.method, fallback_url=number.fallback_url)
        callback = StatusCallback(number.status_callback) if number.status_callback else None
        self.inbound = Number(voice=voice, callback=callback)

    def redirect(self, call: Call, destination: Destination) -> None:
        """Replace the current activity of a live call."""
        call.run(follow(call, destination))

    async def connected(self, call: Call) -> None:
        if call.machine_detection and not call.amd_callback:
            call.answered_by = call.persona.answered_by
        line = answer(call)
        if call.machine_detection and call.amd_callback:
            call.spawn(detect(call, line))
        if call.send_digits:
            call.note("digits", digits=call.send_digits)
            await line.pause(len(call.send_digits) * _POST_DIAL_KEY_S * 1000)
        await follow(call, call.destination)


def _with_url(number: Number, url: str, status_callback: str) -> Number:
    """A number's configuration with another voice URL, or another status callback, for one call."""
    if url:
        number = replace(number, voice=Destination(url=url, kind="voice"))
    if status_callback:
        number = replace(number, callback=StatusCallback(status_callback))
    return number
