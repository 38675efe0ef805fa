"""The carrier's own recognition on one call: keys, `gather`, and speech while `transcription_start` is in force.

Recognition is perfect: a transcript is the persona's script.
"""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.phone.collecting import Collecting
from simulators.telnyx.call import Call

__all__ = ["Gathering", "Recognition"]

_CONFIDENCE = 0.97


@dataclass(frozen=True)
class Gathering:
    """A `gather` as ordered; times in seconds."""

    least: int
    most: int
    between_s: float
    first_s: float
    terminator: str
    valid: str
    gather_id: str | None = None


class Recognition:
    """The collector of one answered call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._gathering: Collecting | None = None
        self._valid = ""
        self.transcribing: Mapping[str, Any] | None = None
        """The settings of the running transcription; None: none runs."""

    def speech_began(self) -> None:
        config = (self.transcribing or {}).get("transcription_engine_config") or {}
        if config.get("interim_results"):
            self._transcript("", final=False)

    def speech(self, text: str) -> None:
        if self.transcribing is not None:
            self._transcript(text, final=True)

    def digit(self, digit: str) -> None:
        self._call.notify("call.dtmf.received", {**self._call.parties, "digit": digit})
        if self._gathering is not None and digit in self._valid + self._gathering.finish_on:
            self._gathering.digit(digit)

    def gather(self, order: Gathering, prompt: Coroutine[Any, Any, None] | None = None) -> None:
        """Collect keys, while `prompt` plays and after it; the result is sent as `call.gather.ended`."""
        collecting = Collecting(hears=False, reads=True, finish_on=order.terminator, wanted=order.most)
        self._gathering, self._valid = collecting, order.valid
        self._call.spawn(self._gather(collecting, order, prompt))

    def stop_gathering(self) -> bool:
        """End the running gather as `cancelled`; False when none runs."""
        if self._gathering is None:
            return False
        self._end_gathering("", "cancelled", None)
        return True

    async def _gather(self, collecting: Collecting, order: Gathering, prompt: Coroutine[Any, Any, None] | None) -> None:
        status = "call_hangup"
        try:
            if prompt is not None:
                await collecting.during(prompt)
            await collecting.until_silence(first_s=order.first_s, after_speech_s=0, after_digit_s=order.between_s)
            enough = "valid" if len(collecting.digits) >= order.least else "invalid"
            status = "timeout" if collecting.empty else enough
        finally:
            if self._gathering is collecting:
                self._end_gathering(collecting.digits, status, order.gather_id)

    def _end_gathering(self, digits: str, status: str, gather_id: str | None) -> None:
        self._gathering = None
        facts = {**self._call.parties, "digits": digits, "status": status}
        self._call.notify("call.gather.ended", facts | ({"gather_id": gather_id} if gather_id else {}))

    def _transcript(self, text: str, *, final: bool) -> None:
        heard = {
            "transcript": text,
            "is_final": final,
            "confidence": _CONFIDENCE,
            "transcription_track": "inbound",
        }
        self._call.notify("call.transcription", {"transcription_data": heard})
