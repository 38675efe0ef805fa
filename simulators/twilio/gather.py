"""`<Gather>`: collects the callee's speech or keys and sends them to the action URL."""

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

from simulators.phone.collecting import Collecting
from simulators.twilio.call import Call
from simulators.twilio.twiml import Destination, resolve

__all__ = ["gather"]

Prompt = Callable[[ET.Element], Awaitable[object]]
_AUTO_S = 0.6
"""How long `speechTimeout="auto"` waits after the last word, in milliseconds."""


async def gather(call: Call, element: ET.Element, base: str, prompt: Prompt) -> Destination | None:
    """Perform a Gather; returns the action to request, or None to continue with the next verb."""
    kinds = element.get("input", "dtmf").split()
    collecting = Collecting(
        hears="speech" in kinds,
        reads="dtmf" in kinds,
        finish_on=element.get("finishOnKey", "#"),
        wanted=int(element.get("numDigits", "0")),
    )

    async def all_of_it() -> None:
        for child in element:
            await prompt(child)

    timeout_s = float(element.get("timeout", "5"))
    after_speech = element.get("speechTimeout", str(timeout_s))
    pause_s = _AUTO_S if after_speech == "auto" else float(after_speech)
    call.collector = collecting
    try:
        await collecting.during(all_of_it(), barge_in=element.get("bargeIn", "true") == "true")
        await collecting.until_silence(first_s=timeout_s, after_speech_s=pause_s, after_digit_s=timeout_s)
    finally:
        call.collector = None
    if collecting.empty and element.get("actionOnEmptyResult", "false") != "true":
        call.note("gather.empty")
        return None
    return Destination(
        url=resolve(base, element.get("action", "")),
        method=element.get("method", "POST"),
        kind="gather",
        fields=tuple(_result(collecting, element)),
    )


def _result(collecting: Collecting, element: ET.Element) -> list[tuple[str, str]]:
    if collecting.words:
        language = element.get("language", "en-US")
        return [("SpeechResult", " ".join(collecting.words)), ("Confidence", "0.94"), ("Language", language)]
    if collecting.digits or collecting.complete:
        found = [("Digits", collecting.digits)]
        return [*found, ("FinishedOnKey", collecting.finished_on)] if collecting.finished_on else found
    return [("SpeechResult", "")] if collecting.hears else [("Digits", "")]
