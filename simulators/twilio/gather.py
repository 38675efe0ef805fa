"""`<Gather>`: let the callee speak or press keys, then ask the customer what to do with it.

Recognition is perfect: the box knows what its persona says, so `SpeechResult` is the script's own words.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

from simulators.twilio.call import Call
from simulators.twilio.twiml import Destination, resolve

__all__ = ["gather"]

Prompt = Callable[[ET.Element], Awaitable[object]]
_AUTO_S = 0.6
"""How long `speechTimeout="auto"` waits after the last word."""


class _Collecting:
    """What came in so far; `changed` is set whenever there is news."""

    def __init__(self, element: ET.Element) -> None:
        kinds = element.get("input", "dtmf").split()
        self.hears = "speech" in kinds
        self.reads = "dtmf" in kinds
        self.finish_on = element.get("finishOnKey", "#")
        self.wanted = int(element.get("numDigits", "0"))
        self.words: list[str] = []
        self.digits = ""
        self.finished_on = ""
        self.complete = False
        self.talking = False
        self.changed = asyncio.Event()

    def speech_began(self) -> None:
        if self.hears:
            self.talking = True
            self.changed.set()

    def speech(self, text: str) -> None:
        if self.hears:
            self.talking = False
            self.words.append(text)
            self.changed.set()

    def digit(self, digit: str) -> None:
        if not self.reads or self.complete:
            return
        if digit in self.finish_on:
            self.finished_on, self.complete = digit, True
        else:
            self.digits += digit
            self.complete = self.wanted > 0 and len(self.digits) >= self.wanted
        self.changed.set()

    @property
    def begun(self) -> bool:
        return bool(self.talking or self.words or self.digits or self.complete)


async def gather(call: Call, element: ET.Element, base: str, prompt: Prompt) -> Destination | None:
    """Perform a Gather; the action to ask, or None when nothing came and the next verb shall run."""
    collecting = _Collecting(element)
    call.collector = collecting
    try:
        await _prompt(collecting, element, prompt)
        await _collect(collecting, element)
    finally:
        call.collector = None
    nothing = not collecting.words and not collecting.digits and not collecting.complete
    if nothing and element.get("actionOnEmptyResult", "false") != "true":
        call.note("gather.empty")
        return None
    return Destination(
        url=resolve(base, element.get("action", "")),
        method=element.get("method", "POST"),
        kind="gather",
        fields=tuple(_result(collecting, element)),
    )


async def _prompt(collecting: _Collecting, element: ET.Element, prompt: Prompt) -> None:
    """Say what is nested in the Gather; words and keys cut it, unless `bargeIn` forbids."""

    async def all_of_it() -> None:
        for child in element:
            await prompt(child)

    saying = asyncio.ensure_future(all_of_it())
    try:
        while not saying.done():
            news = asyncio.ensure_future(collecting.changed.wait())
            try:
                await asyncio.wait({saying, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            collecting.changed.clear()
            if collecting.begun and element.get("bargeIn", "true") == "true":
                break
            if collecting.begun:
                await asyncio.wait({saying})
    finally:
        if not saying.done():
            saying.cancel()
            # Its cancellation is ours: waiting for it lets the ear fall silent before we go on.
            with contextlib.suppress(asyncio.CancelledError):
                await saying
    if not saying.cancelled():
        saying.result()


async def _collect(collecting: _Collecting, element: ET.Element) -> None:
    timeout_s = float(element.get("timeout", "5"))
    after_speech = element.get("speechTimeout", str(timeout_s))
    pause_s = _AUTO_S if after_speech == "auto" else float(after_speech)
    while not collecting.complete:
        patience = None if collecting.talking else pause_s if collecting.words else timeout_s
        collecting.changed.clear()
        try:
            async with asyncio.timeout(patience):
                await collecting.changed.wait()
        except TimeoutError:
            return


def _result(collecting: _Collecting, element: ET.Element) -> list[tuple[str, str]]:
    if collecting.words:
        language = element.get("language", "en-US")
        return [("SpeechResult", " ".join(collecting.words)), ("Confidence", "0.94"), ("Language", language)]
    if collecting.digits or collecting.complete:
        found = [("Digits", collecting.digits)]
        return [*found, ("FinishedOnKey", collecting.finished_on)] if collecting.finished_on else found
    return [("SpeechResult", "")] if collecting.hears else [("Digits", "")]
