"""An answered call: its line, and everything the customer can start on it."""

import asyncio

from simulators.phone.answering import answer
from simulators.telnyx.call import Call
from simulators.telnyx.detection import detect
from simulators.telnyx.media import run
from simulators.telnyx.playback import Voice
from simulators.telnyx.recognition import Recognition
from simulators.telnyx.relay import Relay
from simulators.telnyx.relay import run as run_relay
from simulators.telnyx.requests import Fields, Streaming

__all__ = ["Answered"]

_POST_DIAL_KEY_MS = 200


class Answered:
    """Created at answer: opens the line and starts what was ordered for that moment."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.line = answer(call)
        self.voice = Voice(call, self.line)
        self.recognition = Recognition(call)
        self._streaming: asyncio.Task[None] | None = None
        call.collector = self.recognition
        self.recognition.transcribing = call.transcription
        if call.streaming is not None:
            self.stream(call.streaming)
        if call.machine_detection:
            call.spawn(detect(call, self.line))
        if call.send_digits:
            self.press(call.send_digits)

    @property
    def streams(self) -> bool:
        """Whether a stream is open or being opened."""
        return self._streaming is not None and not self._streaming.done()

    def stream(self, order: Streaming) -> None:
        """Start to stream."""
        self._streaming = self.call.spawn(run(self.call, self.line, order))

    def stop_streaming(self) -> None:
        """End the stream; it announces its end itself."""
        if self._streaming is not None:
            self._streaming.cancel()

    def relay(self, order: Fields) -> None:
        """Hear and speak for the customer."""
        self.call.spawn(run_relay(Relay(self.call, self.line, order), self.call))

    def press(self, digits: str) -> None:
        """Play keys to the callee. A w is half a second, a W a whole one."""
        self.call.note("digits", digits=digits)
        pauses = {"w": 500, "W": 1000}
        self.call.spawn(self.line.pause(sum(pauses.get(digit, _POST_DIAL_KEY_MS) for digit in digits)))
